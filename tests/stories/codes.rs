//! Redeeming a code (OAuth 2.1 §4.1.3).

use portcullis_database::both_engines;
use portcullis_tests::{Browser, Client, Tokens, World};
use serde_json::json;

both_engines! {
    /// OA21-3.2.3-1, OA21-3.2.3-2, R6750-5.3-1, R8707-2-2
    async fn a_code_gives_tokens_that_open_what_was_granted(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let (code, pkce) = Browser::new(&world).code_for(&client).await;
        let answer = client.redeem(&world, &code, &pkce.verifier, &[]).await;
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("pragma"), "no-cache");
        let body = answer.json();
        assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(600)));
        let tokens = Tokens::of(&answer);
        let called = world.mcp(&tokens.access, "tools/call", json!({"name": "sandbox__echo", "arguments": {"message": "hello"}})).await;
        assert_eq!(called.status.as_u16(), 200);
        assert!(called.body.contains("hello"), "{}", called.body);
    }

    /// OA21-3.2.4-3, OA21-4.1.3-3, OA21-4.1.3-4, OA21-10.2-1, R8707-2.1-2, A13, DC-18, DC-20
    async fn what_does_not_fit_is_refused_and_the_code_stays(database: TestDatabase) {
        let world = World::on(database).await;
        let (client, other) = (Client::public(&world).await, Client::public(&world).await);
        let (code, pkce) = Browser::new(&world).code_for(&client).await;
        let wrong = "w".repeat(43);
        for (changes, verdict) in [
            (("code_verifier", wrong.as_str()), "400 invalid_grant"),
            (("code_verifier", ""), "400 invalid_grant"),
            (("code_verifier", "short"), "400 invalid_grant"),
            (("redirect_uri", "http://127.0.0.1:51005/callback"), "400 invalid_grant"),
            (("client_id", other.id.as_str()), "400 invalid_grant"),
            (("client_id", "client_unknown"), "401 invalid_client"),
            (("client_id", ""), "400 invalid_request"),
            (("resource", "http://localhost:8420/mcp/sandbox"), "400 invalid_target"),
            (("grant_type", "password"), "400 unsupported_grant_type"),
            (("grant_type", ""), "400 invalid_request"),
            (("code", "pcl_ac_unknown"), "400 invalid_grant"),
        ] {
            assert_eq!(client.redeem(&world, &code, &pkce.verifier, &[changes]).await.verdict(), verdict, "{changes:?}");
        }
        assert_eq!(client.redeem(&world, &code, &pkce.verifier, &[("redirect_uri", "")]).await.verdict(), "200");
    }

    /// DC-20
    async fn five_wrong_verifiers_are_the_end_of_a_code(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let (code, pkce) = Browser::new(&world).code_for(&client).await;
        for _ in 0..5 {
            client.redeem(&world, &code, &"w".repeat(43), &[]).await;
        }
        assert_eq!(client.redeem(&world, &code, &pkce.verifier, &[]).await.verdict(), "400 invalid_grant");
    }

    /// OA21-4.1.2-1
    async fn a_code_lives_a_minute(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let (code, pkce) = Browser::new(&world).code_for(&client).await;
        world.advance(60);
        assert_eq!(client.redeem(&world, &code, &pkce.verifier, &[]).await.verdict(), "400 invalid_grant");
    }

    /// OA21-4.1.3-2, A15: a valid replay ends what the code gave; an invalid one does not
    async fn a_valid_replay_revokes_and_an_invalid_one_does_not(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let (code, pkce) = Browser::new(&world).code_for(&client).await;
        let tokens = Tokens::of(&client.redeem(&world, &code, &pkce.verifier, &[]).await);
        let invalid = client.redeem(&world, &code, &"w".repeat(43), &[]).await;
        assert_eq!(invalid.verdict(), "400 invalid_grant");
        assert_eq!(world.mcp(&tokens.access, "tools/list", json!({})).await.status.as_u16(), 200);
        let valid = client.redeem(&world, &code, &pkce.verifier, &[]).await;
        assert_eq!(valid.verdict(), "400 invalid_grant");
        assert_eq!(world.mcp(&tokens.access, "tools/list", json!({})).await.status.as_u16(), 401);
        assert_eq!(client.refresh(&world, &tokens.refresh, &[]).await.verdict(), "400 invalid_grant");
        assert!(world.trail().await.contains(&"token.replay refused code_replayed".to_owned()));
    }

    /// OA21-3.2-2: form in, JSON out, whatever came in
    async fn a_json_body_is_answered_as_an_oauth_error(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let (code, pkce) = Browser::new(&world).code_for(&client).await;
        let fields = [
            ("grant_type", "authorization_code"), ("client_id", &client.id), ("code", &code), ("code_verifier", &pkce.verifier),
        ];
        // Everything that a form would need: it is the form that is missing.
        let body: serde_json::Map<_, _> = fields.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        assert_eq!(world.post_json("/oauth/token", &serde_json::Value::Object(body)).await.verdict(), "400 invalid_request");
        let utf8 = [("content-type", "application/x-www-form-urlencoded;charset=UTF-8")];
        assert_eq!(world.post_form_with("/oauth/token", &fields, &utf8).await.verdict(), "200");
    }

    /// OA21-2.4.1-2: nothing of the URI is read
    async fn credentials_in_the_uri_are_not_credentials(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let answer = world.post_form(&format!("/oauth/token?client_id={}&grant_type=refresh_token", client.id), &[]).await;
        assert_eq!(answer.verdict(), "400 invalid_request");
    }

    /// MCP-AUTH-6, R9700-2.3-1, T05, A26: a token is for one resource, exactly
    async fn a_token_opens_the_resource_that_it_is_for_and_no_other(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let tokens = client.connect(&world).await;
        assert_eq!(world.mcp_at("/mcp/sandbox", &tokens.access, "tools/list", json!({})).await.status.as_u16(), 401);
        let pkce = portcullis_tests::Pkce::new();
        let url = client.authorize(&pkce, &[("resource", "http://localhost:8420/mcp/sandbox")]);
        let code = Browser::new(&world).approve(&url).await;
        let narrow = Tokens::of(&client.redeem(&world, &code, &pkce.verifier, &[]).await);
        let listed = world.mcp_at("/mcp/sandbox", &narrow.access, "tools/list", json!({})).await;
        assert!(listed.body.contains(r#""name":"echo""#), "{}", listed.body);
        assert_eq!(world.mcp(&narrow.access, "tools/list", json!({})).await.status.as_u16(), 401);
        assert_eq!(world.mcp(&tokens.refresh, "tools/list", json!({})).await.status.as_u16(), 401, "a refresh token is no bearer (T06)");
    }

    /// OA21-3.2.4-4, R9700-2.4-1, R9700-4.14-1, OA21-3.2.2-1: a grant that is not offered, one that this client may not use, and nobody
    async fn a_grant_is_offered_to_those_who_registered_for_it(database: TestDatabase) {
        let world = World::on(database).await;
        let metadata = json!({"redirect_uris": ["http://127.0.0.1/callback"], "token_endpoint_auth_method": "none"});
        let client = Client::registered(&world, &metadata).await;
        let (code, pkce) = Browser::new(&world).code_for(&client).await;
        for (grant, verdict) in [
            ("password", "400 unsupported_grant_type"), ("implicit", "400 unsupported_grant_type"),
            ("refresh_token", "400 unauthorized_client"), ("client_credentials", "400 unauthorized_client"), ("", "400 invalid_request"),
        ] {
            let answer = client.redeem(&world, &code, &pkce.verifier, &[("grant_type", grant), ("username", "alice@example.com"), ("password", "x")]).await;
            assert_eq!(answer.verdict(), verdict, "{grant}");
        }
        assert_eq!(client.redeem(&world, &code, &pkce.verifier, &[("client_id", "")]).await.verdict(), "400 invalid_request");
        let answer = client.redeem(&world, &code, &pkce.verifier, &[]).await;
        assert_eq!(answer.json().get("refresh_token"), None, "{}", answer.body);
    }
}
