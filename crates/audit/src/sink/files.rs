//! The sink of daily files: JSON Lines in `audit-YYYY-MM-DD.jsonl`, by the day of the event. A person's data that are erased in
//! the database stay in them until the file goes.

use std::path::PathBuf;

use portcullis_oauth::{BoxFuture, Timestamp};

use super::{Sink, SinkError, SinkReach, json_lines};
use crate::daily;
use crate::record::Kept;

/// Daily files in a folder.
#[derive(Clone, Debug)]
pub struct DailyFiles(PathBuf);

impl DailyFiles {
    /// In this folder, which is made if need be; not the one for checkpoints.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self(folder)
    }
}

impl Sink for DailyFiles {
    fn name(&self) -> &'static str {
        "files"
    }

    fn reach(&self) -> SinkReach {
        SinkReach::Own
    }

    fn take<'a>(&'a self, records: &'a [Kept]) -> BoxFuture<'a, Result<(), SinkError>> {
        // Of a day each, in their order.
        let days = records.chunk_by(|one, next| daily::file_of(one.at) == daily::file_of(next.at));
        let days: Vec<_> = days.map(|of_a_day| (of_a_day[0].at, json_lines(of_a_day))).collect();
        let folder = self.0.clone();
        Box::pin(async move {
            let shown = folder.display().to_string();
            let written = tokio::task::spawn_blocking(move || {
                days.iter().try_for_each(|(at, lines)| daily::append(&folder, *at, lines.as_bytes()))
            });
            let written = written.await.unwrap_or_else(|lost| Err(std::io::Error::other(lost)));
            written.map_err(|error| SinkError(format!("{shown} cannot be written to: {error}")))
        })
    }

    fn forget(&self, before: Timestamp) {
        if self.0.exists()
            && let Err(error) = daily::prune(&self.0, before)
        {
            tracing::warn!(cause = %error, "old audit files could not be removed");
        }
    }
}
