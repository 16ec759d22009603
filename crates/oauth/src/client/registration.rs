//! How the gateway names itself to somebody else's authorization server: by a document of its own (Client ID Metadata
//! Documents §4), or by registering (RFC 7591 §3).

use serde::Serialize;
use serde_json::Value;

use super::{MetadataFault, RemoteServer};
use crate::{
    ApplicationType, ClientAuthMethod, ClientId, ClientMetadata, GrantType, OpenIdRegistration, RedirectUri,
    ScopeSet, Secret, StrictJson, Timestamp,
};

/// Longer identifiers and secrets are not taken.
const LONGEST: usize = 2_000;

/// What the gateway is to every authorization server: a client of this name, with this one redirect URI and no other
/// (RFC 9700 §4.4.2.2: one for each issuer, so that an answer tells who it claims to be from).
#[must_use]
pub fn gateway_metadata(
    name: &str,
    home: &str,
    redirect_uri: RedirectUri,
    method: ClientAuthMethod,
) -> ClientMetadata {
    let redirect_uris = vec![redirect_uri];
    ClientMetadata {
        client_name: name.to_owned(),
        client_uri: home.starts_with("https://").then(|| home.to_owned()),
        token_endpoint_auth_method: method,
        grant_types: GrantType::USUAL.to_vec(),
        response_types: vec!["code".to_owned()],
        // MCP-AUTH-31: always said, and what the redirect URI makes it.
        application_type: ApplicationType::infer(&redirect_uris),
        redirect_uris,
        scope: ScopeSet::default(),
        require_pushed_authorization_requests: false,
        openid: OpenIdRegistration::default(),
        dpop_bound_access_tokens: false,
        #[cfg(feature = "jose")]
        keys: None,
        token_endpoint_auth_signing_alg: None,
    }
}

/// The document that stands at the URL which is the client's name (CIMD-4.1-1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClientDocument {
    /// The document's own URL.
    pub client_id: String,
    /// What the client is.
    #[serde(flatten)]
    pub metadata: ClientMetadata,
}

/// What an authorization server answered to a registration (RFC 7591 §3.2.1).
#[derive(Clone, Debug)]
pub struct Registered {
    /// Who we are there.
    pub client_id: ClientId,
    /// What proves it, if anything does.
    pub secret: Option<Secret>,
    /// From when the secret is good no more; `None` for never.
    pub secret_expires_at: Option<Timestamp>,
    /// How the secret is presented.
    pub method: ClientAuthMethod,
}

impl Registered {
    /// How to register at `server`: with a secret where it gives one, since a refresh token that only the holder of a
    /// secret can use is worth less to a thief. In the body before the header: that is what each server has to take
    /// (OA21-2.4.1-1), and widely used ones do not know a client whose identifier is in the header alone.
    #[must_use]
    pub fn method_for(server: &RemoteServer) -> ClientAuthMethod {
        let wanted = [ClientAuthMethod::ClientSecretPost, ClientAuthMethod::ClientSecretBasic];
        wanted
            .into_iter()
            .find(|method| server.auth_methods.contains(method))
            .unwrap_or(ClientAuthMethod::None)
    }

    /// Reads the answer to a registration that asked for `method`.
    ///
    /// # Errors
    /// When it names no client, or binds it to a way of authenticating that was not asked for and that we cannot use.
    pub fn read(body: &[u8], asked: ClientAuthMethod) -> Result<Self, MetadataFault> {
        let members = StrictJson::object(body).ok_or(MetadataFault::NotJson)?;
        let text = |name: &'static str| match members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if (1..=LONGEST).contains(&text.len()) => Ok(Some(text.clone())),
            Some(_) => Err(MetadataFault::Member(name)),
        };
        let client_id = text("client_id")?.ok_or(MetadataFault::Member("client_id"))?;
        let secret = text("client_secret")?.map(Secret::presented);
        let method = match (text("token_endpoint_auth_method")?, &secret) {
            (Some(name), _) => {
                ClientAuthMethod::parse(&name).ok_or(MetadataFault::Member("token_endpoint_auth_method"))?
            }
            (None, None) => ClientAuthMethod::None,
            (None, Some(_)) if asked.is_by_secret() => asked,
            (None, Some(_)) => ClientAuthMethod::ClientSecretBasic,
        };
        if method.is_by_secret() != secret.is_some() && method != ClientAuthMethod::None
            || method == ClientAuthMethod::PrivateKeyJwt
        {
            return Err(MetadataFault::Member("token_endpoint_auth_method"));
        }
        let expires = members.get("client_secret_expires_at").and_then(Value::as_i64).filter(|at| *at > 0);
        let secret_expires_at = expires
            .filter(|_| secret.is_some())
            .map(|at| Timestamp::from_micros(at.saturating_mul(1_000_000)));
        Ok(Self { client_id: ClientId::from(client_id), secret, secret_expires_at, method })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::RemoteUrl;

    /// MCP-AUTH-31, CIMD-4.1-1
    #[test]
    fn the_gateway_says_what_it_is_and_where_alone_answers_go() {
        let redirect = RedirectUri::parse("https://gate.example/oauth/callback/abc").unwrap();
        let metadata =
            gateway_metadata("Portcullis", "https://gate.example", redirect, ClientAuthMethod::None);
        let client_id = "https://gate.example/oauth/client/abc".to_owned();
        insta::assert_json_snapshot!(ClientDocument { client_id, metadata }, @r#"
        {
          "client_id": "https://gate.example/oauth/client/abc",
          "redirect_uris": [
            "https://gate.example/oauth/callback/abc"
          ],
          "client_name": "Portcullis",
          "client_uri": "https://gate.example",
          "token_endpoint_auth_method": "none",
          "grant_types": [
            "authorization_code",
            "refresh_token"
          ],
          "response_types": [
            "code"
          ],
          "application_type": "web"
        }
        "#);
        let here = RedirectUri::parse("http://localhost:8420/oauth/callback/abc").unwrap();
        let metadata = gateway_metadata("Portcullis", "http://localhost:8420", here, ClientAuthMethod::None);
        assert_eq!((metadata.application_type, metadata.client_uri), (ApplicationType::Native, None));
    }

    /// Servers of the Python SDK list both ways, and refuse a client whose identifier is not in the body
    #[test]
    fn a_secret_goes_into_the_body_where_that_is_taken() {
        use ClientAuthMethod::{ClientSecretBasic, ClientSecretPost, None, PrivateKeyJwt};
        let at = |path: &str| RemoteUrl::parse(&format!("https://as.example{path}"), false).unwrap();
        let chosen = |auth_methods: &[ClientAuthMethod]| {
            Registered::method_for(&RemoteServer {
                issuer: at(""),
                authorization_endpoint: at("/authorize"),
                token_endpoint: at("/token"),
                registration_endpoint: Option::None,
                revocation_endpoint: Option::None,
                scopes_supported: ScopeSet::default(),
                auth_methods: auth_methods.to_vec(),
                promises_iss: false,
                takes_documents: false,
            })
        };
        assert_eq!(chosen(&[ClientSecretBasic, ClientSecretPost]), ClientSecretPost);
        assert_eq!(chosen(&[None, ClientSecretBasic]), ClientSecretBasic);
        assert_eq!(chosen(&[None, PrivateKeyJwt]), None);
    }

    #[test]
    fn a_registration_is_read_as_it_was_answered() {
        let read = |body: &str, asked| {
            Registered::read(body.as_bytes(), asked).map(|read| (read.method, read.secret.is_some()))
        };
        let (none, basic, post) =
            (ClientAuthMethod::None, ClientAuthMethod::ClientSecretBasic, ClientAuthMethod::ClientSecretPost);
        assert_eq!(read(r#"{"client_id":"a"}"#, basic), Ok((none, false)));
        assert_eq!(read(r#"{"client_id":"a","client_secret":"s"}"#, post), Ok((post, true)));
        assert_eq!(read(r#"{"client_id":"a","client_secret":"s"}"#, none), Ok((basic, true)));
        let said = r#"{"client_id":"a","client_secret":"s","token_endpoint_auth_method":"none"}"#;
        assert_eq!(read(said, basic), Ok((none, true)));
        for bad in [
            "{}",
            r#"{"client_id":""}"#,
            r#"{"client_id":1}"#,
            r#"{"client_id":"a","token_endpoint_auth_method":"client_secret_basic"}"#,
            r#"{"client_id":"a","client_secret":"s","token_endpoint_auth_method":"private_key_jwt"}"#,
            r#"{"client_id":"a","client_secret":"s","token_endpoint_auth_method":"tls_client_auth"}"#,
        ] {
            assert!(read(bad, basic).is_err(), "{bad}");
        }
    }
}
