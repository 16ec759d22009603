//! What a document must say to make a client (Client ID Metadata Documents §4).

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use portcullis_oauth::jose::ClientKeys;
use portcullis_oauth::{ClientAuthMethod, ClientIdUrl, ClientMetadata, StrictJson};
use portcullis_outbound::Incoming;
use serde_json::{Map, Value};

use super::Fault;
use crate::client_metadata::{self, text};

/// What no document may hold: it is public (CIMD-4.1-2).
const SECRET_MEMBERS: &str = "client_secret";

/// Judges an answer to the question for the document at `url`.
pub(super) fn judge(url: &ClientIdUrl, answer: &Incoming) -> Result<ClientMetadata, Fault> {
    // CIMD-4-1: only 200 counts; a redirect, a part or nothing does not.
    if answer.status != StatusCode::OK {
        return Err(Fault::new("document_status", format!("HTTP {}", answer.status.as_u16())));
    }
    let content_type = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !content_type.is_some_and(is_json) {
        return Err(Fault::new(
            "document_not_json",
            format!("content type {}", content_type.unwrap_or("none")),
        ));
    }
    let members = StrictJson::object(&answer.body)
        .ok_or_else(|| Fault::new("document_not_json", "not a JSON object that says each member once"))?;
    // CIMD-4.1-1: simple string comparison.
    if members.get("client_id").and_then(Value::as_str) != Some(url.as_str()) {
        return Err(Fault::new("document_of_another", "client_id is not the URL of the document"));
    }
    let method = method(&members)?;
    // MCP: a client without a name cannot be asked about.
    if text(&members, "client_name").ok().flatten().is_none_or(|name| name.trim().is_empty()) {
        return Err(Fault::new("document_metadata", "client_name is missing"));
    }
    client_metadata::judge(&members, method)
        .map_err(|refusal| Fault::new("document_metadata", refusal.description().to_owned()))
}

/// `application/json` or `application/*+json` (CIMD-4.1-3), with whatever parameters.
pub(crate) fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let Some(subtype) = essence.strip_prefix("application/") else { return false };
    subtype == "json" || subtype.strip_suffix("+json").is_some_and(|name| !name.is_empty())
}

/// Not said means that its keys prove it, or without keys `none`: the default of registration would be a secret, which a
/// document cannot have.
fn method(members: &Map<String, Value>) -> Result<ClientAuthMethod, Fault> {
    if let Some(member) = members.keys().find(|name| name.starts_with(SECRET_MEMBERS)) {
        return Err(Fault::final_one("document_with_secret", format!("it holds {member}")));
    }
    let keys = ClientKeys::of(members);
    if let Some(error) = keys.as_ref().err().filter(|error| error.is_grave()) {
        return Err(Fault::final_one("document_keys", error.to_string()));
    }
    let (by_key, public) = (ClientAuthMethod::PrivateKeyJwt, ClientAuthMethod::None);
    match (members.get("token_endpoint_auth_method"), keys) {
        (None | Some(Value::Null), Ok(None)) => Ok(public),
        (Some(Value::String(name)), _) if name == public.as_str() => Ok(public),
        // CIMD-6.2-1: such a client is confidential, and to take it for a public one would let anybody be it.
        (None | Some(Value::Null), Ok(Some(_))) => Ok(by_key),
        (Some(Value::String(name)), Ok(Some(_))) if name == by_key.as_str() => Ok(by_key),
        (Some(Value::String(name)), Ok(None)) if name == by_key.as_str() => {
            Err(Fault::final_one("document_needs_key", "private_key_jwt without jwks or jwks_uri"))
        }
        (Some(Value::String(name)), _) if name.starts_with(SECRET_MEMBERS) => {
            Err(Fault::final_one("document_with_secret", "a method with a shared secret"))
        }
        (_, Err(error)) => Err(Fault::final_one("document_keys", error.to_string())),
        (Some(_), Ok(_)) => Err(Fault::final_one(
            "document_method",
            "token_endpoint_auth_method is not one that documents can have",
        )),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const URL: &str = "https://client.example/id.json";

    fn answer(status: u16, content_type: &str, body: &str) -> Incoming {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
        Incoming { status: StatusCode::from_u16(status).unwrap(), headers, body: body.to_owned().into() }
    }

    fn verdict(answer: &Incoming) -> &'static str {
        match judge(&ClientIdUrl::parse(URL, false).unwrap(), answer) {
            Ok(_) => "ok",
            Err(fault) => fault.reason(),
        }
    }

    /// The plain document with some members replaced; null removes one.
    fn with(changes: &Value) -> Incoming {
        let mut document =
            json!({"client_id": URL, "client_name": "App", "redirect_uris": ["https://client.example/cb"]});
        for (name, value) in changes.as_object().unwrap() {
            document[name] = value.clone();
        }
        answer(200, "application/json", &document.to_string())
    }

    /// CIMD-4.1-1, CIMD-4.1-2, CIMD-4.1-3, CIMD-6.2-1, A05, A32
    #[test]
    fn a_document_says_what_it_must_and_no_secret() {
        for (changes, expected) in [
            (json!({}), "ok"),
            (json!({"token_endpoint_auth_method": "none", "unknown": {"a": 1}, "jwks": null}), "ok"),
            (json!({"client_id": "https://client.example/id.json/"}), "document_of_another"),
            (json!({"client_id": "https://client.example:443/id.json"}), "document_of_another"),
            (json!({"client_id": "https://CLIENT.example/id.json"}), "document_of_another"),
            (json!({"client_id": null}), "document_of_another"),
            (json!({"client_id": [URL]}), "document_of_another"),
            (json!({"client_secret": "x"}), "document_with_secret"),
            (json!({"client_secret_expires_at": 0}), "document_with_secret"),
            (json!({"token_endpoint_auth_method": "client_secret_post"}), "document_with_secret"),
            (json!({"token_endpoint_auth_method": "client_secret_basic"}), "document_with_secret"),
            (json!({"token_endpoint_auth_method": "client_secret_jwt"}), "document_with_secret"),
            (json!({"token_endpoint_auth_method": "private_key_jwt"}), "document_needs_key"),
            (json!({"token_endpoint_auth_method": "tls_client_auth"}), "document_method"),
            (json!({"token_endpoint_auth_method": 1}), "document_method"),
            (json!({"client_name": null}), "document_metadata"),
            (json!({"client_name": " "}), "document_metadata"),
            (json!({"client_name": ["x"]}), "document_metadata"),
            (json!({"redirect_uris": null}), "document_metadata"),
            (json!({"redirect_uris": "https://client.example/cb"}), "document_metadata"),
            (json!({"redirect_uris": []}), "document_metadata"),
            (json!({"redirect_uris": ["javascript:alert(1)"]}), "document_metadata"),
            (json!({"redirect_uris": ["http://client.example/cb"]}), "document_metadata"),
            (json!({"grant_types": ["client_credentials"]}), "document_metadata"),
        ] {
            assert_eq!(verdict(&with(&changes)), expected, "{changes}");
        }
    }

    /// CIMD-4-1, CIMD-4.1-3
    #[test]
    fn only_json_with_status_200_counts() {
        let body = String::from_utf8(with(&json!({})).body.to_vec()).unwrap();
        for good in ["application/json", "Application/JSON; charset=utf-8", "application/oauth-client+json"] {
            assert_eq!(verdict(&answer(200, good, &body)), "ok", "{good}");
        }
        for bad in [
            "text/html",
            "text/json",
            "application/javascript",
            "application/+json",
            "application/jsonp",
            "json",
        ] {
            assert_eq!(verdict(&answer(200, bad, &body)), "document_not_json", "{bad}");
        }
        for status in [201, 204, 206, 301, 302, 307, 308, 304, 400, 401, 404, 500] {
            assert_eq!(verdict(&answer(status, "application/json", &body)), "document_status", "{status}");
        }
        for text in
            ["", "[]", "null", "{", r#"{"client_id":"https://client.example/id.json","client_id":"x"}"#]
        {
            assert_eq!(verdict(&answer(200, "application/json", text)), "document_not_json", "{text}");
        }
    }

    /// What a member of a document may be: what is good there, what is nearly so, and what is not.
    fn any_member() -> impl Strategy<Value = Value> {
        let uri = prop_oneof![
            "https://client\\.example/[a-z]{0,3}",
            "(http|https|javascript|JAVASCRIPT|data|com\\.example\\.app|cursor):(//)?[a-z@:0-9.]{0,12}(/cb)?(#x)?",
            "http://(127\\.0\\.0\\.1|localhost|evil)/cb",
        ];
        let word = prop_oneof![
            Just(URL.to_owned()),
            "none|private_key_jwt|client_secret_post|authorization_code|refresh_token|code|native|web",
            "[^\u{0}]{0,12}",
        ];
        prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            word.clone().prop_map(Value::from),
            uri.clone().prop_map(Value::from),
            prop::collection::vec(uri, 0..3).prop_map(Value::from),
            prop::collection::vec(word, 0..3).prop_map(Value::from),
            Just(json!({"keys": []})),
            Just(json!({"keys": [{"kty": "oct", "k": "AAAA"}]})),
        ]
    }

    proptest! {
        /// CIMD-4.1-1, CIMD-4.1-2, CIMD-6.2-1, A05, A32: whatever a document says, what passes names itself, shares no secret,
        /// and has people sent nowhere but to the web by https, to this computer, or to an app of its own scheme
        #[test]
        fn whatever_a_document_says_it_is_judged(
            changes in prop::collection::btree_map(
                "client_id|client_name|redirect_uris|token_endpoint_auth_method|client_secret|jwks|jwks_uri|grant_types|\
                 response_types|application_type|scope|client_uri|logo_uri|[a-z_]{1,8}",
                any_member(),
                0..5,
            ),
        ) {
            let asked = with(&json!(changes));
            let Ok(client) = judge(&ClientIdUrl::parse(URL, false).unwrap(), &asked) else { return Ok(()) };
            let document: Value = serde_json::from_slice(&asked.body).unwrap();
            prop_assert_eq!(&document["client_id"], URL);
            prop_assert!(!document.as_object().unwrap().keys().any(|name| name.starts_with("client_secret")));
            let method = client.token_endpoint_auth_method;
            prop_assert!(matches!(method, ClientAuthMethod::None | ClientAuthMethod::PrivateKeyJwt));
            prop_assert!(!client.redirect_uris.is_empty());
            for uri in &client.redirect_uris {
                let parsed = url::Url::parse(uri.as_str()).unwrap();
                let own = parsed.scheme().contains('.') || uri.as_str() == "cursor://anysphere.cursor-mcp/oauth/callback";
                let near = parsed.scheme() == "http" && matches!(parsed.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
                prop_assert!(parsed.scheme() == "https" || near || own, "{}", uri);
                prop_assert!(parsed.fragment().is_none() && parsed.username().is_empty(), "{}", uri);
            }
        }

        #[test]
        fn whatever_arrives_is_judged(body in prop::collection::vec(any::<u8>(), 0..200), text in "[\\[\\]{}:,\"a-z0-9\\\\]{0,60}") {
            for bytes in [body, text.into_bytes()] {
                let mut asked = answer(200, "application/json", "");
                asked.body = bytes.into();
                prop_assert!(judge(&ClientIdUrl::parse(URL, false).unwrap(), &asked).is_err());
            }
        }
    }
}
