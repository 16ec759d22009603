//! Tokens as strangers send them.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::jose::SigningKey;

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::Es256).unwrap());

fn token(header: &Value, claims: &str) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", encode(&header.to_string()), encode(claims), encode("signature"))
}

#[test]
fn what_is_signed_verifies_with_its_own_key_alone() {
    for algorithm in Algorithm::ALL {
        let key = SigningKey::generate(algorithm).unwrap();
        let kept = SigningKey::from_pkcs8(algorithm, &key.to_pkcs8().unwrap()).unwrap();
        assert_eq!(kept.public(), key.public());
        let compact = kept.sign("at+jwt", &json!({"sub": "ada"})).unwrap();
        let parsed = Jws::parse(&compact).unwrap();
        assert_eq!(parsed.typ().as_deref(), Some("at+jwt"));
        assert_eq!(parsed.verify(key.public()).unwrap()["sub"], "ada");
        let other = SigningKey::generate(algorithm).unwrap();
        assert_eq!(parsed.verify(other.public()), Err(JwsError::Signature));
    }
}

/// KEYS-8725-1: no algorithm but ours, and none that a key is not for
#[test]
fn the_algorithm_is_bound_to_the_key() {
    for alg in
        [json!("none"), json!("None"), json!("HS256"), json!("ES384"), json!(""), json!(1), json!(null)]
    {
        assert_eq!(Jws::parse(&token(&json!({"alg": alg}), "{}")).unwrap_err(), JwsError::Algorithm, "{alg}");
    }
    let rsa = SigningKey::generate(Algorithm::Rs256).unwrap();
    let compact = rsa.sign("at+jwt", &json!({})).unwrap();
    assert_eq!(Jws::parse(&compact).unwrap().verify(KEY.public()), Err(JwsError::Signature));
    let unsigned = token(&json!({"alg": "ES256"}), "{}");
    assert_eq!(Jws::parse(&unsigned).unwrap().verify(KEY.public()), Err(JwsError::Signature));
}

/// KEYS-8725-2: a key that the token brings along or points to is never used
#[test]
fn a_token_brings_no_key_of_its_own() {
    let thief = SigningKey::generate(Algorithm::Es256).unwrap();
    let header = json!({
        "alg": "ES256", "jwk": thief.public(), "jku": "https://evil.example/jwks", "x5u": "https://evil.example/x",
        "x5c": ["AA"], "kid": thief.public().kid(),
    });
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode("{}"));
    let genuine = thief.sign("at+jwt", &json!({})).unwrap();
    let forged = format!("{signed}.{}", genuine.rsplit('.').next().unwrap());
    let keys = JwkSet { keys: vec![KEY.public().clone()] };
    assert_eq!(Jws::parse(&forged).unwrap().verify_with(&keys), Err(JwsError::Signature));
    assert_eq!(Jws::parse(&genuine).unwrap().verify_with(&keys), Err(JwsError::Signature));
}

/// KEYS-8725-3
#[test]
fn what_is_critical_and_not_understood_is_refused() {
    for crit in [json!(["b64"]), json!(["exp"]), json!([]), json!(null)] {
        let header = json!({"alg": "ES256", "crit": crit, "b64": false});
        assert_eq!(Jws::parse(&token(&header, "{}")).unwrap_err(), JwsError::Critical);
    }
}

#[test]
fn a_claim_said_twice_is_no_claim() {
    for claims in [r#"{"aud":"us","aud":"them"}"#, r#"{"cnf":{"jkt":"a","jkt":"b"}}"#, "[]", "\"x\"", "{} {}"]
    {
        assert_eq!(
            Jws::parse(&token(&json!({"alg": "ES256"}), claims)).unwrap_err(),
            JwsError::Form,
            "{claims}"
        );
    }
    for form in ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", "e30.e30.", "e30=.e30.e30"] {
        assert!(Jws::parse(form).is_err(), "{form}");
    }
    assert_eq!(Jws::parse(&"a".repeat(LONGEST + 1)).unwrap_err(), JwsError::Form);
}

proptest! {
    /// OA21-1.4.2-1: no token with another letter anywhere verifies
    #[test]
    fn any_changed_letter_spoils_it(at in any::<prop::sample::Index>(), letter in "[A-Za-z0-9_.=-]") {
        let genuine = KEY.sign("at+jwt", &json!({"sub": "ada", "exp": 1_790_000_000})).unwrap();
        let mut forged: Vec<char> = genuine.chars().collect();
        let at = at.index(forged.len());
        forged[at] = letter.chars().next().unwrap();
        let forged: String = forged.into_iter().collect();
        let verifies = Jws::parse(&forged).is_ok_and(|parsed| parsed.verify(KEY.public()).is_ok());
        prop_assert_eq!(verifies, forged == genuine);
    }

    #[test]
    fn whatever_arrives_is_parsed_or_refused(text in "[A-Za-z0-9_.={}\"-]{0,200}|.{0,80}") {
        let _ = Jws::parse(&text).map(|parsed| parsed.verify(KEY.public()).map(drop));
    }

    #[test]
    fn whatever_key_arrives_is_parsed_or_refused(kty in "EC|OKP|RSA", x in "[A-Za-z0-9_-]{0,60}", n in "[A-Za-z0-9_-]{0,400}") {
        let key = json!({"kty": kty, "crv": if kty == "EC" { "P-256" } else { "Ed25519" }, "x": x, "y": x, "n": n, "e": "AQAB"});
        let _ = Jwk::parse(key.as_object().unwrap());
    }
}
