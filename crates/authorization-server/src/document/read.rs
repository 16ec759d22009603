//! Reading a document: one question however many wait for the answer, and the answer kept for every node.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;
use axum::http::header::ETAG;
use portcullis_audit::{Action, Event, Outcome};
use portcullis_limits::{Limiter, Quota, Verdict};
use portcullis_oauth::{ClientIdUrl, Timestamp};
use portcullis_outbound::{Incoming, Outbound, Outgoing};
use tokio::sync::OnceCell;

use super::freshness::fresh_until;
use super::judge::judge;
use super::{Fault, Unidentified};
use crate::Core;
use crate::store::{Client, NewDocument};

/// A longer `ETag` is not kept, and the document asked for whole.
const MAXIMUM_ETAG: usize = 200;

type Answer = Result<Client, Fault>;

/// The questions under way, and how many were asked.
pub(crate) struct Documents {
    outbound: Outbound,
    by_url: Limiter,
    by_host: Limiter,
    by_source: Limiter,
    reading: Mutex<HashMap<String, Arc<OnceCell<Answer>>>>,
}

impl Documents {
    pub(crate) fn new(outbound: Outbound) -> Self {
        Self {
            outbound,
            by_url: Limiter::new(Quota::per_minute(10), 10_000),
            by_host: Limiter::new(Quota::per_minute(120), 10_000),
            by_source: Limiter::new(Quota::per_minute(30), 10_000),
            reading: Mutex::default(),
        }
    }

    /// Who waits for a question that is under way asks nothing of his own.
    fn join(&self, url: &ClientIdUrl) -> Arc<OnceCell<Answer>> {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        reading.entry(url.to_string()).or_default().clone()
    }

    /// The question is over: who comes now asks anew, so that no fault is remembered (CIMD-4.4-2).
    fn leave(&self, url: &ClientIdUrl, question: &Arc<OnceCell<Answer>>) {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if reading.get(url.as_str()).is_some_and(|current| Arc::ptr_eq(current, question)) {
            reading.remove(url.as_str());
        }
    }

    /// Counts an attempt; strangers decide where to, so it is bounded by target and by source.
    fn admit(&self, url: &ClientIdUrl, source: Option<&str>, now: Timestamp) -> Result<(), Fault> {
        let refused = |limiter: &Limiter, key: &str| limiter.check(key, now) != Verdict::Allowed;
        if source.is_some_and(|source| refused(&self.by_source, source))
            || refused(&self.by_url, url.as_str())
            || refused(&self.by_host, url.host())
        {
            return Err(Fault::new("document_attempts", "it was asked for very often within a minute"));
        }
        Ok(())
    }
}

/// Reads the document at `url`, or learns that what is kept of it still holds.
pub(super) async fn read(
    core: &Core,
    url: &ClientIdUrl,
    source: Option<&str>,
    now: Timestamp,
) -> Result<Client, Unidentified> {
    let question = core.documents.join(url);
    let answer = question.get_or_init(|| async {
        let answer = ask(core, url, source, now).await;
        if let Err(fault) = &answer {
            let event = Event::new(now, Action::ClientDocument, Outcome::Refused).because(fault.reason());
            let detail = serde_json::json!({"cause": fault.cause()});
            core.note(event.through(&url.client_id()).with(detail)).await;
        }
        answer
    });
    let answer = answer.await.clone();
    core.documents.leave(url, &question);
    answer.map_err(Unidentified::Document)
}

async fn ask(core: &Core, url: &ClientIdUrl, source: Option<&str>, now: Timestamp) -> Answer {
    // The last question may have ended between this caller's look and its own.
    let kept = match core.clients.find(&url.client_id()).await? {
        Some(client) if client.document.as_ref().is_some_and(|document| now < document.fresh_until) => {
            return Ok(client);
        }
        Some(client) => Some(client),
        None => None,
    };
    core.documents.admit(url, source, now)?;
    let etag = kept
        .as_ref()
        .and_then(|client| client.document.as_ref())
        .and_then(|document| document.etag.as_deref());
    let outgoing = Outgoing::get(url.as_str()).unless(etag);
    let incoming = core.documents.outbound.send(outgoing).await;
    let incoming = incoming.map_err(|error| Fault::new(error.cause.as_str(), error.cause.to_string()))?;
    let fresh_until = fresh_until(&incoming.headers, now);
    // It is what it was, which only counts if that is what was asked (CIMD-4.4-1).
    if let (Some(client), Some(_), StatusCode::NOT_MODIFIED) = (&kept, etag, incoming.status) {
        core.clients.extend_document(&client.id, fresh_until, now).await?;
        return Ok(client.clone());
    }
    let metadata = core.settings.offered(judge(url, &incoming)?);
    let new = NewDocument { id: url.client_id(), metadata, etag: new_etag(&incoming), fresh_until };
    Ok(core.clients.keep_document(&new, now).await?)
}

fn new_etag(incoming: &Incoming) -> Option<String> {
    let etag = incoming.headers.get(ETAG)?.to_str().ok()?;
    (etag.len() <= MAXIMUM_ETAG).then(|| etag.to_owned())
}
