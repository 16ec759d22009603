//! Asking for an approval: the same call asks once, a denied one may not ask again for a while, and nobody's inbox can be
//! flooded (T44).

use portcullis_audit::{ApprovalEvent, Outcome};
use portcullis_database::{DatabaseError, Transaction, on};
use portcullis_oauth::{ApprovalId, PrincipalId, SecretHash, Timestamp, VerifiedBearer};
use serde_json::{Value, json};

use super::{Approval, ApprovalState, Approvals, COOL_DOWN, Digest, PENDING, Row, event, shown};
use crate::connections::Connection;
use crate::policy::Need;

/// So many wait for one person at most.
const PER_USER: i64 = 20;
/// So many of those may be of one client.
const PER_CLIENT: i64 = 5;

/// A call that needs an approval.
pub(crate) struct Wanted<'a> {
    /// Who calls, through which client.
    pub(crate) bearer: &'a VerifiedBearer,
    /// Where.
    pub(crate) connection: &'a Connection,
    /// Which tool, by the upstream's own name.
    pub(crate) tool: &'a str,
    /// With what, without the secrets that are stored for the connection.
    pub(crate) arguments: Value,
    /// How surely, and why.
    pub(crate) need: &'a Need,
    /// In which session, in the era that has them.
    pub(crate) session: Option<&'a SecretHash>,
}

/// What came of asking.
#[derive(Debug)]
pub(crate) enum Asked {
    /// It waits from now on.
    Made(Approval),
    /// Another request of the same moment had asked.
    Found(Approval),
    /// Too many wait already.
    Full,
}

impl Approvals {
    /// What is known of exactly this call: the approval that stands for it, or one that was denied lately. Any other that
    /// is over says nothing of a new call.
    pub(crate) async fn standing(
        &self,
        digest: &Digest,
        now: Timestamp,
    ) -> Result<Option<Approval>, DatabaseError> {
        let newest: Option<Row> = on!(self.0.database.read(), |pool| {
            sqlx::query_as(
            "SELECT * FROM approval WHERE digest = $1 AND state IN ('pending', 'approved', 'denied', 'declined') \
             ORDER BY created_at DESC LIMIT 1"
        )
        .bind(digest.as_str())
        .fetch_optional(pool)
        .await
        })?;
        let Some(row) = newest else { return Ok(None) };
        let approval = row.at(now);
        Ok(match approval.state {
            ApprovalState::Pending | ApprovalState::Approved => Some(approval),
            ApprovalState::Denied | ApprovalState::Declined => {
                let until = approval.decision.as_ref().map(|decision| decision.at.plus(COOL_DOWN));
                (until.is_some_and(|until| now < until)).then_some(approval)
            }
            _ => {
                // It is in the way of the next one.
                self.settle(&row.id).await?;
                None
            }
        })
    }

    /// Asks. Of several at the same moment one makes it and the others find it.
    pub(crate) async fn request(
        &self,
        digest: &Digest,
        wanted: Wanted<'_>,
        now: Timestamp,
    ) -> Result<Asked, DatabaseError> {
        let mut transaction = self.0.database.begin().await?;
        hold(&mut transaction, &wanted.bearer.principal().id).await?;
        if is_full(&mut transaction, wanted.bearer, now).await? {
            return Ok(Asked::Full);
        }
        let Some(row) = self.insert(&mut transaction, digest, wanted, now).await? else {
            drop(transaction);
            let made = self.standing(digest, now).await?;
            return made.map(Asked::Found).ok_or_else(|| sqlx::Error::RowNotFound.into());
        };
        let created = event(&row, now, (ApprovalEvent::Created, Outcome::Done));
        let created = created
            .with(json!({"level": row.level, "rule": row.rule, "expires_at": row.expires_at.micros()}));
        self.commit(transaction, &row, created).await?;
        Ok(Asked::Made(row.at(now)))
    }

    async fn insert(
        &self,
        transaction: &mut Transaction,
        digest: &Digest,
        wanted: Wanted<'_>,
        now: Timestamp,
    ) -> Result<Option<Row>, DatabaseError> {
        let Wanted { bearer, connection, tool, arguments, need, session } = wanted;
        let id = ApprovalId::generate();
        let arguments = shown::masked(arguments, self.0.trail.redaction()).to_string();
        let sealed = self.0.key.seal(arguments.as_bytes(), &place(&id, "arguments"));
        let risk = need.risk.as_str();
        Ok(on!(transaction.on(), |executor| {
            sqlx::query_as(
            "INSERT INTO approval (id, digest, principal_id, client_id, grant_id, connection_id, alias, server, account, \
             tool, risk, rule, reason, level, arguments, session_hash, state, created_at, expires_at, round) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 'pending', $17, $18, 0) \
             ON CONFLICT (digest) WHERE state IN ('pending', 'approved') DO NOTHING RETURNING *"
        )
        .bind(&id)
        .bind(digest.as_str())
        .bind(&bearer.principal().id)
        .bind(bearer.client_id())
        .bind(bearer.grant_id())
        .bind(&connection.id)
        .bind(&connection.alias)
        .bind(&connection.server_title)
        .bind(&connection.label)
        .bind(tool)
        .bind(risk)
        .bind(&need.decided.rule)
        .bind(&need.reason)
        .bind(i64::from(need.level.level()))
        .bind(&sealed)
        .bind(session)
        .bind(now)
        .bind(now.plus(PENDING))
        .fetch_optional(executor)
        .await
        })?)
    }
}

/// The place of a sealed column.
pub(super) fn place(id: &ApprovalId, column: &str) -> Vec<u8> {
    format!("{id}/{column}").into_bytes()
}

/// From here on nobody else counts this principal's approvals until the transaction ends.
async fn hold(transaction: &mut Transaction, principal: &PrincipalId) -> Result<(), DatabaseError> {
    on!(transaction.on(), |executor| sqlx::query(
        "INSERT INTO approval_holder (principal_id) VALUES ($1) \
         ON CONFLICT (principal_id) DO UPDATE SET principal_id = excluded.principal_id"
    )
    .bind(principal)
    .execute(executor)
    .await
    .map(drop))?;
    Ok(())
}

async fn is_full(
    transaction: &mut Transaction,
    bearer: &VerifiedBearer,
    now: Timestamp,
) -> Result<bool, DatabaseError> {
    let (all, of_client): (i64, i64) = on!(transaction.on(), |executor| sqlx::query_as(
        "SELECT COUNT(*), COALESCE(SUM(CASE WHEN client_id = $2 THEN 1 ELSE 0 END), 0) FROM approval \
         WHERE principal_id = $1 AND state = 'pending' AND expires_at > $3"
    )
    .bind(&bearer.principal().id)
    .bind(bearer.client_id())
    .bind(now)
    .fetch_one(executor)
    .await)?;
    Ok(all >= PER_USER || of_client >= PER_CLIENT)
}
