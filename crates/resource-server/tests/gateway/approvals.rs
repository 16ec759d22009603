//! Approvals at the gateway: asked for, decided, used once, and told truthfully.

use std::sync::Arc;

use portcullis_database::{both_engines, on};
use portcullis_resource_server::catalogue::NewTools;
use portcullis_resource_server::oauth::{ApprovalId, Clock, PrincipalId, PrincipalKind, Seconds};
use portcullis_resource_server::{
    ApprovalState, Decided, Decider, How, Inbox, Policies, ToolBlocks, Verdict,
};
use portcullis_upstream_fixture::Upstream;
use serde_json::json;

use crate::draft::{Answer, Draft, call};
use crate::rungs::waiting as inbox;
use crate::stage::{ALL, Stage, Token};

const DELETE: &str = "sandbox__delete_note";

async fn decide(stage: &Stage, id: &ApprovalId, verdict: Verdict) -> Decided {
    let decider = Decider { who: &stage.alice, how: How::Page, approver: false };
    stage.gateway.approvals().decide(id, verdict, decider).await.unwrap()
}

async fn states(stage: &Stage) -> Vec<&'static str> {
    inbox(stage).await.iter().map(|approval| approval.state.as_str()).collect()
}

fn state_of(answer: &Answer) -> &str {
    answer.body["result"]["_meta"]["portcullis/approval"]["state"].as_str().unwrap_or_default()
}

/// Calls a second later, so that the order of the inbox is certain.
async fn delete(stage: &Stage, token: &Token, id: &str) -> Answer {
    stage.clock.advance(Seconds(1));
    call(stage, token, DELETE, json!({ "id": id })).await
}

both_engines! {
    /// T32, T42: the call waits, is approved, and is made once; the same call afterwards asks anew
    async fn a_call_is_made_once_after_its_user_approved_it(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let token = stage.token(ALL);
        let first = delete(&stage, &token, "note_x").await;
        let (text, is_error) = first.tool();
        assert!(is_error && text.starts_with("NOT EXECUTED. This call needs the user's approval."), "{text}");
        assert_eq!(state_of(&first), "pending");
        let waiting = inbox(&stage).await.remove(0);
        assert!(text.contains(&format!("(code {})", waiting.code())) && text.contains("exactly the same arguments"));
        assert_eq!((waiting.tool.as_str(), waiting.risk.as_str(), waiting.level), ("delete_note", "destructive", 2));
        let said = stage.gateway.approvals().arguments(&waiting).await.unwrap();
        assert_eq!(said, "{\n  \"id\": \"note_x\"\n}");
        // Asking again is the same question.
        delete(&stage, &token, "note_x").await;
        assert_eq!(inbox(&stage).await.len(), 1);
        assert!(matches!(decide(&stage, &waiting.id, Verdict::Approve).await, Decided::Now(_)));
        // Other arguments are another call, and leave this approval as it is.
        assert_eq!(state_of(&delete(&stage, &token, "note_y").await), "pending");
        assert_eq!(delete(&stage, &token, "note_x").await.tool(), ("There is no such note.", true));
        assert_eq!(states(&stage).await, ["pending", "executed_error"]);
        assert_eq!(state_of(&delete(&stage, &token, "note_x").await), "pending");
        assert_eq!(states(&stage).await, ["pending", "pending", "executed_error"]);
        for (action, outcomes) in [
            ("approval.created", vec!["done"; 3]),
            ("approval.decided", vec!["done"]),
            ("approval.consumed", vec!["started"]),
            ("approval.executed", vec!["failed"]),
        ] {
            assert_eq!(stage.outcomes(action).await, outcomes, "{action}");
        }
    }

    /// T32: the order of members is nobody's business, one more or less is
    async fn the_same_call_in_another_order_is_the_same_call(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let token = stage.token(ALL);
        let write = async |arguments: &str| {
            let body = format!(
                r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"sandbox__create_note","arguments":{arguments},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
            );
            let draft = Draft::raw("/mcp", body).header("mcp-protocol-version", "2026-07-28");
            draft.header("mcp-method", "tools/call").header("mcp-name", "sandbox__create_note").bearing(&token).at(&stage).await
        };
        write(r#"{"title":"t","text":"x"}"#).await;
        let waiting = inbox(&stage).await.remove(0);
        decide(&stage, &waiting.id, Verdict::Approve).await;
        assert_eq!(state_of(&write(r#"{"title":"t","text":"x "}"#).await), "pending");
        let made = write(r#"{"text":"x","title":"t"}"#).await;
        assert!(made.tool().0.starts_with("Created "), "{}", made.body);
    }

    /// T44: a denied call is denied for a while, and says what not to do
    async fn a_denied_call_cools_down(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let token = stage.token(ALL);
        delete(&stage, &token, "a").await;
        let waiting = inbox(&stage).await.remove(0);
        decide(&stage, &waiting.id, Verdict::Deny).await;
        assert!(matches!(decide(&stage, &waiting.id, Verdict::Approve).await, Decided::Over(_)));
        let refused = delete(&stage, &token, "a").await;
        assert_eq!(refused.tool().0, "NOT EXECUTED. The user denied this call. Do not retry it or work around it.");
        assert_eq!(inbox(&stage).await.len(), 1);
        stage.clock.advance(Seconds(297));
        assert_eq!(state_of(&delete(&stage, &token, "a").await), "denied");
        assert_eq!(state_of(&delete(&stage, &token, "a").await), "pending");
        assert!(stage.reasons().await.iter().any(|reason| reason == "approval_denied"));
    }

    /// An approval that nobody decided expires after five minutes, one that nobody used lapses after two, each with one line
    async fn what_nobody_decides_or_uses_is_over(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let token = stage.token(ALL);
        delete(&stage, &token, "a").await;
        delete(&stage, &token, "b").await;
        let (b, a) = { let mut both = inbox(&stage).await; (both.remove(0), both.remove(0)) };
        stage.clock.advance(Seconds(298));
        decide(&stage, &b.id, Verdict::Approve).await;
        stage.clock.advance(Seconds(1));
        assert!(matches!(decide(&stage, &a.id, Verdict::Approve).await, Decided::Over(over) if over.state == ApprovalState::Expired));
        stage.clock.advance(Seconds(119));
        assert_eq!(states(&stage).await, ["lapsed", "expired"]);
        let now = stage.clock.now();
        stage.gateway.sweep(now).await.unwrap();
        stage.gateway.sweep(now).await.unwrap();
        assert_eq!(stage.outcomes("approval.expired").await, ["done", "done"]);
        assert_eq!(state_of(&delete(&stage, &token, "b").await), "pending");
        assert_eq!(stage.outcomes("approval.consumed").await.len(), 0);
    }

    /// T44: neither a client nor all of somebody's clients together flood an inbox, and whoever decides makes room
    async fn an_inbox_is_bounded(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let tokens: Vec<Token> = (0..5)
            .map(|number| {
                let token = stage.token(ALL);
                stage.change(&token, |token| token.client = format!("client_{number}").into());
                token
            })
            .collect();
        for (place, token) in tokens.iter().enumerate() {
            for number in 0..6 {
                // Two tools, since each has a bucket of its own.
                let id = json!({"id": format!("n{place}_{number}")});
                let name = if place % 2 == 0 { DELETE } else { "sandbox__update_note" };
                let arguments = if place % 2 == 0 { id } else { json!({"id": id["id"], "text": "x"}) };
                call(&stage, token, name, arguments).await;
            }
            stage.clock.advance(Seconds(20));
        }
        let full = stage.reasons().await.iter().filter(|reason| *reason == "approvals_full").count();
        let waiting = inbox(&stage).await;
        assert_eq!((waiting.len(), full), (20, 10), "each refusal is one event");
        for client in 0..4 {
            let of = waiting.iter().filter(|one| one.client.as_str() == format!("client_{client}")).count();
            assert_eq!(of, 5);
        }
        decide(&stage, &waiting[0].id, Verdict::Deny).await;
        stage.clock.advance(Seconds(60));
        let late = call(&stage, &tokens[4], DELETE, json!({"id": "one_more"})).await;
        assert_eq!(state_of(&late), "pending", "{}", late.body);
    }

    /// T42: at the border of five minutes one node approves while another finds the time over; one of them wins, and the
    /// paper trail says which
    async fn approving_and_expiring_at_the_border_have_one_winner(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let (other, _feed) = stage.another_node().await;
        let (mut approved, mut expired) = (0, 0);
        for round in 0..40 {
            // No token lives as long as this story.
            delete(&stage, &stage.token(ALL), &format!("n{round}")).await;
            let id = inbox(&stage).await.remove(0).id;
            stage.clock.advance(Seconds(299));
            let over = stage.clock.now().plus(Seconds(1));
            // Each is first as often as the other.
            let (decided, swept) = if round % 2 == 0 {
                tokio::join!(decide(&stage, &id, Verdict::Approve), other.sweep(over))
            } else {
                let (swept, decided) = tokio::join!(other.sweep(over), decide(&stage, &id, Verdict::Approve));
                (decided, swept)
            };
            swept.unwrap();
            match (decided, inbox(&stage).await[0].state) {
                (Decided::Now(_), ApprovalState::Approved) => approved += 1,
                (Decided::Over(over), ApprovalState::Expired) if over.state == ApprovalState::Expired => expired += 1,
                (decided, state) => panic!("{decided:?} and {state:?}"),
            }
            let reasons = stage.reasons().await;
            let told = ["approval_approved", "approval_expired"]
                .map(|told| reasons.iter().filter(|reason| *reason == told).count());
            assert_eq!(told, [approved, expired]);
            // What was approved lapses, in nobody's way.
            stage.clock.advance(Seconds(200));
        }
        assert!(approved + expired == 40, "{approved} and {expired}");
    }

    /// T42: fifty retries of one approved call, one call
    async fn fifty_retries_after_one_approval_make_one_call(database: TestDatabase) {
        let stage = Arc::new(Stage::set(database).await);
        let token = stage.token(ALL);
        let write = json!({"title": "t", "text": "x"});
        call(&stage, &token, "sandbox__create_note", write.clone()).await;
        decide(&stage, &inbox(&stage).await[0].id, Verdict::Approve).await;
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let (stage, token, write) = (Arc::clone(&stage), token.clone(), write.clone());
            all.spawn(async move { call(&stage, &token, "sandbox__create_note", write).await.tool().0.starts_with("Created ") });
        }
        let made = all.join_all().await.into_iter().filter(|made| *made).count();
        assert_eq!(made, 1);
        assert_eq!(stage.outcomes("approval.consumed").await, ["started"]);
        assert_eq!(stage.outcomes("approval.executed").await, ["done"]);
    }

    /// T45: what was approved is judged once more when it is to be made
    async fn what_changed_since_the_approval_counts(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let token = stage.token(ALL);
        let approved = async |id: &str| {
            delete(&stage, &token, id).await;
            decide(&stage, &inbox(&stage).await[0].id, Verdict::Approve).await;
        };
        approved("blocked").await;
        let blocks = ToolBlocks::new(stage.database.clone(), stage.changes.clone(), Arc::new(stage.clock.clone()));
        let here = portcullis_resource_server::BlockedAt::Anywhere;
        blocks.block("delete_note", &here, "ada", "").await.unwrap();
        assert_eq!(delete(&stage, &token, "blocked").await.code(), -32602);
        blocks.unblock("delete_note", &here, "ada").await.unwrap();

        approved("narrowed").await;
        stage.revoke(&token, |token| "mcp.tools.read".clone_into(&mut token.scope));
        stage.clock.advance(Seconds(61));
        let narrowed = delete(&stage, &token, "narrowed").await;
        assert_eq!(narrowed.status.as_u16(), 403, "{}", narrowed.body);
        // Granted again is another grant: what was approved for the one is nothing to the other.
        let again = stage.token(ALL);
        assert_eq!(state_of(&delete(&stage, &again, "narrowed").await), "pending");
        assert_eq!(stage.outcomes("approval.consumed").await.len(), 0);
    }

    /// T18, T40: an approval is its owner's; to everybody else there is none
    async fn somebody_elses_approval_is_an_unknown_one(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let token = stage.token(ALL);
        delete(&stage, &token, "a").await;
        let waiting = inbox(&stage).await.remove(0);
        let bob = PrincipalId::generate(PrincipalKind::User);
        for approver in [false, true] {
            let decider = Decider { who: &bob, how: How::Page, approver };
            let decided = stage.gateway.approvals().decide(&waiting.id, Verdict::Deny, decider).await.unwrap();
            assert!(matches!(decided, Decided::Unknown), "{approver}");
            let inbox = Inbox { who: Some(&bob), approver };
            assert!(stage.gateway.approvals().find(&waiting.id, inbox).await.unwrap().is_none());
        }
        assert_eq!(states(&stage).await, ["pending"]);
    }

    /// T26: what a call says is shown without secrets and with nothing hidden, and stands in no column as it is
    async fn what_a_call_says_is_sealed_and_masked(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let token = stage.token(ALL);
        call(&stage, &token, "sandbox__send_message", json!({"to": "canary@example.com", "text": "hi\u{202e}"})).await;
        let waiting = inbox(&stage).await.remove(0);
        let said = stage.gateway.approvals().arguments(&waiting).await.unwrap();
        assert!(said.contains("canary@example.com") && said.contains("hi\\u202e"), "{said}");
        let (sealed,): (String,) = on!(stage.database.read(), |pool| sqlx::query_as("SELECT arguments FROM approval").fetch_one(pool).await).unwrap();
        assert!(sealed.starts_with("v1.") && !sealed.contains("canary"));
    }

    /// A call that was cut off is told as such, and never made again by itself
    async fn a_call_that_was_cut_off_is_told_truthfully(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let token = stage.token(ALL);
        delete(&stage, &token, "a").await;
        decide(&stage, &inbox(&stage).await[0].id, Verdict::Approve).await;
        delete(&stage, &token, "a").await;
        // As if the process had been killed between the two.
        on!(stage.database.write(), |pool| sqlx::query("UPDATE approval SET state = 'consumed', ended_at = NULL").execute(pool).await.map(drop)).unwrap();
        stage.clock.advance(Seconds(12 * 60));
        stage.gateway.sweep(stage.clock.now()).await.unwrap();
        assert_eq!(states(&stage).await, ["outcome_unknown"]);
        assert!(stage.reasons().await.iter().any(|reason| reason == "outcome_unknown"));
        assert_eq!(stage.outcomes("approval.consumed").await.len(), 1);
    }

    /// What a node finds begun when it starts is told as unknown, unless the end comes after all
    async fn a_node_that_starts_anew_tells_what_was_begun(database: TestDatabase) {
        let stage = Arc::new(Stage::set(database).await);
        let token = stage.token(ALL);
        let policies = Policies::new(stage.database.clone(), stage.changes.clone(), Arc::new(stage.clock.clone()));
        let policy = "@id(\"asks\") @reason(\"Ask.\") permit (principal, action, resource) when { context.assurance >= 2 };";
        policies.activate(policy, "ada", "").await.unwrap();
        let slow = async |stage: &Stage| call(stage, &token, "sandbox__slow", json!({"seconds": 2})).await;
        slow(&stage).await;
        decide(&stage, &inbox(&stage).await[0].id, Verdict::Approve).await;
        let meanwhile = async {
            while stage.outcomes("approval.consumed").await.is_empty() {
                tokio::task::yield_now().await;
            }
            stage.clock.advance(Seconds(1));
            let (again, _feed) = stage.another_node().await;
            again.sweep(stage.clock.now()).await.unwrap();
            states(&stage).await
        };
        let (done, found) = tokio::join!(slow(&stage), meanwhile);
        assert_eq!(found, ["outcome_unknown"]);
        assert!(!done.tool().1, "{}", done.body);
        assert_eq!(states(&stage).await, ["executed_ok"]);
    }

    /// T46: nobody can approve anything but a call of a tool, so what a policy wants agreed to otherwise is refused, once
    async fn what_is_no_call_of_a_tool_cannot_be_approved(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let upstream = Upstream::start().await;
        stage.connect_with("demo", &upstream.url("/mcp"), (NewTools::Allow, None)).await;
        let token = stage.token(ALL);
        let policies = Policies::new(stage.database.clone(), stage.changes.clone(), Arc::new(stage.clock.clone()));
        let text = "@id(\"all\") @reason(\"-\") permit (principal, action, resource);\n\
            @id(\"ask\") @reason(\"Ask first.\") forbid (principal, action == Action::\"getPrompt\", resource) when { context.assurance < 2 };";
        policies.activate(text, "ada", "").await.unwrap();
        stage.changes.read().await.unwrap();
        let params = json!({"name": "demo__test_simple_prompt"});
        let refused = Draft::modern("/mcp", "prompts/get", params).bearing(&token).at(&stage).await;
        assert_eq!(refused.code(), -32602, "{}", refused.body);
        assert!(refused.body["error"]["message"].as_str().unwrap().contains("nothing was done"), "{}", refused.body);
        assert_eq!(stage.outcomes("prompts.get").await, ["refused"]);
        assert_eq!(stage.reasons().await.iter().filter(|reason| *reason == "approval_unavailable").count(), 1);
        assert_eq!(inbox(&stage).await.len(), 0, "nobody is asked for what could not be done anyway");
        assert!(upstream.seen_of("prompts/get").is_empty());
    }
}
