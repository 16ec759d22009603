//! Signing in and out, and the first admin.

use portcullis_authorization_server::NewUser;
use portcullis_database::both_engines;
use portcullis_tests::{Browser, Client, PASSWORD, World};

async fn sign_in_wrong(browser: &mut Browser<'_>) -> u16 {
    browser.sign_in("/login", "alice@example.com", "wrong wrong wrong").await.status.as_u16()
}

both_engines! {
    /// ASVS-7.2.4: the session id changes at sign-in and the old one is dead
    async fn signing_in_gives_a_new_session_id(database: TestDatabase) {
        let world = World::on(database).await;
        let mut browser = Browser::new(&world);
        browser.get("/login").await;
        let before = browser.session().unwrap().to_owned();
        browser.sign_in("/login", "alice@example.com", PASSWORD).await;
        let after = browser.session().unwrap().to_owned();
        assert_ne!(before, after);
        assert_eq!(browser.get("/").await.status.as_u16(), 200);
        browser.set_session(&before);
        assert_eq!(browser.get("/").await.see_other(), "/login");
    }

    /// ASVS-6.3.8, A54: unknown, wrong and disabled read the same
    async fn every_failure_reads_the_same(database: TestDatabase) {
        let world = World::on(database).await;
        let bob = world.add_user("bob@example.com").await;
        world.app.authorization.users().disable(&bob.id).await.unwrap();
        let mut texts = Vec::new();
        for (email, password) in [("alice@example.com", "wrong wrong wrong"), ("nobody@example.com", PASSWORD), ("bob@example.com", PASSWORD)] {
            let answer = Browser::new(&world).sign_in("/login", email, password).await;
            assert_eq!(answer.status.as_u16(), 401);
            texts.push(answer.body.contains("The e-mail address or the password is not right."));
        }
        assert_eq!(texts, [true, true, true]);
    }

    /// ASVS-6.3.1, OA21-2.4.1-4
    async fn guessing_is_slowed_down(database: TestDatabase) {
        let world = World::on(database).await;
        let mut browser = Browser::new(&world);
        for _ in 0..10 {
            assert_eq!(browser.sign_in("/login", "alice@example.com", "wrong wrong wrong").await.status.as_u16(), 401);
        }
        assert_eq!(browser.sign_in("/login", "alice@example.com", PASSWORD).await.status.as_u16(), 429);
        world.advance(60);
        assert_eq!(browser.sign_in("/login", "alice@example.com", PASSWORD).await.see_other(), "/");
    }

    /// ASVS-6.3.1: parallel guesses do not pass together
    async fn guesses_at_once_are_counted_before_they_are_judged(database: TestDatabase) {
        let world = World::on(database).await;
        let mut browsers: Vec<_> = (0..30).map(|_| Browser::new(&world)).collect();
        let mut answers = Vec::new();
        for guesses in browsers.chunks_mut(10) {
            let [a, b, c, d, e, f, g, h, i, j] = guesses else { unreachable!() };
            let guess = |browser| sign_in_wrong(browser);
            let (a, b, c, d, e) = tokio::join!(guess(a), guess(b), guess(c), guess(d), guess(e));
            let (f, g, h, i, j) = tokio::join!(guess(f), guess(g), guess(h), guess(i), guess(j));
            answers.extend([a, b, c, d, e, f, g, h, i, j]);
        }
        assert_eq!(answers.iter().filter(|status| **status == 401).count(), 10);
        assert_eq!(answers.iter().filter(|status| **status == 429).count(), 20);
    }

    /// ASVS-3.5.1: signing in and out take a form of ours
    async fn a_form_of_another_site_neither_signs_in_nor_out(database: TestDatabase) {
        let world = World::on(database).await;
        let mut browser = Browser::signed_in(&world).await;
        assert_eq!(browser.post_from("cross-site", "/logout", &[]).await.status.as_u16(), 403);
        assert_eq!(browser.post("/logout", &[("csrf", "forged")]).await.status.as_u16(), 403);
        assert_eq!(browser.get("/logout").await.status.as_u16(), 405);
        let csrf = browser.get("/").await.field("csrf").unwrap();
        let cookie = browser.session().unwrap().to_owned();
        assert_eq!(browser.post("/logout", &[("csrf", &csrf)]).await.see_other(), "/login");
        browser.set_session(&cookie);
        assert_eq!(browser.get("/").await.see_other(), "/login", "ended on the server too (ASVS-7.4.1)");
        let mut stranger = Browser::new(&world);
        let fields = [("email", "alice@example.com"), ("password", PASSWORD)];
        assert_eq!(stranger.post("/login", &fields).await.status.as_u16(), 403);
    }

    /// ASVS-7.3.1
    async fn a_silent_browser_signs_in_again(database: TestDatabase) {
        let world = World::on(database).await;
        let mut browser = Browser::signed_in(&world).await;
        world.advance(23 * 3_600);
        assert_eq!(browser.get("/").await.status.as_u16(), 200);
        world.advance(25 * 3_600);
        assert_eq!(browser.get("/").await.see_other(), "/login");
    }

    /// ASVS-3.3.1, ASVS-7.2.3, OA21-7.1.3.4-1
    async fn the_cookie_is_closed_and_the_database_holds_only_its_hash(database: TestDatabase) {
        let store = database.database.clone();
        let world = World::on(database).await;
        let cookie = world.get("/login").await.header("set-cookie").to_owned();
        for part in ["HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        let value = cookie.split(['=', ';']).nth(1).unwrap();
        let rows: Vec<(String,)> = portcullis_database::on!(store.read(), |pool| {
            sqlx::query_as("SELECT id_hash FROM web_session").fetch_all(pool).await
        }).unwrap();
        assert!(!rows.is_empty() && rows.iter().all(|(hash,)| hash != value));
    }

    /// ASVS-6.3.2: the first admin, by a link that works once
    async fn a_setup_link_creates_one_admin(database: TestDatabase) {
        let world = World::on(database).await;
        let setup = world.app.authorization.setup();
        let token = setup.issue_link().await.unwrap().unwrap();
        let path = format!("/setup?token={}", token.expose());
        let mut browser = Browser::new(&world);
        let page = browser.get(&path).await;
        let (csrf, hidden) = (page.field("csrf").unwrap(), page.field("token").unwrap());
        let fields = |password| [("csrf", csrf.as_str()), ("token", hidden.as_str()), ("name", "Root"), ("email", "root@example.com"), ("password", password)];
        let weak = browser.post("/setup", &fields("too short")).await;
        assert_eq!(weak.status.as_u16(), 422);
        assert!(weak.body.contains("at least 15 characters"));
        assert_eq!(browser.post("/setup", &fields("eleven patient herons")).await.see_other(), "/");
        assert_eq!(browser.get("/").await.status.as_u16(), 200);
        assert_eq!(Browser::new(&world).get(&path).await.status.as_u16(), 404);
        assert_eq!(setup.issue_link().await.unwrap().map(|_| ()), None);
    }

    /// ASVS-6.3.2: a link that is still about is dead once there is an admin
    async fn a_setup_link_is_dead_once_there_is_an_admin(database: TestDatabase) {
        let world = World::on(database).await;
        let token = world.app.authorization.setup().issue_link().await.unwrap().unwrap();
        let password = Some(portcullis_oauth::Secret::presented(PASSWORD));
        let admin = NewUser { email: "root@example.com".to_owned(), name: "Root".to_owned(), admin: true, password };
        world.app.authorization.users().create(admin).await.unwrap();
        assert_eq!(Browser::new(&world).get(&format!("/setup?token={}", token.expose())).await.status.as_u16(), 404);
    }

    /// R9700-2.1-1: an old form of a second tab leads on, never away
    async fn a_second_tab_that_signs_in_late_is_led_on(database: TestDatabase) {
        let world = World::on(database).await;
        let mut browser = Browser::new(&world);
        let old = browser.get("/login").await.field("csrf").unwrap();
        browser.sign_in("/login", "alice@example.com", PASSWORD).await;
        for (return_to, led_to) in [("/oauth/consent?request=x", "/oauth/consent?request=x"), ("//evil.example", "/")] {
            assert_eq!(browser.post("/login", &[("csrf", &old), ("return_to", return_to)]).await.see_other(), led_to);
        }
    }

    /// ASVS-16.2.5: what an admin changes is in the paper trail
    async fn changes_of_users_leave_a_trace(database: TestDatabase) {
        let world = World::on(database).await;
        let users = world.app.authorization.users();
        users.disable(&world.alice.id).await.unwrap();
        users.enable(&world.alice.id).await.unwrap();
        let trail = world.trail().await;
        for what in ["created", "disabled", "enabled"] {
            assert!(trail.contains(&format!("user.change done {what}")), "{what} in {trail:?}");
        }
    }

    /// ASVS-16.2.5: an event carries the id that the answer and the log's lines carry, also when another task did the work
    async fn events_carry_the_trace_id_of_their_request(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let refused = client.redeem(&world, "pcl_ac_unknown", "x", &[]).await;
        let trace = refused.header("x-request-id").to_owned();
        client.connect(&world).await;
        let traces = world.traces().await;
        assert!(traces.contains(&("token.request".to_owned(), Some(trace))), "{traces:?}");
        for action in ["client.registration", "sign_in", "consent", "token.request"] {
            let of = |(name, trace): &&(String, Option<String>)| name == action && trace.is_none();
            assert_eq!(traces.iter().find(of), None);
        }
    }
}
