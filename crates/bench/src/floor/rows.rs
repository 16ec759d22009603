//! The rows of the floor: one statement an operation on PostgreSQL, one transaction on `SQLite`, nothing checked.

use portcullis_database::{Backend, Database, on};
use portcullis_oauth::{Clock, GrantId, Secret, SecretHash, SystemClock, Timestamp, random_handle};

use crate::{Outcome, seed};

/// The same rows on either engine: PostgreSQL takes them in one statement, `SQLite` as one text in a transaction.
struct Together {
    postgres: &'static str,
    sqlite: &'static str,
}

macro_rules! together {
    ($($name:ident: $sql:literal,)+) => {
        Together {
            postgres: concat!("WITH nothing AS (SELECT 1)" $(, ", ", stringify!($name), " AS (", $sql, ")")+, " SELECT 1"),
            sqlite: concat!($($sql, "; "),+),
        }
    };
}

/// Commits rows that belong together; the parameters are numbered through all of them. A true difference: one round trip
/// is the least that PostgreSQL can be asked, and a statement that changes several tables is what `SQLite` cannot be asked.
macro_rules! commit {
    ($database:expr, $rows:expr, |$query:ident| $bound:expr) => {
        match $database.write() {
            Backend::Postgres(pool) => {
                let $query = sqlx::query($rows.postgres);
                $bound.execute(pool).await.map(drop)
            }
            Backend::Sqlite(pool) => {
                let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
                let $query = sqlx::query($rows.sqlite);
                $bound.execute(&mut *transaction).await?;
                transaction.commit().await
            }
        }
    };
}

/// Whether a token is live, read from the rows that say so.
pub(super) async fn look_up(database: &Database, token: &SecretHash) -> Outcome<bool> {
    let row: Option<(Timestamp,)> = on!(database.read(), |pool| {
        sqlx::query_as(
            "SELECT t.expires_at FROM access_token t JOIN oauth_grant g ON g.id = t.grant_id \
             JOIN oauth_client c ON c.id = g.client_id JOIN user_account u ON u.principal_id = g.principal_id \
             WHERE t.hash = $1 AND t.revoked_at IS NULL AND g.revoked_at IS NULL AND c.removed_at IS NULL \
             AND u.disabled_at IS NULL",
        )
        .bind(token)
        .fetch_optional(pool)
        .await
    })?;
    Ok(row.is_some_and(|(expires_at,)| expires_at > SystemClock.now()))
}

/// One access token, and the line in the paper trail.
pub(super) async fn mint(database: &Database, token: &Secret) -> Outcome<()> {
    const ROWS: Together = together! {
        tokens: "INSERT INTO access_token (hash, grant_id, resource, scope, issued_at, expires_at) \
                 VALUES ($1, $2, $3, $4, $5, $6)",
        events: "INSERT INTO audit_event (id, at, action, outcome, principal_id, client_id) \
                 VALUES ($7, $5, 'token.request', 'done', $8, $9)",
    };
    let now = SystemClock.now();
    commit!(database, ROWS, |query| {
        query
            .bind(token.hash())
            .bind(seed::GRANT)
            .bind(seed::RESOURCE)
            .bind(seed::SCOPE)
            .bind(now)
            .bind(now.plus(seed::DAY))
            .bind(random_handle("evt_"))
            .bind(seed::PRINCIPAL)
            .bind(seed::CLIENT)
    })?;
    Ok(())
}

/// What a consent leaves behind: the grant with what it reaches, the code, and the line in the paper trail.
pub(super) async fn authorize(database: &Database, code: &Secret, challenge: &str) -> Outcome<()> {
    const ROWS: Together = together! {
        grants: "INSERT INTO oauth_grant (id, principal_id, client_id, redirect_host, all_connections, may_refresh, \
                 created_at) VALUES ($1, $2, $3, '127.0.0.1', FALSE, TRUE, $4)",
        resources: "INSERT INTO grant_resource (grant_id, resource, scopes) VALUES ($1, $5, $6)",
        connections: "INSERT INTO grant_connection (grant_id, connection_id) VALUES ($1, $7)",
        codes: "INSERT INTO authorization_code (hash, grant_id, redirect_uri, code_challenge, resource, expires_at, \
                failed_attempts) VALUES ($8, $1, 'http://127.0.0.1/callback', $9, $5, $10, 0)",
        events: "INSERT INTO audit_event (id, at, action, outcome, principal_id, client_id) \
                 VALUES ($11, $4, 'consent', 'done', $2, $3)",
    };
    let now = SystemClock.now();
    commit!(database, ROWS, |query| {
        query
            .bind(GrantId::generate())
            .bind(seed::PRINCIPAL)
            .bind(seed::CLIENT)
            .bind(now)
            .bind(seed::RESOURCE)
            .bind(seed::SCOPE)
            .bind(seed::CONNECTION)
            .bind(code.hash())
            .bind(challenge)
            .bind(now.plus(seed::DAY))
            .bind(random_handle("evt_"))
    })?;
    Ok(())
}

/// What a redeemed code leaves behind.
pub(super) async fn exchange(
    database: &Database,
    code: &Secret,
    (access, refresh): &(Secret, Secret),
) -> Outcome<()> {
    const ROWS: Together = together! {
        codes: "UPDATE authorization_code SET redeemed_at = $2 WHERE hash = $1 AND redeemed_at IS NULL",
        tokens: "INSERT INTO access_token (hash, grant_id, resource, scope, issued_at, expires_at) \
                 SELECT $3, grant_id, resource, $4, $2, $5 FROM authorization_code WHERE hash = $1",
        families: "INSERT INTO refresh_token (hash, grant_id, resource, idle_expires_at, expires_at) \
                   SELECT $6, grant_id, resource, $5, $5 FROM authorization_code WHERE hash = $1",
        events: "INSERT INTO audit_event (id, at, action, outcome, principal_id, client_id) \
                 VALUES ($7, $2, 'token.request', 'done', $8, $9)",
    };
    let now = SystemClock.now();
    commit!(database, ROWS, |query| {
        query
            .bind(code.hash())
            .bind(now)
            .bind(access.hash())
            .bind(seed::SCOPE)
            .bind(now.plus(seed::DAY))
            .bind(refresh.hash())
            .bind(random_handle("evt_"))
            .bind(seed::PRINCIPAL)
            .bind(seed::CLIENT)
    })?;
    Ok(())
}

/// What a rotation leaves behind.
pub(super) async fn refresh(
    database: &Database,
    presented: &Secret,
    (access, successor): &(Secret, Secret),
) -> Outcome<()> {
    const ROWS: Together = together! {
        tokens: "INSERT INTO access_token (hash, grant_id, resource, scope, issued_at, expires_at) \
                 SELECT $3, grant_id, resource, $4, $2, $5 FROM refresh_token WHERE hash = $1",
        successors: "INSERT INTO refresh_token (hash, grant_id, resource, idle_expires_at, expires_at) \
                     SELECT $6, grant_id, resource, $5, $5 FROM refresh_token WHERE hash = $1",
        rotated: "UPDATE refresh_token SET rotated_at = $2, successor = $10, successor_hash = $6, access_hash = $3 \
                  WHERE hash = $1 AND rotated_at IS NULL",
        events: "INSERT INTO audit_event (id, at, action, outcome, principal_id, client_id) \
                 VALUES ($7, $2, 'token.request', 'done', $8, $9)",
    };
    let now = SystemClock.now();
    commit!(database, ROWS, |query| {
        query
            .bind(presented.hash())
            .bind(now)
            .bind(access.hash())
            .bind(seed::SCOPE)
            .bind(now.plus(seed::DAY))
            .bind(successor.hash())
            .bind(random_handle("evt_"))
            .bind(seed::PRINCIPAL)
            .bind(seed::CLIENT)
            // As long as a sealed pair is.
            .bind("s".repeat(180))
    })?;
    Ok(())
}
