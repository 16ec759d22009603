//! Assertions as clients and strangers make them.

use std::sync::LazyLock;

use serde_json::json;

use super::*;
use crate::jose::{Algorithm, SigningKey};

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::Es256).unwrap());
const NOW: i64 = 1_790_000_000;

fn claims() -> Value {
    json!({"iss": "client_1", "sub": "client_1", "aud": "https://h", "exp": NOW + 60, "iat": NOW, "jti": "once"})
}

fn verdict(typ: &str, claims: &Value, audience: AssertionAudience) -> Result<OneUse, AssertionError> {
    judged(&KEY.sign(typ, claims).unwrap(), audience)
}

fn judged(compact: &str, audience: AssertionAudience) -> Result<OneUse, AssertionError> {
    let keys = JwkSet { keys: vec![KEY.public().clone()] };
    let issuer = PublicUrl::parse("https://h").unwrap();
    let now = Timestamp::from_micros(NOW * 1_000_000);
    ClientAssertion::parse(compact)?.verify(&keys, (&issuer, audience), now)
}

fn with(name: &str, value: Value) -> Result<OneUse, AssertionError> {
    let mut claims = claims();
    claims[name] = value;
    verdict("JWT", &claims, AssertionAudience::Issuer)
}

/// R7523b-aud-1, A20, DC-22
#[test]
fn an_assertion_is_for_this_server_alone() {
    assert!(with("aud", json!("https://h")).is_ok() && with("aud", json!(["https://h"])).is_ok());
    let token_url = json!("https://h/oauth/token");
    for aud in [
        token_url.clone(),
        json!(["https://h", "https://h/oauth/token"]),
        json!(["https://h", "https://h"]),
        json!("https://h/"),
        json!("https://H"),
        json!("https://h.evil"),
        json!("https://other"),
        json!([]),
        json!(null),
    ] {
        assert_eq!(with("aud", aud.clone()), Err(AssertionError::Audience), "{aud}");
    }
    let legacy = |aud: Value| {
        let mut claims = claims();
        claims["aud"] = aud;
        verdict("JWT", &claims, AssertionAudience::TokenUrl)
    };
    assert!(legacy(token_url).is_ok() && legacy(json!("https://h")).is_ok());
    for aud in [
        json!("https://h/oauth/token/"),
        json!("https://h/token"),
        json!("https://h/oauth"),
        json!(["https://h", "https://h/oauth/token"]),
    ] {
        assert_eq!(legacy(aud.clone()), Err(AssertionError::Audience), "{aud}");
    }
}

/// R7523b-typ-1
#[test]
fn an_assertion_says_what_it_is_or_nothing() {
    for typ in ["client-authentication+jwt", "application/client-authentication+jwt", "JWT", "jwt"] {
        assert!(verdict(typ, &claims(), AssertionAudience::Issuer).is_ok(), "{typ}");
    }
    let untyped = KEY.sign_under(&json!({"alg": "ES256"}), &claims()).unwrap();
    assert!(judged(&untyped, AssertionAudience::Issuer).is_ok());
    for typ in ["at+jwt", "dpop+jwt", "oauth-id-jag+jwt", "", "secevent+jwt"] {
        let refused = verdict(typ, &claims(), AssertionAudience::Issuer);
        assert_eq!(refused, Err(AssertionError::Type), "{typ}");
    }
}

/// R7523-3-1, R7523-3-2: each claim alone makes the difference
#[test]
fn every_mutation_of_a_good_assertion_is_refused() {
    let use_once = verdict("JWT", &claims(), AssertionAudience::Issuer).unwrap();
    let until = Timestamp::from_micros((NOW + 90) * 1_000_000);
    assert_eq!(use_once, OneUse { jti: "once".into(), until });
    assert_eq!(with("iss", json!("client_2")), Err(AssertionError::Issuer));
    assert_eq!(with("sub", json!("client_2")), Err(AssertionError::Issuer));
    assert_eq!(with("sub", json!(1)), Err(AssertionError::Subject));
    for (exp, told) in [
        (-30, AssertionError::Expired),
        (-3_600, AssertionError::Expired),
        (331, AssertionError::TooLong),
        (3_600, AssertionError::TooLong),
    ] {
        assert_eq!(with("exp", json!(NOW + exp)), Err(told), "{exp}");
    }
    assert!(with("exp", json!(NOW - 29)).is_ok() && with("exp", json!(NOW + 330)).is_ok());
    for name in ["nbf", "iat"] {
        assert_eq!(with(name, json!(NOW + 31)), Err(AssertionError::Future));
        assert_eq!(with(name, json!("now")), Err(AssertionError::Times));
    }
    for jti in [json!(""), json!(1), json!(null)] {
        assert_eq!(with("jti", jti), Err(AssertionError::NoIdentifier));
    }
    for name in ["iss", "sub", "aud", "exp", "jti"] {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        assert!(verdict("JWT", &claims, AssertionAudience::Issuer).is_err(), "{name}");
    }
    let foreign = SigningKey::generate(Algorithm::Es256).unwrap().sign("JWT", &claims()).unwrap();
    assert_eq!(judged(&foreign, AssertionAudience::Issuer), Err(AssertionError::Signature));
}
