//! Erasing a person's data: what was done stays in its place, who did it and with what goes.

use portcullis_database::{DatabaseError, Transaction, on};
use portcullis_oauth::PrincipalId;
use serde_json::json;

use crate::record::Draft;
use crate::redaction::Redaction;
use crate::{Event, group, snapshot};

/// Erases everything that events tell of `principal`, and records that with `event` (an
/// [`AuditErasure`](crate::Action::AuditErasure) on behalf of whoever asked for it). The chain still verifies: it holds the
/// hash of what is erased, behind a salt that is erased too. Gives how many records it were.
///
/// # Errors
/// When the rows cannot be changed.
pub async fn erase_in(
    transaction: &mut Transaction,
    principal: &PrincipalId,
    event: Event,
) -> Result<u64, DatabaseError> {
    let id = Draft::name();
    let sql = "UPDATE audit_event SET principal_id = NULL, client_id = NULL, connection_id = NULL, tool = NULL, \
               trace_id = NULL, detail = NULL, email = NULL, server_kind = NULL, session = NULL, client_address = NULL, \
               user_agent = NULL, result_kind = NULL, policy_version = NULL, duration_us = NULL, request = NULL, salt = NULL, \
               erased_by = CASE WHEN payload_hash IS NULL THEN NULL ELSE $2 END WHERE principal_id = $1";
    let erased = on!(transaction.on(), |connection| sqlx::query(sql)
        .bind(principal)
        .bind(&id)
        .execute(connection)
        .await
        .map(|done| done.rows_affected()))?;
    snapshot::erase_in(transaction, principal).await?;
    // `audit verify` compares: nobody erases more under the name of an erasure than it told of.
    let draft = Draft::named(id, event.with(json!({ "records": erased })), &Redaction::default());
    group::insert_in(transaction, &draft).await?;
    Ok(erased)
}
