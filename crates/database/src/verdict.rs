//! A verdict and what follows from it, all or nothing: the true difference between the two engines in the hot paths.
//!
//! A round trip is what a statement costs on PostgreSQL, so there the verdict and its rows are one statement, a
//! data-modifying `WITH`, which `SQLite` does not know. `SQLite` takes the same texts in a transaction, the verdict first
//! and the rest as one text. The parameters are numbered through all of them.

/// The texts of a verdict and of what follows; made by [`verdict!`](crate::verdict!).
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    /// Everything as one statement.
    pub postgres: &'static str,
    /// The statement whose row is the verdict.
    pub first: &'static str,
    /// What is written when there was a row.
    pub then: &'static str,
}

/// Makes a [`Verdict`] of an `UPDATE … RETURNING` of at most one row, and of the rows that follow from it: each an
/// `INSERT INTO table (columns) SELECT values` without a `FROM`.
#[macro_export]
macro_rules! verdict {
    ($first:expr $(, $name:ident: $then:expr)+ $(,)?) => {
        $crate::Verdict {
            postgres: concat!(
                "WITH verdict AS (", $first, ")"
                $(, ", ", stringify!($name), " AS (", $then, " FROM verdict)")+,
                " SELECT * FROM verdict"
            ),
            first: $first,
            then: concat!($($then, "; "),+),
        }
    };
}

/// Evaluates a [`Verdict`] with its parameters bound: `Ok(true)` for the one caller who was first, whose rows are now
/// committed; for everybody else nothing was written.
///
/// The first argument is the [`Database`](crate::Database), the last binds every parameter to the query that it is given.
#[macro_export]
macro_rules! decide {
    ($database:expr, $verdict:expr, |$query:ident| $bound:expr) => {
        async {
            let verdict: $crate::Verdict = $verdict;
            match $database.write() {
                $crate::Backend::Postgres(pool) => {
                    let $query = sqlx::query(verdict.postgres);
                    Ok::<bool, $crate::DatabaseError>($bound.fetch_optional(pool).await?.is_some())
                }
                $crate::Backend::Sqlite(pool) => {
                    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
                    let $query = sqlx::query(verdict.first);
                    if $bound.fetch_optional(&mut *transaction).await?.is_none() {
                        return Ok(false);
                    }
                    let $query = sqlx::query(verdict.then);
                    $bound.execute(&mut *transaction).await?;
                    transaction.commit().await?;
                    Ok(true)
                }
            }
        }
        .await
    };
}
