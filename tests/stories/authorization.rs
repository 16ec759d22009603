//! The authorization endpoint: what becomes a page, what becomes a redirect, and what is remembered.

use portcullis_database::both_engines;
use portcullis_tests::{Browser, Client, PASSWORD, Pkce, Tokens, World};
use serde_json::json;

both_engines! {
    /// OA21-4.1.2.1-1, OA21-2.3.1-1, OA21-8.4.2-1, A01, OA21-7.12-1
    async fn before_the_destination_is_proven_an_error_is_a_page(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let pkce = Pkce::new();
        let hostile = "http://127.0.0.1/callback\"><script>alert(1)</script>";
        for changes in [
            [("client_id", "client_unknown")], [("client_id", "")], [("redirect_uri", "http://127.0.0.1/other")],
            [("redirect_uri", "https://127.0.0.1/callback")], [("redirect_uri", "http://localhost/callback")],
            [("redirect_uri", "http://evil.example/callback")], [("redirect_uri", hostile)],
        ] {
            let answer = Browser::new(&world).get(&client.authorize(&pkce, &changes)).await;
            assert_eq!((answer.status.as_u16(), answer.header("location")), (400, ""), "{changes:?}");
            assert!(answer.header("content-type").starts_with("text/html"), "{changes:?}");
            assert!(!answer.body.contains("<script>alert"), "{changes:?}");
        }
    }

    /// OA21-3.1-4: repetition of what proves the destination is a page, of anything else an error response
    async fn a_repeated_parameter_is_refused(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let url = client.authorize(&Pkce::new(), &[]);
        let mut browser = Browser::signed_in(&world).await;
        for name in ["client_id=x", "redirect_uri=x"] {
            assert_eq!(browser.get(&format!("{url}&{name}")).await.status.as_u16(), 400, "{name}");
        }
        for name in ["scope=a&scope=b", "state=x", "code_challenge=x", "code_challenge_method=S256", "response_type=code"] {
            let answer = browser.get(&format!("{url}&{name}")).await;
            assert_eq!(answer.redirect_parameter("error").as_deref(), Some("invalid_request"), "{name}");
        }
        let same = browser.get(&format!("{url}&resource=HTTP%3A%2F%2FLOCALHOST%3A8420%2Fmcp&unknown=1&unknown=2")).await;
        assert!(same.see_other().starts_with("/oauth/consent"), "one resource, spelled twice (OA21-3.1-3, MCP-AUTH-18)");
    }

    /// OA21-4.1.2.1-3, OA21-4.1.1-1, OA21-4.1.2.1-2, OA21-4.1.1-3, R8707-2-3, R9700-4.17-1, OA21-4.1.2-2, R9207-2-1, A10, A13
    async fn every_other_error_goes_to_the_client_with_state_and_iss(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let mut browser = Browser::signed_in(&world).await;
        for (changes, error) in [
            (("code_challenge", ""), "invalid_request"),
            (("code_challenge_method", ""), "invalid_request"),
            (("code_challenge_method", "plain"), "invalid_request"),
            (("code_challenge", "short"), "invalid_request"),
            (("response_type", ""), "invalid_request"),
            (("response_type", "token"), "unsupported_response_type"),
            (("response_mode", "web_message"), "invalid_request"),
            (("request_uri", "https://evil.example/"), "invalid_request"),
            (("scope", "nonsense"), "invalid_scope"),
            (("scope", "openid nonsense"), "invalid_scope"),
            (("scope", "a\"b"), "invalid_scope"),
            (("resource", "http://localhost:8420/other"), "invalid_target"),
            (("resource", "not a uri"), "invalid_target"),
            (("prompt", "none"), "consent_required"),
        ] {
            let answer = browser.get(&client.authorize(&Pkce::new(), &[changes])).await;
            let parameter = |name| answer.redirect_parameter(name);
            assert_eq!(parameter("error").as_deref(), Some(error), "{changes:?}");
            assert_eq!(parameter("state").as_deref(), Some("a b+%é&="), "{changes:?}");
            assert_eq!(parameter("iss").as_deref(), Some("http://localhost:8420"), "{changes:?}");
            assert!(answer.see_other().starts_with("http://127.0.0.1:51004/callback?"), "{changes:?}");
        }
    }

    /// OA21-7.13.2-1: a client that nobody vouches for gets no redirect out of a browser where nobody signed in
    async fn an_error_for_an_unverified_client_waits_until_somebody_signs_in(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let mut browser = Browser::new(&world);
        let bad = client.authorize(&Pkce::new(), &[("scope", "nonsense")]);
        let login = browser.get(&bad).await.see_other().to_owned();
        assert!(login.starts_with("/login?"), "{login}");
        let back = browser.sign_in(&login, "alice@example.com", portcullis_tests::PASSWORD).await.see_other().to_owned();
        assert_eq!(browser.get(&back).await.redirect_parameter("error").as_deref(), Some("invalid_scope"));
    }

    /// OA21-3.1-1, OA21-3.1-2, A16, A39: the handle alone is worth nothing in another browser
    async fn a_request_belongs_to_the_browser_that_began_it(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let started = Browser::new(&world).get(&client.authorize(&Pkce::new(), &[])).await;
        let handle = started.request_handle();
        assert!(handle.starts_with("pcl_ar_"));
        let mut victim = Browser::signed_in(&world).await;
        assert_eq!(victim.get(&format!("/oauth/consent?request={handle}")).await.status.as_u16(), 400);
    }

    /// OA21-1.4.1-3, DC-5: nothing asked is the default set, not everything; so is what only a sign-in elsewhere would ask
    async fn without_scope_the_working_set_is_offered(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let mut browser = Browser::signed_in(&world).await;
        for scope in ["", "openid email profile", "openid"] {
            let page = browser.reach_consent(&client.authorize(&Pkce::new(), &[("scope", scope)])).await;
            assert_eq!(page.boxes("scope"), ["mcp.tools.read", "mcp.tools.execute", "mcp.resources.read"], "{scope}");
        }
        let mixed = browser.reach_consent(&client.authorize(&Pkce::new(), &[("scope", "openid mcp.tools.read")])).await;
        assert_eq!(mixed.boxes("scope"), ["mcp.tools.read"]);
    }

    /// OA21-3.1-3, R8707-2.1-1, DC-2: what nobody knows changes nothing, and no resource is the default one
    async fn unknown_parameters_change_nothing(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let (mut browser, pkce) = (Browser::signed_in(&world).await, Pkce::new());
        let code = browser.approve(&client.authorize(&pkce, &[("resource", ""), ("foo", "bar"), ("audience", "else")])).await;
        let answer = client.redeem(&world, &code, &pkce.verifier, &[("foo", "bar")]).await;
        let tokens = Tokens::of(&answer);
        assert_eq!(world.mcp(&tokens.access, "tools/list", json!({})).await.status.as_u16(), 200);
    }

    /// OA21-7.5.3-1: no answer to a form makes a browser send the form again somewhere else
    async fn a_form_with_a_password_is_answered_by_see_other_alone(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let mut browser = Browser::new(&world);
        let login = browser.get(&client.authorize(&Pkce::new(), &[])).await.see_other().to_owned();
        let signed_in = browser.sign_in(&login, "alice@example.com", PASSWORD).await;
        assert_eq!(signed_in.status.as_u16(), 303);
        let page = browser.get(signed_in.header("location")).await;
        for decision in ["deny", "approve"] {
            let page = if decision == "deny" { page.clone() } else { browser.reach_consent(&client.authorize(&Pkce::new(), &[])).await };
            let decided = browser.answer_consent(&page, decision, &page.boxes("scope")).await;
            assert_eq!(decided.status.as_u16(), 303, "{decision}");
            assert!(decided.header("location").starts_with("http://127.0.0.1:51004/callback?"), "{decision}");
        }
        let csrf = browser.get("/").await.field("csrf").unwrap();
        assert_eq!(browser.post("/logout", &[("csrf", &csrf)]).await.status.as_u16(), 303);
    }
}
