//! Calls of the past under another policy, against an oracle made by hand; and what is kept of a call for that.

use std::sync::Arc;

use portcullis_audit::{Action, Event, Outcome, Records, Trail, erase_in};
use portcullis_database::{ChangeFeed, both_engines, on};
use portcullis_policy::PolicySet;
use portcullis_policy::replay::{Report, Undecidable};
use portcullis_resource_server::catalogue::NewTools;
use portcullis_resource_server::oauth::{Alias, Clock, PrincipalId, PrincipalKind, Seconds};
use portcullis_resource_server::{Policies, Replay};
use portcullis_upstream_fixture::Upstream;
use serde_json::json;

use crate::draft::{Draft, call};
use crate::stage::{ALL, Stage, Token, vault};

/// What holds while the calls are made: owners do everything but list files.
const THEN: &str = "@id(\"owners\") @reason(\"Yours.\") permit (principal, action, resource) when { principal.id == resource.owner };\n\
    @id(\"no_lists\") @reason(\"No lists.\") forbid (principal, action == Action::\"callTool\", resource) when { resource.name == \"list_files\" };\n";
/// What is tried: owners do everything, but say nothing of the plan, and read files with an approval.
const NOW: &str = "@id(\"owners\") @reason(\"Yours.\") permit (principal, action, resource) when { principal.id == resource.owner };\n\
    @id(\"plan\") @reason(\"Not the plan.\") forbid (principal, action, resource) \
    when { context.arguments.hasTag(\"/message\") && context.arguments.getTag(\"/message\") like \"*plan*\" };\n\
    @id(\"ask\") @reason(\"Ask.\") forbid (principal, action == Action::\"callTool\", resource) \
    when { resource.name == \"read_file\" && context.assurance < 2 };\n";
/// What asks for an argument of prompts.
const ASKS_FOR_ARG1: &str = "@id(\"owners\") @reason(\"Yours.\") permit (principal, action, resource) \
    unless { context.arguments.hasTag(\"/arg1\") && context.arguments.getTag(\"/arg1\") == \"x\" };";
const SECRET: &str = "s3cr3t-of-the-connection";

async fn activate(stage: &Stage, text: &str) {
    let clock = Arc::new(stage.clock.clone());
    let feed = ChangeFeed::new(stage.database.clone(), clock.clone());
    Policies::new(stage.database.clone(), feed, clock).activate(text, "ada", "").await.unwrap();
    stage.changes.read().await.unwrap();
}

async fn replay(stage: &Stage, text: &str) -> Report {
    let vault = vault(&stage.database, &stage.clock).await;
    let snapshots = Trail::new(stage.database.clone()).snapshots();
    let replay = Replay::new(Records::new(stage.database.clone()), snapshots, &vault);
    let since = stage.clock.now().minus(Seconds::days(7));
    replay.run(&PolicySet::parse(text).unwrap(), since).await.unwrap()
}

async fn change(stage: &Stage, sql: &'static str) {
    let done = on!(stage.database.write(), |pool| sqlx::query(sql)
        .execute(pool)
        .await
        .map(|done| done.rows_affected()));
    assert!(done.unwrap() > 0, "{sql}");
}

async fn count(stage: &Stage, sql: &'static str) -> i64 {
    on!(stage.database.read(), |pool| sqlx::query_scalar(sql).fetch_one(pool).await).unwrap()
}

/// Alice says the plan twice and something else once, reads a file, tries to list files, and tries to make a note, which
/// nobody may without an approval. One call is not even a decision: its arguments are wrong.
async fn some_calls(stage: &Stage, token: &Token) {
    for (tool, arguments) in [
        ("echo", json!({"message": "the plan"})),
        ("echo", json!({"message": "a plan"})),
        ("echo", json!({"message": "hello"})),
        ("read_file", json!({"name": "welcome.txt"})),
        ("list_files", json!({})),
        ("create_note", json!({"title": "t", "text": "x"})),
        ("echo", json!({"message": 1})),
    ] {
        call(stage, token, &format!("sandbox__{tool}"), arguments).await;
    }
}

fn tools(tally: &portcullis_policy::replay::Tally) -> Vec<(&str, u64)> {
    tally.tools.iter().map(|(tool, count)| (tool.as_str(), *count)).collect()
}

both_engines! {
    /// The oracle: of 6 decisions 2 would have been denied, 1 asked for, 1 newly allowed, and 2 stay as they were
    async fn a_policy_is_held_against_the_calls_of_the_past(database: TestDatabase) {
        let stage = Stage::set(database).await;
        activate(&stage, THEN).await;
        let token = stage.token(ALL);
        some_calls(&stage, &token).await;
        let report = replay(&stage, NOW).await;
        assert_eq!(report.calls, 6, "{report:?}");
        assert_eq!(tools(&report.denied), [("sandbox/echo", 2)]);
        assert_eq!(tools(&report.asked), [("sandbox/read_file", 1)]);
        assert_eq!(tools(&report.allowed), [("sandbox/list_files", 1)]);
        assert_eq!(report.denied.users.keys().collect::<Vec<_>>(), [stage.alice.as_str()]);
        assert_eq!((report.undecided(), report.changed()), (0, 4));

        let same = replay(&stage, THEN).await;
        assert_eq!((same.calls, same.changed(), same.undecided()), (6, 0, 0), "{same:?}");
        stage.clock.advance(Seconds::days(8));
        assert_eq!(replay(&stage, NOW).await.calls, 0, "older than was asked for");
    }

    /// T47: with a person's data goes what was recorded for replays; what is not there is counted, and never guessed
    async fn what_cannot_be_decided_again_is_counted_as_such(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let bob = PrincipalId::generate(PrincipalKind::User);
        let alias = Alias::parse("sandbox").unwrap();
        stage.gateway.connections().create(&bob, &alias, "sandbox", "").await.unwrap();
        let (alice, bob_token) = (stage.token(ALL), stage.token_of(&bob, "/mcp", ALL));
        call(&stage, &alice, "sandbox__echo", json!({"message": "plan"})).await;
        change(&stage, "UPDATE audit_event SET request = NULL WHERE request IS NOT NULL").await;
        call(&stage, &bob_token, "sandbox__echo", json!({"message": "plan"})).await;
        let mut gone = stage.database.begin().await.unwrap();
        let erasure = Event::new(stage.clock.now(), Action::AuditErasure, Outcome::Done);
        erase_in(&mut gone, &bob, erasure).await.unwrap();
        gone.commit().await.unwrap();
        assert_eq!(count(&stage, "SELECT COUNT(*) FROM audit_snapshot").await, 1, "Bob's is gone");
        for _ in 0..2 {
            call(&stage, &alice, "sandbox__echo", json!({"message": "plan"})).await;
        }
        // A sealed request opens in no other event than its own.
        change(&stage, "UPDATE audit_event SET trace_id = 'trc_other' WHERE request = \
            (SELECT MIN(request) FROM audit_event WHERE request IS NOT NULL)").await;
        let report = replay(&stage, NOW).await;
        assert_eq!((report.calls, report.denied.calls), (4, 1), "{report:?}");
        assert_eq!(report.undecidable[&Undecidable::NotRecorded], 2);
        assert_eq!(report.undecidable[&Undecidable::Unreadable], 1);
    }

    /// T46: a secret that is stored for the connection is not kept of what somebody says, not even sealed; who was asked
    /// for it cannot be told
    async fn a_stored_secret_is_not_kept_of_what_somebody_says(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let upstream = Upstream::start().await;
        stage.connect_with("demo", &upstream.url("/mcp"), (NewTools::Allow, Some(SECRET))).await;
        let token = stage.token(ALL);
        for (one, two) in [("x", "y"), (&*format!("see {SECRET}!"), "y")] {
            let params = json!({"name": "demo__test_prompt_with_arguments", "arguments": {"arg1": one, "arg2": two}});
            let got = Draft::modern("/mcp", "prompts/get", params).bearing(&token).at(&stage).await;
            assert_eq!(got.status, 200, "{}", got.body);
        }
        let told: Vec<String> = on!(stage.database.read(), |pool| sqlx::query_scalar(
            "SELECT detail FROM audit_event WHERE action = 'prompts.get' ORDER BY at, id"
        )
        .fetch_all(pool)
        .await)
        .unwrap();
        let told = told.join("\n");
        assert!(told.contains("\"arg1\":\"x\"") && told.contains("\"arg1\":\"[redacted]\""), "{told}");
        assert!(!told.contains(SECRET));

        let report = replay(&stage, ASKS_FOR_ARG1).await;
        assert_eq!((report.calls, report.denied.calls), (2, 1), "{report:?}");
        assert_eq!(report.undecidable[&Undecidable::Redacted], 1);
        assert_eq!(replay(&stage, NOW).await.undecided(), 0, "that policy asks for other arguments");
    }

    /// Who asks is kept once for all their calls, and goes when no event names it any more
    async fn who_asks_is_kept_once_and_for_as_long_as_events(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let token = stage.token(ALL);
        stage.change(&token, |token| token.expires_at = token.expires_at.plus(Seconds::days(900)));
        for _ in 0..3 {
            call(&stage, &token, "sandbox__echo", json!({"message": "x"})).await;
        }
        let snapshots = "SELECT COUNT(*) FROM audit_snapshot";
        assert_eq!(count(&stage, snapshots).await, 1);
        let trail = Trail::new(stage.database.clone());
        stage.clock.advance(Seconds::days(80));
        call(&stage, &token, "sandbox__echo", json!({"message": "x"})).await;
        stage.clock.advance(Seconds::days(80));
        trail.sweep(stage.clock.now()).await.unwrap();
        assert_eq!(count(&stage, snapshots).await, 1, "it was used within the 90 days");
        stage.clock.advance(Seconds::days(20));
        trail.sweep(stage.clock.now()).await.unwrap();
        assert_eq!(count(&stage, snapshots).await, 0);
    }
}
