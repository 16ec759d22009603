//! Habits of clients that are out there, and how far they are met (decisions DC-3, DC-4, DC-19).

use portcullis_database::both_engines;
use portcullis_tests::{Browser, Client, Pkce, World};
use serde_json::json;

both_engines! {
    /// DC-3: a server under a path is not named by its origin, neither in a request nor at the token endpoint, and a token
    /// for the parent opens nothing below it
    async fn a_parent_is_not_the_resource_below_it(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let mut browser = Browser::signed_in(&world).await;
        for parent in ["http://localhost:8420", "http://localhost:8420/"] {
            let asked = browser.get(&client.authorize(&Pkce::new(), &[("resource", parent)])).await;
            assert!(asked.see_other().contains("error=invalid_target"), "{}", asked.see_other());
        }
        let (code, pkce) = Browser::new(&world).code_for(&client).await;
        let origin = client.redeem(&world, &code, &pkce.verifier, &[("resource", "http://localhost:8420")]).await;
        assert_eq!(origin.verdict(), "400 invalid_target");
        let parents = client.connect(&world).await;
        let below = world.mcp_at("/mcp/sandbox", &parents.access, "tools/list", json!({})).await;
        assert_eq!(below.status.as_u16(), 401);
    }

    /// DC-4: one document a route, at the path-inserted place; clients that look at the root alone find the one of `/mcp`, which is
    /// where a request goes that names no resource
    async fn each_route_has_its_document_and_the_root_has_the_defaults(database: TestDatabase) {
        let world = World::on(database).await;
        for route in ["/mcp", "/mcp/sandbox"] {
            let document = world.get(&format!("/.well-known/oauth-protected-resource{route}")).await.json();
            assert_eq!(document["resource"], format!("http://localhost:8420{route}"));
        }
        let root = world.get("/.well-known/oauth-protected-resource").await.json();
        assert_eq!(root["resource"], "http://localhost:8420/mcp");
        for not_ours in ["/other", "/mcp/a/b"] {
            let path = format!("/.well-known/oauth-protected-resource{not_ours}");
            assert_eq!(world.get(&path).await.status.as_u16(), 404, "{path}");
        }
    }

    /// DC-19: the callbacks of hosted clients are registered and matched like any other, and the page names their host
    async fn hosted_callbacks_are_exact_and_named(database: TestDatabase) {
        let world = World::on(database).await;
        let mut browser = Browser::signed_in(&world).await;
        for (callback, host) in [
            ("https://claude.ai/api/mcp/auth_callback", "claude.ai"),
            ("https://claude.com/api/mcp/auth_callback", "claude.com"),
            ("https://vscode.dev/redirect", "vscode.dev"),
            ("https://chatgpt.com/connector/oauth/abc123", "chatgpt.com"),
            ("https://chatgpt.com/connector_platform_oauth_redirect", "chatgpt.com"),
        ] {
            let metadata = json!({"redirect_uris": [callback], "token_endpoint_auth_method": "none"});
            let client = Client { redirect_uri: callback.to_owned(), ..Client::registered(&world, &metadata).await };
            let asked = browser.get(&client.authorize(&Pkce::new(), &[])).await;
            let consent = browser.get(asked.see_other()).await;
            assert!(consent.body.contains(host), "{}", consent.body);
            for other in [format!("{callback}/"), format!("{callback}x"), callback.replace("https:", "http:")] {
                let refused = browser.get(&client.authorize(&Pkce::new(), &[("redirect_uri", &other)])).await;
                assert_eq!(refused.status.as_u16(), 400, "{other}");
            }
        }
    }
}
