//! What a person does with their own account: another password, other browsers, what their clients may.

use portcullis_database::both_engines;
use portcullis_tests::{Answer, Browser, Client, PASSWORD, Tokens, World};
use serde_json::json;

const NEW: &str = "nine blue bicycles rusting";

async fn change(browser: &mut Browser<'_>, fields: &[(&str, &str)]) -> Answer {
    let csrf = browser.get("/account/password").await.field("csrf").unwrap_or_default();
    let mut all = vec![("csrf", csrf.as_str())];
    all.extend(fields);
    browser.post("/account/password", &all).await
}

async fn status(world: &World, tokens: &Tokens) -> u16 {
    world.mcp(&tokens.access, "tools/list", json!({})).await.status.as_u16()
}

both_engines! {
    /// ASVS-6.2.3, ASVS-7.2.4: the current password is asked for; other browsers end, this one goes on under a new id
    async fn a_person_changes_their_password(database: TestDatabase) {
        let world = World::on(database).await;
        let mut browser = Browser::signed_in(&world).await;
        let mut other = Browser::signed_in(&world).await;
        let wrong = change(&mut browser, &[("current", "not the one at all"), ("new", NEW)]).await;
        assert_eq!(wrong.status.as_u16(), 401);
        let weak = change(&mut browser, &[("current", PASSWORD), ("new", "too short")]).await;
        assert_eq!(weak.status.as_u16(), 422);
        assert!(weak.body.contains("at least 15 characters"), "{}", weak.body);
        let same = change(&mut browser, &[("current", PASSWORD), ("new", PASSWORD)]).await;
        assert_eq!(same.status.as_u16(), 422);
        assert_eq!(other.get("/").await.status.as_u16(), 200, "nothing has happened yet");

        let before = browser.session().unwrap().to_owned();
        assert_eq!(change(&mut browser, &[("current", PASSWORD), ("new", NEW)]).await.see_other(), "/account");
        assert_eq!(browser.get("/account").await.status.as_u16(), 200);
        assert_eq!(other.get("/").await.see_other(), "/login");
        let mut thief = Browser::new(&world);
        thief.set_session(&before);
        assert_eq!(thief.get("/").await.see_other(), "/login");
        assert_eq!(Browser::new(&world).sign_in("/login", "alice@example.com", PASSWORD).await.status.as_u16(), 401);
        assert_eq!(Browser::new(&world).sign_in("/login", "alice@example.com", NEW).await.see_other(), "/");
    }

    /// ASVS-6.2.3, A27: clients go with the old password, or stay by the person's own choice
    async fn clients_go_with_the_old_password_if_the_person_says_so(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let tokens = client.connect(&world).await;
        let mut browser = Browser::signed_in(&world).await;
        change(&mut browser, &[("current", PASSWORD), ("new", NEW)]).await;
        assert_eq!(status(&world, &tokens).await, 200);
        change(&mut browser, &[("current", NEW), ("new", PASSWORD), ("disconnect", "yes")]).await;
        assert_eq!(status(&world, &tokens).await, 401);
        assert_eq!(client.refresh(&world, &tokens.refresh, &[]).await.verdict(), "400 invalid_grant");
    }

    /// ASVS-6.3.1: the form is no way to guess faster than at sign-in; ASVS-3.5.1: and no other site can send it
    async fn the_password_form_is_guarded_like_sign_in(database: TestDatabase) {
        let world = World::on(database).await;
        let mut browser = Browser::signed_in(&world).await;
        assert_eq!(browser.post_from("cross-site", "/account/password", &[]).await.status.as_u16(), 403);
        let page = browser.get("/account/password").await;
        let csrf = page.field("csrf").unwrap();
        let fields = [("csrf", csrf.as_str()), ("current", "a guess that is wrong"), ("new", NEW)];
        let mut answers = Vec::new();
        for _ in 0..12 {
            answers.push(browser.post("/account/password", &fields).await.status.as_u16());
        }
        assert!(answers.starts_with(&[401; 10]) && answers.ends_with(&[429, 429]), "{answers:?}");
        assert_eq!(Browser::new(&world).get("/account/password").await.see_other(), "/login?return_to=%2Faccount%2Fpassword");
    }

    /// NIST-3: an expired password opens nothing but the page that replaces it
    async fn an_expired_password_is_replaced_before_anything_else(database: TestDatabase) {
        let world = World::on(database).await;
        let tokens = Client::public(&world).await.connect(&world).await;
        assert!(world.app.authorization.users().expire_password(&world.alice.id).await.unwrap());
        world.app.changes.read().await.unwrap();
        assert_eq!(status(&world, &tokens).await, 401);
        let mut browser = Browser::new(&world);
        let page = browser.sign_in("/login?return_to=/account", "alice@example.com", PASSWORD).await;
        assert_eq!(page.status.as_u16(), 200);
        assert!(page.body.contains("Choose another password"), "{}", page.body);
        assert_eq!(browser.get("/").await.see_other(), "/login", "not signed in by it");
        let (csrf, return_to) = (page.field("csrf").unwrap(), page.field("return_to").unwrap());
        let fields = |new| [("csrf", csrf.as_str()), ("return_to", &return_to), ("email", "alice@example.com"), ("current", PASSWORD), ("new", new)];
        assert_eq!(browser.post("/account/password", &fields(PASSWORD)).await.status.as_u16(), 422, "the same is no other");
        assert_eq!(browser.post("/account/password", &fields(NEW)).await.see_other(), "/account");
        assert_eq!(browser.get("/account").await.status.as_u16(), 200);
        assert_eq!(Browser::new(&world).sign_in("/login", "alice@example.com", NEW).await.see_other(), "/");
    }

    /// ASVS-7.4.1, ASVS-7.5.1: a person sees where they are signed in and ends what they do not know, freshly proven
    async fn a_person_signs_other_browsers_out(database: TestDatabase) {
        let world = World::on(database).await;
        world.add_user("bob@example.com").await;
        let mut bob = Browser::new(&world);
        bob.sign_in("/login", "bob@example.com", PASSWORD).await;
        let (mut lost, mut second) = (Browser::signed_in(&world).await, Browser::signed_in(&world).await);
        let mut browser = Browser::signed_in(&world).await;
        world.advance(16 * 60);
        let again = browser.get("/account").await.see_other().to_owned();
        assert_eq!(again, "/login?again=yes&return_to=/account");
        assert_eq!(browser.get(&again).await.field("email").as_deref(), Some("alice@example.com"));
        assert_eq!(browser.sign_in(&again, "alice@example.com", PASSWORD).await.see_other(), "/account");

        let page = browser.get("/account").await;
        assert_eq!(page.body.matches("Last used").count(), 3, "hers alone: {}", page.body);
        let (csrf, handle) = (page.field("csrf").unwrap(), page.field("session").unwrap());
        let fields = |csrf, handle| [("csrf", csrf), ("session", handle)];
        assert_eq!(browser.post("/account/sessions/end", &fields("forged", &handle)).await.status.as_u16(), 403);
        let stolen = bob.get("/account").await.see_other().to_owned();
        bob.sign_in(&stolen, "bob@example.com", PASSWORD).await;
        let bobs = bob.get("/account").await.field("csrf").unwrap();
        bob.post("/account/sessions/end", &fields(&bobs, &handle)).await;
        browser.post("/account/sessions/end", &fields(&csrf, &handle)).await;
        let ended = [lost.get("/").await.status.as_u16(), second.get("/").await.status.as_u16()];
        assert!(ended == [303, 200] || ended == [200, 303], "one of the two: {ended:?}");
        let answer = browser.post("/account/sessions/end", &[("csrf", &csrf)]).await;
        assert!(answer.body.contains("This browser"), "{}", answer.body);
        assert_eq!([lost.get("/").await.status.as_u16(), second.get("/").await.status.as_u16()], [303, 303]);
        assert_eq!(browser.get("/").await.status.as_u16(), 200);
        assert_eq!(bob.get("/").await.status.as_u16(), 200, "another person's browsers are not theirs to end");
    }

    /// ASVS-10.7.3, OA21-7.9-1: what a client may, where, since when and until when
    async fn the_start_page_tells_what_a_client_may_and_until_when(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let mut browser = Browser::new(&world);
        let (code, pkce) = browser.code_for(&client).await;
        assert_eq!(client.redeem(&world, &code, &pkce.verifier, &[]).await.verdict(), "200");
        let home = browser.get("/").await.body;
        for told in ["Inspector", "http://localhost:8420/mcp", "Use the tools", "1 April 2026</time> at the latest"] {
            assert!(home.contains(told), "{told} in {home}");
        }
    }
}
