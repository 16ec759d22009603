//! What can go wrong with a database, in words for the person who has to mend it.

/// An operation failed. Callers tell a broken rule from a broken store with [`DatabaseError::is_unique_violation`].
#[derive(Debug, thiserror::Error)]
#[error("the database did not do what was asked")]
pub struct DatabaseError(#[from] sqlx::Error);

impl DatabaseError {
    /// Whether a unique index refused the row: the verdict of "who was first".
    #[must_use]
    pub fn is_unique_violation(&self) -> bool {
        self.0.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
    }

    /// Whether the store is out of reach for now: an answer with 503, and a reason to come again.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        // 57P01 to 57P03: PostgreSQL is shutting down or starting up.
        let code = self.0.as_database_error().and_then(sqlx::error::DatabaseError::code);
        code.is_some_and(|code| code.starts_with("57P"))
            || matches!(
                self.0,
                sqlx::Error::PoolTimedOut
                    | sqlx::Error::PoolClosed
                    | sqlx::Error::Io(_)
                    | sqlx::Error::WorkerCrashed
            )
    }
}

/// The database could not be opened. Each text is one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Neither `postgres://…` nor `sqlite:…`.
    #[error(
        "the database URL must begin with postgres:// or sqlite: (it is not shown here, since it may hold a password)"
    )]
    Url,
    /// The file cannot be created or read.
    #[error(
        "cannot open the SQLite database {path}: {reason}; check that the folder exists and is writable, or choose another with --data-dir"
    )]
    Sqlite {
        /// The file.
        path: String,
        /// What the engine said.
        reason: String,
    },
    /// The server does not answer or refuses.
    #[error(
        "cannot open PostgreSQL at {place}: {reason}; check that it runs there, and the user, password and database in --database-url"
    )]
    Postgres {
        /// Host and port, without credentials.
        place: String,
        /// What the driver said.
        reason: String,
    },
    /// The schema is of a newer or a damaged build.
    #[error(
        "cannot bring the database schema up to date: {0}; run the release that wrote it, or a newer one"
    )]
    Migration(String),
}
