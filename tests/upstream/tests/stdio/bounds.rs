//! What a child gets of us, which is next to nothing.

use serde_json::{Value, json};

use crate::stage::{Stage, fixture, program, text};

/// T37, T38: arguments arrive as they are, no shell reads them, and the environment is the one that was listed
#[tokio::test]
async fn a_child_sees_its_arguments_and_its_own_environment() {
    let stage = Stage::new();
    let odd = ["stdio", "sessions", "--help", "-x", "$(id)", "a b;c\n'\"", "", "LD_PRELOAD=x"];
    let endpoint = program("odd", env!("CARGO_BIN_EXE_fixture-upstream"), &odd);
    let result = stage.call(&endpoint, "environment", &json!({})).await.unwrap();
    let told: Value = serde_json::from_str(text(&result)).unwrap();
    assert_eq!(told["arguments"], json!(odd));
    assert_eq!(told["environment"], json!(["GREETING=hello"]));
    assert_eq!(told["folder"], "/");
    stage.pool.end_all().await;
}

/// T38: nothing of ours is in what the system shows of it, and it is bounded
#[tokio::test]
async fn a_child_has_no_secrets_of_ours_no_files_of_ours_and_bounds() {
    let stage = Stage::new();
    let endpoint = fixture("bounds", "sessions");
    let child = stage.child(&endpoint).await;
    let environment = std::fs::read_to_string(format!("/proc/{child}/environ")).unwrap();
    assert_eq!(environment, "GREETING=hello\0");
    let limits = std::fs::read_to_string(format!("/proc/{child}/limits")).unwrap();
    let limit = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(limit("Max core file size"), ["0", "0"]);
    assert_eq!(limit("Max data size"), ["4294967296", "4294967296"]);
    assert!(limit("Max open files")[1].parse::<u64>().unwrap() <= 4_096);
    let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    assert_eq!([fields[2], fields[3]], [child.to_string(), child.to_string()], "its own group and session");
    let open = std::fs::read_dir(format!("/proc/{child}/fd")).unwrap();
    let files = open.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    for file in files.map(|file| file.display().to_string()) {
        let is_its_own =
            ["pipe:", "anon_inode:", "socket:", "/dev/null"].iter().any(|kind| file.starts_with(kind));
        assert!(is_its_own, "{file}");
    }
    stage.pool.end_all().await;
}

/// T39: two connections never share a child, whatever else they share
#[tokio::test]
async fn each_connection_has_a_child_of_its_own() {
    let stage = Stage::new();
    let (alice, bob) = (fixture("alice:1", "sessions"), fixture("bob:1", "sessions"));
    let first = stage.child(&alice).await;
    assert_ne!(first, stage.child(&bob).await);
    assert_eq!(first, stage.child(&alice).await, "and one is enough");
    stage.pool.end_all().await;
}

/// Programs are started only where a launcher was given.
#[tokio::test]
async fn without_a_launcher_nothing_is_started() {
    let outbound = portcullis_outbound::Outbound::new(portcullis_outbound::Policy::default()).unwrap();
    let clock = std::sync::Arc::new(portcullis_oauth::SystemClock);
    let pool = portcullis_upstream::Pool::new(outbound, clock, portcullis_upstream::Settings::default());
    let failure = pool.greeting(&fixture("a", "sessions")).await.unwrap_err();
    assert_eq!(failure.to_string(), "the server cannot be reached: this installation starts no programs");
}
