//! An event as a row holds it: made from an [`Event`] before it is written, and read back as [`Kept`].
//!
//! Owns the columns and the two hashes: of what can be erased (the payload, behind a salt that is erased with it), and of the
//! record in its place. Leaves to `chain` which place that is.

use portcullis_oauth::{ClientId, ConnectionId, PrincipalId, Timestamp, ordered_handle, random_handle};

use crate::Event;
use crate::digest::Digest;
use crate::redaction::Redaction;

/// The columns of a row, in the order in which they are bound; the last three are its place in the chain.
pub(crate) const COLUMNS: [&str; 25] = [
    "id",
    "at",
    "action",
    "outcome",
    "reason",
    "principal_id",
    "client_id",
    "connection_id",
    "tool",
    "trace_id",
    "detail",
    "email",
    "server_kind",
    "session",
    "client_address",
    "user_agent",
    "result_kind",
    "policy_version",
    "duration_us",
    "request",
    "payload_hash",
    "salt",
    "node",
    "sequence",
    "hash",
];

/// An event with all that its row needs but its place.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) id: String,
    pub(crate) salt: String,
    pub(crate) payload_hash: String,
    pub(crate) detail: Option<String>,
    pub(crate) event: Event,
}

impl Draft {
    /// Prepares an event for its row.
    pub(crate) fn of(event: Event, redaction: &Redaction) -> Self {
        Self::named(Self::name(), event, redaction)
    }

    /// A new record's name.
    pub(crate) fn name() -> String {
        ordered_handle("evt_")
    }

    /// As [`of`](Self::of), under a name that was needed before.
    pub(crate) fn named(id: String, event: Event, redaction: &Redaction) -> Self {
        let (detail, salt) = (event.kept_detail(redaction), random_handle(""));
        let payload_hash = payload(&event, detail.as_deref()).hash(&salt);
        Self { id, salt, payload_hash, detail, event }
    }

    pub(crate) fn happening(&self) -> Happening<'_> {
        Happening {
            id: &self.id,
            at: self.event.at,
            action: self.event.action.as_str(),
            outcome: self.event.outcome.as_str(),
            reason: self.event.reason,
            payload_hash: &self.payload_hash,
        }
    }
}

/// A record as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Kept {
    /// The record's own name.
    pub id: String,
    /// When it happened.
    pub at: Timestamp,
    /// What was done or tried; see [`Action`](crate::Action).
    pub action: String,
    /// How it ended; see [`Outcome`](crate::Outcome).
    pub outcome: String,
    /// Why, as a reason code.
    pub reason: Option<String>,
    /// On whose behalf.
    pub principal_id: Option<String>,
    /// Through which client.
    pub client_id: Option<String>,
    /// At which connection.
    pub connection_id: Option<String>,
    /// Of which tool.
    pub tool: Option<String>,
    /// Under which trace id the log tells more.
    pub trace_id: Option<String>,
    /// Further facts, JSON.
    pub detail: Option<String>,
    /// The person's e-mail address, as it was then.
    pub email: Option<String>,
    /// At which sort of upstream server.
    pub server_kind: Option<String>,
    /// In which session; its hash.
    pub session: Option<String>,
    /// From which address.
    pub client_address: Option<String>,
    /// With which program, in its own words.
    pub user_agent: Option<String>,
    /// What sort of result there was.
    pub result_kind: Option<String>,
    /// Under which version of the policy.
    pub policy_version: Option<String>,
    /// How long it took, in microseconds.
    pub duration_us: Option<i64>,
    /// What a decision stood on, sealed; for a replay and for nobody's eyes.
    pub request: Option<String>,
    /// The hash of what can be erased; none in records from before there was a chain, until they get their place.
    pub payload_hash: Option<String>,
    /// What keeps the payload's hash from being guessed.
    pub salt: Option<String>,
    /// The node that keeps the chain.
    pub node: Option<String>,
    /// The place in the node's chain; none while it waits for one.
    pub sequence: Option<i64>,
    /// The hash of the record in its place.
    pub hash: Option<String>,
    /// The record of the erasure that took the payload.
    pub erased_by: Option<String>,
}

impl Kept {
    /// The hash of the payload as it now stands.
    pub(crate) fn payload_hash_now(&self) -> String {
        self.payload().hash(self.salt.as_deref().unwrap_or_default())
    }

    /// Whether everything that can be erased is.
    pub(crate) fn is_empty(&self) -> bool {
        let payload = self.payload();
        payload.texts.iter().all(Option::is_none)
            && payload.duration_us.is_none()
            && payload.request.is_none()
            && self.salt.is_none()
    }

    fn payload(&self) -> Payload<'_> {
        let texts = [
            &self.principal_id,
            &self.email,
            &self.client_id,
            &self.connection_id,
            &self.tool,
            &self.trace_id,
            &self.detail,
            &self.server_kind,
            &self.session,
            &self.client_address,
            &self.user_agent,
            &self.result_kind,
            &self.policy_version,
        ];
        let request = self.request.as_deref();
        Payload { texts: texts.map(Option::as_deref), duration_us: self.duration_us, request }
    }

    /// What is chained, with the payload's hash that the row itself names, or this one.
    pub(crate) fn happening<'a>(&'a self, payload_hash: &'a str) -> Happening<'a> {
        Happening {
            id: &self.id,
            at: self.at,
            action: &self.action,
            outcome: &self.outcome,
            reason: self.reason.as_deref(),
            payload_hash,
        }
    }
}

/// What of a record is chained, and stays when a person's data are erased.
pub(crate) struct Happening<'a> {
    id: &'a str,
    at: Timestamp,
    action: &'a str,
    outcome: &'a str,
    reason: Option<&'a str>,
    payload_hash: &'a str,
}

impl Happening<'_> {
    /// The hash of this record at `sequence` of `node`, after the record whose hash is `previous`.
    pub(crate) fn hash(&self, node: &str, sequence: i64, previous: &str) -> String {
        Digest::of("portcullis audit record v1")
            .text(node)
            .number(sequence)
            .text(previous)
            .text(self.id)
            .number(self.at.micros())
            .text(self.action)
            .text(self.outcome)
            .optional(self.reason)
            .text(self.payload_hash)
            .finish()
    }
}

/// What can be erased.
struct Payload<'a> {
    texts: [Option<&'a str>; 13],
    duration_us: Option<i64>,
    request: Option<&'a str>,
}

impl Payload<'_> {
    fn hash(&self, salt: &str) -> String {
        let digest = Digest::of("portcullis audit payload v1").text(salt);
        let digest = self.texts.iter().fold(digest, |digest, text| digest.optional(*text));
        let digest = match self.duration_us {
            Some(duration) => digest.number(duration),
            None => digest.optional(None),
        };
        // Absent it adds nothing: events from before there were requests keep their hash.
        match self.request {
            Some(request) => digest.text(request),
            None => digest,
        }
        .finish()
    }
}

fn payload<'a>(event: &'a Event, detail: Option<&'a str>) -> Payload<'a> {
    let around = &event.circumstances;
    Payload {
        texts: [
            event.principal.as_ref().map(PrincipalId::as_str),
            around.email.as_deref(),
            event.client.as_ref().map(ClientId::as_str),
            event.connection.as_ref().map(ConnectionId::as_str),
            event.tool.as_deref(),
            event.trace_id.as_deref(),
            detail,
            around.server_kind.as_deref(),
            around.session.as_deref(),
            around.client_address.as_deref(),
            around.user_agent.as_deref(),
            around.result_kind,
            around.policy_version.as_deref(),
        ],
        duration_us: around.duration_us,
        request: around.request.as_deref(),
    }
}
