//! A bound token at our own resource (RFC 9449 §7): with a fresh proof of its key for this very request, or not at all.

use axum::http::Method;
use portcullis_database::both_engines;
use portcullis_oauth::{Clock, Secret};
use portcullis_tests::{Answer, Browser, Client, Pkce, Prover, Tokens, World, request};
use serde_json::{Value, json};

async fn open(database: portcullis_database::testing::TestDatabase) -> World {
    World::configured(database, &[("dpop", "on"), ("dpop_nonces", "false")]).await
}

/// Every challenge of an answer.
fn challenges(answer: &Answer) -> Vec<&str> {
    answer.headers.get_all("www-authenticate").iter().map(|value| value.to_str().unwrap()).collect()
}

/// Lists the tools with exactly these headers.
async fn list(world: &World, headers: &[(&str, &str)]) -> Answer {
    world.mcp_with("/mcp", headers, "tools/list", json!({})).await
}

both_engines! {
    /// R9449-7.2-1, R9449-7.1-1, A62: stolen, a bound token is worth nothing; the refusal stands in the challenge of the scheme
    /// that was used, with the other one beside it
    async fn a_bound_token_is_no_bearer_token(database: TestDatabase) {
        let world = open(database).await;
        let (client, prover) = (Client::public(&world).await, Prover::new());
        let bound = client.connect_proving(&world, &prover).await.access;
        // Before and after the cache knows it.
        for _ in 0..2 {
            let stolen = world.mcp(&bound, "tools/list", json!({})).await;
            assert_eq!(stolen.verdict(), "401 invalid_token");
            let told = challenges(&stolen);
            assert_eq!(told.len(), 2);
            assert!(told[0].starts_with("Bearer error=\"invalid_token\""), "{told:?}");
            assert!(told[1].starts_with("DPoP scope=") && !told[1].contains("error="), "{told:?}");
            let proof = prover.at_resource(&world, "/mcp", &bound);
            let bearer = format!("Bearer {bound}");
            assert_eq!(list(&world, &[("authorization", &bearer), ("dpop", &proof)]).await.verdict(), "401 invalid_token");
            assert_eq!(world.mcp_proving(&prover, &bound).await.status.as_u16(), 200);
        }
        let loose = client.connect(&world).await.access;
        assert_eq!(world.mcp(&loose, "tools/list", json!({})).await.status.as_u16(), 200);
        let proof = prover.at_resource(&world, "/mcp", &loose);
        let refused = world.mcp_proven(&loose, &proof).await;
        assert_eq!(refused.verdict(), "401 invalid_token", "what is bound to nothing needs no proof, and proves nothing");
        assert!(challenges(&refused)[0].starts_with("DPoP error=\"invalid_token\""), "{:?}", challenges(&refused));
        let trail = world.trail().await;
        assert!(trail.contains(&"mcp.request refused token_unproven".to_owned()), "{trail:?}");
    }

    /// R9449-7.2-1: who signed in is told for a bound token with a proof of its key, and never for the token alone
    async fn userinfo_takes_a_bound_token_with_its_proof(database: TestDatabase) {
        let world = World::configured(database, &[("openid", "on"), ("dpop", "on"), ("dpop_nonces", "false")]).await;
        let (client, prover, pkce) = (Client::relying_party(&world, json!({})).await, Prover::new(), Pkce::new());
        let mut browser = Browser::new(&world);
        let code = browser.approve(&client.sign_in_url(&pkce, "openid", &[])).await;
        let tokens = Tokens::of(&client.redeem_proving(&world, &prover, (&code, &pkce.verifier)).await);
        let renewed = client.refresh_proving(&world, &prover, &tokens.refresh).await;
        assert!(renewed.json()["id_token"].is_string(), "a bound refresh tells who signed in as any other: {}", renewed.body);
        let token = tokens.access;
        let stolen = world.userinfo(&token).await;
        assert_eq!(stolen.verdict(), "401 invalid_token");
        assert!(challenges(&stolen)[0].starts_with("Bearer realm="), "{:?}", challenges(&stolen));
        let ask = async |proof: &str| {
            let scheme = format!("DPoP {token}");
            world.post_form_with("/oauth/userinfo", &[], &[("authorization", &scheme), ("dpop", proof)]).await
        };
        let proof = prover.at_resource(&world, "/oauth/userinfo", &token);
        assert_eq!(ask(&proof).await.verdict(), "200");
        assert_eq!(ask(&proof).await.verdict(), "401 invalid_dpop_proof", "a proof is used once");
        let other = Prover::new().at_resource(&world, "/oauth/userinfo", &token);
        assert_eq!(ask(&other).await.verdict(), "401 invalid_token", "a proof by another key, as at every resource");
        let elsewhere = prover.at_resource(&world, "/mcp", &token);
        assert_eq!(ask(&elsewhere).await.verdict(), "401 invalid_dpop_proof");
        let trail = world.trail().await;
        assert!(trail.contains(&"userinfo refused invalid_dpop_proof".to_owned()), "{trail:?}");
    }

    /// R9449-7.2-1: where proofs are required, who signed in is told for no Bearer token either, from whenever it is
    async fn userinfo_takes_no_bearer_token_where_proofs_are_required(database: TestDatabase) {
        let world = World::configured(database, &[("openid", "on"), ("dpop", "required")]).await;
        let lax = world.node(&[("openid", "on")]).await;
        let (client, pkce) = (Client::relying_party(&world, json!({})).await, Pkce::new());
        let code = Browser::at(&lax).approve(&client.sign_in_url(&pkce, "openid", &[])).await;
        let body = format!("grant_type=authorization_code&code={code}&code_verifier={}&client_id={}", pkce.verifier, client.id);
        let asked = request(Method::POST, "/oauth/token").header("content-type", "application/x-www-form-urlencoded");
        let answer = tower::ServiceExt::oneshot(lax.router.clone(), asked.body(axum::body::Body::from(body)).unwrap()).await.unwrap();
        let loose = Tokens::of(&Answer::read(answer).await).access;
        assert_eq!(world.userinfo(&loose).await.verdict(), "401 invalid_token");
    }

    /// A62, R9449-4.3-1, R9449-4.3-2, R9449-4.3-3, R9449-4.3-4, R9449-11.1-1: each claim alone makes the difference, though
    /// the token is known and was proven before
    async fn a_bad_proof_opens_nothing(database: TestDatabase) {
        let world = open(database).await;
        let (client, prover) = (Client::public(&world).await, Prover::new());
        let token = client.connect_proving(&world, &prover).await.access;
        assert_eq!(world.mcp_proving(&prover, &token).await.status.as_u16(), 200);
        let claims = || prover.claims(&world, ("POST", "/mcp"), Some(&token));
        let now = world.clock.now().seconds();
        for (name, value) in [
            ("htm", json!("GET")), ("htu", json!("http://localhost:8420/mcp/")), ("htu", json!("http://localhost:8420/mcp/sandbox")),
            ("htu", json!("http://localhost:8420/oauth/token")), ("htu", json!("http://evil.example/mcp")),
            ("ath", Value::Null), ("ath", json!(Secret::presented("pcl_at_other").hash())), ("ath", json!(token)),
            ("iat", json!(now - 600)), ("iat", json!(now - 61)), ("iat", json!(now + 61)), ("jti", json!("x".repeat(300))), ("jti", json!("")),
        ] {
            let mut claims = claims();
            claims[name] = value.clone();
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            }
            let refused = world.mcp_proven(&token, &prover.sign(&claims)).await;
            assert_eq!(refused.verdict(), "401 invalid_dpop_proof", "{name} {value}");
            let told = challenges(&refused);
            assert!(told[0].starts_with("DPoP error=\"invalid_dpop_proof\"") && !told[1].contains("error="), "{told:?}");
        }
        let mut private = prover.header();
        private["jwk"]["d"] = json!("AA");
        let mut symmetric = prover.header();
        symmetric["alg"] = json!("HS256");
        for header in [private, symmetric] {
            let proof = prover.sign_under(&header, &claims());
            assert_eq!(world.mcp_proven(&token, &proof).await.verdict(), "401 invalid_dpop_proof", "{header}");
        }
        let thief = Prover::new();
        assert_eq!(world.mcp_proving(&thief, &token).await.verdict(), "401 invalid_token", "another key");
        let scheme = format!("DPoP {token}");
        let (one, two) = (prover.sign(&claims()), prover.sign(&claims()));
        assert_eq!(list(&world, &[("authorization", &scheme)]).await.verdict(), "401 invalid_dpop_proof", "no proof");
        let twice = [("authorization", scheme.as_str()), ("dpop", &one), ("dpop", &two)];
        assert_eq!(list(&world, &twice).await.verdict(), "401 invalid_dpop_proof", "two headers");
        let both = [("authorization", scheme.as_str()), ("authorization", "Bearer x"), ("dpop", &one)];
        assert_eq!(list(&world, &both).await.verdict(), "400 invalid_request");
        assert_eq!(world.mcp_proven(&token, &one).await.status.as_u16(), 200);
        assert_eq!(world.mcp_proven(&token, &one).await.verdict(), "401 invalid_dpop_proof", "used before");
        assert_eq!(world.mcp_proven("pcl_at_unknown", &two).await.verdict(), "401 invalid_token");
        assert!(world.trail().await.contains(&"mcp.request refused proof_invalid".to_owned()));
    }

    /// R9449-4.3-3: each endpoint and each method is its own; spelling is forgiven
    async fn a_proof_is_for_one_endpoint_and_one_method(database: TestDatabase) {
        let world = open(database).await;
        let (client, prover) = (Client::public(&world).await, Prover::new());
        let token = client.connect_proving(&world, &prover).await.access;
        let scheme = format!("DPoP {token}");
        let ask = async |method: Method, path: &str, proof: &str| {
            let request = request(method, path).header("authorization", &scheme).header("dpop", proof);
            world.send(request.body(String::new().into()).unwrap()).await.status.as_u16()
        };
        for (method, path) in [(Method::GET, "/mcp"), (Method::DELETE, "/mcp"), (Method::GET, "/mcp/")] {
            let right = prover.sign(&prover.claims(&world, (method.as_str(), path), Some(&token)));
            let wrong = prover.at_resource(&world, path, &token);
            assert_eq!(ask(method.clone(), path, &wrong).await, 401, "{method} {path}");
            assert_eq!(ask(method.clone(), path, &right).await, 405, "{method} {path}");
        }
        let mut claims = prover.claims(&world, ("POST", "/mcp"), Some(&token));
        claims["htu"] = json!("HTTP://LocalHost:8420/x/../%6dcp?a=b#c");
        assert_eq!(world.mcp_proven(&token, &prover.sign(&claims)).await.status.as_u16(), 200);
        let (code, pkce) = {
            let pkce = portcullis_tests::Pkce::new();
            let asked = client.authorize(&pkce, &[("resource", "http://localhost:8420/mcp/sandbox")]);
            (Browser::new(&world).approve(&asked).await, pkce)
        };
        let one = Tokens::of(&client.redeem_proving(&world, &prover, (&code, &pkce.verifier)).await).access;
        let (scheme, proof) = (format!("DPoP {one}"), prover.at_resource(&world, "/mcp/sandbox", &one));
        let headers = [("authorization", scheme.as_str()), ("dpop", &proof)];
        assert_eq!(world.mcp_with("/mcp/sandbox", &headers, "tools/list", json!({})).await.status.as_u16(), 200);
    }

    /// R9449-7.1-1, R6750-3-2: who presents nothing is told of both schemes and of no error; the metadata say the same
    async fn a_stranger_is_told_of_both_schemes(database: TestDatabase) {
        let world = open(database).await;
        let missing = world.mcp("", "tools/list", json!({})).await;
        assert_eq!(challenges(&missing), [
            r#"Bearer scope="mcp.resources.read mcp.tools.execute mcp.tools.read", resource_metadata="http://localhost:8420/.well-known/oauth-protected-resource/mcp""#,
            r#"DPoP scope="mcp.resources.read mcp.tools.execute mcp.tools.read", algs="ES256 EdDSA RS256", resource_metadata="http://localhost:8420/.well-known/oauth-protected-resource/mcp""#,
        ]);
        let metadata = world.get("/.well-known/oauth-protected-resource/mcp").await.json();
        assert_eq!(metadata["dpop_signing_alg_values_supported"], json!(["ES256", "EdDSA", "RS256"]));
        assert_eq!(metadata.get("dpop_bound_access_tokens_required"), None);
    }

    /// R9449-7.1-1, R9700-2.2.1-1: where proofs are required nothing else is taken, from whenever it is
    async fn where_proofs_are_required_no_bearer_token_is_taken(database: TestDatabase) {
        let world = World::configured(database, &[("dpop", "required")]).await;
        let missing = world.mcp("", "tools/list", json!({})).await;
        assert!(challenges(&missing).iter().all(|challenge| challenge.starts_with("DPoP ")), "{missing:?}");
        let metadata = world.get("/.well-known/oauth-protected-resource/mcp").await.json();
        assert_eq!(metadata["dpop_bound_access_tokens_required"], true);
        // One that a node gave out before the setting was changed.
        let lax = world.node(&[]).await;
        let client = Client::public(&world).await;
        let mut browser = Browser::at(&lax);
        let (code, pkce) = browser.code_for(&client).await;
        let body = format!("grant_type=authorization_code&code={code}&code_verifier={}&client_id={}", pkce.verifier, client.id);
        let asked = request(Method::POST, "/oauth/token").header("content-type", "application/x-www-form-urlencoded");
        let answer = tower::ServiceExt::oneshot(lax.router.clone(), asked.body(axum::body::Body::from(body)).unwrap()).await.unwrap();
        let loose = Tokens::of(&Answer::read(answer).await).access;
        assert_eq!(world.mcp(&loose, "tools/list", json!({})).await.verdict(), "401 invalid_token");
        let prover = Prover::new();
        let bound = client.connect_proving(&world, &prover).await.access;
        assert_eq!(world.mcp_proving(&prover, &bound).await.status.as_u16(), 200);
    }

    /// R9449-8-1: 401 with one nonce; without it, with a made-up or an old one nothing is let in; and one that ages is renewed
    async fn a_nonce_is_asked_for_and_never_waived(database: TestDatabase) {
        let world = World::configured(database, &[("dpop", "on")]).await;
        let (client, prover) = (Client::public(&world).await, Prover::new());
        let token = client.connect_proving(&world, &prover).await.access;
        let claims = || prover.claims(&world, ("POST", "/mcp"), Some(&token));
        for nonce in [Value::Null, json!("made up"), json!("v1.AAAA")] {
            let mut claims = claims();
            claims["nonce"] = nonce.clone();
            if nonce.is_null() {
                claims.as_object_mut().unwrap().remove("nonce");
            }
            for _ in 0..2 {
                let refused = world.mcp_proven(&token, &prover.sign(&claims)).await;
                assert_eq!(refused.verdict(), "401 use_dpop_nonce", "{nonce}");
                assert!(challenges(&refused)[0].starts_with("DPoP error=\"use_dpop_nonce\""));
                assert_eq!(refused.headers.get_all("dpop-nonce").iter().count(), 1);
                assert_eq!(refused.header("cache-control"), "no-store");
            }
        }
        let refusals = world.trail().await.into_iter().filter(|event| event == "mcp.request refused proof_nonce").count();
        assert_eq!(refusals, 6, "one event each");
        world.advance(149);
        assert_eq!(world.mcp_proven(&token, &prover.sign(&claims())).await.header("dpop-nonce"), "");
        world.advance(1);
        let renewed = world.mcp_proven(&token, &prover.sign(&claims())).await;
        assert_eq!(renewed.status.as_u16(), 200);
        assert_ne!(renewed.header("dpop-nonce"), "");
        let old = claims()["nonce"].clone();
        prover.heed(&renewed);
        assert_ne!(claims()["nonce"], old);
        world.advance(150);
        let mut late = claims();
        late["nonce"] = old;
        assert_eq!(world.mcp_proven(&token, &prover.sign(&late)).await.verdict(), "401 use_dpop_nonce", "five minutes old");
        assert_eq!(world.mcp_proven(&token, &prover.sign(&claims())).await.status.as_u16(), 200);
        // With our nonce a client's clock may be off by minutes, and no more.
        let now = world.clock.now().seconds();
        for (iat, status) in [(now - 290, 200), (now + 290, 200), (now - 301, 401), (now + 301, 401)] {
            let mut claims = claims();
            claims["iat"] = json!(iat);
            assert_eq!(world.mcp_proven(&token, &prover.sign(&claims)).await.status.as_u16(), status, "{}", iat - now);
        }
    }

    /// R9449-8-1, R9449-11.1-1: all nodes know the same nonces, and a proof that one of them took is used up at each
    async fn all_nodes_know_the_same_proofs(database: TestDatabase) {
        let world = World::configured(database, &[("dpop", "on")]).await;
        let other = world.second_node().await;
        let (client, prover) = (Client::public(&world).await, Prover::new());
        let token = client.connect_proving(&world, &prover).await.access;
        let at_other = async |proof: &str| {
            let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {},
            }}});
            let asked = request(Method::POST, "/mcp").header("content-type", "application/json")
                .header("accept", "application/json, text/event-stream").header("mcp-protocol-version", "2026-07-28")
                .header("mcp-method", "tools/list").header("authorization", format!("DPoP {token}")).header("dpop", proof);
            let answer = tower::ServiceExt::oneshot(other.router.clone(), asked.body(axum::body::Body::from(body.to_string())).unwrap()).await.unwrap();
            Answer::read(answer).await.verdict()
        };
        let (one, two) = (prover.at_resource(&world, "/mcp", &token), prover.at_resource(&world, "/mcp", &token));
        assert_eq!(world.mcp_proven(&token, &one).await.status.as_u16(), 200);
        assert_eq!(at_other(&one).await, "401 invalid_dpop_proof");
        assert_eq!(at_other(&two).await, "200");
        assert_eq!(world.mcp_proven(&token, &two).await.verdict(), "401 invalid_dpop_proof");
    }
}
