//! Thirty-two at once: one winner, on either engine.

use std::collections::BTreeMap;

use portcullis_database::both_engines;
use portcullis_tests::{Answer, Browser, Client, Tokens, World};
use serde_json::json;
use tower::ServiceExt;

const AT_ONCE: usize = 32;
/// Once, a race may not come to pass; so often it does.
const ROUNDS: usize = 4;

/// Sends the same form so many times at once, half of them to a second node.
pub(crate) async fn at_once(world: &World, fields: &[(&str, &str)]) -> Vec<Answer> {
    at_once_with(world, fields, "").await
}

/// The same with a proof of possession, or with an empty one for none.
pub(crate) async fn at_once_with(world: &World, fields: &[(&str, &str)], proof: &str) -> Vec<Answer> {
    let second = world.second_node().await;
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let start = std::sync::Arc::new(tokio::sync::Barrier::new(AT_ONCE));
    let tasks: Vec<_> = (0..AT_ONCE)
        .map(|index| {
            let router = if index % 2 == 0 { world.router() } else { second.router.clone() };
            let (start, body, proof) = (start.clone(), body.clone(), proof.to_owned());
            tokio::spawn(async move {
                let mut request = axum::http::Request::post("/oauth/token")
                    .header("host", "localhost:8420")
                    .header("content-type", "application/x-www-form-urlencoded");
                if !proof.is_empty() {
                    request = request.header("dpop", proof);
                }
                let request = request.body(axum::body::Body::from(body)).unwrap();
                start.wait().await;
                Answer::read(router.oneshot(request).await.unwrap()).await
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

fn count(answers: &[Answer]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for answer in answers {
        *counts.entry(answer.verdict()).or_insert(0) += 1;
    }
    counts
}

both_engines! {
    /// OA21-4.1.3-1, OA21-4.1.3-2, A14: one answers 200, and since the others were valid replays its tokens are dead
    async fn thirty_two_redemptions_of_one_code_have_one_winner(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        for _ in 0..ROUNDS {
            let (code, pkce) = Browser::new(&world).code_for(&client).await;
            let fields = [("grant_type", "authorization_code"), ("code", code.as_str()), ("code_verifier", &pkce.verifier), ("client_id", &client.id)];
            let answers = at_once(&world, &fields).await;
            assert_eq!(count(&answers), BTreeMap::from([("200".to_owned(), 1), ("400 invalid_grant".to_owned(), AT_ONCE - 1)]));
            let winner = Tokens::of(answers.iter().find(|answer| answer.verdict() == "200").unwrap());
            assert_eq!(world.mcp(&winner.access, "tools/list", json!({})).await.status.as_u16(), 401);
            assert_eq!(client.refresh(&world, &winner.refresh, &[]).await.verdict(), "400 invalid_grant");
        }
    }

    /// DC-15, A23: one and the same successor for all, and it is alive
    async fn thirty_two_refreshes_of_one_token_give_one_successor(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        for _ in 0..ROUNDS {
            let tokens = client.connect(&world).await;
            let fields = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str()), ("client_id", &client.id)];
            let answers = at_once(&world, &fields).await;
            assert_eq!(count(&answers), BTreeMap::from([("200".to_owned(), AT_ONCE)]));
            let first = Tokens::of(&answers[0]);
            assert!(answers.iter().all(|answer| Tokens::of(answer) == first));
            assert_eq!(world.mcp(&first.access, "tools/list", json!({})).await.status.as_u16(), 200);
            assert_eq!(client.refresh(&world, &first.refresh, &[]).await.verdict(), "200");
        }
    }
}
