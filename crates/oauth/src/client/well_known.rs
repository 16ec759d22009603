//! Where metadata may be, in the order in which MCP has clients look (MCP-AUTH-20).

use super::RemoteUrl;

const PROTECTED_RESOURCE: &str = "/.well-known/oauth-protected-resource";
const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";

/// Of the protected resource `server` (RFC 9728 §3.1): its path inserted, with its query; MCP adds the root.
#[must_use]
pub fn protected_resource(server: &RemoteUrl) -> Vec<String> {
    let mut places =
        vec![inserted(server, PROTECTED_RESOURCE), format!("{}{PROTECTED_RESOURCE}", server.origin())];
    places.dedup();
    places
}

/// Where a document about exactly `resource` stands (RFC 9728 §3.1).
#[must_use]
pub fn of_resource(resource: &RemoteUrl) -> String {
    inserted(resource, PROTECTED_RESOURCE)
}

/// Of an authorization server: RFC 8414 §3.1, OpenID Connect with insertion, then with appending (RFC 8414 §5).
#[must_use]
pub fn authorization_server(issuer: &RemoteUrl) -> Vec<String> {
    let (origin, path) = (issuer.origin(), issuer.path().trim_end_matches('/'));
    let mut places = vec![format!("{origin}{AUTHORIZATION_SERVER}{path}"), format!("{origin}{OPENID}{path}")];
    if !path.is_empty() {
        places.push(format!("{origin}{path}{OPENID}"));
    }
    places
}

/// R9728-3.1-1: a slash alone after the host is no path.
fn inserted(resource: &RemoteUrl, suffix: &str) -> String {
    let path = match resource.path() {
        "/" => "",
        path => path.strip_prefix('/').filter(|rest| rest.starts_with('?')).unwrap_or(path),
    };
    format!("{}{suffix}{path}", resource.origin())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> RemoteUrl {
        RemoteUrl::parse(text, false).unwrap()
    }

    /// MCP-AUTH-20, R9728-3.1-1
    #[test]
    fn the_places_are_tried_in_order() {
        assert_eq!(
            protected_resource(&url("https://h/public/mcp?x=1")),
            [
                "https://h/.well-known/oauth-protected-resource/public/mcp?x=1",
                "https://h/.well-known/oauth-protected-resource"
            ]
        );
        for root in ["https://h", "https://h/", "https://H:443"] {
            assert_eq!(protected_resource(&url(root)), ["https://h/.well-known/oauth-protected-resource"]);
        }
        for tenant in ["https://a/tenant1", "https://a/tenant1/"] {
            assert_eq!(
                authorization_server(&url(tenant)),
                [
                    "https://a/.well-known/oauth-authorization-server/tenant1",
                    "https://a/.well-known/openid-configuration/tenant1",
                    "https://a/tenant1/.well-known/openid-configuration"
                ]
            );
        }
        assert_eq!(
            authorization_server(&url("https://a")),
            [
                "https://a/.well-known/oauth-authorization-server",
                "https://a/.well-known/openid-configuration"
            ]
        );
    }
}
