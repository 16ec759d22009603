//! How long `tools/list` takes when there are many users with many connections of which a third is dead, and what the process
//! then holds in memory. Nothing is compared: the answer is that both are bounded.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;

use super::stage::Stage;
use super::works::{GATEWAY, seats};
use crate::crowd::{Crowd, EACH, FIRST_TOKEN, dead};
use crate::lanes::{Listing, Turns};
use crate::load::{Caller, load};
use crate::report::Report;
use crate::storage::Storage;
use crate::{Extent, Options, Outcome, cpu};

/// So many users, unless it is a smoke run.
const USERS: usize = 100;
const FEW: usize = 3;
/// Everybody's list takes no longer than this, or something is not bounded.
const PATIENCE: Duration = Duration::from_mins(5);

/// What was found.
#[derive(Debug, Serialize)]
pub(crate) struct Gathering {
    pub(crate) engine: &'static str,
    users: usize,
    connections: usize,
    dead: usize,
    /// Everybody's first list, when nothing is known yet, and the one after; milliseconds.
    first: [f64; 3],
    again: [f64; 3],
    /// Before and after; KiB.
    memory_kib: [Option<u64>; 2],
}

impl Gathering {
    /// The same for people.
    pub(crate) fn sentence(&self) -> String {
        let times = |[median, late, last]: [f64; 3]| {
            format!("p50 {median:.0} ms, p99 {late:.0} ms, the last {last:.0} ms")
        };
        let mib = |kib: Option<u64>| kib.map_or("?".to_owned(), |kib| format!("{} MiB", kib.div_ceil(1_024)));
        format!(
            "{} connections of {} users, {} of them dead. tools/list, {} at once: the first time {}; then {}. Memory: {} before, {} after.",
            self.connections,
            self.users,
            self.dead,
            AT_ONCE,
            times(self.first),
            times(self.again),
            mib(self.memory_kib[0]),
            mib(self.memory_kib[1]),
        )
    }
}

/// So many users list at the same time.
const AT_ONCE: usize = 16;

/// Gathers the crowd, and lets everybody list twice.
pub(super) async fn on(
    storage: Storage,
    options: &Options,
    extent: Extent,
    report: &mut Report,
) -> Outcome<()> {
    let (stage, start) = Stage::set(&storage, options, extent).await?;
    for (name, url) in dead(stage.echo.address)? {
        let words = [
            "server",
            "add",
            "--json",
            "--auth",
            "none",
            "--new-tools",
            "allow",
            "--slug",
            name,
            "--url",
            &url,
        ];
        stage.product.command(&storage.product, options.server.as_deref(), &words)?;
    }
    let users = if options.quick { FEW } else { USERS };
    let dead = Crowd::before(&storage.product).await?.add(users).await?;
    let before = cpu::resident_kib(stage.product.id());
    let (first, again) = (everybody(&stage, users).await?, everybody(&stage, users).await?);
    report.gathering(Gathering {
        engine: storage.engine.name(),
        users,
        connections: users * EACH,
        dead,
        first,
        again,
        memory_kib: [before, cpu::resident_kib(stage.product.id())],
    });
    report.start(start.loaded(&stage));
    drop(stage);
    storage.close().await
}

/// Every user's list, once: median, 99th percentile and the longest, in milliseconds.
async fn everybody(stage: &Stage, users: usize) -> Outcome<[f64; 3]> {
    let end = FIRST_TOKEN + u32::try_from(users)?;
    let turns = Rc::new(Turns { next: Cell::new(FIRST_TOKEN), end, taken: RefCell::default() });
    let caller =
        || -> Box<dyn Caller> { Box::new(Listing::new(&stage.site.host, GATEWAY, Rc::clone(&turns))) };
    let mut seats = seats(stage.product.address, AT_ONCE, caller).await?;
    load(&mut seats, PATIENCE).await?;
    let mut taken = turns.taken.take();
    taken.sort_unstable();
    if taken.len() != users {
        return Err(format!("{} of {users} lists were answered", taken.len()).into());
    }
    Ok([50, 99, 100].map(|part| {
        let place = (taken.len() * part / 100).min(taken.len() - 1);
        taken.get(place).copied().unwrap_or_default().as_secs_f64() * 1e3
    }))
}
