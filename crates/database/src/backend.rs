//! The two engines we speak, and the macro that evaluates one expression on whichever is open.

/// The two engines we speak, behind one name.
#[derive(Clone, Copy, Debug)]
pub enum Backend<P, S> {
    /// PostgreSQL: production, several nodes.
    Postgres(P),
    /// SQLite: the embedded default.
    Sqlite(S),
}

impl<P, S> Backend<P, S> {
    /// A word for people: which engine this is.
    pub(crate) fn engine(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "PostgreSQL",
            Self::Sqlite(_) => "SQLite",
        }
    }
}

/// Evaluates one sqlx expression on whichever engine is open; the body is compiled once for each.
///
/// The first argument is [`Database::read`](crate::Database::read), [`Database::write`](crate::Database::write) or
/// [`Transaction::on`](crate::Transaction::on).
#[macro_export]
macro_rules! on {
    ($backend:expr, |$executor:ident| $query:expr) => {
        match $backend {
            $crate::Backend::Postgres($executor) => $query,
            $crate::Backend::Sqlite($executor) => $query,
        }
    };
}
