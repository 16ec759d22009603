//! What of `user_account` concerns passwords: what sign-in compares, setting one, and having to change it.

use portcullis_database::{Change, ChangeKind, DatabaseError, on};
use portcullis_oauth::{PrincipalId, Secret, Timestamp};

use super::users::{UserError, Users, end_sessions, normalise, note_change};
use crate::password;

/// What sign-in compares.
#[derive(sqlx::FromRow)]
pub(crate) struct Credentials {
    pub(crate) id: PrincipalId,
    pub(crate) password_hash: Option<String>,
    pub(crate) disabled_at: Option<Timestamp>,
    pub(crate) password_expired_at: Option<Timestamp>,
}

/// What ends with the old password, besides every browser session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Every grant: its clients may have come in with whoever had the old password (A27).
    Grants,
    /// Nothing else: the person changed it themselves and wants to keep their clients.
    Nothing,
}

impl Users {
    /// Gives a user another password; every browser session and every grant of theirs ends (A27).
    ///
    /// # Errors
    /// When the password is not acceptable.
    pub async fn set_password(&self, id: &PrincipalId, new: Secret) -> Result<(), UserError> {
        self.replace_password(id, new, Ending::Grants).await
    }

    /// The same, with a say in what else ends.
    pub(crate) async fn replace_password(
        &self,
        id: &PrincipalId,
        new: Secret,
        ending: Ending,
    ) -> Result<(), UserError> {
        let now = self.clock.now();
        let user = self.find(id).await?;
        let context = user.as_ref().map_or(["", ""], |user| [&user.email, &user.name]);
        let hash = password::hash(&new, &context).await?;
        let mut transaction = self.database.begin().await?;
        on!(transaction.on(), |connection| sqlx::query(
            "UPDATE user_account SET password_hash = $2, password_changed_at = $3, password_expired_at = NULL \
             WHERE principal_id = $1"
        )
        .bind(id)
        .bind(&hash)
        .bind(now)
        .execute(connection)
        .await
        .map(drop))
        .map_err(DatabaseError::from)?;
        end_sessions(&mut transaction, id, now).await?;
        if ending == Ending::Grants {
            let whose = ("principal_id", id.as_str());
            super::grants::revoke_all_in(&mut transaction, whose, "password_changed", now).await?;
        }
        transaction.record_change(&Change::new(ChangeKind::User, id.as_str()), now).await?;
        note_change(&mut transaction, id, "password_changed", now).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Asks a user for another password at the next sign-in, and ends every session and grant: what there is to do when
    /// the old one may be known to others (NIST-3). `false` when there is no such user.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn expire_password(&self, id: &PrincipalId) -> Result<bool, DatabaseError> {
        let now = self.clock.now();
        let mut transaction = self.database.begin().await?;
        let found: Option<(PrincipalId,)> = on!(transaction.on(), |connection| {
            sqlx::query_as(
            "UPDATE user_account SET password_expired_at = $2 WHERE principal_id = $1 RETURNING principal_id"
        )
        .bind(id)
        .bind(now)
        .fetch_optional(connection)
        .await
        })?;
        end_sessions(&mut transaction, id, now).await?;
        let whose = ("principal_id", id.as_str());
        super::grants::revoke_all_in(&mut transaction, whose, "password_expired", now).await?;
        transaction.record_change(&Change::new(ChangeKind::User, id.as_str()), now).await?;
        note_change(&mut transaction, id, "password_expired", now).await?;
        transaction.commit().await?;
        Ok(found.is_some())
    }

    /// What sign-in compares for this address.
    pub(crate) async fn credentials(&self, email: &str) -> Result<Option<Credentials>, DatabaseError> {
        let email = normalise(email);
        Ok(on!(self.database.read(), |pool| {
            sqlx::query_as(
            "SELECT principal_id AS id, password_hash, disabled_at, password_expired_at FROM user_account WHERE email = $1"
        )
        .bind(&email)
        .fetch_optional(pool)
        .await
        })?)
    }
}
