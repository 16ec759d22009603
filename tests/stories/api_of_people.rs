//! What a person's own program does with the person's own connections.

use portcullis_database::both_engines;
use portcullis_oauth::Alias;
use portcullis_tests::{Program, UpstreamLogin, World};
use serde_json::{Value, json};

use crate::upstream_stage::{connect, offer};

async fn acted(program: &Program<'_>, path: &str) -> (u16, Value) {
    let answer = program.post(path, &json!({})).await;
    (answer.status.as_u16(), answer.json()["status"].clone())
}

both_engines! {
    async fn a_connection_is_made_tried_and_ended(database: TestDatabase) {
        let world = World::on(database).await;
        let alice = Program::of(&world, "alice@example.com", "").await;
        let made = alice.post("/me/connections", &json!({"alias": "work", "server": "sandbox", "label": "me@work"})).await;
        assert_eq!((made.status.as_u16(), &made.json()["label"]), (201, &json!("me@work")), "{}", made.body);
        let again = alice.post("/me/connections", &json!({"alias": "work", "server": "sandbox"})).await;
        assert_eq!((again.status.as_u16(), &again.json()["code"]), (409, &json!("alias_taken")));
        assert!(alice.get("/me/connections/work/tools").await.body.contains("read_file"));
        assert_eq!(acted(&alice, "/me/connections/work/test").await, (200, json!("active")));
        assert_eq!(acted(&alice, "/me/connections/work/disable").await, (200, json!("disabled")));
        assert_eq!(acted(&alice, "/me/connections/work/enable").await, (200, json!("active")));
        assert_eq!(alice.delete("/me/connections/work").await.status.as_u16(), 204);
        assert_eq!(alice.get("/me/connections/work").await.status.as_u16(), 404);
        let trail = world.trail().await.join("\n");
        for event in ["connection.created done", "connection.disabled done by_owner", "connection.deleted done", "api.request done"] {
            assert!(trail.contains(event), "{event} in {trail}");
        }
    }

    /// T18, T46, TOOL-1: the policy that keeps a program from connections and from lists at `/mcp` keeps it from them here
    async fn the_policy_decides_which_program_looks_after_what(database: TestDatabase) {
        let world = World::on(database).await;
        let (admin, alice) = (Program::of_admin(&world).await, Program::of(&world, "alice@example.com", "").await);
        for alias in ["work", "home"] {
            let made = alice.post("/me/connections", &json!({"alias": alias, "server": "sandbox"})).await;
            assert_eq!(made.status.as_u16(), 201, "{}", made.body);
        }
        let policy = r#"
            @id("owners") @reason("Everybody may use their own.")
            permit (principal, action, resource) when { principal.id == resource.owner };
            @id("not_work") @reason("No program looks after connections for work.")
            forbid (principal, action == Action::"manageConnection", resource) when { resource.alias like "work*" };
            @id("quiet") @reason("The tools at home are not listed.")
            forbid (principal, action == Action::"listTools", resource) when { resource.alias == "home" };"#;
        assert_eq!(alice.get("/me/connections/home/tools").await.status.as_u16(), 200);
        let activated = admin.post("/policy/activate", &json!({"text": policy})).await;
        assert_eq!(activated.status.as_u16(), 201, "{}", activated.body);
        world.app.changes.read().await.unwrap();
        let mine = alice.get("/me/connections").await.json();
        let aliases: Vec<&str> = mine["items"].as_array().unwrap().iter().filter_map(|one| one["alias"].as_str()).collect();
        assert!(aliases.contains(&"home") && !aliases.contains(&"work"), "{aliases:?}");
        let new = json!({"alias": "work2", "server": "sandbox"});
        for refused in [
            alice.get("/me/connections/work").await,
            alice.post("/me/connections/work/disable", &json!({})).await,
            alice.post("/me/connections/work/renew", &json!({})).await,
            alice.delete("/me/connections/work").await,
            alice.post("/me/connections", &new).await,
        ] {
            assert_eq!(refused.status.as_u16(), 403, "{}", refused.body);
            assert!(refused.body.contains("No program looks after connections for work."), "{}", refused.body);
        }
        let unlisted = alice.get("/me/connections/home/tools").await;
        assert_eq!((unlisted.status.as_u16(), &unlisted.json()["code"]), (403, &json!("list_forbidden")), "{}", unlisted.body);
        let by_rule = "SELECT COUNT(*) FROM audit_event WHERE action = 'api.request' AND reason = 'policy' \
            AND policy_version = '1' AND detail LIKE '%\"rule\":\"not_work\"%'";
        let by_list = "SELECT COUNT(*) FROM audit_event WHERE action = 'api.request' AND reason = 'list_forbidden' \
            AND policy_version = '1' AND detail LIKE '%\"rule\":\"quiet\"%'";
        assert_eq!((world.count(by_rule).await, world.count(by_list).await), (5, 1), "{:?}", world.trail().await);
        assert_eq!(acted(&alice, "/me/connections/home/disable").await, (200, json!("disabled")));
    }

    /// ELIC-6, ASVS-16.2.5: credentials go in and never come out, in answers, in refusals or in the paper trail
    async fn credentials_go_in_and_never_come_out(database: TestDatabase) {
        let world = World::on(database).await;
        let (admin, alice) = (Program::of_admin(&world).await, Program::of(&world, "alice@example.com", "").await);
        let wiki = json!({"slug": "wiki", "url": "https://127.0.0.1:9/mcp", "auth": ["header", "basic"]});
        assert_eq!(admin.post("/servers", &wiki).await.status.as_u16(), 201);
        let secret = "swordfish-of-the-story";
        let mut said = vec![alice.post("/me/connections", &json!({"alias": "wiki", "server": "wiki", "answers": {"header": secret}})).await];
        assert_eq!(said[0].status.as_u16(), 201, "{}", said[0].body);
        said.push(alice.post("/me/connections/wiki/renew", &json!({"header": secret})).await);
        assert_eq!(said[1].json()["credential_version"], 2, "{}", said[1].body);
        for wrong in [
            json!({"alias": "b", "server": "wiki", "auth": "basic", "answers": {"basic": secret}}),
            json!({"alias": "b", "server": "wiki", "auth": "basic", "answers": {"basic": {"user": "a:b", "password": secret}}}),
            json!({"alias": "b", "server": "wiki", "answers": {"header": format!("{secret}\n")}}),
            json!({"alias": "b", "server": "wiki", "answers": {"header": [secret]}}),
            json!({"alias": "b", "server": "wiki", "answers": {"settings": {"none": secret}}}),
        ] {
            let refused = alice.post("/me/connections", &wrong).await;
            assert!(refused.status.is_client_error(), "{wrong}");
            said.push(refused);
        }
        said.push(alice.get("/me/connections/wiki").await);
        said.push(admin.get("/connections").await);
        said.push(admin.get("/audit/events?limit=500").await);
        for answer in &said {
            assert!(!answer.body.contains(secret), "{}", answer.body);
        }
    }

    /// T18: somebody else's is not there, whatever is tried with it
    async fn somebody_elses_connection_is_not_there(database: TestDatabase) {
        let world = World::on(database).await;
        let bob = world.add_user("bob@example.com").await;
        world.app.gateway.connections().create(&bob.id, &Alias::parse("hers").unwrap(), "sandbox", "").await.unwrap();
        let alice = Program::of(&world, "alice@example.com", "").await;
        for path in ["/me/connections/hers", "/me/connections/hers/tools"] {
            let (theirs, none) = (alice.get(path).await, alice.get(&path.replace("hers", "nothing")).await);
            assert_eq!((theirs.status.as_u16(), theirs.body), (404, none.body));
        }
        for act in ["test", "renew", "authorize", "enable", "disable"] {
            assert_eq!(acted(&alice, &format!("/me/connections/hers/{act}")).await.0, 404, "{act}");
        }
        assert_eq!(alice.delete("/me/connections/hers").await.status.as_u16(), 404);
    }

    /// SBP-4, T01: authorising is begun by the person on the page, so a program gets a link and nothing was begun
    async fn authorising_is_the_persons_own_act(database: TestDatabase) {
        let (world, upstream) = (World::on(database).await, UpstreamLogin::open().await);
        offer(&world, "notes", &upstream).await;
        connect(&world, &world.alice, "notes", "notes").await;
        let alice = Program::of(&world, "alice@example.com", "").await;
        let link = alice.post("/me/connections/notes/authorize", &json!({})).await.json();
        assert_eq!(link["url"], "http://localhost:8420/connections/notes");
        assert_eq!(world.count("SELECT count(*) FROM upstream_authorization").await, 0);
        assert_eq!(alice.post("/me/connections/sandbox/authorize", &json!({})).await.status.as_u16(), 409);
    }
}
