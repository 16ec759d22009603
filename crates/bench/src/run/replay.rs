//! A replay of recorded calls, no two of which say the same: they are made at the server first, and then decided again by the
//! command under 200 policies, which change nothing, and under 200 and one that looks at what is said. The server goes on meanwhile,
//! without load.

use std::time::{Duration, Instant};

use super::stage::Stage;
use super::works::{sandbox, seats};
use crate::lanes::{Bearers, Call};
use crate::load::{Caller, load};
use crate::storage::Storage;
use crate::{Extent, Options, Outcome, decisions};

/// Calls are made for so long at a time.
const ROUND: Duration = Duration::from_millis(500);

/// Looks at what is another in every call.
const LISTENS: &str = "@id(\"listens\") @reason(\"r\") forbid (principal, action == Action::\"callTool\", resource) \
    when { context.arguments.hasTag(\"/message\") && context.arguments.getTag(\"/message\") like \"*hush*\" };";

/// Makes the calls, replays them, and prints how long that took.
pub(super) async fn on(storage: Storage, options: &Options, extent: Extent) -> Outcome<()> {
    let wanted = options.replay.unwrap_or_default();
    let (stage, _) = Stage::set(&storage, options, extent).await?;
    let called = sandbox(&stage.site.host, "/mcp");
    let caller = || -> Box<dyn Caller> { Box::new(Call::various(called.clone(), Bearers::same())) };
    let mut seats = seats(stage.product.address, extent.connections, caller).await?;
    let mut calls = 0;
    while calls < wanted {
        calls += load(&mut seats, ROUND).await?.times.len();
    }
    for (what, text) in
        [("looking at nothing that was said", ""), ("one of them looking at what was said", LISTENS)]
    {
        let (report, took) = replay(&stage, (&storage, options), &(decisions::policies(200) + text))?;
        let decided = report["calls"].as_u64().unwrap_or_default();
        if decided < u64::try_from(wanted)? || report["undecidable"]["not_recorded"] != 0 {
            return Err(format!("{calls} calls were made, and the report is {report}").into());
        }
        let (engine, seconds) = (storage.engine.name(), took.as_secs_f64());
        println!(
            "{engine}: {decided} recorded calls decided again in {seconds:.2} s, under 200 policies, {what}."
        );
    }
    drop(seats);
    drop(stage);
    storage.close().await
}

/// Decides the recorded calls again under these policies: the report, and how long it took.
fn replay(
    stage: &Stage,
    (storage, options): (&Storage, &Options),
    policies: &str,
) -> Outcome<(serde_json::Value, Duration)> {
    let folder = tempfile::TempDir::new()?;
    let policy = folder.path().join("policies.cedar");
    std::fs::write(&policy, policies)?;
    let policy = policy.display().to_string();
    let began = Instant::now();
    let words = ["policy", "replay", &policy, "--json"];
    let told = stage.product.command(&storage.product, options.server.as_deref(), &words)?;
    Ok((serde_json::from_slice(&told)?, began.elapsed()))
}
