//! The words of OpenID Connect in metadata: what the server tells of itself, and what a client registers.

use serde::{Deserialize, Serialize};

use crate::{Algorithm, PublicUrl, RedirectUri};

/// The authentication context class of a sign-in with a password, as RFC 6711 has a registry for: a password over a
/// protected channel.
const ACR_PASSWORD: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";

/// What a server adds to its metadata when it signs people in (OpenID Connect Discovery §3, RP-Initiated Logout §2.1,
/// Back-Channel Logout §2.1; OIDC-D-3-1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the members that the specifications have")]
pub struct OpenIdMetadata {
    /// OpenID Connect Core §5.3.
    pub userinfo_endpoint: String,
    /// OpenID Connect RP-Initiated Logout §2.
    pub end_session_endpoint: String,
    /// `public`: one person has one `sub` everywhere.
    pub subject_types_supported: Vec<String>,
    /// RS256 first: what a client gets that registers nothing else.
    pub id_token_signing_alg_values_supported: Vec<Algorithm>,
    /// What ID tokens and `UserInfo` may say.
    pub claims_supported: Vec<String>,
    /// `normal`: claims are told by us, of us.
    pub claim_types_supported: Vec<String>,
    /// The one way to sign in.
    pub acr_values_supported: Vec<String>,
    /// What is understood of `prompt`.
    pub prompt_values_supported: Vec<String>,
    /// Always stated, all false: omission of the last would mean that request objects are fetched (OpenID Connect
    /// Discovery §3). RFC 9126 has a name of its own.
    pub claims_parameter_supported: bool,
    /// See `claims_parameter_supported`.
    pub request_parameter_supported: bool,
    /// See `claims_parameter_supported`.
    pub request_uri_parameter_supported: bool,
    /// Clients are told of sign-outs.
    pub backchannel_logout_supported: bool,
    /// And of which session.
    pub backchannel_logout_session_supported: bool,
}

impl OpenIdMetadata {
    /// The words of the deployment at `issuer`.
    #[must_use]
    pub fn new(issuer: &PublicUrl) -> Self {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Self {
            userinfo_endpoint: Self::userinfo(issuer),
            end_session_endpoint: issuer.join("/oauth/logout"),
            subject_types_supported: words(&["public"]),
            id_token_signing_alg_values_supported: vec![Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa],
            claims_supported: words(&[
                "iss",
                "sub",
                "aud",
                "exp",
                "iat",
                "auth_time",
                "nonce",
                "acr",
                "amr",
                "at_hash",
                "sid",
                "name",
                "email",
            ]),
            claim_types_supported: words(&["normal"]),
            acr_values_supported: words(&[ACR_PASSWORD]),
            prompt_values_supported: words(&["none", "login", "consent", "select_account"]),
            claims_parameter_supported: false,
            request_parameter_supported: false,
            request_uri_parameter_supported: false,
            backchannel_logout_supported: true,
            backchannel_logout_session_supported: true,
        }
    }

    /// The `UserInfo` endpoint, which is also the identifier of the resource that it is.
    #[must_use]
    pub fn userinfo(issuer: &PublicUrl) -> String {
        issuer.join("/oauth/userinfo")
    }

    /// The `acr` of a sign-in with a password.
    #[must_use]
    pub const fn acr_of_password() -> &'static str {
        ACR_PASSWORD
    }
}

/// What a client registers for signing people in (OpenID Connect Registration §2, RP-Initiated Logout §3.1, Back-Channel
/// Logout §2.2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenIdRegistration {
    /// What its ID tokens are signed with, if not with RS256.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id_token_signed_response_alg: Option<Algorithm>,
    /// Where a browser may be sent after signing out.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub post_logout_redirect_uris: Vec<RedirectUri>,
    /// Where it is told of sign-outs; https, or this computer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub backchannel_logout_uri: Option<RedirectUri>,
    /// Whether it must be told which session is over.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub backchannel_logout_session_required: bool,
}

impl OpenIdRegistration {
    /// What its ID and logout tokens are signed with (OpenID Connect Registration §2: RS256 unless it says otherwise).
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.id_token_signed_response_alg.unwrap_or(Algorithm::Rs256)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AuthorizationServerMetadata;

    /// OIDC-D-3-1, MCP-AUTH-12
    #[test]
    fn the_document_says_what_is_on_and_nothing_else() {
        let issuer = PublicUrl::parse("https://h").unwrap();
        let off = serde_json::to_value(AuthorizationServerMetadata::new(&issuer)).unwrap();
        let on = AuthorizationServerMetadata::new(&issuer).with_openid();
        assert_eq!(serde_json::from_value::<AuthorizationServerMetadata>(off.clone()).unwrap().openid, None);
        let told = serde_json::to_value(&on).unwrap();
        assert_eq!(serde_json::from_value::<AuthorizationServerMetadata>(told.clone()).unwrap(), on);
        for member in serde_json::to_value(OpenIdMetadata::new(&issuer)).unwrap().as_object().unwrap().keys()
        {
            assert!(off.get(member).is_none() && told.get(member).is_some(), "{member}");
        }
        assert!(!off["scopes_supported"].to_string().contains("openid"));
        assert!(told["scopes_supported"].to_string().contains("openid"));
    }
}
