//! Places for records that were committed inside a transaction. Whether and when a transaction commits is not known while it
//! runs, and to wait for it would make all of a node's transactions queue; so its record waits without a place, and is given one
//! within a second of the commit. Somebody who can write to the database can remove or change it unseen until then.

use std::collections::BTreeMap;

use portcullis_database::{Database, DatabaseError, Transaction, on};
use portcullis_oauth::{Seconds, Timestamp};

use crate::chain::{Chain, Head, tell_of_fork};
use crate::record::Kept;
use crate::select::select;

/// So many records get their places in one transaction.
const BATCH: usize = 200;
/// A record that waits for so long is one of a command, or of a node that has gone: whoever is there gives it its place.
const ORPHANED: Seconds = Seconds::minutes(1);

/// Gives every waiting record of this node its place, and those that nobody else cares for.
pub(crate) async fn seal(chain: &Chain, now: Timestamp) -> Result<(), DatabaseError> {
    loop {
        let waiting = waiting(chain, now).await?;
        let more = waiting.len() == BATCH;
        let mut of_nodes: BTreeMap<String, Vec<Kept>> = BTreeMap::new();
        for record in waiting {
            let node = record.node.clone().unwrap_or_else(|| chain.node().to_owned());
            of_nodes.entry(node).or_default().push(record);
        }
        let mut all = true;
        for (node, records) in of_nodes {
            all &= if node == chain.node() {
                own(chain, &records).await?
            } else {
                let head = Head::read(&chain.database, &node).await?;
                place(&chain.database, &node, head, &records).await?.is_some()
            };
        }
        if !(more && all) {
            return Ok(());
        }
    }
}

async fn waiting(chain: &Chain, now: Timestamp) -> Result<Vec<Kept>, DatabaseError> {
    let sql = select!(
        "WHERE sequence IS NULL AND (node = $1 OR node IS NULL OR at < $2) ORDER BY at, id LIMIT 200"
    );
    Ok(on!(chain.database.read(), |pool| sqlx::query_as(sql)
        .bind(chain.node())
        .bind(now.minus(ORPHANED))
        .fetch_all(pool)
        .await)?)
}

async fn own(chain: &Chain, records: &[Kept]) -> Result<bool, DatabaseError> {
    let end = chain.end().await?;
    match place(&chain.database, chain.node(), end.head().clone(), records).await? {
        Some(head) => {
            end.moved(head);
            Ok(true)
        }
        None => {
            tell_of_fork(chain.node());
            Ok(false)
        }
    }
}

/// Gives the records the places after `head`, all or none. `None`: somebody else was there first; the next round sees what is
/// left.
async fn place(
    database: &Database,
    node: &str,
    mut head: Head,
    records: &[Kept],
) -> Result<Option<Head>, DatabaseError> {
    let mut transaction = database.begin().await?;
    for record in records {
        let payload_hash = record.payload_hash.clone().unwrap_or_else(|| record.payload_hash_now());
        head = head.followed_by(node, &record.happening(&payload_hash));
        match update(&mut transaction, (node, &head), (&record.id, &payload_hash)).await {
            Ok(1) => {}
            Ok(_) => return Ok(None),
            Err(error) if error.is_unique_violation() => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    transaction.commit().await?;
    Ok(Some(head))
}

async fn update(
    transaction: &mut Transaction,
    (node, place): (&str, &Head),
    (id, payload_hash): (&str, &str),
) -> Result<u64, DatabaseError> {
    let sql = "UPDATE audit_event SET node = $2, sequence = $3, hash = $4, payload_hash = $5 \
               WHERE id = $1 AND sequence IS NULL";
    Ok(on!(transaction.on(), |connection| sqlx::query(sql)
        .bind(id)
        .bind(node)
        .bind(place.sequence)
        .bind(&place.hash)
        .bind(payload_hash)
        .execute(connection)
        .await
        .map(|done| done.rows_affected()))?)
}
