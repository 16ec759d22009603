//! Which addresses an upstream server may have. An admin names them, and credentials travel there.

use portcullis_oauth::ResourceUri;

/// Why an address was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not a URL as it stands in a request.
    #[error(
        "this is no address of an MCP server: write an absolute URL such as https://mcp.example.com/mcp, without user name, password and #fragment"
    )]
    Malformed,
    /// Plain http to another computer.
    #[error(
        "the address must begin with https://; plain http is taken only when this server itself is published on this computer alone, or for a server on this computer with private network allowed"
    )]
    Plain,
    /// A secret that everybody would see who may list servers.
    #[error(
        "the address holds a secret ({0}); leave it out, and let each user give theirs, as a header or a parameter"
    )]
    Secret(&'static str),
}

/// Names in a query whose values are secrets.
const SECRET_NAMES: [&str; 7] = ["key", "token", "secret", "password", "auth", "credential", "signature"];

/// Whether what stands under this name is probably a secret; by which word it was told.
pub(super) fn secret_name(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    SECRET_NAMES.into_iter().find(|secret| name.contains(secret))
}

/// Checks the address of an upstream server. `on_loopback` says whether this server is published on this computer alone;
/// `private` whether the admin allowed a private network for it.
///
/// # Errors
/// When credentials must not travel there.
pub fn check_url(text: &str, on_loopback: bool, private: bool) -> Result<(), UrlError> {
    let uri = ResourceUri::parse(text).map_err(|_| UrlError::Malformed)?;
    let near = on_loopback || private && uri.is_loopback();
    if !uri.is_https() && !near {
        return Err(UrlError::Plain);
    }
    let query = text.split_once('?').map(|(_, query)| query).unwrap_or_default();
    let mut names = query.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, _)| name);
    names.find_map(secret_name).map_or(Ok(()), |name| Err(UrlError::Secret(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_https_or_of_this_computer() {
        let published = |url: &str| check_url(url, false, false);
        assert_eq!(published("https://mcp.example.com/mcp?toolsets=all"), Ok(()));
        for malformed in [
            "mcp.example.com",
            "https://user:pass@mcp.example.com/mcp",
            "https://mcp.example.com/mcp#part",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "https:///mcp",
            "https://mcp.example.com/a b",
        ] {
            assert_eq!(published(malformed), Err(UrlError::Malformed), "{malformed}");
        }
        assert_eq!(published("http://mcp.example.com/mcp"), Err(UrlError::Plain));
        assert_eq!(published("http://127.0.0.1:3000/mcp"), Err(UrlError::Plain));
        assert_eq!(check_url("http://127.0.0.1:3000/mcp", false, true), Ok(()));
        assert_eq!(check_url("http://10.0.0.3/mcp", false, true), Err(UrlError::Plain));
        assert_eq!(check_url("http://localhost:3000/mcp", true, false), Ok(()));
        assert_eq!(published("https://mcp.example.com/?ApiKey=1"), Err(UrlError::Secret("key")));
    }
}
