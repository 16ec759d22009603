//! A token request (OAuth 2.1 §3.2.2), with what proves who sends it (OAuth 2.1 §2.4).

use url::form_urlencoded;
use zeroize::Zeroizing;

use crate::{BasicCredentials, ClientAuthMethod, ClientId, CodeVerifier, GrantType, ScopeSet, Secret};

/// Who we are at somebody else's authorization server, and what proves it.
#[derive(Clone, Debug)]
pub struct ClientProof {
    /// Who we are there.
    pub client_id: ClientId,
    /// What proves it.
    pub secret: Option<Secret>,
    /// How it is presented.
    pub method: ClientAuthMethod,
}

/// What is asked of a token endpoint, or told beside it. Who asks for a token always names the resource (MCP-AUTH-17).
#[derive(Clone, Copy, Debug)]
pub enum TokenRequest<'a> {
    /// OAuth 2.1 §4.1.3.
    Code {
        /// The code.
        code: &'a Secret,
        /// Where it came.
        redirect_uri: &'a str,
        /// What proves that it is ours.
        verifier: &'a CodeVerifier,
        /// What the token is for.
        resource: &'a str,
    },
    /// OAuth 2.1 §4.3.
    Refresh {
        /// The refresh token.
        token: &'a Secret,
        /// What the token is for.
        resource: &'a str,
        /// What it shall be good for; what was granted before when empty.
        scope: &'a ScopeSet,
    },
    /// RFC 7009 §2.1, which is asked of a revocation endpoint.
    Revocation {
        /// The token.
        token: &'a Secret,
        /// Which of the two it is.
        hint: TokenHint,
    },
}

/// Which token is meant (RFC 7009 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenHint {
    /// `access_token`
    Access,
    /// `refresh_token`
    Refresh,
}

impl TokenHint {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access_token",
            Self::Refresh => "refresh_token",
        }
    }
}

/// A body, and the value of `Authorization` if the client authenticates there.
type Sent = (Zeroizing<String>, Option<Zeroizing<String>>);

impl TokenRequest<'_> {
    /// The request as it is sent.
    #[must_use]
    pub fn sent_by(&self, client: &ClientProof) -> Sent {
        let mut form = form_urlencoded::Serializer::new(String::new());
        match self {
            Self::Code { code, redirect_uri, verifier, resource } => form
                .append_pair("grant_type", GrantType::AuthorizationCode.as_str())
                .append_pair("code", code.expose())
                .append_pair("redirect_uri", redirect_uri)
                .append_pair("code_verifier", verifier.expose())
                .append_pair("resource", resource),
            Self::Refresh { token, resource, scope } => {
                form.append_pair("grant_type", GrantType::RefreshToken.as_str())
                    .append_pair("refresh_token", token.expose())
                    .append_pair("resource", resource);
                if scope.is_empty() { &mut form } else { form.append_pair("scope", &scope.to_string()) }
            }
            Self::Revocation { token, hint } => {
                form.append_pair("token", token.expose()).append_pair("token_type_hint", hint.as_str())
            }
        };
        let header = match (client.method, &client.secret) {
            (ClientAuthMethod::ClientSecretBasic, Some(secret)) => Some(
                BasicCredentials { client_id: client.client_id.clone(), client_secret: secret.clone() }
                    .header(),
            ),
            (ClientAuthMethod::ClientSecretPost, Some(secret)) => {
                form.append_pair("client_id", client.client_id.as_str())
                    .append_pair("client_secret", secret.expose());
                None
            }
            _ => {
                form.append_pair("client_id", client.client_id.as_str());
                None
            }
        };
        (Zeroizing::new(form.finish()), header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// MCP-AUTH-17, A21: a secret is in one place, and the resource in every request
    #[test]
    fn a_client_proves_itself_in_one_way() {
        let (secret, scope) = (Secret::presented("s:1"), ScopeSet::from_iter(["a"]));
        let sent = |method| {
            let client = ClientProof {
                client_id: ClientId::from("c&1".to_owned()),
                secret: Some(secret.clone()),
                method,
            };
            let token = Secret::presented("r");
            let (body, header) =
                TokenRequest::Refresh { token: &token, resource: "https://h", scope: &scope }
                    .sent_by(&client);
            (body.to_string(), header.map(|header| header.to_string()))
        };
        let asked = "grant_type=refresh_token&refresh_token=r&resource=https%3A%2F%2Fh&scope=a";
        let basic = Some("Basic YyUyNjE6cyUzQTE=".to_owned());
        assert_eq!(sent(ClientAuthMethod::ClientSecretBasic), (asked.to_owned(), basic));
        let post = format!("{asked}&client_id=c%261&client_secret=s%3A1");
        assert_eq!(sent(ClientAuthMethod::ClientSecretPost), (post, None));
        assert_eq!(sent(ClientAuthMethod::None), (format!("{asked}&client_id=c%261"), None));
    }
}
