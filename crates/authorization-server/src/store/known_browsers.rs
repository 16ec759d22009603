//! `known_browser`: in which browsers somebody signed in. Being known opens nothing: it only means that strangers' failures
//! are not held against this browser (NIST-2, ASVS-6.3.1).

use portcullis_database::{Database, DatabaseError, Transaction, on};
use portcullis_oauth::{PrincipalId, Secret, SecretHash, SecretKind, Timestamp};
use portcullis_web::device_cookie::DEVICE_LIFE;

use super::users::normalise;

/// A person has so many at most; the ones that were not seen for longest are forgotten.
const KEPT: i64 = 50;

/// The known browsers.
#[derive(Clone, Debug)]
pub(crate) struct KnownBrowsers {
    database: Database,
}

impl KnownBrowsers {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Whether the owner of this address signed in with this browser.
    pub(crate) async fn is_known(
        &self,
        device: &SecretHash,
        email: &str,
        now: Timestamp,
    ) -> Result<bool, DatabaseError> {
        let email = normalise(email);
        let found: Option<(SecretHash,)> = on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT b.hash FROM known_browser b JOIN user_account u ON u.principal_id = b.principal_id \
             WHERE b.hash = $1 AND u.email = $2 AND b.seen_at > $3"
        )
        .bind(device)
        .bind(&email)
        .bind(now.minus(DEVICE_LIFE))
        .fetch_optional(pool)
        .await)?;
        Ok(found.is_some())
    }

    /// Remembers that somebody signed in with this browser. Gives what it must present from now on: the secret that it has,
    /// if that is one of ours, so that two people who share a browser are both known there.
    pub(crate) async fn remember(
        &self,
        presented: Option<Secret>,
        user: &PrincipalId,
        now: Timestamp,
    ) -> Result<Secret, DatabaseError> {
        let device = match presented {
            Some(device) if self.is_ours(&device.hash(), now).await? => device,
            _ => Secret::generate(SecretKind::KnownBrowser),
        };
        on!(self.database.write(), |pool| sqlx::query(
            "INSERT INTO known_browser (hash, principal_id, created_at, seen_at) VALUES ($1, $2, $3, $3) \
             ON CONFLICT (hash, principal_id) DO UPDATE SET seen_at = $3"
        )
        .bind(device.hash())
        .bind(user)
        .bind(now)
        .execute(pool)
        .await
        .map(drop))?;
        on!(self.database.write(), |pool| sqlx::query(
            "DELETE FROM known_browser WHERE principal_id = $1 AND hash NOT IN \
             (SELECT hash FROM known_browser WHERE principal_id = $1 ORDER BY seen_at DESC, hash LIMIT $2)"
        )
        .bind(user)
        .bind(KEPT)
        .execute(pool)
        .await
        .map(drop))?;
        Ok(device)
    }

    async fn is_ours(&self, device: &SecretHash, now: Timestamp) -> Result<bool, DatabaseError> {
        let found: Option<(SecretHash,)> = on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT hash FROM known_browser WHERE hash = $1 AND seen_at > $2 LIMIT 1"
        )
        .bind(device)
        .bind(now.minus(DEVICE_LIFE))
        .fetch_optional(pool)
        .await)?;
        Ok(found.is_some())
    }

    /// Deletes browsers that are unknown again.
    pub(crate) async fn sweep(&self, now: Timestamp) -> Result<(), DatabaseError> {
        let sql = "DELETE FROM known_browser WHERE hash IN (SELECT hash FROM known_browser WHERE seen_at < $1 LIMIT 500) \
                   AND seen_at < $1";
        self.database.sweep(sql, now.minus(DEVICE_LIFE)).await
    }
}

/// Makes every browser of a user unknown.
pub(super) async fn forget_in(
    transaction: &mut Transaction,
    user: &PrincipalId,
) -> Result<(), DatabaseError> {
    on!(transaction.on(), |connection| sqlx::query("DELETE FROM known_browser WHERE principal_id = $1")
        .bind(user)
        .execute(connection)
        .await
        .map(drop))?;
    Ok(())
}
