//! The gateway as a client of upstream authorization servers: how a user's connection comes by its token and keeps it.
//!
//! Owns who we are at each issuer (`clients`), what a browser was sent away with (`flows`), what is known of tokens and who
//! refreshes them (`tokens`), and every conversation with an upstream's authorization server, all of it through the guarded
//! client. What such a server may say is judged in `portcullis_oauth::client`; the tokens themselves are credentials, the
//! pages the console's, and whether a token opens anything is learned by those who use it.

mod access;
mod clients;
mod discovery;
pub(crate) mod document;
mod error;
mod exchange;
mod flows;
mod parting;
mod port;
mod request;
mod sealed;
mod tokens;
mod turns;

use std::fmt;
use std::sync::{Arc, OnceLock};

use portcullis_audit::Trail;
use portcullis_database::{Database, DatabaseError};
use portcullis_oauth::client::ClientDocument;
use portcullis_oauth::{Clock, PublicUrl, ScopeSet, Timestamp};
use portcullis_outbound::Outbound;
use portcullis_vault::Vault;
use tokio_util::task::TaskTracker;

use self::clients::Clients;
use self::flows::Flows;
use self::tokens::Tokens;
use self::turns::Turns;
use crate::catalogue::{ServerKind, Servers};
use crate::connections::{Connection, Connections};
use crate::credentials::Credentials;
use crate::probe::Probe;

pub use clients::{GivenClient, GivenClientError, GivenClients};
pub use error::{AuthorizationError, NoAccess};
pub use sealed::verify_sealed;

/// What it is made of.
pub(crate) struct UpstreamAuthorizationParts {
    pub(crate) database: Database,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) trail: Trail,
    pub(crate) vault: Vault,
    pub(crate) outbound: Outbound,
    pub(crate) public_url: PublicUrl,
    pub(crate) servers: Servers,
    pub(crate) connections: Connections,
    pub(crate) credentials: Credentials,
    /// Where work is kept that must finish.
    pub(crate) tasks: TaskTracker,
}

/// The gateway as an OAuth client. Cheap to clone.
#[derive(Clone)]
pub struct UpstreamAuthorization(Arc<Inner>);

struct Inner {
    database: Database,
    clock: Arc<dyn Clock>,
    trail: Trail,
    outbound: Outbound,
    public_url: PublicUrl,
    servers: Servers,
    connections: Connections,
    tasks: TaskTracker,
    clients: Clients,
    flows: Flows,
    tokens: Tokens,
    turns: Turns,
    probe: OnceLock<Arc<dyn Probe>>,
}

impl fmt::Debug for UpstreamAuthorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UpstreamAuthorization")
    }
}

/// What the owner of a connection may know of its authorization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorized {
    /// Who issued its token.
    pub issuer: String,
    /// What was asked for.
    pub requested: ScopeSet,
    /// What it is good for, as the issuer said.
    pub granted: ScopeSet,
    /// What the upstream asked for since, and was not granted.
    pub wanted: ScopeSet,
    /// When its owner authorised it, or its token was refreshed last.
    pub obtained_at: Timestamp,
}

impl UpstreamAuthorization {
    pub(crate) fn new(parts: UpstreamAuthorizationParts) -> Self {
        let (database, clock, outbound) = (parts.database, parts.clock, parts.outbound);
        let store = (database.clone(), Arc::clone(&clock));
        Self(Arc::new(Inner {
            clients: Clients::new(store, &parts.vault, parts.public_url.clone()),
            flows: Flows::new(database.clone(), Arc::clone(&clock), &parts.vault),
            tokens: Tokens::new(database.clone(), Arc::clone(&clock), parts.credentials),
            turns: Turns::default(),
            probe: OnceLock::new(),
            trail: parts.trail,
            public_url: parts.public_url,
            servers: parts.servers,
            connections: parts.connections,
            tasks: parts.tasks,
            database,
            clock,
            outbound,
        }))
    }

    /// From now on a connection that was authorised is tried out by `probe`, before which it counts as connecting. The
    /// first one stays.
    pub fn probe_with(&self, probe: Arc<dyn Probe>) {
        let _ = self.0.probe.set(probe);
    }

    /// What the owner of `connection` may know of its authorization; `None` before there is one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn of(&self, connection: &Connection) -> Result<Option<Authorized>, DatabaseError> {
        let held = self.0.tokens.find(&connection.id).await?;
        Ok(held.map(|held| Authorized {
            wanted: held.scopes_wanted.without(&held.scopes_granted),
            issuer: held.issuer,
            requested: held.scopes_requested,
            granted: held.scopes_granted,
            obtained_at: held.obtained_at,
        }))
    }

    /// The guarded client on an errand to the server of `connection`. Where an admin said that the server is in a private
    /// network, its own origin is opened and no other: who issues its tokens may be there too only where the settings open
    /// that host (SBP-6, T13).
    async fn errand(&self, connection: &Connection) -> Result<Outbound, DatabaseError> {
        let server = self.0.servers.find(&connection.server).await?;
        Ok(match server.map(|server| (server.private_network, server.kind)) {
            Some((true, ServerKind::Http { url, .. })) => self.0.outbound.opening(&url),
            _ => self.0.outbound.clone(),
        })
    }

    /// The document by which the issuer with this digest knows us (CIMD §4); `None` for one that nobody was sent to.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn client_document(&self, digest: &str) -> Result<Option<ClientDocument>, DatabaseError> {
        self.0.clients.document(digest).await
    }

    /// The page of the gateway's own where the owner of `connection` can go on.
    #[must_use]
    pub fn page(&self, connection: &Connection) -> String {
        self.0.public_url.join(&format!("/connections/{}", connection.alias))
    }

    /// Deletes what is long over.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sweep(&self, now: Timestamp) -> Result<(), DatabaseError> {
        self.0.flows.sweep(now).await
    }
}
