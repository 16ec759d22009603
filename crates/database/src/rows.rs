//! Several rows in one statement.

use crate::Backend;

/// `INSERT INTO table (columns) VALUES …` for so many rows, in the words of either engine. Prepare few sizes: every connection
/// keeps each.
#[derive(Debug)]
pub struct Insert {
    numbered: String,
    plain: String,
}

impl Insert {
    /// Of so many rows; values are bound row by row. `columns` are separated by `, `.
    #[must_use]
    pub fn rows(table: &str, columns: &str, rows: usize) -> Self {
        let width = columns.split(", ").count();
        let whole = |place: &dyn Fn(usize) -> String| {
            let row = |row: usize| {
                let places: Vec<String> = (1..=width).map(|column| place(row * width + column)).collect();
                format!("({})", places.join(", "))
            };
            let values: Vec<String> = (0..rows).map(row).collect();
            format!("INSERT INTO {table} ({columns}) VALUES {}", values.join(", "))
        };
        // SQLite looks through the names of all placeholders for each one that has a name.
        Self { numbered: whole(&|place| format!("${place}")), plain: whole(&|_| "?".to_owned()) }
    }

    /// The statement for this engine.
    pub fn on<P, S>(&self, engine: &Backend<P, S>) -> &str {
        match engine {
            Backend::Postgres(_) => &self.numbered,
            Backend::Sqlite(_) => &self.plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_numbered_row_by_row() {
        let (postgres, sqlite) = (Backend::<(), ()>::Postgres(()), Backend::<(), ()>::Sqlite(()));
        let two = Insert::rows("t", "a, b", 2);
        assert_eq!(two.on(&postgres), "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4)");
        assert_eq!(two.on(&sqlite), "INSERT INTO t (a, b) VALUES (?, ?), (?, ?)");
        assert_eq!(Insert::rows("t", "a", 1).on(&postgres), "INSERT INTO t (a) VALUES ($1)");
    }
}
