//! How a client proves itself by a key: what an admin changes of it after its registration.

use portcullis_audit::{Action, Event, Outcome};
use portcullis_database::{Change, ChangeKind, DatabaseError, on};
use portcullis_oauth::jose::{AssertionAudience, ClientKeys};
use portcullis_oauth::{ClientAuthMethod, ClientId, ClientMetadata};

use super::clients::{self, Clients};

impl Clients {
    /// Gives a client that an admin registered with a key other keys; its grants end, as with a new secret (A18, A27).
    /// `false` when there is no such client.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn replace_keys(&self, id: &ClientId, keys: ClientKeys) -> Result<bool, DatabaseError> {
        let Some(client) = self.find(id).await? else { return Ok(false) };
        let is_by_key = client.metadata.token_endpoint_auth_method == ClientAuthMethod::PrivateKeyJwt;
        if client.origin != clients::ClientOrigin::Admin || !is_by_key {
            return Ok(false);
        }
        let before = clients::encode(&client.metadata)?;
        let after = clients::encode(&ClientMetadata { keys: Some(keys), ..client.metadata })?;
        let now = self.clock.now();
        let mut transaction = self.database.begin().await?;
        // Of two admins who do it at once, one is told that there was nothing to replace.
        let found: Option<(ClientId,)> = on!(transaction.on(), |connection| {
            sqlx::query_as(
            "UPDATE oauth_client SET metadata = $3 WHERE id = $1 AND metadata = $2 AND removed_at IS NULL RETURNING id"
        )
        .bind(id)
        .bind(before)
        .bind(after)
        .fetch_optional(connection)
        .await
        })?;
        if found.is_none() {
            return Ok(false);
        }
        clients::end_in(&mut transaction, id, "client_keys_replaced", now).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Says what a client may name as the audience of its assertions (DC-22). `false` when there is no such client.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn set_assertion_audience(
        &self,
        id: &ClientId,
        audience: AssertionAudience,
    ) -> Result<bool, DatabaseError> {
        let now = self.clock.now();
        let kept = (audience != AssertionAudience::Issuer).then(|| audience.as_str());
        let mut transaction = self.database.begin().await?;
        let found: Option<(ClientId,)> = on!(transaction.on(), |connection| {
            sqlx::query_as(
            "UPDATE oauth_client SET assertion_audience = $2 WHERE id = $1 AND removed_at IS NULL RETURNING id"
        )
        .bind(id)
        .bind(kept)
        .fetch_optional(connection)
        .await
        })?;
        if found.is_none() {
            return Ok(false);
        }
        let event =
            Event::new(now, Action::ClientChange, Outcome::Done).because("assertion_audience").through(id);
        let detail = serde_json::json!({ "audience": audience.as_str() });
        portcullis_audit::record_in(&mut transaction, event.with(detail)).await?;
        transaction.record_change(&Change::new(ChangeKind::Client, id.as_str()), now).await?;
        transaction.commit().await?;
        Ok(true)
    }
}
