//! OpenID Connect: the end of a session, at a client's wish and told to its clients.

use portcullis_database::both_engines;
use portcullis_oauth::Clock;
use portcullis_tests::{Answer, Browser, Client, Mailbox, PASSWORD, Tokens, World};
use serde_json::{Value, json};

const AFTER: &str = "https://portal.example/signed-out?x=1";
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

fn id_token(answer: &Answer) -> String {
    answer.json()["id_token"].as_str().unwrap_or_default().to_owned()
}

fn logout_url(parameters: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    format!("/oauth/logout?{query}")
}

/// Answers the page of a sign-out with everything that it carries.
async fn decide(browser: &mut Browser<'_>, page: &Answer, decision: &str) -> Answer {
    let names = ["csrf", "id_token_hint", "client_id", "post_logout_redirect_uri", "state"];
    let fields: Vec<(&str, String)> =
        names.into_iter().filter_map(|name| Some((name, page.field(name)?))).collect();
    let mut fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    fields.push(("decision", decision));
    browser.post("/oauth/logout/answer", &fields).await
}

/// A client with a mailbox for sign-outs.
async fn listener(world: &World, mailbox: &Mailbox, required: bool) -> Client {
    let metadata =
        json!({"backchannel_logout_uri": mailbox.url(), "backchannel_logout_session_required": required});
    Client::relying_party(world, metadata).await
}

async fn deliver(world: &World) {
    world.app.authorization.deliver_logout_notices(world.clock.now()).await.unwrap();
}

/// What the letters in a mailbox say.
async fn read(world: &World, mailbox: &Mailbox) -> Vec<Value> {
    let mut told = Vec::new();
    for letter in mailbox.take() {
        let token = letter.strip_prefix("logout_token=").unwrap_or_else(|| panic!("{letter}")).to_owned();
        told.push(world.read_jwt(&token, ("logout+jwt", "RS256")).await);
    }
    told
}

both_engines! {
    /// ASVS-7.4.1, ASVS-3.5.1: a client wishes, the person decides, and the browser goes where the client registered
    async fn a_client_asks_a_person_to_sign_out(database: TestDatabase) {
        let world = World::with_openid(database).await;
        let client = Client::relying_party(&world, json!({"post_logout_redirect_uris": [AFTER]})).await;
        let mut browser = Browser::signed_in(&world).await;
        let hint = id_token(&client.sign_in(&world, &mut browser, ("openid", &[])).await);
        let url = logout_url(&[("id_token_hint", &hint), ("post_logout_redirect_uri", AFTER), ("state", "a b+%é&=")]);
        let page = browser.get(&url).await;
        assert_eq!((page.status.as_u16(), page.header("x-frame-options"), page.header("cache-control")), (200, "DENY", "no-store"));
        for told in ["Portal", "alice@example.com", "portal.example"] {
            assert!(page.body.contains(told), "{told} in {}", page.body);
        }
        assert_eq!(browser.get("/").await.status.as_u16(), 200, "looking decides nothing");
        assert_eq!(decide(&mut browser, &page, "stay").await.see_other(), "/");
        assert_eq!(browser.get("/").await.status.as_u16(), 200);
        let page = browser.get(&url).await;
        let csrf = page.field("csrf").unwrap();
        assert_eq!(browser.post("/oauth/logout/answer", &[("csrf", "forged"), ("decision", "sign_out")]).await.status.as_u16(), 403);
        assert_eq!(browser.post_from("cross-site", "/oauth/logout/answer", &[("csrf", &csrf), ("decision", "sign_out")]).await.status.as_u16(), 403);
        assert_eq!(browser.get("/oauth/logout/answer").await.status.as_u16(), 405);
        // By POST it only leads to the page, where the browser shows who it is.
        let posted = browser.post_from("cross-site", "/oauth/logout", &[("id_token_hint", &hint)]).await;
        assert_eq!(posted.see_other(), logout_url(&[("id_token_hint", &hint)]));
        assert_eq!(browser.get("/").await.status.as_u16(), 200);

        let cookie = browser.session().unwrap().to_owned();
        let gone = decide(&mut browser, &page, "sign_out").await;
        assert_eq!(gone.redirect_parameter("state").as_deref(), Some("a b+%é&="));
        assert!(gone.see_other().starts_with(&format!("{AFTER}&")), "{}", gone.see_other());
        browser.set_session(&cookie);
        assert_eq!(browser.get("/").await.see_other(), "/login", "ended on the server too");
        assert!(world.trail().await.contains(&"sign_out done at_clients_wish".to_owned()));
    }

    /// R9700-2.1-1, OA21-7.13.2-1, A05: nobody is sent where the client did not register, nor by whom nobody vouches for without this person's own token
    async fn signing_out_is_no_open_redirect(database: TestDatabase) {
        let world = World::with_openid(database).await;
        let client = Client::relying_party(&world, json!({"post_logout_redirect_uris": [AFTER]})).await;
        let other = Client::relying_party(&world, json!({})).await;
        world.add_user("bob@example.com").await;
        let mut bob = Browser::new(&world);
        bob.sign_in("/login", "bob@example.com", PASSWORD).await;
        let bobs = id_token(&client.sign_in(&world, &mut bob, ("openid", &[])).await);
        let mut browser = Browser::signed_in(&world).await;
        let answer = client.sign_in(&world, &mut browser, ("openid", &[])).await;
        let (own, access) = (id_token(&answer), Tokens::of(&answer).access);
        let others = id_token(&other.sign_in(&world, &mut browser, ("openid", &[])).await);
        let forged = format!("{}x", &own[..own.len() - 1]);
        for (what, parameters) in [
            ("another path", vec![("id_token_hint", own.as_str()), ("post_logout_redirect_uri", "https://portal.example/signed-out")]),
            ("a longer one", vec![("id_token_hint", &own), ("post_logout_redirect_uri", "https://portal.example/signed-out?x=1&y")]),
            ("another host", vec![("id_token_hint", &own), ("post_logout_redirect_uri", "https://evil.example/signed-out?x=1")]),
            ("a script", vec![("id_token_hint", &own), ("post_logout_redirect_uri", "javascript:alert(1)")]),
            ("a redirect URI", vec![("id_token_hint", &own), ("post_logout_redirect_uri", "http://127.0.0.1/callback")]),
            ("no token", vec![("client_id", &client.id), ("post_logout_redirect_uri", AFTER)]),
            ("another client's token", vec![("id_token_hint", &others), ("post_logout_redirect_uri", AFTER)]),
            ("two clients", vec![("id_token_hint", &own), ("client_id", &other.id), ("post_logout_redirect_uri", AFTER)]),
            ("somebody else's token", vec![("id_token_hint", &bobs), ("post_logout_redirect_uri", AFTER)]),
            ("a forged token", vec![("id_token_hint", &forged), ("client_id", &client.id), ("post_logout_redirect_uri", AFTER)]),
            ("an access token", vec![("id_token_hint", &access), ("client_id", &client.id), ("post_logout_redirect_uri", AFTER)]),
        ] {
            let mut browser = Browser::signed_in(&world).await;
            let page = browser.get(&logout_url(&parameters)).await;
            assert!(page.body.contains("You stay here afterwards"), "{what}: {}", page.body);
            let answer = decide(&mut browser, &page, "sign_out").await;
            assert_eq!(answer.see_other(), "/oauth/logout", "{what}");
            assert!(browser.get("/oauth/logout").await.body.contains("You are signed out"));
        }
        let twice = format!("{}&post_logout_redirect_uri=https://evil.example/", logout_url(&[("id_token_hint", &own), ("post_logout_redirect_uri", AFTER)]));
        assert_eq!(browser.get(&twice).await.status.as_u16(), 400);
        // However old the token is.
        world.advance(3_600);
        let page = browser.get(&logout_url(&[("id_token_hint", &own), ("client_id", &client.id), ("post_logout_redirect_uri", AFTER)])).await;
        assert_eq!(decide(&mut browser, &page, "sign_out").await.see_other(), AFTER);
    }

    /// OIDC-C-11-1, DC-6: a refresh token comes by registration and never an error; but of whoever signed out a client learns no more, unless the person let it stay connected
    async fn who_signed_out_is_told_of_no_more(database: TestDatabase) {
        let world = World::with_openid(database).await;
        let client = Client::relying_party(&world, json!({})).await;
        for (scope, stays) in [("openid email", false), ("openid email offline_access", true)] {
            let mut browser = Browser::signed_in(&world).await;
            let tokens = Tokens::of(&client.sign_in(&world, &mut browser, (scope, &[])).await);
            assert!(tokens.refresh.starts_with("pcl_rt_"), "{scope}");
            assert_eq!(world.userinfo(&tokens.access).await.verdict(), "200");
            let csrf = browser.get("/").await.field("csrf").unwrap();
            browser.post("/logout", &[("csrf", &csrf)]).await;
            assert_eq!(world.userinfo(&tokens.access).await.verdict(), if stays { "200" } else { "401 invalid_token" }, "{scope}");
            let refreshed = client.refresh(&world, &tokens.refresh, &[]).await;
            assert_eq!((refreshed.verdict().as_str(), refreshed.json().get("id_token").is_some()), ("200", stays), "{scope}");
        }
    }

    /// ASVS-7.4.1: a disabled person is told of no more at all
    async fn a_disabled_person_is_told_of_no_more(database: TestDatabase) {
        let world = World::with_openid(database).await;
        let client = Client::relying_party(&world, json!({})).await;
        let tokens = Tokens::of(&client.sign_in(&world, &mut Browser::new(&world), ("openid offline_access", &[])).await);
        world.app.authorization.users().disable(&world.alice.id).await.unwrap();
        assert_eq!(world.userinfo(&tokens.access).await.verdict(), "401 invalid_token");
        assert_eq!(client.refresh(&world, &tokens.refresh, &[]).await.verdict(), "400 invalid_grant");
        world.app.authorization.users().enable(&world.alice.id).await.unwrap();
        assert_eq!(world.userinfo(&tokens.access).await.verdict(), "401 invalid_token");
    }

    /// Back-Channel Logout §2.4, §2.5: each client of the session is told once, by a token that is nothing else, signed as its ID tokens are
    async fn the_clients_of_a_session_are_told_that_it_is_over(database: TestDatabase) {
        let world = World::with_openid(database).await;
        let (first, second, stranger) = (Mailbox::open().await, Mailbox::open().await, Mailbox::open().await);
        let (one, two) = (listener(&world, &first, false).await, listener(&world, &second, true).await);
        listener(&world, &stranger, false).await;
        let mut browser = Browser::signed_in(&world).await;
        let answer = one.sign_in(&world, &mut browser, ("openid", &[])).await;
        one.sign_in(&world, &mut browser, ("openid", &[])).await;
        two.sign_in(&world, &mut browser, ("openid mcp.tools.read", &[])).await;
        // Who is asked about tools alone learns of no session.
        two.sign_in(&world, &mut Browser::signed_in(&world).await, ("mcp.tools.read", &[])).await;
        deliver(&world).await;
        assert!(first.take().is_empty() && second.take().is_empty(), "nothing has ended");
        let csrf = browser.get("/").await.field("csrf").unwrap();
        browser.post("/logout", &[("csrf", &csrf)]).await;
        deliver(&world).await;
        deliver(&world).await;
        let (told, to_two) = (read(&world, &first).await, read(&world, &second).await);
        assert_eq!((told.len(), to_two.len(), stranger.take().len()), (1, 1, 0));
        let sid = world.read_jwt(&id_token(&answer), ("jwt", "RS256")).await["sid"].clone();
        let mut names: Vec<_> = told[0].as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["aud", "events", "exp", "iat", "iss", "jti", "sid", "sub"], "and no nonce");
        assert_eq!((&told[0]["aud"], &told[0]["sub"], &told[0]["sid"]), (&json!(one.id), &json!(world.alice.id), &sid));
        assert_eq!((&told[0]["iss"], &told[0]["events"]), (&json!("http://localhost:8420"), &json!({ EVENT: {} })));
        assert_eq!((&to_two[0]["aud"], &to_two[0]["sid"]), (&json!(two.id), &sid));
        assert_ne!(told[0]["jti"], to_two[0]["jti"]);
        assert_eq!(world.trail().await.iter().filter(|line| *line == "sign_out.notice done ").count(), 2);
        assert_eq!(world.count("SELECT COUNT(*) FROM logout_notice").await, 0);
    }

    /// Back-Channel Logout §2.5: who cannot be reached is tried again, some times, and then no more; the wait costs nobody else anything
    async fn a_client_that_does_not_answer_is_told_again_some_times(database: TestDatabase) {
        let world = World::with_openid(database).await;
        let (broken, whole) = (Mailbox::open().await, Mailbox::open().await);
        let (one, two) = (listener(&world, &broken, false).await, listener(&world, &whole, false).await);
        broken.answer(503);
        let mut browser = Browser::signed_in(&world).await;
        one.sign_in(&world, &mut browser, ("openid", &[])).await;
        two.sign_in(&world, &mut browser, ("openid", &[])).await;
        let csrf = browser.get("/").await.field("csrf").unwrap();
        browser.post("/logout", &[("csrf", &csrf)]).await;
        deliver(&world).await;
        let first = read(&world, &broken).await;
        assert_eq!((first.len(), whole.take().len()), (1, 1));
        for (pause, before) in [(10, 9), (60, 59), (300, 299), (1_800, 1_799)] {
            world.advance(before);
            deliver(&world).await;
            assert!(broken.take().is_empty(), "not before {pause} seconds");
            world.advance(pause - before);
            deliver(&world).await;
            let again = read(&world, &broken).await;
            assert_eq!((again.len(), &again[0]["jti"]), (1, &first[0]["jti"]), "the same event");
        }
        world.advance(86_400);
        deliver(&world).await;
        assert!(broken.take().is_empty() && whole.take().is_empty());
        assert_eq!(world.trail().await.iter().filter(|line| *line == "sign_out.notice failed answer_status").count(), 5);
        assert_eq!(world.count("SELECT COUNT(*) FROM logout_notice").await, 0);
    }

    /// Back-Channel Logout §2.5: of two nodes that look at the same moment one tells each client
    async fn two_nodes_tell_each_client_once(database: TestDatabase) {
        let world = World::with_openid(database).await;
        let mut mailboxes = Vec::new();
        let mut browser = Browser::signed_in(&world).await;
        for _ in 0..6 {
            let mailbox = Mailbox::open().await;
            let client = listener(&world, &mailbox, false).await;
            client.sign_in(&world, &mut browser, ("openid", &[])).await;
            mailboxes.push(mailbox);
        }
        let csrf = browser.get("/").await.field("csrf").unwrap();
        browser.post("/logout", &[("csrf", &csrf)]).await;
        let (second, now) = (world.second_node().await, world.clock.now());
        let (one, other) = tokio::join!(
            world.app.authorization.deliver_logout_notices(now),
            second.authorization.deliver_logout_notices(now)
        );
        assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
        let letters: Vec<usize> = mailboxes.iter().map(|mailbox| mailbox.take().len()).collect();
        assert_eq!(letters, [1; 6]);
    }

    /// ASVS-7.4.1, ASVS-7.4.3: however a session ends, its clients are told
    async fn every_end_of_a_session_is_told(database: TestDatabase) {
        let world = World::with_openid(database).await;
        let mailbox = Mailbox::open().await;
        let (any, exact) = (listener(&world, &mailbox, false).await, Mailbox::open().await);
        let by_session = listener(&world, &exact, true).await;
        let told = async || {
            deliver(&world).await;
            let (any, exact) = (read(&world, &mailbox).await, read(&world, &exact).await);
            let with_sid = |told: &[Value]| told.iter().filter(|told| told.get("sid").is_some()).count();
            (any.len(), with_sid(&any), exact.len(), with_sid(&exact))
        };
        // Ended from another browser.
        let mut lost = Browser::signed_in(&world).await;
        any.sign_in(&world, &mut lost, ("openid", &[])).await;
        let mut browser = Browser::signed_in(&world).await;
        let csrf = browser.get("/account").await.field("csrf").unwrap();
        browser.post("/account/sessions/end", &[("csrf", &csrf)]).await;
        assert_eq!(told().await, (1, 1, 0, 0));
        // "Not you?", and another person at the same browser.
        any.sign_in(&world, &mut browser, ("openid", &[])).await;
        let csrf = browser.get("/").await.field("csrf").unwrap();
        browser.post("/logout", &[("csrf", &csrf), ("return_to", "/")]).await;
        assert_eq!(told().await, (1, 1, 0, 0));
        world.add_user("bob@example.com").await;
        browser.sign_in("/login", "alice@example.com", PASSWORD).await;
        any.sign_in(&world, &mut browser, ("openid", &[])).await;
        browser.sign_in("/login?again=yes", "bob@example.com", PASSWORD).await;
        assert_eq!(told().await, (1, 1, 0, 0));
        // The same person again: the session goes on.
        let mut browser = Browser::signed_in(&world).await;
        any.sign_in(&world, &mut browser, ("openid", &[])).await;
        world.advance(1);
        browser.sign_in("/login?again=yes", "alice@example.com", PASSWORD).await;
        assert_eq!(told().await, (0, 0, 0, 0));
        // Another password: all sessions at once, and what is told afterwards is of a new one.
        any.sign_in(&world, &mut Browser::signed_in(&world).await, ("openid", &[])).await;
        let before = by_session.sign_in(&world, &mut browser, ("openid", &[])).await;
        let csrf = browser.get("/account/password").await.field("csrf").unwrap();
        let fields = [("csrf", csrf.as_str()), ("current", PASSWORD), ("new", "nine patient herons waded")];
        assert_eq!(browser.post("/account/password", &fields).await.see_other(), "/account");
        assert_eq!(told().await, (1, 0, 1, 1));
        let after = by_session.sign_in(&world, &mut browser, ("openid", &[])).await;
        let sid = async |answer: &Answer| world.read_jwt(&id_token(answer), ("jwt", "RS256")).await["sid"].clone();
        assert_ne!(sid(&before).await, sid(&after).await);
        // An admin.
        world.app.authorization.users().disable(&world.alice.id).await.unwrap();
        assert_eq!(told().await, (0, 0, 1, 1));
    }

    /// CIMD-6.5-1, A29: a client has nobody called but a public web server, however it says it
    async fn nobody_inside_is_called_at_a_strangers_wish(database: TestDatabase) {
        let world = World::with_openid(database).await;
        for uri in ["https://169.254.169.254/latest", "https://10.0.0.1/", "https://[::ffff:a9fe:a9fe]/"] {
            let client = Client::relying_party(&world, json!({"backchannel_logout_uri": uri})).await;
            let mut browser = Browser::signed_in(&world).await;
            client.sign_in(&world, &mut browser, ("openid", &[])).await;
            let csrf = browser.get("/").await.field("csrf").unwrap();
            browser.post("/logout", &[("csrf", &csrf)]).await;
            deliver(&world).await;
        }
        let trail = world.trail().await;
        let refused = trail.iter().filter(|line| line.starts_with("sign_out.notice failed address_refused")).count();
        assert_eq!(refused, 3, "{trail:?}");
    }
}
