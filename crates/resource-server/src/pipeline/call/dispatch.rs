//! Runs what was permitted in a task that the server owns, between its two lines in the paper trail: a client that goes away
//! cancels the work in the era in which that means so, and never its note.

use std::sync::Arc;
use std::time::Duration;

use portcullis_audit::{Action, Outcome, trace};
use serde_json::json;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::Form;
use crate::approvals::{Consumed, Ended};
use crate::gateway::Inner;
use crate::line::Line;
use crate::offer::Offer;
use crate::pipeline::Caller;
use crate::pipeline::answer::Answer;
use crate::pipeline::approval::Permission;
use crate::pipeline::case::Case;
use crate::protocol::{Era, code, result};
use crate::refusal::Refusal;
use crate::relay::{self, Judge, Origin};
use crate::reply::Reply;
use crate::round::{self, Binding, Stage, Ticket};
use crate::upstream::{Answered, Failure};

/// Failures that an upstream itself told: then it is known how the call ended.
const UPSTREAM_SAID: [&str; 2] = ["tool_error", "upstream_error"];

/// One call on its way.
pub(super) struct Job {
    pub(super) gateway: Arc<Inner>,
    pub(super) case: Case,
    pub(super) line: Line,
    /// What a list says of the tool, where it is one.
    pub(super) tool: Option<Arc<Offer>>,
    pub(super) form: Form,
    pub(super) origin: Origin,
    pub(super) binding: Binding,
}

impl Job {
    /// Runs it to its end.
    pub(super) async fn run(self, caller: &Caller, permission: Permission) -> Result<Answer, Refusal> {
        let cancelled = CancellationToken::new();
        // HTTP26-15: in this era the client cancels by going away; HTTP25-13: in the other one it says so.
        let _gone = (caller.era == Era::Stateless).then(|| cancelled.clone().drop_guard());
        let id = self.case.id.as_ref().map(|id| id.as_value().to_string());
        let entry = caller
            .session
            .as_ref()
            .zip(id)
            .map(|(session, id)| caller.gateway.underway.begin(session.id(), &id, cancelled.clone()));
        // Boxed: as a task it is moved several times.
        let work = Box::pin(async move {
            let _entry = entry;
            self.noted(permission, cancelled).await
        });
        let work = caller.gateway.tasks.spawn(trace::carry(work.in_current_span()));
        work.await.map_err(|error| Refusal::unavailable(&error))?
    }

    async fn noted(self, permission: Permission, cancelled: CancellationToken) -> Result<Answer, Refusal> {
        let (permitted, approval) = permission.redeem(&self.gateway).await?;
        // No call without its line in the audit: what cannot be noted does not happen.
        if self.case.action == Action::ToolCall {
            let started = self.gateway.trail.record(self.case.event(self.case.now, Outcome::Started)).await;
            if let Err(error) = started {
                self.used(approval.as_ref(), Ended::Error(None)).await;
                return Err(Refusal::unavailable(&error));
            }
        }
        let outcome = tokio::select! {
            outcome = self.gateway.upstreams.execute(permitted, &self.line, &self.origin) => {
                self.answer(outcome, approval.as_ref()).await
            }
            () = silence(&self.line, self.gateway.patience.silence) => {
                let seconds = self.gateway.patience.silence.as_secs();
                let text = format!("The tool took longer than {seconds} seconds.");
                Err(self.form.fail("tool_deadline", text))
            }
            () = cancelled.cancelled() => Err(self.form.fail("cancelled", "The request was cancelled.")),
        };
        let ended = match &outcome {
            // Its next round comes with the same approval.
            Ok(reply) if round::asks_back(reply) => None,
            Ok(reply) if reply.is_error() => Some(Ended::Error(Some(reply))),
            Ok(reply) => Some(Ended::Ok(reply)),
            Err(failure) if UPSTREAM_SAID.contains(&failure.reason()) => Some(Ended::Error(None)),
            Err(_) => Some(Ended::Unknown),
        };
        if let Some(ended) = ended {
            self.used(approval.as_ref(), ended).await;
        }
        Ok(self.end(outcome).await)
    }

    /// Notes how the call ended that used an approval. That it was used is committed already.
    async fn used(&self, approval: Option<&Consumed>, ended: Ended<'_>) {
        let Some(approval) = approval else { return };
        if let Err(error) = Box::pin(self.gateway.approvals.end(approval, ended)).await {
            tracing::error!(cause = ?error, "the end of an approved call could not be noted; its outcome is told as unknown");
        }
    }

    async fn answer(
        &self,
        outcome: Result<Answered, Failure>,
        approval: Option<&Consumed>,
    ) -> Result<Reply, Refusal> {
        let answered = match outcome {
            Ok(answered) => answered,
            Err(failure) => return Err(failed((self.form, &self.case), failure)),
        };
        let reply = relay::result(answered.reply, &self.origin, &answered.secrets)
            .map_err(|relay::TooLarge| self.form.fail("result_size", "The result is larger than 1 MiB."))?;
        let reply = result::sanitised(reply, self.case.changes());
        if round::asks_back(&reply) {
            let ticket = match approval {
                Some(approval) => Some(Box::pin(self.goes_on(approval)).await?),
                None => None,
            };
            let bound = (&self.binding, ticket, self.gateway.clock.now());
            let asking = (self.line.able(), answered.relays);
            let told = (&self.origin, self.gateway.registry.public_url());
            let judge = Judge::new(asking, told, (&answered.secrets, self.line.tally()));
            let asked = self.gateway.rounds.relay(reply, bound, &judge);
            let reply = asked.map_err(|refused| {
                let failure = Failure::asks_back(&self.origin.alias, refused.kind, &refused.why);
                failed((self.form, &self.case), failure)
            })?;
            return Ok(result::complete(self.case.era, reply));
        }
        let reply = round::answers(reply);
        self.conforms(&reply)?;
        Ok(if self.case.action == Action::ResourceRead {
            result::private(self.case.era, reply)
        } else {
            result::complete(self.case.era, reply)
        })
    }

    /// The approval stays with the call while its server asks back.
    async fn goes_on(&self, approval: &Consumed) -> Result<Ticket, Refusal> {
        self.gateway.approvals.asks(approval).await.map_err(|error| Refusal::unavailable(&error))?;
        let (approval, step) = approval.ticket();
        Ok(Ticket { approval, stage: Stage::Asking, step })
    }

    /// TOOL-5: a structured result is as the tool's own schema says, or it is not passed on.
    fn conforms(&self, reply: &Reply) -> Result<(), Refusal> {
        let Some(schema) = self.tool.as_ref().and_then(|tool| tool.output_schema()) else { return Ok(()) };
        if reply.is_error() {
            return Ok(());
        }
        let broken = |why: String| {
            let text = format!("{}: the result is not what the tool promises: {why}", self.origin.alias);
            Err(self.form.fail("result_schema", text))
        };
        match (schema, reply.get("structuredContent")) {
            (Err(why), _) => broken(format!("{why}.")),
            (Ok(_), None) => broken("it has no structured content.".to_owned()),
            (Ok(schema), Some(structured)) => match schema.validate(&structured) {
                Ok(()) => Ok(()),
                Err(error) => broken(format!("{} does not fit.", error.instance_path())),
            },
        }
    }

    /// Notes the end.
    async fn end(&self, outcome: Result<Reply, Refusal>) -> Answer {
        // The clock is asked again: the request waited.
        let event = |outcome, kind| self.case.end(&self.gateway, outcome, kind);
        let (event, answer) = match outcome {
            Ok(reply) if reply.is_error() => {
                (event(Outcome::Failed, reply.kind()).because("tool_error"), Answer::Result(reply))
            }
            Ok(reply) => (event(Outcome::Done, reply.kind()), Answer::Result(reply)),
            Err(failure) => {
                (event(Outcome::Failed, failure.kind()).because(failure.reason()), Answer::Failed(failure))
            }
        };
        let event = event.with(json!({"is_error": answer.is_error()}));
        let event = match self.line.tally().told() {
            Some(asked) => event.with(json!({ "asked": asked })),
            None => event,
        };
        self.gateway.trail.note(event).await;
        answer
    }
}

/// What the caller is told of something that was allowed and gave no result.
pub(in crate::pipeline) fn failed((form, case): (Form, &Case), failure: Failure) -> Refusal {
    match failure {
        Failure::Told(text) => form.fail("tool_error", text),
        Failure::Upstream(reason, text) => form.fail(reason, text),
        Failure::NotOffered(text) => Refusal::error("upstream_not_offered", code::METHOD_NOT_FOUND, text),
        Failure::Rpc { code, message, data } => {
            let code = code::passed_on(code, case.era == Era::Stateless);
            let refusal = Refusal::rpc("upstream_error", code::status(code), code, message);
            match data {
                Some(data) => refusal.with_data(data),
                None => refusal,
            }
        }
        // ASVS-16.5.1: a generic message and a trace id; the cause goes to the log
        Failure::Inside(cause) => {
            tracing::warn!(?cause, trace_id = case.trace.as_str(), "a call failed inside");
            let text = format!("This failed inside. Trace id: {}", case.trace.as_str());
            form.fail("tool_failed", text)
        }
    }
}

/// Comes back when nothing was heard for too long.
async fn silence(line: &Line, patience: Duration) {
    loop {
        let until = line.quiet_since().unwrap_or_else(Instant::now) + patience;
        if until <= Instant::now() {
            return;
        }
        sleep_until(until).await;
    }
}
