//! What is switched off is not reached, by whatever way, and what was open there ends (T20).

use std::sync::Arc;

use portcullis_database::both_engines;
use portcullis_database::testing::sqlite;
use portcullis_oauth::Seconds;
use portcullis_resource_server::catalogue::{Servers, Slug};
use portcullis_resource_server::{ConnectionStatus, Probe, Who};
use portcullis_upstream_fixture::Upstream;
use serde_json::json;

use crate::draft::{Draft, call};
use crate::patience::until;
use crate::stage::{ALL, Stage};

async fn switch(stage: &Stage, slug: &str, off: bool) {
    let servers = Servers::new(stage.database.clone(), stage.changes.clone(), Arc::new(stage.clock.clone()));
    assert!(servers.set_disabled(&Slug::parse(slug).unwrap(), off).await.unwrap());
}

both_engines! {
    /// T20: an admin who switches a server off ends what is open there, and neither calls nor trials nor streams reach it
    async fn a_server_that_is_switched_off_is_left_alone(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let upstream = Upstream::start().await;
        let connection = stage.connect("demo", &upstream.url("/sessions")).await;
        let token = stage.token(ALL);
        assert!(!call(&stage, &token, "demo__echo", json!({"message": "x"})).await.tool().1);
        switch(&stage, "demo", true).await;
        until("its session ends", || !upstream.seen_of("DELETE").is_empty()).await;
        let before = upstream.seen().len();
        stage.gateway.probe(&connection).await;
        call(&stage, &token, "demo__echo", json!({"message": "x"})).await;
        Draft::modern("/mcp", "tools/list", json!({})).bearing(&token).at(&stage).await;
        assert_eq!(upstream.seen().len(), before);
        switch(&stage, "demo", false).await;
        assert!(!call(&stage, &token, "demo__echo", json!({"message": "x"})).await.tool().1);
    }

    /// T20: the same for one connection
    async fn a_connection_that_is_switched_off_is_left_alone(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let upstream = Upstream::start().await;
        let connection = stage.connect("demo", &upstream.url("/sessions")).await;
        assert!(stage.gateway.connections().disable(&connection, Who::Owner).await.unwrap());
        until("its session ends", || !upstream.seen_of("DELETE").is_empty()).await;
        let before = upstream.seen().len();
        stage.gateway.probe(&stage.now(&connection).await).await;
        assert_eq!(upstream.seen().len(), before);
        assert_eq!(stage.now(&connection).await.status, ConnectionStatus::Disabled);
    }
}

/// T24: of callers who ask at once for a list that is not known yet one asks the server, and time goes on meanwhile
#[tokio::test]
async fn one_asks_for_all_who_wait() {
    let stage = Stage::set(sqlite().await).await;
    let upstream = Upstream::start().await;
    stage.connect("demo", &upstream.url("/mcp")).await;
    let token = stage.token_of(&stage.alice.clone(), "/mcp/demo", ALL);
    let before = upstream.seen_of("tools/list").len();
    let list = || async {
        stage.clock.advance(Seconds(1));
        Draft::modern("/mcp/demo", "tools/list", json!({}))
            .bearing(&token)
            .at(&stage)
            .await
            .tool_names()
            .len()
    };
    let offered = tokio::join!(list(), list(), list(), list());
    assert!(offered.0 > 0 && [offered.1, offered.2, offered.3] == [offered.0; 3], "{offered:?}");
    assert_eq!(upstream.seen_of("tools/list").len(), before + 1);
}
