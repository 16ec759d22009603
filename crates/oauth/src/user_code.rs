//! The code that a person reads on a device and types into a browser (RFC 8628 §6.1).

use std::fmt;

use crate::secret::random_bytes;
use crate::{Secret, SecretHash};

/// Consonants alone, so that no word comes out and no letter looks like a digit (R8628-6.1-1).
const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const LENGTH: usize = 8;

/// Eight letters out of twenty: 34 random bits, short-lived and guessed at a limited rate (R8628-5.1-1). `Debug` prints
/// nothing of it, and it has no column type.
#[derive(Clone)]
pub struct UserCode(Secret);

impl UserCode {
    /// A new one.
    #[must_use]
    pub fn generate() -> Self {
        let mut letters = String::with_capacity(LENGTH);
        while letters.len() < LENGTH {
            // Bytes beyond the last multiple of 20 are drawn again, so that every letter is equally likely.
            let drawn = random_bytes::<16>();
            let fair = drawn.iter().filter(|byte| **byte < 240);
            letters.extend(fair.take(LENGTH - letters.len()).map(|byte| letter(*byte)));
        }
        Self(Secret::presented(letters))
    }

    /// What somebody typed: case, dashes and spaces do not matter (R8628-6.1-1). `None` when it cannot be a code.
    #[must_use]
    pub fn parse(typed: &str) -> Option<Self> {
        if typed.len() > 64 {
            return None;
        }
        let letters: String = typed
            .chars()
            .filter(|c| !c.is_whitespace() && !matches!(c, '-' | '\u{2010}'..='\u{2015}'))
            .map(|c| c.to_ascii_uppercase())
            .collect();
        let known = |byte| ALPHABET.contains(&byte);
        (letters.len() == LENGTH && letters.bytes().all(known)).then(|| Self(Secret::presented(letters)))
    }

    /// The code as people read it: `WDJB-MJHT`.
    #[must_use]
    pub fn shown(&self) -> String {
        let (head, tail) = self.0.expose().split_at(LENGTH / 2);
        format!("{head}-{tail}")
    }

    /// What is stored and looked up.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        self.0.hash()
    }
}

fn letter(byte: u8) -> char {
    char::from(ALPHABET[usize::from(byte) % ALPHABET.len()])
}

impl fmt::Debug for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserCode(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// R8628-6.1-1
    #[test]
    fn case_dashes_and_spaces_do_not_matter_and_other_letters_are_no_code() {
        let code = UserCode::parse("WDJBMJHT").unwrap();
        for same in ["wdjb-mjht", " WDJB MJHT ", "w-d-j-b-m-j-h-t", "wdjb\u{2013}mjht"] {
            assert_eq!(UserCode::parse(same).unwrap().hash(), code.hash(), "{same}");
        }
        for other in ["", "WDJB", "WDJBMJHTX", "ADJBMJHT", "WDJ8MJHT", "ẂDJBMJH", "WDJB\0MJHT"] {
            assert!(UserCode::parse(other).is_none(), "{other}");
        }
    }

    /// R8628-6.1-1, R8628-5.1-1
    #[test]
    fn a_new_code_is_eight_consonants_and_shows_itself_with_a_dash() {
        let shown = UserCode::generate().shown();
        assert_eq!((shown.len(), shown.as_bytes()[4]), (9, b'-'));
        assert!(UserCode::parse(&shown).is_some());
        assert_ne!(shown, UserCode::generate().shown());
        assert_eq!(format!("{:?}", UserCode::generate()), "UserCode(…)");
    }

    proptest! {
        #[test]
        fn whatever_is_typed_is_a_code_or_none(typed in ".{0,80}") {
            if let Some(code) = UserCode::parse(&typed) {
                prop_assert_eq!(UserCode::parse(&code.shown()).unwrap().hash(), code.hash());
            }
        }
    }
}
