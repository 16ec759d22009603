//! Refreshing: rotation that a racing or unlucky client survives and a thief does not (DC-15).

use portcullis_database::both_engines;
use portcullis_tests::{Browser, Client, Pkce, ResourceServer, Tokens, World};
use serde_json::json;

const NOTES: &str = "https://notes.example/mcp";
const OURS: &str = "http://localhost:8420/mcp";

async fn works(world: &World, tokens: &Tokens) -> bool {
    world.mcp(&tokens.access, "tools/list", json!({})).await.status.as_u16() == 200
}

both_engines! {
    /// OA21-4.3.1-1, OA21-4.3.1-3, OA21-5-1, MCP-AUTH-22
    async fn each_refresh_gives_a_new_pair(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let first = client.connect(&world).await;
        world.advance(601);
        assert!(!works(&world, &first).await, "expired");
        let second = Tokens::of(&client.refresh(&world, &first.refresh, &[]).await);
        assert_ne!((&first.access, &first.refresh), (&second.access, &second.refresh));
        assert_eq!(first.scope, second.scope);
        assert!(works(&world, &second).await);
    }

    /// DC-15: inside the window the same token gives the same successor and the same access token, used or not
    async fn the_same_token_gives_the_same_successor_inside_the_window(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let first = client.connect(&world).await;
        let second = Tokens::of(&client.refresh(&world, &first.refresh, &[]).await);
        assert!(works(&world, &second).await);
        let third = Tokens::of(&client.refresh(&world, &second.refresh, &[]).await);
        world.advance(119);
        assert_eq!(Tokens::of(&client.refresh(&world, &first.refresh, &[]).await), second);
        assert!(works(&world, &third).await, "the winner is not killed");
    }

    /// DC-15: a client that revoked its access token is not given that very token again
    async fn a_repeated_refresh_never_gives_a_revoked_access_token(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let first = client.connect(&world).await;
        let second = Tokens::of(&client.refresh(&world, &first.refresh, &[]).await);
        client.revoke(&world, &second.access).await;
        let again = Tokens::of(&client.refresh(&world, &first.refresh, &[]).await);
        assert_eq!(again.refresh, second.refresh);
        assert!(works(&world, &again).await && !works(&world, &second).await);
    }

    /// DC-15: after the window too, as long as nothing of the answer was ever used
    async fn a_lost_answer_can_be_asked_for_again_while_nothing_of_it_was_used(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let first = client.connect(&world).await;
        let second = Tokens::of(&client.refresh(&world, &first.refresh, &[]).await);
        world.advance(500);
        assert_eq!(Tokens::of(&client.refresh(&world, &first.refresh, &[]).await), second);
        world.advance(100);
        assert_eq!(client.refresh(&world, &first.refresh, &[]).await.verdict(), "400 invalid_grant", "at most an access token's life");
    }

    /// DC-15, A23: a grant for two servers gives no longer time by naming the one whose tokens live longer
    async fn the_life_of_the_lost_token_counts(database: TestDatabase) {
        let world = World::on(database).await;
        ResourceServer::at(&world, NOTES).await;
        let client = Client::public(&world).await;
        let pkce = Pkce::new();
        let asked = client.authorize(&pkce, &[("resource", NOTES), ("resource", OURS), ("scope", "read mcp.tools.read")]);
        let mut browser = Browser::new(&world);
        let page = browser.reach_consent(&asked).await;
        let answer = browser.tick(&page, &[("scope", "read"), ("scope.1", "mcp.tools.read")]).await;
        let code = answer.redirect_parameter("code").unwrap();
        let first = Tokens::of(&client.redeem(&world, &code, &pkce.verifier, &[]).await);
        client.refresh(&world, &first.refresh, &[("resource", NOTES)]).await;
        world.advance(299);
        assert_eq!(client.refresh(&world, &first.refresh, &[("resource", OURS)]).await.verdict(), "200");
        world.advance(1);
        let late = client.refresh(&world, &first.refresh, &[("resource", OURS)]).await;
        assert_eq!(late.verdict(), "400 invalid_grant", "what was lost lived for five minutes, though tokens of the gateway live for ten");
    }

    /// OA21-4.3.1-2, T11: any other reuse ends the family, and the paper trail says why
    async fn reuse_after_the_window_revokes_the_family(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let first = client.connect(&world).await;
        let second = Tokens::of(&client.refresh(&world, &first.refresh, &[]).await);
        assert!(works(&world, &second).await);
        world.advance(121);
        assert_eq!(client.refresh(&world, &first.refresh, &[]).await.verdict(), "400 invalid_grant");
        assert!(!works(&world, &second).await);
        assert_eq!(client.refresh(&world, &second.refresh, &[]).await.verdict(), "400 invalid_grant");
        assert!(world.trail().await.contains(&"token.replay refused refresh_token_replayed".to_owned()));
    }

    /// DC-15: a grace of 0 is strict
    async fn without_grace_every_second_presentation_is_a_replay(database: TestDatabase) {
        let world = World::configured(database, &[("refresh_grace_seconds", "0")]).await;
        let client = Client::public(&world).await;
        let first = client.connect(&world).await;
        let second = Tokens::of(&client.refresh(&world, &first.refresh, &[]).await);
        assert_eq!(client.refresh(&world, &first.refresh, &[]).await.verdict(), "400 invalid_grant");
        assert_eq!(client.refresh(&world, &second.refresh, &[]).await.verdict(), "400 invalid_grant");
    }

    /// OA21-4.3-1, OA21-3.2.4-3: another client's token is worth nothing, and trying it harms nobody
    async fn another_clients_token_is_refused_and_stays_alive(database: TestDatabase) {
        let world = World::on(database).await;
        let (client, other) = (Client::public(&world).await, Client::public(&world).await);
        let tokens = client.connect(&world).await;
        assert_eq!(other.refresh(&world, &tokens.refresh, &[]).await.verdict(), "400 invalid_grant");
        assert_eq!(client.refresh(&world, &tokens.refresh, &[]).await.verdict(), "200");
    }

    /// OA21-4.3.1-3, OA21-3.2.3-3, R8707-2.2-1: a refresh narrows its own answer, never the grant, and never widens
    async fn a_refresh_may_narrow_its_answer_and_never_widen(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let first = client.connect(&world).await;
        assert_eq!(client.refresh(&world, &first.refresh, &[("scope", "mcp.connections.manage")]).await.verdict(), "400 invalid_scope");
        assert_eq!(client.refresh(&world, &first.refresh, &[("resource", "http://localhost:8420/mcp/sandbox")]).await.verdict(), "400 invalid_target");
        let narrow = Tokens::of(&client.refresh(&world, &first.refresh, &[("scope", "mcp.tools.read")]).await);
        assert_eq!(narrow.scope, "mcp.tools.read");
        let full = Tokens::of(&client.refresh(&world, &narrow.refresh, &[]).await);
        assert_eq!(full.scope, first.scope);
    }

    /// R8707-2.2-1: of a grant for two resources each refresh names one, and no refresh loses the other
    async fn a_refresh_names_one_of_the_granted_resources(database: TestDatabase) {
        let store = database.database.clone();
        let world = World::on(database).await;
        let notes = ResourceServer::at(&world, "https://notes.example.com/mcp").await;
        let client = Client::public(&world).await;
        let mut tokens = client.connect(&world).await;
        portcullis_database::on!(store.write(), |pool| sqlx::query(
            "INSERT INTO grant_resource (grant_id, resource, scopes) \
             SELECT grant_id, 'https://notes.example.com/mcp', 'read' FROM grant_resource"
        ).execute(pool).await.map(drop)).unwrap();
        for (resource, is_ours) in [(notes.uri.as_str(), false), ("http://localhost:8420/mcp", true), (&notes.uri, false), ("", true)] {
            tokens = Tokens::of(&client.refresh(&world, &tokens.refresh, &[("resource", resource)]).await);
            assert_eq!(works(&world, &tokens).await, is_ours, "{resource}");
            assert_eq!(notes.introspect(&world, &tokens.access).await.json()["active"], !is_ours, "{resource}");
        }
        assert!(tokens.scope.contains("mcp.tools.read"), "{}", tokens.scope);
    }

    /// OA21-4.3.3-1, OA21-2.4-2, ASVS-10.4.8: idle and absolute expiry
    async fn a_family_ends_when_it_idles_and_in_any_case_at_its_absolute_end(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let idle = client.connect(&world).await;
        let mut sliding = client.connect(&world).await;
        for _ in 0..3 {
            world.advance(29 * 86_400);
            sliding = Tokens::of(&client.refresh(&world, &sliding.refresh, &[]).await);
        }
        assert_eq!(client.refresh(&world, &idle.refresh, &[]).await.verdict(), "400 invalid_grant");
        world.advance(4 * 86_400);
        assert_eq!(client.refresh(&world, &sliding.refresh, &[]).await.verdict(), "400 invalid_grant");
    }

    /// R9700-4.9.3-1, OA21-4.3-1: the database alone opens nothing
    async fn no_token_stands_in_the_database(database: TestDatabase) {
        let store = database.database.clone();
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let first = client.connect(&world).await;
        let second = Tokens::of(&client.refresh(&world, &first.refresh, &[]).await);
        let rows: Vec<(String, Option<String>)> = portcullis_database::on!(store.read(), |pool| {
            sqlx::query_as("SELECT hash, successor FROM refresh_token UNION ALL SELECT hash, NULL FROM access_token").fetch_all(pool).await
        }).unwrap();
        let dump = format!("{rows:?}");
        for secret in [&first.access, &first.refresh, &second.access, &second.refresh] {
            assert!(!dump.contains(secret.as_str()));
        }
        assert!(dump.len() > 200);
    }
}
