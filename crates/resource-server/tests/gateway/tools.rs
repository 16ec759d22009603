//! Tools: who sees which, who may call them, what is refused and how, and what the audit keeps of it.

use crate::draft::{Draft, call};
use crate::paper::left_by;
use crate::stage::{ALL, Stage};
use portcullis_database::both_engines;
use portcullis_database::on;
use portcullis_database::testing::sqlite;
use portcullis_resource_server::ConnectionError;
use portcullis_resource_server::oauth::{
    Alias, ClientId, GrantedConnections, PrincipalId, PrincipalKind, Seconds,
};
use serde_json::json;

fn list(path: &str) -> Draft {
    Draft::modern(path, "tools/list", json!({}))
}

both_engines! {
    /// TOOL-1, TOOL-9: stable order, own names at one connection, alias before them at the aggregate
    async fn lists_show_what_the_grant_reaches(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let second = Alias::parse("demo").unwrap();
        stage.gateway.connections().create(&stage.alice, &second, "sandbox", "Second").await.unwrap();
        let everything = stage.token(ALL);
        let all = list("/mcp").bearing(&everything).at(&stage).await;
        assert_eq!(all.tool_names().len(), 20);
        assert_eq!((all.tool_names()[0], all.tool_names()[10]), ("demo__echo", "sandbox__echo"));
        let narrow = stage.token(ALL);
        stage.change(&narrow, |token| token.reach = GrantedConnections::Named(vec![stage.sandbox.id.clone()]));
        let some = list("/mcp").bearing(&narrow).at(&stage).await;
        assert_eq!(some.tool_names().len(), 10);
        assert!(some.tool_names().iter().all(|name| name.starts_with("sandbox__")));
        let one = stage.token_of(&stage.alice.clone(), "/mcp/demo", ALL);
        let own = list("/mcp/demo").bearing(&one).at(&stage).await;
        assert_eq!(
            own.tool_names(),
            ["echo", "slow", "fail", "list_files", "read_file", "query_database", "create_note", "update_note", "delete_note", "send_message"]
        );
        let none = stage.token_of(&stage.alice.clone(), "/mcp/nothing", ALL);
        assert_eq!(list("/mcp/nothing").bearing(&none).at(&stage).await.code(), -32602);
    }

    /// What can be listed can be read, whatever stands before it at the aggregate, and nothing longer is asked for or remembered
    async fn an_address_is_bounded_by_what_can_be_listed(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let alice = stage.token(ALL);
        let read = |length: usize| {
            Draft::modern("/mcp", "resources/read", json!({"uri": format!("sandbox+{}", "x".repeat(length))}))
        };
        let nothing = read(4_096).bearing(&alice).at(&stage).await;
        assert_eq!(nothing.code(), -32603, "the sandbox was asked, which has none");
        let refused = left_by(&stage, read(4_097).bearing(&alice)).await;
        assert_eq!(refused, ["resources.read refused invalid_params"]);
    }

    /// When the built-in server was used is told as of any other
    async fn a_call_at_the_sandbox_is_a_use_of_its_connection(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let connections = stage.gateway.connections();
        let now = || async { connections.get(&stage.sandbox.id).await.unwrap().unwrap() };
        assert_eq!(now().await.last_used_at, None);
        call(&stage, &stage.token(ALL), "sandbox__echo", json!({"message": "x"})).await;
        assert!(now().await.last_used_at.is_some());
    }

    /// T18: a long list comes in pages, and a cursor is its caller's alone
    async fn a_long_list_comes_in_pages_whose_cursors_mean_nothing_to_others(database: TestDatabase) {
        let stage = Stage::set(database).await;
        for number in 0..50 {
            let alias = Alias::parse(&format!("more{number:02}")).unwrap();
            stage.gateway.connections().create(&stage.alice, &alias, "sandbox", "More").await.unwrap();
        }
        let alice = stage.token(ALL);
        let first = list("/mcp").bearing(&alice).at(&stage).await;
        assert_eq!((first.tool_names().len(), first.tool_names()[499]), (500, "more49__send_message"));
        let cursor = first.body["result"]["nextCursor"].clone();
        let next = || Draft::modern("/mcp", "tools/list", json!({"cursor": cursor}));
        let second = next().bearing(&alice).at(&stage).await;
        assert_eq!((second.tool_names().len(), second.tool_names()[0]), (10, "sandbox__echo"));
        assert_eq!(second.body["result"].get("nextCursor"), None);
        let other_client = stage.token(ALL);
        stage.change(&other_client, |token| token.client = ClientId::from("client_b".to_owned()));
        let bob = stage.token_of(&PrincipalId::generate(PrincipalKind::User), "/mcp", ALL);
        for token in [&other_client, &bob] {
            let answer = next().bearing(token).at(&stage).await;
            assert_eq!((answer.code(), &answer.body["error"]["message"]), (-32602, &json!("there is no such cursor")));
        }
    }

    /// TOOL-1, TOOL-2, TOOL-4, SBP-10, T18: a foreign, an unreached, a hidden and an unknown tool are the same
    async fn an_unknown_tool_is_one_that_this_caller_cannot_reach(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let bob = stage.token_of(&PrincipalId::generate(PrincipalKind::User), "/mcp", ALL);
        let narrow = stage.token(ALL);
        stage.change(&narrow, |token| token.reach = GrantedConnections::Named(vec![]));
        let demoted = stage.token(ALL);
        stage.change(&demoted, |token| "mcp.tools.read".clone_into(&mut token.permissions));
        for token in [&bob, &narrow, &demoted] {
            let answer = call(&stage, token, "sandbox__echo", json!({"message": "x"})).await;
            assert_eq!((answer.status.as_u16(), answer.code()), (200, -32602));
            assert_eq!(answer.body["error"]["message"], "Unknown tool: sandbox__echo");
            assert!(list("/mcp").bearing(token).at(&stage).await.tool_names().is_empty());
        }
        let alice = stage.token(ALL);
        for name in ["sandbox__nothing", "nobody__echo", "echo", "__", "Sandbox__echo"] {
            assert_eq!(call(&stage, &alice, name, json!({})).await.code(), -32602, "{name}");
        }
        assert!(stage.outcomes("tools.call").await.iter().all(|outcome| outcome == "refused"));
    }

    /// T18: not even the state of a connection that the grant does not reach is told
    async fn a_connection_out_of_reach_has_no_state(database: TestDatabase) {
        let stage = Stage::set(database).await;
        on!(stage.database.write(), |pool| sqlx::query("UPDATE connection SET status = 'disabled'")
            .execute(pool)
            .await
            .map(drop))
        .unwrap();
        let nothing = GrantedConnections::Named(vec![]);
        let narrow = stage.token_of(&stage.alice.clone(), "/mcp/sandbox", ALL);
        stage.change(&narrow, |token| token.reach = nothing.clone());
        assert_eq!(list("/mcp/sandbox").bearing(&narrow).at(&stage).await.code(), -32602);
        let at_all = stage.token(ALL);
        stage.change(&at_all, |token| token.reach = nothing.clone());
        assert_eq!(call(&stage, &at_all, "sandbox__echo", json!({"message": "x"})).await.code(), -32602);
        assert_eq!(list("/mcp").bearing(&at_all).at(&stage).await.body["result"]["_meta"].get("portcullis/missingConnections"), None);
    }

    /// An alias is its owner's once; somebody else may have the same
    async fn an_alias_is_unique_to_its_owner(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let connections = stage.gateway.connections();
        let again = connections.create(&stage.alice, &stage.sandbox.alias, "sandbox", "Again").await;
        assert!(matches!(again, Err(ConnectionError::AliasTaken)));
        let bob = PrincipalId::generate(PrincipalKind::User);
        connections.create(&bob, &stage.sandbox.alias, "sandbox", "Bob's").await.unwrap();
        assert_eq!(connections.list(&stage.alice).await.unwrap(), std::slice::from_ref(&stage.sandbox));
        assert_eq!(connections.find(&stage.alice, &stage.sandbox.alias).await.unwrap(), Some(stage.sandbox));
    }

    /// ASVS-16.5.1: a call that cannot be noted does not happen
    async fn without_its_line_in_the_audit_no_call_runs(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let token = stage.token(ALL);
        on!(stage.database.write(), |pool| sqlx::query("DROP TABLE audit_event").execute(pool).await.map(drop)).unwrap();
        let answer = call(&stage, &token, "sandbox__echo", json!({"message": "x"})).await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "5"));
    }

    /// Every call is noted before and after; a sensitive one is refused and says why
    async fn the_audit_tells_of_each_call_and_of_each_refusal(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let token = stage.token(ALL);
        call(&stage, &token, "sandbox__echo", json!({"message": "x"})).await;
        assert_eq!(stage.outcomes("tools.call").await, ["done", "started"]);
        let answer = call(&stage, &token, "sandbox__create_note", json!({"title": "t", "text": "x"})).await;
        let (text, refused) = answer.tool();
        assert!(refused && text.starts_with("NOT EXECUTED."), "{text}");
        assert_eq!(stage.outcomes("tools.call").await, ["done", "refused", "started"]);
        assert_eq!(stage.reasons().await, ["approval_needed"]);
        let rows: Vec<(String, String, String, String)> = on!(stage.database.read(), |pool| sqlx::query_as(
            "SELECT principal_id, client_id, connection_id, tool FROM audit_event WHERE outcome = 'refused'"
        )
        .fetch_all(pool)
        .await)
        .unwrap();
        let expected = (stage.alice.to_string(), "client_a".to_owned(), stage.sandbox.id.to_string(), "sandbox__create_note".to_owned());
        assert_eq!(rows, [expected]);
    }

    /// A connection that is not active is named in the list and answers with what to do
    async fn a_connection_that_needs_its_owner_says_so(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let token = stage.token(ALL);
        on!(stage.database.write(), |pool| sqlx::query("UPDATE connection SET status = 'reauth_required'")
            .execute(pool)
            .await
            .map(drop))
        .unwrap();
        let listed = list("/mcp").bearing(&token).at(&stage).await;
        assert!(listed.tool_names().is_empty());
        assert_eq!(listed.body["result"]["_meta"]["portcullis/missingConnections"], json!({"sandbox": "reauth_required"}));
        let answer = call(&stage, &token, "sandbox__echo", json!({"message": "x"})).await;
        let (text, refused) = answer.tool();
        assert!(refused && text.contains("authorised again"), "{text}");
    }
}

/// TOOL-4, DC-27
#[tokio::test]
async fn arguments_that_do_not_fit_are_told_to_the_model() {
    let stage = Stage::set(sqlite().await).await;
    let token = stage.token(ALL);
    for (tool, arguments) in [
        ("echo", json!({})),
        ("echo", json!({"message": 1})),
        ("slow", json!({"seconds": 11})),
        ("query_database", json!({"table": "sqlite_master"})),
    ] {
        let answer = call(&stage, &token, &format!("sandbox__{tool}"), arguments).await;
        assert_eq!(answer.status, 200);
        let (text, refused) = answer.tool();
        assert!(refused && text.starts_with("The arguments do not fit"), "{text}");
    }
    let malformed = Draft::modern("/mcp", "tools/call", json!({"name": "sandbox__echo", "arguments": "x"}));
    assert_eq!(malformed.bearing(&token).at(&stage).await.code(), -32602);
}

/// TOOL-10: ten a minute of one tool, sixty of all
#[tokio::test]
async fn calls_are_limited_by_tool_and_by_user() {
    let stage = Stage::set(sqlite().await).await;
    let token = stage.token(ALL);
    let echo = || call(&stage, &token, "sandbox__echo", json!({"message": "x"}));
    for _ in 0..10 {
        assert!(!echo().await.tool().1);
    }
    let answer = echo().await;
    assert_eq!(answer.tool(), ("This tool was called too often. Try again in 6 seconds.", true));
    for _ in 0..49 {
        assert_eq!(call(&stage, &token, "sandbox__list_files", json!({})).await.status, 200);
    }
    let answer = echo().await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, "1"));
    assert_eq!(list("/mcp").bearing(&token).at(&stage).await.status, 200, "lists have a bucket of their own");
    let bob = stage.token_of(&PrincipalId::generate(PrincipalKind::User), "/mcp", ALL);
    assert_eq!(call(&stage, &bob, "sandbox__echo", json!({})).await.status, 200, "and so has everybody");
    stage.clock.advance(Seconds(60));
    assert!(!echo().await.tool().1);
}

/// ASVS-16.5.1: a generic message and a trace id
#[tokio::test]
async fn a_failure_inside_tells_nothing_but_where_to_look() {
    let stage = Stage::set(sqlite().await).await;
    let token = stage.token(ALL);
    let params = json!({"name": "sandbox__fail"});
    let draft = Draft::modern("/mcp", "tools/call", params).header("x-request-id", "req-42").bearing(&token);
    assert_eq!(draft.at(&stage).await.tool(), ("This failed inside. Trace id: req-42", true));
    assert_eq!(stage.reasons().await, ["tool_failed"]);
    assert_eq!(stage.outcomes("tools.call").await, ["failed", "started"]);
}

#[tokio::test]
async fn the_sandbox_reads_its_files_and_tables_and_nothing_else() {
    let stage = Stage::set(sqlite().await).await;
    let token = stage.token(ALL);
    let files = call(&stage, &token, "sandbox__list_files", json!({})).await;
    let names = &files.body["result"]["structuredContent"]["files"];
    assert_eq!((&names[0]["name"], &names[2]["name"]), (&json!("planets.csv"), &json!("welcome.txt")));
    let read = call(&stage, &token, "sandbox__read_file", json!({"name": "welcome.txt"})).await;
    assert!(read.tool().0.starts_with("Welcome"));
    for outside in ["../../etc/passwd", "/etc/passwd", "nothing.txt", "portcullis.db"] {
        let answer = call(&stage, &token, "sandbox__read_file", json!({"name": outside})).await;
        assert!(answer.tool().1, "{outside}");
    }
    let rows = call(
        &stage,
        &token,
        "sandbox__query_database",
        json!({"table": "customers", "columns": ["name"], "limit": 1}),
    )
    .await;
    assert_eq!(rows.body["result"]["structuredContent"], json!({"rows": [{"name": "Ada Baker"}]}));
}
