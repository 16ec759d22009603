//! The name of an attempt: short enough to be read over the telephone.

use std::fmt;

use portcullis_oauth::random_handle;
use serde::{Deserialize, Serialize};

/// Digits and letters without those that look alike, and without `U`.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 50 random bits: unique among all that are kept; not secret, since only admins can look one up.
const LENGTH: usize = 10;

/// An authorization attempt, named `7K3QW-XMP4T`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[sqlx(transparent)]
#[serde(transparent)]
pub struct AttemptId(String);

impl AttemptId {
    /// A new one.
    pub(crate) fn generate() -> Self {
        // Each character of a handle holds six random bits, of which five name a letter.
        let drawn = random_handle("");
        let letters: String = drawn.bytes().take(LENGTH).map(letter).collect();
        Self(shown(&letters))
    }

    /// What somebody typed or was told: case, dashes and spaces do not matter, and letters that look alike are the same.
    /// `None` when it cannot be one.
    #[must_use]
    pub fn parse(typed: &str) -> Option<Self> {
        let alike = |c: char| match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        };
        let letters: String = typed.chars().filter(|c| !matches!(c, '-' | ' ')).map(alike).take(64).collect();
        let known = |byte: u8| ALPHABET.contains(&byte);
        (letters.len() == LENGTH && letters.bytes().all(known)).then(|| Self(shown(&letters)))
    }

    /// The identifier as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn shown(letters: &str) -> String {
    let (head, tail) = letters.split_at(LENGTH / 2);
    format!("{head}-{tail}")
}

/// The letter of a base64url character: two of the 64 share one.
fn letter(character: u8) -> char {
    let six = match character {
        b'A'..=b'Z' => character - b'A',
        b'a'..=b'z' => character - b'a' + 26,
        b'0'..=b'9' => character - b'0' + 52,
        b'-' => 62,
        _ => 63,
    };
    char::from(ALPHABET[usize::from(six % 32)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_named_shortly_and_read_back_however_it_is_typed() {
        let id = AttemptId::generate();
        assert_eq!(id.as_str().len(), LENGTH + 1);
        assert_ne!(id, AttemptId::generate());
        let typed = id.as_str().to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
        assert_eq!(AttemptId::parse(&typed), Some(id));
        for no in ["", "7K3Q", "7K3QW-XMP4U", "7K3QW-XMP4T-7", "req_abcdefghij"] {
            assert_eq!(AttemptId::parse(no), None, "{no}");
        }
    }
}
