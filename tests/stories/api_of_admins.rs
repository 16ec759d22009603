//! What those who administer this server do through the API: the same that commands do.

use portcullis_database::both_engines;
use portcullis_oauth::Alias;
use portcullis_tests::{Browser, Client, Program, UpstreamLogin, World};
use serde_json::{Value, json};

use crate::upstream_stage::{connect, offer};

const READ_ONLY: &str = "@id(\"reads\") @reason(\"You may read.\") permit (principal, action, resource);\n\
    @id(\"only_reads\") @reason(\"Nothing but reading.\") \
    forbid (principal, action == Action::\"callTool\", resource) unless { resource.risk == Risk::\"read\" };\n";

/// A rule about everything that the policy is asked about.
const EVERYTHING: &str = r#"
    @id("owners") @reason("Yours.") permit (principal, action, resource) when { principal.id == resource.owner };
    @id("salaries") @reason("Not those.") forbid (principal, action == Action::"getPrompt", resource)
    when { context.arguments.hasTag("/of") && context.arguments.getTag("/of") == "salaries" };
    @id("secrets") @reason("Secret.") forbid (principal, action == Action::"readResource", resource)
    when { resource.uri like "file:///secret/*" };
    @id("quiet") @reason("Not listed.") forbid (principal, action == Action::"listTools", resource);
    @id("by_hand") @reason("By hand.") forbid (principal, action == Action::"manageConnection", resource)
    unless { context.client.id == "portcullis" };"#;

fn items(answer: &portcullis_tests::Answer, key: &str) -> Vec<Value> {
    let told = answer.json();
    let items = told["items"].as_array().unwrap_or_else(|| panic!("{}", answer.body));
    items.iter().map(|item| item[key].clone()).collect()
}

async fn status(program: &Program<'_>, path: &str, body: Value) -> u16 {
    program.post(path, &body).await.status.as_u16()
}

both_engines! {
    async fn the_catalogue_is_kept(database: TestDatabase) {
        let world = World::on(database).await;
        let (admin, alice) = (Program::of_admin(&world).await, Program::of(&world, "alice@example.com", "").await);
        let wiki = json!({"slug": "wiki", "title": "Wiki", "url": "https://127.0.0.1:9/mcp", "auth": ["header"]});
        let added = admin.post("/servers", &wiki).await;
        assert_eq!((added.status.as_u16(), &added.json()["url"]), (201, &json!("https://127.0.0.1:9/mcp")));
        assert_eq!(status(&admin, "/servers", wiki).await, 409);
        let imported = admin.post("/servers/import", &json!({"mcpServers": {"Git Hub": {
            "url": "https://git.example/mcp", "headers": {"Authorization": "Bearer ghp_secretsecretsecret"},
        }}})).await;
        assert_eq!(imported.status.as_u16(), 201, "{}", imported.body);
        assert!(!imported.body.contains("ghp_"), "{}", imported.body);
        assert_eq!(items(&alice.get("/me/servers").await, "slug"), ["git-hub", "sandbox", "wiki"]);
        assert!(!alice.get("/me/servers").await.body.contains("127.0.0.1"), "where it runs is nobody's business");
        assert_eq!(status(&admin, "/servers/wiki/disable", json!({})).await, 200);
        assert_eq!(items(&alice.get("/me/servers").await, "slug"), ["git-hub", "sandbox"]);
        assert_eq!(status(&admin, "/servers/wiki/enable", json!({})).await, 200);
        let first = admin.get("/servers?limit=2").await;
        assert_eq!(items(&first, "slug"), ["git-hub", "sandbox"]);
        let next = first.json()["next"].as_str().unwrap().to_owned();
        let last = admin.get(&format!("/servers?limit=2&cursor={next}")).await;
        assert_eq!((items(&last, "slug"), &last.json()["next"]), (vec![json!("wiki")], &Value::Null));
        let made = json!({"alias": "wiki", "server": "wiki", "answers": {"header": "sk-of-the-story"}});
        assert_eq!(status(&alice, "/me/connections", made).await, 201);
        assert_eq!(admin.delete("/servers/wiki").await.status.as_u16(), 204);
        assert_eq!(alice.get("/me/connections/wiki").await.status.as_u16(), 404, "what led there goes with it");
        let trail = world.trail().await;
        let done = trail.iter().filter(|line| line.starts_with("api.request done")).count();
        assert_eq!(done, 6, "every change says who made it: {trail:?}");
        let detail = "SELECT detail FROM audit_event WHERE action = 'api.request' AND detail LIKE '%removeServer%'";
        assert_eq!(world.text(detail).await, r#"{"operation":"removeServer"}"#);
    }

    /// T33: what a server may ask clients for is an administrator's to say, in words that are known
    async fn a_server_asks_for_what_an_admin_says(database: TestDatabase) {
        let world = World::on(database).await;
        let admin = Program::of_admin(&world).await;
        let wiki = json!({"slug": "wiki", "url": "https://127.0.0.1:9/mcp", "auth": ["header"], "relays": ["roots"]});
        assert_eq!(admin.post("/servers", &wiki).await.json()["relays"], json!(["roots"]));
        let relays = async |slug: &str, words: Value| {
            admin.post(&format!("/servers/{slug}/relays"), &json!({"relays": words})).await
        };
        let both = relays("wiki", json!(["roots", "sampling"])).await;
        assert_eq!(both.json()["relays"], json!(["sampling", "roots"]), "{}", both.body);
        assert_eq!(relays("wiki", json!([])).await.json()["relays"], json!([]));
        let unknown = relays("wiki", json!(["everything"])).await;
        assert_eq!((unknown.status.as_u16(), &unknown.json()["code"]), (422, &json!("server_invalid")));
        assert!(unknown.body.contains("there are sampling and roots"), "{}", unknown.body);
        assert_eq!(relays("sandbox", json!(["roots"])).await.status.as_u16(), 422);
        assert_eq!(relays("nobody", json!(["roots"])).await.status.as_u16(), 404);
        assert_eq!(items(&admin.get("/servers").await, "relays"), [json!([]), json!([])]);
        let detail = "SELECT detail FROM audit_event WHERE reason = 'server_relays' ORDER BY at LIMIT 1";
        assert_eq!(world.text(detail).await, r#"{"relays":["sampling","roots"],"server":"wiki"}"#);
    }

    /// Administrators see how everybody's connections stand, and no credential
    async fn everybodys_connections_are_seen_and_ended(database: TestDatabase) {
        let world = World::on(database).await;
        let (admin, bob) = (Program::of_admin(&world).await, world.add_user("bob@example.com").await);
        let connections = world.app.gateway.connections();
        let hers = connections.create(&bob.id, &Alias::parse("hers").unwrap(), "sandbox", "").await.unwrap();
        assert_eq!(items(&admin.get("/connections").await, "alias").len(), 3);
        assert_eq!(items(&admin.get("/connections?user=bob@example.com").await, "alias"), ["hers", "sandbox"]);
        assert_eq!(admin.get("/connections?user=nobody@example.com").await.status.as_u16(), 404);
        let path = format!("/connections/{}", hers.id);
        let off = admin.post(&format!("{path}/disable"), &json!({})).await;
        assert_eq!((&off.json()["status"], &off.json()["status_code"]), (&json!("disabled"), &json!("by_admin")));
        let owner = Program::of(&world, "bob@example.com", "").await;
        assert_eq!(status(&owner, "/me/connections/hers/enable", json!({})).await, 409, "the owner cannot undo it");
        assert_eq!(status(&admin, &format!("{path}/enable"), json!({})).await, 200);
        assert_eq!(admin.delete(&path).await.status.as_u16(), 204);
        assert_eq!(admin.get(&path).await.status.as_u16(), 404);
    }

    async fn a_policy_is_tried_before_it_bites_and_taken_back(database: TestDatabase) {
        let world = World::on(database).await;
        let admin = Program::of_admin(&world).await;
        let checked = admin.post("/policy/check", &json!({"text": "permit (principal, action, resource);"})).await.json();
        assert_eq!(checked["problems"][0]["line"], 1, "{checked}");
        let refused = admin.post("/policy/activate", &json!({"text": "permit (principal, action, resource);"})).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["errors"]), (422, &checked["problems"]));
        let question = json!({"user": "alice@example.com", "connection": "sandbox", "tool": "create_note"});
        let before = admin.post("/policy/explain", &question).await.json();
        assert_eq!((&before["decision"], &before["rule"]), (&json!("needs 2"), &json!("approval_needed")), "{before}");
        let made = admin.post("/policy/activate", &json!({"text": READ_ONLY, "note": "read only"})).await;
        assert_eq!((made.status.as_u16(), &made.json()["author"]), (201, &json!("root@example.com")));
        let after = admin.post("/policy/explain", &question).await.json();
        assert_eq!((&after["version"], &after["decision"]), (&json!(1), &json!("deny")), "{after}");
        let diff = admin.get("/policy/diff?from=0").await.json();
        assert!(diff["diff"].as_str().unwrap().contains("+@id(\"reads\")"), "{diff}");
        assert_eq!(admin.post("/policy/rollback", &json!({"version": 0})).await.json()["version"], 2);
        assert_eq!(status(&admin, "/policy/rollback", json!({"version": 7})).await, 404);
        assert_eq!(items(&admin.get("/policy/versions").await, "version"), [2, 1, 0]);
        assert_eq!(admin.get("/policy/versions/1").await.json()["text"], READ_ONLY);
    }

    /// What is explained is what the gate itself says, for everything that the policy is asked about
    async fn everything_that_the_policy_is_asked_about_is_explained(database: TestDatabase) {
        let (world, upstream) = (World::on(database).await, UpstreamLogin::open().await);
        let (admin, alice) = (Program::of_admin(&world).await, Program::of(&world, "alice@example.com", "").await);
        let client = Client::public(&world).await;
        offer(&world, "notes", &upstream).await;
        connect(&world, &world.alice, "notes", "notes").await;
        let activated = admin.post("/policy/activate", &json!({"text": EVERYTHING})).await;
        assert_eq!(activated.status.as_u16(), 201, "{}", activated.body);
        world.app.changes.read().await.unwrap();
        let told = async |mut question: Value| {
            (question["user"], question["connection"]) = (json!("alice@example.com"), json!("notes"));
            let answer = admin.post("/policy/explain", &question).await.json();
            format!("{} {}", answer["decision"].as_str().unwrap_or("?"), answer["rule"].as_str().unwrap_or(&answer["code"].to_string()))
        };
        for (question, said) in [
            (json!({"tool": "delete_note"}), "needs 2 approval_needed"),
            (json!({"tool": "weigh"}), "needs 2 approval_needed"),
            (json!({"prompt": "review"}), "allow owners"),
            (json!({"prompt": "review", "arguments": {"of": "salaries"}}), "deny salaries"),
            (json!({"resource": "file:///plan.md"}), "allow owners"),
            (json!({"resource": "file:///secret/plan.md"}), "deny secrets"),
            (json!({"list": true}), "deny quiet"),
            (json!({"manage": true}), "allow not_forbidden"),
            (json!({"manage": true, "client": &client.id}), "deny by_hand"),
            (json!({}), "? \"question_invalid\""),
            (json!({"list": true, "manage": true}), "? \"question_invalid\""),
            (json!({"tool": "weigh", "resource": "file:///plan.md"}), "? \"question_invalid\""),
            (json!({"manage": true, "arguments": {}}), "? \"question_invalid\""),
        ] {
            assert_eq!(told(question.clone()).await, said, "{question}");
        }
        let refused = alice.get("/me/connections/notes").await;
        assert!(refused.status.as_u16() == 403 && refused.body.contains("By hand."), "{}", refused.body);
        assert_eq!(Browser::signed_in(&world).await.get("/connections/notes").await.status.as_u16(), 200);
        assert_eq!(status(&admin, "/servers/notes/disable", json!({})).await, 200);
        for question in [json!({"tool": "weigh"}), json!({"prompt": "review"}), json!({"resource": "file:///plan.md"})] {
            assert_eq!(told(question).await, "deny removed");
        }
    }

    async fn a_tool_is_blocked_and_the_record_tells_by_whom(database: TestDatabase) {
        let world = World::on(database).await;
        let admin = Program::of_admin(&world).await;
        let client = Client::public(&world).await.connect(&world).await.access;
        let says = async || {
            let params = json!({"name": "sandbox__echo", "arguments": {"message": "x"}});
            world.mcp(&client, "tools/call", params).await.json()["error"]["code"].as_i64()
        };
        assert_eq!(says().await, None);
        assert_eq!(status(&admin, "/blocks", json!({"tool": "echo", "server": "sandbox", "note": "wait"})).await, 201);
        assert_eq!(status(&admin, "/blocks", json!({"tool": "echo", "server": "sandbox"})).await, 409);
        assert_eq!(says().await, Some(-32602), "at once");
        assert_eq!(admin.delete("/blocks?tool=echo").await.status.as_u16(), 404, "another place");
        assert_eq!(admin.delete("/blocks?tool=echo&server=sandbox").await.status.as_u16(), 204);
        assert_eq!(says().await, None);
        let page = admin.get("/audit/events?action=policy.change&limit=1").await;
        assert_eq!(items(&page, "action"), ["policy.change"]);
        let next = page.json()["next"].as_str().unwrap().to_owned();
        let rest = admin.get(&format!("/audit/events?action=policy.change&cursor={next}")).await;
        assert_eq!(items(&rest, "reason").len(), 1);
        let refused = admin.get("/audit/events?user=alice@example.com&decision=refused&since=0").await;
        assert_eq!(items(&refused, "reason"), ["tool_unknown"]);
        assert_eq!(admin.get("/audit/events?cursor=nonsense").await.status.as_u16(), 400);
        let attempt = items(&admin.get("/attempts?user=alice@example.com").await, "id")[0].as_str().unwrap().to_owned();
        assert_eq!(admin.get(&format!("/attempts/{attempt}")).await.json()["outcome"], "done");
    }
}
