//! The gateway as a whole: what it is made of, and what the binary asks of it.

mod assembly;
mod manage;

use std::path::PathBuf;
use std::sync::{Arc, Weak};

use axum::Router;
use portcullis_audit::Trail;
use portcullis_database::{ChangeFeed, Database, DatabaseError};
use portcullis_oauth::dpop::{DpopUse, ProofKeeper};
use portcullis_oauth::scopes::{RESOURCES_READ, TOOLS_EXECUTE, TOOLS_READ};
use portcullis_oauth::{BoxFuture, Clock, ResourceRegistry, Timestamp, Verifier};
use portcullis_outbound::Outbound;
use portcullis_upstream::Launcher;
use portcullis_vault::Vault;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::approvals::{Approvals, Notices, Notifier};
use crate::authorization::UpstreamAuthorization;
use crate::bulletin::Bulletin;
use crate::cache::BearerCache;
use crate::catalogue::Servers;
use crate::connections::{Connection, Connections};
use crate::credentials::Credentials;
use crate::endpoint;
use crate::enrolment::Enrolment;
use crate::limits::{Limits, Rates};
use crate::line::Questions;
use crate::offer::Kind;
use crate::origin::Guard;
pub use crate::patience::Patience;
use crate::pins::{Pins, ToolReview};
use crate::places::Places;
use crate::policy::{Keeper, Policies, Recorder, ToolBlocks};
use crate::possession::Possession;
use crate::probe::Probe;
use crate::reach::Reach;
use crate::round::Rounds;
use crate::sandbox::{self, Sandbox};
use crate::session::Sessions;
use crate::underway::Underway;
use crate::upstream::{self, Upstreams};

/// So many requests of one user are held at once because a call waits for a person, and so many on one node (T44).
const WAITS_OF_ONE: usize = 5;
const WAITS: usize = 1_000;
/// So many streams of changes of one user are open at once: one for each session of each of their programs; and so many on one
/// node (T24).
const STREAMS_OF_ONE: usize = 256;
const STREAMS: usize = 10_000;

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
    /// The client for addresses that strangers name.
    pub outbound: Outbound,
    /// How programs are started that are servers; without it none is.
    pub launcher: Option<Launcher>,
    /// Origins from which web pages may call, besides our own (DC-17).
    pub allowed_origins: Vec<String>,
    /// The folder of the sandbox server; see [`sandbox::seed`].
    pub sandbox_folder: PathBuf,
    /// The ports that the server listens on, for the `Host` names of this computer.
    pub listen_ports: Vec<u16>,
    /// How much one user may ask for.
    pub rates: Rates,
    /// How long others are waited for.
    pub patience: Patience,
    /// How people elsewhere are told that a call waits.
    pub notifiers: Vec<Arc<dyn Notifier>>,
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
    pub(crate) servers: Servers,
    pub(crate) credentials: Credentials,
    pub(crate) authorization: UpstreamAuthorization,
    pub(crate) upstreams: Upstreams,
    pub(crate) pins: Pins,
    pub(crate) policy: Keeper,
    /// Writes down what decisions stood on.
    pub(crate) recorder: Recorder,
    pub(crate) rounds: Rounds,
    pub(crate) approvals: Approvals,
    pub(crate) patience: Patience,
    /// Requests that are held because a call waits for a person.
    pub(crate) waits: Places,
    pub(crate) notices: Notices,
    pub(crate) questions: Questions,
    pub(crate) underway: Underway,
    pub(crate) bulletin: Bulletin,
    /// Streams of changes, which end with their authorization or with the server.
    pub(crate) streams: TaskTracker,
    pub(crate) open_streams: Places,
    /// Told when the server ends.
    pub(crate) closing: CancellationToken,
    pub(crate) limits: Limits,
    /// Calls that must finish and be noted although their client has gone.
    pub(crate) tasks: TaskTracker,
}

impl Gateway {
    /// Puts a gateway together.
    ///
    /// # Errors
    /// When the sandbox server cannot be started.
    pub async fn new(parts: GatewayParts) -> Result<Self, GatewayError> {
        let sandbox = Sandbox::open(&parts.sandbox_folder).await.map_err(GatewayError)?;
        let (database, changes, clock) = (parts.database.clone(), parts.changes.clone(), parts.clock.clone());
        let (closing, bulletin, tasks) = (CancellationToken::new(), Bulletin::default(), TaskTracker::new());
        let policies = Policies::new(database.clone(), changes.clone(), Arc::clone(&clock));
        let blocks = ToolBlocks::new(database.clone(), changes.clone(), Arc::clone(&clock));
        let credentials = Credentials::new(database.clone(), parts.vault.clone(), Arc::clone(&clock));
        let servers = Servers::new(database.clone(), changes.clone(), Arc::clone(&clock));
        let authorization = assembly::authorization(&parts, (&servers, &credentials, &tasks));
        let (approvals, pool) = (assembly::approvals(&parts), assembly::pool(&parts));
        let (page, tokens) = (parts.registry.public_url(), Arc::new(authorization.clone()));
        let notices = Notices::start(parts.notifiers, page.clone(), (&tasks, &closing));
        let pins = Pins::new(database.clone(), changes.clone(), Arc::clone(&clock));
        let upstreams = Upstreams::new(upstream::Parts {
            sandbox,
            reach: Reach::new(servers.clone(), credentials.clone(), Some(tokens), changes.clone()),
            pool,
            connections: parts.connections.clone(),
            pins: pins.clone(),
            changes: changes.clone(),
            bulletin: bulletin.clone(),
            tasks: tasks.clone(),
            public_url: page.clone(),
        });
        let gateway = Self(Arc::new(Inner {
            guard: Guard::new(parts.registry.public_url(), &parts.allowed_origins, &parts.listen_ports),
            bearers: BearerCache::new(parts.verifier, changes.clone()),
            possession: Possession::new(parts.dpop, parts.proofs),
            limits: Limits::new(parts.rates, (&database, &parts.clock), changes.clone()),
            sessions: Sessions::new(database, changes.clone()),
            credentials,
            authorization,
            connections: parts.connections,
            servers,
            upstreams,
            pins,
            policy: Keeper::new(policies, blocks, changes.clone()),
            recorder: Recorder::new(&parts.vault, parts.trail.snapshots(), parts.trail.redaction().clone()),
            rounds: Rounds::new(parts.vault),
            approvals,
            patience: parts.patience,
            waits: Places::new(WAITS_OF_ONE, WAITS),
            notices,
            questions: Questions::default(),
            underway: Underway::default(),
            bulletin,
            streams: TaskTracker::new(),
            open_streams: Places::new(STREAMS_OF_ONE, STREAMS),
            closing,
            registry: parts.registry,
            clock: parts.clock,
            trail: parts.trail,
            tasks,
        }));
        // After every cache: who is told looks what they say.
        gateway.0.bulletin.follow(&changes);
        gateway.0.authorization.probe_with(Arc::new(Trial(Arc::downgrade(&gateway.0))));
        gateway.0.connections.part_with(gateway.0.authorization.parting());
        Ok(gateway)
    }

    /// Every route of the gateway.
    pub fn router(&self) -> Router {
        endpoint::router(&self.0)
    }

    /// The resources of this deployment.
    #[must_use]
    pub fn registry(&self) -> &ResourceRegistry {
        &self.0.registry
    }

    /// The store of connections.
    #[must_use]
    pub fn connections(&self) -> &Connections {
        &self.0.connections
    }

    /// The calls that wait for a person.
    #[must_use]
    pub fn approvals(&self) -> &Approvals {
        &self.0.approvals
    }

    /// The store of what connections show their upstream servers.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.0.credentials
    }

    /// The tools of a connection, as lists show them under their own names, whoever may call them.
    ///
    /// # Errors
    /// When the server does not say: a word for it.
    pub async fn tools(&self, connection: &Connection) -> Result<Vec<Value>, &'static str> {
        let now = self.0.clock.now();
        let listing = self.0.upstreams.discovery().listing(connection, Kind::Tools, now).await?;
        Ok(listing.shown(true, |_| true).into_iter().map(|(_, tool)| tool).collect())
    }

    /// What was accepted of the tools of connections.
    #[must_use]
    pub fn pins(&self) -> &Pins {
        &self.0.pins
    }

    /// The tools of a connection as somebody reviews them: as its server listed them last.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn review(&self, connection: &Connection) -> Result<Vec<ToolReview>, DatabaseError> {
        let trust = self.0.upstreams.trust(connection).await?;
        self.0.pins.review(connection, trust).await
    }

    /// How somebody comes to a connection.
    #[must_use]
    pub fn enrolment(&self) -> Enrolment {
        Enrolment {
            servers: self.0.servers.clone(),
            connections: self.0.connections.clone(),
            credentials: self.0.credentials.clone(),
            gateway: self.clone(),
        }
    }

    /// Hears what upstreams say by themselves and what changes here, until it is dropped: tells open streams, and ends what
    /// is open to upstreams on behalf of those who may no longer.
    pub async fn hear(&self) {
        self.0.upstreams.hear().await;
    }

    /// The gateway as a client of upstream authorization servers.
    #[must_use]
    pub fn authorization(&self) -> &UpstreamAuthorization {
        &self.0.authorization
    }

    /// Deletes a batch of what is over at `now`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sweep(&self, now: Timestamp) -> Result<(), DatabaseError> {
        self.0.connections.sweep(now).await?;
        self.0.upstreams.sweep().await;
        self.0.limits.sweep(now).await?;
        self.0.authorization.sweep(now).await?;
        self.0.approvals.sweep(now).await?;
        self.0.sessions.sweep(now).await
    }

    /// Comes back when the server ends: for streams that others keep open.
    pub async fn closing(&self) {
        self.0.closing.cancelled().await;
    }

    /// Ends every stream of changes: for an orderly end, since they would go on for ever.
    pub fn close_streams(&self) {
        self.0.closing.cancel();
    }

    /// Waits until every call that was begun is finished and noted, and ends what is open to upstreams: for an orderly end.
    pub async fn drain(&self) {
        self.close_streams();
        self.0.tasks.close();
        self.0.tasks.wait().await;
        self.0.upstreams.end_all().await;
    }
}

impl Probe for Gateway {
    fn probe<'a>(&'a self, connection: &'a Connection) -> BoxFuture<'a, ()> {
        Box::pin(self.0.upstreams.probe(connection))
    }
}

/// Tries connections out once they are authorised. Weak: the gateway holds who holds this.
struct Trial(Weak<Inner>);

impl Probe for Trial {
    fn probe<'a>(&'a self, connection: &'a Connection) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if let Some(gateway) = self.0.upgrade() {
                gateway.upstreams.probe(connection).await;
            }
        })
    }
}

/// The sandbox's tools that each scope opens, for the consent page.
#[must_use]
pub fn tools_by_scope() -> Vec<(&'static str, Vec<String>)> {
    vec![(TOOLS_READ, Vec::new()), (TOOLS_EXECUTE, sandbox::tool_names()), (RESOURCES_READ, Vec::new())]
}
