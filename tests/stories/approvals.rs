//! A sensitive call and the person who decides about it, from the client's first try to the page and back.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::{Body, HttpBody};
use axum::http::Method;
use portcullis_authorization_server::Groups;
use portcullis_database::both_engines;
use portcullis_resource_server::{Inbox, Policies, Sought};
use portcullis_tests::{Answer, Browser, Client, PASSWORD, World, request};
use serde_json::json;
use tower::ServiceExt;

const HOSTILE: &str = "<script>alert(1)</script>\u{202e}";

/// Sends a message through the sandbox, which is sensitive.
async fn send(world: &World, token: &str, text: &str) -> String {
    let params = json!({"name": "sandbox__send_message", "arguments": {"to": "bob", "text": text}});
    let answer = world.mcp(token, "tools/call", params).await.json();
    answer["result"]["content"][0]["text"].as_str().unwrap_or_default().to_owned()
}

/// The next piece of a stream.
async fn chunk(stream: &mut Body) -> String {
    let frame = poll_fn(|context| Pin::new(&mut *stream).poll_frame(context)).await;
    let bytes = frame.unwrap().unwrap().into_data().unwrap_or_default();
    String::from_utf8(bytes.to_vec()).unwrap()
}

async fn newest(world: &World) -> String {
    let inbox = Inbox { who: Some(&world.alice.id), approver: false };
    let listed = world.app.gateway.approvals().list(inbox, &Sought::default()).await.unwrap();
    listed[0].id.to_string()
}

async fn decide(browser: &mut Browser<'_>, id: &str, decision: &str) -> Answer {
    let page = browser.get(&format!("/approvals/{id}")).await;
    let csrf = page.field("csrf").unwrap_or_default();
    browser.post(&format!("/approvals/{id}"), &[("csrf", &csrf), ("decision", decision)]).await
}

both_engines! {
    async fn a_person_sees_who_asks_for_what_and_approves_it_once(database: TestDatabase) {
        let world = World::on(database).await;
        let token = Client::public(&world).await.connect(&world).await.access;
        let told = send(&world, &token, HOSTILE).await;
        assert!(told.starts_with("NOT EXECUTED. This call needs the user's approval."), "{told}");
        let mut browser = Browser::signed_in(&world).await;
        assert!(browser.get("/").await.body.contains("1 call waits for your approval"));
        let page = browser.get("/approvals").await.body;
        let code = told.split("(code ").nth(1).unwrap().split(')').next().unwrap();
        for text in [code, "send_message", "Destroys something or sends something out", "5 min 00 s", "Unverified"] {
            assert!(page.contains(text), "{text} in {page}");
        }
        // T26, T34: as text, with what is hidden made visible.
        assert!(page.contains("&#60;script&#62;") && page.contains("\\u202e") && !page.contains('\u{202e}'), "{page}");
        let id = newest(&world).await;
        let decided = decide(&mut browser, &id, "approve").await;
        assert!(decided.body.contains("Approved, for this one call."), "{}", decided.body);
        assert!(send(&world, &token, "other").await.starts_with("NOT EXECUTED"));
        assert!(!send(&world, &token, HOSTILE).await.contains("NOT EXECUTED"));
        assert!(send(&world, &token, HOSTILE).await.starts_with("NOT EXECUTED"));
        let history = browser.get("/approvals?state=executed_ok&tool=send_message&connection=sandbox").await.body;
        assert!(history.contains("It was executed"), "{history}");
        assert!(browser.get("/approvals?state=denied").await.body.contains("Nothing of the kind."));
        let trail = world.trail().await;
        for event in ["created", "shown", "decided", "consumed", "executed"] {
            assert!(trail.iter().any(|line| line.starts_with(&format!("approval.{event} "))), "{event} in {trail:?}");
        }
    }

    /// T18, T40, ELIC-4: whoever opens somebody else's link sees nothing and decides nothing, signed in or not
    async fn a_link_shows_nothing_to_anybody_else(database: TestDatabase) {
        let world = World::on(database).await;
        world.add_user("bob@example.com").await;
        let token = Client::public(&world).await.connect(&world).await.access;
        send(&world, &token, "private words").await;
        let (id, mut bob) = (newest(&world).await, Browser::new(&world));
        let path = format!("/approvals/{id}");
        assert_eq!(bob.get(&path).await.see_other(), format!("/login?return_to={path}"));
        assert!(bob.get("/approvals/events").await.status.as_u16() == 401);
        bob.sign_in("/login", "bob@example.com", PASSWORD).await;
        let (theirs, none) = (bob.get(&path).await, bob.get("/approvals/apr_none").await);
        assert_eq!((theirs.status.as_u16(), none.status.as_u16()), (404, 404));
        let list = bob.get("/approvals").await;
        assert!(!theirs.body.contains("private words") && !list.body.contains("private words"));
        let csrf = list.field("csrf").unwrap();
        let posted = bob.post(&path, &[("csrf", csrf.as_str()), ("decision", "approve")]).await;
        assert_eq!(posted.status.as_u16(), 404);
        assert!(send(&world, &token, "private words").await.starts_with("NOT EXECUTED"));
    }

    /// T41, ASVS-3.5.1: nothing but a form of ours, in a fresh session, approves
    async fn only_our_own_form_from_a_fresh_session_approves(database: TestDatabase) {
        let world = World::on(database).await;
        let token = Client::public(&world).await.connect(&world).await.access;
        send(&world, &token, "x").await;
        let mut browser = Browser::signed_in(&world).await;
        let path = format!("/approvals/{}", newest(&world).await);
        let still_waits = async || send(&world, &token, "x").await.contains("needs the user's approval");
        browser.get(&format!("{path}?decision=approve")).await;
        assert!(still_waits().await, "a GET decides nothing");
        let csrf = browser.get(&path).await.field("csrf").unwrap();
        let approve = [("csrf", csrf.as_str()), ("decision", "approve")];
        assert_eq!(browser.post_from("cross-site", &path, &approve).await.status.as_u16(), 403);
        assert_eq!(browser.post(&path, &[("csrf", "x"), ("decision", "approve")]).await.status.as_u16(), 403);
        assert_eq!(browser.post(&path, &[("csrf", csrf.as_str()), ("decision", "perhaps")]).await.status.as_u16(), 200);
        assert!(still_waits().await);
        assert_eq!(browser.get(&path).await.headers["x-frame-options"], "DENY");
        world.advance(3_600);
        let token = Client::public(&world).await.connect(&world).await.access;
        send(&world, &token, "late").await;
        let path = format!("/approvals/{}", newest(&world).await);
        let csrf = browser.get(&path).await.field("csrf").unwrap();
        let stale = browser.post(&path, &[("csrf", csrf.as_str()), ("decision", "approve")]).await;
        assert_eq!(stale.see_other(), format!("/login?again=yes&return_to={path}"));
        let denied = browser.post(&path, &[("csrf", csrf.as_str()), ("decision", "deny")]).await;
        assert!(denied.body.contains("Denied. Nothing was executed."), "{}", denied.body);
        assert!(send(&world, &token, "late").await.contains("The user denied this call."));
    }

    /// What the policy wants a second person for is approved by one of the group, and never by the user alone
    async fn a_second_person_approves_what_needs_one(database: TestDatabase) {
        let world = World::on(database).await;
        let clock = || Arc::new(world.clock.clone());
        let policies = Policies::new(world.app.database.clone(), world.app.changes.clone(), clock());
        let policy = "@id(\"owners\") @reason(\"Yours.\") permit (principal, action, resource) when { principal.id == resource.owner };\n\
            @id(\"two\") @reason(\"Two pairs of eyes.\") forbid (principal, action == Action::\"callTool\", resource) \
            when { resource.risk == Risk::\"destructive\" && context.assurance < 3 };";
        policies.activate(policy, "ada", "").await.unwrap();
        let token = Client::public(&world).await.connect(&world).await.access;
        assert!(send(&world, &token, "x").await.contains("a second person's approval"));
        let id = newest(&world).await;
        let mut alice = Browser::signed_in(&world).await;
        assert!(alice.get(&format!("/approvals/{id}")).await.body.contains("A second person has to approve this."));
        let own = decide(&mut alice, &id, "approve").await;
        assert!(own.body.contains("A second person has to approve this; you can only deny it."), "{}", own.body);
        let bob = world.add_user("bob@example.com").await;
        let mut second = Browser::new(&world);
        second.sign_in("/login", "bob@example.com", PASSWORD).await;
        assert_eq!(second.get(&format!("/approvals/{id}")).await.status.as_u16(), 404);
        let groups = Groups::new(world.app.database.clone(), clock());
        groups.create("approvers", "may decide for others").await.unwrap();
        groups.add("approvers", &bob.id).await.unwrap();
        let page = second.get("/approvals").await.body;
        assert!(page.contains("alice@example.com"), "{page}");
        decide(&mut second, &id, "approve").await;
        assert!(!send(&world, &token, "x").await.contains("NOT EXECUTED"));
    }

    /// An open page is told to look again when something changed, and not what
    async fn an_open_page_is_told_to_look_again(database: TestDatabase) {
        let world = World::on(database).await;
        let token = Client::public(&world).await.connect(&world).await.access;
        let browser = Browser::signed_in(&world).await;
        let cookie = format!("portcullis={}", browser.session().unwrap());
        let asked = request(Method::GET, "/approvals/events").header("cookie", cookie).body(Body::empty()).unwrap();
        let answer = world.router().oneshot(asked).await.unwrap();
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let mut stream = answer.into_body();
        let (told, _) = tokio::join!(chunk(&mut stream), send(&world, &token, "private words"));
        assert_eq!(told, "event: changed\ndata: look\n\n");
    }
}
