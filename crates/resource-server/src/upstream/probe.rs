//! Tries a connection out, the way a call goes: an authenticated list of its tools. Only that makes a connection active.

use std::sync::Arc;

use super::discovery::entries;
use super::{Failure, Upstreams, who_lists};
use crate::connections::{Connection, ConnectionStatus, Standing};
use crate::offer::Kind;
use crate::reach::Reached;
use crate::sandbox::SERVER;

impl Upstreams {
    /// Asks the server of a connection for its tools, and notes how the connection then stands.
    pub(crate) async fn probe(&self, connection: &Connection) {
        self.lists.forget(&connection.id);
        if connection.server == SERVER {
            return self.health.tested(connection, None).await;
        }
        let ask = |reached: Arc<Reached>| async move {
            entries(&self.pool, &reached.endpoint, Kind::Tools).await?;
            Ok(self.pool.greeting(&reached.endpoint).await?.revision)
        };
        match self.reaching(connection, who_lists(connection), ask).await {
            Ok((revision, _)) => self.health.tested(connection, Some(revision.as_str())).await,
            Err(failure) => {
                self.health.tested(connection, None).await;
                self.failed_probe(connection, &failure).await;
            }
        }
    }

    /// One failure is enough to know that it does not work now, unless more is known already.
    async fn failed_probe(&self, connection: &Connection, failure: &Failure) {
        let stands = self.health.find(&connection.id).await.ok().flatten().map(|now| now.status);
        if matches!(stands, Some(ConnectionStatus::ReauthRequired | ConnectionStatus::Disabled) | None) {
            return;
        }
        let (code, words) = match failure {
            Failure::Upstream(code, words) => (*code, words.clone()),
            Failure::Rpc { message, .. } => ("upstream_error", format!("The server answered: {message}")),
            Failure::Told(words) | Failure::NotOffered(words) => ("upstream_error", words.clone()),
            Failure::Inside(cause) => {
                tracing::warn!(?cause, "a connection could not be tried out");
                ("unavailable", "It could not be tried out; the log tells why.".to_owned())
            }
        };
        self.health.stands(connection, &Standing::degraded(code, words)).await;
    }
}
