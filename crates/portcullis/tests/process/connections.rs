//! Stories about `server` and `connection`, as somebody at a shell sees them.

use crate::shell::{folder, refusal, run, run_with_password};

const USER: &str = "ada@example.com";

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_user_is_connected_to_a_server_and_everything_of_it_goes_again() {
    let folder = folder();
    let path = folder.path();
    let add = format!("user add --email {USER} --password-stdin");
    assert_eq!(run_with_password(path, &add, "seven green lorries parked\n").0, 0);
    let line = "server add --slug forge --title Forge --url http://127.0.0.1:9/mcp --auth header --json";
    let (code, added, stderr) = run(path, line);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert_eq!(json(&added)["header"], "Authorization: Bearer {}");
    assert_eq!(refusal(path, line).0, 1, "it is there already");
    let line = format!(
        "connection add --user {USER} --server forge --alias work --label me@forge --header-stdin --json"
    );
    let (code, made, stderr) = run_with_password(path, &line, "s3cret-token\n");
    assert_eq!((code, stderr.as_str()), (0, ""), "{made}");
    assert_eq!(json(&made)["status"], "degraded", "nobody listens there, and it says so: {made}");
    assert!(!made.contains("s3cret"), "{made}");
    assert!(run(path, "connection list").1.contains(USER));
    let shown = run(path, &format!("connection show work --user {USER}")).1;
    assert!(shown.contains("last error") && shown.contains("me@forge"), "{shown}");
    assert_eq!(
        refusal(path, &format!("connection remove work --user {USER}")).0,
        2,
        "nobody is there to answer"
    );
    let (_, off, _) = run(path, &format!("connection disable work --user {USER} --yes --json"));
    assert_eq!(json(&off)["status_code"], "by_admin");
    let (code, _, gone) = run(path, "server remove forge --yes");
    assert_eq!((code, gone.as_str()), (0, "forge is removed, with 1 connections.\n"));
    assert_eq!(run(path, "connection list --json").1.trim(), "[]");
}

#[test]
fn the_sandbox_is_tried_out_and_tells_its_tools() {
    let folder = folder();
    let path = folder.path();
    let add = format!("user add --email {USER} --password-stdin");
    run_with_password(path, &add, "seven green lorries parked\n");
    let (code, made, _) =
        run(path, &format!("connection add --user {USER} --server sandbox --alias box --json"));
    assert_eq!((code, json(&made)["status"].as_str()), (0, Some("active")));
    let (code, tested, _) = run(path, &format!("connection test box --user {USER} --json"));
    assert_eq!(code, 0);
    assert_ne!(json(&tested)["tested_at"], serde_json::Value::Null);
    let tools = run(path, &format!("connection tools box --user {USER}")).1;
    assert!(tools.contains("read_file"), "{tools}");
    let (code, sentence) = refusal(path, &format!("connection add --user {USER} --server none --alias x"));
    assert_eq!(code, 2);
    assert!(sentence.contains("there is no server named none"), "{sentence}");
}

/// T37, T38: a program is a server for one connection, with what its owner filled in and nothing of ours
#[test]
fn a_program_is_started_for_a_connection_and_tells_its_tools() {
    let folder = folder();
    let path = folder.path();
    let beside = std::path::Path::new(env!("CARGO_BIN_EXE_portcullis")).with_file_name("fixture-upstream");
    assert!(beside.exists(), "build the whole workspace, or: cargo build -p portcullis-upstream-fixture");
    run_with_password(
        path,
        &format!("user add --email {USER} --password-stdin"),
        "seven green lorries parked\n",
    );
    let add = format!(
        "server add --slug helper --command {} --argument stdio --argument sessions --ask-environment GREETING=Hello?",
        beside.display()
    );
    assert_eq!(run(path, &add).0, 0);
    let add = format!("connection add --user {USER} --server helper --alias helper --json");
    assert_eq!(refusal(path, &add).0, 2, "it asks for a value");
    let (code, made, told) =
        run_with_password(path, &format!("{add} --secret-stdin greeting"), "good-morning-secret\n");
    assert_eq!((code, json(&made)["status"].as_str()), (0, Some("active")), "{made} {told}");
    assert!(!made.contains("good-morning"), "{made}");
    let tools = run(path, &format!("connection tools helper --user {USER}")).1;
    assert!(tools.contains("environment"), "{tools}");
}

/// T33: what a server may ask clients for is off, said in words that are known, and changed without taking it away first
#[test]
fn a_server_may_ask_clients_for_what_an_admin_says() {
    let folder = folder();
    let path = folder.path();
    let add = "server add --slug forge --url http://127.0.0.1:9/mcp --json";
    assert_eq!(json(&run(path, add).1)["relays"], serde_json::json!([]));
    let toml = "[[server]]\nslug = \"wiki\"\nurl = \"https://wiki.example/mcp\"\nrelays = [\"roots\"]\n";
    std::fs::write(path.join("servers.toml"), toml).unwrap();
    assert_eq!(run(path, "server import servers.toml").0, 0);
    assert!(run(path, "server show wiki").1.contains("roots"));
    let set = |words: &str| run(path, &format!("server set forge --relays {words} --json")).1;
    assert_eq!(json(&set("roots,sampling"))["relays"], serde_json::json!(["sampling", "roots"]));
    assert_eq!(json(&set("none"))["relays"], serde_json::json!([]));
    assert_eq!(refusal(path, "server set sandbox --relays roots").0, 2);
    std::fs::write(path.join("more.toml"), toml.replace("wiki", "more").replace("roots", "folders")).unwrap();
    for line in ["server set forge --relays folders", "server import more.toml"] {
        let (code, sentence) = refusal(path, line);
        assert_eq!(code, 2);
        assert!(sentence.contains("folders is nothing that a server can be let ask for"), "{sentence}");
    }
    let desktop = r#"{"mcpServers": {"x": {"url": "https://x.example/mcp", "relays": ["sampling"]}}}"#;
    std::fs::write(path.join("desktop.json"), desktop).unwrap();
    assert_eq!(run(path, "server import desktop.json").0, 0);
    assert_eq!(json(&run(path, "server show x --json").1)["relays"], serde_json::json!([]));
}

/// T37
#[test]
fn what_a_desktop_client_was_told_becomes_a_server_without_its_secrets() {
    let folder = folder();
    let path = folder.path();
    let text = r#"{"mcpServers": {"Files": {"command": "npx", "args": ["-y", "files", "--token=abc-1"],
        "env": {"FILES_KEY": "abc-2", "LD_PRELOAD": "/evil.so"}}}}"#;
    std::fs::write(path.join("desktop.json"), text).unwrap();
    let (code, _, told) = run(path, "server import desktop.json");
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("files is added.") && told.contains("LD_PRELOAD was left out"), "{told}");
    let shown = run(path, "server show files --json").1;
    assert!(!shown.contains("abc-") && shown.contains("--token={token}"), "{shown}");
    let database = std::fs::read(path.join("data/portcullis.db")).unwrap();
    let wal = std::fs::read(path.join("data/portcullis.db-wal")).unwrap_or_default();
    for secret in ["abc-1", "abc-2"] {
        let held = |bytes: &[u8]| bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!held(&database) && !held(&wal), "{secret} was kept");
    }
    std::fs::write(path.join("servers.toml"), "[[server]]\nslug = \"x\"\ncommand = \"sh\"\nurll = \"y\"\n")
        .unwrap();
    let (code, sentence) = refusal(path, "server import servers.toml");
    assert_eq!(code, 2);
    assert!(sentence.contains("urll"), "{sentence}");
    let toml = "[[server]]\nslug = \"notes\"\ncommand = \"/opt/notes\"\narguments = [\"{folder}\"]\n\
                [[server.parameter]]\nname = \"folder\"\nabout = \"Where.\"\n";
    std::fs::write(path.join("servers.toml"), toml).unwrap();
    assert_eq!(run(path, "server import servers.toml").0, 0);
    assert!(run(path, "server list").1.contains("/opt/notes {folder}"));
    assert_eq!(run(path, "server disable notes --yes").0, 0);
    assert_ne!(json(&run(path, "server show notes --json").1)["disabled_at"], serde_json::Value::Null);
}
