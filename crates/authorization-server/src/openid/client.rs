//! What a client registers for signing people in (OpenID Connect Registration §2). What cannot be granted is dropped, and
//! the answer shows what remains (R7591-3.2.1-2): other clients send these members out of habit.

use portcullis_oauth::{Algorithm, OpenIdRegistration, RedirectUri};
use serde_json::{Map, Value};

const MAXIMUM_REDIRECT_URIS: usize = 20;

/// Judges the members of OpenID Connect.
pub(crate) fn judge(members: &Map<String, Value>) -> OpenIdRegistration {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let listed = members.get("post_logout_redirect_uris").and_then(Value::as_array);
    let listed = listed.into_iter().flatten().filter_map(Value::as_str);
    OpenIdRegistration {
        id_token_signed_response_alg: text("id_token_signed_response_alg").and_then(Algorithm::parse),
        post_logout_redirect_uris: listed
            .filter_map(|uri| RedirectUri::parse(uri).ok())
            .take(MAXIMUM_REDIRECT_URIS)
            .collect(),
        // Back-Channel Logout §2.2: we call it, so it is a web server's. That it is not one of ours, nor of our network, is
        // judged when it is called.
        backchannel_logout_uri: text("backchannel_logout_uri")
            .and_then(|uri| RedirectUri::parse(uri).ok())
            .filter(|uri| uri.as_str().starts_with("https://") || uri.loopback().is_some()),
        backchannel_logout_session_required: members
            .get("backchannel_logout_session_required")
            .and_then(Value::as_bool)
            .unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A05, A29, R7591-3.2.1-2
    #[test]
    fn what_cannot_be_granted_is_dropped() {
        let judged = |members: Value| judge(members.as_object().unwrap());
        let good = judged(json!({
            "id_token_signed_response_alg": "EdDSA", "backchannel_logout_session_required": true,
            "post_logout_redirect_uris": ["https://a.example/out", "javascript:alert(1)", 7, "http://a.example/out"],
            "backchannel_logout_uri": "https://a.example/logout",
        }));
        assert_eq!(good.algorithm(), Algorithm::EdDsa);
        assert_eq!(good.post_logout_redirect_uris, [RedirectUri::parse("https://a.example/out").unwrap()]);
        assert_eq!(good.backchannel_logout_uri.unwrap().as_str(), "https://a.example/logout");
        assert!(good.backchannel_logout_session_required);
        for (member, value) in [
            ("id_token_signed_response_alg", json!("none")),
            ("id_token_signed_response_alg", json!("HS256")),
            ("id_token_signed_response_alg", json!(1)),
            ("post_logout_redirect_uris", json!("https://a.example/out")),
            ("backchannel_logout_uri", json!("http://a.example/logout")),
            ("backchannel_logout_uri", json!("com.example.app:/logout")),
            ("backchannel_logout_uri", json!("https://u:p@a.example/")),
            ("backchannel_logout_uri", json!("https://a.example/#x")),
            ("backchannel_logout_uri", json!("file:///etc/passwd")),
            ("backchannel_logout_session_required", json!("yes")),
        ] {
            assert_eq!(judged(json!({ member: value })), OpenIdRegistration::default(), "{member} {value}");
        }
        assert_eq!(OpenIdRegistration::default().algorithm(), Algorithm::Rs256);
    }
}
