//! Sinks: where records go besides the database. How far each chain was taken is a row, written once the sink has what it
//! took: after a crash it is given the last of them again, and never misses one. Knows chains and rows; what a sink does with
//! records is its own.

mod files;
mod place;

use std::fmt::Debug;
use std::sync::Arc;

use portcullis_database::{Database, DatabaseError, on};
use portcullis_oauth::{BoxFuture, Timestamp};

pub use self::files::DailyFiles;
use crate::record::Kept;
use crate::retention;
use crate::select::select;

/// So many records are given at once.
const BATCH: i64 = 100;

/// Which chains a sink is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkReach {
    /// Those of this node and of its command line: each node has a sink of its own.
    Own,
    /// All of them, by whichever node has its turn.
    All,
}

/// Why records could not be taken, in words for the log.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SinkError(pub String);

/// Where records go.
pub trait Sink: Send + Sync + Debug {
    /// Its name: what was taken is kept under it, and metrics show it.
    fn name(&self) -> &'static str;

    /// Which chains it is given.
    fn reach(&self) -> SinkReach;

    /// Takes records, in the order of their chain. Once it said yes they are not given again; before, they may be.
    fn take<'a>(&'a self, records: &'a [Kept]) -> BoxFuture<'a, Result<(), SinkError>>;

    /// Forgets what is from before this time, where it is the sink's to forget.
    fn forget(&self, _before: Timestamp) {}
}

/// Why shipping did not go on.
#[derive(Debug, thiserror::Error)]
pub enum ShippingError {
    /// The sink did not take what it was given.
    #[error("the sink {0} did not take records: {1}")]
    Sink(&'static str, SinkError),
    /// The database does not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Gives a sink what it has not had.
#[derive(Clone, Debug)]
pub struct Shipping {
    database: Database,
    sink: Arc<dyn Sink>,
}

impl Shipping {
    /// From this database, as the node that it is.
    #[must_use]
    pub fn new(database: Database, sink: Arc<dyn Sink>) -> Self {
        Self { database, sink }
    }

    /// The sink.
    #[must_use]
    pub fn sink(&self) -> &dyn Sink {
        &*self.sink
    }

    /// Gives the sink everything that it has not had, and says how many records that were. Nothing where it is another
    /// node's turn.
    ///
    /// # Errors
    /// When it did not take something; what it took before that is not given again.
    pub async fn ship(&self, now: Timestamp) -> Result<u64, ShippingError> {
        let mut shipped = 0;
        for chain in self.chains().await? {
            // Most of the time there is nothing, and then nobody needs a turn.
            while !self.waiting(&chain).await?.1.is_empty() {
                if !self.is_our_turn(now).await? {
                    return Ok(shipped);
                }
                // Read anew: somebody else may have had the turn until now.
                let (after, records) = self.waiting(&chain).await?;
                shipped += self.give(&chain, after, &records).await?;
            }
        }
        Ok(shipped)
    }

    async fn is_our_turn(&self, now: Timestamp) -> Result<bool, DatabaseError> {
        match self.sink.reach() {
            SinkReach::Own => Ok(true),
            SinkReach::All => place::turn(&self.database, self.sink.name(), now).await,
        }
    }

    async fn chains(&self) -> Result<Vec<String>, DatabaseError> {
        let mut chains = retention::nodes(&self.database).await?;
        if self.sink.reach() == SinkReach::Own {
            let node = self.database.node();
            chains.retain(|chain| chain.trim_end_matches("-cli") == node.trim_end_matches("-cli"));
        }
        Ok(chains)
    }

    /// How far the sink took a chain, and what comes next.
    async fn waiting(&self, chain: &str) -> Result<(i64, Vec<Kept>), DatabaseError> {
        let after = place::read(&self.database, self.sink.name(), chain).await?;
        let sql = select!("WHERE node = $1 AND sequence > $2 ORDER BY sequence LIMIT $3");
        let records = on!(self.database.read(), |pool| sqlx::query_as(sql)
            .bind(chain)
            .bind(after)
            .bind(BATCH)
            .fetch_all(pool)
            .await)?;
        Ok((after, records))
    }

    async fn give(&self, chain: &str, after: i64, records: &[Kept]) -> Result<u64, ShippingError> {
        let name = self.sink.name();
        let of = |record: Option<&Kept>| record.and_then(|record| record.sequence);
        let (Some(first), Some(last)) = (of(records.first()), of(records.last())) else { return Ok(0) };
        if after > 0 && first > after + 1 {
            let missed = first - after - 1;
            tracing::error!(sink = name, chain, missed, "retention deleted records that the sink never had");
        }
        if let Err(error) = self.sink.take(records).await {
            metrics::counter!("portcullis_audit_sink_failures_total", "sink" => name).increment(1);
            return Err(ShippingError::Sink(name, error));
        }
        place::write(&self.database, name, (chain, last)).await?;
        Ok(u64::try_from(records.len()).unwrap_or_default())
    }
}

/// Records as JSON Lines.
#[must_use]
pub fn json_lines(records: &[Kept]) -> String {
    let mut lines = String::new();
    for record in records {
        lines.push_str(&record.to_json().to_string());
        lines.push('\n');
    }
    lines
}
