//! `sign_in_bucket`: failed tries in a row, counted before they are judged, so that parallel ones do not pass together.
//! Kept in the database: nodes agree, and a restart forgives nothing (NIST-2).

use std::sync::Arc;

use portcullis_audit::{Action, Event, Outcome};
use portcullis_database::{Database, DatabaseError, Transaction, on};
use portcullis_oauth::{Clock, PrincipalId, Seconds, Secret, SecretHash, Timestamp};

use super::known_browsers;
use super::users::normalise;

/// After so many failures in a row the bucket is shut until somebody opens it (NIST-2).
pub(crate) const CAP: i64 = 100;
/// After so long without a failure, waits begin anew; the way to the cap goes on.
const CALM: Seconds = Seconds::days(1);

/// Whose tries are counted together. A hash, since strangers choose the address.
pub(crate) struct Bucket {
    name: String,
    email: String,
}

impl Bucket {
    /// Of everybody who tries this account from a browser that is not known there.
    pub(crate) fn of_strangers(email: &str) -> Self {
        let email = normalise(email);
        Self { name: format!("account {}", Secret::presented(email.as_str()).hash().as_str()), email }
    }

    /// Of one known browser at this account.
    pub(crate) fn of_browser(device: &SecretHash, email: &str) -> Self {
        let email = normalise(email);
        let both = Secret::presented(format!("{} {email}", device.as_str())).hash();
        Self { name: format!("device {}", both.as_str()), email }
    }
}

/// Whether one more try may be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    /// Yes, and it counts as failed until it is forgiven.
    Admitted,
    /// Not before so many seconds.
    Wait(u64),
    /// Not until somebody opens the bucket.
    Shut,
}

/// How an account stands with strangers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignInStanding {
    /// Failed tries in a row from browsers that are not known.
    pub failures: i64,
    /// Until when such browsers wait, if they do.
    pub wait_until: Option<Timestamp>,
    /// Whether they are shut out until somebody opens the account.
    pub shut: bool,
    /// How many browsers are known.
    pub known_browsers: i64,
}

/// Failed tries, and what an admin sees and clears of them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SignIns {
    database: Database,
    clock: Arc<dyn Clock>,
}

impl SignIns {
    /// The tries kept in `database`.
    #[must_use]
    pub fn new(database: Database, clock: Arc<dyn Clock>) -> Self {
        Self { database, clock }
    }

    /// Counts a try as failed. Ten pass at once; then waits grow from 30 seconds to an hour; then the cap.
    pub(crate) async fn count(&self, bucket: &Bucket, now: Timestamp) -> Result<Counted, DatabaseError> {
        let counted: Option<(i64,)> = on!(self.database.write(), |pool| sqlx::query_as(
            "INSERT INTO sign_in_bucket AS b (name, principal_id, failures, streak, failed_at, retry_at) \
             VALUES ($1, (SELECT principal_id FROM user_account WHERE email = $4), 1, 1, $2, $2) \
             ON CONFLICT (name) DO UPDATE SET failures = b.failures + 1, failed_at = $2, \
             principal_id = excluded.principal_id, \
             streak = CASE WHEN b.failed_at < $3 THEN 1 ELSE b.streak + 1 END, \
             retry_at = $2 + CAST(1000000 AS BIGINT) * CASE WHEN b.failed_at < $3 OR b.streak < 9 THEN 0 \
             WHEN b.streak = 9 THEN 30 WHEN b.streak = 10 THEN 60 WHEN b.streak = 11 THEN 120 \
             WHEN b.streak = 12 THEN 240 WHEN b.streak = 13 THEN 480 WHEN b.streak = 14 THEN 960 \
             WHEN b.streak = 15 THEN 1920 ELSE 3600 END \
             WHERE b.retry_at <= $2 AND b.failures < $5 RETURNING failures"
        )
        .bind(&bucket.name)
        .bind(now)
        .bind(now.minus(CALM))
        .bind(&bucket.email)
        .bind(CAP)
        .fetch_optional(pool)
        .await)?;
        if counted.is_some() {
            return Ok(Counted::Admitted);
        }
        let found: Option<(i64, Timestamp)> = on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT failures, retry_at FROM sign_in_bucket WHERE name = $1"
        )
        .bind(&bucket.name)
        .fetch_optional(pool)
        .await)?;
        Ok(match found {
            Some((failures, _)) if failures >= CAP => Counted::Shut,
            Some((_, retry_at)) => Counted::Wait(now.seconds_until(retry_at).max(1).unsigned_abs()),
            // Forgiven between the two statements: the next try passes.
            None => Counted::Wait(1),
        })
    }

    /// Forgives the tries that are counted in these buckets: the account's owner got in.
    pub(crate) async fn forgive(&self, buckets: [&Bucket; 2]) -> Result<(), DatabaseError> {
        on!(self.database.write(), |pool| sqlx::query("DELETE FROM sign_in_bucket WHERE name IN ($1, $2)")
            .bind(&buckets[0].name)
            .bind(&buckets[1].name)
            .execute(pool)
            .await
            .map(drop))?;
        Ok(())
    }

    /// How a user's account stands with strangers.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn standing(&self, user: &PrincipalId) -> Result<SignInStanding, DatabaseError> {
        let now = self.clock.now();
        let found: Option<(i64, Timestamp)> = on!(self.database.read(), |pool| {
            sqlx::query_as(
            "SELECT failures, retry_at FROM sign_in_bucket WHERE principal_id = $1 AND name LIKE 'account %'"
        )
        .bind(user)
        .fetch_optional(pool)
        .await
        })?;
        let (known_browsers,): (i64,) = on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT count(*) FROM known_browser WHERE principal_id = $1"
        )
        .bind(user)
        .fetch_one(pool)
        .await)?;
        let (failures, retry_at) = found.unwrap_or((0, now));
        let wait_until = (retry_at > now).then_some(retry_at);
        Ok(SignInStanding { failures, wait_until, shut: failures >= CAP, known_browsers })
    }

    /// Forgives every failed try at a user's account.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn unlock(&self, user: &PrincipalId) -> Result<(), DatabaseError> {
        let now = self.clock.now();
        let mut transaction = self.database.begin().await?;
        forgive_in(&mut transaction, user).await?;
        let event = Event::new(now, Action::UserChange, Outcome::Done).because("unlocked").by(user);
        portcullis_audit::record_in(&mut transaction, event).await?;
        transaction.commit().await
    }

    /// Deletes what says nothing any more: after a calm day the count of an address that nobody has, and a known browser's. The
    /// way to an account's cap is kept.
    pub(crate) async fn sweep(&self, now: Timestamp) -> Result<(), DatabaseError> {
        let sql = "DELETE FROM sign_in_bucket WHERE name IN (SELECT name FROM sign_in_bucket WHERE failed_at < $1 \
                   AND (principal_id IS NULL OR name LIKE 'device %') LIMIT 500)";
        self.database.sweep(sql, now.minus(CALM)).await
    }
}

/// Forgets what was counted of a user and which browsers are theirs, in the transaction that holds the reason for it.
pub(super) async fn forget_in(
    transaction: &mut Transaction,
    user: &PrincipalId,
) -> Result<(), DatabaseError> {
    forgive_in(transaction, user).await?;
    known_browsers::forget_in(transaction, user).await
}

async fn forgive_in(transaction: &mut Transaction, user: &PrincipalId) -> Result<(), DatabaseError> {
    on!(transaction.on(), |connection| sqlx::query("DELETE FROM sign_in_bucket WHERE principal_id = $1")
        .bind(user)
        .execute(connection)
        .await
        .map(drop))?;
    Ok(())
}
