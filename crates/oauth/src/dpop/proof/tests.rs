//! Proofs as strangers send them.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::BoxFuture;
use crate::jose::SigningKey;

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::Es256).unwrap());
const TOKEN: &str = "https://host/token";
const NOW: i64 = 1_790_000_000;

/// Asks for the nonce that is inside, if for any.
struct Keeper(Option<&'static str>);

impl ProofKeeper for Keeper {
    fn nonce(&self, given: Option<&str>, _: Timestamp) -> NonceStanding {
        match self.0 {
            None => NonceStanding::NotAsked,
            Some(ours) if given == Some(ours) => NonceStanding::Good { next: None },
            Some(ours) => NonceStanding::Needed(ours.to_owned()),
        }
    }

    fn first_use<'a>(
        &'a self,
        _: &'a UsedProof,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<bool, Box<dyn std::error::Error + Send + Sync>>> {
        Box::pin(std::future::ready(Ok(true)))
    }
}

fn header() -> Value {
    json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": KEY.public()})
}

fn claims() -> Value {
    json!({"jti": "one", "htm": "POST", "htu": TOKEN, "iat": NOW})
}

/// The value with one member replaced; null removes it.
fn with(mut value: Value, name: &str, member: Value) -> Value {
    let members = value.as_object_mut().unwrap();
    if member.is_null() {
        members.remove(name);
    } else {
        members.insert(name.to_owned(), member);
    }
    value
}

fn read(header: &Value, claims: &Value) -> Result<Proof, &'static str> {
    Proof::parse(&KEY.sign_under(header, claims).unwrap())
}

fn judged(
    claims: &Value,
    (method, token): (&str, Option<&str>),
    keeper: &Keeper,
) -> Result<FittingProof, String> {
    let (target, token) = (HttpTarget::parse(TOKEN).unwrap(), token.map(Secret::presented));
    let request = ProvenRequest { method, target: &target, token: token.as_ref() };
    let proof = read(&header(), claims)?;
    let now = Timestamp::from_micros(NOW * 1_000_000);
    proof.judge(&request, keeper, now).map_err(|error| format!("{} {error}", error.code()))
}

fn posted(claims: &Value) -> Result<FittingProof, String> {
    judged(claims, ("POST", None), &Keeper(None))
}

/// R9449-4.3-1: one header, one well-formed JWT of its own kind, every claim
#[test]
fn a_proof_is_one_jwt_that_says_all_that_it_must() {
    let good = KEY.sign_under(&header(), &claims()).unwrap();
    assert!(Proof::read([good.as_bytes()]).unwrap().is_some());
    assert!(Proof::read([]).unwrap().is_none());
    assert!(Proof::read([good.as_bytes(), good.as_bytes()]).is_err(), "two headers");
    let listed = format!("{good}, {good}");
    let padded = format!("{good}{}", "A".repeat(LONGEST));
    for bad in ["", " ", "a.b.c", &listed, &padded, &format!(" {good}")] {
        assert!(Proof::read([bad.as_bytes()]).is_err(), "{bad:.40}");
    }
    assert!(Proof::read([b"\xff".as_slice()]).is_err());
    for typ in [json!("JWT"), json!("at+jwt"), json!("dpop"), json!(""), json!(1), Value::Null] {
        assert!(read(&with(header(), "typ", typ.clone()), &claims()).is_err(), "{typ}");
    }
    for name in ["jti", "htm", "htu", "iat"] {
        for bad in [Value::Null, json!([]), json!(true), json!({"a": 1})] {
            assert!(read(&header(), &with(claims(), name, bad.clone())).is_err(), "{name} {bad}");
        }
    }
    for (name, bad) in
        [("jti", json!("")), ("jti", json!(7)), ("htu", json!("/token")), ("iat", json!("1790000000"))]
    {
        assert!(read(&header(), &with(claims(), name, bad.clone())).is_err(), "{name} {bad}");
    }
    for name in ["ath", "nonce"] {
        assert!(read(&header(), &with(claims(), name, json!(1))).is_err(), "{name}");
    }
    assert!(read(&with(header(), "crit", json!(["exp"])), &claims()).is_err());
}

/// R9449-11.1-1: what is remembered of a proof is bounded
#[test]
fn a_jti_has_256_bytes_at_most() {
    assert!(read(&header(), &with(claims(), "jti", json!("x".repeat(256)))).is_ok());
    assert!(read(&header(), &with(claims(), "jti", json!("x".repeat(257)))).is_err());
    assert!(read(&header(), &with(claims(), "jti", json!("x".repeat(7_000)))).is_err());
}

/// R9449-4.3-2, A62: an asymmetric algorithm of the list, the signature of the header's own key, and no private one
#[test]
fn the_key_in_the_header_made_the_signature_and_is_public() {
    for algorithm in Algorithm::ALL {
        let key = SigningKey::generate(algorithm).unwrap();
        let header = json!({"typ": "dpop+jwt", "alg": algorithm, "jwk": key.public()});
        let proof = Proof::parse(&key.sign_under(&header, &claims()).unwrap()).unwrap();
        assert_eq!(proof.key.as_str(), key.public().thumbprint());
    }
    for alg in ["none", "HS256", "HS512", "ES384", "", "es256"] {
        assert!(read(&with(header(), "alg", json!(alg)), &claims()).is_err(), "{alg}");
    }
    let symmetric = json!({"typ": "dpop+jwt", "alg": "HS256", "jwk": {"kty": "oct", "k": "AA"}});
    assert!(read(&symmetric, &claims()).is_err());
    for private in ["d", "k", "p", "q", "dp", "dq", "qi", "oth"] {
        let jwk = with(KEY.public().to_json(), private, json!("AA"));
        assert_eq!(
            read(&with(header(), "jwk", jwk), &claims()).unwrap_err(),
            "the DPoP proof's jwk holds a private key"
        );
    }
    let other = SigningKey::generate(Algorithm::Es256).unwrap();
    assert!(read(&with(header(), "jwk", other.public().to_json()), &claims()).is_err(), "another key's");
    for bad in [Value::Null, json!("x"), json!({}), json!([KEY.public()])] {
        assert!(read(&with(header(), "jwk", bad.clone()), &claims()).is_err(), "{bad}");
    }
}

/// R9449-4.3-3: made for this method and this URI
#[test]
fn a_proof_is_for_one_method_and_one_target() {
    assert!(posted(&claims()).is_ok());
    assert!(posted(&with(claims(), "htu", json!("HTTPS://Host:443/token?x#y"))).is_ok());
    for htm in ["GET", "post", "POST ", ""] {
        assert!(posted(&with(claims(), "htm", json!(htm))).unwrap_err().contains("htm"), "{htm}");
    }
    for htu in ["https://host/token/", "https://host/other", "https://evil/token", "http://host/token"] {
        assert!(posted(&with(claims(), "htu", json!(htu))).unwrap_err().contains("htu"), "{htu}");
    }
}

/// R9449-4.3-4: for this token, when there is one
#[test]
fn a_proof_names_the_token_that_it_comes_with() {
    let ath = json!(Secret::presented("pcl_at_x").hash());
    let bound = with(claims(), "ath", ath);
    assert!(judged(&bound, ("POST", Some("pcl_at_x")), &Keeper(None)).is_ok());
    for (claims, token) in
        [(bound, "pcl_at_y"), (claims(), "pcl_at_x"), (with(claims(), "ath", json!("")), "pcl_at_x")]
    {
        let refused = judged(&claims, ("POST", Some(token)), &Keeper(None)).unwrap_err();
        assert!(refused.starts_with("invalid_dpop_proof") && refused.contains("ath"), "{refused}");
    }
}

/// R9449-11.1-1: a minute either way; five where our own nonce tells that it is fresh
#[test]
fn a_proof_is_of_now() {
    let at = |offset: i64| with(claims(), "iat", json!(NOW + offset));
    let nonce = |claims: Value| with(claims, "nonce", json!("ours"));
    for offset in [-60, 0, 60] {
        assert!(posted(&at(offset)).is_ok(), "{offset}");
    }
    for offset in [-600, -61, 61, 600] {
        assert!(posted(&at(offset)).unwrap_err().contains("iat"), "{offset}");
    }
    for offset in [-300, -61, 61, 300] {
        assert!(judged(&nonce(at(offset)), ("POST", None), &Keeper(Some("ours"))).is_ok(), "{offset}");
    }
    for offset in [-600, -301, 301] {
        assert!(
            judged(&nonce(at(offset)), ("POST", None), &Keeper(Some("ours"))).unwrap_err().contains("iat"),
            "{offset}"
        );
    }
}

/// R9449-8-1: without our nonce nothing counts where one is asked for
#[test]
fn a_nonce_that_is_asked_for_must_be_there() {
    for nonce in [Value::Null, json!(""), json!("other"), json!("ours ")] {
        let refused = judged(&with(claims(), "nonce", nonce.clone()), ("POST", None), &Keeper(Some("ours")));
        assert!(refused.unwrap_err().starts_with("use_dpop_nonce"), "{nonce}");
    }
    assert!(judged(&with(claims(), "nonce", json!("ours")), ("POST", None), &Keeper(Some("ours"))).is_ok());
    assert!(posted(&with(claims(), "nonce", json!("other"))).is_ok(), "not asked for");
}

/// R9449-11.1-1: the same proof is remembered as the same, and no other is
#[test]
fn a_proof_is_known_again_by_key_target_and_jti() {
    let hash = |claims: Value| posted(&claims).unwrap().used.hash;
    assert_eq!(hash(claims()), hash(with(claims(), "iat", json!(NOW + 1))));
    assert_eq!(hash(claims()), hash(with(claims(), "htu", json!("https://host:443/token?x"))));
    assert_ne!(hash(claims()), hash(with(claims(), "jti", json!("two"))));
}

proptest! {
    /// A62: no proof with another letter anywhere is one
    #[test]
    fn any_changed_letter_spoils_it(at in any::<prop::sample::Index>(), letter in "[A-Za-z0-9_.=-]") {
        let genuine = KEY.sign_under(&header(), &claims()).unwrap();
        let mut forged: Vec<char> = genuine.chars().collect();
        let at = at.index(forged.len());
        forged[at] = letter.chars().next().unwrap();
        let forged: String = forged.into_iter().collect();
        prop_assert_eq!(Proof::parse(&forged).is_ok(), forged == genuine);
    }

    /// A62, R9449-4.3-1
    #[test]
    fn whatever_arrives_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[A-Za-z0-9_.={}\"-]{0,200}") {
        let _ = Proof::read([bytes.as_slice()]);
        let _ = Proof::read([text.as_bytes()]);
    }

    /// R9449-4.3-1: signed nonsense too
    #[test]
    fn whatever_is_signed_is_read_or_refused(jti in ".{0,300}", htm in ".{0,8}", htu in "(https?://)?.{0,30}", iat in any::<f64>()) {
        let _ = read(&header(), &json!({"jti": jti, "htm": htm, "htu": htu, "iat": iat}));
    }
}
