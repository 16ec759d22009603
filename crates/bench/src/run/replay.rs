//! A replay of recorded calls: they are made at the server first, and then decided again by the command under 200 policies,
//! which change nothing. The server goes on meanwhile, without load.

use std::time::{Duration, Instant};

use super::stage::Stage;
use super::works::{sandbox, seats};
use crate::lanes::{Bearers, Call};
use crate::load::{Caller, load};
use crate::storage::Storage;
use crate::{Extent, Options, Outcome, decisions};

/// Calls are made for so long at a time.
const ROUND: Duration = Duration::from_millis(500);

/// Makes the calls, replays them, and prints how long that took.
pub(super) async fn on(storage: Storage, options: &Options, extent: Extent) -> Outcome<()> {
    let wanted = options.replay.unwrap_or_default();
    let (stage, _) = Stage::set(&storage, options, extent).await?;
    let called = sandbox(&stage.site.host, "/mcp");
    let caller = || -> Box<dyn Caller> { Box::new(Call::new(called.clone(), Bearers::same())) };
    let mut seats = seats(stage.product.address, extent.connections, caller).await?;
    let mut calls = 0;
    while calls < wanted {
        calls += load(&mut seats, ROUND).await?.times.len();
    }
    let folder = tempfile::TempDir::new()?;
    let policy = folder.path().join("two-hundred.cedar");
    std::fs::write(&policy, decisions::policies(200))?;
    let words = ["policy", "replay", &policy.display().to_string(), "--json"].map(str::to_owned);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let began = Instant::now();
    let told = stage.product.command(&storage.product, options.server.as_deref(), &words)?;
    let took = began.elapsed();
    let report: serde_json::Value = serde_json::from_slice(&told)?;
    let decided = report["calls"].as_u64().unwrap_or_default();
    if decided < u64::try_from(wanted)? || report["undecidable"]["not_recorded"] != 0 {
        return Err(format!("{calls} calls were made, and the report is {report}").into());
    }
    println!(
        "{}: {decided} recorded calls decided again under 200 policies in {:.2} s, on one core.",
        storage.engine.name(),
        took.as_secs_f64()
    );
    drop(seats);
    drop(stage);
    storage.close().await
}
