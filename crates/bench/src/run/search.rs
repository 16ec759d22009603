//! The paper trail searched by every filter, on the first page and from a cursor somewhere in the middle: the very statement that
//! the API and `audit search` run, over events made by one statement of SQL. Reached through one connection, with no load beside.

use std::time::{Duration, Instant};

use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;
use portcullis_audit::{Cursor, Order, Outcome as Ended, Query, Records};
use portcullis_database::{Database, on};
use portcullis_oauth::{Clock, Seconds, SystemClock, Timestamp};

use crate::storage::Storage;
use crate::{Outcome, decisions};

/// Made with one statement.
const BATCH: i64 = 100_000;
/// The trail is as old as events are kept.
const AGE: Seconds = Seconds::days(90);
const TRIES: u32 = 100;
const PAGE: u16 = 50;
const EVENTS: &str = include_str!("search/events.sql");

/// Where the made events lie in time.
#[derive(Clone, Copy)]
struct Trail {
    events: i64,
    from: Timestamp,
    /// Microseconds between two of them.
    step: i64,
}

/// A filter: its name, and what the try of this number asks for.
type Filter = (&'static str, fn(u32) -> Query);

/// Makes the events, searches, and prints how long that took.
pub(super) async fn on(storage: Storage, events: u32) -> Outcome<()> {
    let database = Database::open(&storage.product).await?;
    let step = AGE.0 * 1_000_000 / i64::from(events.max(1));
    let trail = Trail { events: events.into(), from: SystemClock.now().minus(AGE), step };
    let began = Instant::now();
    make(&database, trail).await?;
    eprintln!("{}: {events} events made in {:.0} s", storage.engine.name(), began.elapsed().as_secs_f64());
    let records = Records::new(database.clone());
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header([
        "filter",
        "found",
        "first page ms p50 / p99",
        "from a cursor ms p50 / p99",
    ]);
    for (name, asked) in filters() {
        let (mut found, mut first, mut further) = (0, Vec::new(), Vec::new());
        for number in 0..TRIES {
            found += measured(&records, &asked(number), None, &mut first).await?;
            measured(&records, &asked(number), trail.middle(number).as_ref(), &mut further).await?;
        }
        let cell = |times: &mut Vec<Duration>| {
            let (p50, p99) = decisions::middle_and_tail(times);
            format!("{:.1} / {:.1}", p50 / 1e3, p99 / 1e3)
        };
        table.add_row([
            name.to_owned(),
            (found / TRIES as usize).to_string(),
            cell(&mut first),
            cell(&mut further),
        ]);
    }
    println!(
        "{}, {events} events, pages of {PAGE}, {TRIES} tries of each.\n\n{table}",
        storage.engine.name()
    );
    drop((records, database));
    storage.close().await
}

async fn make(database: &Database, trail: Trail) -> Outcome<()> {
    let mut first = 0;
    while first < trail.events {
        let last = (first + BATCH).min(trail.events) - 1;
        on!(database.write(), |pool| sqlx::query(EVENTS)
            .bind(first)
            .bind(last)
            .bind(trail.from)
            .bind(trail.step)
            .execute(pool)
            .await
            .map(drop))?;
        first = last + 1;
    }
    Ok(on!(database.write(), |pool| sqlx::query("ANALYZE audit_event").execute(pool).await.map(drop))?)
}

/// One page, and how many records are on it.
async fn measured(
    records: &Records,
    query: &Query,
    after: Option<&Cursor>,
    times: &mut Vec<Duration>,
) -> Outcome<usize> {
    let began = Instant::now();
    let (page, _) = records.page(query, Order::Newest, after, PAGE).await?;
    times.push(began.elapsed());
    Ok(page.len())
}

impl Trail {
    /// A cursor behind an event, another one for each try.
    fn middle(self, number: u32) -> Option<Cursor> {
        let event = (i64::from(number) * 7_919 + 31) * 1_009 % self.events.max(1);
        Cursor::decode(&format!("{}.evt_bench_{event}", self.from.micros() + event * self.step))
    }
}

fn filters() -> Vec<Filter> {
    vec![
        ("none", |_| Query::default()),
        ("user, any", |number| Query {
            principal: Some(format!("user_{}", number % 480).into()),
            ..Query::default()
        }),
        ("user, nobody", |_| Query { principal: Some("user_x".to_owned().into()), ..Query::default() }),
        ("client, any", |number| Query {
            client: Some(format!("client_{}", number % 60).into()),
            ..Query::default()
        }),
        ("client, none", |_| Query { client: Some("client_x".to_owned().into()), ..Query::default() }),
        ("connection, any", |number| Query {
            connection: Some(format!("connection_{}", number * 19).into()),
            ..Query::default()
        }),
        ("connection, none", |_| Query {
            connection: Some("connection_x".to_owned().into()),
            ..Query::default()
        }),
        ("tool, any", |number| Query {
            tool: Some(format!("work__tool_{}", number * 2)),
            ..Query::default()
        }),
        ("action, calls", |_| Query { action: Some("tools.call".to_owned()), ..Query::default() }),
        ("action, seldom", |_| Query { action: Some("policy.change".to_owned()), ..Query::default() }),
        ("action, never", |_| Query { action: Some("setup".to_owned()), ..Query::default() }),
        ("decision refused", |_| Query { outcome: Some(Ended::Refused), ..Query::default() }),
        ("decision failed", |_| Query { outcome: Some(Ended::Failed), ..Query::default() }),
        ("user and refused", |number| Query {
            principal: Some(format!("user_{}", number % 480).into()),
            outcome: Some(Ended::Refused),
            ..Query::default()
        }),
        ("client and failed", |number| Query {
            client: Some(format!("client_{}", number % 60).into()),
            outcome: Some(Ended::Failed),
            ..Query::default()
        }),
        ("user and a seldom action", |number| Query {
            principal: Some(format!("user_{}", number % 480).into()),
            action: Some("sign_in".to_owned()),
            ..Query::default()
        }),
        ("trace", |number| Query { trace_id: Some(format!("req_{number}")), ..Query::default() }),
        ("a day", |number| {
            let since = SystemClock.now().minus(Seconds::days(2 + i64::from(number % 85)));
            Query { since: Some(since), until: Some(since.plus(Seconds::days(1))), ..Query::default() }
        }),
    ]
}
