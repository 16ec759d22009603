//! A device without a browser (RFC 8628): it shows a code, a person types it elsewhere, and the device fetches its tokens.

use portcullis_database::both_engines;
use portcullis_oauth::GrantType;
use portcullis_tests::{Answer, Browser, Client, PASSWORD, Tokens, World};
use serde_json::json;

use crate::concurrency::at_once;

/// A television: public, and admitted by an admin.
async fn television(world: &World) -> Client {
    Client::by_admin(world, &[GrantType::RefreshToken, GrantType::DeviceCode], ("", &[])).await
}

async fn begin(world: &World, client: &Client, changes: &[(&str, &str)]) -> Answer {
    let mut fields = vec![("client_id", client.id.as_str())];
    fields.extend(changes);
    world.post_form("/oauth/device_authorization", &fields).await
}

/// Device code and user code.
async fn codes(world: &World, client: &Client) -> (String, String) {
    let answer = begin(world, client, &[]).await;
    assert_eq!(answer.verdict(), "200", "{}", answer.body);
    let text = |name: &str| answer.json()[name].as_str().unwrap().to_owned();
    (text("device_code"), text("user_code"))
}

async fn poll(world: &World, client: &Client, code: &str) -> Answer {
    let fields = [("grant_type", GrantType::DeviceCode.as_str()), ("device_code", code)];
    client.token(world, &fields, &[]).await
}

async fn type_code(browser: &mut Browser<'_>, code: &str) -> Answer {
    let csrf = browser.get("/device").await.field("csrf").unwrap();
    browser.post("/device", &[("csrf", &csrf), ("user_code", code)]).await
}

/// Types the code and opens the consent page.
async fn reach_consent(browser: &mut Browser<'_>, code: &str) -> Answer {
    let answer = type_code(browser, code).await;
    browser.get(answer.see_other()).await
}

async fn approve(browser: &mut Browser<'_>, code: &str) -> Answer {
    let page = reach_consent(browser, code).await;
    let answer = browser.answer_consent(&page, "approve", &page.boxes("scope")).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.body);
    answer
}

both_engines! {
    /// R8628-3.2-1, R8628-3.3-1, R8628-3.4-1, R8628-5.4-1, R8628-6.1-1, A48: the whole way, from code to tool call and refresh
    async fn a_device_is_connected_by_a_person_elsewhere(database: TestDatabase) {
        let world = World::on(database).await;
        let client = television(&world).await;
        let answer = begin(&world, &client, &[("scope", "mcp.tools.read mcp.tools.execute offline_access")]).await;
        assert_eq!((answer.header("cache-control"), answer.header("pragma")), ("no-store", "no-cache"));
        let told = answer.json();
        assert_eq!((&told["expires_in"], &told["interval"], &told["verification_uri"]), (&json!(900), &json!(5), &json!("http://localhost:8420/device")));
        let (device_code, user_code) = (told["device_code"].as_str().unwrap(), told["user_code"].as_str().unwrap());
        assert_eq!(told["verification_uri_complete"], format!("http://localhost:8420/device?user_code={user_code}"));
        assert_eq!(poll(&world, &client, device_code).await.verdict(), "400 authorization_pending");

        // A stranger to this server signs in first and comes back to the code.
        let mut browser = Browser::new(&world);
        let complete = format!("/device?user_code={user_code}");
        let login = browser.get(&complete).await;
        let login = browser.sign_in(login.see_other(), "alice@example.com", PASSWORD).await;
        assert_eq!(login.see_other(), complete);
        let page = browser.get(&complete).await;
        assert_eq!((page.status.as_u16(), page.field("user_code").as_deref()), (200, Some(user_code)));
        assert!(page.body.contains("Never enter a code that somebody sent you"), "{}", page.body);
        world.advance(120);
        assert_eq!(poll(&world, &client, device_code).await.verdict(), "400 authorization_pending", "opening the link decides nothing");

        let spelled = user_code.replace('-', "").to_lowercase();
        let page = reach_consent(&mut browser, &spelled).await;
        for text in ["Build box", user_code, "2 minutes ago", "the same as yours", "Is it in front of you?", "http://localhost:8420/mcp", "alice@example.com"] {
            assert!(page.body.contains(text), "{text} in {}", page.body);
        }
        let done = browser.answer_consent(&page, "approve", &page.boxes("scope")).await;
        assert!(done.body.contains("The device is connected"), "{}", done.body);

        world.advance(5);
        let tokens = Tokens::of(&poll(&world, &client, device_code).await);
        assert_eq!(tokens.scope, "mcp.tools.execute mcp.tools.read offline_access");
        let call = world.mcp(&tokens.access, "tools/call", json!({"name": "sandbox__echo", "arguments": {"message": "hello"}})).await;
        assert!(call.body.contains("hello"), "{}", call.body);
        assert_eq!(client.refresh(&world, &tokens.refresh, &[]).await.verdict(), "200");
        assert!(browser.get("/").await.body.contains("another device"));
        let trail = world.trail().await;
        for event in ["device.authorization started ", "device.code done claimed", "consent done ", "token.request done "] {
            assert!(trail.contains(&event.to_owned()), "{event} in {trail:?}");
        }
        assert!(!trail.iter().any(|event| event.contains("authorization_pending")), "waiting is no event");
    }

    /// R8628-3.5-1: every answer in its turn, and an interval that grows by five seconds for all later polls
    async fn whoever_asks_too_fast_has_to_slow_down(database: TestDatabase) {
        let world = World::on(database).await;
        let client = television(&world).await;
        let (code, _) = codes(&world, &client).await;
        for (pause, verdict) in [
            (0, "authorization_pending"), (5, "authorization_pending"), (4, "slow_down"), (5, "slow_down"), (14, "slow_down"),
            (20, "authorization_pending"), (19, "slow_down"), (25, "authorization_pending"),
        ] {
            world.advance(pause);
            assert_eq!(poll(&world, &client, &code).await.verdict(), format!("400 {verdict}"), "after {pause} s");
        }
        world.advance(900);
        assert_eq!(poll(&world, &client, &code).await.verdict(), "400 expired_token");
    }

    /// R8628-3.5-1: a denied device is told so; any word but approve denies (A41)
    async fn a_device_that_is_denied_gets_nothing(database: TestDatabase) {
        let world = World::on(database).await;
        let client = television(&world).await;
        for word in ["deny", "APPROVE", ""] {
            let (device_code, user_code) = codes(&world, &client).await;
            let mut browser = Browser::signed_in(&world).await;
            let page = reach_consent(&mut browser, &user_code).await;
            let answer = browser.answer_consent(&page, word, &page.boxes("scope")).await;
            assert!(answer.body.contains("The device gets nothing"), "{}", answer.body);
            assert_eq!(poll(&world, &client, &device_code).await.verdict(), "400 access_denied", "{word}");
            let again = browser.answer_consent(&page, "approve", &page.boxes("scope")).await;
            assert_eq!(again.status.as_u16(), 400, "an answer counts once");
            assert_eq!(poll(&world, &client, &device_code).await.verdict(), "400 access_denied");
        }
        assert!(world.trail().await.contains(&"consent refused user_denied".to_owned()));
    }

    /// R8628-3.5-2, R8628-3.4-1, A48: once, by the client that asked
    async fn a_device_code_is_good_once_and_for_its_own_client(database: TestDatabase) {
        let world = World::on(database).await;
        let (client, other) = (television(&world).await, television(&world).await);
        let (device_code, user_code) = codes(&world, &client).await;
        assert_eq!(poll(&world, &other, &device_code).await.verdict(), "400 invalid_grant");
        approve(&mut Browser::signed_in(&world).await, &user_code).await;
        assert_eq!(poll(&world, &other, &device_code).await.verdict(), "400 invalid_grant");
        let fields = [("grant_type", GrantType::DeviceCode.as_str()), ("device_code", &device_code), ("client_id", &client.id)];
        let answers = at_once(&world, &fields).await;
        let winners: Vec<_> = answers.iter().filter(|answer| answer.verdict() == "200").collect();
        assert_eq!(winners.len(), 1);
        assert!(answers.iter().all(|answer| ["200", "400 invalid_grant"].contains(&answer.verdict().as_str())));
        let tokens = Tokens::of(winners[0]);
        assert_eq!(world.mcp(&tokens.access, "tools/list", json!({})).await.status.as_u16(), 200);
        assert_eq!(poll(&world, &client, &device_code).await.verdict(), "400 invalid_grant");
        assert_eq!(poll(&world, &client, "pcl_dc_unknown").await.verdict(), "400 invalid_grant");
        assert_eq!(poll(&world, &client, "").await.verdict(), "400 invalid_request");
    }

    /// A48, A39, A16: only the person who typed the code, in the browser where they typed it, answers
    async fn whoever_typed_the_code_answers_and_nobody_else(database: TestDatabase) {
        let world = World::on(database).await;
        let client = television(&world).await;
        world.add_user("mallory@example.com").await;
        let (device_code, user_code) = codes(&world, &client).await;
        let mut alice = Browser::signed_in(&world).await;
        let location = type_code(&mut alice, &user_code).await.see_other().to_owned();
        let page = alice.get(&location).await;
        let mut mallory = Browser::new(&world);
        mallory.sign_in("/login", "mallory@example.com", PASSWORD).await;
        assert_eq!(type_code(&mut mallory, &user_code).await.status.as_u16(), 422, "it is Alice's to answer");
        assert_eq!(mallory.get(&location).await.status.as_u16(), 400);
        let csrf = mallory.get("/device").await.field("csrf").unwrap();
        let handle = page.field("request").unwrap();
        let fields = [("csrf", csrf.as_str()), ("request", &handle), ("decision", "approve"), ("scope", "mcp.tools.read")];
        assert_eq!(mallory.post("/oauth/consent", &fields).await.status.as_u16(), 400);
        assert_eq!(Browser::new(&world).get(&location).await.see_other(), "/login?return_to=%2Fdevice");
        assert_eq!(poll(&world, &client, &device_code).await.verdict(), "400 authorization_pending");
        // Alice goes on in another browser of hers: the code has to be typed there too, and the first page is dead.
        let mut second = Browser::signed_in(&world).await;
        assert_eq!(second.get(&location).await.status.as_u16(), 400);
        approve(&mut second, &user_code).await;
        assert_eq!(alice.answer_consent(&page, "deny", &[]).await.status.as_u16(), 400);
        assert_eq!(poll(&world, &client, &device_code).await.verdict(), "200");
    }

    /// ASVS-3.5.1: a code that another site's form brings is not taken
    async fn a_code_counts_only_from_our_own_form(database: TestDatabase) {
        let world = World::on(database).await;
        let client = television(&world).await;
        let (_, user_code) = codes(&world, &client).await;
        let mut browser = Browser::signed_in(&world).await;
        let csrf = browser.get("/device").await.field("csrf").unwrap();
        let fields = |csrf| [("csrf", csrf), ("user_code", user_code.as_str())];
        assert_eq!(browser.post("/device", &fields("forged")).await.status.as_u16(), 403);
        assert_eq!(browser.post_from("cross-site", "/device", &fields(&csrf)).await.status.as_u16(), 403);
        let page = browser.get("/device?user_code=%22%3E%3Cscript%3E").await;
        assert!(page.status.as_u16() == 200 && !page.body.contains("\"><script>"));
        assert_eq!(page.header("cache-control"), "no-store");
        assert!(page.header("content-security-policy").contains("frame-ancestors 'none'"));
    }

    /// R8628-5.1-1: six wrong codes lock the form for this person, and nothing of the flow
    async fn six_wrong_codes_lock_the_form_and_not_the_flow(database: TestDatabase) {
        let world = World::on(database).await;
        let client = television(&world).await;
        let (device_code, user_code) = codes(&world, &client).await;
        let mut browser = Browser::signed_in(&world).await;
        for wrong in ["BBBB-BBBB", "", "nonsense", "CCCC-CCCC", "a\u{202e}b"] {
            assert_eq!(type_code(&mut browser, wrong).await.status.as_u16(), 422, "{wrong}");
        }
        let locked = type_code(&mut browser, &user_code).await;
        assert_eq!(locked.status.as_u16(), 429);
        assert!(locked.body.contains("Wait 60 seconds"), "{}", locked.body);
        let mut elsewhere = Browser::signed_in(&world).await;
        assert_eq!(type_code(&mut elsewhere, &user_code).await.status.as_u16(), 429, "another session of the same person is no way around");
        assert_eq!(poll(&world, &client, &device_code).await.verdict(), "400 authorization_pending", "the flow waits on");
        world.advance(60);
        approve(&mut browser, &user_code).await;
        assert_eq!(poll(&world, &client, &device_code).await.verdict(), "200");
        let trail = world.trail().await;
        assert!(trail.contains(&"device.code refused wrong_code".to_owned()) && trail.contains(&"device.code refused throttled".to_owned()));
    }

    /// R8628-5.1-1, A48: whoever has devices of their own buys no guesses at others' with their codes
    async fn a_right_code_forgives_no_wrong_ones(database: TestDatabase) {
        let world = World::on(database).await;
        let client = television(&world).await;
        let (_, user_code) = codes(&world, &client).await;
        let mut browser = Browser::signed_in(&world).await;
        for wrong in ["BBBB-BBBB", "CCCC-CCCC", "DDDD-DDDD", "FFFF-FFFF", "GGGG-GGGG"] {
            assert_eq!(type_code(&mut browser, &user_code).await.status.as_u16(), 303, "a right one does not count");
            assert_eq!(type_code(&mut browser, wrong).await.status.as_u16(), 422);
        }
        assert_eq!(type_code(&mut browser, "HHHH-HHHH").await.status.as_u16(), 429);
    }

    /// A28, A35: grants, resources and scopes of the client hold here too
    async fn a_device_asks_for_no_more_than_its_client_may(database: TestDatabase) {
        let world = World::on(database).await;
        let (public, client) = (Client::public(&world).await, television(&world).await);
        let bound = Client::by_admin(&world, &[GrantType::DeviceCode], ("", &["http://localhost:8420/mcp/sandbox"])).await;
        let machine = Client::by_admin(&world, &[GrantType::ClientCredentials, GrantType::DeviceCode], ("mcp.tools.read", &[])).await;
        assert_eq!(begin(&world, &public, &[]).await.verdict(), "400 unauthorized_client");
        assert_eq!(poll(&world, &public, "x").await.verdict(), "400 unauthorized_client");
        assert_eq!(begin(&world, &bound, &[("resource", "http://localhost:8420/mcp")]).await.verdict(), "400 invalid_target");
        assert_eq!(begin(&world, &client, &[("resource", "https://elsewhere.example")]).await.verdict(), "400 invalid_target");
        assert_eq!(begin(&world, &client, &[("scope", "teapot")]).await.verdict(), "400 invalid_scope");
        assert_eq!(begin(&world, &client, &[("scope", "a"), ("scope", "b")]).await.verdict(), "400 invalid_request");
        assert_eq!(begin(&world, &machine, &[]).await.verdict(), "401 invalid_client", "a confidential client proves itself here as well");
        assert_eq!(world.post_form("/oauth/device_authorization", &[("client_id", "client_unknown")]).await.verdict(), "401 invalid_client");
        // Registered for no refresh: none is given.
        let (device_code, user_code) = codes(&world, &bound).await;
        approve(&mut Browser::signed_in(&world).await, &user_code).await;
        let tokens = Tokens::of(&poll(&world, &bound, &device_code).await);
        assert_eq!((tokens.refresh.as_str(), tokens.scope.as_str()), ("", "mcp.resources.read mcp.tools.execute mcp.tools.read"));
        assert_eq!(world.mcp_at("/mcp/sandbox", &tokens.access, "tools/list", json!({})).await.status.as_u16(), 200);
    }

    /// R8628-5.1-1: what waits is bounded for a client and a source, and swept
    async fn waiting_requests_are_bounded_and_swept(database: TestDatabase) {
        let world = World::on(database).await;
        let (client, other) = (television(&world).await, television(&world).await);
        for _ in 0..20 {
            codes(&world, &client).await;
        }
        let full = begin(&world, &client, &[]).await;
        assert_eq!((full.status.as_u16(), full.header("retry-after")), (429, "300"));
        codes(&world, &other).await;
        world.advance(901);
        codes(&world, &client).await;
        world.advance(86_400);
        world.app.authorization.sweep(portcullis_oauth::Clock::now(&world.clock)).await.unwrap();
        assert_eq!(world.count("SELECT COUNT(*) FROM device_authorization").await, 1, "the last one expired less than a day ago");
    }

    /// A27: between approval and the next poll the person may be disabled and the client removed
    async fn what_ends_between_approval_and_poll_gives_nothing(database: TestDatabase) {
        let world = World::on(database).await;
        let client = television(&world).await;
        let (device_code, user_code) = codes(&world, &client).await;
        approve(&mut Browser::signed_in(&world).await, &user_code).await;
        assert!(world.app.authorization.users().disable(&world.alice.id).await.unwrap());
        assert_eq!(poll(&world, &client, &device_code).await.verdict(), "400 invalid_grant");
        assert!(world.app.authorization.clients().remove(&client.id.clone().into()).await.unwrap());
        assert_eq!(poll(&world, &client, &device_code).await.verdict(), "401 invalid_client");
    }

    /// A28: what a client may reach today bounds what it was granted yesterday: codes, devices and refresh tokens alike
    async fn a_client_that_was_bound_elsewhere_gets_nothing_for_what_it_was_granted(database: TestDatabase) {
        let world = World::on(database).await;
        let (browsing, client) = (Client::public(&world).await, television(&world).await);
        let tokens = browsing.connect(&world).await;
        let mut browser = Browser::signed_in(&world).await;
        let (code, pkce) = browser.code_for(&browsing).await;
        let (device_code, user_code) = codes(&world, &client).await;
        approve(&mut browser, &user_code).await;
        let bound = r#"UPDATE oauth_client SET resources = '["http://localhost:8420/mcp/sandbox"]'"#;
        portcullis_database::on!(world.app.database.write(), |pool| sqlx::query(bound).execute(pool).await.map(drop)).unwrap();
        assert_eq!(browsing.redeem(&world, &code, &pkce.verifier, &[]).await.verdict(), "400 invalid_target");
        assert_eq!(browsing.refresh(&world, &tokens.refresh, &[]).await.verdict(), "400 invalid_target");
        assert_eq!(poll(&world, &client, &device_code).await.verdict(), "400 invalid_target");
    }
}
