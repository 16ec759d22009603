//! Checkpoints: what the end of a chain was at a time, signed, and kept outside the database.
//!
//! A chain is not secret: whoever can write to the database can cut its tail, or write it anew from any record on. Checkpoints
//! outside are what shows it: a line in the log and in a file a day, `audit-YYYY-MM-DD.jsonl`. The signature is made by whoever
//! assembles the server, with a key that the database does not hold.

use std::path::Path;

use portcullis_oauth::Timestamp;
use serde::{Deserialize, Serialize};

use crate::chain::Head;
use crate::daily;
use crate::digest::Digest;

/// Makes and checks signatures with a key that is not in the database.
pub trait Signer: Send + Sync + std::fmt::Debug {
    /// The signature of a text, as printable ASCII.
    fn sign(&self, text: &[u8]) -> String;

    /// Whether the signature is of this text and ours.
    fn is_ours(&self, text: &[u8], signature: &str) -> bool;
}

/// What is signed. A checkpoint that somebody found in a file must not become the base of a chain whose records they deleted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    Checkpoint,
    Base,
}

/// The end of a chain at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::FromRow)]
pub struct Checkpoint {
    /// The node that keeps the chain.
    pub node: String,
    /// The place of the last record.
    pub sequence: i64,
    /// Its hash.
    pub hash: String,
    /// When it was the last: unix microseconds.
    pub at: Timestamp,
    /// Who says so; empty where nobody signs.
    pub signature: String,
}

impl Checkpoint {
    pub(crate) fn sign(
        (node, head): (&str, Head),
        at: Timestamp,
        purpose: Purpose,
        signer: Option<&dyn Signer>,
    ) -> Self {
        let Head { sequence, hash } = head;
        let mut checkpoint = Self { node: node.to_owned(), sequence, hash, at, signature: String::new() };
        if let Some(signer) = signer {
            checkpoint.signature = signer.sign(checkpoint.text(purpose).as_bytes());
        }
        checkpoint
    }

    pub(crate) fn is_signed(&self, purpose: Purpose, signer: &dyn Signer) -> bool {
        signer.is_ours(self.text(purpose).as_bytes(), &self.signature)
    }

    fn text(&self, purpose: Purpose) -> String {
        let what = match purpose {
            Purpose::Checkpoint => "portcullis audit checkpoint v1",
            Purpose::Base => "portcullis audit base v1",
        };
        let digest = Digest::of(what).text(&self.node).number(self.sequence).text(&self.hash);
        digest.number(self.at.micros()).finish()
    }

    /// Appends the checkpoint to its day's file.
    pub(crate) fn append(&self, folder: &Path) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        daily::append(folder, self.at, &line)
    }
}

/// A checkpoint file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// The folder or a file of it cannot be read.
    #[error("cannot read the checkpoints in {0}: {1}; name their folder with --anchors")]
    Unreadable(String, std::io::Error),
    /// A line is not a checkpoint.
    #[error("line {line} of {file} is not a checkpoint; take the file from a copy")]
    Damaged {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
    },
}

/// Checkpoints that were kept outside the database.
#[derive(Clone, Debug, Default)]
pub struct Anchors(pub(crate) Vec<Checkpoint>);

impl Anchors {
    /// Reads every `audit-….jsonl` in `folder`.
    ///
    /// # Errors
    /// When one of them cannot be read or is damaged.
    pub fn read(folder: &Path) -> Result<Self, AnchorError> {
        let unreadable = |path: &Path, error| AnchorError::Unreadable(path.display().to_string(), error);
        let mut checkpoints = Vec::new();
        for path in daily::files(folder).map_err(|error| unreadable(folder, error))? {
            let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?;
            for (number, line) in text.lines().enumerate() {
                let damaged = |_| AnchorError::Damaged { file: path.display().to_string(), line: number + 1 };
                checkpoints.push(serde_json::from_str(line).map_err(damaged)?);
            }
        }
        Ok(Self(checkpoints))
    }

    /// Each of them, the oldest file first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Checkpoint> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use portcullis_oauth::Seconds;

    use super::*;

    #[test]
    fn a_day_has_a_file_for_as_long_as_its_records_are_kept() {
        let (folder, day) = (tempfile::tempdir().unwrap(), Timestamp::from_micros(1_790_000_000_000_000));
        let at = |day| Checkpoint::sign(("one", Head::start()), day, Purpose::Checkpoint, None);
        at(day).append(folder.path()).unwrap();
        at(day.plus(Seconds::days(1))).append(folder.path()).unwrap();
        daily::prune(folder.path(), day).unwrap();
        assert_eq!(Anchors::read(folder.path()).unwrap().iter().len(), 2);
        daily::prune(folder.path(), day.plus(Seconds::days(1))).unwrap();
        assert_eq!(daily::files(folder.path()).unwrap(), [folder.path().join("audit-2026-09-22.jsonl")]);
    }
}
