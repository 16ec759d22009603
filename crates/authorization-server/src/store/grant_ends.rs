//! The end of grants: with the last code or token that stems from a grant goes the grant, with its resources and connections.
//! What stands by itself (a machine's grant, an identity provider's) stays.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use portcullis_database::{Database, DatabaseError, Transaction, on};
use portcullis_oauth::{GrantId, Timestamp};

/// So many grants are looked at in one statement.
const AT_ONCE: usize = 50;

/// Grants of a list from which nothing stems any more.
static ENDED: LazyLock<String> = LazyLock::new(|| {
    let places: Vec<String> = (1..=AT_ONCE).map(|place| format!("${place}")).collect();
    let stems =
        ["authorization_code", "access_token", "refresh_token", "device_authorization", "machine_grant"];
    let nothing_in = |table: &&str| {
        format!("AND NOT EXISTS (SELECT 1 FROM {table} WHERE {table}.grant_id = oauth_grant.id)")
    };
    let nothing: Vec<String> = stems.iter().chain(&["enterprise_grant"]).map(nothing_in).collect();
    format!("id IN ({}) {}", places.join(", "), nothing.join(" "))
});

/// The statements that end them: first what refers to a grant, then the grant.
static STATEMENTS: LazyLock<[String; 3]> = LazyLock::new(|| {
    let ended = &*ENDED;
    let of_it =
        |table| format!("DELETE FROM {table} WHERE grant_id IN (SELECT id FROM oauth_grant WHERE {ended})");
    [of_it("grant_resource"), of_it("grant_connection"), format!("DELETE FROM oauth_grant WHERE {ended}")]
});

/// Deletes in batches by `sql`, which binds `before` and returns the grant of each row that it deleted, and with the last row
/// of a grant the grant.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn sweep_with_grants(
    database: &Database,
    sql: &'static str,
    before: Timestamp,
) -> Result<(), DatabaseError> {
    loop {
        let mut transaction = database.begin().await?;
        let deleted: Vec<(Option<GrantId>,)> =
            on!(transaction.on(), |connection| sqlx::query_as(sql).bind(before).fetch_all(connection).await)?;
        if deleted.is_empty() {
            return Ok(());
        }
        let grants: BTreeSet<String> =
            deleted.into_iter().filter_map(|(id,)| Some(id?.to_string())).collect();
        end_in(&mut transaction, &grants.into_iter().collect::<Vec<_>>()).await?;
        transaction.commit().await?;
        tokio::task::yield_now().await;
    }
}

async fn end_in(transaction: &mut Transaction, grants: &[String]) -> Result<(), DatabaseError> {
    for some in grants.chunks(AT_ONCE) {
        let Some(last) = some.last() else { continue };
        for sql in STATEMENTS.iter() {
            // One shape of statement, whatever their number: the last one is named again and again.
            let named = some.iter().chain(std::iter::repeat(last)).take(AT_ONCE);
            on!(transaction.on(), |connection| {
                let query = sqlx::query(sql.as_str());
                named.fold(query, sqlx::query::Query::bind).execute(connection).await.map(drop)
            })?;
        }
    }
    Ok(())
}
