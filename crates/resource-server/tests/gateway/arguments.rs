//! Arguments on their way to a tool: what is mended and told, what is refused, and what reaches the server.

use portcullis_database::testing::sqlite;
use portcullis_database::{both_engines, on};
use portcullis_resource_server::{ArgumentRule, Rules};
use portcullis_upstream_fixture::Upstream;
use serde_json::{Value, json};

use crate::draft::call;
use crate::stage::{ALL, Stage};

fn tool(schema: &Value) -> Value {
    json!({"name": "echo", "description": "Says it again.", "inputSchema": schema})
}

fn sent(upstream: &Upstream) -> Vec<Value> {
    upstream.seen_of("tools/call").iter().map(|seen| seen.body["params"]["arguments"].clone()).collect()
}

both_engines! {
    /// T23, T32: what was mended is told to the model and to the paper trail, and only what was validated is sent
    async fn arguments_are_mended_and_everybody_is_told(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let upstream = Upstream::start().await;
        upstream.define(tool(&json!({"type": "object", "properties": {"text": {"type": "string", "maxLength": 10_000}}})));
        let connection = stage.connect("demo", &upstream.url("/mcp")).await;
        let token = stage.token(ALL);
        let arguments = json!({"text": format!("a\u{1b}[2Jb{}", "x".repeat(10_000)), "hidden": "canary-value"});
        let answer = call(&stage, &token, "demo__echo", arguments.clone()).await;
        let told = json!([
            "/text: control characters removed",
            "/text: cut at 10000 characters",
            "/hidden: not in the tool's schema, left out",
        ]);
        assert_eq!(answer.body["result"]["_meta"]["portcullis/sanitisedArguments"], told, "{}", answer.body);
        assert_eq!(sent(&upstream), [json!({"text": format!("a[2Jb{}", "x".repeat(9_995))})]);
        let rows: Vec<(String,)> = on!(stage.database.read(), |pool| sqlx::query_as(
            "SELECT detail FROM audit_event WHERE action = 'tools.call' AND detail IS NOT NULL"
        )
        .fetch_all(pool)
        .await)
        .unwrap();
        assert!(rows.iter().any(|(detail,)| detail.contains("/hidden: not in the tool's schema")), "{rows:?}");
        assert!(rows.iter().all(|(detail,)| !detail.contains("canary-value")), "{rows:?}");
        let rules = Rules { arguments: ArgumentRule::Reject, ..connection.rules };
        stage.gateway.connections().set_rules(&connection, rules, "ada").await.unwrap();
        let answer = call(&stage, &token, "demo__echo", arguments).await;
        assert!(answer.tool().1 && answer.tool().0.starts_with("The arguments are not taken as they are. /text:"));
        assert!(!answer.tool().0.contains("canary-value"));
        assert!(stage.reasons().await.contains(&"arguments_rejected".to_owned()));
        assert_eq!(sent(&upstream).len(), 1, "nothing went out");
        let fine = call(&stage, &token, "demo__echo", json!({"text": "plain"})).await;
        assert_eq!(fine.body["result"]["_meta"].get("portcullis/sanitisedArguments"), None);
    }
}

/// TOOL-4, DC-27: a model learns where and by which rule, and nobody learns the value from an error
#[tokio::test]
async fn a_violation_names_its_place_and_its_rule_and_not_the_value() {
    let stage = Stage::set(sqlite().await).await;
    let upstream = Upstream::start().await;
    let schema = json!({
        "type": "object", "required": ["to"],
        "properties": {"to": {"type": "string", "pattern": "^[a-z]+$"}, "count": {"type": "integer", "maximum": 3}, "how": {"enum": ["slow", "fast"]}},
    });
    upstream.define(tool(&schema));
    stage.connect("demo", &upstream.url("/mcp")).await;
    let token = stage.token(ALL);
    for (arguments, place, rule) in [
        (json!({}), "arguments: ", "(rule: required)"),
        (json!({"to": "S3CRET-VALUE"}), "/to: ", "(rule: pattern)"),
        (json!({"to": ["S3CRET-VALUE"]}), "/to: ", "(rule: type)"),
        (json!({"to": "a", "count": 4}), "/count: ", "(rule: maximum)"),
        (json!({"to": "a", "how": "S3CRET-VALUE"}), "/how: ", "(rule: enum)"),
    ] {
        let answer = call(&stage, &token, "demo__echo", arguments.clone()).await;
        let (text, refused) = answer.tool();
        assert!(refused && text.contains(place) && text.contains(rule), "{arguments}: {text}");
        assert!(!text.contains("S3CRET"), "{text}");
    }
    assert!(sent(&upstream).is_empty());
}

/// TOOL-3, T35: a tool whose schema cannot be used is listed and cannot be called
#[tokio::test]
async fn a_schema_that_cannot_be_used_is_told() {
    let stage = Stage::set(sqlite().await).await;
    let upstream = Upstream::start().await;
    let token = stage.token(ALL);
    for (alias, schema, why) in [
        ("dialect", json!({"$schema": "https://evil.example/", "type": "object"}), "dialect"),
        (
            "outside",
            json!({"type": "object", "properties": {"a": {"$ref": "http://169.254.169.254/"}}}),
            "its schema is",
        ),
    ] {
        upstream.define(tool(&schema));
        stage.connect(alias, &upstream.url("/mcp")).await;
        let answer = call(&stage, &token, &format!("{alias}__echo"), json!({"a": 1})).await;
        assert!(answer.tool().1 && answer.tool().0.contains(why), "{:?}", answer.tool());
    }
    assert!(stage.reasons().await.contains(&"schema_unusable".to_owned()));
    assert!(sent(&upstream).is_empty());
}
