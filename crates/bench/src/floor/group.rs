//! Audit rows of the floor, grouped: what waits while a commit is under way goes into the next one together.

use portcullis_database::{Database, on};
use portcullis_oauth::{Clock, SystemClock, random_handle};
use sqlx::AssertSqlSafe;
use tokio::sync::{mpsc, oneshot};

use crate::{Outcome, seed};

/// So many rows go into one commit at most.
const MOST: usize = 64;

type Waiting = (&'static str, oneshot::Sender<Result<(), String>>);

/// The one writer of audit rows.
#[derive(Clone)]
pub(super) struct Group(mpsc::UnboundedSender<Waiting>);

impl Group {
    pub(super) fn over(database: Database) -> Self {
        let (sender, mut waiting) = mpsc::unbounded_channel::<Waiting>();
        tokio::spawn(async move {
            let mut batch = Vec::with_capacity(MOST);
            while waiting.recv_many(&mut batch, MOST).await > 0 {
                let written = write(&database, &batch).await.map_err(|error| error.to_string());
                for (_, told) in batch.drain(..) {
                    let _ = told.send(written.clone());
                }
            }
        });
        Self(sender)
    }

    pub(super) async fn record(&self, outcome: &'static str) -> Outcome<()> {
        let (told, written) = oneshot::channel();
        self.0.send((outcome, told)).map_err(|_| "the writer has gone")?;
        written.await?.map_err(Into::into)
    }
}

async fn write(database: &Database, batch: &[Waiting]) -> Outcome<()> {
    let now = SystemClock.now();
    let values: Vec<String> =
        (0..batch.len()).map(|row| format!("(${}, $1, $2, ${}, $3, $4)", 2 * row + 5, 2 * row + 6)).collect();
    let sql = format!(
        "INSERT INTO audit_event (id, at, action, outcome, principal_id, client_id) VALUES {}",
        values.join(", ")
    );
    on!(database.write(), |pool| {
        let mut query = sqlx::query(AssertSqlSafe(sql));
        query = query.bind(now).bind("tools.call").bind(seed::PRINCIPAL).bind(seed::CLIENT);
        for (outcome, _) in batch {
            query = query.bind(random_handle("evt_")).bind(*outcome);
        }
        query.execute(pool).await.map(drop)
    })?;
    Ok(())
}
