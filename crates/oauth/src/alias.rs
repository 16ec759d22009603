//! A user's own name for a connection: the last segment of `/mcp/{alias}` and the prefix of its tools.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why an alias was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AliasError {
    /// Not `^[a-z][a-z0-9]{0,11}$`.
    #[error("an alias is 1 to 12 lower-case letters and digits and begins with a letter")]
    Grammar,
    /// `gateway` names our own tools.
    #[error("the alias `gateway` is reserved")]
    Reserved,
}

/// `^[a-z][a-z0-9]{0,11}$`, not `gateway`. Without an underscore, so that `alias__tool` can be split one way only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::Type))]
#[cfg_attr(feature = "sqlx", sqlx(transparent))]
#[serde(try_from = "String", into = "String")]
pub struct Alias(String);

impl Alias {
    /// Reads an alias.
    ///
    /// # Errors
    /// When it does not obey the grammar or is reserved.
    pub fn parse(text: &str) -> Result<Self, AliasError> {
        let mut bytes = text.bytes();
        let head = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase());
        let tail = bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if !head || !tail || text.len() > 12 {
            return Err(AliasError::Grammar);
        }
        if text == "gateway" { Err(AliasError::Reserved) } else { Ok(Self(text.to_owned())) }
    }

    /// The alias as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Alias {
    type Error = AliasError;

    fn try_from(text: String) -> Result<Self, AliasError> {
        Self::parse(&text)
    }
}

impl From<Alias> for String {
    fn from(alias: Alias) -> Self {
        alias.0
    }
}

impl fmt::Display for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_short_lower_case_and_without_underscore() {
        for good in ["a", "github", "work2", "abcdefghijkl"] {
            assert_eq!(Alias::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "2a", "Work", "a_b", "a-b", "abcdefghijklm", "é", "a/b"] {
            assert_eq!(Alias::parse(bad), Err(AliasError::Grammar), "{bad}");
        }
        assert_eq!(Alias::parse("gateway"), Err(AliasError::Reserved));
    }
}
