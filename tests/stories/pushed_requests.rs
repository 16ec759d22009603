//! Pushed authorization requests (RFC 9126): said before the browser is sent, and then counted alone.

use axum::body::Body;
use axum::http::Method;
use portcullis_database::both_engines;
use portcullis_oauth::Clock;
use portcullis_tests::{Answer, Browser, Client, PASSWORD, Pkce, Tokens, World};
use serde_json::json;

/// Pushes what `client` would ask for; further parameters replace ours, and an empty value removes one.
async fn push(world: &World, client: &Client, pkce: &Pkce, changes: &[(&str, &str)]) -> Answer {
    let url = client.authorize(pkce, changes);
    let query = url.split_once('?').unwrap().1.to_owned();
    let mut fields: Vec<(String, String)> =
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    if let Some(secret) =
        client.secret.clone().filter(|_| changes.iter().all(|(name, _)| *name != "client_secret"))
    {
        fields.push(("client_secret".to_owned(), secret));
    }
    let fields: Vec<(&str, &str)> =
        fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    world.post_form("/oauth/par", &fields).await
}

fn open(client: &str, request_uri: &str) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", client)
        .append_pair("request_uri", request_uri)
        .finish();
    format!("/oauth/authorize?{query}")
}

async fn pushed(world: &World, client: &Client, pkce: &Pkce, changes: &[(&str, &str)]) -> String {
    let answer = push(world, client, pkce, changes).await;
    assert_eq!(answer.status.as_u16(), 201, "{}", answer.body);
    open(&client.id, answer.json()["request_uri"].as_str().unwrap())
}

async fn confidential(world: &World) -> Client {
    let metadata = json!({"redirect_uris": ["https://app.example/callback"], "token_endpoint_auth_method": "client_secret_post"});
    Client {
        redirect_uri: "https://app.example/callback".to_owned(),
        ..Client::registered(world, &metadata).await
    }
}

both_engines! {
    /// R9126-2.2-1, R9126-5-1, R9126-2.1-1: pushed, opened, consented to on the same page, redeemed
    async fn a_request_is_pushed_and_the_browser_brings_its_handle(database: TestDatabase) {
        let world = World::on(database).await;
        let metadata = world.get("/.well-known/oauth-authorization-server").await.json();
        assert_eq!(metadata["pushed_authorization_request_endpoint"], "http://localhost:8420/oauth/par");
        assert_eq!(metadata.get("require_pushed_authorization_requests"), None);
        for client in [Client::public(&world).await, confidential(&world).await] {
            let pkce = Pkce::new();
            let answer = push(&world, &client, &pkce, &[]).await;
            assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (201, "no-store"));
            assert_eq!(answer.json()["expires_in"], 90);
            let uri = answer.json()["request_uri"].as_str().unwrap().to_owned();
            let handle = uri.strip_prefix("urn:ietf:params:oauth:request_uri:pcl_pr_").unwrap().to_owned();
            assert_eq!(handle.len(), 43, "256 random bits");
            let page = Browser::new(&world).reach_consent(&open(&client.id, &uri)).await;
            assert!(page.body.contains("Allow access?"));
            let code = Browser::new(&world).approve(&open(&client.id, &uri)).await;
            let _ = Tokens::of(&client.redeem(&world, &code, &pkce.verifier, &[]).await);
        }
    }

    /// R9126-2.1-1, R9126-7.2-1, A10: errors are JSON here, and nothing redirects
    async fn a_bad_push_is_refused_as_json(database: TestDatabase) {
        let world = World::on(database).await;
        let (client, secret) = (Client::public(&world).await, confidential(&world).await);
        let long = "x".repeat(9_000);
        for (changes, verdict) in [
            (("redirect_uri", "https://evil.example/cb"), "400 invalid_request"),
            (("redirect_uri", "http://127.0.0.1:51004/callback/x"), "400 invalid_request"),
            (("request_uri", "https://evil.example/"), "400 invalid_request"),
            (("request_uri", "urn:ietf:params:oauth:request_uri:x"), "400 invalid_request"),
            (("request", "e30."), "400 invalid_request"),
            (("code_challenge", ""), "400 invalid_request"),
            (("code_challenge_method", "plain"), "400 invalid_request"),
            (("response_type", "token"), "400 unsupported_response_type"),
            (("scope", "openid-nonsense"), "400 invalid_scope"),
            (("resource", "https://other.example/mcp"), "400 invalid_target"),
            (("state", long.as_str()), "400 invalid_request"),
            (("nothing", long.as_str()), "400 invalid_request"),
            (("client_id", "client_unknown"), "401 invalid_client"),
            (("client_id", ""), "400 invalid_request"),
        ] {
            let answer = push(&world, &client, &Pkce::new(), &[changes]).await;
            assert_eq!(answer.verdict(), verdict, "{changes:?}");
            assert_eq!(answer.header("location"), "", "{changes:?}");
        }
        assert_eq!(push(&world, &secret, &Pkce::new(), &[("client_secret", "guess")]).await.verdict(), "401 invalid_client");
        assert_eq!(push(&world, &secret, &Pkce::new(), &[("client_secret", "")]).await.verdict(), "401 invalid_client");
        assert_eq!(push(&world, &secret, &Pkce::new(), &[("redirect_uri", "https://new.example/cb")]).await.verdict(), "400 invalid_request");
    }

    /// R9126-2.3-1
    async fn wrong_method_too_large_and_too_often_have_their_own_status(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        assert_eq!(world.get("/oauth/par").await.status.as_u16(), 405);
        let huge = "x".repeat(70_000);
        assert_eq!(push(&world, &client, &Pkce::new(), &[("state", &huge)]).await.verdict(), "413 invalid_request");
        let secret = confidential(&world).await;
        let mut last = push(&world, &client, &Pkce::new(), &[]).await;
        for _ in 0..300 {
            last = push(&world, &client, &Pkce::new(), &[("response_type", "x")]).await;
        }
        assert_eq!(last.verdict(), "429 invalid_request");
        assert!(last.header("retry-after").parse::<u64>().unwrap() > 0);
        assert_eq!(push(&world, &secret, &Pkce::new(), &[]).await.status.as_u16(), 201, "a client with a secret has a bucket of its own");
    }

    /// R9126-2.2-2: bound to its client and short-lived
    async fn a_handle_is_its_clients_and_for_a_minute_and_a_half(database: TestDatabase) {
        let world = World::on(database).await;
        let (client, other) = (Client::public(&world).await, Client::public(&world).await);
        let url = pushed(&world, &client, &Pkce::new(), &[]).await;
        let mut browser = Browser::signed_in(&world).await;
        let stolen = browser.get(&url.replace(&client.id, &other.id)).await;
        assert_eq!((stolen.status.as_u16(), stolen.header("location")), (400, ""));
        let unknown = browser.get(&open(&client.id, "urn:ietf:params:oauth:request_uri:pcl_pr_guess")).await;
        assert_eq!((unknown.status.as_u16(), unknown.header("location")), (400, ""));
        world.advance(89);
        assert!(browser.get(&url).await.see_other().starts_with("/oauth/consent"));
        world.advance(1);
        assert_eq!(browser.get(&url).await.status.as_u16(), 400);
        world.advance(3_600);
        world.app.authorization.sweep(world.clock.now()).await.unwrap();
        assert_eq!(world.count("SELECT COUNT(*) FROM pushed_request").await, 0);
    }

    /// R9126-2.2-2: a reload is no use, a decision is, in whichever browser it falls
    async fn a_handle_serves_one_decision(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let pkce = Pkce::new();
        let url = pushed(&world, &client, &pkce, &[]).await;
        let (mut one, mut two) = (Browser::new(&world), Browser::new(&world));
        let _ = one.get(&url).await;
        let page = one.reach_consent(&url).await;
        let reload = one.get(&url).await;
        let same = one.get(reload.see_other()).await;
        let elsewhere = two.reach_consent(&url).await;
        let scopes = page.boxes("scope");
        let code = one.answer_consent(&page, "approve", &scopes).await.redirect_parameter("code").unwrap();
        assert_eq!(one.answer_consent(&same, "approve", &scopes).await.status.as_u16(), 400);
        assert_eq!(two.answer_consent(&elsewhere, "approve", &scopes).await.status.as_u16(), 400);
        assert_eq!(one.get(&url).await.status.as_u16(), 400);
        let _ = Tokens::of(&client.redeem(&world, &code, &pkce.verifier, &[]).await);
    }

    /// R9126-4-1, A09: nothing beside the handle and client_id counts
    async fn the_front_channel_overrides_nothing(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let pkce = Pkce::new();
        let url = pushed(&world, &client, &pkce, &[("scope", "mcp.tools.read"), ("state", "pushed")]).await;
        let more = "&scope=mcp.connections.manage&state=x&code_challenge=x&response_type=token\
                    &redirect_uri=https%3A%2F%2Fevil.example%2F&resource=https%3A%2F%2Fevil.example&request=x&prompt=none";
        let mut browser = Browser::new(&world);
        let page = browser.reach_consent(&format!("{url}{more}")).await;
        assert_eq!(page.boxes("scope"), ["mcp.tools.read"]);
        let answer = browser.answer_consent(&page, "approve", &page.boxes("scope")).await;
        assert!(answer.see_other().starts_with("http://127.0.0.1:51004/callback?"));
        assert_eq!(answer.redirect_parameter("state").as_deref(), Some("pushed"));
        let code = answer.redirect_parameter("code").unwrap();
        assert_eq!(Tokens::of(&client.redeem(&world, &code, &pkce.verifier, &[]).await).scope, "mcp.tools.read");
        assert_eq!(browser.get(&format!("{url}&request_uri=x")).await.status.as_u16(), 400, "repeated");
    }

    /// R9126-5-1: a client, or everybody, may be held to it
    async fn who_must_push_is_refused_otherwise(database: TestDatabase) {
        let world = World::on(database).await;
        let metadata = json!({
            "redirect_uris": ["http://127.0.0.1/callback"], "token_endpoint_auth_method": "none",
            "require_pushed_authorization_requests": true,
        });
        let client = Client::registered(&world, &metadata).await;
        let mut browser = Browser::signed_in(&world).await;
        let plain = browser.get(&client.authorize(&Pkce::new(), &[])).await;
        assert_eq!(plain.redirect_parameter("error").as_deref(), Some("invalid_request"));
        let url = pushed(&world, &client, &Pkce::new(), &[]).await;
        assert!(browser.get(&url).await.see_other().starts_with("/oauth/consent"));
    }

    /// R9126-5-1
    async fn everybody_may_be_held_to_it(database: TestDatabase) {
        let world = World::configured(database, &[("require_par", "true")]).await;
        assert_eq!(world.get("/.well-known/oauth-authorization-server").await.json()["require_pushed_authorization_requests"], true);
        let client = Client::public(&world).await;
        let mut browser = Browser::signed_in(&world).await;
        let plain = browser.get(&client.authorize(&Pkce::new(), &[])).await;
        assert_eq!(plain.redirect_parameter("error").as_deref(), Some("invalid_request"));
        assert_eq!(world.why(&plain).await, "request push_required");
        assert!(browser.get(&pushed(&world, &client, &Pkce::new(), &[]).await).await.see_other().starts_with("/oauth/consent"));
    }

    /// A11: what was pushed stands in no URL and no cookie, and the secret is not kept
    async fn what_was_pushed_stays_here(database: TestDatabase) {
        let world = World::on(database).await;
        let client = confidential(&world).await;
        let url = pushed(&world, &client, &Pkce::new(), &[("state", "canary-state"), ("login_hint", "canary-hint")]).await;
        let mut browser = Browser::new(&world);
        let login = browser.get(&url).await;
        let consent = browser.sign_in(login.see_other(), "alice@example.com", PASSWORD).await;
        for answer in [&login, &consent] {
            let headers = format!("{:?}", answer.headers);
            assert!(!headers.contains("canary") && !headers.contains("pcl_pr_"), "{headers}");
        }
        let kept = world.text("SELECT parameters FROM pushed_request").await;
        assert!(kept.contains("canary-state") && !kept.contains("pcl_cs_"), "{kept}");
    }

    /// R9126-2.1-1: authentication by header too, and nothing of the URI's query is read
    async fn a_push_authenticates_in_the_header(database: TestDatabase) {
        let world = World::on(database).await;
        let client = confidential(&world).await;
        let plain = format!("{}:{}", client.id, client.secret.clone().unwrap());
        let basic = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, plain);
        let header = format!("Basic {basic}");
        let url = client.authorize(&Pkce::new(), &[("client_id", "")]);
        let body = url.split_once('?').unwrap().1.to_owned();
        let ask = async |path: &str, body: String| {
            let request = portcullis_tests::request(Method::POST, path)
                .header("content-type", "application/x-www-form-urlencoded")
                .header("authorization", &header);
            world.send(request.body(Body::from(body)).unwrap()).await
        };
        assert_eq!(ask("/oauth/par", body.clone()).await.status.as_u16(), 201);
        assert_eq!(ask(&format!("/oauth/par?{body}"), "scope=mcp.tools.read".to_owned()).await.status.as_u16(), 400);
    }
}
