//! The policy on the pages of connections: what it forbids is not offered there, not done, and told with its reason.

use std::sync::Arc;

use portcullis_authorization_server::Groups;
use portcullis_database::both_engines;
use portcullis_resource_server::Policies;
use portcullis_tests::{Answer, Browser, Program, UpstreamLogin, World};
use serde_json::json;

use crate::upstream_stage::{connect, offer, press, standing};

const NOT_WORK: &str = r#"
    @id("owners") @reason("Everybody may use their own.")
    permit (principal, action, resource) when { principal.id == resource.owner };
    @id("not_work") @reason("Connections for work are the platform team's.")
    forbid (principal, action == Action::"manageConnection", resource) when { resource.alias like "work*" };"#;
/// What somebody wrote who thought of calls and nothing else.
const CALLS_ALONE: &str = r#"@id("calls") @reason("Owners call.")
    permit (principal, action == Action::"callTool", resource) when { principal.id == resource.owner };"#;
/// More than a page can prove.
const TWO_PEOPLE: &str = r#"@id("two") @reason("Two people do that together.")
    forbid (principal, action == Action::"manageConnection", resource) when { context.assurance < 3 };"#;
const REFUSED: &str = "connection.managed refused policy";

pub(crate) async fn activate(world: &World, text: &str) {
    let app = &world.app;
    let policies = Policies::new(app.database.clone(), app.changes.clone(), Arc::new(world.clock.clone()));
    policies.activate(text, "root", "").await.unwrap();
    app.changes.read().await.unwrap();
}

async fn make(browser: &mut Browser<'_>, alias: &str) -> Answer {
    let form = browser.get("/connect?server=sandbox").await;
    let csrf = form.field("csrf").unwrap();
    let fields = [("csrf", csrf.as_str()), ("server", "sandbox"), ("auth", "none"), ("alias", alias)];
    browser.post("/connect", &fields).await
}

async fn refusals(world: &World) -> usize {
    world.trail().await.iter().filter(|event| *event == REFUSED).count()
}

both_engines! {
    /// T46: each page and each button of a connection asks the policy, and a refusal is one event
    async fn the_policy_is_obeyed_on_every_page_of_a_connection(database: TestDatabase) {
        let world = World::on(database).await;
        let mut alice = Browser::signed_in(&world).await;
        for alias in ["work", "home"] {
            assert_eq!(make(&mut alice, alias).await.see_other(), format!("/connections/{alias}"));
        }
        activate(&world, NOT_WORK).await;
        let start = alice.get("/").await;
        assert!(!start.body.contains("href=\"/connections/work\""), "{}", start.body);
        assert!(start.body.contains("href=\"/connections/home\"") && start.body.contains("the platform team"), "{}", start.body);
        assert_eq!(refusals(&world).await, 0, "nobody tried anything yet");

        let csrf = alice.get("/connections/home").await.field("csrf").unwrap();
        let mut told = Vec::new();
        for page in ["", "/delete", "/renew"] {
            told.push(alice.get(&format!("/connections/work{page}")).await);
        }
        for act in ["test", "disable", "enable", "clients", "accept", "rename", "delete", "renew", "authorize"] {
            told.push(alice.post(&format!("/connections/work/{act}"), &[("csrf", &csrf), ("alias", "other")]).await);
        }
        told.push(make(&mut alice, "work2").await);
        // Under another name it would be one for work.
        told.push(alice.post("/connections/home/rename", &[("csrf", &csrf), ("alias", "worker")]).await);
        for answer in &told {
            assert_eq!(answer.status.as_u16(), 403, "{}", answer.body);
            assert!(answer.body.contains("Connections for work are the platform team&#39;s."), "{}", answer.body);
        }
        assert_eq!(refusals(&world).await, told.len(), "{:?}", world.trail().await);
        let by_rule = "SELECT COUNT(*) FROM audit_event WHERE action = 'connection.managed' \
            AND policy_version = '1' AND detail LIKE '%\"rule\":\"not_work\"%'";
        assert_eq!(world.count(by_rule).await, 14, "each names what decided");
        let kept = world.app.gateway.connections().list(&world.alice.id).await.unwrap();
        let mut aliases: Vec<String> = kept.iter().map(|one| format!("{} {}", one.alias, one.status.as_str())).collect();
        aliases.sort();
        assert_eq!(aliases, ["home active", "sandbox active", "work active"]);
        assert_eq!(alice.post("/connections/home/disable", &[("csrf", &csrf)]).await.status.as_u16(), 200);
    }

    /// A server to which nobody may connect has a reason in place of a button; one that may be connected to has the button
    async fn what_nobody_may_connect_to_is_not_offered(database: TestDatabase) {
        let world = World::on(database).await;
        let upstream = UpstreamLogin::open().await;
        offer(&world, "notes", &upstream).await;
        let mut alice = Browser::signed_in(&world).await;
        let buttons = async |alice: &mut Browser<'_>| alice.get("/connect").await.body.matches("name=\"server\"").count();
        assert_eq!(buttons(&mut alice).await, 2);
        activate(&world, r#"@id("no_notes") @reason("No notes here.")
            forbid (principal, action == Action::"manageConnection", resource in Server::"notes");"#).await;
        assert_eq!(buttons(&mut alice).await, 1);
        for page in ["/connect", "/connect?server=notes"] {
            let told = alice.get(page).await;
            assert!(told.body.contains("No notes here.") && !told.body.contains("name=\"label\""), "{}", told.body);
        }
    }

    /// A policy that speaks of calls alone keeps programs from connections, by default, and people not: what is theirs they can
    /// see to by their own hand
    async fn a_policy_about_calls_locks_nobody_out_of_what_is_theirs(database: TestDatabase) {
        let world = World::on(database).await;
        let mut alice = Browser::signed_in(&world).await;
        activate(&world, CALLS_ALONE).await;
        assert_eq!(make(&mut alice, "mine").await.see_other(), "/connections/mine");
        let page = alice.get("/connections/mine").await;
        assert_eq!(page.status.as_u16(), 200, "{}", page.body);
        let program = Program::of(&world, "alice@example.com", "").await;
        let refused = program.get("/me/connections/mine").await;
        assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (403, &json!("no_policy")), "{}", refused.body);
        activate(&world, TWO_PEOPLE).await;
        let refused = alice.get("/connections/mine").await;
        assert!(refused.status.as_u16() == 403 && refused.body.contains("Two people do that together."), "{}", refused.body);
    }

    /// T45: a sign-in at an upstream that was begun is asked about again when it comes back, and nobody's code is spent
    async fn a_sign_in_that_was_begun_is_asked_about_again(database: TestDatabase) {
        let (world, upstream) = (World::on(database).await, UpstreamLogin::open().await);
        offer(&world, "notes", &upstream).await;
        let connection = connect(&world, &world.alice, "work", "notes").await;
        let mut alice = Browser::signed_in(&world).await;
        let back = upstream.allow(press(&mut alice, "work").await.see_other(), "alice over there");
        activate(&world, NOT_WORK).await;
        let refused = alice.get(&back).await;
        assert!(refused.status.as_u16() == 403 && refused.body.contains("the platform team"), "{}", refused.body);
        assert_eq!((upstream.asked().len(), refusals(&world).await), (0, 1));
        assert_eq!(standing(&world.app, &connection).await, "draft");
        activate(&world, CALLS_ALONE).await;
        assert_eq!(alice.get(&back).await.see_other(), "/connections/work");
    }

    /// T46: somebody whose account may not manage connections has none to look after on pages either, and that is one event
    async fn the_builtin_rules_hold_on_pages(database: TestDatabase) {
        let world = World::on(database).await;
        let mut alice = Browser::signed_in(&world).await;
        world.tamper("UPDATE user_account SET permissions = 'mcp.tools.read mcp.tools.execute'").await;
        let refused = alice.get("/connections/sandbox").await;
        assert!(refused.status.as_u16() == 403 && refused.body.contains("may not manage connections"), "{}", refused.body);
        assert!(world.trail().await.contains(&"connection.managed refused permission_missing".to_owned()));
    }

    /// No example takes people's own pages from them
    async fn the_examples_leave_people_their_own_connections(database: TestDatabase) {
        let world = World::on(database).await;
        let groups = Groups::new(world.app.database.clone(), Arc::new(world.clock.clone()));
        groups.create("agents", "").await.unwrap();
        groups.add("agents", &world.alice.id).await.unwrap();
        let mut alice = Browser::signed_in(&world).await;
        let mut seen = 0;
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/examples");
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "cedar") {
                activate(&world, &std::fs::read_to_string(&path).unwrap()).await;
                let page = alice.get("/connections/sandbox").await;
                assert_eq!(page.status.as_u16(), 200, "{}: {}", path.display(), page.body);
                seen += 1;
            }
        }
        assert!(seen >= 6, "{seen}");
    }
}
