//! Clients that identify themselves by the URL of a document (Client ID Metadata Documents).
//!
//! Owns whether such a URL is taken at all, when its document is read again, and what a failure means. What is read, and
//! over which wire, is [`portcullis_outbound`]'s; the rows are in `store/documents.rs`.

mod freshness;
mod judge;
mod read;

use std::sync::Arc;

use axum::http::StatusCode;
use portcullis_audit::{Action, Event, Outcome};
use portcullis_database::DatabaseError;
use portcullis_oauth::{ClientIdUrl, PrincipalId, Seconds, Timestamp};
use portcullis_web::Peer;

pub(crate) use self::freshness::lifetime;
pub(crate) use self::judge::is_json;
pub(crate) use self::read::Documents;
use crate::Core;
use crate::page_error::PageError;
use crate::settings::ClientDocuments;
use crate::store::{Client, ClientOrigin, ClientTrust};

/// While a document cannot be read, what runs may go on for so long on the last copy; a new flow is never begun on one (A37).
const OUTAGE: Seconds = Seconds::days(7);

/// Why a document makes no client. Strangers are told none of it (A30).
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    reason: &'static str,
    cause: Arc<str>,
    /// The document itself says that this client must not be believed as it was.
    is_final: bool,
    store: Option<Arc<DatabaseError>>,
}

impl Fault {
    fn new(reason: &'static str, cause: impl Into<Arc<str>>) -> Self {
        Self { reason, cause: cause.into(), is_final: false, store: None }
    }

    fn final_one(reason: &'static str, cause: impl Into<Arc<str>>) -> Self {
        Self { is_final: true, ..Self::new(reason, cause) }
    }

    pub(crate) fn reason(&self) -> &'static str {
        self.reason
    }

    fn cause(&self) -> &str {
        &self.cause
    }
}

impl From<DatabaseError> for Fault {
    fn from(error: DatabaseError) -> Self {
        Self { store: Some(Arc::new(error)), ..Self::new("store", "the database did not take it") }
    }
}

/// Why nobody is known by a `client_id`.
#[derive(Debug)]
pub(crate) enum Unidentified {
    /// It breaks the rules for URLs.
    Url(&'static str),
    /// Its document could not be had, or says what it must not.
    Document(Fault),
    /// Documents are not taken here.
    Off,
    /// An admin has to take it first.
    Asked,
    /// An admin wants nothing of it.
    Blocked,
    /// The database did not answer.
    Store(DatabaseError),
}

impl From<DatabaseError> for Unidentified {
    fn from(error: DatabaseError) -> Self {
        Self::Store(error)
    }
}

/// The client behind a URL, at the authorization endpoint: its document is read unless a copy is still fresh.
pub(crate) async fn current(core: &Core, id: &str, peer: Peer) -> Result<Client, Unidentified> {
    let now = core.clock.now();
    let url = ClientIdUrl::parse(id, core.public_url().is_loopback());
    let url = url.map_err(|_| Unidentified::Url("client_id_url"))?;
    let kept = core.clients.find(&url.client_id()).await?;
    let trust = match &kept {
        Some(client) => client.trust,
        None => core.clients.trust_in(&url.client_id()).await?,
    };
    admit(core, trust)?;
    match kept {
        Some(client) if client.document.as_ref().is_some_and(|document| now < document.fresh_until) => {
            Ok(client)
        }
        // On the heap: what waits for a stranger should not make every caller's future large.
        _ => Box::pin(read::read(core, &url, Some(&peer.to_string()), now)).await,
    }
}

/// The client behind a URL at the token endpoint. What a person allowed goes on while its document cannot be read, but not
/// without end, and not against what the document says (A37).
pub(crate) async fn at_token(core: &Core, client: Client, now: Timestamp) -> Result<Client, Unidentified> {
    let Some(document) = &client.document else { return Ok(client) };
    admit(core, client.trust)?;
    if now < document.fresh_until {
        return Ok(client);
    }
    let url = ClientIdUrl::parse(client.id.as_str(), core.public_url().is_loopback());
    let url = url.map_err(|_| Unidentified::Url("client_id_url"))?;
    let until = document.read_at.plus(OUTAGE);
    match Box::pin(read::read(core, &url, None, now)).await {
        Err(Unidentified::Document(fault)) if !fault.is_final && now < until => Ok(client),
        read => read,
    }
}

/// An admin decides for each URL; the setting for all others. Never for a host: who may write to one page of it is not who
/// may write to another.
fn admit(core: &Core, trust: Option<ClientTrust>) -> Result<(), Unidentified> {
    match (core.settings.client_documents, trust) {
        (_, Some(ClientTrust::Blocked)) => Err(Unidentified::Blocked),
        (ClientDocuments::Off, _) => Err(Unidentified::Off),
        (ClientDocuments::Open, _) | (ClientDocuments::Ask, Some(ClientTrust::Trusted)) => Ok(()),
        (ClientDocuments::Ask, _) => Err(Unidentified::Asked),
    }
}

/// Puts a URL on the admin's list, in the name of the person who wants it.
pub(crate) async fn ask_admin(core: &Core, id: &str, who: &PrincipalId) -> Result<(), DatabaseError> {
    if let Ok(url) = ClientIdUrl::parse(id, core.public_url().is_loopback()) {
        core.clients.ask_for(&url, who).await?;
    }
    Ok(())
}

impl Unidentified {
    /// The page about it (CIMD-4.3-1: never a redirect). Whatever failed at the document, the text is the same (A30).
    pub(crate) fn into_page(self, id: &str) -> PageError {
        let page = match self {
            Self::Store(error) => return error.into(),
            Self::Document(Fault { store: Some(error), .. }) => return PageError::Internal(Box::new(error)),
            Self::Url(_) | Self::Document(_) => PageError::told(
                "This application could not be identified",
                "It names itself by the address of a document about it. That document could not be read, or it is not in order.",
                "Try again later. If you are its developer, look at that document; whoever runs this server finds the cause in the audit trail.",
            ),
            Self::Off => PageError::told(
                "This application is not known here",
                "It names itself by the address of a document, and this server does not take such names.",
                "Ask whoever runs this server to register the application.",
            ),
            Self::Asked => PageError::told(
                "An administrator has to allow this application first",
                "Nobody has allowed it on this server yet. Your administrator finds your wish in the list of those that wait.",
                "Try again when it has been allowed.",
            )
            .with_status(StatusCode::FORBIDDEN),
            Self::Blocked => PageError::told(
                "This application is not allowed here",
                "An administrator has blocked it.",
                "Use another application, or talk to whoever runs this server.",
            )
            .with_status(StatusCode::FORBIDDEN),
        };
        page.with_detail(id.chars().take(200).collect::<String>())
    }

    /// Notes what reading the document has not noted itself.
    pub(crate) async fn note(&self, core: &Core, id: &str) {
        let reason = match self {
            Self::Url(reason) => reason,
            Self::Off => "client_documents_off",
            Self::Asked => "client_not_approved",
            Self::Blocked => "client_blocked",
            Self::Document(_) | Self::Store(_) => return,
        };
        let event = Event::new(core.clock.now(), Action::AuthorizationRequest, Outcome::Refused);
        core.note(event.because(reason).through(&id.to_owned().into())).await;
    }
}

impl Client {
    /// The URL of its document, if it has one, for what people are shown of it.
    pub(crate) fn document_url(&self) -> Option<ClientIdUrl> {
        let is_document = self.origin == ClientOrigin::Document;
        is_document.then(|| ClientIdUrl::parse(self.id.as_str(), true).ok()).flatten()
    }
}
