//! What one decision costs: in memory, and in the database that the first argument names, which has to be migrated.
//!
//! ```text
//! cargo run --release -p portcullis-limits --features shared --example buckets -- sqlite:/tmp/limits.db
//! ```
#![expect(clippy::unwrap_used, reason = "a measurement")]

use std::time::Instant;

use portcullis_database::Database;
use portcullis_limits::{Limiter, Quota, SharedBuckets};
use portcullis_oauth::Timestamp;

const USERS: usize = 1_000;

#[tokio::main]
async fn main() {
    let (quota, now) = (Quota::per_minute(60), Timestamp::from_micros(1_800_000_000_000_000));
    let keys: Vec<String> = (0..USERS).map(|user| format!("user/{user}")).collect();
    let limiter = Limiter::new(quota, 50_000);
    let begun = Instant::now();
    for round in 0..200 {
        for key in &keys {
            let _ = limiter.check(key, now.plus(portcullis_oauth::Seconds(round)));
        }
    }
    println!("in memory: {:?} a decision", begun.elapsed() / (200 * 1_000));
    let Some(url) = std::env::args().nth(1) else { return };
    let shared = SharedBuckets::new(&Database::open(&url).await.unwrap());
    let begun = Instant::now();
    for key in &keys {
        let _ = shared.check(key, quota, now).await.unwrap();
    }
    println!("in the database, one after another: {:?} a decision", begun.elapsed() / 1_000);
}
