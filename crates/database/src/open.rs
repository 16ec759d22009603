//! Opening: pools for either engine, tuned, with the schema up to date.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use portcullis_oauth::{Clock, Timestamp};
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection};
use tracing::log::LevelFilter;

use crate::{Backend, DatabaseError, OpenError, Transaction, inspection};

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations");

/// So much of a SQLite database is mapped to be read, in bytes.
const MAPPED: &str = "1073741824";

/// The name of a process that was given none.
const NAMELESS: &str = "local";

/// An open database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Database {
    pub(crate) pools: Backend<PgPool, SqlitePools>,
    pub(crate) node: Arc<str>,
}

/// One writer, since SQLite has one, and several readers beside it.
#[derive(Clone, Debug)]
pub(crate) struct SqlitePools {
    pub(crate) writer: SqlitePool,
    pub(crate) readers: SqlitePool,
}

impl Database {
    /// Opens the database at `url` (`postgres://…` or `sqlite:PATH`) and brings its schema up to date.
    ///
    /// # Errors
    /// One sentence that says what to do.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        let database = if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Self::over(Backend::Postgres(open_postgres(url).await?))
        } else {
            let path = url
                .strip_prefix("sqlite://")
                .or_else(|| url.strip_prefix("sqlite:"))
                .ok_or(OpenError::Url)?;
            Self::over(Backend::Sqlite(open_sqlite(Path::new(path)).await?))
        };
        database.migrate().await?;
        Ok(database)
    }

    fn over(pools: Backend<PgPool, SqlitePools>) -> Self {
        Self { pools, node: NAMELESS.into() }
    }

    /// The same database, for the process of this name: its rows say which process wrote them.
    #[must_use]
    pub fn as_node(&self, node: &str) -> Self {
        Self { pools: self.pools.clone(), node: node.into() }
    }

    /// The name of the process that uses it.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }

    /// A word for people: which engine is open.
    #[must_use]
    pub fn engine(&self) -> &'static str {
        self.pools.engine()
    }

    /// How many milliseconds `clock` and the database's own are apart; 0 where it has none of its own.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn skew(&self, clock: &dyn Clock) -> Result<u64, DatabaseError> {
        // A true difference: SQLite has no clock of its own.
        let Backend::Postgres(pool) = &self.pools else { return Ok(0) };
        let asked = clock.now().micros();
        let theirs: Timestamp = sqlx::query_scalar(inspection::CLOCK).fetch_one(pool).await?;
        Ok(theirs.micros().abs_diff(i64::midpoint(asked, clock.now().micros())) / 1_000)
    }

    /// An executor for reads.
    #[must_use]
    pub fn read(&self) -> Backend<&PgPool, &SqlitePool> {
        match &self.pools {
            Backend::Postgres(pool) => Backend::Postgres(pool),
            Backend::Sqlite(pools) => Backend::Sqlite(&pools.readers),
        }
    }

    /// An executor for a single statement that writes.
    #[must_use]
    pub fn write(&self) -> Backend<&PgPool, &SqlitePool> {
        match &self.pools {
            Backend::Postgres(pool) => Backend::Postgres(pool),
            Backend::Sqlite(pools) => Backend::Sqlite(&pools.writer),
        }
    }

    /// Begins a transaction that writes. Dropped without [`Transaction::commit`], it leaves nothing behind.
    ///
    /// # Errors
    /// When no connection can be had in time.
    pub async fn begin(&self) -> Result<Transaction, DatabaseError> {
        // Boxed, here and nowhere else: the driver's future is 4 KiB in everyone's that may begin one.
        let inner = match &self.pools {
            Backend::Postgres(pool) => Backend::Postgres(Box::pin(pool.begin()).await?),
            // IMMEDIATE takes the write lock at once, so that a transaction that read first never fails to upgrade it.
            Backend::Sqlite(pools) => {
                Backend::Sqlite(Box::pin(pools.writer.begin_with("BEGIN IMMEDIATE")).await?)
            }
        };
        Ok(Transaction { inner, node: Arc::clone(&self.node) })
    }

    /// Deletes what is over, batch by batch until nothing of it is left: `sql` deletes a bounded number of rows older than
    /// its one parameter. Between two batches others get their turn.
    ///
    /// # Errors
    /// When the engine refuses; what was deleted before stays deleted.
    pub async fn sweep(&self, sql: &'static str, before: Timestamp) -> Result<(), DatabaseError> {
        loop {
            let deleted = crate::on!(self.write(), |pool| sqlx::query(sql)
                .bind(before)
                .execute(pool)
                .await
                .map(|done| done.rows_affected()))?;
            if deleted == 0 {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
    }

    /// Closes every connection, after those in use have been given back.
    pub async fn close(&self) {
        match &self.pools {
            Backend::Postgres(pool) => pool.close().await,
            Backend::Sqlite(pools) => {
                pools.readers.close().await;
                pools.writer.close().await;
            }
        }
    }

    async fn migrate(&self) -> Result<(), OpenError> {
        crate::on!(self.write(), |pool| MIGRATIONS.run(pool).await)
            .map_err(|error| OpenError::Migration(error.to_string()))
    }
}

async fn open_postgres(url: &str) -> Result<PgPool, OpenError> {
    let options = PgConnectOptions::from_str(url).map_err(|_| OpenError::Url)?;
    let options = options.log_statements(LevelFilter::Trace);
    let _ = inspection::connect(&options).await?.close().await;
    let place = format!("{}:{}", options.get_host(), options.get_port());
    PgPoolOptions::new()
        .max_connections(16)
        .acquire_timeout(Duration::from_secs(2))
        // A round trip before each use would double the cost of a look-up; a dead connection shows itself anyway.
        .test_before_acquire(false)
        .connect_with(options)
        .await
        .map_err(|error| OpenError::Postgres { place, reason: error.to_string() })
}

async fn open_sqlite(path: &Path) -> Result<SqlitePools, OpenError> {
    create_private(path)
        .map_err(|error| OpenError::Sqlite { path: path.display().to_string(), reason: error.to_string() })?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // A commit survives the death of the process; what the machine loses with its power is at most a re-login.
        .synchronous(SqliteSynchronous::Normal)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5))
        .log_statements(LevelFilter::Trace);
    let failed = |error: sqlx::Error| OpenError::Sqlite {
        path: path.display().to_string(),
        reason: error.to_string(),
    };
    let pool = |connections| {
        SqlitePoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(10))
            .test_before_acquire(false)
    };
    let writer = pool(1).connect_with(options.clone()).await.map_err(failed)?;
    // Of a large database a look-up's pages are seldom in the engine's own cache: mapped, they are in everybody's.
    let readers = pool(4).connect_with(options.pragma("mmap_size", MAPPED)).await.map_err(failed)?;
    Ok(SqlitePools { writer, readers })
}

/// Creates the file for its owner alone if it is not there; the engine gives its journals the same mode.
fn create_private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}
