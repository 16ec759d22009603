//! The verifier that checks signed tokens by itself, against keys that the story publishes.
#![expect(clippy::unwrap_used, reason = "a story that cannot go on falls over")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Router, routing};
use portcullis_resource_server::oauth::jose::{Algorithm, SigningKey};
use portcullis_resource_server::oauth::{
    PublicUrl, Resource, ResourceUri, ScopeSet, Seconds, Secret, TestClock, Timestamp,
};
use portcullis_resource_server::{JwtVerifier, RequireBearer, VerifiedBearer, Verifier, VerifyError, oauth};
use serde_json::{Value, json};
use tower::ServiceExt;

const NOTES: &str = "https://notes.example.com/mcp";
const NOW: i64 = 1_790_000_000;
const JKT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

/// What the authorization server publishes, and how often it was asked.
#[derive(Clone, Default)]
struct Server {
    says: Arc<Mutex<(u16, String)>>,
    asked: Arc<AtomicUsize>,
    issuer: String,
}

async fn answer(State(server): State<Server>) -> impl IntoResponse {
    server.asked.fetch_add(1, Ordering::SeqCst);
    let (status, body) = server.says.lock().unwrap().clone();
    (StatusCode::from_u16(status).unwrap(), [("location", "http://127.0.0.1:1/")], body)
}

impl Server {
    async fn start(keys: &[&SigningKey]) -> (Self, JwtVerifier) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = PublicUrl::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let server = Self { issuer: issuer.as_str().to_owned(), ..Self::default() };
        server.publishes(keys);
        let app = Router::new().route("/oauth/jwks.json", get(answer)).with_state(server.clone());
        tokio::spawn(axum::serve(listener, app).into_future());
        (server, JwtVerifier::new(&issuer).unwrap())
    }

    fn publishes(&self, keys: &[&SigningKey]) {
        let keys: Vec<Value> = keys.iter().map(|key| key.public().to_json()).collect();
        self.says(200, &json!({ "keys": keys }).to_string());
    }

    fn says(&self, status: u16, body: &str) {
        *self.says.lock().unwrap() = (status, body.to_owned());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// The claims of a good token.
    fn claims(&self) -> Value {
        json!({
            "iss": self.issuer, "aud": NOTES, "sub": "user_1", "client_id": "client_9", "scope": "read write",
            "iat": NOW, "exp": NOW + 600, "jti": "t",
        })
    }

    fn token(&self, key: &SigningKey) -> String {
        key.sign("at+jwt", &self.claims()).unwrap()
    }

    fn token_with(&self, key: &SigningKey, name: &str, value: Value) -> String {
        let mut claims = self.claims();
        claims[name] = value;
        key.sign("at+jwt", &claims).unwrap()
    }
}

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::Es256).unwrap()
}

async fn check(verifier: &JwtVerifier, token: &str, later: i64) -> Result<VerifiedBearer, VerifyError> {
    let (token, resource) = (Secret::presented(token), ResourceUri::parse(NOTES).unwrap());
    verifier.verify(&token, &resource, Timestamp::from_micros((NOW + later) * 1_000_000)).await
}

async fn is_invalid(verifier: &JwtVerifier, token: &str) -> bool {
    matches!(check(verifier, token, 0).await, Err(VerifyError::Invalid(_)))
}

/// R9068-4-2: what a good token says is what the request may do
#[tokio::test]
async fn a_token_of_the_issuer_for_this_resource_is_let_in() {
    for algorithm in Algorithm::ALL {
        let key = SigningKey::generate(algorithm).unwrap();
        let (server, verifier) = Server::start(&[&key]).await;
        let bearer = check(&verifier, &server.token(&key), 0).await.unwrap();
        assert_eq!(bearer.effective_scope(), ScopeSet::from_iter(["read", "write"]));
        assert_eq!((bearer.principal().id.as_str(), bearer.client_id().as_str()), ("user_1", "client_9"));
        let array = server.token_with(&key, "aud", json!([NOTES]));
        assert!(check(&verifier, &array, 0).await.is_ok());
        for _ in 0..5 {
            assert!(check(&verifier, &server.token(&key), 0).await.is_ok());
        }
        assert_eq!(server.asked(), 1, "the keys are at hand");
        assert!(!format!("{verifier:?}").contains("eyJ"));
    }
}

/// R9068-4-1, T06: what the issuer signs for other purposes is no access token, and nobody is asked about it
#[tokio::test]
async fn another_kind_of_token_is_refused_whoever_signed_it() {
    let key = key();
    let (server, verifier) = Server::start(&[&key]).await;
    for typ in [
        "JWT",
        "id+jwt",
        "dpop+jwt",
        "oauth-id-jag+jwt",
        "client-authentication+jwt",
        "logout+jwt",
        "at+jwt2",
        "",
    ] {
        assert!(is_invalid(&verifier, &key.sign(typ, &server.claims()).unwrap()).await, "{typ}");
    }
    for noise in ["", "pcl_at_opaque", "a.b.c", "e30.e30.e30"] {
        assert!(is_invalid(&verifier, noise).await, "{noise}");
    }
    assert_eq!(server.asked(), 0);
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
        assert!(check(&verifier, &key.sign(typ, &server.claims()).unwrap(), 0).await.is_ok(), "{typ}");
    }
}

/// R9449-5-1: a bound token comes with its key, for whoever checks the proof
#[tokio::test]
async fn a_bound_token_comes_with_its_key() {
    let key = key();
    let (server, verifier) = Server::start(&[&key]).await;
    let bound = server.token_with(&key, "cnf", json!({ "jkt": JKT }));
    let bearer = check(&verifier, &bound, 0).await.unwrap();
    assert_eq!(bearer.confirmation().map(oauth::JwkThumbprint::as_str), Some(JKT));
    assert_eq!(check(&verifier, &server.token(&key), 0).await.unwrap().confirmation(), None);
}

/// R9068-4-2, R9068-4-3, R9449-7.2-1, A26, A62, T06, KEYS-8725-1: each mutation alone is answered 401 `invalid_token`
#[tokio::test]
async fn every_mutation_of_a_good_token_is_challenged_as_invalid() {
    let (ours, rsa) = (key(), SigningKey::generate(Algorithm::Rs256).unwrap());
    let (server, verifier) = Server::start(&[&ours, &rsa]).await;
    let resource = Resource::new(ResourceUri::parse(NOTES).unwrap(), "Notes", ScopeSet::from_iter(["read"]));
    let clock = Arc::new(TestClock::at(Timestamp::from_micros(NOW * 1_000_000)));
    let layer = RequireBearer::new(resource, ScopeSet::default(), Arc::new(verifier), clock);
    let app = Router::new().route("/mcp", routing::post(|| async { "in" })).layer(layer);
    let call = async |token: &str| {
        let request = Request::post("/mcp").header("authorization", format!("Bearer {token}"));
        app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    };
    assert_eq!(call(&server.token(&ours)).await.status(), 200);
    let good = server.token(&ours);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (_, payload) = signed.split_once('.').unwrap();
    let mut bad = vec![format!("{signed}.{}", signature.to_lowercase()), format!("{signed}.")];
    bad.push(key().sign("at+jwt", &server.claims()).unwrap());
    bad.push(server.token(&rsa).replace(payload, "e30"));
    for (name, value) in [
        ("iss", json!("https://evil.example")),
        ("iss", json!(format!("{}/", server.issuer))),
        ("aud", json!("https://notes.example.com/mcp2")),
        ("aud", json!("https://notes.example.com")),
        ("aud", json!([NOTES, "https://other.example/mcp"])),
        ("aud", json!([])),
        ("exp", json!(NOW - 30)),
        ("exp", json!("never")),
        ("nbf", json!(NOW + 31)),
        ("cnf", json!({"jkt": "x"})),
        ("cnf", json!({"jkt": JKT})),
        ("cnf", json!({"x5t#S256": JKT})),
        ("cnf", json!({})),
        ("cnf", json!(null)),
        ("sub", json!(null)),
        ("client_id", json!(null)),
    ] {
        bad.push(server.token_with(&ours, name, value));
    }
    for token in bad {
        let answer = call(&token).await;
        assert_eq!(answer.status(), 401, "{token}");
        let challenge = answer.headers()["www-authenticate"].to_str().unwrap();
        assert!(challenge.starts_with("Bearer error=\"invalid_token\""), "{challenge}");
    }
    let barely = server.token_with(&ours, "exp", json!(NOW - 29));
    assert_eq!(call(&barely).await.status(), 200, "two clocks may differ a little");
}

/// KEYS-8725-2: a thousand invented names of keys cause one question a minute; a token that points elsewhere causes none there
#[tokio::test]
async fn strangers_do_not_have_us_ask_as_often_as_they_like() {
    let ours = key();
    let (server, verifier) = Server::start(&[&ours]).await;
    assert!(check(&verifier, &server.token(&ours), 0).await.is_ok());
    let mut forged = server.token(&key());
    for second in 0..120 {
        for _ in 0..9 {
            forged = server.token(&key());
            assert!(matches!(check(&verifier, &forged, second).await, Err(VerifyError::Invalid(_))));
        }
    }
    assert_eq!(server.asked(), 2, "at the start, and once after a minute");
    let elsewhere = Server::start(&[]).await.0;
    let thief = key();
    let header = json!({"alg": "ES256", "typ": "at+jwt", "jku": elsewhere.issuer, "jwk": thief.public(), "x5u": elsewhere.issuer});
    let signed = base64_url(&header.to_string());
    let pointing = format!("{signed}.{}", forged.split_once('.').unwrap().1);
    assert!(matches!(check(&verifier, &pointing, 120).await, Err(VerifyError::Invalid(_))));
    assert_eq!(elsewhere.asked(), 0);
}

/// KEYS-7517-2: a new key is found at once; one that is not published any more is out of use within minutes
#[tokio::test]
async fn keys_come_and_go() {
    let (old, new) = (key(), key());
    let (server, verifier) = Server::start(&[&old]).await;
    let remembered = server.token(&old);
    assert!(check(&verifier, &remembered, 0).await.is_ok());
    server.publishes(&[&old, &new]);
    assert!(check(&verifier, &server.token(&new), 59).await.is_err(), "the issuer publishes ahead");
    assert!(check(&verifier, &server.token(&new), 60).await.is_ok());
    server.publishes(&[&new]);
    let before = 60 + 299;
    assert!(check(&verifier, &server.token_with(&old, "jti", json!("2")), before).await.is_ok());
    assert!(check(&verifier, &remembered, before + 1).await.is_err(), "nor what was remembered");
    assert!(check(&verifier, &server.token(&new), before + 1).await.is_ok());
    assert_eq!(server.asked(), 3);
}

/// ASVS-16.5.1: it fails closed, as 503; what is known of the issuer counts for an hour, and no longer
#[tokio::test]
async fn an_issuer_that_does_not_answer_ends_nothing_at_once() {
    let ours = key();
    let (server, verifier) = Server::start(&[&ours]).await;
    let huge = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(70_000));
    let mut later = 0;
    for (status, body) in
        [(500, "{}"), (302, "{}"), (200, "not json"), (200, "{}"), (200, "{\"keys\":[]}"), (200, &huge)]
    {
        server.says(status, body);
        for _ in 0..3 {
            let token = server.token_with(&ours, "exp", json!(NOW + 90_000));
            assert!(
                matches!(check(&verifier, &token, later).await, Err(VerifyError::Unavailable(_))),
                "{body:.80}"
            );
        }
        later += 60;
    }
    assert_eq!(server.asked(), 6, "once a minute");
    server.publishes(&[&ours]);
    let long_lived = |jti: i64| {
        let mut claims = server.claims();
        (claims["exp"], claims["jti"]) = (json!(NOW + 90_000), json!(jti.to_string()));
        ours.sign("at+jwt", &claims).unwrap()
    };
    assert!(check(&verifier, &long_lived(0), later).await.is_ok());
    server.says(503, "{}");
    assert!(check(&verifier, &long_lived(1), later + 3_599).await.is_ok());
    assert!(matches!(
        check(&verifier, &long_lived(2), later + 3_661).await,
        Err(VerifyError::Unavailable(_))
    ));
}

/// Verdicts are remembered by hash, for a minute at most, and never beyond the token's end
#[tokio::test]
async fn a_verdict_is_remembered_and_never_beyond_the_tokens_end() {
    let ours = key();
    let (server, verifier) = Server::start(&[&ours]).await;
    let token = server.token(&ours);
    assert!(check(&verifier, &token, 0).await.is_ok());
    let other = ResourceUri::parse("https://other.example.com/mcp").unwrap();
    let now = Timestamp::from_micros(NOW * 1_000_000).plus(Seconds(1));
    assert!(
        verifier.verify(&Secret::presented(token.as_str()), &other, now).await.is_err(),
        "for this resource alone"
    );
    assert!(check(&verifier, &token, 599).await.is_ok());
    assert!(check(&verifier, &token, 629).await.is_ok(), "within the leeway");
    assert!(matches!(check(&verifier, &token, 630).await, Err(VerifyError::Invalid(_))));
}

#[test]
fn keys_do_not_travel_in_clear() {
    assert!(JwtVerifier::new(&PublicUrl::parse("http://login.example.com").unwrap()).is_err());
}

fn base64_url(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}
