//! What the consent page may know of the gateway: the port of the authorization server that only the whole house can
//! fill.

use std::error::Error;

use portcullis_authorization_server::{ConnectionDirectory, ConnectionSummary};
use portcullis_oauth::{BoxFuture, PrincipalId};
use portcullis_resource_server::{Connection, Connections, tools_by_scope};

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

fn summary(connection: Connection) -> ConnectionSummary {
    ConnectionSummary {
        server_title: connection.server_title().to_owned(),
        id: connection.id,
        alias: connection.alias,
        account_label: connection.label,
    }
}
