//! Stories about `keys`, as somebody at a shell sees them.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::shell::{Server, folder, refusal, run};

/// KEYS-7517-2, KEYS-GEN-1: the first signs at once, the next is published ahead; what is printed holds no private member
#[test]
fn keys_are_rotated_listed_and_retired() {
    let folder = folder();
    run(folder.path(), "migrate");
    let (code, told, stderr) = run(folder.path(), "keys list");
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(told.starts_with("No key yet"), "{told}");
    assert_eq!(run(folder.path(), "keys list --json").1.trim(), "[]");
    let rotate = |line: &str| -> Value {
        let (code, told, stderr) = run(folder.path(), line);
        assert_eq!((code, stderr.as_str()), (0, ""));
        serde_json::from_str(&told).unwrap()
    };
    let first = rotate("keys rotate --json");
    assert_eq!((first["use"].as_str(), first["algorithm"].as_str()), (Some("signing"), Some("ES256")));
    assert!(first["public"]["x"].is_string() && first["public"]["d"].is_null(), "{first}");
    let second = rotate("keys rotate --json");
    assert_eq!(second["use"], "waiting");
    let other = rotate("keys rotate --algorithm EdDSA --json");
    assert_eq!((other["use"].as_str(), other["algorithm"].as_str()), (Some("signing"), Some("EdDSA")));
    let (_, table, _) = run(folder.path(), "keys list");
    for key in [&first, &second, &other] {
        assert!(table.contains(key["kid"].as_str().unwrap()), "{table}");
    }
    assert!(table.contains("signs from "), "{table}");

    let kid = first["kid"].as_str().unwrap();
    let (code, sentence) = refusal(folder.path(), &format!("keys retire {kid}"));
    assert_eq!(code, 2);
    assert!(sentence.contains("say --yes to retire the key without asking"), "{sentence}");
    assert_eq!(run(folder.path(), &format!("keys retire {kid} --yes")).0, 0);
    let (code, sentence) = refusal(folder.path(), &format!("keys retire {kid} --yes"));
    assert_eq!(code, 1);
    assert!(sentence.contains("`portcullis keys list` shows every key"), "{sentence}");
}

/// KEYS-7517-2: a running server publishes what a command made, without a restart
#[test]
fn a_running_server_publishes_the_key_that_a_command_made() {
    let folder = folder();
    let server = Server::start(folder.path(), "serve --demo --listen localhost:0");
    let before = server.get("/oauth/jwks.json");
    assert!(before.contains("\"kid\""), "{before}");
    let (code, told, stderr) = run(folder.path(), "keys rotate --json");
    assert_eq!((code, stderr.as_str()), (0, ""));
    let made: Value = serde_json::from_str(&told).unwrap();
    let kid = made["kid"].as_str().unwrap();
    let late = Instant::now() + Duration::from_secs(10);
    while !server.get("/oauth/jwks.json").contains(kid) {
        assert!(Instant::now() < late, "never published");
    }
}
