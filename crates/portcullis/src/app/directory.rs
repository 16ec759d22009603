//! What the consent page may know of the gateway, and what the gateway has the authorization server end: the ports of the
//! two that only the whole house can fill.

use std::error::Error;

use portcullis_authorization_server::{ConnectionDirectory, ConnectionGrants, ConnectionSummary};
use portcullis_oauth::{BoxFuture, PrincipalId, ResourceRegistry};
use portcullis_resource_server::{Connection, Connections, GrantEnder, Tombstone, tools_by_scope};

/// Answers from the gateway's tables.
pub(super) struct Directory(pub(super) Connections);

impl ConnectionDirectory for Directory {
    fn connections_of<'a>(
        &'a self,
        principal: &'a PrincipalId,
    ) -> BoxFuture<'a, Result<Vec<ConnectionSummary>, Box<dyn Error + Send + Sync>>> {
        Box::pin(async move {
            let connections = self.0.list(principal).await?;
            Ok(connections.into_iter().map(summary).collect())
        })
    }

    fn tools_by_scope(&self) -> Vec<(&'static str, Vec<String>)> {
        tools_by_scope()
    }
}

/// Ends in the authorization server's tables what was granted for a connection's name.
pub(crate) struct Ender {
    grants: ConnectionGrants,
    registry: ResourceRegistry,
}

impl Ender {
    /// Names are resources of `registry`.
    pub(crate) fn new(grants: ConnectionGrants, registry: ResourceRegistry) -> Self {
        Self { grants, registry }
    }
}

impl GrantEnder for Ender {
    fn end<'a>(&'a self, name: &'a Tombstone) -> BoxFuture<'a, Result<(), Box<dyn Error + Send + Sync>>> {
        Box::pin(async move {
            let resource = self.registry.connection(name.alias.clone()).uri;
            let gone = name.deleted.then_some(&name.connection_id);
            Ok(self.grants.end(&name.principal_id, &resource, gone).await?)
        })
    }
}

fn summary(connection: Connection) -> ConnectionSummary {
    ConnectionSummary {
        server_title: connection.server_title,
        id: connection.id,
        alias: connection.alias,
        account_label: connection.label,
    }
}
