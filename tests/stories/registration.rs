//! Dynamic client registration, as real clients do it (RFC 7591).

use portcullis_database::both_engines;
use portcullis_tests::{Browser, Client, World};
use serde_json::json;

both_engines! {
    /// R7591-3.2.1-1, R7591-2-2, OA21-3.2.3-2
    async fn the_answer_states_everything_as_stored(database: TestDatabase) {
        let world = World::on(database).await;
        let answer = world.post_json("/oauth/register", &json!({
            "redirect_uris": ["https://app.example/cb"], "client_name": "App", "scope": "mcp.tools.read admin",
            "client_id": "mine", "software_id": "ignored",
        })).await;
        assert_eq!(answer.status.as_u16(), 201);
        assert_eq!(answer.header("cache-control"), "no-store");
        let mut body = answer.json();
        assert!(body["client_id"].as_str().unwrap().starts_with("client_"));
        assert!(body["client_secret"].as_str().unwrap().starts_with("pcl_cs_"));
        assert!(body["client_id_issued_at"].is_number());
        assert!(body["registration_access_token"].as_str().unwrap().starts_with("pcl_rg_"));
        assert!(body["registration_client_uri"].as_str().unwrap().starts_with("http://localhost:8420/oauth/register/client_"));
        body["registration_access_token"] = "pcl_rg_…".into();
        body["registration_client_uri"] = "http://…".into();
        body["client_id"] = "client_…".into();
        body["client_secret"] = "pcl_cs_…".into();
        body["client_id_issued_at"] = 0.into();
        assert_eq!(body, json!({
            "client_id": "client_…", "client_id_issued_at": 0, "client_secret": "pcl_cs_…", "client_secret_expires_at": 0,
            "registration_access_token": "pcl_rg_…", "registration_client_uri": "http://…",
            "redirect_uris": ["https://app.example/cb"], "client_name": "App", "token_endpoint_auth_method": "client_secret_basic",
            "grant_types": ["authorization_code"], "response_types": ["code"], "application_type": "web", "scope": "mcp.tools.read",
        }));
    }

    /// R7591-2-2, R7591-3.2.1-1: a public client gets no secret, and nothing that speaks of one
    async fn a_public_client_gets_no_secret(database: TestDatabase) {
        let world = World::on(database).await;
        let metadata = json!({"redirect_uris": ["https://app.example/cb"], "token_endpoint_auth_method": "none"});
        let body = world.post_json("/oauth/register", &metadata).await.json();
        assert_eq!(body["token_endpoint_auth_method"], "none");
        assert_eq!((body.get("client_secret"), body.get("client_secret_expires_at")), (None, None));
    }

    /// R7591-3.2.2-1
    async fn what_cannot_be_registered_is_refused_as_json(database: TestDatabase) {
        let world = World::on(database).await;
        let verdict = async |body| world.post_json("/oauth/register", &body).await.verdict();
        assert_eq!(verdict(json!({})).await, "400 invalid_redirect_uri");
        assert_eq!(verdict(json!({"redirect_uris": ["http://app.example/"]})).await, "400 invalid_redirect_uri");
        assert_eq!(verdict(json!({"redirect_uris": ["https://a.example/"], "client_name": 7})).await, "400 invalid_client_metadata");
        assert_eq!(verdict(json!([])).await, "400 invalid_client_metadata");
    }

    /// R7591-3-1, DC-18: swept by time, and never a client that somebody consented to
    async fn a_client_that_nobody_consented_to_is_forgotten(database: TestDatabase) {
        let world = World::on(database).await;
        let (used, unused) = (Client::public(&world).await, Client::public(&world).await);
        used.connect(&world).await;
        world.advance(8 * 86_400);
        world.app.authorization.sweep(portcullis_oauth::Clock::now(&world.clock)).await.unwrap();
        let pkce = portcullis_tests::Pkce::new();
        let mut browser = Browser::new(&world);
        assert_eq!(browser.get(&used.authorize(&pkce, &[])).await.status.as_u16(), 303);
        assert_eq!(browser.get(&unused.authorize(&pkce, &[])).await.status.as_u16(), 400);
    }

    /// OA21-2.4.1-1, OA21-2.4.1-3, DC-11: self-registered secrets are taken in header and body alike, one a request
    async fn a_confidential_client_proves_itself(database: TestDatabase) {
        let world = World::on(database).await;
        let metadata = json!({"redirect_uris": ["https://app.example/callback"], "token_endpoint_auth_method": "client_secret_post"});
        let registered = Client::registered(&world, &metadata).await;
        let client = Client { redirect_uri: "https://app.example/callback".to_owned(), ..registered };
        let (code, pkce) = Browser::new(&world).code_for(&client).await;
        let wrong = client.redeem(&world, &code, &pkce.verifier, &[("client_secret", "guess")]).await;
        assert_eq!(wrong.verdict(), "401 invalid_client");
        let none = client.redeem(&world, &code, &pkce.verifier, &[("client_secret", "")]).await;
        assert_eq!(none.verdict(), "401 invalid_client");
        // Both halves of Basic are form-encoded, so a careful library may write an underscore like this.
        let encode = |text: &str| text.replace('_', "%5F");
        let pair = format!("{}:{}", encode(&client.id), encode(client.secret.as_deref().unwrap()));
        let basic = format!("Basic {}", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, pair));
        let fields = [("grant_type", "authorization_code"), ("code", "pcl_ac_unknown"), ("code_verifier", &pkce.verifier)];
        let by_header = world.post_form_with("/oauth/token", &fields, &[("authorization", &basic)]).await;
        assert_eq!(by_header.verdict(), "400 invalid_grant", "known by the header too");
        let right = client.redeem(&world, &code, &pkce.verifier, &[]).await;
        assert_eq!(right.verdict(), "200");
        assert_eq!(right.json().get("refresh_token"), None, "not registered for refresh_token (R9700-4.14-1)");
    }

    /// OA21-3.2.4-2
    async fn a_failed_basic_authentication_is_challenged(database: TestDatabase) {
        let world = World::on(database).await;
        let headers = [("authorization", "Basic bm9ib2R5Om5vdGhpbmc=")];
        let answer = world.post_form_with("/oauth/token", &[("grant_type", "authorization_code")], &headers).await;
        assert_eq!(answer.verdict(), "401 invalid_client");
        assert!(answer.header("www-authenticate").starts_with("Basic "));
        assert_eq!(answer.header("cache-control"), "no-store");
    }

    /// OA21-2.4.1-4: too many wrong secrets are told to wait, and the right one always passes
    async fn wrong_secrets_are_slowed_down_and_the_right_one_is_not(database: TestDatabase) {
        let world = World::on(database).await;
        let metadata = json!({"redirect_uris": ["https://app.example/callback"], "token_endpoint_auth_method": "client_secret_post"});
        let client = Client::registered(&world, &metadata).await;
        for _ in 0..20 {
            assert_eq!(client.redeem(&world, "x", "x", &[("client_secret", "guess")]).await.verdict(), "401 invalid_client");
        }
        let late = client.redeem(&world, "x", "x", &[("client_secret", "guess")]).await;
        assert_eq!(late.status.as_u16(), 429);
        assert!(late.header("retry-after").parse::<u64>().unwrap() > 0);
        assert_eq!(client.redeem(&world, "x", &"v".repeat(43), &[]).await.verdict(), "400 invalid_grant");
        assert!(world.trail().await.contains(&"token.request refused client_authentication".to_owned()));
    }

    /// OA21-2.4-1
    async fn two_ways_of_authenticating_at_once_are_refused(database: TestDatabase) {
        let world = World::on(database).await;
        let headers = [("authorization", "Basic bm9ib2R5Om5vdGhpbmc=")];
        let fields = [("grant_type", "authorization_code"), ("client_secret", "x")];
        assert_eq!(world.post_form_with("/oauth/token", &fields, &headers).await.verdict(), "400 invalid_request");
    }

    /// R7591-2-4, R7591-2.3-1, R7591-2.1-1, R7591-3.2.1-2: what is not understood is ignored, a claim that nobody signed counts for nothing
    async fn unknown_members_and_unsigned_claims_change_nothing(database: TestDatabase) {
        let world = World::on(database).await;
        let answer = world.post_json("/oauth/register", &json!({
            "redirect_uris": ["https://app.example/cb"], "client_name": "App", "client_name#de": "Anwendung", "x_custom": {"a": [1]},
            "grant_types": ["authorization_code", "password"], "response_types": ["code", "token"], "scope": "mcp.tools.read admin.write",
            "software_statement": "eyJhbGciOiJub25lIn0.eyJjbGllbnRfbmFtZSI6IkJhbmsiLCJzY29wZSI6ImFkbWluIn0.",
        })).await;
        let body = answer.json();
        assert_eq!(answer.status.as_u16(), 201, "{}", answer.body);
        assert_eq!((&body["client_name"], &body["scope"]), (&json!("App"), &json!("mcp.tools.read")));
        assert_eq!((&body["grant_types"], &body["response_types"]), (&json!(["authorization_code"]), &json!(["code"])));
        assert_eq!((body.get("x_custom"), body.get("software_statement")), (None, None));
        let machine = json!({"redirect_uris": ["https://app.example/cb"], "grant_types": ["password"], "response_types": ["code"]});
        assert_eq!(world.post_json("/oauth/register", &machine).await.verdict(), "400 invalid_client_metadata");
    }

    /// R7591-5-3, R7591-2-1: the secret is shown once and kept as its hash
    async fn the_secret_is_not_in_the_database(database: TestDatabase) {
        let store = database.database.clone();
        let world = World::on(database).await;
        let answer = world.post_json("/oauth/register", &json!({"redirect_uris": ["https://app.example/cb"]})).await.json();
        let secret = answer["client_secret"].as_str().unwrap();
        let kept: Vec<(Option<String>,)> = portcullis_database::on!(store.read(), |pool| {
            sqlx::query_as("SELECT secret_hash FROM oauth_client").fetch_all(pool).await
        }).unwrap();
        assert!(kept.iter().any(|(hash,)| hash.is_some()) && kept.iter().all(|(hash,)| hash.as_deref() != Some(secret)));
        assert_eq!(world.post_json("/oauth/register", &json!({"client_name": "No address"})).await.verdict(), "400 invalid_redirect_uri");
    }
}
