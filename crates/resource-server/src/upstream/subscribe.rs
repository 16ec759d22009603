//! Single resources that somebody downstream watches, as far as their servers go.

use std::sync::Arc;
use std::time::Duration;

use portcullis_upstream::{Failure as Wire, Greeting};
use serde_json::Value;
use tokio::time::timeout;

use super::watch::Eye;
use super::{Failure, Upstreams, who_lists};
use crate::connections::Connection;
use crate::errand::Dispatch;
use crate::policy::Permitted;
use crate::reach::Reached;
use crate::relay::Secrets;
use crate::sandbox::SERVER;

/// A server gets so long to say whether it tells of a resource, greeting included.
const PATIENCE: Duration = Duration::from_secs(15);

impl Upstreams {
    /// Has a server tell when the resource changes that may be read, and waits for its word.
    pub(crate) async fn subscribe(&self, permitted: Permitted<Dispatch>) -> Result<Eye, Failure> {
        let Dispatch { connection, errand, .. } = permitted.into_action();
        if connection.server == SERVER {
            return Err(Failure::not_offered(&connection));
        }
        let asked = timeout(PATIENCE, self.look_at(&connection, errand.name())).await;
        asked.unwrap_or_else(|_| {
            Err(Failure::of(Wire::Timeout, &connection, (&self.public_url, &Secrets::default())))
        })
    }

    async fn look_at(&self, connection: &Connection, uri: &str) -> Result<Eye, Failure> {
        // What is wrong with a server, or with what it is reached with, is found out as for any request.
        let ask = |reached: Arc<Reached>| async move { self.pool.greeting(&reached.endpoint).await };
        let (greeting, reached) = self.reaching(connection, who_lists(connection), ask).await?;
        if !self.learn(connection, &greeting) {
            return Err(Failure::not_offered(connection));
        }
        let eye = self.watch(connection).resource(uri, false);
        let eye = eye.ok_or_else(|| Failure::too_many(connection))?;
        if let Err(failure) = eye.settled().await {
            self.health.failed(connection, &failure, &reached.secrets).await;
            return Err(Failure::of(failure, connection, (&self.public_url, &reached.secrets)));
        }
        Ok(eye)
    }

    /// The same for one that was watched before, and may have changed meanwhile; nobody waits for the server's word.
    pub(crate) fn resubscribe(&self, permitted: Permitted<Dispatch>) -> Option<Eye> {
        let Dispatch { connection, errand, .. } = permitted.into_action();
        self.watch(&connection).resource(errand.name(), true)
    }

    /// Whether the server of a connection tells when single resources change, as far as is known.
    pub(crate) fn tells_of_resources(&self, connection: &Connection) -> bool {
        connection.server != SERVER && self.tell.get(&connection.id).unwrap_or(true)
    }

    /// Learns the same from what the server says of itself.
    pub(super) fn learn(&self, connection: &Connection, greeting: &Greeting) -> bool {
        let greeted: Value = serde_json::from_str(greeting.result.get()).unwrap_or_default();
        let tells = greeted["capabilities"]["resources"]["subscribe"] == true;
        self.tell.insert(connection.id.clone(), tells);
        tells
    }
}
