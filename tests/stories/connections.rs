//! A person's connections, from the first page to the last: added, tried out, given to clients, renamed and deleted.

use std::sync::Arc;

use portcullis_database::both_engines;
use portcullis_oauth::Alias;
use portcullis_resource_server::catalogue::{Relays, Servers, Slug};
use portcullis_tests::{Browser, Client, Pkce, UpstreamLogin, World};

use crate::upstream_stage::{connect, offer};

const AT_WORK: &str = "http://localhost:8420/mcp/work";

async fn post(
    browser: &mut Browser<'_>,
    page: &str,
    action: &str,
    fields: &[(&str, &str)],
) -> portcullis_tests::Answer {
    let csrf = browser.get(page).await.field("csrf").unwrap();
    let fields: Vec<(&str, &str)> = fields.iter().copied().chain([("csrf", csrf.as_str())]).collect();
    browser.post(action, &fields).await
}

async fn work(browser: &mut Browser<'_>) -> portcullis_tests::Answer {
    let fields = [("server", "sandbox"), ("auth", "none"), ("alias", "work"), ("label", "me@work")];
    post(browser, "/connect?server=sandbox", "/connect", &fields).await
}

both_engines! {
    async fn a_person_adds_a_connection_and_sees_how_it_stands(database: TestDatabase) {
        let world = World::on(database).await;
        let mut browser = Browser::signed_in(&world).await;
        assert!(browser.get("/").await.body.contains("href=\"/connect\""));
        assert!(browser.get("/connect").await.body.contains("Sandbox"));
        let refused = post(&mut browser, "/connect?server=sandbox", "/connect", &[("server", "sandbox"), ("alias", "Not it")]).await;
        assert!(refused.body.contains("an alias is 1 to 12 lower-case letters"), "{}", refused.body);
        assert_eq!(work(&mut browser).await.see_other(), "/connections/work");
        assert!(work(&mut browser).await.body.contains("there is a connection of this name already"));
        let page = browser.get("/connections/work").await;
        for text in ["works, since", "me@work", AT_WORK, "read_file"] {
            assert!(page.body.contains(text), "{text} in {}", page.body);
        }
        let off = post(&mut browser, "/connections/work", "/connections/work/disable", &[]).await;
        assert!(off.body.contains("You switched it off.") && off.body.contains("Switch on"), "{}", off.body);
        let on = post(&mut browser, "/connections/work", "/connections/work/enable", &[]).await;
        assert!(on.body.contains("Ready"), "{}", on.body);
        let trail = world.trail().await.join("\n");
        for event in ["connection.created", "connection.disabled", "connection.enabled"] {
            assert!(trail.contains(event), "{event} in {trail}");
        }
    }

    /// T33: whose programs a server may ask for something of their own is told so
    async fn a_person_sees_what_a_server_may_ask_their_programs_for(database: TestDatabase) {
        let (world, upstream) = (World::on(database).await, UpstreamLogin::open().await);
        offer(&world, "notes", &upstream).await;
        connect(&world, &world.alice, "notes", "notes").await;
        let mut browser = Browser::signed_in(&world).await;
        let words = "May ask your programs";
        assert!(!browser.get("/connections/notes").await.body.contains(words));
        let clock = Arc::new(world.clock.clone());
        let servers = Servers::new(world.app.database.clone(), world.app.changes.clone(), clock);
        let both = Relays { sampling: true, roots: true };
        assert!(servers.set_relays(&Slug::parse("notes").unwrap(), both).await.unwrap());
        let page = browser.get("/connections/notes").await;
        for text in [words, "what their model says", "which folders they work in"] {
            assert!(page.body.contains(text), "{text} in {}", page.body);
        }
    }

    /// T18: nobody learns from an answer whether somebody else has a connection of a name.
    async fn another_persons_connection_is_a_missing_one(database: TestDatabase) {
        let world = World::on(database).await;
        let bob = world.add_user("bob@example.com").await;
        let alias = Alias::parse("secret").unwrap();
        world.app.gateway.connections().create(&bob.id, &alias, "sandbox", "").await.unwrap();
        let mut alice = Browser::signed_in(&world).await;
        let (theirs, none) = (alice.get("/connections/secret").await, alice.get("/connections/nothing").await);
        assert_eq!((theirs.status.as_u16(), none.status.as_u16()), (404, 404));
        assert!(!theirs.body.contains("Sandbox"));
        let acted = post(&mut alice, "/connect?server=sandbox", "/connections/secret/delete", &[]).await;
        assert_eq!(acted.status.as_u16(), 404);
        assert!(world.app.gateway.connections().find(&bob.id, &alias).await.unwrap().is_some());
    }

    async fn what_a_client_was_given_for_a_name_ends_with_the_name(database: TestDatabase) {
        let world = World::on(database).await;
        let mut browser = Browser::signed_in(&world).await;
        work(&mut browser).await;
        let client = Client::public(&world).await;
        let pkce = Pkce::new();
        let code = browser.approve(&client.authorize(&pkce, &[("resource", AT_WORK)])).await;
        let tokens = client.redeem(&world, &code, &pkce.verifier, &[("resource", AT_WORK)]).await.json();
        let token = tokens["access_token"].as_str().unwrap().to_owned();
        let listed = async || world.mcp_at("/mcp/work", &token, "tools/list", serde_json::json!({})).await.status.as_u16();
        assert_eq!(listed().await, 200);
        let asked = browser.get("/connections/work/delete").await;
        assert!(asked.body.contains("inherits nothing"), "{}", asked.body);
        let gone = post(&mut browser, "/connections/work/delete", "/connections/work/delete", &[]).await;
        assert!(gone.body.contains("is deleted"), "{}", gone.body);
        assert_eq!(listed().await, 401);
        work(&mut browser).await;
        assert_eq!(listed().await, 401, "a name that is used again inherits nothing");
        let refresh = tokens["refresh_token"].as_str().unwrap();
        assert_ne!(client.refresh(&world, refresh, &[]).await.status.as_u16(), 200);
    }

    /// A connection that is added later asks which clients may use it.
    async fn a_connection_that_is_added_later_is_given_to_a_client_on_its_page(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let tokens = client.connect(&world).await;
        let mut browser = Browser::signed_in(&world).await;
        work(&mut browser).await;
        let names = async || {
            let listed = world.mcp(&tokens.access, "tools/list", serde_json::json!({})).await.json();
            listed["result"]["tools"].to_string().contains("work__echo")
        };
        assert!(!names().await);
        let page = browser.get("/connections/work").await;
        let grant = page.field("grant").unwrap();
        let given = post(&mut browser, "/connections/work", "/connections/work/clients", &[("grant", &grant), ("reaches", "yes")]).await;
        assert!(given.body.contains("may use this connection now"), "{}", given.body);
        assert!(names().await);
        post(&mut browser, "/connections/work", "/connections/work/clients", &[("grant", &grant), ("reaches", "no")]).await;
        assert!(!names().await);
    }

    async fn consent_for_a_connection_that_is_missing_offers_to_make_it(database: TestDatabase) {
        let world = World::on(database).await;
        let mut browser = Browser::signed_in(&world).await;
        let client = Client::public(&world).await;
        let question = browser.reach_consent(&client.authorize(&Pkce::new(), &[("resource", AT_WORK)])).await;
        let (_, rest) = question.body.split_once("href=\"/connect?").unwrap();
        let query = rest.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
        let csrf = browser.get(&format!("/connect?{query}&server=sandbox")).await;
        let (back, token) = (csrf.field("return_to").unwrap(), csrf.field("csrf").unwrap());
        let fields = [("csrf", token.as_str()), ("server", "sandbox"), ("alias", "work"), ("return_to", back.as_str())];
        let made = browser.post("/connect", &fields).await;
        assert!(made.see_other().starts_with("/oauth/consent?request="), "{}", made.see_other());
        let again = browser.get(made.see_other()).await;
        assert!(again.body.contains("<bdi>work</bdi>") && !again.body.contains("/connect?"), "{}", again.body);
        let elsewhere = [("csrf", token.as_str()), ("server", "sandbox"), ("alias", "other"), ("return_to", "https://evil.example/")];
        assert_eq!(browser.post("/connect", &elsewhere).await.see_other(), "/connections/other");
    }
}
