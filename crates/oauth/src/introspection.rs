//! The introspection vocabulary (RFC 7662 §2.2): how one server tells another what a token is.

use serde::{Deserialize, Serialize};

use crate::{
    Actor, ClientId, Confirmation, PrincipalId, PrincipalKind, PublicUrl, ResourceUri, ScopeSet, Timestamp,
    TokenScheme, VerifiedBearer,
};

/// An introspection answer. An inactive one says `active: false` and nothing more (R7662-2.2-1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Introspection {
    /// Live, for the resource that asked.
    pub active: bool,
    /// What it may do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<ScopeSet>,
    /// The client that it was issued to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    /// On whose behalf.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<PrincipalId>,
    /// Whether that is a person or a machine (OA21-7.4-1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal_kind: Option<PrincipalKind>,
    /// Through whom, when the token was exchanged (RFC 8693 §4.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act: Option<Actor>,
    /// The one resource that it is good for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aud: Option<ResourceUri>,
    /// Expiry, seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    /// Issue, seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    /// Who issued it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<PublicUrl>,
    /// `Bearer` or `DPoP`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_type: Option<String>,
    /// The key that it is bound to (RFC 9449 §6.2): who presents it must prove to hold it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
}

impl Introspection {
    /// What is said of every token that is not good here, whatever the reason.
    #[must_use]
    pub const fn inactive() -> Self {
        Self {
            active: false,
            scope: None,
            client_id: None,
            sub: None,
            principal_kind: None,
            act: None,
            aud: None,
            exp: None,
            iat: None,
            iss: None,
            token_type: None,
            cnf: None,
        }
    }

    /// What is said of a live token.
    #[must_use]
    pub fn of(bearer: &VerifiedBearer, issued_at: Timestamp, issuer: &PublicUrl) -> Self {
        Self {
            active: true,
            scope: Some(bearer.effective_scope()),
            client_id: Some(bearer.client_id().clone()),
            sub: Some(bearer.principal().id.clone()),
            principal_kind: Some(bearer.principal().id.kind()),
            act: bearer.actor().cloned(),
            aud: Some(bearer.resource().clone()),
            exp: Some(bearer.expires_at().seconds()),
            iat: Some(issued_at.seconds()),
            iss: Some(issuer.clone()),
            token_type: Some(TokenScheme::of(bearer.confirmation()).as_str().to_owned()),
            cnf: bearer.confirmation().cloned().map(|jkt| Confirmation { jkt }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R7662-2.2-1
    #[test]
    fn an_inactive_token_is_told_of_in_one_member() {
        assert_eq!(serde_json::to_string(&Introspection::inactive()).unwrap(), r#"{"active":false}"#);
    }
}
