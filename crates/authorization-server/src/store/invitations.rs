//! `registration_invitation`: initial access tokens (RFC 7591 §3), which let somebody register so many clients.

use std::sync::Arc;

use portcullis_audit::{Action, Event, Outcome};
use portcullis_database::{Database, DatabaseError, Transaction, on};
use portcullis_oauth::{Clock, Seconds, Secret, SecretKind, Timestamp, random_handle};

/// An invitation, without its token.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Invitation {
    /// The name by which it is taken back.
    pub id: String,
    /// For whom or what it is.
    pub note: String,
    /// So many clients may still be registered with it.
    pub uses_left: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

/// The invitations of this server.
#[derive(Clone, Debug)]
pub struct Invitations {
    database: Database,
    clock: Arc<dyn Clock>,
}

impl Invitations {
    /// The invitations kept in `database`.
    #[must_use]
    pub fn new(database: Database, clock: Arc<dyn Clock>) -> Self {
        Self { database, clock }
    }

    /// Makes an invitation; its token is returned here and nowhere else.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn create(
        &self,
        note: String,
        uses: u32,
        life: Seconds,
    ) -> Result<(Invitation, Secret), DatabaseError> {
        let (token, now) = (Secret::generate(SecretKind::InitialAccess), self.clock.now());
        let id = random_handle("invitation_");
        let invitation =
            Invitation { id, note, uses_left: i64::from(uses), created_at: now, expires_at: now.plus(life) };
        let mut transaction = self.database.begin().await?;
        on!(transaction.on(), |connection| sqlx::query(
            "INSERT INTO registration_invitation (id, hash, note, uses_left, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6)"
        )
        .bind(&invitation.id)
        .bind(token.hash())
        .bind(&invitation.note)
        .bind(invitation.uses_left)
        .bind(invitation.created_at)
        .bind(invitation.expires_at)
        .execute(connection)
        .await
        .map(drop))?;
        note_in(&mut transaction, "registration_invited", &invitation.id, now).await?;
        transaction.commit().await?;
        Ok((invitation, token))
    }

    /// The invitations that are still good, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(&self) -> Result<Vec<Invitation>, DatabaseError> {
        let all: Vec<Invitation> = on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT id, note, uses_left, created_at, expires_at FROM registration_invitation \
             WHERE uses_left > 0 AND expires_at > $1 ORDER BY created_at, id"
        )
        .bind(self.clock.now())
        .fetch_all(pool)
        .await)?;
        Ok(all)
    }

    /// Takes an invitation back; clients that came with it stay. `false` when there is none of this name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn revoke(&self, id: &str) -> Result<bool, DatabaseError> {
        let mut transaction = self.database.begin().await?;
        let revoked: Option<(String,)> = on!(transaction.on(), |connection| sqlx::query_as(
            "DELETE FROM registration_invitation WHERE id = $1 RETURNING id"
        )
        .bind(id)
        .fetch_optional(connection)
        .await)?;
        if revoked.is_none() {
            return Ok(false);
        }
        note_in(&mut transaction, "registration_uninvited", id, self.clock.now()).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Whether one more client could be registered with `token` now.
    pub(crate) async fn is_good(&self, token: &Secret, now: Timestamp) -> Result<bool, DatabaseError> {
        let found: Option<(String,)> = on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT id FROM registration_invitation WHERE hash = $1 AND uses_left > 0 AND expires_at > $2"
        )
        .bind(token.hash())
        .bind(now)
        .fetch_optional(pool)
        .await)?;
        Ok(found.is_some())
    }

    /// Deletes what expired before `before`.
    pub(crate) async fn sweep(&self, before: Timestamp) -> Result<(), DatabaseError> {
        let sql = "DELETE FROM registration_invitation WHERE id IN \
                   (SELECT id FROM registration_invitation WHERE expires_at < $1 LIMIT 500)";
        self.database.sweep(sql, before).await
    }
}

/// Uses an invitation once, in the transaction that registers the client: the name of the one that was good.
pub(super) async fn use_in(
    transaction: &mut Transaction,
    token: &Secret,
    now: Timestamp,
) -> Result<Option<String>, DatabaseError> {
    let used: Option<(String,)> = on!(transaction.on(), |connection| sqlx::query_as(
        "UPDATE registration_invitation SET uses_left = uses_left - 1 \
         WHERE hash = $1 AND uses_left > 0 AND expires_at > $2 RETURNING id"
    )
    .bind(token.hash())
    .bind(now)
    .fetch_optional(connection)
    .await)?;
    Ok(used.map(|(id,)| id))
}

async fn note_in(
    transaction: &mut Transaction,
    what: &'static str,
    id: &str,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    let event = Event::new(now, Action::ClientChange, Outcome::Done).because(what);
    portcullis_audit::record_in(transaction, event.with(serde_json::json!({ "invitation": id }))).await
}
