//! Stories about `connection review`, `connection set` and `limit`, as somebody at a shell sees them.

use portcullis_upstream_fixture::Upstream;
use serde_json::{Value, json};

use crate::shell::{folder, refusal, run, run_with_password};

const USER: &str = "ada@example.com";

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn tool(about: &str) -> Value {
    json!({"name": "get_time", "description": about, "inputSchema": {"type": "object"}})
}

/// T26, T27: what waits is told in words in which nothing hides, and accepted as it was told
#[test]
fn tools_that_wait_are_shown_and_accepted() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let upstream = runtime.block_on(Upstream::start());
    upstream.define(tool("Tells the time."));
    let folder = folder();
    let path = folder.path();
    run_with_password(
        path,
        &format!("user add --email {USER} --password-stdin"),
        "seven green lorries parked\n",
    );
    let url = upstream.url("/mcp");
    run(
        path,
        &format!("server add --slug clock --title Clock --url {url} --auth none --new-tools quarantine"),
    );
    let (code, made, stderr) =
        run(path, &format!("connection add --user {USER} --server clock --alias clock --json"));
    assert_eq!((code, json_of(&made)["status"].as_str()), (0, Some("active")), "{made}{stderr}");
    let review = format!("connection review clock --user {USER}");
    let (code, told, _) = run(path, &review);
    assert_eq!(code, 0);
    assert!(told.contains("get_time is new") && told.contains("Tells the time."), "{told}");
    let (code, accepted, stderr) = run(path, &format!("{review} --accept get_time --json"));
    assert_eq!((code, json_of(&accepted)["accepted"].as_i64()), (0, Some(1)), "{stderr}");
    upstream.define(tool("Tells the time.\u{1b}[2J\u{200b} And more."));
    let (_, told, _) = run(path, &review);
    assert!(told.contains("get_time has changed since"), "{told}");
    assert!(told.contains("WARNING  /description holds control characters"), "{told}");
    assert!(told.contains("[U+001B][2J[U+200B]") && !told.contains(['\u{1b}', '\u{200b}']), "{told}");
    let all = json_of(&run(path, &format!("{review} --json")).1);
    let changed = all.as_array().unwrap().iter().find(|tool| tool["tool"] == "get_time").unwrap();
    assert_eq!((&changed["state"], &changed["waits"]), (&json!("changed"), &json!(true)));
    assert_eq!(refusal(path, &format!("{review} --accept nothing")).0, 1);
    assert_eq!(run(path, &format!("{review} --all")).0, 0);
    let (_, told, _) = run(path, &review);
    assert!(told.contains("clock: 0 waiting"), "{told}");
    let (code, ruled, _) =
        run(path, &format!("connection set clock --user {USER} --new-tools allow --arguments reject --json"));
    let ruled = json_of(&ruled);
    assert_eq!((code, &ruled["new_tools"], &ruled["arguments"]), (0, &json!("allow"), &json!("reject")));
}

#[test]
fn limits_are_set_for_what_is_there_and_taken_away_again() {
    let folder = folder();
    let path = folder.path();
    run_with_password(
        path,
        &format!("user add --email {USER} --password-stdin"),
        "seven green lorries parked\n",
    );
    let (code, set, stderr) = run(path, &format!("limit set --user {USER} --calls 300 --json"));
    assert_eq!((code, json_of(&set)[0]["calls"].as_i64()), (0, Some(300)), "{stderr}");
    assert_eq!(run(path, "limit set --server sandbox --calls-of-a-tool 5").0, 0);
    let all = json_of(&run(path, "limit list --json").1);
    assert_eq!((all[0]["kind"].as_str(), all[1]["subject"].as_str()), (Some("user"), Some("sandbox")));
    for unknown in ["--user bob@example.com", "--client none", "--server none", "--connection con_none"] {
        let (code, sentence) = refusal(path, &format!("limit set {unknown} --calls 1"));
        assert!(code == 1 && sentence.contains("there is no"), "{sentence}");
    }
    assert_ne!(run(path, "limit set --server sandbox").0, 0, "a limit says how much");
    assert_eq!(run(path, &format!("limit remove --user {USER}")).0, 0);
    assert_eq!(refusal(path, &format!("limit remove --user {USER}")).0, 1);
    assert_eq!(json_of(&run(path, "limit list --json").1).as_array().unwrap().len(), 1);
}
