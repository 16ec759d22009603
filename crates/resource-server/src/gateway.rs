//! The gateway as a whole: what it is made of, and what the binary asks of it.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use portcullis_audit::Trail;
use portcullis_database::{ChangeFeed, Database, DatabaseError};
use portcullis_limits::{Limiter, Quota};
use portcullis_oauth::dpop::{DpopUse, ProofKeeper};
use portcullis_oauth::scopes::{RESOURCES_READ, TOOLS_EXECUTE, TOOLS_READ};
use portcullis_oauth::{Clock, ResourceRegistry, Timestamp, Verifier};
use portcullis_vault::Vault;
use tokio_util::task::TaskTracker;

use crate::cache::BearerCache;
use crate::connections::Connections;
use crate::credentials::Credentials;
use crate::endpoint;
use crate::origin::Guard;
use crate::possession::Possession;
use crate::sandbox::{self, Sandbox};
use crate::session::Sessions;
use crate::upstream::Upstreams;

/// Buckets that one node remembers.
const BUCKETS: usize = 50_000;

/// What a gateway is made of.
pub struct GatewayParts {
    /// The resources of this deployment.
    pub registry: ResourceRegistry,
    /// Who checks tokens.
    pub verifier: Arc<dyn Verifier>,
    /// Whose tokens must come with a proof of possession (RFC 9449).
    pub dpop: DpopUse,
    /// What is known of such proofs; the authorization server's, so that a nonce of either is one of both.
    pub proofs: Arc<dyn ProofKeeper>,
    /// The connections.
    pub connections: Connections,
    /// Where sessions are kept.
    pub database: Database,
    /// Where "now" comes from.
    pub clock: Arc<dyn Clock>,
    /// Where every decision is noted.
    pub trail: Trail,
    /// Who tells the caches what changed.
    pub changes: ChangeFeed,
    /// What seals credentials.
    pub vault: Vault,
    /// Origins from which web pages may call, besides our own (DC-17).
    pub allowed_origins: Vec<String>,
    /// The folder of the sandbox server; see [`sandbox::seed`].
    pub sandbox_folder: PathBuf,
    /// The ports that the server listens on, for the `Host` names of this computer.
    pub listen_ports: Vec<u16>,
    /// How much one user may ask for.
    pub rates: Rates,
}

/// How much one user may ask for in a minute (TOOL-10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Tool calls.
    pub calls: u32,
    /// Lists and everything else.
    pub lists: u32,
    /// Calls of one tool.
    pub calls_of_a_tool: u32,
}

impl Default for Rates {
    fn default() -> Self {
        Self { calls: 60, lists: 120, calls_of_a_tool: 10 }
    }
}

/// The gateway could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox server cannot be started: {0}")]
pub struct GatewayError(#[source] Box<dyn std::error::Error + Send + Sync>);

/// The gateway. Cheap to clone.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

/// What every request needs at hand.
pub(crate) struct Inner {
    pub(crate) registry: ResourceRegistry,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) trail: Trail,
    pub(crate) bearers: BearerCache,
    pub(crate) possession: Possession,
    pub(crate) guard: Guard,
    pub(crate) sessions: Sessions,
    pub(crate) connections: Connections,
    pub(crate) credentials: Credentials,
    pub(crate) upstreams: Upstreams,
    pub(crate) limits: Limits,
    /// Calls that must finish and be noted although their client has gone.
    pub(crate) tasks: TaskTracker,
}

/// The buckets (DESIGN: calls and lists do not share one).
pub(crate) struct Limits {
    /// Calls, by user.
    pub(crate) calls: Limiter,
    /// Everything else, by user.
    pub(crate) lists: Limiter,
    /// Calls, by user and tool.
    pub(crate) tools: Limiter,
}

impl Gateway {
    /// Puts a gateway together.
    ///
    /// # Errors
    /// When the sandbox server cannot be started.
    pub async fn new(parts: GatewayParts) -> Result<Self, GatewayError> {
        let sandbox = Sandbox::open(&parts.sandbox_folder).await.map_err(GatewayError)?;
        let (database, changes, tasks) = (parts.database, parts.changes, TaskTracker::new());
        Ok(Self(Arc::new(Inner {
            guard: Guard::new(parts.registry.public_url(), &parts.allowed_origins, &parts.listen_ports),
            bearers: BearerCache::new(parts.verifier, changes.clone()),
            possession: Possession::new(parts.dpop, parts.proofs),
            sessions: Sessions::new(database.clone(), changes.clone()),
            credentials: Credentials::new(database, parts.vault, Arc::clone(&parts.clock)),
            connections: parts.connections,
            upstreams: Upstreams::new(sandbox, changes.clone(), tasks.clone()),
            limits: Limits {
                calls: Limiter::new(Quota::per_minute(parts.rates.calls), BUCKETS),
                lists: Limiter::new(Quota::per_minute(parts.rates.lists), BUCKETS),
                tools: Limiter::new(Quota::per_minute(parts.rates.calls_of_a_tool), BUCKETS),
            },
            registry: parts.registry,
            clock: parts.clock,
            trail: parts.trail,
            tasks,
        })))
    }

    /// Every route of the gateway.
    pub fn router(&self) -> Router {
        endpoint::router(&self.0)
    }

    /// The store of connections.
    #[must_use]
    pub fn connections(&self) -> &Connections {
        &self.0.connections
    }

    /// The store of what connections show their upstream servers.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.0.credentials
    }

    /// Deletes a batch of what is over at `now`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sweep(&self, now: Timestamp) -> Result<(), DatabaseError> {
        self.0.connections.sweep(now).await?;
        self.0.sessions.sweep(now).await
    }

    /// Waits until every call that was begun is finished and noted: for an orderly end.
    pub async fn drain(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

/// The sandbox's tools that each scope opens, for the consent page.
#[must_use]
pub fn tools_by_scope() -> Vec<(&'static str, Vec<String>)> {
    vec![(TOOLS_READ, Vec::new()), (TOOLS_EXECUTE, sandbox::tool_names()), (RESOURCES_READ, Vec::new())]
}
