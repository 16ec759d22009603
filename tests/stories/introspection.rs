//! Stories about RFC 7662: a resource server learns of its own tokens and of nothing else.

use insta::assert_json_snapshot;
use portcullis_database::both_engines;
use portcullis_tests::{Client, ResourceServer, World};
use serde_json::json;

const NOTES: &str = "https://notes.example.com/mcp";
const INACTIVE: &str = r#"{"active":false}"#;

both_engines! {
    /// R7662-2.2-2, OA21-3.2.3-2
    async fn a_live_token_is_described_to_its_own_resource(database: TestDatabase) {
        let world = World::on(database).await;
        let notes = ResourceServer::at(&world, NOTES).await;
        let client = Client::public(&world).await;
        let tokens = notes.connect(&world, &client, "read write").await;
        let answer = notes.introspect(&world, &tokens.access).await;
        assert_eq!((answer.header("cache-control"), answer.header("content-type")), ("no-store", "application/json"));
        assert_eq!(answer.json()["client_id"], client.id);
        assert_json_snapshot!(answer.json(), {".client_id" => "client_…", ".sub" => "user_…"}, @r#"
        {
          "active": true,
          "aud": "https://notes.example.com/mcp",
          "client_id": "client_…",
          "exp": 1767269100,
          "iat": 1767268800,
          "iss": "http://localhost:8420",
          "principal_kind": "user",
          "scope": "read write",
          "sub": "user_…",
          "token_type": "Bearer"
        }
        "#);
    }

    /// R7662-2.1-1, R7662-2.3-1, R7662-2.1-2, OA21-2.4.1-2: who may ask, and how
    async fn only_a_resource_server_may_ask_and_only_by_a_form(database: TestDatabase) {
        let world = World::on(database).await;
        let notes = ResourceServer::at(&world, NOTES).await;
        let public = Client::public(&world).await;
        let tokens = notes.connect(&world, &public, "read").await;
        let token = tokens.access.as_str();
        let ask = async |fields: &[(&str, &str)], headers: &[(&str, &str)]| {
            world.post_form_with("/oauth/introspect", fields, headers).await
        };
        let anonymous = ask(&[("token", token)], &[]).await;
        assert_eq!(anonymous.verdict(), "401 invalid_client");
        assert!(anonymous.header("www-authenticate").starts_with("Basic "));
        assert_eq!(ask(&[("token", token), ("client_id", &public.id)], &[]).await.verdict(), "403 access_denied");
        let metadata = json!({"redirect_uris": ["https://app.example/cb"], "token_endpoint_auth_method": "client_secret_post"});
        let other = Client::registered(&world, &metadata).await;
        let secret = other.secret.as_deref().unwrap();
        let posted = [("token", token), ("client_id", &other.id), ("client_secret", secret)];
        assert_eq!(ask(&posted, &[]).await.verdict(), "403 access_denied");
        let own = |value: &'static str| [("authorization", value)];
        assert_eq!(ask(&[("token", token)], &own("Basic bm9ib2R5OnNlY3JldA==")).await.verdict(), "401 invalid_client");
        assert_eq!(ask(&[("token", token)], &own("Bearer pcl_at_x")).await.verdict(), "401 invalid_client");
        let own = [("authorization", notes.authorization.as_str())];
        assert_eq!(ask(&[("nothing", "x")], &own).await.verdict(), "400 invalid_request");
        assert_eq!(ask(&[("token", token), ("token", token)], &own).await.verdict(), "400 invalid_request");
        let in_query = world.post_form_with(&format!("/oauth/introspect?token={token}"), &[], &own).await;
        assert_eq!(in_query.verdict(), "400 invalid_request");
        assert_eq!(world.get("/oauth/introspect").await.status.as_u16(), 405);
        assert!(world.trail().await.contains(&"token.introspection refused not_a_resource_server".to_owned()));
    }

    /// R7662-2.2-1, R7662-2.2-3, R7662-2.1-2: refresh tokens, codes, noise, expired and revoked tokens, disabled users and
    /// removed clients look alike
    async fn whatever_is_not_live_here_is_inactive_and_nothing_more(database: TestDatabase) {
        let world = World::on(database).await;
        let notes = ResourceServer::at(&world, NOTES).await;
        let client = Client::public(&world).await;
        let inactive = async |token: &str| notes.introspect(&world, token).await.body == INACTIVE;
        let tokens = notes.connect(&world, &client, "read").await;
        for text in [tokens.refresh.as_str(), "pcl_at_noise", "noise", "pcl_ac_noise"] {
            assert!(inactive(text).await, "{text}");
        }
        client.revoke(&world, &tokens.access).await;
        assert!(inactive(&tokens.access).await, "revoked");
        let tokens = notes.connect(&world, &client, "read").await;
        world.advance(300);
        assert!(inactive(&tokens.access).await, "expired");
        let tokens = notes.connect(&world, &client, "read").await;
        assert!(!inactive(&tokens.access).await);
        world.app.authorization.users().disable(&world.alice.id).await.unwrap();
        assert!(inactive(&tokens.access).await, "user disabled");
        world.app.authorization.users().enable(&world.alice.id).await.unwrap();
        let tokens = notes.connect(&world, &client, "read").await;
        world.app.authorization.clients().remove(&client.id.clone().into()).await.unwrap();
        assert!(inactive(&tokens.access).await, "client removed");
    }

    /// R7662-2.1-1: scanning is slow, and noise does not lock out who has a token
    async fn misses_are_counted_and_hits_always_pass(database: TestDatabase) {
        let world = World::on(database).await;
        let notes = ResourceServer::at(&world, NOTES).await;
        let client = Client::public(&world).await;
        let tokens = notes.connect(&world, &client, "read").await;
        for _ in 0..120 {
            assert_eq!(notes.introspect(&world, "pcl_at_guess").await.body, INACTIVE);
        }
        let late = notes.introspect(&world, "pcl_at_guess").await;
        assert_eq!((late.status.as_u16(), late.header("retry-after")), (429, "1"));
        assert_eq!(notes.introspect(&world, &tokens.access).await.json()["active"], true);
        world.advance(1);
        assert_eq!(notes.introspect(&world, "pcl_at_guess").await.body, INACTIVE);
    }

    /// A27, R8414-2-3: metadata says where and how, and a rotated secret is another
    async fn the_endpoint_is_published(database: TestDatabase) {
        let world = World::on(database).await;
        let metadata = world.get("/.well-known/oauth-authorization-server").await.json();
        assert_eq!(metadata["introspection_endpoint"], "http://localhost:8420/oauth/introspect");
        assert_eq!(metadata["introspection_endpoint_auth_methods_supported"], json!(["client_secret_basic"]));
        let notes = ResourceServer::at(&world, NOTES).await;
        let resources = world.app.authorization.resources();
        let found = resources.list().await.unwrap();
        assert!(resources.rotate_secret(&found[0]).await.unwrap().is_some());
        assert_eq!(notes.introspect(&world, "pcl_at_x").await.verdict(), "401 invalid_client");
    }
}
