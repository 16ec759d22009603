//! A connection as its row and its server's say it.

use std::collections::BTreeMap;

use portcullis_database::DatabaseError;
use portcullis_oauth::{Alias, ConnectionId, PrincipalId, Timestamp};

use super::{Connection, ConnectionStatus, Rules};
use crate::catalogue::AuthKind;

/// Every query of connections, with what stands behind `FROM`.
macro_rules! select {
    ($where:literal) => {
        concat!(
            "SELECT c.*, s.title AS server_title, s.kind AS server_kind, s.disabled_at AS server_disabled_at ",
            "FROM connection c LEFT JOIN server s ON s.slug = c.server ",
            $where
        )
    };
}
pub(super) use select;

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    id: ConnectionId,
    principal_id: PrincipalId,
    alias: Alias,
    server: String,
    server_title: Option<String>,
    server_kind: Option<String>,
    server_disabled_at: Option<Timestamp>,
    label: String,
    #[sqlx(try_from = "String")]
    auth: AuthKind,
    credential_version: i64,
    settings: String,
    #[sqlx(try_from = "String")]
    status: ConnectionStatus,
    status_code: Option<String>,
    status_reason: Option<String>,
    since: Timestamp,
    last_error: Option<String>,
    last_error_at: Option<Timestamp>,
    revision: Option<String>,
    tested_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    new_tools: Option<String>,
    arguments: String,
    created_at: Timestamp,
}

impl Row {
    pub(super) fn connection(self) -> Result<Connection, DatabaseError> {
        let decode = |error: serde_json::Error| DatabaseError::from(sqlx::Error::Decode(Box::new(error)));
        let off = match (&self.server_kind, self.server_disabled_at) {
            (None, _) => Some((self.since, "server_removed", "The server was removed from the catalogue.")),
            (_, Some(at)) => Some((at, "server_disabled", "An administrator switched the server off.")),
            _ => None,
        };
        let mut connection = Connection {
            id: self.id,
            principal_id: self.principal_id,
            alias: self.alias,
            server_title: self.server_title.unwrap_or_else(|| self.server.clone()),
            server_kind: self.server_kind.unwrap_or_default(),
            server: self.server,
            label: self.label,
            auth: self.auth,
            credential_version: self.credential_version,
            settings: serde_json::from_str(&self.settings).map_err(decode)?,
            status: self.status,
            status_code: self.status_code,
            status_reason: self.status_reason,
            since: self.since,
            last_error: self.last_error,
            last_error_at: self.last_error_at,
            revision: self.revision,
            tested_at: self.tested_at,
            last_used_at: self.last_used_at,
            rules: Rules::read(self.new_tools.as_deref(), &self.arguments)?,
            created_at: self.created_at,
        };
        if let Some((since, code, words)) = off.filter(|_| connection.status != ConnectionStatus::Disabled) {
            connection.status = ConnectionStatus::Disabled;
            connection.status_code = Some(code.to_owned());
            connection.status_reason = Some(words.to_owned());
            connection.since = since;
        }
        Ok(connection)
    }
}

/// The column of what was filled in.
pub(super) fn encode(settings: &BTreeMap<String, String>) -> Result<String, DatabaseError> {
    serde_json::to_string(settings).map_err(|error| DatabaseError::from(sqlx::Error::Encode(Box::new(error))))
}
