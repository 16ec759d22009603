//! `WWW-Authenticate` of a resource server (RFC 6750 §3, RFC 9728 §5.1).

use std::fmt::Write;

use crate::{ErrorCode, ScopeSet};

/// A Bearer challenge. Every value is ours or already inside its character set, so none needs escaping (R6750-3-3).
#[derive(Clone, Debug)]
pub struct Challenge {
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
        let mut value = String::from("Bearer ");
        if let Some((code, description)) = self.error {
            let _ = write!(value, "error=\"{code}\", error_description=\"{description}\", ");
        }
        if !self.scope.is_empty() {
            let _ = write!(value, "scope=\"{}\", ", self.scope);
        }
        let _ = write!(value, "resource_metadata=\"{}\"", self.resource_metadata);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R6750-3-1, R6750-3-2, MCP-AUTH-3
    #[test]
    fn a_request_without_token_is_told_where_to_look_but_not_of_an_error() {
        let mut challenge = Challenge {
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
    }
}
