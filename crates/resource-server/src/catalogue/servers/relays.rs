//! What an admin lets a server ask clients for, changed after it was added.

use portcullis_audit::{Action, Event, Outcome};
use portcullis_database::{DatabaseError, on};
use serde_json::json;

use super::{ServerError, Servers};
use crate::catalogue::{Relays, Slug};

impl Servers {
    /// Says what a server may ask clients for from now on; what is open there ends, since it was told otherwise. `false` when
    /// it was so before, or the server is not there.
    ///
    /// # Errors
    /// When it is the built-in one, or the store fails.
    pub async fn set_relays(&self, slug: &Slug, relays: Relays) -> Result<bool, ServerError> {
        if slug.as_str() == crate::sandbox::SERVER {
            return Err(ServerError::AsksNothing);
        }
        let now = self.clock.now();
        let mut transaction = self.database.begin().await?;
        let changed: Option<(Slug,)> = on!(transaction.on(), |connection| {
            sqlx::query_as("UPDATE server SET relays = $2 WHERE slug = $1 AND relays <> $2 RETURNING slug")
                .bind(slug)
                .bind(relays.words().join(" "))
                .fetch_optional(connection)
                .await
        })
        .map_err(DatabaseError::from)?;
        if changed.is_none() {
            return Ok(false);
        }
        let event = Event::new(now, Action::ServerChange, Outcome::Done).because("server_relays");
        self.finish(transaction, slug, event.with(json!({ "relays": relays.words() }))).await?;
        Ok(true)
    }
}
