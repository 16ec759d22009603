//! What changes a connection. Each is one statement whose row is the verdict, with its line in the paper trail and the row
//! that tells every cache.

use std::collections::BTreeMap;

use portcullis_audit::ConnectionEvent;
use portcullis_database::{DatabaseError, Transaction, on};
use portcullis_oauth::{Alias, ConnectionId, Seconds, Timestamp};

use super::tombstone::bury_in;
use super::{Connection, ConnectionError, Connections, Standing, find_in, row};

/// A use is noted so often at most.
const USED: Seconds = Seconds::minutes(1);
/// Longer errors are cut.
const LONGEST_ERROR: usize = 500;

/// Who switches a connection off or on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Its owner, who cannot undo what an admin did.
    Owner,
    /// An admin.
    Admin,
}

impl Who {
    const fn code(self) -> &'static str {
        match self {
            Self::Owner => "by_owner",
            Self::Admin => "by_admin",
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Owner => "You switched it off.",
            Self::Admin => "An administrator switched it off.",
        }
    }
}

impl Connections {
    /// Notes how a connection stands, as it was just learned with the credentials of `connection`. `false` when nothing
    /// changed: it stood so, is switched off or gone, or has other credentials by now.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn set_status(
        &self,
        connection: &Connection,
        standing: &Standing,
    ) -> Result<bool, DatabaseError> {
        let now = self.clock.now();
        let words = standing.words.as_deref().map(cut);
        let error = standing.is_failure().then_some(words.as_deref()).flatten();
        let mut transaction = self.database.begin().await?;
        let changed: Option<(ConnectionId,)> = on!(transaction.on(), |executor| {
            sqlx::query_as(
                "UPDATE connection SET since = CASE WHEN status = $3 THEN since ELSE $6 END, status = $3, \
                 status_code = $4, status_reason = $5, last_error = COALESCE($7, last_error), \
                 last_error_at = CASE WHEN $7 IS NULL THEN last_error_at ELSE $6 END \
                 WHERE id = $1 AND credential_version = $2 AND status <> 'disabled' AND (status <> $3 \
                 OR COALESCE(status_code, '') <> COALESCE($4, '') OR COALESCE(status_reason, '') <> COALESCE($5, '')) \
                 RETURNING id",
            )
            .bind(&connection.id)
            .bind(connection.credential_version)
            .bind(standing.status.as_str())
            .bind(standing.code)
            .bind(&words)
            .bind(now)
            .bind(error)
            .fetch_optional(executor)
            .await
        })?;
        if changed.is_none() {
            return Ok(false);
        }
        let what = if standing.is_failure() { ConnectionEvent::Failed } else { ConnectionEvent::Tested };
        self.finish(transaction, connection, (what, standing.code)).await?;
        Ok(true)
    }

    /// Notes what went wrong in a single call; the connection stands as it stood.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn note_error(&self, connection: &Connection, words: &str) -> Result<(), DatabaseError> {
        on!(self.database.write(), |pool| sqlx::query(
            "UPDATE connection SET last_error = $2, last_error_at = $3 WHERE id = $1"
        )
        .bind(&connection.id)
        .bind(cut(words))
        .bind(self.clock.now())
        .execute(pool)
        .await
        .map(drop))?;
        Ok(())
    }

    /// Notes that a client uses it; to the minute, so that most calls write nothing.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn note_use(&self, connection: &Connection) -> Result<(), DatabaseError> {
        let now = self.clock.now();
        if connection.last_used_at.is_some_and(|at| now < at.plus(USED)) {
            return Ok(());
        }
        on!(self.database.write(), |pool| sqlx::query(
            "UPDATE connection SET last_used_at = $2 WHERE id = $1"
        )
        .bind(&connection.id)
        .bind(now)
        .execute(pool)
        .await
        .map(drop))?;
        self.known.forget(&connection.id);
        Ok(())
    }

    /// Remembers the protocol revision that its server speaks, and that it was tried just now.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn note_test(
        &self,
        connection: &Connection,
        revision: Option<&str>,
    ) -> Result<(), DatabaseError> {
        on!(self.database.write(), |pool| sqlx::query(
            "UPDATE connection SET revision = COALESCE($2, revision), tested_at = $3 WHERE id = $1"
        )
        .bind(&connection.id)
        .bind(revision)
        .bind(self.clock.now())
        .execute(pool)
        .await
        .map(drop))?;
        self.known.forget(&connection.id);
        Ok(())
    }

    /// Switches it off. `false` when it was off, or is gone.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn disable(&self, connection: &Connection, who: Who) -> Result<bool, DatabaseError> {
        let mut transaction = self.database.begin().await?;
        let changed: Option<(ConnectionId,)> = on!(transaction.on(), |executor| {
            sqlx::query_as(
                "UPDATE connection SET status = 'disabled', status_code = $2, status_reason = $3, since = $4 \
                 WHERE id = $1 AND (status <> 'disabled' OR ($2 = 'by_admin' AND status_code <> $2)) RETURNING id",
            )
            .bind(&connection.id)
            .bind(who.code())
            .bind(who.words())
            .bind(self.clock.now())
            .fetch_optional(executor)
            .await
        })?;
        if changed.is_none() {
            return Ok(false);
        }
        self.finish(transaction, connection, (ConnectionEvent::Disabled, Some(who.code()))).await?;
        Ok(true)
    }

    /// Switches it on again; what it then is has to be learned by trying it. `false` when it was not off, is gone, or was
    /// switched off by an admin and `who` is not one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn enable(&self, connection: &Connection, who: Who) -> Result<bool, DatabaseError> {
        let mut transaction = self.database.begin().await?;
        let changed: Option<(ConnectionId,)> = on!(transaction.on(), |executor| {
            sqlx::query_as(
                "UPDATE connection SET status = CASE WHEN server = 'sandbox' THEN 'active' ELSE 'connecting' END, \
                 status_code = NULL, status_reason = NULL, since = $3 \
                 WHERE id = $1 AND status = 'disabled' AND ($2 = 'by_admin' OR status_code <> 'by_admin') RETURNING id",
            )
            .bind(&connection.id)
            .bind(who.code())
            .bind(self.clock.now())
            .fetch_optional(executor)
            .await
        })?;
        if changed.is_none() {
            return Ok(false);
        }
        self.finish(transaction, connection, (ConnectionEvent::Enabled, Some(who.code()))).await?;
        Ok(true)
    }

    /// Gives it another name, and ends what was granted for the old one.
    ///
    /// # Errors
    /// When its owner has one of this name, or the store fails. `Ok(None)`: it is gone.
    pub async fn rename(
        &self,
        connection: &Connection,
        alias: &Alias,
    ) -> Result<Option<Connection>, ConnectionError> {
        if *alias == connection.alias {
            return Ok(Some(connection.clone()));
        }
        self.settle_alias(&connection.principal_id, alias).await?;
        let mut transaction = self.database.begin().await?;
        let renamed: Result<Option<(ConnectionId,)>, _> = on!(transaction.on(), |executor| sqlx::query_as(
            "UPDATE connection SET alias = $3 WHERE id = $1 AND alias = $2 RETURNING id"
        )
        .bind(&connection.id)
        .bind(&connection.alias)
        .bind(alias)
        .fetch_optional(executor)
        .await);
        match renamed.map_err(DatabaseError::from) {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(None),
            Err(taken) if taken.is_unique_violation() => return Err(ConnectionError::AliasTaken),
            Err(error) => return Err(error.into()),
        }
        let tombstone = bury_in(&mut transaction, connection, (false, self.clock.now())).await?;
        let Some(renamed) = find_in(&mut transaction, &connection.id).await? else { return Ok(None) };
        self.finish(transaction, &renamed, (ConnectionEvent::Renamed, None)).await?;
        self.settle(&tombstone).await?;
        Ok(Some(renamed))
    }

    /// Deletes it, and ends what was granted for it. `false` when it was gone.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn remove(&self, connection: &Connection) -> Result<bool, DatabaseError> {
        let farewell = match self.parting.get() {
            Some(parting) => parting.before(connection).await,
            None => None,
        };
        let mut transaction = self.database.begin().await?;
        let Some(gone) = find_in(&mut transaction, &connection.id).await? else { return Ok(false) };
        if let Some(credentials) = &self.credentials {
            credentials.remove_all_in(&mut transaction, &gone.id).await?;
        }
        let removed: Option<(ConnectionId,)> = on!(transaction.on(), |executor| sqlx::query_as(
            "DELETE FROM connection WHERE id = $1 RETURNING id"
        )
        .bind(&gone.id)
        .fetch_optional(executor)
        .await)?;
        if removed.is_none() {
            return Ok(false);
        }
        let tombstone = bury_in(&mut transaction, &gone, (true, self.clock.now())).await?;
        self.finish(transaction, &gone, (ConnectionEvent::Deleted, None)).await?;
        if let Some(farewell) = farewell {
            farewell();
        }
        self.settle(&tombstone).await?;
        Ok(true)
    }

    /// Takes note, in the transaction that stores them, that its owner gave other credentials or settings: from here on
    /// nothing that was learned with the old ones counts. The connection as it then is; `None` when it is gone.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn renew_in(
        transaction: &mut Transaction,
        connection: &Connection,
        (settings, now): (&BTreeMap<String, String>, Timestamp),
    ) -> Result<Option<Connection>, DatabaseError> {
        on!(transaction.on(), |executor| {
            sqlx::query(
                "UPDATE connection SET credential_version = credential_version + 1, settings = $2, \
                 since = CASE WHEN status = 'disabled' THEN since ELSE $3 END, \
                 status_code = CASE WHEN status = 'disabled' THEN status_code END, \
                 status_reason = CASE WHEN status = 'disabled' THEN status_reason END, \
                 status = CASE WHEN status = 'disabled' THEN status WHEN server = 'sandbox' THEN 'active' ELSE 'connecting' END \
                 WHERE id = $1",
            )
            .bind(&connection.id)
            .bind(row::encode(settings)?)
            .bind(now)
            .execute(executor)
            .await
            .map(drop)
        })?;
        find_in(transaction, &connection.id).await
    }

    /// Begins a transaction with [`Self::renew_in`]. `None`: it is gone.
    pub(crate) async fn begin_renewal(
        &self,
        connection: &Connection,
        settings: &BTreeMap<String, String>,
    ) -> Result<Option<(Transaction, Connection)>, DatabaseError> {
        let mut transaction = self.database.begin().await?;
        let renewed = Self::renew_in(&mut transaction, connection, (settings, self.clock.now())).await?;
        Ok(renewed.map(|renewed| (transaction, renewed)))
    }

    /// Commits what [`Self::renew_in`] began.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn finish_renewal(
        &self,
        transaction: Transaction,
        connection: &Connection,
    ) -> Result<(), DatabaseError> {
        self.finish(transaction, connection, (ConnectionEvent::Authorised, None)).await
    }
}

fn cut(words: &str) -> String {
    words.chars().filter(|c| !c.is_control()).take(LONGEST_ERROR).collect()
}
