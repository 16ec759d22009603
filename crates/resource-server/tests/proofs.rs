//! The layer in front of somebody else's server, with tokens that are bound to a key (RFC 9449).
#![expect(clippy::unwrap_used, reason = "a story that cannot go on falls over")]

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use axum::response::Response;
use axum::routing::post;
use axum::{Extension, Router};
use portcullis_resource_server::oauth::dpop::DpopUse;
use portcullis_resource_server::oauth::jose::{Algorithm, SigningKey};
use portcullis_resource_server::oauth::{
    BoxFuture, ClientId, GrantId, GrantedConnections, JwkThumbprint, Principal, PrincipalId, PrincipalKind,
    PublicUrl, Resource, ResourceUri, ScopeSet, Seconds, Secret, TestClock, Timestamp, random_handle,
};
use portcullis_resource_server::{LocalProofs, RequireBearer, VerifiedBearer, Verifier, VerifyError};
use serde_json::{Value, json};
use tower::ServiceExt;

const NOW: i64 = 1_790_000_000;
const NOTES: &str = "https://tools.example.com/notes";

/// Knows the tokens `bound` and `loose`.
struct Two(JwkThumbprint);

impl Verifier for Two {
    fn verify<'a>(
        &'a self,
        token: &'a Secret,
        resource: &'a ResourceUri,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<VerifiedBearer, VerifyError>> {
        let key = match token.expose() {
            "bound" => Some(self.0.clone()),
            "loose" => None,
            _ => return Box::pin(std::future::ready(Err(VerifyError::Invalid("the token is unknown")))),
        };
        let scope = ScopeSet::from_iter(["notes.read"]);
        let id = PrincipalId::generate(PrincipalKind::User);
        let principal = Principal { id, permissions: scope.clone(), groups: Vec::new() };
        let holder = (principal, ClientId::generate(), GrantId::generate());
        let reach = (scope, GrantedConnections::All);
        let bearer =
            VerifiedBearer::attest(token.hash(), resource.clone(), now.plus(Seconds(60)), holder, reach);
        Box::pin(std::future::ready(Ok(bearer.bound_to(key))))
    }
}

struct Stage {
    key: SigningKey,
    app: Router,
}

impl Stage {
    /// A server that uses proofs like this; `None` never heard of them.
    fn set(used: Option<DpopUse>) -> Self {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let verifier = Two(JwkThumbprint::parse(&key.public().thumbprint()).unwrap());
        let resource =
            Resource::new(ResourceUri::parse(NOTES).unwrap(), "Notes", ScopeSet::from_iter(["notes.read"]));
        let clock = Arc::new(TestClock::at(Timestamp::from_micros(NOW * 1_000_000)));
        let check = RequireBearer::new(resource, ScopeSet::default(), Arc::new(verifier), clock);
        let check = match used {
            Some(used) => check.taking_proofs(used, Arc::new(LocalProofs::default())),
            None => check,
        };
        let served = |Extension(bearer): Extension<VerifiedBearer>| async move { bearer.scope().to_string() };
        let server = PublicUrl::parse("https://login.example.com").unwrap();
        let inner = Router::new().route("/", post(served));
        let app = Router::new().nest("/notes", inner.layer(check.clone())).merge(check.metadata(&server));
        Self { key, app }
    }

    fn proof(&self, claims: &[(&str, Value)]) -> String {
        let mut all = json!({
            "jti": random_handle(""), "htm": "POST", "htu": NOTES, "iat": NOW, "ath": Secret::presented("bound").hash(),
        });
        for (name, value) in claims {
            all[*name] = value.clone();
        }
        let header = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": self.key.public()});
        self.key.sign_under(&header, &all).unwrap()
    }

    async fn ask(&self, authorization: &str, proofs: &[&str]) -> Response {
        let mut request = Request::post("/notes").header("authorization", authorization);
        // What a proxy makes of it changes nothing.
        request = request.header("host", "127.0.0.1:3000");
        for proof in proofs {
            request = request.header("dpop", *proof);
        }
        self.app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }
}

fn challenges(answer: &Response) -> Vec<String> {
    let all = answer.headers().get_all("www-authenticate").iter();
    all.map(|value| value.to_str().unwrap().to_owned()).collect()
}

/// R9449-7.2-1, R9449-4.3-1, R9449-4.3-3, R9449-4.3-4, R9449-11.1-1, A62
#[tokio::test]
async fn a_bound_token_needs_a_proof_of_its_key_for_this_request() {
    let stage = Stage::set(Some(DpopUse::On));
    let good = stage.proof(&[]);
    assert_eq!(stage.ask("DPoP bound", &[&good]).await.status(), StatusCode::OK);
    assert_eq!(stage.ask("DPoP bound", &[&good]).await.status(), StatusCode::UNAUTHORIZED, "used before");
    for bad in [
        stage.proof(&[("htm", json!("GET"))]),
        stage.proof(&[("htu", json!("https://tools.example.com/"))]),
        stage.proof(&[("htu", json!("http://127.0.0.1:3000/notes"))]),
        stage.proof(&[("ath", json!(Secret::presented("loose").hash()))]),
        stage.proof(&[("iat", json!(NOW - 61))]),
        Stage::set(None).proof(&[]),
    ] {
        let refused = stage.ask("DPoP bound", &[&bad]).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
        assert!(challenges(&refused)[0].starts_with("DPoP error="), "{:?}", challenges(&refused));
    }
    let two = [&*stage.proof(&[]), &*stage.proof(&[])];
    assert_eq!(stage.ask("DPoP bound", &two).await.status(), StatusCode::UNAUTHORIZED, "two headers");
    let stolen = stage.ask("Bearer bound", &[&stage.proof(&[])]).await;
    assert_eq!(stolen.status(), StatusCode::UNAUTHORIZED);
    assert!(challenges(&stolen)[0].starts_with("Bearer error=\"invalid_token\""));
    assert!(challenges(&stolen)[1].starts_with("DPoP ") && !challenges(&stolen)[1].contains("error="));
    assert_eq!(stage.ask("Bearer loose", &[]).await.status(), StatusCode::OK);
    assert_eq!(stage.ask("DPoP loose", &[&stage.proof(&[])]).await.status(), StatusCode::UNAUTHORIZED);
    let spelled = stage.proof(&[("htu", json!("HTTPS://Tools.Example.com:443/notes?x"))]);
    assert_eq!(stage.ask("DPoP bound", &[&spelled]).await.status(), StatusCode::OK);
}

/// R9449-7.2-1, R9449-7.1-1: who never heard of proofs takes no bound token in any way; who requires them takes no other
#[tokio::test]
async fn a_server_takes_what_it_says_that_it_takes() {
    let document = async |stage: &Stage| {
        let request =
            Request::get("/.well-known/oauth-protected-resource/notes").body(Body::empty()).unwrap();
        let answer = stage.app.clone().oneshot(request).await.unwrap();
        serde_json::from_slice::<Value>(&to_bytes(answer.into_body(), 10_000).await.unwrap()).unwrap()
    };
    let deaf = Stage::set(None);
    for scheme in ["Bearer", "DPoP"] {
        let refused = deaf.ask(&format!("{scheme} bound"), &[&deaf.proof(&[])]).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{scheme}");
    }
    assert_eq!(deaf.ask("Bearer loose", &[]).await.status(), StatusCode::OK);
    assert_eq!(document(&deaf).await.get("dpop_signing_alg_values_supported"), None);
    let strict = Stage::set(Some(DpopUse::Required));
    assert_eq!(strict.ask("Bearer loose", &[]).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(strict.ask("DPoP bound", &[&strict.proof(&[])]).await.status(), StatusCode::OK);
    assert!(challenges(&strict.ask("Basic x", &[]).await).iter().all(|told| told.starts_with("DPoP ")));
    assert_eq!(document(&strict).await["dpop_bound_access_tokens_required"], true);
}
