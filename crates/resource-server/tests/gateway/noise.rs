//! What an upstream that never stops to speak costs others.

use std::time::Instant;

use portcullis_database::testing::sqlite;
use portcullis_resource_server::oauth::{PrincipalId, PrincipalKind};
use portcullis_upstream_fixture::Upstream;
use serde_json::json;

use crate::changes::{next, quiet};
use crate::patience::until;
use crate::stage::{ALL, Stage};
use crate::subscriptions::{Client, WATCHED, told_by_now};

const TOOLS: &str = "notifications/tools/list_changed";
const LAST: &str = "notifications/prompts/list_changed";
/// What is told on is told on so often, in milliseconds.
const PAUSE: u128 = 250;

/// T24: a flood of changes is told on a few times a second and to its own connection alone, and the last of it is told
#[tokio::test]
async fn the_noise_of_one_upstream_is_not_everybodys() {
    let stage = Stage::set(sqlite().await).await;
    let (ours, noisy) = (Upstream::start().await, Upstream::start().await);
    stage.connect("demo", &ours.url("/sessions")).await;
    let bob = PrincipalId::generate(PrincipalKind::User);
    stage.connect_for(&bob, "noisy", ("noisy", &noisy.url("/sessions"))).await;
    let alice = Client::greeted(&stage, stage.token(ALL), "/mcp").await;
    let bob = Client::greeted(&stage, stage.token_of(&bob, "/mcp", ALL), "/mcp").await;
    let (mut alices, mut bobs) = (alice.stream(&stage).await, bob.stream(&stage).await);
    until("both are listened to", || ours.listening() == 1 && noisy.listening() == 1).await;
    quiet(&mut alices).await;
    quiet(&mut bobs).await;
    let begun = Instant::now();
    noisy.flood(&vec![json!({"method": TOOLS}); 10_000]);
    noisy.announce(LAST);
    let mut told = 0;
    while next(&mut bobs).await.unwrap()["method"] != LAST {
        told += 1;
    }
    let most = begun.elapsed().as_millis() / PAUSE + 1;
    assert!((1..=most).contains(&told), "{told} times, where {most} are enough");
    ours.announce(LAST);
    assert_eq!(next(&mut alices).await.unwrap()["method"], LAST, "she heard of nothing else");
}

/// T24: where an upstream names more than is kept, whatever is watched there may have changed
#[tokio::test]
async fn a_flood_of_names_stands_for_all_that_is_watched() {
    let stage = Stage::set(sqlite().await).await;
    let upstream = Upstream::start().await;
    stage.connect("demo", &upstream.url("/sessions")).await;
    let client = Client::greeted(&stage, stage.token(ALL), "/mcp").await;
    let mut stream = client.stream(&stage).await;
    let name = format!("demo+{WATCHED}");
    assert_eq!(client.subscribe(&stage.gateway, &name).await.body["result"], json!({}));
    quiet(&mut stream).await;
    let change = |at: usize| json!({"method": "notifications/resources/updated", "params": {"uri": format!("test://{at}")}});
    upstream.flood(&(0..1_000).map(change).collect::<Vec<_>>());
    let told = told_by_now(&mut stream, &upstream).await;
    assert!(!told.is_empty() && told.iter().all(|told| *told == name), "{told:?}");
}
