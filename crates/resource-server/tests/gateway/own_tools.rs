//! Our own tools at `/mcp`: a program learns how its user's connections stand and gets links to our pages, and nothing more.

use std::sync::Arc;

use portcullis_database::{ChangeFeed, both_engines};
use portcullis_resource_server::Policies;
use portcullis_resource_server::catalogue::{NewTools, Servers, Slug};
use portcullis_resource_server::oauth::{Alias, GrantedConnections, PrincipalId, PrincipalKind};
use serde_json::{Value, json};

use crate::draft::{Answer, Draft, call};
use crate::stage::{ALL, ORIGIN, Stage, Token};

const OWN: [&str; 3] = ["gateway__list_connections", "gateway__connection_status", "gateway__start_connect"];
const MANAGE: &str = "mcp.connections.manage";

/// A token of Alice's with this scope, who may manage her connections.
fn manager(stage: &Stage, scope: &str) -> Token {
    let token = stage.token(scope);
    stage.change(&token, |token| token.permissions = format!("{ALL} {MANAGE}"));
    token
}

async fn ask(stage: &Stage, token: &Token, name: &str, arguments: Value) -> Value {
    let answer = call(stage, token, name, arguments).await;
    assert_eq!(answer.body["result"]["isError"], false, "{}", answer.body);
    answer.body["result"]["structuredContent"].clone()
}

async fn listed(stage: &Stage, token: &Token, path: &str) -> Answer {
    Draft::modern(path, "tools/list", json!({})).bearing(token).at(stage).await
}

both_engines! {
    /// MCP-AUTH-9, MCP-AUTH-10, TOOL-1, TOOL-2, SBP-10: shown to those who have the scope, a step-up for everybody else
    async fn they_are_there_for_those_who_were_given_the_scope(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let with = manager(&stage, &format!("{ALL} {MANAGE}"));
        assert_eq!(listed(&stage, &with, "/mcp").await.tool_names()[..3], OWN);
        let without = manager(&stage, ALL);
        assert!(!listed(&stage, &without, "/mcp").await.tool_names().iter().any(|name| name.starts_with("gateway__")));
        let more = call(&stage, &without, OWN[0], json!({})).await;
        assert_eq!(more.status.as_u16(), 403);
        let challenge = more.header("www-authenticate");
        assert!(challenge.contains("insufficient_scope") && challenge.contains(&format!("scope=\"{MANAGE}\"")), "{challenge}");
        let may_not = stage.token(&format!("{ALL} {MANAGE}"));
        assert_eq!(listed(&stage, &may_not, "/mcp").await.tool_names().len(), 10);
        let refused = call(&stage, &may_not, OWN[0], json!({})).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (200, -32602), "{}", refused.body);
        let mut reasons = stage.reasons().await;
        reasons.sort();
        assert_eq!(reasons, ["permission_missing", "scope_missing"]);
    }

    /// T18: at one connection there are its own tools alone, whatever they are called
    async fn they_are_at_the_aggregate_alone(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let token = stage.token_of(&stage.alice, "/mcp/sandbox", &format!("{ALL} {MANAGE}"));
        stage.change(&token, |token| token.permissions = format!("{ALL} {MANAGE}"));
        let names = listed(&stage, &token, "/mcp/sandbox").await;
        assert!(names.tool_names().contains(&"echo") && !names.tool_names().contains(&OWN[0]));
        let params = json!({"name": OWN[0], "arguments": {}});
        let refused = Draft::modern("/mcp/sandbox", "tools/call", params).bearing(&token).at(&stage).await;
        assert_eq!(refused.code(), -32602);
    }

    /// ELIC-6: how they stand, in words, and never with a secret
    async fn a_program_learns_how_connections_stand(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let token = manager(&stage, MANAGE);
        let secret = "sk-of-the-story-that-nobody-reads";
        stage.connect_with("wiki", "http://127.0.0.1:9/mcp", (NewTools::Allow, Some(secret))).await;
        let told = ask(&stage, &token, OWN[0], json!({})).await;
        let aliases: Vec<_> = told["connections"].as_array().unwrap().iter().map(|one| one["alias"].clone()).collect();
        assert_eq!(aliases, ["sandbox", "wiki"]);
        assert_eq!(told["servers"][1], json!({"server": "wiki", "title": "wiki"}));
        let status = ask(&stage, &token, OWN[1], json!({"alias": "wiki"})).await;
        assert_eq!((&status["status"], &status["sign_in"]), (&json!("degraded"), &json!("header")), "{status}");
        assert_eq!(status["page"], format!("{ORIGIN}/connections/wiki"));
        assert_eq!(status["since"], "2027-01-15T08:00:00Z");
        assert!(!status.to_string().contains(secret) && !told.to_string().contains(secret));
        assert_eq!(stage.outcomes("tools.call").await, ["done", "done"]);
    }

    /// TOOL-4: a link to our own page, and no argument for a credential
    async fn connecting_is_begun_by_a_link_and_never_by_a_secret(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let token = manager(&stage, MANAGE);
        let there = ask(&stage, &token, OWN[2], json!({"alias": "sandbox"})).await;
        assert_eq!(there["url"], format!("{ORIGIN}/connections/sandbox"));
        let new = ask(&stage, &token, OWN[2], json!({"alias": "more", "server": "sandbox"})).await;
        assert_eq!(new["url"], format!("{ORIGIN}/connect?server=sandbox&alias=more"));
        assert!(stage.gateway.connections().find(&stage.alice, &Alias::parse("more").unwrap()).await.unwrap().is_none());
        for wrong in [
            json!({}),
            json!({"alias": "more", "token": "sk-1"}),
            json!({"alias": "more", "password": "x"}),
            json!({"alias": "Not it"}),
            json!({"alias": "gateway"}),
            json!({"alias": "more", "server": "../etc"}),
            json!({"alias": "more", "server": "nowhere"}),
        ] {
            assert_eq!(call(&stage, &token, OWN[2], wrong.clone()).await.body["result"]["isError"], true, "{wrong}");
        }
        let servers = Servers::new(stage.database.clone(), stage.changes.clone(), Arc::new(stage.clock.clone()));
        servers.set_disabled(&Slug::parse("sandbox").unwrap(), true).await.unwrap();
        let off = call(&stage, &token, OWN[2], json!({"alias": "more", "server": "sandbox"})).await;
        assert_eq!(off.body["result"]["isError"], true);
    }

    /// T18: somebody else's, one that was not granted, and one that is not there are the same
    async fn nothing_of_somebody_elses_is_visible(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let (token, bob) = (manager(&stage, MANAGE), PrincipalId::generate(PrincipalKind::User));
        let alias = |name: &str| Alias::parse(name).unwrap();
        stage.gateway.connections().create(&bob, &alias("hers"), "sandbox", "").await.unwrap();
        stage.gateway.connections().create(&stage.alice, &alias("kept"), "sandbox", "").await.unwrap();
        stage.change(&token, |token| token.reach = GrantedConnections::Named(vec![stage.sandbox.id.clone()]));
        let told = ask(&stage, &token, OWN[0], json!({})).await;
        assert_eq!(told["connections"].as_array().unwrap().len(), 1, "{told}");
        for tool in [OWN[1], OWN[2]] {
            let said = async |name: &str| {
                let answer = call(&stage, &token, tool, json!({"alias": name})).await;
                answer.body["result"]["content"].to_string().replace(name, "X")
            };
            assert_eq!(said("hers").await, said("nothing").await, "{tool}");
        }
        let kept = call(&stage, &token, OWN[1], json!({"alias": "kept"})).await;
        assert_eq!(kept.tool(), ("There is no connection kept that this client may look after.", true));
        let link = ask(&stage, &token, OWN[2], json!({"alias": "kept"})).await;
        assert_eq!((&link["exists"], &link["url"]), (&json!(false), &json!(format!("{ORIGIN}/connect?alias=kept"))));
    }

    /// The policy's action `manageConnection` decides, and the audit names the rule
    async fn the_policy_decides(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let token = manager(&stage, &format!("{ALL} {MANAGE}"));
        let feed = ChangeFeed::new(stage.database.clone(), Arc::new(stage.clock.clone()));
        let policies = Policies::new(stage.database.clone(), feed, Arc::new(stage.clock.clone()));
        let text = "@id(\"all\") @reason(\"-\") permit (principal, action, resource);\n\
            @id(\"hands_off\") @reason(\"Programs keep their hands off the sandbox.\") \
            forbid (principal, action == Action::\"manageConnection\", resource) when { resource.server.name == \"sandbox\" };";
        policies.activate(text, "ada", "").await.unwrap();
        stage.changes.read().await.unwrap();
        assert_eq!(ask(&stage, &token, OWN[0], json!({})).await["connections"], json!([]));
        for (tool, arguments) in [
            (OWN[1], json!({"alias": "sandbox"})),
            (OWN[2], json!({"alias": "sandbox"})),
            (OWN[2], json!({"alias": "more", "server": "sandbox"})),
        ] {
            let refused = call(&stage, &token, tool, arguments).await;
            assert_eq!(refused.tool(), ("Programs keep their hands off the sandbox.", true), "{}", refused.body);
        }
        assert_eq!(stage.reasons().await.iter().filter(|reason| *reason == "policy").count(), 3);
        let agents = "@id(\"all\") @reason(\"Only people.\") permit (principal, action, resource) when { context.assurance >= 2 };";
        policies.activate(agents, "ada", "").await.unwrap();
        stage.changes.read().await.unwrap();
        let refused = call(&stage, &token, OWN[2], json!({"alias": "sandbox"})).await;
        assert_eq!(refused.tool().0, "Only people. The user has to do this without a program, on the gateway's own pages.");
    }

    /// TOOL-10: ten a minute of one tool, like every other
    async fn they_have_the_limits_of_every_tool(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let token = manager(&stage, MANAGE);
        for _ in 0..10 {
            ask(&stage, &token, OWN[0], json!({})).await;
        }
        let refused = call(&stage, &token, OWN[0], json!({})).await;
        assert!(refused.tool().0.starts_with("This tool was called too often."), "{}", refused.body);
        assert_eq!(ask(&stage, &token, OWN[1], json!({"alias": "sandbox"})).await["status"], "active");
    }
}
