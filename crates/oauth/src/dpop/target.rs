//! The target of a request as a proof names it: `htu` (RFC 9449 §4.2), compared as §4.3 wants it.

use std::fmt::Write;

use crate::ResourceUri;

/// An http or https URI without query and fragment, normalised by syntax (RFC 3986 §6.2.2) and by scheme (§6.2.3): case of
/// scheme, host and percent-encodings, the default port, needless encodings, dot segments and the empty path. Two that
/// are equal name the same target. Read strictly, and never through a URL library: what one parser takes for our
/// host and another for somebody else's is no target at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpTarget(String);

impl HttpTarget {
    /// Reads a target, leaving query and fragment aside. `None` when it is no absolute http or https URI.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let end = text.find(['?', '#']).unwrap_or(text.len());
        let uri = ResourceUri::parse(&text[..end]).ok()?;
        let path = normal_path(&normal_encodings(&uri.as_str()[uri.origin().len()..])?);
        Some(Self(format!("{}{path}", uri.origin())))
    }

    /// The target of a request for `path` at the server that publishes `resource`, whatever `Host` says.
    #[must_use]
    pub fn at(resource: &ResourceUri, path: &str) -> Option<Self> {
        Self::parse(&format!("{}{path}", resource.origin()))
    }

    /// The normalised URI.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// RFC 3986 §6.2.2.1, §6.2.2.2: hexadecimal digits in upper case, and nothing encoded that need not be. `None` for a
/// percent sign that encodes nothing.
fn normal_encodings(path: &str) -> Option<String> {
    let mut parts = path.split('%');
    let mut normal = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        let byte = u8::from_str_radix(digits, 16).ok()?;
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            normal.push(char::from(byte));
        } else {
            let _ = write!(normal, "%{byte:02X}");
        }
        normal.push_str(&part[2..]);
    }
    Some(normal)
}

/// RFC 3986 §5.2.4, §6.2.3: without dot segments, and never empty.
fn normal_path(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                // A dot at the end leaves the slash before it.
                if segments.peek().is_none() {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn same(one: &str, other: &str) -> bool {
        let one = HttpTarget::parse(one);
        one.is_some() && one == HttpTarget::parse(other)
    }

    /// R9449-4.3-3: the same target, however it is spelled, and no other
    #[test]
    fn a_target_is_compared_after_normalisation() {
        for (one, other) in [
            ("HTTPS://Host:443/token?x", "https://host/token"),
            ("https://host/token#f?x", "https://host/token"),
            ("https://host", "https://host/"),
            ("https://host?x", "https://host/"),
            ("http://host:80/a", "http://host/a"),
            ("https://host/%7euser/%c3%a9", "https://host/~user/%C3%A9"),
            ("https://host/a/./b/../c", "https://host/a/c"),
            ("https://host/a/%2e%2E/c", "https://host/c"),
            ("https://host/a/..", "https://host/"),
            ("https://host/a/b/.", "https://host/a/b/"),
            ("https://host/../../a", "https://host/a"),
        ] {
            assert!(same(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("https://host/token", "https://host/token/"),
            ("https://host/token", "https://host/Token"),
            ("https://host/token", "https://host/tokens"),
            ("https://host/token", "http://host/token"),
            ("https://host/token", "https://host:8443/token"),
            ("https://host/token", "https://host.evil/token"),
            ("https://host/a%2Fb", "https://host/a/b"),
            ("https://host/a//b", "https://host/a/b"),
        ] {
            assert!(!same(one, other), "{one} {other}");
        }
        for none in [
            "",
            "/token",
            "host/token",
            "//host/token",
            "ftp://host/token",
            "https:///token",
            "https://user@host/token",
            "https://host\\@evil/token",
            "https://host /token",
            "https://host/to\tken",
            "https://host/\u{e9}",
            "https://host/%",
            "https://host/%2",
            "https://host/%%32e",
        ] {
            assert_eq!(HttpTarget::parse(none), None, "{none}");
        }
    }

    proptest! {
        /// R9449-4.3-3
        #[test]
        fn normalising_twice_changes_nothing(text in "https?://[a-zA-Z.]{1,8}(:(443|80|8420))?(/[a-zA-Z.%27eE/~-]{0,16})?(\\?[a-z]{0,3})?") {
            if let Some(once) = HttpTarget::parse(&text) {
                prop_assert_eq!(HttpTarget::parse(once.as_str()), Some(once));
            }
        }

        #[test]
        fn whatever_arrives_is_a_target_or_none(text in ".{0,80}") {
            let _ = HttpTarget::parse(&text);
        }
    }
}
