//! Writing legs: several rows in one statement.

use std::sync::LazyLock;

use portcullis_database::{Database, DatabaseError, Insert, on};
use portcullis_oauth::ordered_handle;

use crate::attempt::{Numbered, Reason};

/// The sizes of a statement, largest first: few, since every connection prepares each and keeps it.
const SIZES: [usize; 5] = [16, 8, 4, 2, 1];

/// The statement for each of the [`SIZES`].
static STATEMENTS: LazyLock<[Insert; SIZES.len()]> =
    LazyLock::new(|| SIZES.map(|rows| Insert::rows("attempt_leg", COLUMNS, rows)));

const COLUMNS: &str =
    "attempt, id, at, number, stage, outcome, reason, client_id, principal_id, stranger, trace_id, steps";

/// Writes legs in as few statements as their number allows.
pub(crate) async fn insert(database: &Database, legs: &[Numbered]) -> Result<(), DatabaseError> {
    let encode = |error: serde_json::Error| DatabaseError::from(sqlx::Error::Encode(Box::new(error)));
    let mut rest = legs;
    while let Some(at) = SIZES.iter().position(|size| *size <= rest.len()) {
        let (batch, after) = rest.split_at(SIZES[at]);
        rest = after;
        let steps = batch.iter().map(|numbered| serde_json::to_string(&numbered.leg.notes));
        let steps = steps.collect::<Result<Vec<String>, _>>().map_err(encode)?;
        let place = database.write();
        let statement = STATEMENTS[at].on(&place);
        on!(place, |pool| {
            let mut query = sqlx::query(statement);
            for (Numbered { leg, number }, steps) in batch.iter().zip(&steps) {
                query = query
                    .bind(&leg.attempt)
                    .bind(ordered_handle("leg_"))
                    .bind(leg.at)
                    .bind(number)
                    .bind(leg.stage.as_str())
                    .bind(leg.outcome.as_str())
                    .bind(leg.reason.map(Reason::as_str))
                    .bind(&leg.client)
                    .bind(&leg.person)
                    .bind(leg.source.is_some())
                    .bind(&leg.trace_id)
                    .bind(steps);
            }
            query.execute(pool).await.map(drop)
        })?;
    }
    Ok(())
}
