//! Retention: the oldest records of each chain are deleted, behind a signed note of the last one, so that the rest still
//! verifies.

use portcullis_database::{Database, DatabaseError, Transaction, on};
use portcullis_oauth::{Seconds, Timestamp};

use crate::chain::Head;
use crate::checkpoint::{Checkpoint, Purpose, Signer};

/// So many records are deleted at once; between two such steps others get their turn.
const BATCH: usize = 500;
/// A record of later than this was written while a clock was wrong. It goes with its neighbours.
const FUTURE: Seconds = Seconds::days(1);

/// Which nodes have chains, those included of which only the base is left.
pub(crate) async fn nodes(database: &Database) -> Result<Vec<String>, DatabaseError> {
    // One step along the index for each: DISTINCT would read every record.
    let next = "SELECT MIN(node) FROM audit_event WHERE node > $1 AND sequence IS NOT NULL";
    let mut nodes: Vec<String> = Vec::new();
    loop {
        let after = nodes.last().map_or("", String::as_str).to_owned();
        let found: Option<String> =
            on!(database.read(), |pool| sqlx::query_scalar(next).bind(after).fetch_one(pool).await)?;
        match found {
            Some(node) => nodes.push(node),
            None => break,
        }
    }
    let bases: Vec<String> = on!(database.read(), |pool| {
        sqlx::query_scalar("SELECT node FROM audit_base").fetch_all(pool).await
    })?;
    nodes.extend(bases);
    nodes.sort();
    nodes.dedup();
    Ok(nodes)
}

/// Deletes what is older than `before`, from the front of each chain on.
pub(crate) async fn sweep(
    database: &Database,
    before: Timestamp,
    now: Timestamp,
    signer: Option<&dyn Signer>,
) -> Result<(), DatabaseError> {
    for node in nodes(database).await? {
        while let Some(base) = last_of_the_old(database, &node, (before, now.plus(FUTURE))).await? {
            delete(database, &Checkpoint::sign((&node, base), now, Purpose::Base, signer)).await?;
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Place {
    #[sqlx(flatten)]
    head: Head,
    at: Timestamp,
}

/// The last of the records at the front of a chain that are all older than `before`, or from after `future`.
async fn last_of_the_old(
    database: &Database,
    node: &str,
    (before, future): (Timestamp, Timestamp),
) -> Result<Option<Head>, DatabaseError> {
    let sql = "SELECT sequence, hash, at FROM audit_event WHERE node = $1 AND sequence IS NOT NULL \
               ORDER BY sequence LIMIT $2";
    let front: Vec<Place> = on!(database.read(), |pool| sqlx::query_as(sql)
        .bind(node)
        .bind(i64::try_from(BATCH).unwrap_or(i64::MAX))
        .fetch_all(pool)
        .await)?;
    let mut old: Vec<Place> =
        front.into_iter().take_while(|place| place.at < before || place.at > future).collect();
    while old.last().is_some_and(|place| place.at >= before) {
        old.pop();
    }
    Ok(old.pop().map(|place| place.head))
}

async fn delete(database: &Database, base: &Checkpoint) -> Result<(), DatabaseError> {
    let mut transaction = database.begin().await?;
    note(&mut transaction, base).await?;
    let sql = "DELETE FROM audit_event WHERE node = $1 AND sequence <= $2";
    on!(transaction.on(), |connection| sqlx::query(sql)
        .bind(&base.node)
        .bind(base.sequence)
        .execute(connection)
        .await
        .map(drop))?;
    transaction.commit().await
}

/// The base only moves on: another node may sweep at the same time.
async fn note(transaction: &mut Transaction, base: &Checkpoint) -> Result<(), DatabaseError> {
    let sql = "INSERT INTO audit_base (node, sequence, hash, at, signature) VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT (node) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash, \
               at = excluded.at, signature = excluded.signature WHERE audit_base.sequence < excluded.sequence";
    on!(transaction.on(), |connection| sqlx::query(sql)
        .bind(&base.node)
        .bind(base.sequence)
        .bind(&base.hash)
        .bind(base.at)
        .bind(&base.signature)
        .execute(connection)
        .await
        .map(drop))?;
    Ok(())
}
