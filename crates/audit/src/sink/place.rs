//! `audit_sink` and `audit_sink_turn`: how far each sink took each chain, and which node's turn it is to give.

use portcullis_database::{Database, DatabaseError, on};
use portcullis_oauth::{Seconds, Timestamp};

/// A node that was not heard of for so long has lost its turn.
const TURN: Seconds = Seconds(30);

/// The place of the last record that a sink took of a chain; 0 where it took none.
pub(super) async fn read(database: &Database, sink: &str, chain: &str) -> Result<i64, DatabaseError> {
    let sql = "SELECT sequence FROM audit_sink WHERE sink = $1 AND chain = $2";
    // Read where it is written: a reader's view may be older than what this process wrote a moment ago.
    let found: Option<i64> = on!(database.write(), |pool| sqlx::query_scalar(sql)
        .bind(sink)
        .bind(chain)
        .fetch_optional(pool)
        .await)?;
    Ok(found.unwrap_or_default())
}

/// Notes the last record that a sink took of a chain. It only moves on.
pub(super) async fn write(
    database: &Database,
    sink: &str,
    (chain, sequence): (&str, i64),
) -> Result<(), DatabaseError> {
    let sql = "INSERT INTO audit_sink (sink, chain, sequence) VALUES ($1, $2, $3) ON CONFLICT (sink, chain) \
               DO UPDATE SET sequence = excluded.sequence WHERE audit_sink.sequence < excluded.sequence";
    on!(database.write(), |pool| sqlx::query(sql)
        .bind(sink)
        .bind(chain)
        .bind(sequence)
        .execute(pool)
        .await
        .map(drop))?;
    Ok(())
}

/// Whether it is this node's turn: nobody else's is, or that one was not heard of for too long.
pub(super) async fn turn(database: &Database, sink: &str, now: Timestamp) -> Result<bool, DatabaseError> {
    let sql = "INSERT INTO audit_sink_turn (sink, holder, until) VALUES ($1, $2, $3) ON CONFLICT (sink) \
               DO UPDATE SET holder = excluded.holder, until = excluded.until \
               WHERE audit_sink_turn.holder = excluded.holder OR audit_sink_turn.until < $4 RETURNING holder";
    let holder: Option<String> = on!(database.write(), |pool| sqlx::query_scalar(sql)
        .bind(sink)
        .bind(database.node())
        .bind(now.plus(TURN))
        .bind(now)
        .fetch_optional(pool)
        .await)?;
    Ok(holder.is_some())
}
