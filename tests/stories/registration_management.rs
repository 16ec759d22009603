//! A client that registered itself reads, replaces and deletes its registration (RFC 7592).

use axum::body::Body;
use axum::http::Method;
use portcullis_database::both_engines;
use portcullis_oauth::Clock;
use portcullis_tests::{Answer, Browser, Client, Pkce, Tokens, World};
use serde_json::{Value, json};
use tower::ServiceExt;

/// A registration, with what manages it.
struct Registration {
    client: Client,
    token: String,
    path: String,
    /// What a `PUT` that changes nothing says.
    body: Value,
}

impl Registration {
    async fn of(world: &World, metadata: &Value) -> Self {
        let answer = world.post_json("/oauth/register", metadata).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("cache-control")),
            (201, "no-store"),
            "{}",
            answer.body
        );
        let mut body = answer.json();
        let members = body.as_object_mut().unwrap();
        let mut take = |name: &str| {
            members.remove(name).and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
        };
        let (uri, token) = (take("registration_client_uri"), take("registration_access_token"));
        let secret = Some(take("client_secret")).filter(|secret| !secret.is_empty());
        let _ = (members.remove("client_id_issued_at"), members.remove("client_secret_expires_at"));
        let redirect_uri = body["redirect_uris"][0].as_str().unwrap().replace("/callback", ":51004/callback");
        let client = Client { id: body["client_id"].as_str().unwrap().to_owned(), secret, redirect_uri };
        assert_eq!(uri, format!("http://localhost:8420/oauth/register/{}", client.id));
        assert!(token.starts_with("pcl_rg_"), "{token}");
        Self { client, token, path: format!("/oauth/register/{}", body["client_id"].as_str().unwrap()), body }
    }

    async fn public(world: &World) -> Self {
        Self::of(world, &json!({
            "client_name": "Inspector", "client_uri": "https://inspector.example/", "redirect_uris": ["http://127.0.0.1/callback"],
            "grant_types": ["authorization_code", "refresh_token"], "token_endpoint_auth_method": "none",
        }))
        .await
    }

    async fn ask(&self, world: &World, method: Method, body: &Value) -> Answer {
        ask(world, (method, &self.path), Some(&self.token), body).await
    }

    /// Replaces it with these members changed; `null` leaves one out.
    async fn put(&self, world: &World, changes: Value) -> Answer {
        let mut body = self.body.clone();
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        body.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        self.ask(world, Method::PUT, &body).await
    }
}

async fn ask(world: &World, (method, path): (Method, &str), token: Option<&str>, body: &Value) -> Answer {
    let mut request = portcullis_tests::request(method, path).header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    world.send(request.body(Body::from(body.to_string())).unwrap()).await
}

/// How many rows there are wherever a stranger's registration may leave some. The paper trail has a time of its own.
async fn sizes(world: &World) -> String {
    let sql = "SELECT (SELECT COUNT(*) FROM oauth_client) || ' ' || (SELECT COUNT(*) FROM client_trust) || ' ' || \
               (SELECT COUNT(*) FROM authorization_request) || ' ' || (SELECT COUNT(*) FROM pushed_request) || ' ' || \
               (SELECT COUNT(*) FROM oauth_grant) || ' ' || (SELECT COUNT(*) FROM principal) || ' ' || \
               (SELECT COUNT(*) FROM web_session) || ' ' || (SELECT COUNT(*) FROM attempt_leg)";
    world.text(sql).await
}

/// Eight days, and what is swept then.
async fn later(world: &World) {
    world.advance(8 * 86_400);
    world.app.authorization.drain().await;
    world.app.authorization.sweep(world.clock.now()).await.unwrap();
}

both_engines! {
    /// R7592-3-1, R7592-2.1-1, R7591-5-3: all of it as stored, and no secret a second time
    async fn a_client_reads_its_registration(database: TestDatabase) {
        let world = World::on(database).await;
        let registration = Registration::of(&world, &json!({"redirect_uris": ["https://app.example/cb"], "client_name": "App"})).await;
        let answer = registration.ask(&world, Method::GET, &Value::Null).await;
        assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, "no-store"));
        let mut body = answer.json();
        assert_eq!(body["registration_access_token"], registration.token.as_str());
        assert_eq!(body["registration_client_uri"], format!("http://localhost:8420{}", registration.path));
        assert_eq!((body.get("client_secret"), &body["client_secret_expires_at"]), (None, &json!(0)));
        let members = body.as_object_mut().unwrap();
        for name in ["registration_access_token", "registration_client_uri", "client_id_issued_at", "client_secret_expires_at"] {
            assert!(members.remove(name).is_some(), "{name}");
        }
        assert_eq!(body, registration.body);
        let kept = world.text("SELECT registration_hash FROM oauth_client WHERE origin = 'dynamic'").await;
        assert!(!kept.contains("pcl_rg_"), "kept as its hash");
    }

    /// R7592-2-1, R7592-2-2: foreign, absent, unknown and another kind's tokens all hear the same, of known and unknown clients
    async fn only_its_own_token_opens_a_registration(database: TestDatabase) {
        let world = World::on(database).await;
        let (mine, other) = (Registration::public(&world).await, Registration::public(&world).await);
        let access = mine.client.connect(&world).await.access;
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let unknown = "/oauth/register/client_unknown".to_owned();
            for (path, token) in [(&mine.path, &other.token), (&unknown, &mine.token), (&mine.path, &access), (&mine.path, &"x".to_owned())] {
                let answer = ask(&world, (method.clone(), path), Some(token), &mine.body).await;
                assert_eq!(answer.verdict(), "401 invalid_token", "{method} {path}");
                assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="portcullis", error="invalid_token""#);
            }
            let none = ask(&world, (method.clone(), &mine.path), None, &mine.body).await;
            assert_eq!((none.verdict().as_str(), none.header("www-authenticate")), ("401 invalid_token", r#"Bearer realm="portcullis""#));
        }
        assert_eq!(mine.ask(&world, Method::POST, &mine.body).await.status.as_u16(), 405);
        let named = ask(&world, (Method::GET, &format!("{}?access_token={}", mine.path, mine.token)), None, &Value::Null).await;
        assert_eq!(named.status.as_u16(), 401, "never in the URL");
        assert_eq!(mine.ask(&world, Method::GET, &Value::Null).await.status.as_u16(), 200);
        let _ = world.app.authorization.clients().disable(&mine.client.id.clone().into()).await.unwrap();
        assert_eq!(mine.ask(&world, Method::DELETE, &Value::Null).await.verdict(), "403 access_denied", "an admin stopped it");
    }

    /// R7592-2.2-1: what is left out is deleted, what is said is judged like a registration
    async fn a_replacement_is_whole(database: TestDatabase) {
        let world = World::on(database).await;
        let registration = Registration::public(&world).await;
        let answer = registration.put(&world, json!({"client_uri": null, "scope": "mcp.tools.read admin"})).await;
        assert_eq!(answer.status.as_u16(), 200, "{}", answer.body);
        assert_eq!((answer.json().get("client_uri"), &answer.json()["scope"]), (None, &json!("mcp.tools.read")));
        assert_eq!(registration.ask(&world, Method::GET, &Value::Null).await.json(), answer.json());
        for (changes, verdict) in [
            (json!({"redirect_uris": null}), "400 invalid_redirect_uri"),
            (json!({"redirect_uris": ["javascript:alert(1)"]}), "400 invalid_redirect_uri"),
            (json!({"grant_types": ["client_credentials"]}), "400 invalid_client_metadata"),
            (json!({"token_endpoint_auth_method": "magic"}), "400 invalid_client_metadata"),
        ] {
            assert_eq!(registration.put(&world, changes.clone()).await.verdict(), verdict, "{changes}");
        }
        let machine = registration.put(&world, json!({"grant_types": ["authorization_code", "client_credentials"]})).await;
        assert_eq!(machine.json()["grant_types"], json!(["authorization_code"]), "nothing that an admin has to give (A35)");
        assert_eq!(registration.ask(&world, Method::PUT, &json!([])).await.verdict(), "400 invalid_client_metadata");
    }

    /// R7592-2.2-2
    async fn a_replacement_names_its_client_and_nothing_of_the_servers(database: TestDatabase) {
        let world = World::on(database).await;
        let registration = Registration::of(&world, &json!({"redirect_uris": ["https://app.example/cb"]})).await;
        let secret = registration.client.secret.clone().unwrap();
        for changes in [
            json!({"client_id": null}), json!({"client_id": "client_other"}), json!({"client_id": 7}),
            json!({"registration_access_token": registration.token}), json!({"registration_client_uri": "https://a.example/"}),
            json!({"client_id_issued_at": 1}), json!({"client_secret_expires_at": 0}),
            json!({"client_secret": "chosen"}), json!({"client_secret": 7}),
        ] {
            let answer = registration.put(&world, changes.clone()).await;
            assert_eq!(answer.verdict(), "400 invalid_client_metadata", "{changes}");
        }
        assert_eq!(registration.put(&world, json!({"client_secret": secret})).await.status.as_u16(), 200);
    }

    /// R7592-2.2-1, A33, A35: people allowed what they saw; what is another client asks them anew
    async fn a_changed_client_starts_without_grants(database: TestDatabase) {
        let world = World::on(database).await;
        for changes in [
            json!({"client_name": "Your Bank"}), json!({"redirect_uris": ["https://elsewhere.example/cb"]}),
            json!({"token_endpoint_auth_method": "client_secret_post"}), json!({"client_uri": null}),
        ] {
            let registration = Registration::public(&world).await;
            let Registration { client, .. } = &registration;
            let tokens = client.connect(&world).await;
            let (code, pkce) = Browser::new(&world).code_for(client).await;
            let mut browser = Browser::new(&world);
            let page = browser.reach_consent(&client.authorize(&Pkce::new(), &[])).await;
            assert_eq!(registration.put(&world, json!({})).await.status.as_u16(), 200);
            assert_eq!(world.mcp(&tokens.access, "tools/list", json!({})).await.status.as_u16(), 200, "nothing changed");
            let answer = registration.put(&world, changes.clone()).await;
            assert_eq!(answer.status.as_u16(), 200, "{}", answer.body);
            let secret = answer.json()["client_secret"].as_str().map(str::to_owned);
            assert_eq!(secret.is_some(), changes.get("token_endpoint_auth_method").is_some(), "{changes}");
            let client = Client { secret, ..client.clone() };
            assert_eq!(world.mcp(&tokens.access, "tools/list", json!({})).await.status.as_u16(), 401, "{changes}");
            assert_eq!(client.refresh(&world, &tokens.refresh, &[]).await.verdict(), "400 invalid_grant", "{changes}");
            assert_eq!(client.redeem(&world, &code, &pkce.verifier, &[]).await.verdict(), "400 invalid_grant", "{changes}");
            let late = browser.answer_consent(&page, "approve", &page.boxes("scope")).await;
            assert_eq!(late.status.as_u16(), 400, "what waited is forgotten: {changes}");
        }
        assert!(world.trail().await.contains(&"client.change done registration_replaced".to_owned()));
    }

    /// R7592-2.2-1: a secret goes with the method that needs it, and stays while it is needed
    async fn a_secret_goes_when_the_method_needs_none(database: TestDatabase) {
        let world = World::on(database).await;
        let registration = Registration::of(&world, &json!({"redirect_uris": ["https://app.example/callback"], "token_endpoint_auth_method": "client_secret_post"})).await;
        let renamed = registration.put(&world, json!({"client_name": "App"})).await;
        assert_eq!((renamed.status.as_u16(), renamed.json().get("client_secret")), (200, None));
        let client = Client { redirect_uri: "https://app.example/callback".to_owned(), ..registration.client.clone() };
        let _ = client.connect(&world).await;
        let public = registration.put(&world, json!({"token_endpoint_auth_method": "none"})).await;
        assert_eq!((public.json().get("client_secret"), public.json().get("client_secret_expires_at")), (None, None));
        assert_eq!(client.redeem(&world, "x", "x", &[]).await.verdict(), "401 invalid_client", "the old secret is dead");
        let _ = Client { secret: None, ..client }.connect(&world).await;
    }

    /// R7592-2.3-1: at once here, and elsewhere as soon as that node hears of it
    async fn a_deleted_client_is_gone_with_all_that_it_had(database: TestDatabase) {
        let world = World::on(database).await;
        let elsewhere = world.second_node().await;
        for here in [true, false] {
            let registration = Registration::public(&world).await;
            let client = &registration.client;
            let tokens = client.connect(&world).await;
            let (code, pkce) = Browser::new(&world).code_for(client).await;
            assert_eq!(world.mcp(&tokens.access, "tools/list", json!({})).await.status.as_u16(), 200);
            let request = portcullis_tests::request(Method::DELETE, &registration.path)
                .header("authorization", format!("Bearer {}", registration.token)).body(Body::empty()).unwrap();
            let router = if here { world.router() } else { elsewhere.router.clone() };
            let gone = Answer::read(router.oneshot(request).await.unwrap()).await;
            assert_eq!((gone.status.as_u16(), gone.body.as_str(), gone.header("cache-control")), (204, "", "no-store"));
            if !here {
                world.app.changes.read().await.unwrap();
            }
            assert_eq!(world.mcp(&tokens.access, "tools/list", json!({})).await.status.as_u16(), 401);
            assert_eq!(client.refresh(&world, &tokens.refresh, &[]).await.verdict(), "401 invalid_client");
            assert_eq!(client.redeem(&world, &code, &pkce.verifier, &[]).await.verdict(), "401 invalid_client");
            let page = Browser::new(&world).get(&client.authorize(&Pkce::new(), &[])).await;
            assert_eq!((page.status.as_u16(), page.header("location")), (400, ""));
            for method in [Method::GET, Method::PUT, Method::DELETE] {
                assert_eq!(registration.ask(&world, method, &registration.body).await.verdict(), "401 invalid_token");
            }
        }
        assert!(world.trail().await.contains(&"client.change done client_removed".to_owned()));
    }

    /// R7592-2-1, A35: guesses wait, and the right token never does; an admin's client has no such token
    async fn guesses_are_slowed_down_and_the_right_token_is_not(database: TestDatabase) {
        let world = World::on(database).await;
        let registration = Registration::public(&world).await;
        let guess = async || ask(&world, (Method::GET, &registration.path), Some("pcl_rg_guess"), &Value::Null).await;
        for _ in 0..20 {
            assert_eq!(guess().await.verdict(), "401 invalid_token");
        }
        assert_eq!(guess().await.status.as_u16(), 429);
        assert_eq!(registration.ask(&world, Method::GET, &Value::Null).await.status.as_u16(), 200);
    }

    /// A36: a crowd that registers and goes leaves nothing behind, in no table, and hinders nobody while it lasts
    async fn a_crowd_of_registrations_leaves_nothing_behind(database: TestDatabase) {
        let world = World::configured(database, &[("registrations_per_minute", "100000")]).await;
        let used = Client::public(&world).await;
        let mut tokens = used.connect(&world).await;
        later(&world).await;
        let before = sizes(&world).await;
        for turn in 0..600 {
            if turn % 200 == 0 {
                tokens = Tokens::of(&used.refresh(&world, &tokens.refresh, &[]).await);
                assert_eq!(world.mcp(&tokens.access, "tools/list", json!({})).await.status.as_u16(), 200);
            }
            let registration = Registration::public(&world).await;
            if turn % 3 == 0 {
                assert_eq!(registration.ask(&world, Method::DELETE, &Value::Null).await.status.as_u16(), 204);
            }
        }
        let clients = "SELECT COUNT(*) FROM oauth_client WHERE origin = 'dynamic'";
        assert_eq!(world.count(clients).await, 601);
        later(&world).await;
        assert_eq!(sizes(&world).await, before);
        assert_eq!(world.count(clients).await, 1, "the one that somebody consented to");
        let _ = Tokens::of(&used.refresh(&world, &tokens.refresh, &[]).await);
        let _ = Client::public(&world).await.connect(&world).await;
    }
}
