//! A person authorises a connection at somebody else's authorization server, and others try to do it for them.

use portcullis_database::both_engines;
use portcullis_tests::{Browser, Client, Mood, PASSWORD, Pkce, UpstreamLogin, World};

use crate::upstream_stage::{authorise, authorised, connect, offer, press, standing};

fn parameter(url: &str, name: &str) -> String {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
}

both_engines! {
    /// SBP-4, MCP-AUTH-14, MCP-AUTH-17: away with PKCE, state and resource, back with a code, and the tokens are kept sealed
    async fn a_person_authorises_a_connection(database: TestDatabase) {
        let (world, upstream) = (World::on(database).await, UpstreamLogin::open().await);
        offer(&world, "notes", &upstream).await;
        let connection = connect(&world, &world.alice, "notes", "notes").await;
        assert_eq!(standing(&world.app, &connection).await, "draft");
        let mut browser = Browser::signed_in(&world).await;
        let away = press(&mut browser, "notes").await;
        let url = away.see_other().to_owned();
        assert!(url.starts_with(&format!("{}/authorize?response_type=code&", upstream.issuer())), "{url}");
        assert_eq!(parameter(&url, "resource"), upstream.url());
        assert_eq!(parameter(&url, "scope"), "notes.read");
        assert_eq!(parameter(&url, "code_challenge_method"), "S256");
        assert!(parameter(&url, "redirect_uri").starts_with("http://localhost:8420/oauth/callback/"));

        let back = upstream.allow(&url, "alice over there");
        assert_eq!(browser.get(&back).await.see_other(), "/connections/notes");
        assert_eq!(standing(&world.app, &connection).await, "active", "its tools were listed with the new token");
        let token = world.app.gateway.authorization().access_token(&connection).await.unwrap();
        assert_eq!(upstream.account_of(token.expose()).as_deref(), Some("alice over there"));
        let asked = upstream.asked();
        assert_eq!(asked[0]["resource"], upstream.url());
        assert_eq!(world.count("SELECT count(*) FROM upstream_authorization").await, 0);
        let facts = world.app.gateway.authorization().of(&connection).await.unwrap().unwrap();
        assert_eq!((facts.issuer, facts.granted.to_string()), (upstream.issuer(), "notes.read".to_owned()));
        let page = browser.get("/connections/notes").await;
        for told in [upstream.issuer().as_str(), "Permissions granted", "<bdi>notes.read</bdi>"] {
            assert!(page.body.contains(told), "{told} in {}", page.body);
        }
        let trail = world.trail().await;
        assert!(trail.contains(&"connection.authorised started ".to_owned()), "{trail:?}");
        assert!(trail.contains(&"connection.authorised done ".to_owned()), "{trail:?}");
    }

    /// SBP-1: a new client is asked about here first, whatever others and upstream servers were given, and no is no
    async fn a_new_client_is_asked_about_before_anything_is_reached(database: TestDatabase) {
        let (world, upstream) = (World::on(database).await, UpstreamLogin::open().await);
        let (mut browser, connection) = authorised(&world, &upstream).await;
        Client::public(&world).await.connect(&world).await;
        let asked = upstream.asked().len();

        let newcomer = Client::public(&world).await;
        let page = browser.reach_consent(&newcomer.authorize(&Pkce::new(), &[])).await;
        assert_eq!(page.status.as_u16(), 200, "a page of our own, and not the upstream's");
        assert!(page.boxes("connection").contains(&connection.id.to_string()), "{}", page.body);
        let answer = browser.answer_consent(&page, "deny", &page.boxes("scope")).await;
        assert_eq!(answer.redirect_parameter("error").as_deref(), Some("access_denied"));
        assert_eq!(answer.redirect_parameter("code"), None);
        assert_eq!(upstream.asked().len(), asked);
    }

    /// T03, A40, SBP-4, OA21-2.3.3-1: an answer counts for the person and the browser that began, in time and once
    async fn an_answer_is_taken_from_nobody_else(database: TestDatabase) {
        let (world, upstream) = (World::on(database).await, UpstreamLogin::open().await);
        offer(&world, "notes", &upstream).await;
        world.add_user("mallory@example.com").await;
        let connection = connect(&world, &world.alice, "notes", "notes").await;
        let mut alice = Browser::signed_in(&world).await;
        let back = upstream.allow(press(&mut alice, "notes").await.see_other(), "alice over there");

        let mut mallory = Browser::new(&world);
        mallory.sign_in("/login", "mallory@example.com", PASSWORD).await;
        let mut elsewhere = Browser::signed_in(&world).await;
        for browser in [&mut mallory, &mut elsewhere, &mut Browser::new(&world)] {
            let refused = browser.get(&back).await;
            assert_eq!(refused.status.as_u16(), 400);
            assert!(refused.body.contains("no request that you began in this browser"), "{}", refused.body);
        }
        assert_eq!(upstream.asked().len(), 0, "no token request left");
        assert_eq!(standing(&world.app, &connection).await, "draft");
        assert_eq!(alice.get(&back).await.see_other(), "/connections/notes", "and nobody spent it");
        assert_eq!(alice.get(&back).await.status.as_u16(), 400, "once");

        let late = upstream.allow(press(&mut alice, "notes").await.see_other(), "alice over there");
        world.advance(600);
        assert_eq!(alice.get(&late).await.status.as_u16(), 400, "ten minutes");
        assert_eq!(upstream.asked().len(), 1);
        assert!(world.trail().await.contains(&"connection.authorised refused state_unknown".to_owned()));
    }

    /// T01, T02, SBP-4: nothing goes to an upstream's authorization server but by the person's own post
    async fn nothing_is_begun_by_a_link_or_another_site(database: TestDatabase) {
        let (world, upstream) = (World::on(database).await, UpstreamLogin::open().await);
        offer(&world, "notes", &upstream).await;
        let bob = world.add_user("bob@example.com").await;
        connect(&world, &bob, "hers", "notes").await;
        connect(&world, &world.alice, "notes", "notes").await;
        let mut alice = Browser::signed_in(&world).await;
        assert_eq!(alice.get("/connections/notes/authorize").await.status.as_u16(), 405);
        assert_eq!(alice.post("/connections/notes/authorize", &[("csrf", "guess")]).await.status.as_u16(), 403);
        let csrf = alice.get("/").await.field("csrf").unwrap();
        let fields = [("csrf", csrf.as_str())];
        for site in ["cross-site", "same-site", "none"] {
            let refused = alice.post_from(site, "/connections/notes/authorize", &fields).await;
            assert_eq!(refused.status.as_u16(), 403, "{site}");
        }
        assert_eq!(alice.post("/connections/hers/authorize", &fields).await.status.as_u16(), 404, "Bob's");
        assert_eq!(alice.post("/connections/sandbox/authorize", &fields).await.status.as_u16(), 409);
        assert_eq!(world.count("SELECT count(*) FROM upstream_authorization").await, 0);
        assert_eq!(upstream.registrations().len(), 0);
        let away = press(&mut alice, "notes").await;
        assert_eq!(away.status.as_u16(), 303);
        let csp = away.header("content-security-policy");
        assert!(csp.contains("frame-ancestors 'none'") && !csp.contains("form-action"), "{csp}");
    }

    /// T07, A50, R9207-2.4-1, MCP-AUTH-16, OA21-2.3.4-1: another issuer's answer is not used, and nothing of it is shown
    async fn another_issuers_answer_stops_everything(database: TestDatabase) {
        let (world, upstream) = (World::on(database).await, UpstreamLogin::open().await);
        let other = UpstreamLogin::open().await;
        offer(&world, "notes", &upstream).await;
        offer(&world, "other", &other).await;
        connect(&world, &world.alice, "notes", "notes").await;
        connect(&world, &world.alice, "other", "other").await;
        let mut alice = Browser::signed_in(&world).await;
        for iss in [other.issuer(), String::new(), format!("{}/", upstream.issuer())] {
            upstream.behave(Mood { iss: Some(iss.clone()), ..Mood::default() });
            let back = upstream.allow(press(&mut alice, "notes").await.see_other(), "alice over there");
            assert_eq!(alice.get(&back).await.status.as_u16(), 400, "{iss}");
            let away = press(&mut alice, "notes").await;
            let told = upstream.answer(away.see_other(), &[("error", "access_denied"), ("error_description", "pay here")]);
            let shown = alice.get(&told).await;
            assert_eq!(shown.status.as_u16(), 400);
            assert!(!shown.body.contains("denied") && !shown.body.contains("pay here"), "{}", shown.body);
        }
        upstream.behave(Mood::default());
        let ours = press(&mut alice, "notes").await.see_other().to_owned();
        let theirs = press(&mut alice, "other").await.see_other().to_owned();
        let place = |url: &str| parameter(url, "redirect_uri").rsplit('/').next().unwrap().to_owned();
        assert_ne!(place(&ours), place(&theirs), "each issuer has a callback of its own");
        let crossed = upstream.allow(&ours, "alice over there").replace(&place(&ours), &place(&theirs));
        assert_eq!(alice.get(&crossed).await.status.as_u16(), 400, "at the other's callback");
        assert_eq!((upstream.asked().len(), other.asked().len()), (0, 0), "no token request left");
        assert!(world.trail().await.contains(&"connection.authorised refused issuer_mismatch".to_owned()));
    }

    /// A refusal at the other side, and a server that gives no token, are told in words
    async fn what_goes_wrong_is_told_in_words(database: TestDatabase) {
        let (world, upstream) = (World::on(database).await, UpstreamLogin::open().await);
        offer(&world, "notes", &upstream).await;
        let connection = connect(&world, &world.alice, "notes", "notes").await;
        let mut alice = Browser::signed_in(&world).await;
        let away = press(&mut alice, "notes").await;
        let denied = alice.get(&upstream.answer(away.see_other(), &[("error", "access_denied")])).await;
        assert_eq!(denied.status.as_u16(), 502);
        assert!(denied.body.contains("Access was denied at the other side"), "{}", denied.body);
        upstream.behave(Mood { token_error: Some((500, "server_error")), ..Mood::default() });
        let back = upstream.allow(press(&mut alice, "notes").await.see_other(), "alice over there");
        let failed = alice.get(&back).await;
        assert!(failed.body.contains("cannot answer just now"), "{}", failed.body);
        assert_eq!(standing(&world.app, &connection).await, "draft");
        upstream.behave(Mood { issuer: Some("https://10.0.0.1".to_owned()), ..Mood::default() });
        let nowhere = press(&mut alice, "notes").await;
        assert_eq!(nowhere.status.as_u16(), 502, "T13");
        assert!(world.trail().await.contains(&"connection.authorised failed address_refused".to_owned()));
        upstream.behave(Mood::default());
        authorise(&mut alice, "notes", &upstream, "alice over there").await;
    }

    /// R9700-4.9.3-1: nothing that opens anything stands in a row
    async fn no_token_is_stored_in_clear(database: TestDatabase) {
        let (world, upstream) = (World::on(database).await, UpstreamLogin::open().await);
        let (_browser, _connection) = authorised(&world, &upstream).await;
        for column in [
            "SELECT count(*) FROM credential WHERE sealed LIKE '%of-the-story%'",
            "SELECT count(*) FROM upstream_client WHERE secret LIKE '%of-the-story%'",
        ] {
            assert_eq!(world.count(column).await, 0, "{column}");
        }
        assert_eq!(world.count("SELECT count(*) FROM credential").await, 2);
    }
}
