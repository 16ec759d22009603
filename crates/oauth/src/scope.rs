//! Scopes: parsing (OAuth 2.1 §1.4.1), set algebra, and the ones that this server knows.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The scopes that Portcullis knows, by their wire names.
pub mod scopes {
    /// See connections and the tools that they offer.
    pub const TOOLS_READ: &str = "mcp.tools.read";
    /// Call tools.
    pub const TOOLS_EXECUTE: &str = "mcp.tools.execute";
    /// Read resources.
    pub const RESOURCES_READ: &str = "mcp.resources.read";
    /// Add and repair connections through MCP.
    pub const CONNECTIONS_MANAGE: &str = "mcp.connections.manage";
    /// Accepted always, gives no permission of its own (DC-6).
    pub const OFFLINE_ACCESS: &str = "offline_access";

    /// Every scope that opens something at an MCP resource.
    pub const MCP: [&str; 4] = [TOOLS_READ, TOOLS_EXECUTE, RESOURCES_READ, CONNECTIONS_MANAGE];
    /// Every scope that a client may ask for, in the order in which people understand them.
    pub const ALL: [&str; 5] =
        [TOOLS_READ, TOOLS_EXECUTE, RESOURCES_READ, CONNECTIONS_MANAGE, OFFLINE_ACCESS];
    /// See how this server is set up and what happened at it; for those who administer it.
    pub const ADMIN_READ: &str = "admin.read";
    /// Change how this server is set up; for those who administer it.
    pub const ADMIN_WRITE: &str = "admin.write";
    /// What those who administer this server may do beside everything else. Not among [`ALL`]: metadata names neither, so
    /// that no client asks for them out of habit.
    pub const ADMIN: [&str; 2] = [ADMIN_READ, ADMIN_WRITE];
    /// Every scope that opens something at the API.
    pub const API: [&str; 3] = [CONNECTIONS_MANAGE, ADMIN_READ, ADMIN_WRITE];
    /// Sign the person in: an ID token (OpenID Connect Core §3.1.2.1). Without it the two others mean nothing.
    pub const IDENTITY: &str = "openid";
    /// Tell the person's name (OpenID Connect Core §5.4).
    pub const PROFILE: &str = "profile";
    /// Tell the person's e-mail address (OpenID Connect Core §5.4).
    pub const EMAIL: &str = "email";
    /// What clients that sign people in ask for, and some others out of habit: known where OpenID Connect is on, else
    /// dropped, and never a reason to refuse (DC-5).
    pub const OPENID: [&str; 3] = [IDENTITY, PROFILE, EMAIL];
    /// Whether a name means something on this server, so that no other resource may give it another meaning.
    #[must_use]
    pub fn is_reserved(name: &str) -> bool {
        let own = ["mcp.", "admin."].iter().any(|prefix| name.starts_with(prefix));
        own || name == OFFLINE_ACCESS || OPENID.contains(&name)
    }

    /// What the 401 challenge and the metadata of a resource name (profile `working_set`, MCP-AUTH-12).
    pub const WORKING_SET: [&str; 3] = [TOOLS_READ, TOOLS_EXECUTE, RESOURCES_READ];
}

/// Why a `scope` value was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// A character outside `%x21 / %x23-5B / %x5D-7E`.
    #[error("scope holds a character that OAuth 2.1 section 1.4.1 does not allow")]
    Character,
    /// More or longer scopes than anybody means.
    #[error("scope is longer than 100 tokens or 2000 characters")]
    TooLong,
}

/// A set of scope tokens: case-sensitive, without order (OA21-1.4.1-1). Displays space-delimited and sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ScopeSet(BTreeSet<String>);

impl ScopeSet {
    /// Parses a space-delimited `scope` value; empty text is the empty set (OA21-3.1-5).
    ///
    /// # Errors
    /// On a character outside the grammar, or on more than 100 tokens or 2,000 characters.
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        if text.len() > 2_000 {
            return Err(ScopeError::TooLong);
        }
        let mut set = BTreeSet::new();
        for token in text.split(' ').filter(|token| !token.is_empty()) {
            if !token.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)) {
                return Err(ScopeError::Character);
            }
            set.insert(token.to_owned());
        }
        if set.len() > 100 { Err(ScopeError::TooLong) } else { Ok(Self(set)) }
    }

    /// Whether `scope` is in the set.
    #[must_use]
    pub fn contains(&self, scope: &str) -> bool {
        self.0.contains(scope)
    }

    /// Whether nothing is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether everything here is also in `other`.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }

    /// What is here and not in `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        Self(self.0.difference(&other.0).cloned().collect())
    }

    /// What is in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    /// The tokens, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl<'a> FromIterator<&'a str> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = &'a str>>(tokens: I) -> Self {
        Self(tokens.into_iter().map(str::to_owned).collect())
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, token) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(token)?;
        }
        Ok(())
    }
}

impl Serialize for ScopeSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ScopeSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "sqlx")]
mod column {
    //! A scope set as a text column: space-delimited and sorted.

    use sqlx::encode::IsNull;
    use sqlx::error::BoxDynError;
    use sqlx::{Database, Decode, Encode, Type};

    use super::ScopeSet;

    impl<DB: Database> Type<DB> for ScopeSet
    where
        String: Type<DB>,
    {
        fn type_info() -> DB::TypeInfo {
            <String as Type<DB>>::type_info()
        }

        fn compatible(ty: &DB::TypeInfo) -> bool {
            <String as Type<DB>>::compatible(ty)
        }
    }

    impl<'q, DB: Database> Encode<'q, DB> for ScopeSet
    where
        String: Encode<'q, DB>,
    {
        fn encode_by_ref(
            &self,
            buffer: &mut <DB as Database>::ArgumentBuffer,
        ) -> Result<IsNull, BoxDynError> {
            self.to_string().encode(buffer)
        }
    }

    impl<'r, DB: Database> Decode<'r, DB> for ScopeSet
    where
        String: Decode<'r, DB>,
    {
        fn decode(value: <DB as Database>::ValueRef<'r>) -> Result<Self, BoxDynError> {
            Ok(Self::parse(&String::decode(value)?)?)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// OA21-1.4.1-1
    #[test]
    fn scope_is_a_set_of_case_sensitive_tokens() {
        assert_eq!(ScopeSet::parse("b a"), ScopeSet::parse("a b"));
        assert_ne!(ScopeSet::parse("Read"), ScopeSet::parse("read"));
        assert_eq!(ScopeSet::parse("a\"b"), Err(ScopeError::Character));
        assert_eq!(ScopeSet::parse("a\\b"), Err(ScopeError::Character));
        assert_eq!(ScopeSet::parse("a\tb"), Err(ScopeError::Character));
        assert_eq!(ScopeSet::parse("").map(|set| set.is_empty()), Ok(true));
    }

    proptest! {
        #[test]
        fn what_parses_displays_as_what_parses_the_same(text in "\\PC{0,80}") {
            if let Ok(set) = ScopeSet::parse(&text) {
                prop_assert_eq!(ScopeSet::parse(&set.to_string()), Ok(set));
            }
        }

        /// OA21-1.4.1-1: a set, whatever the order and however often, and narrowing never widens
        #[test]
        fn scopes_are_sets(one in prop::collection::vec("[a-c]{1,2}", 0..5), two in prop::collection::vec("[a-c]{1,2}", 0..5)) {
            let set = |names: &[String]| ScopeSet::parse(&names.join(" ")).unwrap();
            let (a, b) = (set(&one), set(&two));
            let both: Vec<String> = two.iter().chain(&one).cloned().collect();
            prop_assert_eq!(a.union(&b), set(&both));
            prop_assert!(a.intersection(&b).is_subset(&a) && a.intersection(&b).is_subset(&b));
            prop_assert_eq!(a.is_subset(&b), one.iter().all(|name| two.contains(name)));
        }
    }
}
