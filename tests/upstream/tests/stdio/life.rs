//! How a child lives and ends.

use std::time::Duration;

use portcullis_oauth::Seconds;
use portcullis_upstream::Failure;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::stage::{Stage, exists, fixture, lives, program, request, text, until};

/// T38, T20: the whole group ends with its connection, those included whom it started itself
#[tokio::test]
async fn a_child_ends_with_its_connection_and_so_do_its_children() {
    let stage = Stage::new();
    let endpoint = fixture("alice:1", "sessions");
    let child = stage.child(&endpoint).await;
    let bred = stage.call(&endpoint, "breed", &json!({})).await.unwrap();
    let grandchild: i32 = text(&bred).parse().unwrap();
    assert!(lives(child) && lives(grandchild));
    stage.pool.end("alice:").await;
    assert!(!exists(child), "it is gone when the end comes back, and no zombie");
    until("the grandchild is gone", || !lives(grandchild)).await;
}

/// T38: who ignores the end of its input and a friendly signal is ended anyway
#[tokio::test]
async fn a_child_that_does_not_want_to_end_is_ended() {
    let stage = Stage::new();
    let script = "trap '' TERM; while :; do sleep 1; done";
    let endpoint = program("stubborn", "/bin/sh", &["-c", script]);
    let opening = tokio::time::timeout(Duration::from_millis(300), stage.pool.greeting(&endpoint)).await;
    assert!(opening.is_err(), "it says nothing");
    stage.pool.end_all().await;
    until("it is gone", || {
        !std::fs::read_dir("/proc").unwrap().any(|entry| {
            let line = entry.map(|entry| std::fs::read(entry.path().join("cmdline")).unwrap_or_default());
            String::from_utf8_lossy(&line.unwrap()).contains(script)
        })
    })
    .await;
}

/// T38: a gateway that crashes takes its children along
#[tokio::test]
async fn a_child_does_not_outlive_the_process_that_started_it() {
    // A process of its own that starts a child as the gateway does, says its number, and is killed.
    let launcher = env!("CARGO_BIN_EXE_fixture-launcher");
    let script = format!("{launcher} $$ /bin/sleep 600 & echo $!; wait");
    let mut command = tokio::process::Command::new("/bin/sh");
    command.args(["-c", &script]).stdout(std::process::Stdio::piped());
    let mut parent = command.spawn().unwrap();
    let mut lines =
        tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(parent.stdout.take().unwrap()));
    let child: i32 = lines.next_line().await.unwrap().unwrap().parse().unwrap();
    let name = || std::fs::read_to_string(format!("/proc/{child}/comm")).unwrap_or_default();
    until("it is the program", || name() == "sleep\n").await;
    parent.kill().await.unwrap();
    until("it is gone", || !lives(child)).await;
}

#[tokio::test]
async fn a_child_that_died_is_started_again_and_not_for_ever() {
    let stage = Stage::new();
    let endpoint = fixture("alice:1", "sessions");
    let first = stage.child(&endpoint).await;
    kill_process(Pid::from_raw(first).unwrap(), Signal::KILL).unwrap();
    until("it is gone", || !exists(first)).await;
    assert_ne!(stage.child(&endpoint).await, first);
    for _ in 0..2 {
        let failure = stage.call(&endpoint, "exit", &json!({})).await.unwrap_err();
        stage.clock.advance(Seconds(1));
        assert!(matches!(failure, Failure::Lost | Failure::BreakerOpen { .. }), "{failure}");
    }
    for _ in 0..8 {
        let _ = stage.call(&endpoint, "exit", &json!({})).await;
    }
    let failure = stage.call(&endpoint, "echo", &json!({})).await.unwrap_err();
    assert!(matches!(failure, Failure::BreakerOpen { .. }), "{failure}");
    stage.clock.advance(Seconds::minutes(2));
    stage.call(&endpoint, "echo", &json!({})).await.unwrap();
    stage.pool.end_all().await;
}

#[tokio::test]
async fn a_child_that_rests_is_ended_and_started_again_when_it_is_needed() {
    let stage = Stage::new();
    let endpoint = fixture("alice:1", "sessions");
    let first = stage.child(&endpoint).await;
    stage.clock.advance(Seconds::minutes(6));
    stage.pool.sweep().await;
    assert!(!exists(first));
    assert_ne!(stage.child(&endpoint).await, first);
    stage.pool.end_all().await;
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_is_cancelled_and_the_child_lives_on() {
    let stage = Stage::new();
    let endpoint = fixture("alice:1", "sessions");
    let first = stage.child(&endpoint).await;
    let hanging = request("hang", &json!({})).within(Duration::from_millis(200));
    assert!(matches!(stage.send(&endpoint, hanging).await.unwrap_err(), Failure::Timeout));
    assert_eq!(stage.child(&endpoint).await, first);
    stage.pool.end_all().await;
}

/// T38: metamcp#162
#[tokio::test]
async fn a_thousand_children_leave_no_zombie() {
    let stage = Stage::new();
    let echo =
        r#"read -r line; printf '{"jsonrpc":"2.0","id":2,"result":{"protocolVersion":"2025-11-25"}}\n'; cat"#;
    for round in 0..50 {
        let mut opening = tokio::task::JoinSet::new();
        for place in 0..20 {
            let mut endpoint = program(&format!("{round}-{place}"), "/bin/sh", &["-c", echo]);
            endpoint.remembered = Some(portcullis_upstream::Revision::V2025_11_25);
            let pool = stage.pool.clone();
            opening.spawn(async move { pool.greeting(&endpoint).await.map(drop) });
        }
        for outcome in opening.join_all().await {
            outcome.unwrap();
        }
        stage.pool.end_all().await;
    }
    assert_eq!(children_of_this_process(), 0);
}

fn children_of_this_process() -> usize {
    let own = std::process::id().to_string();
    let is_child = |stat: String| {
        let fields = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.to_owned();
        (fields == own).then_some(())
    };
    let entries = std::fs::read_dir("/proc").unwrap();
    let stats = entries.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("stat")).ok());
    stats.filter_map(is_child).count()
}
