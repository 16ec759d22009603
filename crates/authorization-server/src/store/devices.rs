//! `device_authorization`: a device's request between its arrival and its tokens (RFC 8628). Claimed by one person,
//! decided once, redeemed once.

use portcullis_database::{Database, DatabaseError, Transaction, on};
use portcullis_oauth::{
    ClientId, GrantId, PrincipalId, ResourceUri, ScopeSet, Secret, SecretHash, SecretKind, Timestamp,
    UserCode,
};
use portcullis_vault::SealingKey;

use super::grant_ends::sweep_with_grants;
use super::targets::Targets;
use crate::attempt::AttemptId;
use crate::settings::{
    DEVICE_INTERVAL, DEVICE_LIFE, DEVICES_OF_CLIENT, DEVICES_OF_SOURCE, POLL_STEP, POLL_TOLERANCE,
};

/// Under this label a handle becomes the key that opens the user code of its request.
const SEAL_LABEL: &[u8] = b"portcullis user code v1";

/// A device's request, judged.
#[derive(Debug)]
pub(crate) struct NewDevice<'a> {
    pub(crate) client: &'a ClientId,
    pub(crate) targets: &'a Targets,
    /// Where it asked from, as pages show it.
    pub(crate) peer: &'a str,
    /// The attempt that it begins.
    pub(crate) attempt: Option<&'a AttemptId>,
}

/// A request as its client polls it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct DeviceRow {
    pub(crate) hash: SecretHash,
    pub(crate) client_id: ClientId,
    pub(crate) resource: ResourceUri,
    pub(crate) expires_at: Timestamp,
    pub(crate) decided_at: Option<Timestamp>,
    pub(crate) grant_id: Option<GrantId>,
    pub(crate) redeemed_at: Option<Timestamp>,
    pub(crate) attempt: Option<AttemptId>,
}

/// What an approved request gives, while grant and person are live.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct GrantedDevice {
    pub(crate) principal_id: PrincipalId,
    pub(crate) scopes: ScopeSet,
    pub(crate) may_refresh: bool,
}

/// A request as the person answers it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct ClaimedDevice {
    pub(crate) client_id: ClientId,
    resource: ResourceUri,
    scope: ScopeSet,
    further: Option<String>,
    pub(crate) peer: String,
    pub(crate) created_at: Timestamp,
    pub(crate) attempt: Option<AttemptId>,
    sealed_code: String,
}

impl ClaimedDevice {
    /// What it is for.
    pub(crate) fn targets(&self) -> Result<Targets, DatabaseError> {
        Targets::read((&self.resource, &self.scope), self.further.as_deref())
    }

    /// The code that stands on the device, to be compared.
    pub(crate) fn user_code(&self, handle: &Secret) -> Option<UserCode> {
        let key = SealingKey::derive(handle.expose().as_bytes(), SEAL_LABEL);
        let opened = key.open(&self.sealed_code, &[]).ok()?;
        UserCode::parse(std::str::from_utf8(&opened).ok()?)
    }
}

/// The requests of devices.
#[derive(Clone, Debug)]
pub(crate) struct Devices {
    database: Database,
}

impl Devices {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Keeps a request. `None`: as many as may wait for this client, here or everywhere, wait already.
    pub(crate) async fn create(
        &self,
        new: &NewDevice<'_>,
        now: Timestamp,
    ) -> Result<Option<(Secret, UserCode)>, DatabaseError> {
        let device_code = Secret::generate(SecretKind::DeviceCode);
        loop {
            let user_code = UserCode::generate();
            match self.insert(new, (&device_code, &user_code), now).await {
                // The unique index judges; of 25 billion codes another one is free.
                Err(error) if error.is_unique_violation() => {}
                Err(error) => return Err(error),
                Ok(kept) => return Ok(kept.then_some((device_code, user_code))),
            }
        }
    }

    async fn insert(
        &self,
        new: &NewDevice<'_>,
        (device_code, user_code): (&Secret, &UserCode),
        now: Timestamp,
    ) -> Result<bool, DatabaseError> {
        let further = new.targets.column()?;
        let kept: Option<(SecretHash,)> = on!(self.database.write(), |pool| {
            sqlx::query_as(
            "INSERT INTO device_authorization (hash, user_code, client_id, resource, scope, peer, created_at, \
             expires_at, poll_interval, too_fast, attempt, further) SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $13, $14 \
             WHERE (SELECT COUNT(*) FROM device_authorization d WHERE d.client_id = $3 AND d.peer = $6 \
             AND d.decided_at IS NULL AND d.expires_at > $7) < $11 \
             AND (SELECT COUNT(*) FROM device_authorization d WHERE d.client_id = $3 \
             AND d.decided_at IS NULL AND d.expires_at > $7) < $12 RETURNING hash"
        )
        .bind(device_code.hash())
        .bind(user_code.hash())
        .bind(new.client)
        .bind(&new.targets.first.resource)
        .bind(&new.targets.first.scope)
        .bind(new.peer)
        .bind(now)
        .bind(now.plus(DEVICE_LIFE))
        .bind(DEVICE_INTERVAL.0)
        .bind(false)
        .bind(DEVICES_OF_SOURCE)
        .bind(DEVICES_OF_CLIENT)
        .bind(new.attempt)
        .bind(&further)
        .fetch_optional(pool)
        .await
        })?;
        Ok(kept.is_some())
    }

    /// The request of this device code.
    pub(crate) async fn find(&self, device_code: &SecretHash) -> Result<Option<DeviceRow>, DatabaseError> {
        Ok(on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT hash, client_id, resource, expires_at, decided_at, grant_id, redeemed_at, attempt \
             FROM device_authorization WHERE hash = $1"
        )
        .bind(device_code)
        .fetch_optional(pool)
        .await)?)
    }

    /// Counts a poll: `true` when it came sooner than the interval allows, which is longer from then on (R8628-3.5-1).
    pub(crate) async fn poll(&self, device_code: &SecretHash, now: Timestamp) -> Result<bool, DatabaseError> {
        let row: Option<(bool,)> = on!(self.database.write(), |pool| {
            sqlx::query_as(
            "UPDATE device_authorization SET polled_at = $2, \
             too_fast = (polled_at IS NOT NULL AND $2 - polled_at < poll_interval * 1000000 - $3), \
             poll_interval = CASE WHEN polled_at IS NOT NULL AND $2 - polled_at < poll_interval * 1000000 - $3 \
             THEN poll_interval + $4 ELSE poll_interval END WHERE hash = $1 RETURNING too_fast"
        )
        .bind(device_code)
        .bind(now)
        .bind(POLL_TOLERANCE)
        .bind(POLL_STEP.0)
        .fetch_optional(pool)
        .await
        })?;
        Ok(row.is_some_and(|(too_fast,)| too_fast))
    }

    /// What an approved request gives; `None` when its grant has ended or its person may not any more.
    pub(crate) async fn granted(
        &self,
        grant: &GrantId,
        resource: &ResourceUri,
    ) -> Result<Option<GrantedDevice>, DatabaseError> {
        Ok(on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT g.principal_id, r.scopes, g.may_refresh FROM oauth_grant g \
             JOIN grant_resource r ON r.grant_id = g.id AND r.resource = $2 \
             JOIN user_account u ON u.principal_id = g.principal_id \
             WHERE g.id = $1 AND g.revoked_at IS NULL AND u.disabled_at IS NULL"
        )
        .bind(grant)
        .bind(resource)
        .fetch_optional(pool)
        .await)?)
    }

    /// Claims the waiting request of this user code for one person in one browser; the handle travels in the URL of the
    /// consent page. Whom somebody else claimed it from gets nothing (A48). `None`: there is no such request to claim.
    pub(crate) async fn claim(
        &self,
        code: &UserCode,
        (browser, principal): (&str, &PrincipalId),
        now: Timestamp,
    ) -> Result<Option<Secret>, DatabaseError> {
        let handle = Secret::generate(SecretKind::DeviceRequest);
        let sealed =
            SealingKey::derive(handle.expose().as_bytes(), SEAL_LABEL).seal(code.shown().as_bytes(), &[]);
        let claimed: Option<(SecretHash,)> = on!(self.database.write(), |pool| {
            sqlx::query_as(
            "UPDATE device_authorization SET handle = $2, sealed_code = $3, browser = $4, claimed_by = $5 \
             WHERE user_code = $1 AND decided_at IS NULL AND expires_at > $6 \
             AND (claimed_by IS NULL OR claimed_by = $5 OR browser = $4) RETURNING hash"
        )
        .bind(code.hash())
        .bind(handle.hash())
        .bind(sealed)
        .bind(browser)
        .bind(principal)
        .bind(now)
        .fetch_optional(pool)
        .await
        })?;
        Ok(claimed.map(|_| handle))
    }

    /// The undecided request of this handle, if this person claimed it in this browser.
    pub(crate) async fn find_claimed(
        &self,
        handle: &Secret,
        (browser, principal): (&str, &PrincipalId),
        now: Timestamp,
    ) -> Result<Option<ClaimedDevice>, DatabaseError> {
        Ok(on!(self.database.read(), |pool| {
            sqlx::query_as(
            "SELECT client_id, resource, scope, further, peer, created_at, attempt, sealed_code FROM device_authorization \
             WHERE handle = $1 AND browser = $2 AND claimed_by = $3 AND expires_at > $4 AND decided_at IS NULL"
        )
        .bind(handle.hash())
        .bind(browser)
        .bind(principal)
        .bind(now)
        .fetch_optional(pool)
        .await
        })?)
    }

    /// Deletes requests that expired before `before`.
    pub(crate) async fn sweep(&self, before: Timestamp) -> Result<(), DatabaseError> {
        const SQL: &str = "DELETE FROM device_authorization WHERE hash IN \
             (SELECT hash FROM device_authorization WHERE expires_at < $1 LIMIT 500) RETURNING grant_id";
        sweep_with_grants(&self.database, SQL, before).await
    }
}

/// Decides a request, once: `true` for the one whose decision counts. Without a grant it is denied.
pub(crate) async fn decide_in(
    transaction: &mut Transaction,
    handle: &Secret,
    (browser, principal): (&str, &PrincipalId),
    now: Timestamp,
) -> Result<bool, DatabaseError> {
    let decided: Option<(SecretHash,)> = on!(transaction.on(), |connection| {
        sqlx::query_as(
        "UPDATE device_authorization SET decided_at = $4 WHERE handle = $1 AND browser = $2 AND claimed_by = $3 \
         AND decided_at IS NULL AND expires_at > $4 RETURNING hash"
    )
    .bind(handle.hash())
    .bind(browser)
    .bind(principal)
    .bind(now)
    .fetch_optional(connection)
    .await
    })?;
    Ok(decided.is_some())
}

/// Names the grant that the decision gave, and the resource that is meant where the device names none, inside the same
/// transaction.
pub(crate) async fn grant_in(
    transaction: &mut Transaction,
    handle: &Secret,
    (grant, resource): (&GrantId, &ResourceUri),
) -> Result<(), DatabaseError> {
    on!(transaction.on(), |connection| sqlx::query(
        "UPDATE device_authorization SET grant_id = $2, resource = $3 WHERE handle = $1"
    )
    .bind(handle.hash())
    .bind(grant)
    .bind(resource)
    .execute(connection)
    .await
    .map(drop))?;
    Ok(())
}

/// Redeems an approved request: `true` for the one caller, of however many, that gets its tokens (R8628-3.5-2).
pub(crate) async fn redeem_in(
    transaction: &mut Transaction,
    device_code: &SecretHash,
    now: Timestamp,
) -> Result<bool, DatabaseError> {
    let redeemed: Option<(SecretHash,)> = on!(transaction.on(), |connection| sqlx::query_as(
        "UPDATE device_authorization SET redeemed_at = $2 WHERE hash = $1 AND grant_id IS NOT NULL \
         AND redeemed_at IS NULL RETURNING hash"
    )
    .bind(device_code)
    .bind(now)
    .fetch_optional(connection)
    .await)?;
    Ok(redeemed.is_some())
}
