//! What clients that registered themselves do with their registrations (RFC 7591, RFC 7592). Whatever a person saw when
//! they consented may change only together with the end of what they allowed.

use portcullis_database::{Change, ChangeKind, Database, DatabaseError, Transaction, on};
use portcullis_oauth::{ClientId, ClientMetadata, Secret, SecretHash, SecretKind, Timestamp};

use super::clients::{self, Client, NewClient};
use super::invitations;

/// The registrations of this server.
#[derive(Clone, Debug)]
pub(crate) struct Registrations {
    database: Database,
}

/// A new registration, with what is shown once.
pub(crate) struct Registered {
    pub(crate) client: Client,
    pub(crate) secret: Option<Secret>,
    /// Its `registration_access_token`.
    pub(crate) token: Secret,
    /// The invitation that it came with.
    pub(crate) invitation: Option<String>,
}

/// What became of a replacement.
pub(crate) enum Replaced {
    /// The client is another one now: what it was granted has ended, and a secret that it did not have before is shown.
    Changed(Option<Secret>),
    /// It was so already, or it is gone.
    Nothing,
}

impl Registrations {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Registers a client on its own word, and uses the invitation that it brought. `None` when that is not good any more.
    pub(crate) async fn create(
        &self,
        new: NewClient,
        invited: Option<&Secret>,
        now: Timestamp,
    ) -> Result<Option<Registered>, DatabaseError> {
        let mut transaction = self.database.begin().await?;
        let invitation = match invited {
            None => None,
            Some(token) => match invitations::use_in(&mut transaction, token, now).await? {
                Some(invitation) => Some(invitation),
                None => return Ok(None),
            },
        };
        let registered = create_in(&mut transaction, new, now).await?;
        transaction.commit().await?;
        Ok(Some(Registered { invitation, ..registered }))
    }

    /// Replaces all that is known of a client (R7592-2.2-1), in one statement that says whether anything changed. If so,
    /// its grants end and what waits for a person's answer is forgotten.
    pub(crate) async fn replace(
        &self,
        client: &ClientId,
        metadata: &ClientMetadata,
        now: Timestamp,
    ) -> Result<Replaced, DatabaseError> {
        let fresh = Secret::generate(SecretKind::ClientSecret);
        let mut transaction = self.database.begin().await?;
        let changed: Option<(Option<SecretHash>,)> = on!(transaction.on(), |connection| sqlx::query_as(
            "UPDATE oauth_client SET metadata = $2, \
             secret_hash = CASE WHEN $3 THEN COALESCE(secret_hash, $4) ELSE NULL END \
             WHERE id = $1 AND removed_at IS NULL AND metadata <> $2 RETURNING secret_hash"
        )
        .bind(client)
        .bind(clients::encode(metadata)?)
        .bind(metadata.token_endpoint_auth_method.is_by_secret())
        .bind(fresh.hash())
        .fetch_optional(connection)
        .await)?;
        let Some((hash,)) = changed else { return Ok(Replaced::Nothing) };
        forget_waiting_in(&mut transaction, client).await?;
        clients::end_in(&mut transaction, client, "registration_replaced", now).await?;
        transaction.commit().await?;
        Ok(Replaced::Changed(hash.filter(|hash| hash.matches(&fresh)).map(|_| fresh)))
    }

    /// Deletes a client at its own wish, with everything of it (R7592-2.3-1). `false` when somebody was faster.
    pub(crate) async fn delete(&self, client: &ClientId, now: Timestamp) -> Result<bool, DatabaseError> {
        let mut transaction = self.database.begin().await?;
        forget_waiting_in(&mut transaction, client).await?;
        let deleted = clients::remove_in(&mut transaction, client, now).await?;
        transaction.commit().await?;
        Ok(deleted)
    }
}

/// The row that every cache of this process must hear of before anybody is answered.
pub(crate) fn change_of(client: &ClientId) -> Change {
    Change::new(ChangeKind::Client, client.as_str())
}

async fn create_in(
    transaction: &mut Transaction,
    new: NewClient,
    now: Timestamp,
) -> Result<Registered, DatabaseError> {
    let token = Secret::generate(SecretKind::RegistrationAccess);
    let (client, secret) = clients::register_in(transaction, new, now).await?;
    on!(transaction.on(), |connection| sqlx::query(
        "UPDATE oauth_client SET registration_hash = $2 WHERE id = $1"
    )
    .bind(&client.id)
    .bind(token.hash())
    .execute(connection)
    .await
    .map(drop))?;
    Ok(Registered { client, secret, token, invitation: None })
}

/// No answer of a person is used for a client that is another one by then.
async fn forget_waiting_in(transaction: &mut Transaction, client: &ClientId) -> Result<(), DatabaseError> {
    for sql in [
        "DELETE FROM authorization_request WHERE client_id = $1 AND decided_at IS NULL",
        "DELETE FROM pushed_request WHERE client_id = $1 AND used_at IS NULL",
    ] {
        on!(transaction.on(), |connection| sqlx::query(sql)
            .bind(client)
            .execute(connection)
            .await
            .map(drop))?;
    }
    Ok(())
}
