//! A look at a database that changes nothing in it: for commands that ask before anything is opened for use.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use portcullis_oauth::Timestamp;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection, SqliteConnection};
use tokio::time::timeout;

use crate::{Backend, DatabaseError, OpenError, on};

/// Clocks that are so many milliseconds apart end codes, tokens and sessions at the wrong time.
pub const HARMFUL_SKEW: u64 = 10_000;
/// What PostgreSQL's own clock says, in microseconds.
pub(crate) const CLOCK: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

/// A database that does not answer within this time is not there.
const PATIENCE: Duration = Duration::from_secs(5);

/// One open connection; the schema stays as it is.
#[derive(Debug)]
pub struct Inspection(Backend<PgConnection, SqliteConnection>);

/// A step of the schema.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Step {
    /// Its number: steps are taken in this order.
    pub version: i64,
    /// What it made, in the words of its file's name.
    pub description: String,
}

impl Inspection {
    /// Connects to the database at `url`; `None` when it is a file that is not there yet.
    ///
    /// # Errors
    /// One sentence that says what to do.
    pub async fn open(url: &str) -> Result<Option<Self>, OpenError> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let options = PgConnectOptions::from_str(url).map_err(|_| OpenError::Url)?;
            return connect(&options).await.map(|connection| Some(Self(Backend::Postgres(connection))));
        }
        let path =
            url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")).ok_or(OpenError::Url)?;
        if !Path::new(path).exists() {
            return Ok(None);
        }
        let connected = SqliteConnectOptions::new().filename(path).connect().await;
        let refused =
            |error: sqlx::Error| OpenError::Sqlite { path: path.to_owned(), reason: error.to_string() };
        Ok(Some(Self(Backend::Sqlite(connected.map_err(refused)?))))
    }

    /// A word for people: which engine answers.
    #[must_use]
    pub fn engine(&self) -> &'static str {
        self.0.engine()
    }

    /// Whether several nodes can share it.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self.0, Backend::Postgres(_))
    }

    /// An executor.
    pub fn on(&mut self) -> Backend<&mut PgConnection, &mut SqliteConnection> {
        match &mut self.0 {
            Backend::Postgres(connection) => Backend::Postgres(connection),
            Backend::Sqlite(connection) => Backend::Sqlite(connection),
        }
    }

    /// The steps that the schema has taken; none in a database that never saw one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn steps(&mut self) -> Result<Vec<Step>, DatabaseError> {
        let rows = on!(self.on(), |connection| sqlx::query_as(
            "SELECT version, description FROM _sqlx_migrations ORDER BY version"
        )
        .fetch_all(connection)
        .await);
        match rows {
            // It answered that there is no such table.
            Err(error) if error.as_database_error().is_some() => Ok(Vec::new()),
            answered => Ok(answered?),
        }
    }

    /// What the database's own clock says; `None` where it is this machine's.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn clock(&mut self) -> Result<Option<Timestamp>, DatabaseError> {
        // A true difference: SQLite has no clock of its own.
        let Backend::Postgres(connection) = &mut self.0 else { return Ok(None) };
        Ok(Some(sqlx::query_scalar(CLOCK).fetch_one(connection).await?))
    }

    /// Ends it in order. What the other side thinks of that changes nothing any more.
    pub async fn close(self) {
        let _ = on!(self.0, |connection| connection.close().await);
    }
}

/// Connects by hand and once: a pool would ask again until its patience ends, and then say only that.
pub(crate) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, OpenError> {
    let refused = |reason: String| OpenError::Postgres {
        place: format!("{}:{}", options.get_host(), options.get_port()),
        reason,
    };
    match timeout(PATIENCE, options.connect()).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(refused(told(&error))),
        Err(_) => Err(refused("no answer within 5 seconds".to_owned())),
    }
}

/// What the server said of it, else what the driver says.
fn told(error: &sqlx::Error) -> String {
    error.as_database_error().map_or_else(|| error.to_string(), |error| error.message().to_owned())
}
