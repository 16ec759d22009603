//! Protected resource metadata as a client reads it (RFC 9728 §3.3).

use serde_json::Value;

use super::{MetadataFault, RemoteUrl, well_known};
use crate::{ResourceUri, ScopeSet, StrictJson};

/// How many authorization servers a document may name before it is taken for nonsense.
const MOST_SERVERS: usize = 20;

/// How the document was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// The server's challenge named this URL (RFC 9728 §5.1).
    Named(&'a str),
    /// At this well-known URL (RFC 9728 §3.1).
    WellKnown(&'a str),
}

/// What a server says about who issues its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectedResource {
    /// Its identifier as it spells it: what tokens are asked for (RFC 8707 §2).
    pub resource: RemoteUrl,
    /// The authorization server. Of several the first: which one is a client's own choice (RFC 9728 §7.6).
    pub authorization_server: RemoteUrl,
    /// The scopes that it thinks a client needs; `None` when it does not say.
    pub scopes: Option<ScopeSet>,
}

impl ProtectedResource {
    /// Reads the document that was found for `server`. `loopback` as in [`RemoteUrl::parse`].
    ///
    /// It must be about `server` itself (R9728-3.3-1). A server below the resource, on the same origin, is covered too,
    /// but only if the document stands at the well-known place of that very resource: then it is its own.
    ///
    /// # Errors
    /// When it is no such document, is about something else, or names a URL that may not be called.
    pub fn read(
        body: &[u8],
        server: &RemoteUrl,
        found: Found<'_>,
        loopback: bool,
    ) -> Result<Self, MetadataFault> {
        let members = StrictJson::object(body).ok_or(MetadataFault::NotJson)?;
        let text = |name| members.get(name).and_then(Value::as_str);
        let resource = text("resource").ok_or(MetadataFault::Member("resource"))?;
        let resource =
            RemoteUrl::parse(resource, loopback).map_err(|error| MetadataFault::Url("resource", error))?;
        let (Found::Named(place) | Found::WellKnown(place)) = found;
        let is_a_parents_own = || covers(&resource, server) && place == well_known::of_resource(&resource);
        if !is_same(&resource, server) && !is_a_parents_own() {
            return Err(MetadataFault::Resource);
        }
        let servers = members.get("authorization_servers").and_then(Value::as_array);
        let first = servers.filter(|all| all.len() <= MOST_SERVERS).and_then(|all| all.first()?.as_str());
        let first = first.ok_or(MetadataFault::Member("authorization_servers"))?;
        let authorization_server = RemoteUrl::parse(first, loopback)
            .map_err(|error| MetadataFault::Url("authorization_servers", error))?;
        let scopes = members.get("scopes_supported").and_then(scope_list);
        Ok(Self { resource, authorization_server, scopes })
    }
}

/// DC-1: scheme and host in any case, a default port, the slash of an empty path; nothing else.
fn is_same(one: &RemoteUrl, other: &RemoteUrl) -> bool {
    ResourceUri::parse(one.as_str()).is_ok_and(|uri| ResourceUri::parse(other.as_str()) == Ok(uri))
}

/// A parent by whole segments of the path.
fn covers(resource: &RemoteUrl, server: &RemoteUrl) -> bool {
    let (parent, child) = (resource.path().trim_end_matches('/'), server.path());
    resource.origin() == server.origin()
        && !parent.contains('?')
        && child.strip_prefix(parent).is_some_and(|rest| rest.starts_with('/'))
}

/// A list of scopes; `None` for what is no such list, or is one that no request could hold.
pub(super) fn scope_list(list: &Value) -> Option<ScopeSet> {
    let names: Option<Vec<&str>> = list.as_array()?.iter().map(Value::as_str).collect();
    ScopeSet::parse(&names?.join(" ")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "https://h/.well-known/oauth-protected-resource";

    fn read(resource: &str, found: Found<'_>) -> Result<String, MetadataFault> {
        let server = RemoteUrl::parse("https://h/team/mcp", false).unwrap();
        let body = format!(r#"{{"resource":"{resource}","authorization_servers":["https://a"]}}"#);
        ProtectedResource::read(body.as_bytes(), &server, found, false)
            .map(|read| read.resource.as_str().to_owned())
    }

    /// R9728-3.3-1: the document is about the server itself
    #[test]
    fn a_document_about_something_else_is_not_used() {
        let inserted = format!("{ROOT}/team/mcp");
        for found in [Found::Named("https://h/anywhere"), Found::WellKnown(&inserted)] {
            assert_eq!(read("https://h/team/mcp", found), Ok("https://h/team/mcp".to_owned()));
            assert_eq!(read("HTTPS://H:443/team/mcp", found), Ok("HTTPS://H:443/team/mcp".to_owned()));
            for other in [
                "https://h/team/mcp/",
                "https://h/team",
                "https://h",
                "https://evil/team/mcp",
                "https://h/Team/mcp",
            ] {
                assert_eq!(read(other, found), Err(MetadataFault::Resource), "{other}");
            }
        }
    }

    /// R9728-3.3-1, DC-4: a parent's own document at the parent's own place counts, and nowhere else
    #[test]
    fn a_parent_counts_at_its_own_place_alone() {
        for found in [Found::Named(ROOT), Found::WellKnown(ROOT)] {
            assert_eq!(read("https://h", found), Ok("https://h".to_owned()));
            assert_eq!(read("https://h/", found), Ok("https://h/".to_owned()));
            assert_eq!(read("https://h/team", found), Err(MetadataFault::Resource));
            assert_eq!(read("https://i", found), Err(MetadataFault::Resource));
        }
        let team = format!("{ROOT}/team");
        assert_eq!(read("https://h/team", Found::Named(&team)), Ok("https://h/team".to_owned()));
        let tea = format!("{ROOT}/tea");
        assert_eq!(read("https://h/tea", Found::Named(&tea)), Err(MetadataFault::Resource));
    }

    /// T09, T13: what it names is judged before anything is called
    #[test]
    fn an_authorization_server_is_an_https_url() {
        let server = RemoteUrl::parse("https://h/mcp", false).unwrap();
        let read = |servers: &str| {
            let body = format!(r#"{{"resource":"https://h/mcp","authorization_servers":{servers}}}"#);
            ProtectedResource::read(body.as_bytes(), &server, Found::Named("https://h/x"), false)
        };
        let first =
            read(r#"["https://a/t", "javascript:x"]"#).map(|read| read.authorization_server.to_string());
        assert_eq!(first, Ok("https://a/t".to_owned()));
        for bad in [r#"["javascript:alert(1)"]"#, r#"["http://a"]"#, r#"["https://u@a"]"#] {
            assert!(matches!(read(bad), Err(MetadataFault::Url("authorization_servers", _))), "{bad}");
        }
        for bad in ["[]", "null", r#""https://a""#, "[1]"] {
            assert_eq!(read(bad), Err(MetadataFault::Member("authorization_servers")), "{bad}");
        }
    }
}
