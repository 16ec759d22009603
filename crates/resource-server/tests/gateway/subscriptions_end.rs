//! How subscriptions end: with the session, the connection, and the right to read; and what does not end them.

use axum::http::Method;
use portcullis_database::testing::{TestDatabase, sqlite};
use portcullis_database::{both_engines, on};
use portcullis_resource_server::oauth::{
    Alias, Clock, GrantedConnections, PrincipalId, PrincipalKind, Seconds,
};
use portcullis_resource_server::{Probe, Who};
use portcullis_upstream_fixture::Upstream;
use serde_json::json;

use crate::changes::next;
use crate::patience::until;
use crate::stage::{ALL, Stage};
use crate::subscriptions::{Client, WATCHED, told_by_now, updated};

const NAME: &str = "demo+test://watched-resource";

/// How many subscriptions are kept.
async fn kept(stage: &Stage) -> i64 {
    let count: (i64,) =
        on!(stage.database.read(), |pool| sqlx::query_as("SELECT COUNT(*) FROM mcp_subscription")
            .fetch_one(pool)
            .await)
        .unwrap();
    count.0
}

/// Alice, who watches a resource of her connection `demo`.
async fn set(database: TestDatabase, upstream: &Upstream) -> (Stage, Client) {
    let stage = Stage::set(database).await;
    stage.connect("demo", &upstream.url("/sessions")).await;
    let client = Client::greeted(&stage, stage.token(ALL), "/mcp").await;
    assert_eq!(client.subscribe(&stage.gateway, NAME).await.body["result"], json!({}));
    assert_eq!(kept(&stage).await, 1);
    (stage, client)
}

both_engines! {
    /// HTTP25-9: a session that ends watches nothing any more; nor does anybody what lay behind a connection that is gone
    async fn subscriptions_end_with_their_session_and_their_connection(database: TestDatabase) {
        let upstream = Upstream::start().await;
        let (stage, client) = set(database, &upstream).await;
        assert_eq!(client.bodyless(Method::DELETE).at(&stage).await.status, 204);
        assert_eq!(kept(&stage).await, 0);
        assert_eq!(client.subscribe(&stage.gateway, NAME).await.status, 404);
        let client = Client::greeted(&stage, stage.token(ALL), "/mcp").await;
        let _stream = client.stream(&stage).await;
        assert_eq!(client.subscribe(&stage.gateway, NAME).await.body["result"], json!({}));
        let alias = Alias::parse("demo").unwrap();
        let connection = stage.gateway.connections().find(&stage.alice, &alias).await.unwrap().unwrap();
        stage.gateway.connections().remove(&connection).await.unwrap();
        assert_eq!(kept(&stage).await, 0);
        until("nobody listens", || upstream.listening() == 0).await;
        assert_eq!(client.unsubscribe(&stage.gateway, NAME).await.body["result"], json!({}));
    }

    /// A session that nobody uses is over, and with it what it watched
    async fn subscriptions_end_with_the_life_of_their_session(database: TestDatabase) {
        let (stage, _) = set(database, &Upstream::start().await).await;
        stage.clock.advance(Seconds::days(2));
        stage.gateway.sweep(stage.clock.now()).await.unwrap();
        assert_eq!(kept(&stage).await, 0);
    }

    /// T17, T18: another user's session, connection and stream are nobody's business
    async fn nothing_crosses_users(database: TestDatabase) {
        let (upstream, bobs) = (Upstream::start().await, Upstream::start().await);
        let (stage, alice) = set(database, &upstream).await;
        let bob = PrincipalId::generate(PrincipalKind::User);
        stage.connect_for(&bob, "demo", ("bobs", &bobs.url("/sessions"))).await;
        let bob = Client::greeted(&stage, stage.token_of(&bob, "/mcp", ALL), "/mcp").await;
        let thief = Client { token: bob.token.clone(), ..alice.clone() };
        assert_eq!(thief.subscribe(&stage.gateway, NAME).await.status, 404);
        assert_eq!(thief.unsubscribe(&stage.gateway, NAME).await.status, 404);
        let (mut hers, mut his) = (alice.stream(&stage).await, bob.stream(&stage).await);
        assert_eq!(bob.subscribe(&stage.gateway, NAME).await.body["result"], json!({}));
        assert_eq!(updated(&mut hers).await, NAME, "it may have changed before she listened");
        upstream.change(WATCHED);
        assert_eq!(updated(&mut hers).await, NAME);
        bobs.change(WATCHED);
        assert_eq!(updated(&mut his).await, NAME, "of the same name, and his own");
        assert_eq!(told_by_now(&mut hers, &upstream).await, [""; 0]);
        assert_eq!(told_by_now(&mut his, &bobs).await, [""; 0]);
    }
}

/// T20, MCP-AUTH-8: what a client may not read any more it does not hear of, from the moment on in which it may not
#[tokio::test]
async fn nobody_hears_of_what_they_may_not_read_any_more() {
    let upstream = Upstream::start().await;
    let (stage, client) = set(sqlite().await, &upstream).await;
    let mut stream = client.stream(&stage).await;
    assert_eq!(updated(&mut stream).await, NAME, "it may have changed before it was listened to");
    stage.revoke(&client.token, |token| {
        token.reach = GrantedConnections::Named(vec![stage.sandbox.id.clone()]);
    });
    upstream.change(WATCHED);
    assert_eq!(told_by_now(&mut stream, &upstream).await, [""; 0], "the grant does not reach it");
    stage.revoke(&client.token, |token| token.reach = GrantedConnections::All);
    upstream.change(WATCHED);
    assert_eq!(updated(&mut stream).await, NAME);
    stage.revoke(&client.token, |token| token.expires_at = stage.clock.now());
    upstream.change(WATCHED);
    while let Some(said) = next(&mut stream).await {
        assert_ne!(said["method"], "notifications/resources/updated");
    }
}

/// T20: nobody listens behind a connection that is switched off; switched on again it is listened to at once, and what may
/// have changed meanwhile is told of
#[tokio::test]
async fn a_connection_that_is_switched_off_says_nothing() {
    let upstream = Upstream::start().await;
    let (stage, client) = set(sqlite().await, &upstream).await;
    let mut stream = client.stream(&stage).await;
    assert_eq!(updated(&mut stream).await, NAME);
    let connections = stage.gateway.connections();
    let connection =
        || async { connections.find(&stage.alice, &Alias::parse("demo").unwrap()).await.unwrap().unwrap() };
    assert!(connections.disable(&connection().await, Who::Owner).await.unwrap());
    until("nobody listens", || upstream.listening() == 0).await;
    let refused = client.subscribe(&stage.gateway, NAME).await;
    assert_eq!(refused.code(), -32_602, "{}", refused.body);
    assert!(connections.enable(&connection().await, Who::Owner).await.unwrap());
    stage.gateway.probe(&connection().await).await;
    assert_eq!(updated(&mut stream).await, NAME);
    upstream.change(WATCHED);
    assert_eq!(updated(&mut stream).await, NAME);
}

/// HTTP25-9: a server that was restarted is asked anew, and what may have changed meanwhile is told of
#[tokio::test]
async fn a_server_that_forgot_its_sessions_is_asked_anew() {
    let upstream = Upstream::start().await;
    let (stage, client) = set(sqlite().await, &upstream).await;
    let mut stream = client.stream(&stage).await;
    assert_eq!(updated(&mut stream).await, NAME);
    upstream.forget_sessions();
    let other = "demo+test://static-text";
    assert_eq!(client.subscribe(&stage.gateway, other).await.body["result"], json!({}));
    assert_eq!(updated(&mut stream).await, NAME);
    for (uri, name) in [(WATCHED, NAME), ("test://static-text", other)] {
        upstream.change(uri);
        assert_eq!(updated(&mut stream).await, name);
    }
}
