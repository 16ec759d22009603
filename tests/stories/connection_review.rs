//! The review of tools on a connection's page: what waits, what is new about it, and its owner's word.

use std::sync::Arc;

use portcullis_database::both_engines;
use portcullis_oauth::{Alias, Clock};
use portcullis_resource_server::catalogue::{
    AuthKind, HeaderFormat, NewTools, Relays, Server, ServerKind, Servers, Slug, Visibility,
};
use portcullis_resource_server::{Connection, NewConnection, Probe};
use portcullis_tests::{Browser, World};
use portcullis_upstream_fixture::Upstream;
use serde_json::json;

/// A connection of Alice's to a server whose tools all wait.
async fn connected(world: &World, upstream: &Upstream) -> Connection {
    let clock: Arc<dyn Clock> = Arc::new(world.clock.clone());
    let servers = Servers::new(world.app.database.clone(), world.app.changes.clone(), clock);
    let server = Server {
        slug: Slug::parse("demo").unwrap(),
        title: "Demo".to_owned(),
        kind: ServerKind::Http { url: upstream.url("/mcp"), legacy_sse: false },
        private_network: false,
        auth: vec![AuthKind::None],
        header: HeaderFormat::default(),
        parameters: vec![],
        new_tools: NewTools::Quarantine,
        relays: Relays::default(),
        visible_to: Visibility::Everyone,
        created_at: world.clock.now(),
        disabled_at: None,
    };
    servers.create(&server, true).await.unwrap();
    let new = NewConnection {
        principal: world.alice.id.clone(),
        alias: Alias::parse("demo").unwrap(),
        server: "demo".to_owned(),
        label: String::new(),
        auth: AuthKind::None,
        settings: std::collections::BTreeMap::new(),
    };
    let gateway = &world.app.gateway;
    let connection = gateway.connections().add(&new).await.unwrap();
    gateway.probe(&connection).await;
    connection
}

both_engines! {
    /// T26, T27: what its owner sees is what they accept, and nothing in it hides or runs
    async fn an_owner_looks_at_a_tool_and_accepts_it(database: TestDatabase) {
        let world = World::on(database).await;
        let upstream = Upstream::start().await;
        let about = "Reads <script>alert(1)</script>\u{202e}.";
        upstream.define(json!({"name": "get_time", "description": about, "inputSchema": {"type": "object"}}));
        let connection = connected(&world, &upstream).await;
        let mut browser = Browser::signed_in(&world).await;
        let page = browser.get("/connections/demo").await.body;
        assert!(browser.get("/").await.body.contains("tools wait for your review"));
        assert!(page.contains("Waiting for your review") && page.contains("get_time"), "{page}");
        assert!(page.contains("turns the direction of text") && page.contains("[U+202E]"), "{page}");
        assert!(!page.contains("<script>alert") && !page.contains('\u{202e}'), "{page}");
        let waiting = world.app.gateway.review(&connection).await.unwrap();
        let seen = waiting.iter().find(|tool| tool.tool == "get_time").unwrap().hash.clone().unwrap();
        let csrf = browser.get("/connections/demo").await.field("csrf").unwrap();
        let accept = |hash: &str| vec![("csrf".to_owned(), csrf.clone()), ("tool".to_owned(), "get_time".to_owned()), ("hash".to_owned(), hash.to_owned())];
        let wrong = accept("another");
        let fields: Vec<(&str, &str)> = wrong.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let refused = browser.post("/connections/demo/accept", &fields).await;
        assert!(refused.body.contains("Nothing was accepted"), "{}", refused.body);
        let right = accept(&seen);
        let fields: Vec<(&str, &str)> = right.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let accepted = browser.post("/connections/demo/accept", &fields).await;
        assert!(accepted.body.contains("accepted as you saw it"), "{}", accepted.body);
        let reviewed = world.app.gateway.review(&connection).await.unwrap();
        let tool = reviewed.iter().find(|tool| tool.tool == "get_time").unwrap();
        assert_eq!((tool.state.as_str(), tool.accepted_by.as_deref()), ("accepted", Some("alice@example.com")));
        let trail = world.trail().await.join("\n");
        assert!(trail.contains("connection.reviewed") && trail.contains("connection.tools_changed"), "{trail}");
    }
}
