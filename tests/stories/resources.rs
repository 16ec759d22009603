//! Stories about resources beyond our own gateway: each has its own scopes, and no token of one opens another.

use portcullis_database::both_engines;
use portcullis_tests::{Browser, Client, Pkce, ResourceServer, Tokens, World};
use serde_json::json;

const NOTES: &str = "https://notes.example.com/mcp";

both_engines! {
    /// R8707-2.1-3, R8707-2-2, OA21-1.4.1-2, OA21-1.4.1-3: the page names the other server and its host, asks for its default
    /// scopes in its own words and for no connection
    async fn consent_names_the_other_server_and_asks_for_its_default(database: TestDatabase) {
        let world = World::on(database).await;
        let notes = ResourceServer::at(&world, NOTES).await;
        let client = Client::public(&world).await;
        let pkce = Pkce::new();
        let mut browser = Browser::new(&world);
        let page = browser.reach_consent(&client.authorize(&pkce, &[("resource", NOTES)])).await;
        assert!(page.body.contains("<bdi>Team notes</bdi> at <bdi dir=\"ltr\">notes.example.com</bdi>"), "{}", page.body);
        assert!(page.body.contains("Read the notes of your team.") && !page.body.contains("Change them."));
        assert_eq!(page.boxes("scope"), ["read"]);
        assert_eq!(page.boxes("connection").len(), 0);
        assert!(!page.body.contains("all_connections"));
        // What the form adds by hand was never offered.
        let more = ["read", "write", "mcp.tools.execute"].map(str::to_owned);
        let answer = browser.answer_consent(&page, "approve", &more).await;
        let code = answer.redirect_parameter("code").unwrap();
        let answer = client.redeem(&world, &code, &pkce.verifier, &[]).await;
        assert_eq!(answer.json()["expires_in"], 300, "the resource's own lifetime");
        let tokens = Tokens::of(&answer);
        assert_eq!(tokens.scope, "read");
        let told = notes.introspect(&world, &tokens.access).await.json();
        assert_eq!((&told["active"], &told["aud"], &told["scope"]), (&json!(true), &json!(NOTES), &json!("read")));
    }

    /// R8707-2.2-2, R9068-3-1, DC-5: scopes have a meaning at one resource; others are dropped, and alone they are refused
    async fn scopes_of_two_resources_never_mix(database: TestDatabase) {
        let world = World::on(database).await;
        let notes = ResourceServer::at(&world, NOTES).await;
        let client = Client::public(&world).await;
        let tokens = notes.connect(&world, &client, "write mcp.tools.execute offline_access").await;
        assert_eq!(tokens.scope, "offline_access write");
        let refused = client.authorize(&Pkce::new(), &[("resource", NOTES), ("scope", "mcp.tools.read")]);
        let answer = Browser::signed_in(&world).await.get(&refused).await;
        assert_eq!(answer.redirect_parameter("error").as_deref(), Some("invalid_scope"));
        let refused = client.authorize(&Pkce::new(), &[("scope", "read write")]);
        let answer = Browser::signed_in(&world).await.get(&refused).await;
        assert_eq!(answer.redirect_parameter("error").as_deref(), Some("invalid_scope"));
        let wider = client.refresh(&world, &tokens.refresh, &[("scope", "read")]).await;
        assert_eq!(wider.verdict(), "400 invalid_scope");
    }

    /// A25, A26, R8707-2.1-2, R9068-5-1: neither at the gateway nor at a neighbour whose identifier begins alike
    async fn a_token_for_one_resource_is_refused_by_every_other(database: TestDatabase) {
        let world = World::on(database).await;
        let notes = ResourceServer::at(&world, NOTES).await;
        let neighbours = ["https://notes.example.com/mcp2", "https://notes.example.com.evil.example/mcp", "https://notes.example.com/mcp/"];
        let client = Client::public(&world).await;
        let tokens = notes.connect(&world, &client, "read").await;
        for neighbour in neighbours {
            let neighbour = ResourceServer::at(&world, neighbour).await;
            assert_eq!(neighbour.introspect(&world, &tokens.access).await.body, r#"{"active":false}"#, "{}", neighbour.uri);
            let swapped = client.refresh(&world, &tokens.refresh, &[("resource", &neighbour.uri)]).await;
            assert_eq!(swapped.verdict(), "400 invalid_target");
        }
        assert_eq!(world.mcp(&tokens.access, "tools/list", json!({})).await.status.as_u16(), 401);
        let ours = client.connect(&world).await;
        assert_eq!(notes.introspect(&world, &ours.access).await.body, r#"{"active":false}"#);
        assert_eq!(client.refresh(&world, &ours.refresh, &[("resource", NOTES)]).await.verdict(), "400 invalid_target");
    }

    /// R8707-2-3: what nobody registered is no target; a spelling that the canonicaliser forgives is one
    async fn an_unknown_resource_is_no_target(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let mut browser = Browser::signed_in(&world).await;
        let asked = |uri: &str| client.authorize(&Pkce::new(), &[("resource", uri)]);
        let error = browser.get(&asked(NOTES)).await.redirect_parameter("error");
        assert_eq!(error.as_deref(), Some("invalid_target"));
        // The list is remembered by now, so the registration has to reach it.
        ResourceServer::at(&world, NOTES).await;
        let answer = browser.get(&asked("HTTPS://Notes.Example.com:443/mcp")).await;
        assert!(answer.see_other().starts_with("/oauth/consent"), "{}", answer.see_other());
    }

    /// A45, R7662-2.2-3: a removed resource takes its tokens, codes and pending questions along, also when its URI comes back
    async fn a_removed_resource_takes_what_was_granted_along(database: TestDatabase) {
        let world = World::on(database).await;
        let notes = ResourceServer::at(&world, NOTES).await;
        let client = Client::public(&world).await;
        let tokens = notes.connect(&world, &client, "read").await;
        let ours = client.connect(&world).await;
        let (pkce, mut browser) = (Pkce::new(), Browser::new(&world));
        let asked = client.authorize(&pkce, &[("resource", NOTES)]);
        let code = browser.approve(&asked).await;
        let page = browser.reach_consent(&asked).await;
        notes.remove(&world).await;
        assert_eq!(notes.introspect(&world, &tokens.access).await.verdict(), "401 invalid_client");
        let answer = browser.answer_consent(&page, "approve", &page.boxes("scope")).await;
        assert_eq!(answer.status.as_u16(), 400, "and not another resource's consent");
        let again = ResourceServer::at(&world, NOTES).await;
        assert_eq!(again.introspect(&world, &tokens.access).await.body, r#"{"active":false}"#);
        assert_eq!(client.redeem(&world, &code, &pkce.verifier, &[]).await.verdict(), "400 invalid_grant");
        assert_eq!(client.refresh(&world, &tokens.refresh, &[]).await.verdict(), "400 invalid_grant");
        assert_eq!(world.mcp(&ours.access, "tools/list", json!({})).await.status.as_u16(), 200, "other grants stay");
    }

    /// A26, R9068-5-1: our own resources come first
    async fn nobody_can_register_over_the_gateway(database: TestDatabase) {
        let world = World::on(database).await;
        let over = ResourceServer::at(&world, "http://localhost:8420/mcp").await;
        let client = Client::public(&world).await;
        let ours = client.connect(&world).await;
        assert!(ours.scope.contains("mcp.tools.execute"), "the gateway's scopes, not the registered ones");
        assert_eq!(world.mcp(&ours.access, "tools/list", json!({})).await.status.as_u16(), 200);
        let seen = over.introspect(&world, &ours.access).await;
        assert_eq!(seen.verdict(), "403 access_denied", "whoever registers over our own resource learns nothing of its tokens");
    }
}
