//! Rounds of a request in the stateless era (2026-07-28, "Multi Round-Trip Requests"): an upstream asks back, the client
//! brings the answer with the request once more. What the upstream wants to see again travels sealed, bound to the caller
//! and to the very request, so that it is good for nothing else (MRTR-4, MRTR-5, MRTR-8, T18, T19).

use std::collections::BTreeMap;

use portcullis_oauth::{ApprovalId, Seconds, Timestamp, VerifiedBearer};
use portcullis_vault::{SealingKey, Vault};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::catalogue::Relays;
use crate::connections::Connection;
use crate::errand::{Errand, Params};
use crate::relay::{Judge, Kind, Question, Refused, Unfit};
use crate::reply::Reply;

/// An answer may take so long to come.
const LIFE: Seconds = Seconds::minutes(10);
/// Longer states of upstreams are not carried, in bytes.
const LONGEST: usize = 16 * 1024;
/// So long the name of a question may be that is remembered until it is answered, in bytes.
const NAME: usize = 200;
/// A key seals for a day, and opens for as long after as anything that it sealed may live. Nodes' clocks differ a little.
const DAY: Seconds = Seconds::days(1);
const SKEW: Seconds = Seconds::minutes(1);

/// What a client was asked for of its own, by the names of the questions.
type Asked = BTreeMap<String, Kind>;

/// Seals and opens what clients carry, with keys that every node shares.
pub(crate) struct Rounds(Vault);

/// What is inside.
#[derive(Deserialize, Serialize)]
struct Carried {
    until: i64,
    state: Option<String>,
    ticket: Option<Ticket>,
    /// The questions that are to be answered with it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    asked: Asked,
    /// How often it was so far, in all rounds of the call.
    #[serde(default)]
    drawn: u32,
}

/// Which approval goes with a state. A name and no capability: whatever it opens stands in the approval's row.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Ticket {
    /// The approval.
    pub(crate) approval: ApprovalId,
    /// What the client waits for.
    pub(crate) stage: Stage,
    /// The leg of the wait, or the round in which the upstream asked.
    pub(crate) step: i64,
}

/// What a client waits for that carries a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// Somebody's decision.
    Waiting,
    /// The upstream's answer, after the approval was used.
    Asking,
}

/// What a client brought, opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Opened {
    /// The upstream's own state, if it gave one.
    pub(crate) state: Option<String>,
    /// The approval that goes with it.
    pub(crate) ticket: Option<Ticket>,
    /// The questions that are answered with it, as far as answers are held against them.
    pub(crate) asked: Asked,
    /// How often the client was asked for something of its own so far.
    pub(crate) drawn: u32,
}

impl Opened {
    /// The first question to which something else was given than an answer. One that is not answered the upstream asks again,
    /// and what answers no question it ignores (MRTR-7).
    pub(crate) fn unanswered(&self, responses: &Params) -> Option<Kind> {
        self.given(responses).find(|(kind, answer)| !kind.is_answered_by(answer)).map(|(kind, _)| kind)
    }

    /// The first question that was answered and that the server may not ask any more.
    pub(crate) fn asked_beyond(&self, relays: Relays, responses: &Params) -> Option<Kind> {
        self.given(responses).map(|(kind, _)| kind).find(|kind| match kind {
            Kind::Elicitation => false,
            Kind::Sampling => !relays.sampling,
            Kind::Roots => !relays.roots,
        })
    }

    fn given<'o>(&'o self, responses: &'o Params) -> impl Iterator<Item = (Kind, &'o Value)> {
        self.asked.iter().filter_map(|(name, kind)| Some((*kind, responses.get(name)?)))
    }
}

/// Why what a client brought opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotForThis {
    /// It is of another request, another caller, or nobody's.
    Foreign,
    /// Its time is over.
    Late,
}

/// Waits are told from rounds before anything is opened, since they are counted apart. What is sealed as one does not open
/// as the other.
const WAITS: &str = "w1";
const ROUND: &str = "r1";

/// Whether a state says of itself that it only waits.
pub(crate) fn only_waits(state: &str) -> bool {
    state.strip_prefix(WAITS).is_some_and(|rest| rest.starts_with('.'))
}

/// To whom and what a state belongs, as text that is the same for the same request alone.
#[derive(Clone)]
pub(crate) struct Binding(String);

impl Binding {
    /// The binding of a request that was checked.
    pub(crate) fn of(bearer: &VerifiedBearer, (connection, errand): (&Connection, &Errand)) -> Self {
        let mut params = Value::Object(errand.clone().into_params());
        // The same request in another order is the same request.
        params.sort_all_objects();
        let params = params.to_string();
        let digest = Sha256::digest(params.as_bytes());
        let parts = (
            "round/1",
            &bearer.principal().id,
            bearer.client_id(),
            bearer.resource(),
            &connection.id,
            connection.credential_version,
            errand.method(),
            digest.as_slice(),
        );
        // Texts and numbers: there is nothing that could not be written.
        Self(serde_json::to_string(&parts).unwrap_or_default())
    }

    fn place(&self, kind: &str, day: i64) -> Vec<u8> {
        format!("{kind} {day} {}", self.0).into_bytes()
    }
}

impl Rounds {
    /// Rounds under keys of `vault`.
    pub(crate) fn new(vault: Vault) -> Self {
        Self(vault)
    }

    /// The key of a day: known to every node, and new every day.
    fn key(&self, day: i64) -> SealingKey {
        self.0.server_key(format!("portcullis mcp rounds v1 day {day}").as_bytes())
    }

    fn seal(&self, binding: &Binding, carried: &Carried, now: Timestamp) -> String {
        let waits = carried.ticket.as_ref().is_some_and(|ticket| ticket.stage == Stage::Waiting);
        let kind = if waits { WAITS } else { ROUND };
        let day = now.seconds().div_euclid(DAY.0);
        let sealed = self.key(day).seal(json!(carried).to_string().as_bytes(), &binding.place(kind, day));
        format!("{kind}.{day}.{sealed}")
    }

    /// What the client of a call that waits has to bring, until `until`.
    pub(crate) fn waiting(
        &self,
        binding: &Binding,
        ticket: Ticket,
        until: Timestamp,
        now: Timestamp,
    ) -> String {
        let (asked, drawn) = (Asked::new(), 0);
        let carried = Carried { until: until.micros(), state: None, ticket: Some(ticket), asked, drawn };
        self.seal(binding, &carried, now)
    }

    /// Opens what a client brought with a request (MRTR-4, MRTR-5).
    pub(crate) fn open(
        &self,
        binding: &Binding,
        brought: &str,
        now: Timestamp,
    ) -> Result<Opened, NotForThis> {
        let mut parts = brought.splitn(3, '.');
        let (Some(kind @ (WAITS | ROUND)), Some(day), Some(sealed)) =
            (parts.next(), parts.next(), parts.next())
        else {
            return Err(NotForThis::Foreign);
        };
        let day: i64 = day.parse().map_err(|_| NotForThis::Foreign)?;
        let begins = Timestamp::from_micros(0).plus(Seconds(day.saturating_mul(DAY.0)));
        if now < begins.minus(SKEW) {
            return Err(NotForThis::Foreign);
        }
        if now > begins.plus(DAY).plus(LIFE).plus(SKEW) {
            return Err(NotForThis::Late);
        }
        let opened =
            self.key(day).open(sealed, &binding.place(kind, day)).map_err(|_| NotForThis::Foreign)?;
        let Carried { until, state, ticket, asked, drawn } =
            serde_json::from_slice(&opened).map_err(|_| NotForThis::Foreign)?;
        if now < Timestamp::from_micros(until) {
            Ok(Opened { state, ticket, asked, drawn })
        } else {
            Err(NotForThis::Late)
        }
    }

    /// Makes the result of a round fit for a client of the stateless era.
    pub(crate) fn relay(
        &self,
        mut reply: Reply,
        (binding, ticket, now): (&Binding, Option<Ticket>, Timestamp),
        judge: &Judge<'_>,
    ) -> Result<Reply, Refused> {
        let asked = match reply.get("inputRequests") {
            None => Asked::new(),
            Some(Value::Object(requests)) => {
                let (fit, asked) = fit(requests, judge)?;
                reply.set("inputRequests", &Value::Object(fit));
                asked
            }
            Some(_) => return Err(Refused::NO_QUESTION),
        };
        let state = match reply.get("requestState") {
            Some(Value::String(state)) if state.len() <= LONGEST => Some(state),
            None => None,
            Some(_) => return Err(Refused::NO_QUESTION),
        };
        let (until, drawn) = (now.plus(LIFE).micros(), judge.tally.drawn());
        let carried = Carried { until, state, ticket, asked, drawn };
        reply.set("requestState", &Value::from(self.seal(binding, &carried, now)));
        Ok(reply)
    }
}

/// The questions of a round, made fit, and which of them are remembered until they are answered.
fn fit(requests: Params, judge: &Judge<'_>) -> Result<(Params, Asked), Refused> {
    let (mut fit, mut asked) = (Params::new(), Asked::new());
    for (name, request) in requests {
        let question = Question::read(request)?;
        let kind = question.kind;
        if kind != Kind::Elicitation {
            if name.len() > NAME {
                return Err(Refused { kind, why: Unfit::Shape });
            }
            asked.insert(name.clone(), kind);
        }
        fit.insert(name, json!({"method": kind.method(), "params": judge.fit(question)?}));
    }
    Ok((fit, asked))
}

/// Whether a result asks back instead of answering. Read, not compared as it was written: a client reads it, too.
pub(crate) fn asks_back(reply: &Reply) -> bool {
    reply.get("resultType").is_some_and(|kind| kind == "input_required")
}

/// A result without what only one that asks back has: a client that finds a question in it might ask.
pub(crate) fn answers(mut reply: Reply) -> Reply {
    for member in ["inputRequests", "requestState"] {
        reply.remove(member);
    }
    if reply.get("resultType").is_some_and(|kind| kind != "complete") {
        reply.remove("resultType");
    }
    reply
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    fn reply(text: &str) -> Reply {
        Reply::read(&RawValue::from_string(text.to_owned()).unwrap()).unwrap()
    }

    /// T33, MRTR-3: a question is one however it is written, and nothing that is no question carries one
    #[test]
    fn no_question_passes_for_an_answer() {
        assert!(asks_back(&reply(r#"{"resultType":"input_requ\u0069red"}"#)));
        let hidden =
            reply(r#"{"resultType":"other","inputRequests":{"a":{}},"requestState":"s","content":[]}"#);
        assert!(!asks_back(&hidden));
        assert_eq!(answers(hidden).text(), r#"{"content":[]}"#);
        let plain = r#"{"content":[],"resultType":"complete"}"#;
        assert_eq!(answers(reply(plain)).text(), plain);
    }
}
