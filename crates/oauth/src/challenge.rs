//! `WWW-Authenticate` of a resource server (RFC 6750 §3, RFC 9449 §7.1, RFC 9728 §5.1).

use std::fmt::Write;

use crate::{ErrorCode, ScopeSet, TokenScheme};

/// A Bearer or `DPoP` challenge. Every value is ours or already inside its character set, so none needs escaping
/// (R6750-3-3).
#[derive(Clone, Debug)]
pub struct Challenge {
    /// What proofs may be signed with, separated by spaces: this makes it a `DPoP` challenge (R9449-7.1-1).
    pub algs: Option<String>,
    /// The absolute URL of the protected resource metadata.
    pub resource_metadata: String,
    /// The scopes that the operation needs.
    pub scope: ScopeSet,
    /// Why the presented token was refused; absent when none was presented (R6750-3-2).
    pub error: Option<(ErrorCode, &'static str)>,
}

impl Challenge {
    /// The header's value.
    #[must_use]
    pub fn header(&self) -> String {
        let scheme = if self.algs.is_some() { TokenScheme::Dpop } else { TokenScheme::Bearer };
        let mut value = format!("{} ", scheme.as_str());
        if let Some((code, description)) = self.error {
            let _ = write!(value, "error=\"{code}\", error_description=\"{description}\", ");
        }
        if !self.scope.is_empty() {
            let _ = write!(value, "scope=\"{}\", ", self.scope);
        }
        if let Some(algs) = &self.algs {
            let _ = write!(value, "algs=\"{algs}\", ");
        }
        let _ = write!(value, "resource_metadata=\"{}\"", self.resource_metadata);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R6750-3-1, R6750-3-2, R9449-7.1-1, MCP-AUTH-3
    #[test]
    fn a_request_without_token_is_told_where_to_look_but_not_of_an_error() {
        let mut challenge = Challenge {
            algs: None,
            resource_metadata: "https://h/.well-known/oauth-protected-resource/mcp".into(),
            scope: ScopeSet::from_iter(["mcp.tools.read"]),
            error: None,
        };
        assert_eq!(
            challenge.header(),
            r#"Bearer scope="mcp.tools.read", resource_metadata="https://h/.well-known/oauth-protected-resource/mcp""#
        );
        challenge.error = Some((ErrorCode::InvalidToken, "the token expired"));
        assert!(
            challenge
                .header()
                .starts_with(r#"Bearer error="invalid_token", error_description="the token expired""#)
        );
        challenge.algs = Some("ES256 EdDSA".to_owned());
        assert_eq!(
            challenge.header(),
            r#"DPoP error="invalid_token", error_description="the token expired", scope="mcp.tools.read", algs="ES256 EdDSA", resource_metadata="https://h/.well-known/oauth-protected-resource/mcp""#
        );
    }
}
