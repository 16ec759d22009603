//! Strict JSON (T23): a value that every parser reads alike, or a refusal. Refused are duplicate keys, NUL, lone
//! surrogates, a byte order mark, nesting deeper than 64, and numbers that a double would change. What passes travels on
//! as a value and is serialised anew: a stranger's bytes are never forwarded.

mod number;

use portcullis_oauth::StrictJson;
use serde::Deserialize;
use serde_json::Value;

/// Deeper nesting is refused.
const DEPTH: usize = 64;

/// Why a text was refused; each has a reason code and a sentence for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JsonError {
    /// Not UTF-8, or with a byte order mark.
    Encoding,
    /// Nested too deep.
    Depth,
    /// A number that a double would change, or beyond 2^53.
    Number,
    /// Not JSON, or with a duplicate key, NUL or a lone surrogate.
    Grammar,
}

impl JsonError {
    /// The sentence for the caller.
    pub(crate) const fn message(self) -> &'static str {
        match self {
            Self::Encoding => "the body must be UTF-8 without a byte order mark",
            Self::Depth => "the body is nested deeper than 64 levels",
            Self::Number => "the body holds a number beyond 2^53 or one that a double would change",
            Self::Grammar => "the body is not JSON, or holds a duplicate key, NUL or a lone surrogate",
        }
    }
}

/// Reads one JSON value.
pub(crate) fn parse(body: &[u8]) -> Result<Value, JsonError> {
    let text = std::str::from_utf8(body).map_err(|_| JsonError::Encoding)?;
    if text.starts_with('\u{feff}') {
        return Err(JsonError::Encoding);
    }
    scan(text.as_bytes())?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = StrictJson::deserialize(&mut reader).map_err(|_| JsonError::Grammar)?;
    reader.end().map_err(|_| JsonError::Grammar)?;
    Ok(value.0)
}

/// What the grammar's reader cannot see any more once it has read: how deep, and how each number was written.
fn scan(text: &[u8]) -> Result<(), JsonError> {
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(byte) = text.get(at) {
        let length = match byte {
            b'"' => string_length(&text[at..]),
            b'-' | b'0'..=b'9' => {
                let length = text[at..].iter().take_while(|byte| number::may_hold(**byte)).count();
                if !number::survives(&text[at..at + length]) {
                    return Err(JsonError::Number);
                }
                length
            }
            b'{' | b'[' => {
                depth += 1;
                if depth > DEPTH {
                    return Err(JsonError::Depth);
                }
                1
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                1
            }
            _ => 1,
        };
        at += length;
    }
    Ok(())
}

/// The length of the string that begins here, quotes included.
fn string_length(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// T23
    #[test]
    fn what_two_parsers_could_read_differently_is_refused() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        for (text, error) in [
            (r#"{"a":1,"a":2}"#, JsonError::Grammar),
            (r#"{"a":{"b":1,"\u0062":2}}"#, JsonError::Grammar),
            (r#""\u0000""#, JsonError::Grammar),
            (r#"{"\u0000":1}"#, JsonError::Grammar),
            (r#""\ud800""#, JsonError::Grammar),
            (r#""\udc00""#, JsonError::Grammar),
            ("\u{feff}{}", JsonError::Encoding),
            ("9007199254740993", JsonError::Number),
            ("-9007199254740993", JsonError::Number),
            ("1e400", JsonError::Number),
            ("1e-400", JsonError::Number),
            ("0.1000000000000000055", JsonError::Number),
            ("NaN", JsonError::Grammar),
            ("01", JsonError::Grammar),
            ("{} {}", JsonError::Grammar),
            ("", JsonError::Grammar),
            (&deep(65), JsonError::Depth),
        ] {
            assert_eq!(parse(text.as_bytes()), Err(error), "{text}");
        }
        assert_eq!(parse(b"\xff"), Err(JsonError::Encoding));
        assert!(parse(deep(64).as_bytes()).is_ok());
    }

    #[test]
    fn ordinary_values_pass_unchanged() {
        let text =
            r#"{"a":[1,-1,0,1.5,1e3,9007199254740992,0.1,-0.0],"b":"\"\\\u00e9\ud83d\ude00]","c":null}"#;
        let value = parse(text.as_bytes()).unwrap();
        assert_eq!(value["a"][5], json!(9_007_199_254_740_992_i64));
        assert_eq!(value["b"], "\"\\é😀]");
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-9_007_199_254_740_992_i64..=9_007_199_254_740_992).prop_map(Value::from),
            (-1e15..1e15_f64).prop_map(Value::from),
            "[^\\x00]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map("[^\\x00]{0,6}", inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// Strictness refuses nothing that another program would have written plainly, and changes none of it.
        #[test]
        fn what_a_serialiser_writes_is_read_back(value in any_json()) {
            prop_assert_eq!(parse(value.to_string().as_bytes()), Ok(value));
        }

        /// Whatever comes, it is an answer and not a panic; and what passes reads the same after being written anew.
        #[test]
        fn strangers_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&body);
        }

        #[test]
        fn what_passes_is_stable(text in "[\\[\\]{}:,\"\\\\0-9eE.+\\-a-fntu ]{0,40}") {
            if let Ok(value) = parse(text.as_bytes()) {
                prop_assert_eq!(parse(value.to_string().as_bytes()), Ok(value));
            }
        }
    }
}
