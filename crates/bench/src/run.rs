//! One run: starts what is needed, measures everything in interleaved rounds, and reports.

mod crowd;
mod replay;
mod search;
mod sizes;
mod stage;
mod start;
mod upstream;
mod waiting;
mod works;

use std::borrow::Cow;
use std::time::Duration;

pub(crate) use self::crowd::Gathering;
use self::stage::Stage;
pub(crate) use self::start::Start;
pub(crate) use self::waiting::{BOX, Waiting};
use crate::lanes::Stock;
use crate::load::{Round, Seat, load};
use crate::report::{Report, Row, Side};
use crate::storage::Storage;
use crate::{Engine, Extent, Options, Outcome, cpu};

/// No preparation of a round takes longer: what is prepared are codes, and a code lives for a minute.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is measured on one side of a comparison.
pub(crate) struct Lane {
    /// The limit's name, or ours.
    pub(crate) name: Cow<'static, str>,
    pub(crate) seats: Vec<Seat>,
    /// Where what is used up comes from.
    pub(crate) supply: Option<Supply>,
    /// Whose processor time counts.
    pub(crate) processes: Vec<u32>,
    done: Vec<(Round, Duration)>,
}

/// What fills a stock before a round, for work that uses something up.
pub(crate) struct Supply {
    pub(crate) seats: Vec<Seat>,
    pub(crate) stock: Stock,
}

impl Supply {
    /// Fills the stock anew: what a round before left over may have expired.
    async fn fill(&mut self) -> Outcome<()> {
        self.stock.borrow_mut().clear();
        load(&mut self.seats, PATIENCE).await.map(drop)
    }
}

/// One line of the table: what is done, at the limit and by us.
pub(crate) struct Work {
    pub(crate) title: Cow<'static, str>,
    pub(crate) limit: Lane,
    pub(crate) ours: Option<Lane>,
    /// The share of the limit to reach.
    pub(crate) reach: Option<f64>,
}

impl Lane {
    pub(crate) fn new(name: impl Into<Cow<'static, str>>, seats: Vec<Seat>, processes: Vec<u32>) -> Self {
        Self { name: name.into(), seats, supply: None, processes, done: Vec::new() }
    }

    async fn measure(&mut self, length: Duration) -> Outcome<(Round, Duration)> {
        // A supplier stops by itself when the stock is full.
        if let Some(supply) = &mut self.supply {
            supply.fill().await?;
        }
        let before = cpu::used(&self.processes);
        let round = load(&mut self.seats, length).await?;
        Ok((round, cpu::used(&self.processes).saturating_sub(before)))
    }

    async fn round(&mut self, length: Duration, title: &str) -> Outcome<()> {
        let measured =
            self.measure(length).await.map_err(|error| format!("{title}, {}: {error}", self.name))?;
        self.done.push(measured);
        Ok(())
    }

    fn side(&self) -> Side {
        Side::of(self.name.clone(), &self.done)
    }
}

impl Work {
    async fn round(&mut self, length: Duration) -> Outcome<()> {
        self.limit.round(length, &self.title).await?;
        if let Some(ours) = &mut self.ours {
            ours.round(length, &self.title).await?;
        }
        Ok(())
    }

    /// Pools and caches are warm before anything counts.
    fn forget(&mut self) {
        self.limit.done.clear();
        if let Some(ours) = &mut self.ours {
            ours.done.clear();
        }
    }

    fn row(&self, engine: Engine) -> Row {
        let ours = self.ours.as_ref().map(Lane::side);
        Row {
            engine: engine.name(),
            title: self.title.clone(),
            limit: self.limit.side(),
            ours,
            reach: self.reach,
        }
    }
}

/// Runs and prints.
pub(crate) async fn run(options: &Options) -> Outcome<()> {
    let extent = options.extent()?;
    let tokens = if options.sizes.is_empty() { vec![extent.tokens] } else { options.sizes.clone() };
    let mut report = Report::new(extent, tokens);
    if crate::children::cores().is_none() {
        report.remark("one core, or no taskset: servers and load share it, and the figures show that");
    }
    for engine in [Engine::Sqlite, Engine::Postgres] {
        if options.engine.is_some_and(|only| only != engine) {
            continue;
        }
        // A smoke run asks for no second engine.
        if engine == Engine::Postgres && options.quick && options.engine.is_none() {
            continue;
        }
        match storage(engine).await {
            Ok(storage) if options.search.is_some() => {
                search::on(storage, options.search.unwrap_or_default()).await?;
            }
            Ok(storage) if options.replay.is_some() => replay::on(storage, options, extent).await?,
            Ok(storage) if options.waiting.is_some() => {
                let count = options.waiting.unwrap_or_default();
                waiting::on(storage, (options, count), extent, &mut report).await?;
            }
            Ok(storage) if options.crowd => crowd::on(storage, options, extent, &mut report).await?,
            Ok(storage) if options.sizes.is_empty() => on(storage, options, extent, &mut report).await?,
            Ok(storage) => sizes::on(storage, options, extent, &mut report).await?,
            Err(error) if options.engine.is_none() => {
                report.remark(&format!("no {}: {error}", engine.name()));
            }
            Err(error) => return Err(error),
        }
    }
    if options.replay.is_some() || options.search.is_some() { Ok(()) } else { report.print(options.json) }
}

async fn storage(engine: Engine) -> Outcome<Storage> {
    match engine {
        Engine::Sqlite => Storage::sqlite(),
        Engine::Postgres => Storage::postgres().await,
    }
}

async fn on(storage: Storage, options: &Options, extent: Extent, report: &mut Report) -> Outcome<()> {
    let engine = storage.engine;
    if let Some(remark) = storage.remark() {
        report.remark(remark);
    }
    let (stage, start) = Stage::set(&storage, options, extent).await?;
    let mut works = works::all(&stage, extent, options.only.as_deref()).await?;
    works.extend(upstream::all(&stage, extent, options.only.as_deref()).await?);
    measure(engine, &mut works, extent, report).await?;
    report.start(start.loaded(&stage));
    drop(works);
    drop(stage);
    storage.close().await
}

/// Everything in turn, round after round, so that what wavers wavers for all.
async fn measure(engine: Engine, works: &mut [Work], extent: Extent, report: &mut Report) -> Outcome<()> {
    let warm = extent.length / 5;
    for work in &mut *works {
        work.round(warm).await?;
        work.forget();
    }
    for number in 1..=extent.rounds {
        eprintln!("{}: round {number} of {}", engine.name(), extent.rounds);
        for work in &mut *works {
            work.round(extent.length).await?;
        }
    }
    for work in &*works {
        report.row(work.row(engine));
    }
    Ok(())
}

/// An empty stock.
pub(crate) fn stock() -> Stock {
    Stock::default()
}
