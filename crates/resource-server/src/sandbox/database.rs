//! The demo tables: a private SQLite database in memory, of which only what is listed here can be asked for. Names in a
//! statement are always ours, values are always bound.

use serde_json::{Map, Value, json};
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, SqlSafeStr};

use crate::tool::ToolResult;
use crate::upstream::Failure;

/// So many rows at most.
const ROWS: i64 = 100;

/// A table that may be read, with the columns that may.
struct Table {
    name: &'static str,
    columns: &'static [&'static str],
}

const TABLES: [Table; 2] = [
    Table { name: "customers", columns: &["id", "name", "city", "since"] },
    Table { name: "orders", columns: &["id", "customer_id", "item", "cents", "ordered_on"] },
];

const SEED: &str = "
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, city TEXT, since INTEGER);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER, item TEXT, cents INTEGER, ordered_on TEXT);
INSERT INTO customers VALUES (1, 'Ada Baker', 'London', 2019), (2, 'Lin Chen', 'Taipei', 2021),
    (3, 'Omar Diallo', 'Dakar', 2022), (4, 'Freja Holm', 'Aarhus', 2020), (5, 'Rosa Vega', 'Lima', 2024);
INSERT INTO orders VALUES (1, 1, 'Fountain pen', 4200, '2026-01-12'), (2, 1, 'Ink, blue', 950, '2026-01-12'),
    (3, 2, 'Notebook', 1250, '2026-02-03'), (4, 3, 'Desk lamp', 6900, '2026-02-17'),
    (5, 3, 'Notebook', 1250, '2026-03-01'), (6, 5, 'Paper, 500 sheets', 780, '2026-03-09');
";

/// The names of the tables.
pub(super) fn tables() -> Vec<&'static str> {
    TABLES.iter().map(|table| table.name).collect()
}

/// The names of all columns, sorted, each once.
pub(super) fn columns() -> Vec<&'static str> {
    let mut all: Vec<_> = TABLES.iter().flat_map(|table| table.columns).copied().collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The database.
pub(super) struct DemoDatabase(SqlitePool);

impl DemoDatabase {
    /// A fresh one, with its rows.
    pub(super) async fn open() -> Result<Self, sqlx::Error> {
        // One connection that never ends: the data lives in it.
        let options = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
        let pool = options.connect("sqlite::memory:").await?;
        sqlx::raw_sql(SEED).execute(&pool).await?;
        Ok(Self(pool))
    }

    /// Answers a query whose form the tool's schema has checked.
    pub(super) async fn query(&self, arguments: &Map<String, Value>) -> Result<ToolResult, Failure> {
        let (statement, value) = statement(arguments)?;
        let query = sqlx::query_scalar::<_, String>(AssertSqlSafe(statement).into_sql_str());
        let limit = arguments.get("limit").and_then(whole).map_or(ROWS, |limit| limit.clamp(1, ROWS));
        let query = match value {
            Some(Value::String(text)) => query.bind(limit).bind(text.clone()),
            Some(number) => query.bind(limit).bind(whole(number)),
            None => query.bind(limit),
        };
        let rows = query.fetch_all(&self.0).await.map_err(|error| Failure::Inside(error.into()))?;
        let rows: Vec<Value> = rows.iter().filter_map(|row| serde_json::from_str(row).ok()).collect();
        Ok(ToolResult::structured(json!({"rows": rows})))
    }
}

/// The statement, every name in it taken from [`TABLES`], and the value to bind.
fn statement(arguments: &Map<String, Value>) -> Result<(String, Option<&Value>), Failure> {
    let table = arguments.get("table").and_then(Value::as_str).unwrap_or_default();
    let table =
        TABLES.iter().find(|known| known.name == table).ok_or_else(|| told("there is no such table"))?;
    let known = |name: &Value| {
        table.columns.iter().copied().find(|known| name == *known).ok_or_else(|| {
            told(&format!("the table {} has the columns {}", table.name, table.columns.join(", ")))
        })
    };
    let columns = match arguments.get("columns").and_then(Value::as_array) {
        Some(names) => names.iter().map(known).collect::<Result<Vec<_>, _>>()?,
        None => table.columns.to_vec(),
    };
    let pairs: Vec<String> = columns.iter().map(|column| format!("'{column}', {column}")).collect();
    let (condition, value) = match arguments.get("where") {
        Some(filter) => (format!("WHERE {} = $2 ", known(&filter["column"])?), filter.get("equals")),
        None => (String::new(), None),
    };
    let statement = format!(
        "SELECT json_object({}) FROM {} {condition}ORDER BY id LIMIT $1",
        pairs.join(", "),
        table.name
    );
    Ok((statement, value))
}

/// An integer, also one written as `2.0`: the schema takes both.
fn whole(number: &Value) -> Option<i64> {
    number.as_i64().or_else(|| format!("{:.0}", number.as_f64()?).parse().ok())
}

fn told(text: &str) -> Failure {
    Failure::Told(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(arguments: Value) -> Result<Value, String> {
        let database = DemoDatabase::open().await.unwrap();
        match database.query(arguments.as_object().unwrap()).await {
            Ok(result) => Ok(result.structured.unwrap()["rows"].clone()),
            Err(Failure::Told(text)) => Err(text),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn rows_are_found_by_a_bound_value() {
        let found = ask(json!({"table": "orders", "columns": ["item", "cents"], "where": {"column": "customer_id", "equals": 3}})).await;
        assert_eq!(
            found.unwrap(),
            json!([{"item": "Desk lamp", "cents": 6900}, {"item": "Notebook", "cents": 1250}])
        );
        let by_text = ask(
            json!({"table": "customers", "columns": ["id"], "where": {"column": "city", "equals": "x' OR '1'='1"}}),
        );
        assert_eq!(by_text.await.unwrap(), json!([]));
        assert_eq!(ask(json!({"table": "orders", "limit": 2})).await.unwrap().as_array().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn what_is_not_listed_cannot_be_named() {
        for asked in [
            json!({"table": "sqlite_master"}),
            json!({"table": "orders", "columns": ["name"]}),
            json!({"table": "orders", "columns": ["item FROM customers; --"]}),
            json!({"table": "orders", "where": {"column": "1=1 OR id", "equals": 1}}),
        ] {
            assert!(ask(asked.clone()).await.is_err(), "{asked}");
        }
    }
}
