//! A fresh database on each engine, for stories.
//!
//! SQLite always; PostgreSQL when `PORTCULLIS_TEST_POSTGRES` names a server where databases may be created, as the
//! repository's test script sees to. A story that runs on one engine only says so by using one of the functions here;
//! all others go through [`both_engines!`](crate::both_engines).

use std::str::FromStr;

use portcullis_oauth::random_handle;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use tempfile::TempDir;

use crate::Database;

/// The variable that names the PostgreSQL server for tests.
pub const POSTGRES_VARIABLE: &str = "PORTCULLIS_TEST_POSTGRES";

/// A database of a story's own. It is gone when dropped.
#[derive(Debug)]
pub struct TestDatabase {
    /// The open database.
    pub database: Database,
    /// The URL under which a second process can open it.
    pub url: String,
    // After the database, which it takes away.
    _home: Home,
}

/// Where a story's database lies, until the story ends.
#[derive(Debug)]
enum Home {
    Folder(#[expect(dead_code, reason = "held until it is dropped")] TempDir),
    Server { options: Box<PgConnectOptions>, name: String },
}

impl Drop for Home {
    /// Hundreds of stories would fill the server's disk. A server that has gone has taken the database along.
    fn drop(&mut self) {
        let Self::Server { options, name } = self else { return };
        let (options, sql) = (options.clone(), format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        // The story's own runtime may be ending, and must not be blocked.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async {
                if let Ok(mut admin) = options.connect().await {
                    let _ = admin.execute(AssertSqlSafe(sql)).await;
                    let _ = admin.close().await;
                }
            });
        });
        let _ = dropped.join();
    }
}

/// A fresh SQLite database in a folder of its own.
///
/// # Panics
/// When it cannot be made.
pub async fn sqlite() -> TestDatabase {
    let folder = TempDir::new().unwrap_or_else(|error| panic!("a temporary folder: {error}"));
    let url = format!("sqlite:{}", folder.path().join("portcullis.db").display());
    TestDatabase { database: open(&url).await, url, _home: Home::Folder(folder) }
}

/// A fresh PostgreSQL database, or `None` when no server is named.
///
/// # Panics
/// When a server is named and it cannot be made there.
pub async fn postgres() -> Option<TestDatabase> {
    let server = std::env::var(POSTGRES_VARIABLE).ok().filter(|url| !url.is_empty())?;
    let name = random_handle("story_").replace('-', "_").to_lowercase();
    let options =
        PgConnectOptions::from_str(&server).unwrap_or_else(|error| panic!("{POSTGRES_VARIABLE}: {error}"));
    let mut admin = options.connect().await.unwrap_or_else(|error| panic!("{POSTGRES_VARIABLE}: {error}"));
    let created = admin.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await;
    created.unwrap_or_else(|error| panic!("create a database for a story: {error}"));
    let _ = admin.close().await;
    let (base, query) = server
        .split_once('?')
        .map_or((server.as_str(), String::new()), |(base, query)| (base, format!("?{query}")));
    let scheme_end = base.find("://").map_or(0, |at| at + 3);
    let authority_end = base[scheme_end..].find('/').map_or(base.len(), |at| scheme_end + at);
    let url = format!("{}/{name}{query}", &base[..authority_end]);
    let home = Home::Server { options: Box::new(options), name };
    Some(TestDatabase { database: open(&url).await, url, _home: home })
}

async fn open(url: &str) -> Database {
    Database::open(url).await.unwrap_or_else(|error| panic!("open the story's database: {error}"))
}

/// Tells one story on SQLite and on PostgreSQL: makes a module of two tests from an `async fn(TestDatabase)`.
///
/// `both_engines! { async fn a_code_is_redeemed_once(database: TestDatabase) { … } }`
#[macro_export]
macro_rules! both_engines {
    ($($(#[$meta:meta])* async fn $name:ident($database:ident: TestDatabase) $body:block)+) => {$(
        $(#[$meta])*
        mod $name {
            use super::*;

            async fn story($database: $crate::testing::TestDatabase) $body

            #[tokio::test(flavor = "multi_thread")]
            async fn on_sqlite() {
                story($crate::testing::sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn on_postgres() {
                if let Some(database) = $crate::testing::postgres().await {
                    story(database).await;
                }
            }
        }
    )+};
}
