//! The consent page: what it says, and that only an answer to it gives anything.

use portcullis_database::both_engines;
use portcullis_tests::{Browser, Client, Pkce, Tokens, World};
use serde_json::json;

both_engines! {
    /// MCP-AUTH-24, OA21-7.9-1, MCP-AUTH-25, R8707-2.1-3, ASVS-10.4.7
    async fn the_page_names_client_host_resource_account_and_scopes(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let page = Browser::new(&world).reach_consent(&client.authorize(&Pkce::new(), &[("scope", "mcp.tools.read offline_access")])).await;
        assert_eq!(page.status.as_u16(), 200);
        for text in ["Inspector", "127.0.0.1:51004", "http://localhost:8420/mcp", "alice@example.com", "sandbox", "Stay connected"] {
            assert!(page.body.contains(text), "{text}");
        }
        assert_eq!(page.boxes("scope"), ["mcp.tools.read", "offline_access"]);
        assert_eq!(page.boxes("connection").len(), 1);
    }

    /// OA21-1.4.1-2, SBP-9: only what is ticked is minted
    async fn only_what_is_ticked_is_granted(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let (pkce, mut browser) = (Pkce::new(), Browser::new(&world));
        let page = browser.reach_consent(&client.authorize(&pkce, &[("scope", "mcp.tools.read mcp.tools.execute")])).await;
        let answer = browser.answer_consent(&page, "approve", &["mcp.tools.read".to_owned(), "mcp.connections.manage".to_owned()]).await;
        let code = answer.redirect_parameter("code").unwrap();
        let tokens = Tokens::of(&client.redeem(&world, &code, &pkce.verifier, &[]).await);
        assert_eq!(tokens.scope, "mcp.tools.read");
        assert_eq!(world.mcp(&tokens.access, "tools/list", json!({})).await.status.as_u16(), 200);
        let call = world.mcp(&tokens.access, "tools/call", json!({"name": "sandbox__echo", "arguments": {"message": "x"}})).await;
        assert_eq!(call.status.as_u16(), 403);
        assert!(call.header("www-authenticate").contains(r#"error="insufficient_scope""#));
    }

    /// A41, OA21-4.1.2-2, R9207-2-1: any word but approve denies, and says so to the client
    async fn any_word_but_approve_denies(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        for word in ["deny", "APPROVE", "", "yes"] {
            let mut browser = Browser::new(&world);
            let page = browser.reach_consent(&client.authorize(&Pkce::new(), &[])).await;
            let answer = browser.answer_consent(&page, word, &page.boxes("scope")).await;
            assert_eq!(answer.redirect_parameter("error").as_deref(), Some("access_denied"), "{word}");
            assert_eq!(answer.redirect_parameter("iss").as_deref(), Some("http://localhost:8420"));
            assert_eq!(answer.redirect_parameter("state").as_deref(), Some("a b+%é&="));
            assert_eq!(answer.redirect_parameter("code"), None);
        }
    }

    /// R9207-2-1, OA21-4.1.2-2: the code too comes with its issuer and with the state as it was sent
    async fn an_approval_names_its_issuer_and_keeps_the_state(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let mut browser = Browser::new(&world);
        let page = browser.reach_consent(&client.authorize(&Pkce::new(), &[])).await;
        let answer = browser.answer_consent(&page, "approve", &page.boxes("scope")).await;
        assert!(answer.redirect_parameter("code").is_some(), "{}", answer.see_other());
        assert_eq!(answer.redirect_parameter("iss").as_deref(), Some("http://localhost:8420"));
        assert_eq!(answer.redirect_parameter("state").as_deref(), Some("a b+%é&="));
    }

    /// ASVS-3.5.1, A41, T02: no answer counts without this session's token, from another site, or twice
    async fn an_answer_counts_once_and_only_from_our_page(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let mut browser = Browser::new(&world);
        let page = browser.reach_consent(&client.authorize(&Pkce::new(), &[])).await;
        let (csrf, handle) = (page.field("csrf").unwrap(), page.field("request").unwrap());
        let fields = |csrf| [("csrf", csrf), ("request", handle.as_str()), ("scope", "mcp.tools.read"), ("decision", "approve")];
        let link = format!("/oauth/consent?request={handle}&csrf={csrf}&scope=mcp.tools.read&decision=approve");
        let opened = browser.get(&link).await;
        assert_eq!((opened.status.as_u16(), opened.header("location")), (200, ""), "a link decides nothing");
        assert_eq!(browser.post("/oauth/consent", &fields("forged")).await.status.as_u16(), 403);
        assert_eq!(browser.post_from("cross-site", "/oauth/consent", &fields(&csrf)).await.status.as_u16(), 403);
        let other = Browser::signed_in(&world).await.reach_consent(&client.authorize(&Pkce::new(), &[])).await;
        let others = other.field("csrf").unwrap();
        assert_eq!(browser.post("/oauth/consent", &fields(&others)).await.status.as_u16(), 403);
        assert!(browser.post("/oauth/consent", &fields(&csrf)).await.redirect_parameter("code").is_some());
        assert_eq!(browser.post("/oauth/consent", &fields(&csrf)).await.status.as_u16(), 400);
    }

    /// OA21-7.3-1: consent is asked again, however often it was given
    async fn consent_is_asked_every_time(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let mut browser = Browser::new(&world);
        let (code, pkce) = browser.code_for(&client).await;
        assert_eq!(client.redeem(&world, &code, &pkce.verifier, &[]).await.verdict(), "200");
        let again = browser.reach_consent(&client.authorize(&Pkce::new(), &[])).await;
        assert_eq!(again.boxes("scope").len(), 3);
    }

    /// DC-6: who unticks "stay connected" gets no refresh token; who was not asked gets one by registration
    async fn a_refresh_token_follows_the_stay_connected_tick(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let (pkce, mut browser) = (Pkce::new(), Browser::new(&world));
        let page = browser.reach_consent(&client.authorize(&pkce, &[("scope", "mcp.tools.read offline_access")])).await;
        let answer = browser.answer_consent(&page, "approve", &["mcp.tools.read".to_owned()]).await;
        let code = answer.redirect_parameter("code").unwrap();
        assert_eq!(Tokens::of(&client.redeem(&world, &code, &pkce.verifier, &[]).await).refresh, "");
        assert!(client.connect(&world).await.refresh.starts_with("pcl_rt_"));
    }

    /// A connection that the user does not have cannot be granted
    async fn an_alias_that_the_user_does_not_have_ends_in_access_denied(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let mut browser = Browser::new(&world);
        let url = client.authorize(&Pkce::new(), &[("resource", "http://localhost:8420/mcp/other")]);
        let page = browser.reach_consent(&url).await;
        assert!(page.body.contains("You have no connection named other"));
        let answer = browser.answer_consent(&page, "approve", &page.boxes("scope")).await;
        assert_eq!(answer.redirect_parameter("error").as_deref(), Some("access_denied"));
    }

    /// OA21-8.1-1, OA21-7.3-1: a secret in an application that anybody can take apart vouches for nobody
    async fn a_native_client_with_a_secret_is_asked_about_every_time_too(database: TestDatabase) {
        let world = World::on(database).await;
        let metadata = json!({"redirect_uris": ["http://127.0.0.1/callback"], "token_endpoint_auth_method": "client_secret_post"});
        let registered = world.post_json("/oauth/register", &metadata).await.json();
        assert_eq!(registered["application_type"], "native");
        let client = Client::registered(&world, &metadata).await;
        assert!(client.secret.is_some());
        let mut browser = Browser::new(&world);
        let (code, pkce) = browser.code_for(&client).await;
        assert_eq!(client.redeem(&world, &code, &pkce.verifier, &[]).await.verdict(), "200");
        let again = browser.reach_consent(&client.authorize(&Pkce::new(), &[])).await;
        assert_eq!(again.boxes("scope").len(), 3);
    }
}
