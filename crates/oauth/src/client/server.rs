//! Authorization server metadata as a client reads it (RFC 8414 §3.3, OpenID Connect Discovery §4.3).

use serde_json::{Map, Value};

use super::protected_resource::scope_list;
use super::{MetadataFault, RemoteUrl};
use crate::{ClientAuthMethod, ScopeSet, StrictJson};

/// Somebody else's authorization server, of which everything that is used was judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteServer {
    /// Its identifier, byte for byte the one that was asked for.
    pub issuer: RemoteUrl,
    /// Where people are sent.
    pub authorization_endpoint: RemoteUrl,
    /// Where codes and refresh tokens are redeemed.
    pub token_endpoint: RemoteUrl,
    /// Where clients register (RFC 7591), if they can.
    pub registration_endpoint: Option<RemoteUrl>,
    /// Where tokens are given back (RFC 7009), if that is anywhere; what cannot be called is nowhere.
    pub revocation_endpoint: Option<RemoteUrl>,
    /// Every scope that it tells of.
    pub scopes_supported: ScopeSet,
    /// How clients may authenticate, of the ways that we know; `client_secret_basic` when it does not say (RFC 8414 §2).
    pub auth_methods: Vec<ClientAuthMethod>,
    /// Whether every response of its authorization endpoint will say `iss` (RFC 9207 §3).
    pub promises_iss: bool,
    /// Whether a client may name itself by the URL of a document (CIMD §5).
    pub takes_documents: bool,
}

impl RemoteServer {
    /// Reads the document that was found for `issuer`. `loopback` as in [`RemoteUrl::parse`].
    ///
    /// # Errors
    /// When it is no such document, is another issuer's (R8414-3.3-1), names a URL that may not be called (T09), or does
    /// not offer the code flow with PKCE (MCP-AUTH-19).
    pub fn read(body: &[u8], issuer: &RemoteUrl, loopback: bool) -> Result<Self, MetadataFault> {
        let members = StrictJson::object(body).ok_or(MetadataFault::NotJson)?;
        // R8414-4-1: by code point. What another issuer says is not even looked at.
        if members.get("issuer").and_then(Value::as_str) != Some(issuer.as_str()) {
            return Err(MetadataFault::Issuer);
        }
        let url = |name: &'static str| match members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => {
                RemoteUrl::parse(text, loopback).map(Some).map_err(|error| MetadataFault::Url(name, error))
            }
            Some(_) => Err(MetadataFault::Member(name)),
        };
        let needed = |name| url(name)?.ok_or(MetadataFault::Member(name));
        if listed(&members, "response_types_supported").is_some_and(|all| !all.contains(&"code")) {
            return Err(MetadataFault::CodeFlow);
        }
        if listed(&members, "code_challenge_methods_supported").is_none_or(|all| !all.contains(&"S256")) {
            return Err(MetadataFault::Pkce);
        }
        let methods = listed(&members, "token_endpoint_auth_methods_supported")
            .unwrap_or_else(|| vec![ClientAuthMethod::ClientSecretBasic.as_str()]);
        let says = |name| members.get(name) == Some(&Value::Bool(true));
        Ok(Self {
            issuer: issuer.clone(),
            authorization_endpoint: needed("authorization_endpoint")?,
            token_endpoint: needed("token_endpoint")?,
            registration_endpoint: url("registration_endpoint")?,
            revocation_endpoint: url("revocation_endpoint").unwrap_or_default(),
            scopes_supported: members.get("scopes_supported").and_then(scope_list).unwrap_or_default(),
            auth_methods: methods.into_iter().filter_map(ClientAuthMethod::parse).collect(),
            promises_iss: says("authorization_response_iss_parameter_supported"),
            takes_documents: says("client_id_metadata_document_supported"),
        })
    }
}

fn listed<'a>(members: &'a Map<String, Value>, name: &str) -> Option<Vec<&'a str>> {
    Some(members.get(name)?.as_array()?.iter().filter_map(Value::as_str).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// A good document with some members replaced; null removes one.
    fn read(changes: &Value) -> Result<RemoteServer, MetadataFault> {
        let mut document = json!({
            "issuer": "https://a/t",
            "authorization_endpoint": "https://a/authorize?tenant=t",
            "token_endpoint": "https://a/token",
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["plain", "S256"],
        });
        for (name, value) in changes.as_object().unwrap() {
            document[name] = value.clone();
        }
        RemoteServer::read(
            document.to_string().as_bytes(),
            &RemoteUrl::parse("https://a/t", false).unwrap(),
            false,
        )
    }

    /// R8414-3.3-1, R8414-4-1: the issuer is the one that was asked, code point for code point
    #[test]
    fn another_issuers_document_is_not_used() {
        assert_eq!(read(&json!({})).map(|server| server.issuer.to_string()), Ok("https://a/t".to_owned()));
        for other in
            [json!("https://a/t/"), json!("https://A/t"), json!("https://a:443/t"), json!(null), json!(1)]
        {
            assert_eq!(read(&json!({"issuer": other})), Err(MetadataFault::Issuer), "{other}");
        }
    }

    /// MCP-AUTH-19
    #[test]
    fn without_s256_there_is_no_going_on() {
        for methods in [json!(null), json!([]), json!(["plain"]), json!("S256")] {
            let read = read(&json!({"code_challenge_methods_supported": methods}));
            assert_eq!(read, Err(MetadataFault::Pkce), "{methods}");
        }
        assert_eq!(read(&json!({"response_types_supported": ["token"]})), Err(MetadataFault::CodeFlow));
    }

    /// T09, SBP-8: one bad URL spoils the document, used or not
    #[test]
    fn every_url_is_one_that_may_be_opened() {
        for name in ["authorization_endpoint", "token_endpoint", "registration_endpoint"] {
            for bad in ["javascript:alert(1)", "file:///x", "data:x,y", "http://a/x", "a -e calc"] {
                assert!(
                    matches!(read(&json!({name: bad})), Err(MetadataFault::Url(which, _)) if which == name)
                );
            }
            assert_eq!(read(&json!({name: ["https://a/x"]})), Err(MetadataFault::Member(name)));
        }
        assert_eq!(read(&json!({"token_endpoint": null})), Err(MetadataFault::Member("token_endpoint")));
        assert!(read(&json!({"registration_endpoint": null})).is_ok());
    }

    #[test]
    fn what_it_does_not_say_has_the_defaults_of_the_standard() {
        let server = read(&json!({})).unwrap();
        assert_eq!(server.auth_methods, [ClientAuthMethod::ClientSecretBasic]);
        assert!(!server.promises_iss && !server.takes_documents && server.scopes_supported.is_empty());
        let server = read(&json!({"client_id_metadata_document_supported": "true"})).unwrap();
        assert!(!server.takes_documents, "a text is no boolean");
    }

    proptest! {
        /// No bytes of a stranger stop the reader.
        #[test]
        fn any_bytes_are_read_to_their_end(bytes: Vec<u8>, text in "[{}\\[\\]\":,a-z0-9]{0,80}") {
            let issuer = RemoteUrl::parse("https://a", false).unwrap();
            let _ = RemoteServer::read(&bytes, &issuer, false);
            let _ = RemoteServer::read(text.as_bytes(), &issuer, false);
        }
    }
}
