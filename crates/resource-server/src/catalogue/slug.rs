//! A server's name in commands, addresses and rows.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a name was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a server's name is 1 to 40 lower-case letters, digits and hyphens and begins with a letter")]
pub struct SlugError;

/// `^[a-z][a-z0-9-]{0,39}$`
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type)]
#[sqlx(transparent)]
#[serde(try_from = "String", into = "String")]
pub struct Slug(String);

impl Slug {
    /// Reads a name.
    ///
    /// # Errors
    /// When it does not obey the grammar.
    pub fn parse(text: &str) -> Result<Self, SlugError> {
        let head = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if head && text.len() <= 40 && text.bytes().all(known) {
            Ok(Self(text.to_owned()))
        } else {
            Err(SlugError)
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Slug {
    type Error = SlugError;

    fn try_from(text: String) -> Result<Self, SlugError> {
        Self::parse(&text)
    }
}

impl From<Slug> for String {
    fn from(slug: Slug) -> Self {
        slug.0
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
