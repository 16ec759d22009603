//! What a run found: as tables for people, in the form that `docs/performance.md` takes, or as JSON.

use std::borrow::Cow;
use std::time::Duration;

use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;
use serde::Serialize;

use crate::load::Round;
use crate::run::{Gathering, Start, Waiting};
use crate::{Extent, Outcome};

/// One side of a comparison.
#[derive(Debug, Serialize)]
pub(crate) struct Side {
    pub(crate) name: Cow<'static, str>,
    /// Operations a second: the median of the rounds.
    pub(crate) rate: f64,
    pub(crate) p50_micros: f64,
    pub(crate) p99_micros: f64,
    /// Processor time of server and database for one operation.
    pub(crate) cpu_micros: f64,
    /// How much of the time the servers' core worked; where it is not near one, something else was the limit.
    pub(crate) busy: f64,
    #[serde(skip)]
    rates: Vec<f64>,
}

/// One line of the table.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) engine: &'static str,
    pub(crate) title: Cow<'static, str>,
    pub(crate) limit: Side,
    pub(crate) ours: Option<Side>,
    pub(crate) reach: Option<f64>,
}

/// Everything of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    rounds: usize,
    seconds: f64,
    live_tokens: Vec<u32>,
    remarks: Vec<String>,
    rows: Vec<Row>,
    starts: Vec<Start>,
    gatherings: Vec<Gathering>,
    waitings: Vec<Waiting>,
}

impl Side {
    /// What these rounds, each with its processor time, come to.
    pub(crate) fn of(name: Cow<'static, str>, rounds: &[(Round, Duration)]) -> Self {
        let rates: Vec<f64> = rounds.iter().map(|(round, _)| round.rate()).collect();
        let mut times: Vec<u32> = rounds.iter().flat_map(|(round, _)| round.times.iter().copied()).collect();
        times.sort_unstable();
        let count = f64::from(u32::try_from(times.len()).unwrap_or(u32::MAX)).max(1.0);
        let cpu: f64 = rounds.iter().map(|(_, cpu)| cpu.as_secs_f64()).sum();
        let elapsed: f64 = rounds.iter().map(|(round, _)| round.elapsed.as_secs_f64()).sum();
        Self {
            name,
            rate: median(&rates),
            p50_micros: percentile(&times, 50),
            p99_micros: percentile(&times, 99),
            cpu_micros: cpu * 1e6 / count,
            busy: cpu / elapsed.max(1e-9),
            rates,
        }
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// In microseconds, of sorted nanoseconds.
fn percentile(sorted: &[u32], part: usize) -> f64 {
    let place = (sorted.len() * part / 100).min(sorted.len().saturating_sub(1));
    f64::from(sorted.get(place).copied().unwrap_or_default()) / 1e3
}

impl Row {
    /// Ours as a share of the limit: the median over rounds, each of which had both sides one after the other.
    fn ratio(&self) -> Option<f64> {
        let ours = self.ours.as_ref()?;
        let shares: Vec<f64> =
            self.limit.rates.iter().zip(&ours.rates).map(|(limit, ours)| ours / limit.max(1e-9)).collect();
        Some(median(&shares))
    }

    fn cells(&self) -> [String; 9] {
        let pair = |value: fn(&Side) -> f64, scale: f64, places: usize| {
            let one = |side: &Side| format!("{:.places$}", value(side) * scale);
            match &self.ours {
                Some(ours) => format!("{} / {}", one(&self.limit), one(ours)),
                None => one(&self.limit),
            }
        };
        let percent =
            |share: Option<f64>| share.map_or("–".to_owned(), |share| format!("{:.0} %", share * 100.0));
        [
            self.title.to_string(),
            self.limit.name.to_string(),
            pair(|side| side.rate, 1.0, 0),
            percent(self.ratio()),
            percent(self.reach),
            pair(|side| side.p50_micros, 1e-3, 2),
            pair(|side| side.p99_micros, 1e-3, 2),
            pair(|side| side.cpu_micros, 1.0, 0),
            pair(|side| side.busy, 100.0, 0),
        ]
    }
}

impl Report {
    /// `live_tokens`: how many there are, at each of the servers.
    pub(crate) fn new(extent: Extent, live_tokens: Vec<u32>) -> Self {
        Self {
            rounds: extent.rounds,
            seconds: extent.length.as_secs_f64(),
            live_tokens,
            remarks: Vec::new(),
            rows: Vec::new(),
            starts: Vec::new(),
            gatherings: Vec::new(),
            waitings: Vec::new(),
        }
    }

    /// Something that the reader must know; said aloud at once.
    pub(crate) fn remark(&mut self, text: &str) {
        eprintln!("portcullis-bench: {text}");
        self.remarks.push(text.to_owned());
    }

    pub(crate) fn row(&mut self, row: Row) {
        self.rows.push(row);
    }

    pub(crate) fn gathering(&mut self, gathering: Gathering) {
        self.gatherings.push(gathering);
    }

    pub(crate) fn waiting(&mut self, waiting: Waiting) {
        self.waitings.push(waiting);
    }

    pub(crate) fn start(&mut self, start: Start) {
        self.starts.push(start);
    }

    pub(crate) fn print(&self, json: bool) -> Outcome<()> {
        if json {
            println!("{}", serde_json::to_string_pretty(self)?);
            return Ok(());
        }
        let tokens: Vec<String> = self.live_tokens.iter().map(ToString::to_string).collect();
        println!(
            "{} rounds of {} s, {} live tokens. Pairs are limit / ours; times in milliseconds, processor time in \
             microseconds an operation.",
            self.rounds,
            self.seconds,
            tokens.join(", ")
        );
        for remark in &self.remarks {
            println!("Note: {remark}.");
        }
        for start in &self.starts {
            println!("\n## {}\n", start.engine);
            if self.rows.iter().any(|row| row.engine == start.engine) {
                println!("{}\n", self.table(start.engine));
            }
            for gathering in self.gatherings.iter().filter(|gathering| gathering.engine == start.engine) {
                println!("{}\n", gathering.sentence());
            }
            for waiting in self.waitings.iter().filter(|waiting| waiting.engine == start.engine) {
                println!("{}\n", waiting.sentence());
            }
            println!("{}", start.sentence());
        }
        Ok(())
    }

    fn table(&self, engine: &str) -> Table {
        let mut table = Table::new();
        table.load_style(ASCII_MARKDOWN).set_header([
            "work",
            "limit",
            "a second",
            "of the limit",
            "reach",
            "p50 ms",
            "p99 ms",
            "CPU µs",
            "core busy %",
        ]);
        for row in self.rows.iter().filter(|row| row.engine == engine) {
            table.add_row(row.cells());
        }
        table
    }
}
