//! `setup_link`: the one-time link that creates the first admin (ASVS-6.3.2).

use std::sync::Arc;

use portcullis_database::{Database, DatabaseError, on};
use portcullis_oauth::{Clock, Secret, SecretHash, SecretKind};

use super::users::{self, NewUser, User, UserError, Users};
use crate::settings::SETUP_LINK_LIFE;

/// Links for the first admin.
#[derive(Clone, Debug)]
pub struct Setup {
    database: Database,
    clock: Arc<dyn Clock>,
}

impl Setup {
    /// The links kept in `database`.
    #[must_use]
    pub fn new(database: Database, clock: Arc<dyn Clock>) -> Self {
        Self { database, clock }
    }

    /// A new link's token, good for a day; earlier ones are dead. `None` once there is an admin.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn issue_link(&self) -> Result<Option<Secret>, DatabaseError> {
        if Users::new(self.database.clone(), self.clock.clone()).any_admin().await? {
            return Ok(None);
        }
        let token = Secret::generate(SecretKind::SetupLink);
        let mut transaction = self.database.begin().await?;
        on!(transaction.on(), |connection| sqlx::query("DELETE FROM setup_link")
            .execute(connection)
            .await
            .map(drop))?;
        on!(transaction.on(), |connection| sqlx::query(
            "INSERT INTO setup_link (hash, expires_at) VALUES ($1, $2)"
        )
        .bind(token.hash())
        .bind(self.clock.now().plus(SETUP_LINK_LIFE))
        .execute(connection)
        .await
        .map(drop))?;
        transaction.commit().await?;
        Ok(Some(token))
    }

    /// Whether a link was given out and not yet used: then no further one is needed at start.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn is_pending(&self) -> Result<bool, DatabaseError> {
        let found: Option<(SecretHash,)> = on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT hash FROM setup_link WHERE used_at IS NULL AND expires_at > $1 LIMIT 1"
        )
        .bind(self.clock.now())
        .fetch_optional(pool)
        .await)?;
        Ok(found.is_some())
    }

    /// Whether `token` would create an admin now.
    pub(crate) async fn is_good(&self, token: &Secret) -> Result<bool, DatabaseError> {
        let found: Option<(SecretHash,)> = on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT hash FROM setup_link WHERE hash = $1 AND used_at IS NULL AND expires_at > $2 \
             AND NOT EXISTS (SELECT 1 FROM user_account WHERE admin)"
        )
        .bind(token.hash())
        .bind(self.clock.now())
        .fetch_optional(pool)
        .await)?;
        Ok(found.is_some())
    }

    /// Uses a link up and creates the admin, both or neither. `None` when the link is not good.
    pub(crate) async fn redeem(&self, token: &Secret, admin: NewUser) -> Result<Option<User>, UserError> {
        let now = self.clock.now();
        let mut transaction = self.database.begin().await?;
        let used: Option<(SecretHash,)> = on!(transaction.on(), |connection| sqlx::query_as(
            "UPDATE setup_link SET used_at = $2 WHERE hash = $1 AND used_at IS NULL AND expires_at > $2 \
             AND NOT EXISTS (SELECT 1 FROM user_account WHERE admin) RETURNING hash"
        )
        .bind(token.hash())
        .bind(now)
        .fetch_optional(connection)
        .await)
        .map_err(DatabaseError::from)?;
        if used.is_none() {
            return Ok(None);
        }
        let user = users::create_in(&mut transaction, admin, now).await?;
        transaction.commit().await?;
        Ok(Some(user))
    }
}
