//! Several rows in one statement.

/// `INSERT INTO table (columns) VALUES …` for so many rows, placeholders numbered row by row; `columns` are separated by
/// `, `. Prepare few sizes: every connection keeps each.
#[must_use]
pub fn insert_rows(table: &str, columns: &str, rows: usize) -> String {
    let width = columns.split(", ").count();
    let row = |row: usize| {
        let places: Vec<String> = (1..=width).map(|place| format!("${}", row * width + place)).collect();
        format!("({})", places.join(", "))
    };
    let values: Vec<String> = (0..rows).map(row).collect();
    format!("INSERT INTO {table} ({columns}) VALUES {}", values.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_numbered_row_by_row() {
        assert_eq!(insert_rows("t", "a, b", 2), "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4)");
        assert_eq!(insert_rows("t", "a", 1), "INSERT INTO t (a) VALUES ($1)");
    }
}
