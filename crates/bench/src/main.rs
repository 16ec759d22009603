//! The speed harness: `cargo run --release -p portcullis-bench`.
//!
//! Owns the load generator, the floor (handlers that commit or read the same rows and do nothing else), and the report.
//! It starts what it needs as children on one core, loads them from another, side by side in interleaved rounds, and
//! prints how far the server is from the limit. Only ratios travel between machines; nothing here is a timed test.

mod apart;
mod children;
mod cpu;
mod crowd;
mod decisions;
mod echo;
mod floor;
mod http;
mod lanes;
mod load;
mod postgres;
mod product;
mod report;
mod run;
mod seed;
mod storage;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What can go wrong here ends the run with one sentence.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Measures Portcullis against the floor, side by side.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "portcullis-bench",
    version,
    after_help = "\
PostgreSQL: with PORTCULLIS_BENCH_POSTGRES=postgres://… that server is used (databases are created and dropped there);
without it, Debian's programs run a private cluster as an unprivileged user; without those, SQLite alone is measured."
)]
pub(crate) struct Options {
    /// A smoke run: everything once, for a moment. Its figures mean nothing
    #[arg(long)]
    quick: bool,
    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,
    /// Measure on this engine only
    #[arg(long, value_enum)]
    engine: Option<Engine>,
    /// Measure only work whose title contains TEXT, with its limit
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Interleaved rounds [default: 5]
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds of each measurement in a round [default: 1.5]
    #[arg(long)]
    seconds: Option<f64>,
    /// Live access tokens in each database [default: 100000]
    #[arg(long)]
    tokens: Option<u32>,
    /// Measure introspection with so many live tokens instead, all sizes side by side: 1000,100000,1000000
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', conflicts_with_all = ["only", "tokens"])]
    sizes: Vec<u32>,
    /// Measure so many single decisions of the policy instead, with 10 to 1,000 policies each; needs no server [default: 20000]
    #[arg(long, value_name = "NUMBER", num_args = 0..=1, default_missing_value = "20000")]
    #[arg(conflicts_with_all = ["only", "tokens", "sizes", "engine"])]
    decisions: Option<usize>,
    /// Make so many calls and measure how long it takes to decide them again under another policy, instead
    #[arg(long, value_name = "CALLS", conflicts_with_all = ["only", "sizes", "json", "decisions"])]
    replay: Option<usize>,
    /// Make so many audit events and measure how long a search takes by each filter, instead
    #[arg(long, value_name = "EVENTS", conflicts_with_all = ["only", "sizes", "json", "decisions", "replay"])]
    search: Option<u32>,
    /// What audit events wait for at the server: engine, strict or relaxed
    #[arg(long, value_name = "WORD")]
    durability: Option<String>,
    /// Measure lists of tools instead, for 100 users with ten connections each of which a third is dead
    #[arg(long, conflicts_with_all = ["only", "sizes"])]
    crowd: bool,
    /// Measure calls while so many others wait for a person, instead [default: 500]
    #[arg(long, value_name = "CALLS", num_args = 0..=1, default_missing_value = "500")]
    #[arg(conflicts_with_all = ["only", "sizes", "decisions", "replay", "crowd"])]
    waiting: Option<usize>,
    /// Measure this `portcullis` binary instead of the one inside this program
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
}

/// A database engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    /// The embedded default.
    Sqlite,
    /// Production.
    Postgres,
}

impl Engine {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub(crate) rounds: usize,
    pub(crate) length: Duration,
    /// Connections of an ordinary measurement.
    pub(crate) connections: usize,
    /// Connections of the one that shows what overload costs; none when quick.
    pub(crate) crowd: Option<usize>,
    pub(crate) tokens: u32,
    /// Codes that are redeemed in one round.
    pub(crate) codes: usize,
}

impl Options {
    fn extent(&self) -> Outcome<Extent> {
        let usual = if self.quick {
            Extent {
                rounds: 1,
                length: Duration::from_millis(150),
                connections: 4,
                crowd: None,
                tokens: 600,
                codes: 8,
            }
        } else {
            let length = Duration::from_millis(1_500);
            Extent { rounds: 5, length, connections: 16, crowd: Some(64), tokens: 100_000, codes: 2_000 }
        };
        Ok(Extent {
            rounds: self.rounds.unwrap_or(usual.rounds).max(1),
            length: self.seconds.map_or(Ok(usual.length), Duration::try_from_secs_f64)?,
            tokens: self.tokens.unwrap_or(usual.tokens).max(64),
            ..usual
        })
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    // What the children of a run are: this program again.
    let done = match arguments.next().as_ref().and_then(|word| word.to_str()) {
        Some(children::FLOOR) => floor::serve(),
        Some(children::PRODUCT) => product::serve(),
        Some(children::APART) => apart::serve(),
        Some(children::ECHO) => echo::serve(),
        _ => measure(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("portcullis-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Outcome<()> {
    let options = Options::parse();
    if let Some(count) = options.decisions {
        return decisions::run(&options, count);
    }
    children::move_to_load_core();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // The children are told to die with the thread that made them: it is this one, which lives as long as the run.
    tokio::task::LocalSet::new().block_on(&runtime, run::run(&options))
}
