//! Strict JSON for what servers write (T23): each key said once, no NUL, no lone surrogate, nested 64 deep at most. What
//! passes is relayed as it stands, because every parser reads it alike; so numbers are nobody's business here.

use std::collections::HashSet;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};

/// Deeper nesting is refused.
const DEPTH: usize = 64;

/// Checks one text.
///
/// # Errors
/// What is wrong with it, in words.
pub(crate) fn check(text: &[u8]) -> Result<(), String> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    Level(DEPTH).deserialize(&mut reader).and_then(|()| reader.end()).map_err(|error| error.to_string())
}

/// Reads one value, in which so many levels may still open.
#[derive(Clone, Copy)]
struct Level(usize);

impl Level {
    fn below<E: Error>(self) -> Result<Self, E> {
        self.0.checked_sub(1).map(Self).ok_or_else(|| E::custom("nested deeper than 64 levels"))
    }
}

impl<'de> DeserializeSeed<'de> for Level {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        if text.contains('\0') { Err(E::custom("NUL in a text")) } else { Ok(()) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let below = self.below()?;
        while items.next_element_seed(below)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let below = self.below()?;
        let mut keys = HashSet::new();
        while let Some(key) = members.next_key::<String>()? {
            if key.contains('\0') || !keys.insert(key) {
                return Err(A::Error::custom("a key with NUL, or one that is said twice"));
            }
            members.next_value_seed(below)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T23
    #[test]
    fn what_two_parsers_could_read_differently_is_refused() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        for bad in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":{"b":1,"\u0062":2}}"#,
            r#"[{"\u0000":1}]"#,
            r#""\u0000""#,
            r#""\ud800""#,
            "\u{feff}{}",
            "{} {}",
            "NaN",
            "01",
            "",
            &deep(65),
        ] {
            assert!(check(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(check(b"\"\xff\"").is_err());
        for good in [r#"{"a":[1,-0.5,1e3,12345678901234567890123,null,true,"\u00e9"]}"#, &deep(64)] {
            assert_eq!(check(good.as_bytes()), Ok(()), "{good}");
        }
    }
}
