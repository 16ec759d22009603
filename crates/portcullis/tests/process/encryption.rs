//! Stories about the keys that seal secrets, as somebody at a shell sees them.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::shell::{Server, folder, portcullis, refusal, run, told};

fn json(folder: &Path, line: &str) -> Value {
    let (code, text, stderr) = run(folder, line);
    assert_eq!((code, stderr.as_str()), (0, ""), "{line}");
    serde_json::from_str(&text).unwrap()
}

/// What was opened and what was not, one kind a line.
fn verified(folder: &Path, line: &str) -> String {
    let kinds = json(folder, line);
    let kinds = kinds.as_array().unwrap().iter();
    let line = |kind: &Value| {
        format!(
            "{}: {} {}",
            kind["kind"].as_str().unwrap(),
            kind["opened"],
            kind["failed"].as_array().unwrap().len()
        )
    };
    kinds.map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn encryption_keys_are_rotated_while_the_server_runs_and_everything_opens() {
    let folder = folder();
    let server = Server::start(folder.path(), "serve --demo --listen localhost:0");
    let before = server.get("/oauth/jwks.json");
    let first = json(folder.path(), "keys rotate-encryption --json");
    assert_eq!((first["rewrapped"].as_i64(), first["resumed"].as_bool()), (Some(1), Some(false)), "{first}");
    let second = json(folder.path(), "keys rotate-encryption --json");
    assert_eq!(second["retired"][0], first["current"]);
    insta::assert_snapshot!(verified(folder.path(), "keys verify --json"), @r"
    encryption keys: 1 0
    data keys: 1 0
    credentials: 0 0
    upstream client secrets: 0 0
    authorizations under way: 0 0
    signing keys: 1 0
    ");
    let keys = |answer: &str| answer.split("\r\n\r\n").nth(1).map(str::to_owned);
    assert_eq!(keys(&server.get("/oauth/jwks.json")), keys(&before));
}

#[test]
fn a_master_key_is_replaced_and_the_old_one_opens_nothing_any_more() {
    let folder = folder();
    run(folder.path(), "migrate");
    run(folder.path(), "keys rotate");
    let (code, told, stderr) = run(folder.path(), "keys rotate-encryption --replace-master-key new.key");
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(told.contains("keys rotate-encryption --forget-old-master-key"), "{told}");
    let configured = |path: &str| {
        std::fs::write(folder.path().join("portcullis.toml"), format!("master_key_file = \"{path}\""))
            .unwrap();
    };
    for path in ["data/master.key", "new.key"] {
        configured(path);
        assert!(verified(folder.path(), "keys verify --json").ends_with("signing keys: 1 0"), "{path}");
    }
    let (code, sentence) = refusal(folder.path(), "keys rotate-encryption");
    assert_eq!(code, 1);
    assert!(sentence.contains("restart every node with the new one"), "{sentence}");
    let (code, sentence) = refusal(folder.path(), "keys rotate-encryption --forget-old-master-key");
    assert_eq!(code, 2, "{sentence}");
    let (code, _, stderr) = run(folder.path(), "keys rotate-encryption --forget-old-master-key --yes");
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(verified(folder.path(), "keys verify --json").ends_with("signing keys: 1 0"));

    configured("data/master.key");
    let (code, sentence) = refusal(folder.path(), "serve --listen localhost:0");
    assert_eq!(code, 1);
    assert!(
        sentence.contains("the master key data/master.key does not belong to this database"),
        "{sentence}"
    );
    std::fs::remove_file(folder.path().join("data/master.key")).unwrap();
    let (_, sentence) = refusal(folder.path(), "serve --listen localhost:0");
    assert!(
        sentence.contains("data/master.key is missing, and the database was sealed with it"),
        "{sentence}"
    );
    assert!(!folder.path().join("data/master.key").exists());
}

/// ASVS-13.3.1: the key may come from a key store by a command, which is told none of our settings
#[test]
fn the_master_key_comes_from_the_environment_or_a_command() {
    let folder = folder();
    run(folder.path(), "migrate");
    let with = |variables: &[(&str, &str)]| -> (i32, String, String) {
        let mut command: Command = portcullis(folder.path(), "keys verify --json");
        told(command.env("PATH", "/usr/bin:/bin").envs(variables.iter().copied()).output().unwrap())
    };
    let key = "bWFzdGVyIGtleSBvZiB0aGlydHktdHdvIGJ5dGVzISE=";
    let (code, _, stderr) = with(&[("PORTCULLIS_MASTER_KEY", key)]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(!folder.path().join("data/master.key").exists());

    std::fs::write(folder.path().join("store"), key).unwrap();
    let (code, _, stderr) = with(&[("PORTCULLIS_MASTER_KEY_COMMAND", "cat,store")]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let asks = "printenv,PORTCULLIS_MASTER_KEY_COMMAND";
    let (code, _, stderr) = with(&[("PORTCULLIS_MASTER_KEY_COMMAND", asks)]);
    assert_eq!(code, 1);
    assert!(stderr.contains("printenv gave no key: it ended with exit status: 1"), "{stderr}");
    let (code, _, stderr) = with(&[("PORTCULLIS_MASTER_KEY_COMMAND", "false")]);
    assert_eq!(code, 1);
    assert!(
        stderr.contains("master_key_command false gave no key: it ended with exit status: 1"),
        "{stderr}"
    );
    let (code, _, stderr) = with(&[("PORTCULLIS_MASTER_KEY", "c2hvcnQ")]);
    assert_eq!(code, 1);
    assert!(stderr.contains("it must be 32 bytes in base64"), "{stderr}");
    assert!(!stderr.contains("c2hvcnQ"), "{stderr}");
    let (code, _, stderr) = with(&[("PORTCULLIS_MASTER_KEY", &"Q".repeat(43))]);
    assert_eq!(code, 1);
    assert!(stderr.contains("does not belong to this database"), "{stderr}");
}
