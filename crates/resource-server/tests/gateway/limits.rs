//! Limits: in which buckets a call is counted, on one node and on several, and what admins can set.

use std::sync::Arc;

use portcullis_database::{ChangeFeed, both_engines, on};
use portcullis_resource_server::oauth::{ClientId, Seconds, Timestamp};
use portcullis_resource_server::{Limit, LimitRules, LimitSubject, Rates};
use serde_json::json;

use crate::draft::{Answer, Draft, call};
use crate::stage::{ALL, Stage, Token};

/// Sets a limit in another process.
async fn limit(stage: &Stage, (kind, subject): (LimitSubject, &str), amounts: (Option<u32>, Option<u32>)) {
    let clock = || Arc::new(stage.clock.clone());
    let feed = ChangeFeed::new(stage.database.clone(), clock());
    let limit = Limit {
        kind,
        subject: subject.to_owned(),
        calls: amounts.0,
        calls_of_a_tool: amounts.1,
        author: "ada".to_owned(),
        created_at: Timestamp::from_micros(0),
    };
    LimitRules::new(stage.database.clone(), feed, clock()).set(&limit).await.unwrap();
    stage.changes.read().await.unwrap();
}

async fn echo(stage: &Stage, token: &Token) -> Answer {
    call(stage, token, "sandbox__echo", json!({"message": "x"})).await
}

/// How many of a hundred calls pass before one is refused, and the refusal.
async fn pass(stage: &Stage, token: &Token) -> (usize, Answer) {
    for count in 0..100 {
        let answer = echo(stage, token).await;
        if answer.status != 200 || answer.tool().1 {
            return (count, answer);
        }
    }
    panic!("nothing was refused");
}

fn shared() -> Rates {
    Rates { shared: true, ..Rates::default() }
}

both_engines! {
    /// TOOL-10, T46: two nodes over one database count together, at both endpoints and whatever a tool is called there
    async fn nodes_and_endpoints_share_the_buckets(database: TestDatabase) {
        let stage = Stage::with_rates(database, shared()).await;
        let (other, _feed) = stage.another_node_with(shared()).await;
        let token = stage.token(ALL);
        let one = stage.token_of(&stage.alice.clone(), "/mcp/sandbox", ALL);
        for _ in 0..5 {
            assert!(!echo(&stage, &token).await.tool().1);
            let own = Draft::modern("/mcp/sandbox", "tools/call", json!({"name": "echo", "arguments": {"message": "x"}}));
            let answer = own.bearing(&one).at_gateway(&other).await;
            assert!(!answer.tool().1, "{}", answer.body);
        }
        assert_eq!(echo(&stage, &token).await.tool(), ("This tool was called too often. Try again in 6 seconds.", true));
        assert!(stage.reasons().await.contains(&"tool_rate_limit".to_owned()));
        stage.clock.advance(Seconds(6));
        assert!(!echo(&stage, &token).await.tool().1);
    }

    /// TOOL-10: a limit of a user stands in place of the setting, and one of a client holds beside it
    async fn an_admin_can_set_limits_of_users_and_clients(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let token = stage.token(ALL);
        limit(&stage, (LimitSubject::User, stage.alice.as_str()), (Some(8), Some(20))).await;
        let (count, refused) = pass(&stage, &token).await;
        assert_eq!((count, refused.status.as_u16(), refused.header("retry-after")), (8, 429, "8"));
        stage.clock.advance(Seconds(60));
        limit(&stage, (LimitSubject::Client, "client_a"), (Some(3), None)).await;
        let (count, refused) = pass(&stage, &token).await;
        assert_eq!((count, refused.status.as_u16(), refused.header("retry-after")), (3, 429, "20"));
        let other = stage.token(ALL);
        stage.change(&other, |token| token.client = ClientId::from("client_b".to_owned()));
        assert!(!echo(&stage, &other).await.tool().1, "another client has its own");
        assert_eq!(stage.outcomes("policy.change").await.len(), 2);
    }

    /// TOOL-10: a limit of a connection stands in place of its server's, and of several of a tool the strictest holds
    async fn an_admin_can_set_limits_of_servers_and_connections(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let token = stage.token(ALL);
        limit(&stage, (LimitSubject::Server, "sandbox"), (Some(4), None)).await;
        let (count, refused) = pass(&stage, &token).await;
        assert_eq!((count, refused.tool()), (4, ("This connection was used too often. Try again in 15 seconds.", true)));
        assert!(stage.reasons().await.contains(&"connection_rate_limit".to_owned()));
        stage.clock.advance(Seconds(60));
        limit(&stage, (LimitSubject::Connection, stage.sandbox.id.as_str()), (Some(6), None)).await;
        assert_eq!(pass(&stage, &token).await.0, 6);
        stage.clock.advance(Seconds(60));
        limit(&stage, (LimitSubject::Server, "sandbox"), (None, Some(2))).await;
        limit(&stage, (LimitSubject::User, stage.alice.as_str()), (None, Some(5))).await;
        let (count, refused) = pass(&stage, &token).await;
        assert_eq!(count, 2, "{:?}", refused.tool());
    }

    /// Where nobody can count, nothing runs; lists go on
    async fn without_its_buckets_nothing_is_called(database: TestDatabase) {
        let stage = Stage::with_rates(database, shared()).await;
        let token = stage.token(ALL);
        on!(stage.database.write(), |pool| sqlx::query("DROP TABLE rate_bucket").execute(pool).await.map(drop)).unwrap();
        let answer = echo(&stage, &token).await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "5"));
        assert_eq!(stage.reasons().await, ["unavailable"]);
        let listed = Draft::modern("/mcp", "tools/list", json!({})).bearing(&token).at(&stage).await;
        assert_eq!(listed.tool_names().len(), 10);
    }
}
