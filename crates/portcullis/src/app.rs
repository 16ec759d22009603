//! The wiring: two servers that do not know each other, the pages, and the middleware around them, as one router.
//!
//! A process and an in-process test assemble the same: a test brings its own clock and database.

mod directory;
pub(crate) mod health;
mod notices;
pub mod paper;
mod post;
mod sinks;

use std::sync::Arc;

use axum::Router;
use portcullis_audit::{Records, Shipping, Trail};
use portcullis_authorization_server::{
    AuthorizationServer, AuthorizationServerParts, ConnectionGrants, Groups, Settings,
};
use portcullis_console::{Api, ApiParts, Console, ConsoleParts};
use portcullis_database::{ChangeFeed, Database};
use portcullis_oauth::{Clock, PublicUrl, ResourceRegistry, Seconds};
use portcullis_outbound::{Outbound, Policy};
use portcullis_resource_server::{
    Connections, Credentials, Gateway, GatewayParts, Patience, Policies, Rates, ToolBlocks,
};
use portcullis_upstream::Launcher;
use portcullis_vault::Vault;
use portcullis_web::SessionStore;

use self::directory::{Directory, Ender};
pub use self::health::Health;
use crate::Problem;
use crate::config::{Config, CountedIn};
use crate::serve::middleware::{self, Edge};

/// What a server is assembled from.
#[derive(Debug)]
pub struct AppParts {
    /// The open database, as this node uses it.
    pub database: Database,
    /// Where "now" comes from.
    pub clock: Arc<dyn Clock>,
    /// The settings.
    pub config: Config,
    /// The origin under which everything is published.
    pub public_url: PublicUrl,
    /// What seals secrets at rest.
    pub vault: Vault,
    /// The ports that are bound, for the check of `Host`.
    pub listen_ports: Vec<u16>,
}

/// An assembled server. Nothing runs in the background until somebody spawns it.
pub struct App {
    /// Everything that is served.
    pub router: Router,
    /// The authorization server, for its stores and its sweeping.
    pub authorization: AuthorizationServer,
    /// The gateway, for its stores and its sweeping.
    pub gateway: Gateway,
    /// The feed of changes, to be run.
    pub changes: ChangeFeed,
    /// The paper trail, for its sweeping.
    pub trail: Trail,
    /// What gives audit events to whom the settings name, to be run.
    pub sinks: Vec<Shipping>,
    /// How long audit events are kept.
    pub kept: Seconds,
    /// The browser sessions, for their sweeping.
    pub sessions: SessionStore,
    /// The database, to be closed.
    pub database: Database,
    /// Where "now" comes from.
    pub clock: Arc<dyn Clock>,
    /// What readiness is judged by.
    pub health: Health,
}

/// Puts the server together.
///
/// # Errors
/// When the gateway cannot be started.
pub async fn assemble(parts: AppParts) -> Result<App, Problem> {
    let AppParts { database, clock, config, public_url, vault, listen_ports } = parts;
    let changes = ChangeFeed::new(database.clone(), clock.clone());
    let registry = ResourceRegistry::new(public_url.clone());
    let trail = Trail::keeping(paper::records(&database, &config), paper::keeping(&config, &vault));
    let connection_grants = ConnectionGrants::new(database.clone(), changes.clone(), clock.clone());
    let ender = Ender::new(connection_grants.clone(), registry.clone());
    let connections = connections((&database, &changes, &clock), ender, &vault);
    let outbound = outbound(&config, &public_url)?;
    let authorization = AuthorizationServer::new(AuthorizationServerParts {
        database: database.clone(),
        clock: clock.clone(),
        trail: trail.clone(),
        changes: changes.clone(),
        registry: registry.clone(),
        settings: settings(&config),
        connections: Arc::new(Directory(connections.clone())),
        outbound: outbound.clone(),
        vault: vault.clone(),
    });
    let gateway = Gateway::new(GatewayParts {
        registry: registry.clone(),
        verifier: authorization.verifier(),
        dpop: config.dpop,
        proofs: authorization.proof_keeper(),
        connections,
        database: database.clone(),
        clock: clock.clone(),
        trail: trail.clone(),
        changes: changes.clone(),
        vault,
        notifiers: notices::of(&config, (&database, &clock))?,
        outbound,
        launcher: launcher(),
        allowed_origins: config.allowed_origins.clone(),
        sandbox_folder: config.sandbox_folder(),
        listen_ports,
        rates: rates(&config),
        patience: Patience::default(),
    })
    .await
    .map_err(|error| Problem::caused(&error))?;

    // Pages for people have a browser session.
    let sessions = portcullis_web::session_layer(database.clone(), clock.clone(), &public_url);
    let api = api((&authorization, &gateway), &trail, &config, (&database, &changes, &clock));
    let console = console((&authorization, &gateway), connection_grants, registry, (&database, &clock));
    let pages = authorization.router().merge(console.router()).layer(sessions);
    let health = Health::by(&database, &changes, &trail, &clock);
    let routes = Router::new()
        .merge(pages)
        .merge(gateway.router())
        .merge(api.router())
        .merge(portcullis_web::assets::routes())
        .merge(health::routes(health.clone()));
    let router = middleware::around(routes, Edge::new(&config.trusted_proxies, &public_url));
    let sessions = SessionStore::new(database.clone(), clock.clone());
    let (sinks, kept) = (sinks::of(&config, &database)?, config.audit_kept);
    Ok(App { router, authorization, gateway, changes, trail, sinks, kept, sessions, database, clock, health })
}

/// The connections: what ends one ends what clients were granted of it, and what is sealed for it.
fn connections(
    (database, changes, clock): (&Database, &ChangeFeed, &Arc<dyn Clock>),
    ender: Ender,
    vault: &Vault,
) -> Connections {
    let credentials = Credentials::new(database.clone(), vault.clone(), clock.clone());
    let connections = Connections::new(database.clone(), changes.clone(), clock.clone());
    connections.ending(Arc::new(ender)).sealing(credentials)
}

fn console(
    (authorization, gateway): (&AuthorizationServer, &Gateway),
    grants: ConnectionGrants,
    registry: ResourceRegistry,
    (database, clock): (&Database, &Arc<dyn Clock>),
) -> Console {
    Console::new(ConsoleParts {
        authorization: authorization.clone(),
        connections: gateway.connections().clone(),
        upstream: gateway.authorization().clone(),
        enrolment: gateway.enrolment(),
        gateway: gateway.clone(),
        grants,
        registry,
        groups: Groups::new(database.clone(), clock.clone()),
        sessions: SessionStore::new(database.clone(), clock.clone()),
        clock: clock.clone(),
    })
}

fn api(
    (authorization, gateway): (&AuthorizationServer, &Gateway),
    trail: &Trail,
    config: &Config,
    (database, changes, clock): (&Database, &ChangeFeed, &Arc<dyn Clock>),
) -> Api {
    Api::new(ApiParts {
        authorization: authorization.clone(),
        enrolment: gateway.enrolment(),
        gateway: gateway.clone(),
        groups: Groups::new(database.clone(), clock.clone()),
        policies: Policies::new(database.clone(), changes.clone(), clock.clone()),
        blocks: ToolBlocks::new(database.clone(), changes.clone(), clock.clone()),
        trail: trail.clone(),
        records: Records::new(database.clone()),
        registry: gateway.registry().clone(),
        dpop: config.dpop,
        rate: config.limits.user_lists_per_minute,
        clock: clock.clone(),
    })
}

fn rates(config: &Config) -> Rates {
    Rates {
        calls: config.limits.user_calls_per_minute,
        lists: config.limits.user_lists_per_minute,
        calls_of_a_tool: config.limits.user_tool_calls_per_minute,
        shared: match config.limits.counted_in {
            // A file has one server; a PostgreSQL database may have more at any moment.
            CountedIn::Engine => config.database_url.file().is_none(),
            CountedIn::Memory => false,
            CountedIn::Database => true,
        },
    }
}

fn settings(config: &Config) -> Settings {
    Settings {
        access_token_life: config.access_token,
        refresh_idle: config.refresh_idle,
        refresh_absolute: config.refresh_absolute,
        refresh_grace: config.refresh_grace,
        registration: config.registration,
        registrations_per_minute: config.limits.registrations_per_minute,
        authorizations_per_minute: config.limits.authorizations_per_minute,
        sign_ins_per_minute: config.limits.sign_ins_per_minute,
        require_pushed_authorization_requests: config.require_pushed_authorization_requests,
        client_documents: config.client_documents,
        signing_algorithm: config.signing_algorithm,
        openid: config.openid,
        dpop: config.dpop,
        dpop_nonces: config.dpop_nonces,
    }
}

/// Programs that are servers are started by this executable, which becomes them.
fn launcher() -> Option<Launcher> {
    match std::env::current_exe() {
        Ok(executable) => Some(Launcher { executable, arguments: vec!["stdio-child".to_owned()] }),
        Err(error) => {
            tracing::warn!(%error, "servers over stdio cannot be started");
            None
        }
    }
}

/// The client for addresses that strangers name. This computer is one of them only for a server that is published nowhere
/// else (CIMD-6.5-1).
fn outbound(config: &Config, public_url: &PublicUrl) -> Result<Outbound, Problem> {
    let policy = Policy {
        loopback: public_url.is_loopback(),
        private_hosts: config.private_hosts.clone(),
        time: config.outbound_time,
        ..Policy::default()
    };
    Outbound::new(policy).map_err(|error| Problem::caused(&error))
}
