//! Between two rounds of one request, where a client with a session is asked what a stateless server wants to know. Nothing is
//! under way then that the pool could end, so what takes the right to go on away is watched for here (T20).

use portcullis_upstream::Failure as Wire;
use serde_json::{Map, Value};
use tokio::sync::broadcast::error::RecvError;

use super::{Answered, Failure, Upstreams};
use crate::bulletin::Raw;
use crate::catalogue::Relays;
use crate::connections::Connection;
use crate::errand::Extras;
use crate::line::{Line, Unanswered};
use crate::relay::{Origin, Secrets};

impl Upstreams {
    /// Asks, and makes the next round of the answers, at the connection as it is by then.
    pub(super) async fn bridge(
        &self,
        connection: &Connection,
        answered: &Answered,
        (line, origin, extras): (&Line, &Origin, Extras),
    ) -> Result<(Connection, Extras), Failure> {
        let begun = (connection, answered.relays);
        // Heard before it is looked at, so that nothing falls in between.
        let mut changes = self.bulletin.raw();
        self.unchanged(begun).await?;
        let end = self.end_of(line, origin, (&answered.secrets, answered.relays));
        let requests = match answered.reply.get("inputRequests") {
            Some(Value::Object(requests)) => requests,
            _ => Map::new(),
        };
        let asking = end.bridge(requests);
        tokio::pin!(asking);
        let answers = loop {
            tokio::select! {
                biased;
                change = changes.recv() => self.survives(begun, change).await?,
                answers = &mut asking => break answers,
            }
        };
        let responses = answers.map_err(|why| match why {
            Unanswered::Refused(refused) => Failure::asks_back(&origin.alias, refused.kind, &refused.why),
            Unanswered::Failed(kind, error) => Failure::asks_back(&origin.alias, kind, &error.message),
        })?;
        let state = answered.reply.get("requestState").and_then(|state| state.as_str().map(str::to_owned));
        Ok((self.unchanged(begun).await?, Extras { responses: Some(responses), state, ..extras }))
    }

    /// Whether a change leaves the request its right to go on; what the change is, the pool ends requests for, too.
    async fn survives(
        &self,
        (connection, relays): (&Connection, Relays),
        change: Result<Raw, RecvError>,
    ) -> Result<(), Failure> {
        let concerns = match change {
            Ok(Raw::Connection(id)) => id == connection.id,
            Ok(Raw::Server(slug)) => slug == connection.server,
            Ok(Raw::User(owner)) if owner != connection.principal_id => false,
            Ok(Raw::User(_) | Raw::Missed) | Err(_) => return Err(self.ended(connection)),
        };
        if concerns { self.unchanged((connection, relays)).await.map(drop) } else { Ok(()) }
    }

    /// The connection as it is now, if that is what it was when the request began, and its server may ask for the same.
    async fn unchanged(&self, (connection, relays): (&Connection, Relays)) -> Result<Connection, Failure> {
        let inside = |error| Failure::Inside(Box::new(error));
        let now = self.health.still(connection).await.map_err(inside)?;
        let offered = self.reach.offered(&connection.server).await.map_err(inside)?;
        now.filter(|_| offered == Some(relays)).ok_or_else(|| self.ended(connection))
    }

    /// What a connection allowed is over.
    fn ended(&self, connection: &Connection) -> Failure {
        Failure::of(Wire::Ended, connection, (&self.public_url, &Secrets::default()))
    }
}
