//! What a commit waits for: the operating system, or the disk.
//!
//! A true difference between the engines: on PostgreSQL it is a matter of the session, on SQLite of the one connection that
//! writes.

use std::time::Duration;

use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqlitePoolOptions, SqliteSynchronous};

use crate::open::SqlitePools;
use crate::{Backend, Database};

/// Whoever writes in groups needs few connections.
const CONNECTIONS: u32 = 2;

impl Database {
    /// The same database, whose commits are on the disk before they are told: what every commit on PostgreSQL is. On SQLite it
    /// brings a writer of its own, so it must replace the database for everybody, before anybody writes.
    #[must_use]
    pub fn synced(&self) -> Self {
        let pools = match &self.pools {
            Backend::Postgres(pool) => Backend::Postgres(pool.clone()),
            Backend::Sqlite(pools) => {
                let options = (*pools.writer.connect_options()).clone().synchronous(SqliteSynchronous::Full);
                let writer = SqlitePoolOptions::new()
                    .max_connections(1)
                    .acquire_timeout(Duration::from_secs(10))
                    .test_before_acquire(false)
                    .connect_lazy_with(options);
                Backend::Sqlite(SqlitePools { writer, readers: pools.readers.clone() })
            }
        };
        Self { pools, ..self.clone() }
    }

    /// The same database for one who writes much, whose commits may be lost if the machine loses its power: what every commit on
    /// SQLite is.
    #[must_use]
    pub fn unsynced(&self) -> Self {
        let pools = match &self.pools {
            Backend::Postgres(pool) => {
                let options = (*pool.connect_options()).clone().options([("synchronous_commit", "off")]);
                let pool = PgPoolOptions::new()
                    .max_connections(CONNECTIONS)
                    .acquire_timeout(Duration::from_secs(2))
                    .test_before_acquire(false)
                    .connect_lazy_with(options);
                Backend::Postgres(pool)
            }
            Backend::Sqlite(pools) => Backend::Sqlite(pools.clone()),
        };
        Self { pools, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Database, both_engines, on};

    async fn setting(database: &Database, sql: &'static str) -> String {
        match database.write() {
            crate::Backend::Postgres(pool) => sqlx::query_scalar(sql).fetch_one(pool).await.unwrap(),
            crate::Backend::Sqlite(pool) => {
                sqlx::query_scalar::<_, i64>(sql).fetch_one(pool).await.unwrap().to_string()
            }
        }
    }

    both_engines! {
        async fn a_commit_waits_for_the_disk_or_does_not(story: TestDatabase) {
            let (sql, synced, unsynced) = match story.database.engine() {
                "PostgreSQL" => ("SHOW synchronous_commit", "on", "off"),
                _ => ("PRAGMA synchronous", "2", "1"),
            };
            assert_eq!(setting(&story.database.synced(), sql).await, synced);
            let relaxed = story.database.as_node("one").unsynced();
            assert_eq!(setting(&relaxed, sql).await, unsynced);
            assert_eq!(relaxed.node(), "one");
            on!(relaxed.read(), |pool| sqlx::query("SELECT 1").execute(pool).await.map(drop)).unwrap();
            relaxed.close().await;
        }
    }
}
