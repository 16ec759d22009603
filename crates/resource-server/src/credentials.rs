//! Credentials: what a connection shows its upstream server, such as a header's value, a password or a token. Owns the
//! table `credential`; every value is sealed by the vault for its owner, connection, field and version. What a field means,
//! and when a new value ends the upstream sessions that used the old one, is decided by those who put it here.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_database::{Database, DatabaseError, Transaction, on};
use portcullis_oauth::{Clock, ConnectionId, PrincipalId, Secret};
use portcullis_vault::{DataKey, KeyError, Place, SealError, Sealed, Vault, Verified};

/// The fields of a connection's credentials.
pub mod field {
    /// What stands in the header of a connection that signs in with one.
    pub const HEADER: &str = "header";
    /// The user name of a connection that signs in with a password.
    pub const USER: &str = "user";
    /// Its password.
    pub const PASSWORD: &str = "password";
    /// Before the name of a parameter of the server that is a secret.
    pub const PARAMETER: &str = "parameter.";
}

/// Why a credential was not kept or found.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// There is no such connection any more.
    #[error("the connection is gone")]
    NoConnection,
    /// A key or the value does not open.
    #[error("the credential does not open: {0}; set it anew, or restore the database from a backup")]
    Vault(#[from] KeyError),
    /// The store failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

#[derive(sqlx::FromRow)]
struct Row {
    field: String,
    version: i64,
    sealed: Sealed,
    principal_id: PrincipalId,
}

impl Row {
    fn open(&self, connection: &ConnectionId, key: &DataKey) -> Result<Secret, KeyError> {
        let place = Place {
            owner: self.principal_id.as_str(),
            connection: connection.as_str(),
            field: &self.field,
            version: self.version,
        };
        let opened = key.open(&place, &self.sealed)?;
        Ok(Secret::presented(std::str::from_utf8(&opened).map_err(|_| SealError)?))
    }
}

/// The store of credentials. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Credentials {
    database: Database,
    vault: Vault,
    clock: Arc<dyn Clock>,
}

impl Credentials {
    /// The credentials kept in `database`, sealed by `vault`.
    #[must_use]
    pub fn new(database: Database, vault: Vault, clock: Arc<dyn Clock>) -> Self {
        Self { database, vault, clock }
    }

    /// Keeps `secret` as the `field` of `connection`, instead of what was there.
    ///
    /// # Errors
    /// When the connection is gone, a key does not open, or the store fails.
    pub async fn put(
        &self,
        connection: &ConnectionId,
        field: &str,
        secret: &Secret,
    ) -> Result<(), CredentialError> {
        let mut transaction = self.database.begin().await?;
        self.put_in(&mut transaction, connection, field, secret).await?;
        Ok(transaction.commit().await?)
    }

    /// As [`put`](Self::put), if and only if the transaction commits. It notes no change: that is for the caller, who
    /// changes the connection along with it.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub async fn put_in(
        &self,
        transaction: &mut Transaction,
        connection: &ConnectionId,
        field: &str,
        secret: &Secret,
    ) -> Result<(), CredentialError> {
        let standing: Option<(PrincipalId, i64)> = on!(transaction.on(), |executor| sqlx::query_as(
            "SELECT n.principal_id, COALESCE(c.version, 0) FROM connection n \
             LEFT JOIN credential c ON c.connection_id = n.id AND c.field = $2 WHERE n.id = $1"
        )
        .bind(connection)
        .bind(field)
        .fetch_optional(executor)
        .await)
        .map_err(DatabaseError::from)?;
        let (owner, version) = standing.ok_or(CredentialError::NoConnection)?;
        let version = version + 1;
        let place = Place { owner: owner.as_str(), connection: connection.as_str(), field, version };
        let sealed = self.vault.seal(transaction, &place, secret.expose().as_bytes()).await?;
        on!(transaction.on(), |executor| sqlx::query(
            "INSERT INTO credential (connection_id, field, version, sealed, set_at) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (connection_id, field) DO UPDATE SET version = $3, sealed = $4, set_at = $5"
        )
        .bind(connection)
        .bind(field)
        .bind(version)
        .bind(&sealed)
        .bind(self.clock.now())
        .execute(executor)
        .await
        .map(drop))
        .map_err(DatabaseError::from)?;
        Ok(())
    }

    /// The `field` of `connection`; `None` when it was never set.
    ///
    /// # Errors
    /// When it does not open, or the store fails.
    pub async fn get(
        &self,
        connection: &ConnectionId,
        field: &str,
    ) -> Result<Option<Secret>, CredentialError> {
        Ok(self.all(connection).await?.remove(field))
    }

    /// Everything that is kept for `connection`, by field.
    ///
    /// # Errors
    /// When one does not open, or the store fails.
    pub async fn all(&self, connection: &ConnectionId) -> Result<BTreeMap<String, Secret>, CredentialError> {
        let rows = self.rows(connection).await?;
        if rows.is_empty() {
            return Ok(BTreeMap::new());
        }
        let key = self.vault.data_key(connection.as_str()).await?;
        let opened = rows.into_iter().map(|row| Ok((row.field.clone(), row.open(connection, &key)?)));
        opened.collect()
    }

    /// Opens every credential.
    ///
    /// # Errors
    /// When the store fails. One that does not open is no error here: it is told.
    pub async fn verify(&self) -> Result<Verified, DatabaseError> {
        let mut verified = Verified::new("credentials");
        let holders: Vec<(ConnectionId,)> = on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT DISTINCT connection_id FROM credential ORDER BY connection_id"
        )
        .fetch_all(pool)
        .await)?;
        for (connection,) in holders {
            let key = self.vault.data_key(connection.as_str()).await;
            for row in self.rows(&connection).await? {
                let opened = key.as_ref().is_ok_and(|key| row.open(&connection, key).is_ok());
                verified.count(&opened.then_some(()).ok_or(SealError), || {
                    format!("{} {}", connection.as_str(), row.field)
                });
            }
        }
        Ok(verified)
    }

    async fn rows(&self, connection: &ConnectionId) -> Result<Vec<Row>, DatabaseError> {
        Ok(on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT c.field, c.version, c.sealed, n.principal_id FROM credential c \
             JOIN connection n ON n.id = c.connection_id WHERE c.connection_id = $1 ORDER BY c.field"
        )
        .bind(connection)
        .fetch_all(pool)
        .await)?)
    }

    /// Removes one `field` of `connection`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn remove_in(
        &self,
        transaction: &mut Transaction,
        connection: &ConnectionId,
        field: &str,
    ) -> Result<(), DatabaseError> {
        on!(transaction.on(), |executor| sqlx::query(
            "DELETE FROM credential WHERE connection_id = $1 AND field = $2"
        )
        .bind(connection)
        .bind(field)
        .execute(executor)
        .await
        .map(drop))?;
        Ok(())
    }

    /// Removes everything that is kept for `connection`, and the key that could open a copy of it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn remove_all(&self, connection: &ConnectionId) -> Result<(), DatabaseError> {
        let mut transaction = self.database.begin().await?;
        self.remove_all_in(&mut transaction, connection).await?;
        transaction.commit().await
    }

    /// As [`remove_all`](Self::remove_all), if and only if the transaction commits.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn remove_all_in(
        &self,
        transaction: &mut Transaction,
        connection: &ConnectionId,
    ) -> Result<(), DatabaseError> {
        on!(transaction.on(), |executor| sqlx::query("DELETE FROM credential WHERE connection_id = $1")
            .bind(connection)
            .execute(executor)
            .await
            .map(drop))?;
        self.vault.forget(transaction, connection.as_str()).await
    }
}
