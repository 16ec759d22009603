//! What calls that wait for a person cost everybody else: the times of a tool's calls while nobody waits, while so many
//! requests are held, and after those have gone. Nothing is compared with the floor: the measure is the server itself.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::stage::Stage;
use super::{Lane, upstream};
use crate::crowd::{Crowd, FIRST_TOKEN};
use crate::http::{Connection, request};
use crate::lanes::Era;
use crate::report::{Report, Side};
use crate::storage::Storage;
use crate::{Extent, Options, Outcome, cpu, seed};

/// So many requests of one user are held at once, and no more.
const EACH: usize = 5;
/// The server takes so long to see that hundreds of connections have gone.
const PARTING: Duration = Duration::from_secs(1);
/// The name of everybody's connection to the sandbox.
pub(crate) const BOX: &str = "box";

/// What was found.
#[derive(Debug, Serialize)]
pub(crate) struct Waiting {
    pub(crate) engine: &'static str,
    held: usize,
    before: Side,
    meanwhile: Side,
    after: Side,
    /// Before and meanwhile; KiB.
    memory_kib: [Option<u64>; 2],
}

impl Waiting {
    /// The same for people.
    pub(crate) fn sentence(&self) -> String {
        let quiet = f64::midpoint(self.before.p50_micros, self.after.p50_micros);
        let slower = (self.meanwhile.p50_micros / quiet - 1.0) * 100.0;
        let side = |side: &Side| format!("p50 {:.0} µs, p99 {:.0} µs", side.p50_micros, side.p99_micros);
        let mib = |kib: Option<u64>| kib.map_or("?".to_owned(), |kib| format!("{} MiB", kib.div_ceil(1_024)));
        format!(
            "{} calls wait for a person. Other calls before: {}; meanwhile: {}; after: {}. At p50 {slower:+.1} %. Memory: {} before, {} meanwhile.",
            self.held,
            side(&self.before),
            side(&self.meanwhile),
            side(&self.after),
            mib(self.memory_kib[0]),
            mib(self.memory_kib[1]),
        )
    }
}

/// Measures, holds `count` requests of a crowd, measures, lets them go and measures once more.
pub(super) async fn on(
    storage: Storage,
    (options, count): (&Options, usize),
    extent: Extent,
    report: &mut Report,
) -> Outcome<()> {
    let (stage, start) = Stage::set(&storage, options, extent).await?;
    Crowd::before(&storage.product).await?.add_callers(count.div_ceil(EACH)).await?;
    let memory = || cpu::resident_kib(stage.product.id());
    let (before, memory_before) = (calls(&stage, extent).await?, memory());
    let mut held = Vec::new();
    for number in 0..count {
        held.push(hold(&stage, number).await?);
    }
    let (meanwhile, memory_meanwhile) = (calls(&stage, extent).await?, memory());
    // A connection that the server has closed held nothing.
    for connection in &mut held {
        connection.still_waits()?;
    }
    drop(held);
    tokio::time::sleep(PARTING).await;
    let after = calls(&stage, extent).await?;
    report.waiting(Waiting {
        engine: storage.engine.name(),
        held: count,
        before,
        meanwhile,
        after,
        memory_kib: [memory_before, memory_meanwhile],
    });
    report.start(start.loaded(&stage));
    drop(stage);
    storage.close().await
}

/// Calls of an echo at an upstream server, in rounds. One more goes before them: what just began or ended has settled then.
async fn calls(stage: &Stage, extent: Extent) -> Outcome<Side> {
    let mut lane: Lane = upstream::ours(stage, Era::Stateless, extent.connections).await?;
    lane.round(extent.length, "calls").await?;
    lane.done.clear();
    for _ in 0..extent.rounds {
        lane.round(extent.length, "calls").await?;
    }
    Ok(lane.side())
}

/// Calls what needs a person, and begins to wait for that: a request that is not answered yet.
async fn hold(stage: &Stage, number: usize) -> Outcome<Connection> {
    let mut connection = Connection::open(stage.product.address).await?;
    let asked: Value = {
        let answer = connection.exchange(&leg(&stage.site.host, number, None)?).await?;
        answer.expect_status(200)?;
        serde_json::from_str(answer.text())?
    };
    let state = &asked["result"]["requestState"];
    if !state.is_string() {
        return Err(format!("the call does not wait: {asked}").into());
    }
    connection.begin(&leg(&stage.site.host, number, Some(state))?).await?;
    Ok(connection)
}

fn leg(host: &str, number: usize, state: Option<&Value>) -> Outcome<Vec<u8>> {
    let tool = format!("{BOX}__create_note");
    let mut params = json!({
        "name": tool,
        "arguments": {"title": format!("note {number}"), "text": "the quick brown fox"},
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": Era::Stateless.revision(),
            "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"url": {}}},
        },
    });
    if let Some(state) = state {
        params["requestState"] = state.clone();
        params["inputResponses"] = json!({"approval": {"action": "accept"}});
    }
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string();
    let user = FIRST_TOKEN + u32::try_from(number / EACH)?;
    let bearer = format!("Bearer {}", seed::token(user).expose());
    let headers = [
        ("host", host),
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", Era::Stateless.revision()),
        ("mcp-method", "tools/call"),
        ("mcp-name", tool.as_str()),
    ];
    Ok(request(&format!("POST {}", super::works::GATEWAY), &headers, &body))
}
