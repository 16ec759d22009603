//! A redirect URI beside the registered ones: which comes nearest, and in which part it differs.

use portcullis_oauth::RedirectUri;

/// What a person is told of a redirect URI that is not registered.
pub(crate) struct Compared {
    /// The registered URI that comes nearest, and the rule under which it would match.
    pub(crate) expected: String,
    /// The URI that was asked for, and where it differs.
    pub(crate) got: String,
}

/// Compares a URI with what the client registered.
pub(crate) fn compare(registered: &[RedirectUri], asked: Option<&str>) -> Compared {
    let Some(asked) = asked else {
        let count = registered.len();
        return Compared {
            expected: format!(
                "one of the {count} redirect URIs that the client registered, named in the request"
            ),
            got: "no redirect_uri".to_owned(),
        };
    };
    let Some(nearest) = registered.iter().max_by_key(|uri| likeness(uri.as_str(), asked)) else {
        return Compared {
            expected: "a redirect URI that the client registered; it registered none".to_owned(),
            got: asked.to_owned(),
        };
    };
    Compared {
        expected: format!("{}: {nearest}", rule(nearest)),
        got: format!("{}: {asked}", difference(nearest.as_str(), asked)),
    }
}

fn rule(registered: &RedirectUri) -> &'static str {
    match registered.loopback() {
        // OA21-8.4.2-1, DC-7, DC-8
        Some(_) => "with any port",
        // OA21-2.3.1-1
        None => "exactly",
    }
}

/// The parts of a URI, in the order in which a difference counts.
struct Parts<'a> {
    scheme: &'a str,
    host: &'a str,
    port: &'a str,
    path: &'a str,
    query: &'a str,
    fragment: &'a str,
}

impl<'a> Parts<'a> {
    fn of(uri: &'a str) -> Self {
        let (rest, fragment) = uri.split_once('#').unwrap_or((uri, ""));
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (scheme, rest) = rest.split_once(':').unwrap_or(("", rest));
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
            None => ("", rest),
        };
        let colon = authority.rfind(':').filter(|at| !authority[*at..].contains(']'));
        let (host, port) = authority.split_at(colon.unwrap_or(authority.len()));
        Self { scheme, host, port: port.trim_start_matches(':'), path, query, fragment }
    }

    fn named(&self) -> [(&'static str, &'a str); 6] {
        [
            ("scheme", self.scheme),
            ("host", self.host),
            ("port", self.port),
            ("path", self.path),
            ("query", self.query),
            ("fragment", self.fragment),
        ]
    }
}

/// How many parts agree, then how far the texts agree from their beginning.
fn likeness(registered: &str, asked: &str) -> (usize, usize) {
    let (ours, theirs) = (Parts::of(registered), Parts::of(asked));
    let agree =
        ours.named().iter().zip(theirs.named()).filter(|((_, ours), (_, theirs))| ours == theirs).count();
    let common = registered.bytes().zip(asked.bytes()).take_while(|(one, other)| one == other).count();
    (agree, common)
}

fn difference(registered: &str, asked: &str) -> String {
    let (ours, theirs) = (Parts::of(registered), Parts::of(asked));
    let port_is_free = RedirectUri::parse(registered).is_ok_and(|uri| uri.loopback().is_some());
    let differs = ours.named().into_iter().zip(theirs.named());
    let named: Vec<String> = differs
        .filter(|((name, ours), (_, theirs))| ours != theirs && !(port_is_free && *name == "port"))
        .map(|((name, ours), (_, theirs))| because(name, ours, theirs))
        .collect();
    if named.is_empty() {
        "differs in its spelling".to_owned()
    } else {
        format!("differs in {}", named.join(", "))
    }
}

fn because(name: &str, ours: &str, theirs: &str) -> String {
    let how = if ours.eq_ignore_ascii_case(theirs) {
        " (upper and lower case)"
    } else if ours.trim_end_matches('/') == theirs.trim_end_matches('/') {
        " (a slash at the end)"
    } else {
        ""
    };
    format!("{name}{how}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(registered: &[&str], asked: &str) -> (String, String) {
        let registered: Vec<RedirectUri> =
            registered.iter().map(|uri| RedirectUri::parse(uri).unwrap()).collect();
        let Compared { expected, got } = compare(&registered, Some(asked));
        (expected, got)
    }

    #[test]
    fn the_nearest_registered_address_is_named_with_its_rule_and_the_part_that_differs() {
        let registered = ["https://app.example/callback", "http://127.0.0.1/callback"];
        for (asked, expected, got) in [
            ("http://127.0.0.1:51004/cb", "with any port: http://127.0.0.1/callback", "path"),
            ("http://localhost:51004/callback", "with any port: http://127.0.0.1/callback", "host"),
            (
                "https://app.example/callback/",
                "exactly: https://app.example/callback",
                "path (a slash at the end)",
            ),
            (
                "https://app.example/Callback",
                "exactly: https://app.example/callback",
                "path (upper and lower case)",
            ),
            ("https://app.example:8443/callback", "exactly: https://app.example/callback", "port"),
            (
                "https://app.example/callback?x=1#f",
                "exactly: https://app.example/callback",
                "query, fragment",
            ),
        ] {
            let (nearest, difference) = compared(&registered, asked);
            assert_eq!(nearest, expected, "{asked}");
            assert_eq!(difference, format!("differs in {got}: {asked}"));
        }
        let none = compare(&[], Some("https://app.example/cb"));
        assert!(none.expected.contains("it registered none"));
        assert_eq!(compare(&[], None).got, "no redirect_uri");
    }
}
