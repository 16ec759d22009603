//! Stories about the checklist: what a fresh folder, a careless and a careful installation read.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;
use crate::config::{Flags, Sources};

/// Each point and how it stands, one a line, with settings from this file.
async fn verdicts(folder: &Path, settings: &str) -> String {
    let file = folder.join("portcullis.toml");
    std::fs::write(&file, settings).unwrap();
    let flags = Flags { config: Some(file), data_dir: Some(folder.join("data")), ..Flags::default() };
    let config = Config::load(&Sources { environment: Vec::new(), flags }).unwrap();
    let findings = findings(&config).await;
    for finding in &findings {
        assert_eq!(finding.advice.is_none(), finding.verdict == Verdict::Ok, "{finding:?}");
    }
    // How many files may be open is the machine's.
    let findings = findings.iter().filter(|finding| finding.check != "connections");
    let lines = findings.map(|finding| format!("{} {}", finding.verdict.word(), finding.check));
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_fresh_folder_is_no_failure_and_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(verdicts(folder.path(), "").await, @r"
    warn https
    ok client addresses
    ok allowed origins
    ok registration
    ok client documents
    ok token lives
    ok limits
    warn master key
    warn data folder
    warn database file
    warn database
    ");
    assert_eq!(folder.path().read_dir().unwrap().count(), 1, "nothing but the settings is there");
}

/// R9700-4.13-1, OA21-1.5-1
#[tokio::test]
async fn what_a_careless_installation_opens_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(data.join("master.key"), "not a key").unwrap();
    let settings = "listen = [\"0.0.0.0:8420\"]\ntrusted_proxies = [\"0.0.0.0/0\"]\n\
        allowed_origins = [\"http://app.example\"]\naccess_token_seconds = 86400\nsign_ins_per_minute = 100000\n\
        database_url = \"postgres://u:hunter2@127.0.0.1:1/d\"";
    insta::assert_snapshot!(verdicts(folder.path(), settings).await, @r"
    fail https
    fail client addresses
    fail allowed origins
    ok registration
    ok client documents
    warn token lives
    warn limits
    fail master key
    fail data folder
    fail database
    ");
}

#[tokio::test]
async fn behind_a_proxy_that_is_not_listed_limits_hit_everybody() {
    let folder = tempfile::tempdir().unwrap();
    let behind = "public_url = \"https://mcp.example\"\nbehind_tls_proxy = true\n";
    let alone = verdicts(folder.path(), behind).await;
    assert!(alone.contains("ok https\nwarn client addresses"), "{alone}");
    let listed = verdicts(folder.path(), &format!("{behind}trusted_proxies = [\"127.0.0.1\"]")).await;
    assert!(listed.contains("ok https\nok client addresses"), "{listed}");
}
