//! Around an endpoint: its request is answered under a sheet, and the sheet is kept if it tells something.

use axum::response::Response;
use portcullis_audit::trace;
use portcullis_oauth::{BoxFuture, ErrorCode};
use portcullis_web::Peer;

use super::identifier::AttemptId;
use super::journal::Leg;
use super::sheet::{Sheet, failed, under, unless_refused};
use super::words::{AttemptOutcome, AttemptStage, Reason, Step};
use crate::Core;
use crate::page_error::{PageError, Trace};
use crate::refusal::Refusal;

/// Runs a page's handler; its refusal becomes an error page that names the attempt.
pub(crate) async fn page(
    core: &Core,
    stage: AttemptStage,
    (trace, peer): (&Trace, Peer),
    work: BoxFuture<'_, Result<Response, PageError>>,
) -> Response {
    let observed = async {
        let result = work.await;
        if let Err(error) = &result {
            blame(error);
        }
        result
    };
    let (result, sheet) = under(observed).await;
    let named = keep(core, (stage, peer), sheet, Some(&trace.0));
    result.unwrap_or_else(|error| {
        let named = named.filter(|_| matches!(error, PageError::Told { .. }));
        let name = named.map_or_else(|| trace.clone(), |attempt| Trace(attempt.to_string()));
        error.into_page(&name)
    })
}

/// Runs an endpoint that answers in JSON. The answer stays as the specification has it; the log names the attempt.
pub(crate) async fn json<T>(
    core: &Core,
    stage: AttemptStage,
    peer: Peer,
    work: BoxFuture<'_, Result<T, Refusal>>,
) -> Result<T, Refusal> {
    let observed = async {
        let result = work.await;
        if let Err(refusal) = &result
            && !refusal.is_for_waiting()
        {
            failed(refusal.error());
        }
        result
    };
    let (result, sheet) = under(observed).await;
    keep(core, (stage, peer), sheet, trace::current().as_deref());
    result
}

fn blame(error: &PageError) {
    match error {
        PageError::Told { title, .. } => {
            unless_refused((Step::Request, Reason::RequestMalformed), "a request in order", title);
        }
        PageError::Internal(_) => {
            unless_refused((Step::Server, Reason::ServerFault), "an answer", ErrorCode::ServerError);
        }
    }
}

/// Hands the sheet to the journal if it tells something. Gives the attempt's name if it was refused.
fn keep(
    core: &Core,
    (stage, peer): (AttemptStage, Peer),
    mut sheet: Sheet,
    trace_id: Option<&str>,
) -> Option<AttemptId> {
    let refusal = sheet.refusal().map(|note| (note.step, note.reason));
    let outcome = match (refusal, sheet.outcome, stage) {
        // Who tries to sign in need not be on an attempt at all.
        (_, _, AttemptStage::SignIn) if sheet.joined.is_none() => return None,
        (Some(_), ..) => AttemptOutcome::Refused,
        (None, Some(outcome), _) => outcome,
        (None, None, AttemptStage::Push | AttemptStage::Authorize | AttemptStage::Device) => {
            AttemptOutcome::Waiting
        }
        // Nothing happened that the next leg would not tell, such as a page that was shown.
        (None, None, _) => return None,
    };
    let (joined, attempt) = (sheet.joined.is_some(), sheet.attempt());
    if let Some((step, reason)) = refusal {
        let reason = reason.map(Reason::as_str);
        tracing::info!(attempt = %attempt, stage = stage.as_str(), step = step.as_str(), reason, "an attempt was refused");
    }
    core.journal.keep(Leg {
        attempt: attempt.clone(),
        at: core.clock.now(),
        stage,
        outcome,
        reason: refusal.and_then(|(_, reason)| reason),
        client: sheet.client,
        person: sheet.person,
        source: (!sheet.is_known).then(|| peer.to_string()),
        trace_id: trace_id.map(str::to_owned),
        joined,
        notes: sheet.notes,
    });
    refusal.is_some().then_some(attempt)
}
