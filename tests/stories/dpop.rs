//! Tokens that are bound to a key (RFC 9449): who gets them, for what proof, and what the metadata say of it.

use axum::http::Method;
use portcullis_database::both_engines;
use portcullis_oauth::jose::Algorithm;
use portcullis_oauth::{Clock, GrantType, TokenFormat};
use portcullis_tests::{Browser, Client, Prover, ResourceServer, Tokens, World, request};
use serde_json::{Value, json};

const NOTES: &str = "https://notes.example.com/mcp";
const REFRESH: [(&str, &str); 2] = [("grant_type", "refresh_token"), ("refresh_token", "pcl_rt_none")];

/// A server that takes proofs and asks for no nonces, so that a story can say what a proof holds.
async fn open(database: portcullis_database::testing::TestDatabase) -> World {
    World::configured(database, &[("dpop", "on"), ("dpop_nonces", "false")]).await
}

/// What the token endpoint says to this proof: `400 invalid_grant` is about the token, so the proof was good.
async fn verdict(world: &World, client: &Client, headers: &[(&str, &str)]) -> String {
    client.token_with(world, &REFRESH, &[], headers).await.verdict()
}

/// The claims with one member replaced; null removes it.
fn with(mut claims: Value, name: &str, value: &Value) -> Value {
    match value {
        Value::Null => {
            claims.as_object_mut().unwrap().remove(name);
        }
        value => claims[name] = value.clone(),
    }
    claims
}

both_engines! {
    /// R9700-2.2.1-1, R9449-5-1, R9449-8-1, R9449-7.1-1: discovered, asked with a nonce, bound, introspected, used, refreshed
    async fn the_whole_way_of_a_bound_token(database: TestDatabase) {
        let world = World::configured(database, &[("dpop", "on")]).await;
        let metadata = world.get("/.well-known/oauth-authorization-server").await.json();
        assert_eq!(metadata["dpop_signing_alg_values_supported"], json!(["ES256", "EdDSA", "RS256"]));
        let (client, prover) = (Client::public(&world).await, Prover::new());
        let (code, pkce) = Browser::new(&world).code_for(&client).await;
        let redeem = [("grant_type", "authorization_code"), ("code", code.as_str()), ("code_verifier", &pkce.verifier)];
        let proof = prover.at_token_endpoint(&world);
        let first = client.token_with(&world, &redeem, &[], &[("dpop", &proof)]).await;
        assert_eq!((first.verdict().as_str(), first.header("cache-control")), ("400 use_dpop_nonce", "no-store"));
        assert_eq!(first.headers.get_all("dpop-nonce").iter().count(), 1);
        prover.heed(&first);
        let second = client.token_with(&world, &redeem, &[], &[("dpop", &prover.at_token_endpoint(&world))]).await;
        assert_eq!(second.json()["token_type"], "DPoP");
        assert_eq!(second.header("dpop-nonce"), "", "the nonce is still young");
        let tokens = Tokens::of(&second);
        // One nonce serves both servers: clients know them by their origin.
        let proof = prover.at_resource(&world, "/mcp", &tokens.access);
        assert_eq!(world.mcp_proven(&tokens.access, &proof).await.status.as_u16(), 200);
        world.advance(601);
        let again = Tokens::of(&client.refresh_proving(&world, &prover, &tokens.refresh).await);
        assert_eq!(world.mcp_proving(&prover, &again.access).await.status.as_u16(), 200);
        assert_eq!(world.mcp_proving(&prover, &tokens.access).await.verdict(), "401 invalid_token", "expired");
    }

    /// R9449-5-1: opaque and signed tokens name the key, to their resource and to nobody else
    async fn a_resource_is_told_the_key(database: TestDatabase) {
        let world = open(database).await;
        let client = Client::public(&world).await;
        for (uri, format) in [(NOTES, TokenFormat::Opaque), ("https://tasks.example.com/mcp", TokenFormat::Jwt)] {
            let (server, prover) = (ResourceServer::with_tokens(&world, uri, format).await, Prover::new());
            let asked = |pkce: &portcullis_tests::Pkce| client.authorize(pkce, &[("resource", uri), ("scope", "read")]);
            let pkce = portcullis_tests::Pkce::new();
            let code = Browser::new(&world).approve(&asked(&pkce)).await;
            let answer = client.redeem_proving(&world, &prover, (&code, &pkce.verifier)).await;
            assert_eq!(answer.json()["token_type"], "DPoP");
            let access = Tokens::of(&answer).access;
            let told = server.introspect(&world, &access).await.json();
            assert_eq!((&told["active"], &told["token_type"]), (&json!(true), &json!("DPoP")));
            assert_eq!(told["cnf"], json!({ "jkt": prover.jkt() }));
            if format == TokenFormat::Jwt {
                let token = portcullis_oauth::jose::Jws::parse(&access).unwrap();
                let keys = world.get("/oauth/jwks.json").await.json();
                let keys = portcullis_oauth::jose::JwkSet::parse(&keys).unwrap();
                assert_eq!(token.verify_with(&keys).unwrap()["cnf"], json!({ "jkt": prover.jkt() }));
            }
            let plain = server.connect(&world, &client, "read").await;
            let told = server.introspect(&world, &plain.access).await.json();
            assert_eq!((&told["token_type"], told.get("cnf")), (&json!("Bearer"), None));
        }
    }

    /// A62, R9449-4.3-1, R9449-4.3-2, R9449-4.3-3, R9449-11.1-1: whatever is wrong with a proof, no token is given for it
    async fn a_bad_proof_gets_nothing(database: TestDatabase) {
        let world = open(database).await;
        let (client, prover) = (Client::public(&world).await, Prover::new());
        let claims = || prover.claims(&world, ("POST", "/oauth/token"), None);
        let now = world.clock.now().seconds();
        assert_eq!(verdict(&world, &client, &[("dpop", &prover.sign(&claims()))]).await, "400 invalid_grant");
        for (name, value) in [
            ("jti", Value::Null), ("jti", json!("")), ("jti", json!("x".repeat(257))), ("jti", json!("x".repeat(5_000))),
            ("htm", Value::Null), ("htm", json!("GET")), ("htm", json!("post")),
            ("htu", Value::Null), ("htu", json!("http://localhost:8420/oauth/par")), ("htu", json!("https://localhost:8420/oauth/token")),
            ("htu", json!("http://localhost:8420/oauth/token/")), ("htu", json!("http://evil.example/oauth/token")), ("htu", json!("/oauth/token")),
            ("iat", Value::Null), ("iat", json!(now - 600)), ("iat", json!(now - 61)), ("iat", json!(now + 61)), ("iat", json!("now")),
        ] {
            let proof = prover.sign(&with(claims(), name, &value));
            assert_eq!(verdict(&world, &client, &[("dpop", &proof)]).await, "400 invalid_dpop_proof", "{name} {value}");
        }
        let mut private = prover.header();
        private["jwk"]["d"] = json!("AA");
        for header in [
            private, with(prover.header(), "typ", &json!("JWT")), with(prover.header(), "typ", &Value::Null),
            with(prover.header(), "alg", &json!("HS256")), with(prover.header(), "alg", &json!("none")),
            with(prover.header(), "jwk", &Value::Null), with(prover.header(), "jwk", &Prover::new().header()["jwk"]),
        ] {
            let proof = prover.sign_under(&header, &claims());
            assert_eq!(verdict(&world, &client, &[("dpop", &proof)]).await, "400 invalid_dpop_proof", "{header}");
        }
        let (one, two) = (prover.sign(&claims()), prover.sign(&claims()));
        assert_eq!(verdict(&world, &client, &[("dpop", &one), ("dpop", &two)]).await, "400 invalid_dpop_proof", "two headers");
        assert_eq!(verdict(&world, &client, &[("dpop", &format!("{one}, {two}"))]).await, "400 invalid_dpop_proof");
        for algorithm in Algorithm::ALL {
            let proof = Prover::of(algorithm).at_token_endpoint(&world);
            assert_eq!(verdict(&world, &client, &[("dpop", &proof)]).await, "400 invalid_grant", "{algorithm:?}");
        }
    }

    /// R9449-4.3-3: the URI is ours as we publish it, however it is spelled, and whatever a proxy puts into `Host`
    async fn a_proof_names_the_published_uri(database: TestDatabase) {
        let world = open(database).await;
        let (client, prover) = (Client::public(&world).await, Prover::new());
        let ask = async |path: &str, host: &str, htu: &str| {
            let claims = with(prover.claims(&world, ("POST", path), None), "htu", &json!(htu));
            let body = format!("grant_type=refresh_token&refresh_token=x&client_id={}", client.id);
            let request = axum::http::Request::builder().method(Method::POST).uri(path).header("host", host)
                .header("content-type", "application/x-www-form-urlencoded").header("dpop", prover.sign(&claims))
                .header("x-forwarded-host", "evil.example").header("x-forwarded-proto", "https");
            world.send(request.body(body.into()).unwrap()).await.verdict()
        };
        for htu in ["http://localhost:8420/oauth/token", "HTTP://LOCALHOST:8420/oauth/token?x#y", "http://localhost:8420/x/../oauth/%74oken"] {
            for host in ["localhost:8420", "10.0.0.7:9000"] {
                assert_eq!(ask("/oauth/token", host, htu).await, "400 invalid_grant", "{host} {htu}");
            }
        }
        for htu in ["http://10.0.0.7:9000/oauth/token", "https://evil.example/oauth/token", "http://localhost:8420/token"] {
            assert_eq!(ask("/oauth/token", "10.0.0.7:9000", htu).await, "400 invalid_dpop_proof", "{htu}");
        }
        assert_eq!(ask("/oauth/token?x=y", "localhost:8420", "http://localhost:8420/oauth/token").await, "400 invalid_grant");
        // The endpoint's other name (MCP-AUTH-27).
        assert_eq!(ask("/token", "localhost:8420", "http://localhost:8420/token").await, "400 invalid_grant");
    }

    /// R9449-5.2-1: who registered for it gets tokens in no other way, whatever the setting says
    async fn a_client_that_was_registered_for_it_needs_a_proof(database: TestDatabase) {
        let world = World::on(database).await;
        let metadata = json!({
            "redirect_uris": ["http://127.0.0.1/callback"], "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"], "dpop_bound_access_tokens": true,
        });
        let told = world.post_json("/oauth/register", &metadata).await.json();
        assert_eq!(told["dpop_bound_access_tokens"], true, "R7591-3.2.1-1");
        let (client, prover) = (Client::registered(&world, &metadata).await, Prover::new());
        let (code, pkce) = Browser::new(&world).code_for(&client).await;
        let bare = client.redeem(&world, &code, &pkce.verifier, &[]).await;
        assert_eq!(bare.verdict(), "400 invalid_dpop_proof");
        prover.heed(&bare);
        let first = prover.at_token_endpoint(&world);
        let fields = [("grant_type", "authorization_code"), ("code", code.as_str()), ("code_verifier", &pkce.verifier)];
        let answer = client.token_with(&world, &fields, &[], &[("dpop", &first)]).await;
        assert_eq!(answer.json()["token_type"], "DPoP", "the refusal gave the nonce: {}", answer.body);
        let tokens = Tokens::of(&answer);
        assert_eq!(client.refresh(&world, &tokens.refresh, &[]).await.verdict(), "400 invalid_dpop_proof");
        assert_eq!(world.mcp_proving(&prover, &tokens.access).await.status.as_u16(), 200);
        assert_eq!(world.mcp(&tokens.access, "tools/list", json!({})).await.verdict(), "401 invalid_token");
        let bad = world.post_json("/oauth/register", &with(metadata, "dpop_bound_access_tokens", &json!("yes"))).await;
        assert_eq!(bad.verdict(), "400 invalid_client_metadata");
    }

    /// R9449-5.2-1: everybody may be held to it
    async fn everybody_may_be_held_to_proofs(database: TestDatabase) {
        let world = World::configured(database, &[("dpop", "required")]).await;
        let (client, prover) = (Client::public(&world).await, Prover::new());
        assert_eq!(verdict(&world, &client, &[]).await, "400 invalid_dpop_proof");
        let tokens = client.connect_proving(&world, &prover).await;
        assert_eq!(world.mcp_proving(&prover, &tokens.access).await.status.as_u16(), 200);
        let job = Client::by_admin(&world, &[GrantType::ClientCredentials], ("mcp.tools.read", &[])).await;
        let fields = [("grant_type", "client_credentials")];
        assert_eq!(job.token(&world, &fields, &[]).await.verdict(), "400 invalid_dpop_proof");
        assert_eq!(job.prove(&world, &prover, &fields, &[]).await.json()["token_type"], "DPoP");
    }

    /// Off is off: nothing is said of proofs, and one that comes changes nothing
    async fn where_it_is_off_a_proof_changes_nothing(database: TestDatabase) {
        let world = World::on(database).await;
        for path in ["/.well-known/oauth-authorization-server", "/.well-known/oauth-protected-resource/mcp"] {
            assert!(!world.get(path).await.body.contains("dpop"), "{path}");
        }
        let client = Client::public(&world).await;
        assert_eq!(verdict(&world, &client, &[("dpop", "nonsense")]).await, "400 invalid_grant");
        let (code, pkce) = Browser::new(&world).code_for(&client).await;
        let answer = client.redeem_proving(&world, &Prover::new(), (&code, &pkce.verifier)).await;
        assert_eq!(answer.json()["token_type"], "Bearer");
        let missing = world.mcp("", "tools/list", json!({})).await;
        assert!(!missing.header("www-authenticate").contains("DPoP"));
        assert_eq!(missing.headers.get_all("www-authenticate").iter().count(), 1);
    }

    /// R9449-5-1: a device's tokens too, bound to the key that asked for them
    async fn a_device_proves_its_key(database: TestDatabase) {
        let world = open(database).await;
        let client = Client::by_admin(&world, &[GrantType::DeviceCode, GrantType::RefreshToken], ("", &[])).await;
        let told = world.post_form("/oauth/device_authorization", &[("client_id", client.id.as_str())]).await.json();
        let mut browser = Browser::signed_in(&world).await;
        let csrf = browser.get("/device").await.field("csrf").unwrap();
        let typed = [("csrf", csrf.as_str()), ("user_code", told["user_code"].as_str().unwrap())];
        let answer = browser.post("/device", &typed).await;
        let page = browser.get(answer.see_other()).await;
        browser.answer_consent(&page, "approve", &page.boxes("scope")).await;
        let fields = [("grant_type", GrantType::DeviceCode.as_str()), ("device_code", told["device_code"].as_str().unwrap())];
        let prover = Prover::new();
        let tokens = Tokens::of(&client.prove(&world, &prover, &fields, &[]).await);
        assert_eq!(world.mcp_proving(&prover, &tokens.access).await.status.as_u16(), 200);
        assert_eq!(client.refresh_proving(&world, &Prover::new(), &tokens.refresh).await.verdict(), "400 invalid_grant");
    }

    /// DC-17: a page of another origin may send a proof and read the nonce
    async fn pages_read_the_nonce(database: TestDatabase) {
        let settings = [("dpop", "on"), ("allowed_origins", "https://inspector.example")];
        let world = World::configured(database, &settings).await;
        for path in ["/oauth/token", "/oauth/par", "/mcp"] {
            let preflight = world.preflight(path, "https://inspector.example", "authorization,dpop").await;
            assert!(preflight.header("access-control-allow-headers").contains("dpop"), "{path}");
            let asked = request(Method::POST, path).header("origin", "https://inspector.example");
            let answer = world.send(asked.body(String::new().into()).unwrap()).await;
            assert!(answer.header("access-control-expose-headers").contains("dpop-nonce"), "{path}");
        }
    }
}
