//! The sheet on which the steps of one request are noted while it is answered. It belongs to the task, as the trace id
//! does, so that whoever judges says what it saw without handing a sheet from function to function; where nobody observes,
//! nothing is noted.

use std::cell::RefCell;
use std::fmt::Display;

use portcullis_oauth::{ClientId, Error, ErrorCode, PrincipalId};
use serde::Serialize;
use tokio::task_local;

use super::identifier::AttemptId;
use super::shown::shown;
use super::words::{AttemptOutcome, Reason, Step};

/// More steps than any request has.
const MOST: usize = 24;

task_local! {
    static SHEET: RefCell<Sheet>;
}

/// One step as it is kept.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Note {
    pub(crate) step: Step,
    pub(crate) expected: String,
    pub(crate) got: String,
    /// Why it was refused; none for a step that was passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Reason>,
}

/// What is known of one request so far.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    /// The attempt that it belongs to, once that is known.
    pub(super) joined: Option<AttemptId>,
    /// The name that it goes by if it belongs to none.
    pub(super) own: Option<AttemptId>,
    pub(super) client: Option<ClientId>,
    pub(super) person: Option<PrincipalId>,
    /// Whether somebody is known who can be held to account: a person, or a client that proved itself.
    pub(super) is_known: bool,
    pub(super) notes: Vec<Note>,
    /// How it ended, where that is worth keeping.
    pub(super) outcome: Option<AttemptOutcome>,
}

impl Sheet {
    pub(super) fn attempt(&mut self) -> AttemptId {
        match &self.joined {
            Some(joined) => joined.clone(),
            None => self.own.get_or_insert_with(AttemptId::generate).clone(),
        }
    }

    /// The refusal that counts: the last one.
    pub(super) fn refusal(&self) -> Option<&Note> {
        self.notes.iter().rev().find(|note| note.reason.is_some())
    }

    pub(super) fn note(&mut self, note: Note) {
        if self.notes.len() < MOST {
            self.notes.push(note);
        }
    }
}

/// Does work under a fresh sheet, and gives the sheet too.
pub(super) async fn under<F: Future>(work: F) -> (F::Output, Sheet) {
    let observed = async {
        let output = work.await;
        (output, SHEET.with(RefCell::take))
    };
    SHEET.scope(RefCell::default(), observed).await
}

fn with<T>(change: impl FnOnce(&mut Sheet) -> T) -> Option<T> {
    SHEET.try_with(|sheet| change(&mut sheet.borrow_mut())).ok()
}

/// A step was passed.
pub(crate) fn passed(step: Step, expected: impl Display, got: impl Display) {
    with(|sheet| {
        sheet.note(Note { step, expected: shown(&expected), got: shown(&got), reason: None });
    });
}

/// A step was refused.
pub(crate) fn refused((step, reason): (Step, Reason), expected: impl Display, got: impl Display) {
    with(|sheet| {
        let reason = Some(reason);
        sheet.note(Note { step, expected: shown(&expected), got: shown(&got), reason });
    });
}

/// The request ends with this error. Where no step said why, the error's own words do.
pub(crate) fn failed(error: &Error) {
    let (step, reason) = match (error.code, error.retry_after) {
        (ErrorCode::ServerError, _) | (_, Some(_)) if error.cause.is_some() => {
            (Step::Server, Reason::ServerFault)
        }
        (_, Some(_)) => (Step::Limit, Reason::TooMany),
        (ErrorCode::ServerError | ErrorCode::TemporarilyUnavailable, _) => {
            (Step::Server, Reason::ServerFault)
        }
        (ErrorCode::InvalidClient, _) => (Step::ClientAuthentication, Reason::AuthenticationFailed),
        (ErrorCode::InvalidDpopProof, _) => (Step::Proof, Reason::ProofInvalid),
        (ErrorCode::UnauthorizedClient | ErrorCode::UnsupportedGrantType, _) => {
            (Step::Request, Reason::GrantNotAllowed)
        }
        (ErrorCode::InvalidTarget, _) => (Step::Resource, Reason::ResourceUnknown),
        (ErrorCode::InvalidScope, _) => (Step::Scope, Reason::ScopeMalformed),
        (ErrorCode::LoginRequired | ErrorCode::ConsentRequired, _) => (Step::Session, Reason::SignInRequired),
        _ => (Step::Request, Reason::RequestMalformed),
    };
    unless_refused((step, reason), "a request in order", &error.description);
}

/// The request ends here, for this reason unless a step has said a better one.
pub(crate) fn unless_refused(why: (Step, Reason), expected: impl Display, got: impl Display) {
    if with(|sheet| sheet.refusal().is_none()) == Some(true) {
        refused(why, expected, got);
    }
}

/// The request belongs to an attempt that is known; one of before there were any belongs to none.
pub(crate) fn joins(attempt: Option<&AttemptId>) {
    with(|sheet| {
        if let Some(attempt) = attempt {
            sheet.joined = Some(attempt.clone());
        }
    });
}

/// Who asks, and whether it proved to be that client.
pub(crate) fn client(id: &ClientId, proven: bool) {
    with(|sheet| {
        sheet.client = Some(id.clone());
        sheet.is_known |= proven;
    });
}

/// Which person it is about.
pub(crate) fn person(id: &PrincipalId) {
    with(|sheet| {
        sheet.person = Some(id.clone());
        sheet.is_known = true;
    });
}

/// A person decided: worth keeping, and the client's turn.
pub(crate) fn decided() {
    with(|sheet| sheet.outcome = Some(AttemptOutcome::Waiting));
}

/// The client has the tokens that the attempt was for.
pub(crate) fn completed() {
    with(|sheet| sheet.outcome = Some(AttemptOutcome::Done));
}

/// The attempt that the request belongs to, to be kept with what it leaves behind.
pub(crate) fn current() -> Option<AttemptId> {
    with(Sheet::attempt)
}
