//! `WWW-Authenticate` as a client reads it (RFC 9110 §11.6.1): several challenges in one field, quoted or not, from a
//! server that may mean harm.

use crate::{ErrorCode, ScopeSet};

/// Longer values are not read.
const LONGEST: usize = 8_000;

/// What a server said with a 401 or a 403 of the scheme `Bearer` or `DPoP`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceivedChallenge {
    /// Where the server says that its metadata is (RFC 9728 §5.1). A stranger's text.
    pub resource_metadata: Option<String>,
    /// What the operation needs; empty when nothing readable was said.
    pub scope: ScopeSet,
    /// Why the token was refused, if that is one of the registered codes.
    pub error: Option<ErrorCode>,
}

impl ReceivedChallenge {
    /// The first challenge of a token scheme in these `WWW-Authenticate` values. One that says a parameter twice is
    /// passed over, since two readers could take it for two things.
    pub fn read<'a>(values: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        values
            .into_iter()
            .filter(|value| value.len() <= LONGEST)
            .flat_map(|value| Reader { rest: value }.challenges())
            .find_map(|challenge| Self::of(&challenge))
    }

    fn of(challenge: &Challenge<'_>) -> Option<Self> {
        let is_ours = ["bearer", "dpop"].iter().any(|scheme| challenge.scheme.eq_ignore_ascii_case(scheme));
        if !is_ours || challenge.is_ambiguous {
            return None;
        }
        let find = |name: &str| {
            challenge.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
        };
        Some(Self {
            resource_metadata: find("resource_metadata").map(str::to_owned),
            scope: find("scope").and_then(|scope| ScopeSet::parse(scope).ok()).unwrap_or_default(),
            error: find("error").and_then(ErrorCode::parse),
        })
    }
}

struct Challenge<'a> {
    scheme: &'a str,
    parameters: Vec<(String, String)>,
    is_ambiguous: bool,
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    /// Every challenge up to the first thing that is none.
    fn challenges(mut self) -> Vec<Challenge<'a>> {
        let mut read: Vec<Challenge<'a>> = Vec::new();
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', ',']);
            let word = self.take(is_token);
            if word.is_empty() {
                return read;
            }
            let after = self.rest.trim_start_matches([' ', '\t']);
            if let Some(value) = after.strip_prefix('=') {
                self.rest = value.trim_start_matches([' ', '\t']);
                let Some(value) = self.value() else {
                    // What follows cannot be told apart any more, and the challenge it stood in is not whole.
                    read.pop();
                    return read;
                };
                let Some(challenge) = read.last_mut() else { return read };
                let name = word.to_ascii_lowercase();
                challenge.is_ambiguous |= challenge.parameters.iter().any(|(known, _)| *known == name);
                challenge.parameters.push((name, value));
            } else {
                self.rest = after;
                self.skip_token68();
                read.push(Challenge { scheme: word, parameters: Vec::new(), is_ambiguous: false });
            }
        }
    }

    fn take(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// A token or a quoted string; `None` when it is neither.
    fn value(&mut self) -> Option<String> {
        let Some(mut rest) = self.rest.strip_prefix('"') else {
            let token = self.take(is_token);
            return (!token.is_empty()).then(|| token.to_owned());
        };
        let mut text = String::new();
        loop {
            let c = rest.chars().next()?;
            rest = &rest[c.len_utf8()..];
            match c {
                '"' => break,
                '\\' => {
                    let escaped = rest.chars().next()?;
                    rest = &rest[escaped.len_utf8()..];
                    text.push(escaped);
                }
                c if c.is_control() && c != '\t' => return None,
                c => text.push(c),
            }
        }
        self.rest = rest;
        Some(text)
    }

    /// Other schemes put their data there, without a name.
    fn skip_token68(&mut self) {
        let belongs = |c: char| c.is_ascii_alphanumeric() || "-._~+/".contains(c);
        let data = self.rest.trim_start_matches(belongs);
        let after = data.trim_start_matches('=').trim_start_matches([' ', '\t']);
        if data.len() < self.rest.len() && (after.is_empty() || after.starts_with(',')) {
            self.rest = after;
        }
    }
}

/// RFC 9110 §5.6.2.
fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Challenge as Written;

    fn read(value: &str) -> Option<(Option<String>, String)> {
        let read = ReceivedChallenge::read([value])?;
        Some((read.resource_metadata, read.scope.to_string()))
    }

    /// MCP-AUTH-20, R9728-5.1-1: what real servers write
    #[test]
    fn challenges_are_found_however_they_are_written() {
        let place = Some("https://h/m".to_owned());
        for (value, scope) in [
            (r#"Bearer resource_metadata="https://h/m", scope="b a""#, "a b"),
            (r#"bearer  Scope = "a" ,resource_metadata= "https://h/m""#, "a"),
            (r#"Basic realm="x, Bearer scope=\"z\"", Bearer resource_metadata="https://h/m""#, ""),
            (r#"Negotiate YWJj==, Bearer resource_metadata="https://h/m",scope=a"#, "a"),
            (r#"Negotiate, , Bearer realm="", resource_metadata="https:\/\/h/m""#, ""),
            (r#"DPoP algs="ES256", resource_metadata="https://h/m""#, ""),
            (r#"Bearer resource_metadata="https://h/m", scope="a\\b", Basic realm="y""#, ""),
        ] {
            assert_eq!(read(value), Some((place.clone(), scope.to_owned())), "{value}");
        }
        assert_eq!(read("Bearer"), Some((None, String::new())));
        let refused = ReceivedChallenge::read([r#"Bearer error="insufficient_scope", scope="w""#]);
        assert_eq!(refused.and_then(|read| read.error), Some(ErrorCode::InsufficientScope));
    }

    /// MCP-AUTH-20: what two readers could take for two things counts for nothing
    #[test]
    fn an_ambiguous_or_broken_challenge_is_passed_over() {
        for value in [
            r#"Bearer resource_metadata="https://h/a", resource_metadata="https://h/b""#,
            r#"Bearer resource_metadata="https://h/a"#,
            "Bearer scope=\"a\u{7}\"",
            "Bearer scope=, resource_metadata=@",
            r#"scope="a""#,
            "",
            "Basic realm=x",
            &format!("Bearer scope=\"{}\"", "a".repeat(LONGEST)),
        ] {
            assert_eq!(read(value), None, "{value}");
        }
        let second = r#"Bearer scope=a, scope=b, Bearer scope="c""#;
        assert_eq!(read(second), Some((None, "c".to_owned())));
    }

    proptest! {
        /// No text of a stranger stops the reader, and what our own servers write is read back.
        #[test]
        fn any_text_is_read_to_its_end(value in "\\PC{0,120}", url in "[!#-\\[\\]-~]{1,40}", scope in "[a-z:.]{1,12}") {
            let _ = ReceivedChallenge::read([value.as_str()]);
            let written = Written {
                algs: None,
                resource_metadata: url.clone(),
                scope: ScopeSet::from_iter([scope.as_str()]),
                error: Some((ErrorCode::InvalidToken, "the token expired")),
            };
            let expected = ReceivedChallenge {
                resource_metadata: Some(url),
                scope: written.scope.clone(),
                error: Some(ErrorCode::InvalidToken),
            };
            let before = format!("Digest {}", written.header());
            prop_assert_eq!(ReceivedChallenge::read([written.header().as_str()]), Some(expected));
            let _ = ReceivedChallenge::read([before.as_str()]);
        }

        /// Words, commas, quotes and equal signs in any order.
        #[test]
        fn any_order_of_delimiters_is_read(value in "[a-z =,\"\\\\\t]{0,60}") {
            let _ = ReceivedChallenge::read([value.as_str()]);
        }
    }
}
