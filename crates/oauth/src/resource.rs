//! Resource identifiers (RFC 8707, MCP "Canonical Server URI"): the narrow canonicaliser and the registry.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::scope::scopes;
use crate::{Alias, PublicUrl, ScopeSet, Seconds};

/// Why a `resource` value was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("resource must be an absolute http(s) URI without fragment, user information or control characters")]
pub struct ResourceUriError;

/// A canonical resource identifier. Scheme and host are lower case, a default port and the slash of an empty path are
/// gone; everything else stays byte for byte (DC-1): `/mcp/` is not `/mcp`. Never re-serialised through a URL library.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::Type))]
#[cfg_attr(feature = "sqlx", sqlx(transparent))]
#[serde(transparent)]
pub struct ResourceUri(String);

impl ResourceUri {
    /// Canonicalises a `resource` value (R8707-2-1, MCP-AUTH-18).
    ///
    /// # Errors
    /// When it is not an absolute http or https URI, or has a fragment, user information or a control character.
    pub fn parse(text: &str) -> Result<Self, ResourceUriError> {
        let printable =
            text.bytes().all(|byte| matches!(byte, 0x21..=0x7e)) && !text.contains(['"', '\\', '#']);
        if !printable || text.len() > 2_000 {
            return Err(ResourceUriError);
        }
        let (scheme, rest) = text.split_once("://").ok_or(ResourceUriError)?;
        let scheme = scheme.to_ascii_lowercase();
        let default_port = match scheme.as_str() {
            "https" => ":443",
            "http" => ":80",
            _ => return Err(ResourceUriError),
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') || !valid_authority(authority) {
            return Err(ResourceUriError);
        }
        let authority = authority.to_ascii_lowercase();
        let authority = authority.strip_suffix(default_port).unwrap_or(&authority);
        let path = if path == "/" { "" } else { path };
        Ok(Self(format!("{scheme}://{authority}{path}")))
    }

    /// The identifier, as minted into `aud` and published in metadata.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the scheme is https.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// Scheme, host and port.
    #[must_use]
    pub fn origin(&self) -> &str {
        let authority = self.0.find("://").map_or(0, |at| at + 3);
        let end = self.0[authority..].find(['/', '?']).map_or(self.0.len(), |at| authority + at);
        &self.0[..end]
    }

    /// Host and port.
    #[must_use]
    pub fn authority(&self) -> &str {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        rest.split(['/', '?']).next().unwrap_or_default()
    }

    /// Whether the host is this computer.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        PublicUrl::parse(self.origin()).is_ok_and(|origin| origin.is_loopback())
    }
}

/// `host [ ":" port ]` with a non-empty host and a numeric port.
fn valid_authority(authority: &str) -> bool {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, port.strip_prefix(':').or(Some("x"))),
            None => return false,
        },
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let host_ok =
        !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~:%".contains(&b));
    host_ok && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

impl fmt::Display for ResourceUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an access token of a resource looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenFormat {
    /// A random string that only its issuer can read: its revocation acts at once.
    #[default]
    Opaque,
    /// A signed token (RFC 9068) that the resource checks by itself: it lives until it expires.
    Jwt,
}

impl TokenFormat {
    /// Every format.
    pub const ALL: [Self; 2] = [Self::Opaque, Self::Jwt];

    /// The format as its column, its option and `--json` name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opaque => "opaque",
            Self::Jwt => "jwt",
        }
    }

    /// The format of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }
}

/// One entry of the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// The canonical identifier: what `aud` says.
    pub uri: ResourceUri,
    /// What people call it.
    pub name: String,
    /// The one connection that it reaches; `None` for the aggregate, which reaches those that the grant names, and for
    /// every resource that is not our own gateway's.
    pub alias: Option<Alias>,
    /// Every scope that has a meaning here.
    pub scopes: ScopeSet,
    /// What a request that names no scope asks for: documented, never everything (OA21-1.4.1-3).
    pub default_scopes: ScopeSet,
    /// What its access tokens look like.
    pub token_format: TokenFormat,
    /// How long its access tokens live; `None` for the server's default.
    pub access_token_life: Option<Seconds>,
}

impl Resource {
    /// A resource by itself, as its own server describes it. Its metadata names all of `scopes`.
    #[must_use]
    pub fn new(uri: ResourceUri, name: impl Into<String>, scopes: ScopeSet) -> Self {
        Self {
            uri,
            name: name.into(),
            alias: None,
            default_scopes: scopes.clone(),
            scopes,
            token_format: TokenFormat::Opaque,
            access_token_life: None,
        }
    }

    /// Where its metadata lies: the well-known segment inserted before the path (R9728-3-1).
    #[must_use]
    pub fn metadata_path(&self) -> String {
        match &self.alias {
            Some(alias) => format!("/.well-known/oauth-protected-resource/mcp/{alias}"),
            None => "/.well-known/oauth-protected-resource/mcp".to_owned(),
        }
    }
}

/// The resources of this deployment: `{public_url}/mcp`, `{public_url}/mcp/{alias}` for every well-formed alias, so
/// that a stranger learns from no answer which aliases exist, and the API at `{public_url}/api/v1`.
#[derive(Clone, Debug)]
pub struct ResourceRegistry {
    public_url: PublicUrl,
    /// At hand, since most requests are for it.
    aggregate: Arc<Resource>,
    api: Arc<Resource>,
}

/// Where the API lies.
const API: &str = "/api/v1";

impl ResourceRegistry {
    /// The registry of the deployment at `public_url`.
    #[must_use]
    pub fn new(public_url: PublicUrl) -> Self {
        let aggregate = Arc::new(entry(&public_url, "/mcp", None));
        let api = Arc::new(api(&public_url));
        Self { public_url, aggregate, api }
    }

    /// The origin of every resource here, and their one authorization server (DC-24).
    #[must_use]
    pub fn public_url(&self) -> &PublicUrl {
        &self.public_url
    }

    /// The aggregate, which is also the default when a request names no resource (DC-2).
    #[must_use]
    pub fn aggregate(&self) -> &Resource {
        &self.aggregate
    }

    /// The API for people's own programs and for those who administer this server.
    #[must_use]
    pub fn api(&self) -> &Resource {
        &self.api
    }

    /// The resource of one connection.
    #[must_use]
    pub fn connection(&self, alias: Alias) -> Resource {
        entry(&self.public_url, &format!("/mcp/{alias}"), Some(alias))
    }

    /// The entry with this identifier.
    #[must_use]
    pub fn find(&self, uri: &ResourceUri) -> Option<Resource> {
        if *uri == self.api.uri {
            return Some(self.api().clone());
        }
        match self.path_of(uri)? {
            "" => Some(self.aggregate().clone()),
            alias => Alias::parse(alias).ok().map(|alias| self.connection(alias)),
        }
    }

    /// Whether this is the identifier of an entry.
    #[must_use]
    pub fn has(&self, uri: &ResourceUri) -> bool {
        *uri == self.api.uri
            || self.path_of(uri).is_some_and(|path| path.is_empty() || Alias::parse(path).is_ok())
    }

    /// What follows `/mcp/` in an identifier of ours; empty for the aggregate's.
    fn path_of<'u>(&self, uri: &'u ResourceUri) -> Option<&'u str> {
        let rest = uri.as_str().strip_prefix(self.public_url.as_str())?.strip_prefix("/mcp")?;
        if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/').filter(|path| !path.is_empty()) }
    }
}

fn entry(public_url: &PublicUrl, path: &str, alias: Option<Alias>) -> Resource {
    let uri = ResourceUri(public_url.join(path));
    let name = alias.as_ref().map_or_else(|| "Portcullis".to_owned(), |alias| format!("Portcullis: {alias}"));
    Resource {
        alias,
        default_scopes: ScopeSet::from_iter(scopes::WORKING_SET),
        ..Resource::new(uri, name, ScopeSet::from_iter(scopes::MCP))
    }
}

/// What names no scope there gets what anybody may have: never what administers (OA21-1.4.1-3).
fn api(public_url: &PublicUrl) -> Resource {
    let uri = ResourceUri(public_url.join(API));
    Resource {
        default_scopes: ScopeSet::from_iter([scopes::CONNECTIONS_MANAGE]),
        ..Resource::new(uri, "Portcullis API", ScopeSet::from_iter(scopes::API))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// MCP-AUTH-18, DC-1, R8707-2-1
    #[test]
    fn only_case_default_port_and_the_empty_paths_slash_are_forgiven() {
        for (given, canonical) in [
            ("HTTPS://MCP.Example.com/mcp", "https://mcp.example.com/mcp"),
            ("https://h:443/mcp", "https://h/mcp"),
            ("http://h:80", "http://h"),
            ("https://h/", "https://h"),
            ("https://h/mcp/", "https://h/mcp/"),
            ("https://h/MCP", "https://h/MCP"),
            ("https://h:8443/mcp?x=/", "https://h:8443/mcp?x=/"),
            ("http://[::1]:8420/mcp", "http://[::1]:8420/mcp"),
        ] {
            assert_eq!(ResourceUri::parse(given).unwrap().as_str(), canonical);
        }
        for bad in [
            "mcp.example",
            "https://h#f",
            "https://u@h/",
            "ftp://h",
            "https://",
            "https://h:x/",
            "https://h /",
        ] {
            assert_eq!(ResourceUri::parse(bad), Err(ResourceUriError), "{bad}");
        }
    }

    /// T05, A26: no prefix of an identifier is the identifier
    #[test]
    fn the_registry_knows_the_aggregate_and_every_well_formed_alias() {
        let registry = ResourceRegistry::new(PublicUrl::parse("https://h").unwrap());
        let find =
            |text: &str| registry.find(&ResourceUri::parse(text).unwrap()).map(|found| found.uri.to_string());
        assert_eq!(find("HTTPS://H/mcp").as_deref(), Some("https://h/mcp"));
        assert_eq!(find("https://h/mcp/work").as_deref(), Some("https://h/mcp/work"));
        assert_eq!(find("https://h/api/v1").as_deref(), Some("https://h/api/v1"));
        for no in [
            "https://h",
            "https://h/mcp/",
            "https://h/mcp2",
            "https://h.evil/mcp",
            "https://h/mcp/a/b",
            "https://h/mcp?x",
            "https://h/api",
            "https://h/api/v1/",
            "https://h/api/v1/servers",
        ] {
            assert_eq!(find(no), None, "{no}");
            assert!(!registry.has(&ResourceUri::parse(no).unwrap()), "{no}");
        }
    }

    proptest! {
        #[test]
        fn canonicalising_twice_changes_nothing(text in "[hH]ttps?://[A-Za-z0-9.]{1,12}(:(80|443|8420))?(/[a-z/]{0,8})?") {
            if let Ok(once) = ResourceUri::parse(&text) {
                prop_assert_eq!(ResourceUri::parse(once.as_str()).unwrap(), once);
            }
        }

        /// MCP-AUTH-18, DC-1: against an independent oracle: two spellings are one resource exactly when a URL parser says so
        #[test]
        fn two_spellings_are_one_when_a_url_parser_says_so(
            one in "[hH][tT][tT]ps?://[aA]\\.[bB](:(80|443|8420))?(/[aA]?/?)?",
            two in "[hH][tT][tT]ps?://[aA]\\.[bB](:(80|443|8420))?(/[aA]?/?)?",
        ) {
            let ours = ResourceUri::parse(&one).unwrap() == ResourceUri::parse(&two).unwrap();
            prop_assert_eq!(ours, url::Url::parse(&one).unwrap() == url::Url::parse(&two).unwrap());
        }

        /// R8707-2-1: strangers' values are read or refused, and what is read is absolute, bare of a fragment and of a user
        #[test]
        fn whatever_arrives_is_read_or_refused(text in "(https?://)?[ -~é\u{0}]{0,40}") {
            if let Ok(uri) = ResourceUri::parse(&text) {
                prop_assert!(uri.as_str().starts_with("http") && !uri.as_str().contains('#') && !uri.authority().contains('@'));
            }
        }
    }
}
