//! What must be in the databases before anything is measured: live access tokens in both, known to us, and in the floor's
//! the rows that they hang on. In the server's those were made by a real client that went through the real pages.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_database::{Database, on};
use portcullis_oauth::{
    Clock, GrantId, ResourceUri, ScopeSet, Seconds, Secret, SecretKind, SystemClock, Timestamp,
};
use sha2::{Digest, Sha256};
use sqlx::AssertSqlSafe;

use crate::Outcome;

pub(crate) const PRINCIPAL: &str = "bench_principal";
pub(crate) const CLIENT: &str = "bench_client";
pub(crate) const GRANT: &str = "bench_grant";
pub(crate) const CONNECTION: &str = "bench_connection";
pub(crate) const RESOURCE: &str = "http://localhost/mcp";
pub(crate) const SCOPE: &str = "mcp.tools.read mcp.tools.execute mcp.resources.read offline_access";

/// How long tokens live.
pub(crate) const DAY: Seconds = Seconds::days(1);

/// Rows of one statement, and statements of one transaction.
const ROWS: usize = 250;
const STATEMENTS: usize = 40;

/// The access token of this number.
pub(crate) fn token(number: u32) -> Secret {
    let bytes = Sha256::digest(format!("portcullis-bench {number}"));
    Secret::presented(format!("{}{}", SecretKind::AccessToken.prefix(), URL_SAFE_NO_PAD.encode(bytes)))
}

/// What tokens are minted of.
struct Origin {
    grant: GrantId,
    resource: String,
    scope: String,
}

/// The floor's rows: somebody, a client, and a grant.
pub(crate) async fn floor(url: &str, tokens: u32) -> Outcome<()> {
    let database = Database::open(url).await?;
    for sql in [
        "INSERT INTO principal (id, kind, created_at) VALUES ($1, 'user', $4)",
        "INSERT INTO user_account (principal_id, email, name, admin, permissions) VALUES ($1, $1, $1, FALSE, '')",
        "INSERT INTO oauth_client (id, origin, metadata, resources, created_at, consented_at) \
         VALUES ($2, 'admin', '{}', '[]', $4, $4)",
        "INSERT INTO oauth_grant (id, principal_id, client_id, redirect_host, all_connections, may_refresh, created_at) \
         VALUES ($3, $1, $2, '', TRUE, TRUE, $4)",
    ] {
        let mut query = sql.to_owned();
        // Each statement takes the parameters that it names; PostgreSQL wants no others.
        for (place, value) in [("$1", PRINCIPAL), ("$2", CLIENT), ("$3", GRANT)] {
            query = query.replace(place, &format!("'{value}'"));
        }
        query = query.replace("$4", &SystemClock.now().micros().to_string());
        on!(database.write(), |pool| sqlx::query(AssertSqlSafe(query)).execute(pool).await.map(drop))?;
    }
    let origin =
        Origin { grant: GRANT.to_owned().into(), resource: RESOURCE.to_owned(), scope: SCOPE.to_owned() };
    mint(&database, &origin, tokens).await
}

/// The server's tokens: as many more of the grant that a real flow gave, for the same resource or for this one.
pub(crate) async fn product(url: &str, tokens: u32, resource: Option<&str>) -> Outcome<()> {
    let database = Database::open(url).await?;
    let row: (GrantId, ResourceUri, ScopeSet) = on!(database.read(), |pool| {
        sqlx::query_as("SELECT grant_id, resource, scope FROM access_token ORDER BY issued_at LIMIT 1")
            .fetch_one(pool)
            .await
    })?;
    let origin = Origin {
        grant: row.0,
        resource: resource.unwrap_or(row.1.as_str()).to_owned(),
        scope: row.2.to_string(),
    };
    mint(&database, &origin, tokens).await
}

/// Live for a day, and used before: the first use of a token is written down, which is not what a look-up measures.
async fn mint(database: &Database, origin: &Origin, tokens: u32) -> Outcome<()> {
    let now = SystemClock.now();
    let numbers: Vec<u32> = (0..tokens).collect();
    for part in numbers.chunks(ROWS * STATEMENTS) {
        let mut transaction = database.begin().await?;
        for rows in part.chunks(ROWS) {
            let sql = insert(rows.len());
            on!(transaction.on(), |connection| {
                let mut query = sqlx::query(AssertSqlSafe(sql));
                query = query.bind(&origin.grant).bind(&origin.resource).bind(&origin.scope);
                query = query.bind(now).bind(until(now));
                for number in rows {
                    query = query.bind(token(*number).hash());
                }
                query.execute(connection).await.map(drop)
            })?;
        }
        transaction.commit().await?;
    }
    database.close().await;
    Ok(())
}

const fn until(now: Timestamp) -> Timestamp {
    now.plus(DAY)
}

fn insert(rows: usize) -> String {
    let values: Vec<String> =
        (0..rows).map(|row| format!("(${}, $1, $2, $3, $4, $5, $4)", row + 6)).collect();
    format!(
        "INSERT INTO access_token (hash, grant_id, resource, scope, issued_at, expires_at, used_at) VALUES {}",
        values.join(", ")
    )
}
