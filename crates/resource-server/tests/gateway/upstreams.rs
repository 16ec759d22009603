//! Upstream servers behind the gateway: what they offer and answer arrives as they wrote it, what must not arrive does not,
//! and one that fails harms no other.

use std::collections::BTreeMap;

use crate::draft::{Answer, Draft, call};
use crate::patience::until;
use crate::stage::{ALL, Stage, Token};
use portcullis_database::testing::sqlite;
use portcullis_database::{Change, ChangeKind, both_engines, on};
use portcullis_resource_server::catalogue::NewTools;
use portcullis_resource_server::oauth::{Alias, Clock, Seconds};
use portcullis_resource_server::{Connection, ConnectionStatus, Connections, Standing, Who};
use portcullis_upstream_fixture::Upstream;
use serde_json::{Value, json};

async fn ask(stage: &Stage, token: &Token, path: &str, (method, params): (&str, Value)) -> Answer {
    Draft::modern(path, method, params).bearing(token).at(stage).await
}

fn keys<'a>(answer: &'a Answer, list: &str, key: &str) -> Vec<&'a str> {
    let all = answer.body["result"][list].as_array().unwrap();
    all.iter().map(|entry| entry[key].as_str().unwrap()).collect()
}

both_engines! {
    /// TOOL-9, HTTP26-20: tools, prompts, resources and templates, named at the aggregate and their own at one connection
    async fn everything_that_an_upstream_offers_can_be_listed_and_used(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let upstream = Upstream::start().await;
        stage.connect("demo", &upstream.url("/mcp")).await;
        let all = stage.token(ALL);
        let one = stage.token_of(&stage.alice.clone(), "/mcp/demo", ALL);
        for (token, path, name, uri) in [(&all, "/mcp", "demo__", "demo+"), (&one, "/mcp/demo", "", "")] {
            let tools = ask(&stage, token, path, ("tools/list", json!({}))).await;
            assert!(tools.tool_names().contains(&format!("{name}test_simple_text").as_str()));
            let prompts = ask(&stage, token, path, ("prompts/list", json!({}))).await;
            assert!(keys(&prompts, "prompts", "name").contains(&format!("{name}test_simple_prompt").as_str()));
            let resources = ask(&stage, token, path, ("resources/list", json!({}))).await;
            let fixed = format!("{uri}test://static-text");
            assert!(keys(&resources, "resources", "uri").contains(&fixed.as_str()));
            let templates = ask(&stage, token, path, ("resources/templates/list", json!({}))).await;
            let template = format!("{uri}test://template/{{id}}/data");
            assert_eq!(keys(&templates, "resourceTemplates", "uriTemplate"), [template.as_str()]);

            let said = ask(&stage, token, path, ("tools/call", json!({"name": format!("{name}test_simple_text")}))).await;
            assert_eq!(said.tool(), ("This is a simple text response for testing.", false));
            let arguments = json!({"arg1": "one", "arg2": "two"});
            let prompt = json!({"name": format!("{name}test_prompt_with_arguments"), "arguments": arguments});
            let got = ask(&stage, token, path, ("prompts/get", prompt)).await;
            assert!(got.body["result"]["messages"][0]["content"]["text"].as_str().unwrap().contains("one"));
            let read = ask(&stage, token, path, ("resources/read", json!({"uri": fixed}))).await;
            assert_eq!(read.body["result"]["contents"][0]["uri"], fixed);
            assert_eq!(read.body["result"]["cacheScope"], "private");
            let expanded = format!("{uri}test://template/7/data");
            let read = ask(&stage, token, path, ("resources/read", json!({"uri": expanded}))).await;
            assert_eq!(read.body["result"]["contents"][0]["uri"], expanded);
            let reference = json!({"type": "ref/prompt", "name": format!("{name}test_prompt_with_arguments")});
            let params = json!({"ref": reference, "argument": {"name": "arg1", "value": "par"}});
            let completed = ask(&stage, token, path, ("completion/complete", params)).await;
            assert!(completed.body["result"]["completion"]["values"].is_array(), "{}", completed.body);
            for (method, params) in [
                ("prompts/get", json!({"name": format!("{name}nothing")})),
                ("resources/read", json!({"uri": format!("{uri}test://nothing")})),
                ("tools/call", json!({"name": format!("{name}nothing")})),
            ] {
                assert_eq!(ask(&stage, token, path, (method, params)).await.code(), -32602, "{method}");
            }
        }
    }

    /// A connection is active once its tools were listed, and what becomes of it afterwards is told with its reason
    async fn how_a_connection_stands_is_learned_from_what_its_server_answers(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let upstream = Upstream::start().await;
        let good = stage.connect("good", &upstream.url("/stateless")).await;
        assert_eq!((good.status, good.revision.as_deref()), (ConnectionStatus::Active, Some("2026-07-28")));
        let closed = stage.connect("closed", &upstream.url("/bad/401")).await;
        assert_eq!(closed.status, ConnectionStatus::ReauthRequired);
        assert_eq!(closed.status_code.as_deref(), Some("upstream_unauthorized"));
        let wrong = stage.connect("wrong", &upstream.url("/bad/html")).await;
        assert_eq!((wrong.status, wrong.status_code.as_deref()), (ConnectionStatus::Degraded, Some("upstream_not_mcp")));
        let token = stage.token(ALL);
        let listed = ask(&stage, &token, "/mcp", ("tools/list", json!({}))).await;
        assert!(listed.tool_names().iter().any(|name| name.starts_with("good__")));
        assert_eq!(
            listed.body["result"]["_meta"]["portcullis/missingConnections"],
            json!({"closed": "reauth_required", "wrong": "upstream_not_mcp"})
        );
        let answer = call(&stage, &token, "closed__echo", json!({})).await;
        assert!(answer.tool().1 && answer.tool().0.contains("authorised again"), "{:?}", answer.tool());
        assert_eq!(stage.outcomes("connection.failed").await, ["failed", "failed"]);
    }

    /// T20: calls remember connections, and nothing of one that has changed: not its state, not its name, on no node
    async fn a_call_knows_of_a_connection_what_holds(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let upstream = Upstream::start().await;
        let demo = stage.connect("demo", &upstream.url("/stateless")).await;
        let (token, connections) = (stage.token(ALL), stage.gateway.connections());
        let told = async |name: &str| {
            stage.changes.read().await.unwrap();
            call(&stage, &token, name, json!({"message": "x"})).await
        };
        assert!(!told("demo__echo").await.tool().1);
        for (status, refused) in [("reauth_required", true), ("active", false)] {
            on!(stage.database.write(), |pool| sqlx::query("UPDATE connection SET status = $2 WHERE id = $1")
                .bind(&demo.id)
                .bind(status)
                .execute(pool)
                .await
                .map(drop))
            .unwrap();
            stage.changes.publish(&Change::new(ChangeKind::Connection, demo.id.as_str()));
            assert_eq!(told("demo__echo").await.tool().1, refused, "another node found that out: {status}");
        }
        let other = Alias::parse("other").unwrap();
        let renamed = connections.rename(&stage.now(&demo).await, &other).await.unwrap().unwrap();
        assert_eq!(told("demo__echo").await.code(), -32602, "there is none of this name any more");
        assert!(connections.disable(&renamed, Who::Owner).await.unwrap());
        assert!(told("other__echo").await.tool().0.contains("switched off"));
        assert!(connections.remove(&renamed).await.unwrap());
        assert_eq!(told("other__echo").await.code(), -32602);
    }

    /// T20: other credentials, another alias or none: what was open with the old ones ends
    async fn a_changed_credential_ends_the_session_that_used_the_old_one(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let upstream = Upstream::start().await;
        let connection = stage.connect("demo", &upstream.url("/sessions")).await;
        assert_eq!(upstream.seen_of("initialize").len(), 1);
        let mut transaction = stage.database.begin().await.unwrap();
        let settings = BTreeMap::new();
        let renewed = Connections::renew_in(&mut transaction, &connection, (&settings, stage.clock.now())).await.unwrap();
        stage.gateway.connections().finish_renewal(transaction, &renewed.unwrap()).await.unwrap();
        until("the session of the old credential ends", || !upstream.seen_of("DELETE").is_empty()).await;
    }
}

/// HTTP26-17, SBP-5: members that nobody knows pass unharmed in both directions
#[tokio::test]
async fn results_arrive_as_they_were_written_in_every_era() {
    let stage = Stage::set(sqlite().await).await;
    let upstream = Upstream::start().await;
    let token = stage.token(ALL);
    for (alias, path) in
        [("both", "/mcp"), ("modern", "/stateless"), ("legacy", "/sessions"), ("plain", "/json")]
    {
        stage.connect(alias, &upstream.url(path)).await;
        let arguments = json!({"message": "hello", "nested": {"deep": [1, 2.5]}});
        let answer = call(&stage, &token, &format!("{alias}__echo"), arguments.clone()).await;
        assert_eq!(answer.body["result"]["x-unknown"], json!({"kept": [1, 1.0, null]}), "{}", answer.body);
        assert_eq!(answer.body["result"]["structuredContent"]["arguments"], arguments);
        let image = call(&stage, &token, &format!("{alias}__test_image_content"), json!({})).await;
        assert_eq!(image.body["result"]["content"][0]["type"], "image");
        let failed = call(&stage, &token, &format!("{alias}__test_error_handling"), json!({})).await;
        assert!(failed.tool().1);
    }
}

/// T04, SBP-5: the token never leaves, in whatever place its bearer put it
#[tokio::test]
async fn the_clients_token_never_reaches_an_upstream() {
    let stage = Stage::set(sqlite().await).await;
    let upstream = Upstream::start().await;
    stage.connect("demo", &upstream.url("/mcp")).await;
    let token = stage.token(ALL);
    stage.change(&token, |token| "pcl_at_a_very_long_canary".clone_into(&mut token.text));
    let token = Token { text: "pcl_at_a_very_long_canary".to_owned(), ..token };
    assert!(!call(&stage, &token, "demo__echo", json!({"message": "x"})).await.tool().1);
    ask(&stage, &token, "/mcp", ("resources/read", json!({"uri": "demo+test://nothing"}))).await;
    let smuggled = call(&stage, &token, "demo__echo", json!({"message": token.text})).await;
    assert_eq!(smuggled.status, 400);
    assert!(stage.reasons().await.contains(&"token_in_body".to_owned()));
    for seen in upstream.seen() {
        assert!(!format!("{seen:?}").contains("canary"), "{seen:?}");
    }
}

/// T34, ELIC-6: a server that says what it was sent says it without the secret
#[tokio::test]
async fn a_stored_secret_is_never_echoed() {
    let stage = Stage::set(sqlite().await).await;
    let upstream = Upstream::start().await;
    stage.connect_with("demo", &upstream.url("/mcp"), (NewTools::Allow, Some("stored-s3cret-value"))).await;
    let token = stage.token(ALL);
    let answer = call(&stage, &token, "demo__echo", json!({"message": "is it stored-s3cret-value?"})).await;
    assert_eq!(answer.body["result"]["structuredContent"]["arguments"]["message"], "is it [removed]?");
    assert!(!answer.body.to_string().contains("s3cret"));
    let sent = upstream.seen_of("tools/call");
    assert_eq!(
        sent[0].headers["authorization"], "Bearer stored-s3cret-value",
        "it was sent where it belongs"
    );
}

/// T30, TOOL-2: what nobody reviewed is listed to nobody, or may read and no more
#[tokio::test]
async fn the_trust_in_a_server_decides_what_of_it_may_be_used() {
    let stage = Stage::set(sqlite().await).await;
    let upstream = Upstream::start().await;
    stage.connect_with("waits", &upstream.url("/mcp"), (NewTools::Quarantine, None)).await;
    stage.connect_with("reads", &upstream.url("/mcp"), (NewTools::AllowRead, None)).await;
    let token = stage.token(ALL);
    let listed = ask(&stage, &token, "/mcp", ("tools/list", json!({}))).await;
    assert!(!listed.tool_names().iter().any(|name| name.starts_with("waits__")));
    assert_eq!(call(&stage, &token, "waits__echo", json!({})).await.code(), -32602);
    assert!(!call(&stage, &token, "reads__echo", json!({})).await.tool().1);
    let refused = call(&stage, &token, "reads__test_simple_text", json!({})).await;
    assert!(refused.tool().1 && refused.tool().0.contains("approval"), "{:?}", refused.tool());
}

/// ELIC-2: some servers show what asks something to those alone who can be asked; lists are the same for every client
#[tokio::test]
async fn a_list_is_asked_for_as_by_somebody_who_can_be_asked() {
    let stage = Stage::set(sqlite().await).await;
    let upstream = Upstream::start().await;
    stage.connect("demo", &upstream.url("/sessions")).await;
    let token = stage.token(ALL);
    ask(&stage, &token, "/mcp", ("tools/list", json!({}))).await;
    ask(&stage, &token, "/mcp", ("prompts/list", json!({}))).await;
    let greeted = upstream.seen_of("initialize");
    assert_eq!(greeted.len(), 1, "one session serves every list, and the first try");
    let declared = &greeted[0].body["params"]["capabilities"]["elicitation"];
    assert_eq!(declared, &json!({"form": {}, "url": {}}));
}

/// T24, T15: servers that are none, each told in words, and the others go on
#[tokio::test]
async fn a_server_that_misbehaves_harms_no_other() {
    let stage = Stage::set(sqlite().await).await;
    let upstream = Upstream::start().await;
    stage.connect("good", &upstream.url("/mcp")).await;
    let mut standing: Vec<(String, Connection)> = vec![];
    for how in ["redirect", "garbage", "duplicate", "big", "gzip", "broken"] {
        standing.push((how.to_owned(), stage.connect(how, &upstream.url(&format!("/bad/{how}"))).await));
    }
    let token = stage.token(ALL);
    let listed = ask(&stage, &token, "/mcp", ("tools/list", json!({}))).await;
    assert!(listed.tool_names().contains(&"good__echo"));
    let missing = &listed.body["result"]["_meta"]["portcullis/missingConnections"];
    for (how, connection) in standing {
        assert_eq!(connection.status, ConnectionStatus::Degraded, "{how}");
        assert!(connection.status_reason.is_some() && missing[&how].is_string(), "{how}: {missing}");
    }
}

/// TOOL-5: what a tool promises of its results is kept, or the result is not passed on
#[tokio::test]
async fn a_result_that_breaks_the_tools_promise_is_not_passed_on() {
    let stage = Stage::set(sqlite().await).await;
    let upstream = Upstream::start().await;
    stage.connect("demo", &upstream.url("/mcp")).await;
    let token = stage.token(ALL);
    let kept = call(&stage, &token, "demo__promise", json!({"count": 2})).await;
    assert_eq!(kept.body["result"]["structuredContent"], json!({"count": 2}));
    let broken = call(&stage, &token, "demo__promise", json!({"count": 0})).await;
    assert_eq!(broken.tool(), ("demo: the result is not what the tool promises: /count does not fit.", true));
    assert!(stage.reasons().await.contains(&"result_schema".to_owned()));
}

/// HTTP26-10, HTTP26-11: an argument that stands in a header too is the same in both, and the upstream is told the body's
#[tokio::test]
async fn arguments_in_headers_agree_with_the_body() {
    let stage = Stage::set(sqlite().await).await;
    let upstream = Upstream::start().await;
    stage.connect("demo", &upstream.url("/stateless")).await;
    let token = stage.token(ALL);
    let draft = |arguments: Value| {
        let params = json!({"name": "demo__test_mirrored", "arguments": arguments});
        Draft::modern("/mcp", "tools/call", params).bearing(&token)
    };
    let (there, absent) = (json!({"region": "north", "query": "x"}), json!({"query": "x"}));
    for (arguments, header, status) in [
        (&there, Some("north"), 200),
        (&there, Some("=?base64?bm9ydGg=?="), 200),
        (&absent, None, 200),
        (&there, None, 400),
        (&there, Some("south"), 400),
        (&there, Some("=?base64?#?="), 400),
        (&absent, Some("north"), 400),
    ] {
        let mut draft = draft(arguments.clone());
        if let Some(value) = header {
            draft = draft.header("mcp-param-region", value);
        }
        let answer = draft.at(&stage).await;
        assert_eq!(answer.status.as_u16(), status, "{arguments} {header:?} {}", answer.body);
        assert_eq!(answer.code(), if status == 400 { -32_020 } else { 0 });
    }
    let told: Vec<_> = upstream
        .seen_of("tools/call")
        .iter()
        .map(|seen| seen.headers.get("mcp-param-region").cloned())
        .collect();
    assert_eq!(told, [Some("north".to_owned()), Some("north".to_owned()), None]);
}

/// T24: a server that never answers makes a list wait five seconds, and harms no other
#[tokio::test]
async fn a_silent_server_is_named_and_not_waited_for() {
    let stage = Stage::set(sqlite().await).await;
    let upstream = Upstream::start().await;
    stage.connect("good", &upstream.url("/mcp")).await;
    let silent = stage.add("silent", &upstream.url("/bad/silent"), (NewTools::Allow, None)).await;
    stage.gateway.connections().set_status(&silent, &Standing::active()).await.unwrap();
    stage.changes.read().await.unwrap();
    let token = stage.token(ALL);
    let begun = std::time::Instant::now();
    let listed = ask(&stage, &token, "/mcp", ("tools/list", json!({}))).await;
    assert!(begun.elapsed().as_secs() < 8, "{:?}", begun.elapsed());
    assert!(listed.tool_names().contains(&"good__echo"));
    assert_eq!(listed.body["result"]["_meta"]["portcullis/missingConnections"], json!({"silent": "slow"}));
    stage.changes.read().await.unwrap();
    let again = std::time::Instant::now();
    let listed = ask(&stage, &token, "/mcp", ("tools/list", json!({}))).await;
    assert!(
        again.elapsed().as_secs() < 3,
        "nobody waits a second time for the same silence: {:?}",
        again.elapsed()
    );
    assert_eq!(listed.body["result"]["_meta"]["portcullis/missingConnections"], json!({"silent": "slow"}));
}

/// Of many who list at once one asks the upstream, also when the clock goes on meanwhile
#[tokio::test]
async fn a_crowd_of_lists_asks_an_upstream_once() {
    let stage = Stage::set(sqlite().await).await;
    let upstream = Upstream::start().await;
    let demo = stage.add("demo", &upstream.url("/stateless"), (NewTools::Allow, None)).await;
    stage.gateway.connections().set_status(&demo, &Standing::active()).await.unwrap();
    let token = stage.token(ALL);
    let later = async || {
        stage.clock.advance(Seconds(1));
        ask(&stage, &token, "/mcp", ("tools/list", json!({}))).await
    };
    stage.changes.read().await.unwrap();
    let (one, two, three, four) = tokio::join!(later(), later(), later(), later());
    for listed in [one, two, three, four] {
        assert!(listed.tool_names().contains(&"demo__echo"));
    }
    assert_eq!(upstream.seen_of("tools/list").len(), 1);
}
