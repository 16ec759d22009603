//! One chain, record by record.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_database::{Database, DatabaseError, on};

use super::{ChainReport, Emptied, Fault};
use crate::chain::Head;
use crate::checkpoint::{Checkpoint, Purpose, Signer};
use crate::record::Kept;
use crate::select::select;

/// How far the walk has come.
pub(super) struct Walk<'a> {
    signer: Option<&'a dyn Signer>,
    head: Head,
    report: ChainReport,
    /// The last place where a checkpoint agreed.
    agreed: i64,
}

impl<'a> Walk<'a> {
    /// Begins behind what retention deleted.
    pub(super) async fn begin(
        database: &Database,
        node: &str,
        signer: Option<&'a dyn Signer>,
    ) -> Result<Self, DatabaseError> {
        let base = base(database, node).await?;
        let mut fault = None;
        if let (Some(base), Some(signer)) = (&base, signer)
            && !base.is_signed(Purpose::Base, signer)
        {
            fault = Some(Fault::BaseUnsigned { sequence: base.sequence });
        }
        let head = base.map_or_else(Head::start, |base| Head { sequence: base.sequence, hash: base.hash });
        let report = ChainReport {
            node: node.to_owned(),
            base: head.sequence,
            last: head.sequence,
            records: 0,
            erased: 0,
            anchors: 0,
            fault,
        };
        Ok(Self { signer, head, report, agreed: 0 })
    }

    /// To the end of the chain, or to its first fault. Notes where records were emptied, by the erasure that they name.
    pub(super) async fn along(
        mut self,
        database: &Database,
        anchors: &[&Checkpoint],
        erasures: &mut BTreeMap<String, BTreeSet<Emptied>>,
    ) -> Result<ChainReport, DatabaseError> {
        // What was deleted is judged by its base alone.
        let behind = anchors.partition_point(|anchor| anchor.sequence < self.head.sequence);
        let mut anchors = anchors[behind..].iter().copied().peekable();
        while self.report.fault.is_none() {
            while let Some(anchor) = anchors.next_if(|anchor| anchor.sequence <= self.head.sequence) {
                self.compare(anchor);
            }
            let page = page(database, &self.report.node, self.head.sequence).await?;
            if page.is_empty() {
                break;
            }
            for record in page {
                if self.report.fault.is_some() || self.swept(database, &record).await? {
                    break;
                }
                self.step(&record, erasures);
                while let Some(anchor) = anchors.next_if(|anchor| anchor.sequence <= self.head.sequence) {
                    self.compare(anchor);
                }
            }
        }
        if self.report.fault.is_none() {
            self.report.fault = self.cut(anchors);
        }
        Ok(self.report)
    }

    /// Whether checkpoints saw records behind the last one.
    fn cut<'b>(&self, anchors: impl Iterator<Item = &'b Checkpoint>) -> Option<Fault> {
        let mut cut = None;
        for anchor in anchors {
            let sequence = anchor.sequence;
            if !self.is_ours(anchor) {
                return Some(Fault::AnchorUnsigned { sequence });
            }
            cut = Some(Fault::Missing { from: self.head.sequence + 1, to: sequence });
        }
        cut
    }

    fn is_ours(&self, anchor: &Checkpoint) -> bool {
        self.signer.is_none_or(|signer| anchor.is_signed(Purpose::Checkpoint, signer))
    }

    /// Whether retention went on while we walked: then the walk goes on behind its base.
    async fn swept(&mut self, database: &Database, record: &Kept) -> Result<bool, DatabaseError> {
        if record.sequence == Some(self.head.sequence + 1) {
            return Ok(false);
        }
        match base(database, &self.report.node).await? {
            Some(base) if base.sequence > self.head.sequence => {
                let signed = self.signer.is_none_or(|signer| base.is_signed(Purpose::Base, signer));
                self.report.base = base.sequence;
                if !signed {
                    self.report.fault = Some(Fault::BaseUnsigned { sequence: base.sequence });
                }
                self.head = Head { sequence: base.sequence, hash: base.hash };
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Takes one record.
    fn step(&mut self, record: &Kept, erasures: &mut BTreeMap<String, BTreeSet<Emptied>>) {
        let (expected, id) = (self.head.sequence + 1, record.id.clone());
        let sequence = record.sequence.unwrap_or_default();
        if sequence != expected {
            self.report.fault = Some(Fault::Missing { from: expected, to: sequence - 1 });
            return;
        }
        let payload_hash = record.payload_hash.clone().unwrap_or_default();
        let next = self.head.followed_by(&self.report.node, &record.happening(&payload_hash));
        let whole = match &record.erased_by {
            None => record.payload_hash_now() == payload_hash,
            Some(erasure) => {
                let place = (self.report.node.clone(), sequence, id.clone());
                erasures.entry(erasure.clone()).or_default().insert(place);
                self.report.erased += 1;
                record.is_empty()
            }
        };
        if !whole || record.hash.as_ref() != Some(&next.hash) {
            self.report.fault = Some(Fault::Changed { sequence, id });
            return;
        }
        self.report.records += 1;
        self.report.last = sequence;
        self.head = next;
    }

    /// Compares the record where we stand with what a checkpoint saw there.
    fn compare(&mut self, anchor: &Checkpoint) {
        if self.report.fault.is_some() {
            return;
        }
        let sequence = anchor.sequence;
        if !self.is_ours(anchor) {
            self.report.fault = Some(Fault::AnchorUnsigned { sequence });
        } else if sequence == self.head.sequence && anchor.hash == self.head.hash {
            self.report.anchors += 1;
            self.agreed = sequence;
        } else if sequence == self.head.sequence {
            self.report.fault = Some(Fault::Rewritten { after: self.agreed, sequence });
        }
    }
}

/// What retention said that it deleted.
async fn base(database: &Database, node: &str) -> Result<Option<Checkpoint>, DatabaseError> {
    let sql = "SELECT node, sequence, hash, at, signature FROM audit_base WHERE node = $1";
    Ok(on!(database.read(), |pool| sqlx::query_as(sql).bind(node).fetch_optional(pool).await)?)
}

async fn page(database: &Database, node: &str, after: i64) -> Result<Vec<Kept>, DatabaseError> {
    let sql = select!("WHERE node = $1 AND sequence > $2 ORDER BY sequence LIMIT 1000");
    Ok(on!(database.read(), |pool| sqlx::query_as(sql).bind(node).bind(after).fetch_all(pool).await)?)
}
