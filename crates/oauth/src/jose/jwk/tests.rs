//! Keys as strangers send them.

use super::*;
use crate::jose::SigningKey;

fn parse(key: &Value) -> Result<Jwk, JwkError> {
    Jwk::parse(key.as_object().unwrap())
}

/// RFC 7638 §3.1's own key.
const RFC_7638_N: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";

/// KEYS-7638-1
#[test]
fn the_thumbprint_is_the_one_of_rfc_7638() {
    let key = json!({"kty": "RSA", "n": RFC_7638_N, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"});
    assert_eq!(parse(&key).unwrap().thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

/// R7591-2-3, R9449-4.3-2, KEYS-8725-3
#[test]
fn private_weak_and_foreign_keys_are_refused() {
    let good = SigningKey::generate(Algorithm::Es256).unwrap().public().to_json();
    assert!(parse(&good).is_ok());
    let with = |name: &str, value: Value| {
        let mut key = good.clone();
        key[name] = value;
        parse(&key)
    };
    for private in PRIVATE {
        assert_eq!(with(private, json!("AA")), Err(JwkError::Private), "{private}");
    }
    let off_the_curve = URL_SAFE_NO_PAD.encode([7; 32]);
    assert_eq!(with("x", json!(off_the_curve)), Err(JwkError::Malformed));
    assert_eq!(with("x", json!("AA")), Err(JwkError::Malformed));
    assert_eq!(with("alg", json!("HS256")), Err(JwkError::Type));
    assert_eq!(with("use", json!("enc")), Err(JwkError::Type));
    assert_eq!(with("crv", json!("P-521")), Err(JwkError::Type));
    assert_eq!(parse(&json!({"kty": "oct"})), Err(JwkError::Type));
    let weak = URL_SAFE_NO_PAD.encode([0xff; 128]);
    assert_eq!(parse(&json!({"kty": "RSA", "n": weak, "e": "AQAB"})), Err(JwkError::Malformed));
    for e in ["Ag", "AQ", "", "AAEAAQ"] {
        assert_eq!(parse(&json!({"kty": "RSA", "n": RFC_7638_N, "e": e})), Err(JwkError::Malformed), "{e}");
    }
}

/// KEYS-7517-1
#[test]
fn a_published_key_holds_nothing_private_and_reads_back() {
    for algorithm in Algorithm::ALL {
        let key = SigningKey::generate(algorithm).unwrap();
        let told = key.public().to_json();
        assert!(PRIVATE.iter().all(|name| told.get(name).is_none()), "{told}");
        assert_eq!((&told["use"], &told["alg"]), (&json!("sig"), &json!(algorithm)));
        assert_eq!(told["kid"], json!(key.public().thumbprint()));
        assert_eq!(&parse(&told).unwrap(), key.public());
    }
}

#[test]
fn a_set_passes_over_what_is_unknown_and_is_spoilt_by_what_is_private() {
    let good = SigningKey::generate(Algorithm::EdDsa).unwrap().public().to_json();
    let odd = json!({"kty": "AKP"});
    let set = JwkSet::parse(&json!({"keys": [odd, good]})).unwrap();
    assert_eq!(set.keys.len(), 1);
    let mut private = good.clone();
    private["d"] = json!("AA");
    assert_eq!(JwkSet::parse(&json!({"keys": [good, private]})), Err(JwkError::Private));
    for none in [json!({"keys": []}), json!({"keys": [odd]})] {
        assert_eq!(JwkSet::parse(&none), Err(JwkError::Type));
    }
    for no_set in [json!([]), json!({"keys": {}}), json!({"keys": "x"})] {
        assert_eq!(JwkSet::parse(&no_set), Err(JwkError::Set));
    }
}
