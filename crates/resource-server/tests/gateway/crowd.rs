//! Many calls that wait at once: what they cost, and whom they hinder.

use std::sync::Arc;
use std::time::Duration;

use portcullis_database::testing::sqlite;
use portcullis_resource_server::oauth::{Alias, PrincipalId, PrincipalKind};
use serde_json::json;
use tokio::task::JoinSet;

use crate::draft::call;
use crate::rungs::{accepted, leg, state};
use crate::stage::{ALL, Stage, Token};

const USERS: usize = 100;
const EACH: usize = 5;
/// So much memory one call may hold while it waits, in bytes, in an unoptimised build.
const BOUND: usize = 256 * 1024;

/// The memory of this process, in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4_096
}

/// Asks, and holds the leg that waits.
async fn wait(stage: &Stage, token: &Token, text: &str) -> bool {
    let urls = json!({"url": {}});
    let first = leg(&urls, text, (None, None)).bearing(token).at(stage).await;
    let held = leg(&urls, text, (Some(state(&first)), Some(accepted()))).bearing(token).at(stage).await;
    held.body["result"]["resultType"] == "input_required"
}

/// T44: five hundred calls of a hundred users wait at once; each costs little, and nobody else notices
#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_calls_wait_at_once() {
    let stage = Arc::new(Stage::holding(sqlite().await, Duration::from_secs(20)).await);
    let alias = Alias::parse("sandbox").unwrap();
    let mut tokens = Vec::new();
    for _ in 0..USERS {
        let who = PrincipalId::generate(PrincipalKind::User);
        stage.gateway.connections().create(&who, &alias, "sandbox", "").await.unwrap();
        tokens.push(stage.token_of(&who, "/mcp", ALL));
    }
    let before = resident();
    let mut all = JoinSet::new();
    for token in &tokens {
        for number in 0..EACH {
            let (stage, token) = (Arc::clone(&stage), token.clone());
            all.spawn(async move { wait(&stage, &token, &number.to_string()).await });
        }
    }
    while stage.outcomes("approval.created").await.len() < USERS * EACH {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < USERS * EACH * BOUND, "{grown} bytes for all");
    let alice = stage.token(ALL);
    assert_eq!(call(&stage, &alice, "sandbox__echo", json!({"message": "x"})).await.tool(), ("x", false));
    let held = all.join_all().await.into_iter().filter(|held| *held).count();
    assert_eq!(held, USERS * EACH, "each waited to the end of its leg");
    println!("{} KiB a call", grown / USERS / EACH / 1024);
}
