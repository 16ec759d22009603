//! Parts of a gateway that are put together of others.

use std::sync::Arc;

use portcullis_upstream::{Pool, Settings};
use tokio_util::task::TaskTracker;

use super::GatewayParts;
use crate::approvals::Approvals;
use crate::authorization::{UpstreamAuthorization, UpstreamAuthorizationParts};
use crate::catalogue::Servers;
use crate::credentials::Credentials;

/// What the key is for that seals what calls say which wait for a person.
const APPROVALS: &[u8] = b"portcullis approvals v1";

/// The calls that wait for a person.
pub(super) fn approvals(parts: &GatewayParts) -> Approvals {
    let kept = (parts.trail.clone(), parts.vault.server_key(APPROVALS));
    let (database, changes, clock) =
        (parts.database.clone(), parts.changes.clone(), Arc::clone(&parts.clock));
    Approvals::new(database, changes, clock, kept)
}

/// What is open to upstream servers.
pub(super) fn pool(parts: &GatewayParts) -> Pool {
    let settings = Settings { launcher: parts.launcher.clone(), ..Settings::default() };
    Pool::new(parts.outbound.clone(), Arc::clone(&parts.clock), settings)
}

/// The gateway as a client of upstream authorization servers.
pub(super) fn authorization(
    parts: &GatewayParts,
    (servers, credentials, tasks): (&Servers, &Credentials, &TaskTracker),
) -> UpstreamAuthorization {
    UpstreamAuthorization::new(UpstreamAuthorizationParts {
        database: parts.database.clone(),
        clock: Arc::clone(&parts.clock),
        trail: parts.trail.clone(),
        vault: parts.vault.clone(),
        outbound: parts.outbound.clone(),
        public_url: parts.registry.public_url().clone(),
        servers: servers.clone(),
        connections: parts.connections.clone(),
        credentials: credentials.clone(),
        tasks: tasks.clone(),
    })
}
