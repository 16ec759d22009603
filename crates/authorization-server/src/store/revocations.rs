//! What an admin ends by hand: one token, one grant, or everything of a user or a client. Each is one transaction with
//! its event and the row that tells every cache.

use std::sync::Arc;

use portcullis_audit::{Action, Event, Outcome};
use portcullis_database::{Change, ChangeKind, Database, DatabaseError, Transaction, on};
use portcullis_oauth::{ClientId, Clock, GrantId, PrincipalId, Secret, SecretHash, Timestamp};

/// Why these grants ended, for their rows and for the paper trail.
const BECAUSE: &str = "admin_revoked";

/// What a revocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// One access token; its grant goes on, and a refresh token gets the next.
    AccessToken,
    /// So many grants, each with all of its tokens.
    Grants(usize),
}

/// Ends access.
#[derive(Clone, Debug)]
pub struct Revocations {
    database: Database,
    clock: Arc<dyn Clock>,
}

impl Revocations {
    /// Revocations of what is kept in `database`.
    #[must_use]
    pub fn new(database: Database, clock: Arc<dyn Clock>) -> Self {
        Self { database, clock }
    }

    /// Ends an access token, or the whole grant of a refresh token. `None` when no live one is this.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn end_token(&self, token: &Secret) -> Result<Option<Ended>, DatabaseError> {
        let (hash, now) = (token.hash(), self.clock.now());
        let mut transaction = self.database.begin().await?;
        if revoke_access_token(&mut transaction, &hash, now).await? {
            let change = Change::new(ChangeKind::Token, hash.as_str());
            return self.note(transaction, (Ended::AccessToken, change), now).await.map(Some);
        }
        drop(transaction);
        let grant: Option<(GrantId,)> = on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT grant_id FROM refresh_token WHERE hash = $1"
        )
        .bind(&hash)
        .fetch_optional(pool)
        .await)?;
        let Some((grant,)) = grant else { return Ok(None) };
        Ok(Some(self.end_grant(&grant).await?).filter(|ended| *ended != Ended::Grants(0)))
    }

    /// Ends one grant with all of its tokens.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn end_grant(&self, grant: &GrantId) -> Result<Ended, DatabaseError> {
        const SQL: &str = "UPDATE oauth_grant SET revoked_at = $2, revoked_because = $3 \
             WHERE id = $1 AND revoked_at IS NULL RETURNING id";
        self.end_grants(SQL, Change::new(ChangeKind::Grant, grant.as_str())).await
    }

    /// Ends everything that clients may do for a user. The account stays.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn end_user(&self, user: &PrincipalId) -> Result<Ended, DatabaseError> {
        const SQL: &str = "UPDATE oauth_grant SET revoked_at = $2, revoked_because = $3 \
             WHERE principal_id = $1 AND revoked_at IS NULL RETURNING id";
        self.end_grants(SQL, Change::new(ChangeKind::User, user.as_str())).await
    }

    /// Ends everything that a client may do. Its registration stays.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn end_client(&self, client: &ClientId) -> Result<Ended, DatabaseError> {
        const SQL: &str = "UPDATE oauth_grant SET revoked_at = $2, revoked_because = $3 \
             WHERE client_id = $1 AND revoked_at IS NULL RETURNING id";
        self.end_grants(SQL, Change::new(ChangeKind::Client, client.as_str())).await
    }

    /// `sql` ends the grants of the change's subject.
    async fn end_grants(&self, sql: &'static str, change: Change) -> Result<Ended, DatabaseError> {
        let now = self.clock.now();
        let mut transaction = self.database.begin().await?;
        let ended: Vec<(GrantId,)> = on!(transaction.on(), |connection| sqlx::query_as(sql)
            .bind(&change.subject)
            .bind(now)
            .bind(BECAUSE)
            .fetch_all(connection)
            .await)?;
        self.note(transaction, (Ended::Grants(ended.len()), change), now).await
    }

    async fn note(
        &self,
        mut transaction: Transaction,
        (ended, change): (Ended, Change),
        now: Timestamp,
    ) -> Result<Ended, DatabaseError> {
        if ended == Ended::Grants(0) {
            return Ok(ended);
        }
        let event = Event::new(now, Action::Revocation, Outcome::Done).because(BECAUSE);
        let event = match change.kind {
            ChangeKind::User => event.by(&PrincipalId::from(change.subject.clone())),
            ChangeKind::Client => event.through(&ClientId::from(change.subject.clone())),
            _ => event,
        };
        let detail = match (ended, change.kind) {
            (Ended::Grants(_), ChangeKind::Grant) => serde_json::json!({ "grant": change.subject }),
            (Ended::Grants(count), _) => serde_json::json!({ "grants": count }),
            (Ended::AccessToken, _) => serde_json::json!({ "access_tokens": 1 }),
        };
        portcullis_audit::record_in(&mut transaction, event.with(detail)).await?;
        transaction.record_change(&change, now).await?;
        transaction.commit().await?;
        Ok(ended)
    }
}

async fn revoke_access_token(
    transaction: &mut Transaction,
    token: &SecretHash,
    now: Timestamp,
) -> Result<bool, DatabaseError> {
    let revoked: Option<(SecretHash,)> = on!(transaction.on(), |connection| {
        sqlx::query_as(
        "UPDATE access_token SET revoked_at = $2 WHERE hash = $1 AND revoked_at IS NULL AND expires_at > $2 \
         RETURNING hash"
    )
    .bind(token)
    .bind(now)
    .fetch_optional(connection)
    .await
    })?;
    Ok(revoked.is_some())
}
