//! The policy in force: activated, rolled back, blocked tools, and what the audit keeps of it.

use std::sync::Arc;

use portcullis_database::{ChangeFeed, both_engines, on};
use portcullis_resource_server::{BlockedAt, Policies, PolicyError, ToolBlocks};
use serde_json::json;

use crate::draft::{Draft, call};
use crate::stage::{ALL, Stage, Token};

const READ_ONLY: &str = "@id(\"reads\") @reason(\"You may read.\") permit (principal, action, resource);\n\
    @id(\"only_reads\") @reason(\"Nothing but reading, says the policy.\") \
    forbid (principal, action == Action::\"callTool\", resource) unless { resource.risk == Risk::\"read\" };\n\
    @id(\"no_x\") @reason(\"Not this message.\") forbid (principal, action == Action::\"callTool\", resource) \
    when { context.arguments.hasTag(\"/message\") && context.arguments.getTag(\"/message\") == \"x\" };\n";

/// The stores as another process has them: what they change is learned of by reading the change table.
fn elsewhere(stage: &Stage) -> (Policies, ToolBlocks) {
    let clock = || Arc::new(stage.clock.clone());
    let feed = || ChangeFeed::new(stage.database.clone(), clock());
    (
        Policies::new(stage.database.clone(), feed(), clock()),
        ToolBlocks::new(stage.database.clone(), feed(), clock()),
    )
}

async fn tools(stage: &Stage, token: &Token) -> Vec<String> {
    let answer = Draft::modern("/mcp", "tools/list", json!({})).bearing(token).at(stage).await;
    answer.tool_names().iter().map(|name| name.trim_start_matches("sandbox__").to_owned()).collect()
}

/// Whether the audit keeps a refusal for this reason under this version, by this rule.
async fn kept(stage: &Stage, (reason, version, rule): (&str, &str, &str)) -> bool {
    let told = format!("%\"rule\":\"{rule}\"%");
    let rows: Vec<(String,)> = on!(stage.database.read(), |pool| sqlx::query_as(
        "SELECT outcome FROM audit_event WHERE reason = $1 AND policy_version = $2 AND detail LIKE $3"
    )
    .bind(reason)
    .bind(version)
    .bind(&told)
    .fetch_all(pool)
    .await)
    .unwrap();
    rows.iter().any(|(outcome,)| outcome == "refused")
}

both_engines! {
    /// TOOL-1, TOOL-2: an activated policy holds on every node, in lists and calls alike, and the audit names it
    async fn an_activated_policy_holds_everywhere_and_the_audit_names_it(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let token = stage.token(ALL);
        assert_eq!(tools(&stage, &token).await.len(), 10);
        let (policies, _) = elsewhere(&stage);
        let first = policies.activate(READ_ONLY, "ada", "read only").await.unwrap();
        assert_eq!((first.version, first.author.as_str()), (1, "ada"));
        stage.changes.read().await.unwrap();
        assert_eq!(tools(&stage, &token).await, ["echo", "list_files", "read_file", "query_database"]);
        let hidden = call(&stage, &token, "sandbox__create_note", json!({"title": "t", "text": "x"})).await;
        assert_eq!(hidden.code(), -32602);
        assert!(kept(&stage, ("tool_unknown", "1", "only_reads")).await);
        // A listed tool whose call is refused says why.
        let answer = call(&stage, &token, "sandbox__echo", json!({"message": "x"})).await;
        assert_eq!(answer.tool(), ("Not this message.", true));
        assert!(kept(&stage, ("policy", "1", "no_x")).await);
        let answer = call(&stage, &token, "sandbox__echo", json!({"message": "y"})).await;
        assert_eq!(answer.tool(), ("y", false));
        let back = policies.roll_back(0, "bob").await.unwrap();
        assert_eq!((back.version, back.note.as_str()), (2, "back to version 0"));
        stage.changes.read().await.unwrap();
        assert_eq!(tools(&stage, &token).await.len(), 10);
        let versions: Vec<i64> = policies.list().await.unwrap().iter().map(|one| one.version).collect();
        assert_eq!(versions, [2, 1, 0]);
        assert_eq!(stage.outcomes("policy.change").await, ["done", "done"]);
    }

    /// TOOL-1: a rule that forbids lists hides a connection's tools from those it is for, and no call that the policy lets pass
    async fn a_rule_that_forbids_lists_hides_tools_and_no_call(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let token = stage.token(ALL);
        let (policies, _) = elsewhere(&stage);
        let calls = "@id(\"calls\") @reason(\"Calls.\") permit (principal, action == Action::\"callTool\", resource);\n";
        policies.activate(calls, "ada", "from before there were rules about lists").await.unwrap();
        stage.changes.read().await.unwrap();
        assert_eq!(tools(&stage, &token).await.len(), 10, "a list needs no permit of its own");
        let hidden = "@id(\"hide\") @reason(\"Not shown.\") forbid (principal, action == Action::\"listTools\", resource) \
            when { resource.alias == \"sandbox\" };";
        policies.activate(&(calls.to_owned() + hidden), "ada", "").await.unwrap();
        stage.changes.read().await.unwrap();
        assert_eq!(tools(&stage, &token).await.len(), 0);
        let answer = call(&stage, &token, "sandbox__echo", json!({"message": "y"})).await;
        assert_eq!(answer.tool(), ("y", false));
        assert_eq!(stage.outcomes("tools.list").await, ["done", "done"]);
        policies.activate(calls, "ada", "").await.unwrap();
        stage.changes.read().await.unwrap();
        assert_eq!(tools(&stage, &token).await.len(), 10);
        let blind = stage.token(ALL);
        stage.change(&blind, |token| "mcp.tools.execute".clone_into(&mut token.permissions));
        assert_eq!(tools(&stage, &blind).await.len(), 0, "an account that may not see tools sees none");
    }

    /// What does not validate is not activated, and an empty policy permits nothing
    async fn a_policy_that_is_not_right_is_not_activated(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let token = stage.token(ALL);
        let (policies, _) = elsewhere(&stage);
        let wrong = policies.activate("permit (principal, action, resource);", "ada", "").await;
        assert!(matches!(wrong, Err(PolicyError::Invalid(problems)) if problems[0].message.contains("@id")));
        assert!(matches!(policies.activate("", "ada", "line\nbreak").await, Err(PolicyError::Note)));
        assert!(matches!(policies.roll_back(7, "ada").await, Err(PolicyError::Unknown(7))));
        assert_eq!(policies.current().await.unwrap().version, 0);
        policies.activate("// nothing", "ada", "").await.unwrap();
        stage.changes.read().await.unwrap();
        assert_eq!(tools(&stage, &token).await.len(), 0);
        assert_eq!(call(&stage, &token, "sandbox__echo", json!({"message": "x"})).await.code(), -32602);
        assert!(kept(&stage, ("tool_unknown", "1", "no_policy")).await);
    }

    /// Versions have one order, however many activate at once
    async fn activations_at_the_same_moment_have_an_order(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let mut all = tokio::task::JoinSet::new();
        for number in 0..8 {
            let (policies, _) = elsewhere(&stage);
            all.spawn(async move { policies.activate(&format!("// {number}"), "ada", "").await });
        }
        let mut made = Vec::new();
        while let Some(answer) = all.join_next().await {
            match answer.unwrap() {
                Ok(version) => made.push(version.version),
                Err(error) => assert!(matches!(error, PolicyError::Raced), "{error:?}"),
            }
        }
        made.sort_unstable();
        let expected: Vec<i64> = (1..).take(made.len()).collect();
        assert_eq!(made, expected);
        assert!(!made.is_empty());
    }

    /// A block holds at once for everybody, whatever the policy says, in its place alone
    async fn a_blocked_tool_is_gone(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let token = stage.token(ALL);
        let (_, blocks) = elsewhere(&stage);
        let here = BlockedAt::Connection(stage.sandbox.id.clone());
        for at in [BlockedAt::Anywhere, BlockedAt::Server("sandbox".to_owned()), here] {
            assert!(blocks.block("echo", &at, "ada", "odd").await.unwrap());
            assert!(!blocks.block("echo", &at, "ada", "again").await.unwrap());
            stage.changes.read().await.unwrap();
            assert!(!tools(&stage, &token).await.contains(&"echo".to_owned()), "{at:?}");
            assert_eq!(call(&stage, &token, "sandbox__echo", json!({"message": "x"})).await.code(), -32602);
            assert!(kept(&stage, ("tool_unknown", "0", "blocked")).await);
            assert!(blocks.unblock("echo", &at, "ada").await.unwrap());
            assert!(!blocks.unblock("echo", &at, "ada").await.unwrap());
        }
        blocks.block("echo", &BlockedAt::Server("github".to_owned()), "ada", "").await.unwrap();
        stage.changes.read().await.unwrap();
        assert!(tools(&stage, &token).await.contains(&"echo".to_owned()));
        assert_eq!(stage.outcomes("policy.change").await.len(), 7);
    }

    /// Without a policy to decide by, nothing is decided: a later release's is not guessed at
    async fn a_policy_that_cannot_be_read_allows_nothing(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let token = stage.token(ALL);
        on!(stage.database.write(), |pool| sqlx::query(
            "INSERT INTO policy_version (version, text, author, note, created_at) VALUES (1, 'later (x);', 'x', '', 0)"
        )
        .execute(pool)
        .await
        .map(drop))
        .unwrap();
        let answer = call(&stage, &token, "sandbox__echo", json!({"message": "x"})).await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "5"));
        assert_eq!(tools(&stage, &token).await.len(), 0);
    }
}
