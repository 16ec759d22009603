//! Verification: every chain is walked from its base to its end, and the first record that is not what it was is named.
//!
//! Seen from inside: a record that was changed, removed, put in another place or put in between. With checkpoints from outside
//! also: a tail that was cut off, and a chain that was written anew. Not seen: what was removed or changed after the last
//! checkpoint by somebody who also wrote everything behind it anew, and a record that still waited for its place.

mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use portcullis_database::{Database, DatabaseError, on};

use self::walk::Walk;
use crate::checkpoint::{Anchors, Checkpoint, Signer};
use crate::retention;

/// What came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// Each chain, by the name of its node.
    pub chains: Vec<ChainReport>,
    /// Records that were committed within a transaction and wait for their place, which they get within a second while a
    /// server runs.
    pub waiting: i64,
}

impl Verification {
    /// Whether every record is what it was.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.faults().next().is_none()
    }

    /// The first fault of each chain that has one.
    pub fn faults(&self) -> impl Iterator<Item = (&str, &Fault)> {
        self.chains.iter().filter_map(|chain| Some((chain.node.as_str(), chain.fault.as_ref()?)))
    }
}

/// What came out for one chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainReport {
    /// The node that keeps it.
    pub node: String,
    /// The place of the last record that retention deleted; 0 where none was.
    pub base: i64,
    /// The place of the last record that was found to be good.
    pub last: i64,
    /// How many records were found to be good.
    pub records: u64,
    /// Of how many of them a person's data were erased.
    pub erased: u64,
    /// With how many checkpoints it agrees.
    pub anchors: u64,
    /// The first thing that is wrong.
    pub fault: Option<Fault>,
}

/// What is wrong with a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The record at this place was changed, or another put there.
    Changed {
        /// The place.
        sequence: i64,
        /// The record's name.
        id: String,
    },
    /// Records are not there.
    Missing {
        /// The first of them.
        from: i64,
        /// The last of them.
        to: i64,
    },
    /// A person's data were removed from the record, but no erasure tells of it.
    ErasedUntold {
        /// The place.
        sequence: i64,
        /// The record's name.
        id: String,
    },
    /// The note of what retention deleted is not signed by this server.
    BaseUnsigned {
        /// The place of the last record that it says was deleted.
        sequence: i64,
    },
    /// A checkpoint is not signed by this server.
    AnchorUnsigned {
        /// The place that it is about.
        sequence: i64,
    },
    /// The record at this place is not the one that the checkpoint saw there: the chain was written anew, somewhere after
    /// the last checkpoint with which it agrees.
    Rewritten {
        /// The place of the last checkpoint with which it agrees.
        after: i64,
        /// The place.
        sequence: i64,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { sequence, id } => write!(f, "record {sequence} ({id}) is not what it was"),
            Self::Missing { from, to } if from == to => write!(f, "record {from} is missing"),
            Self::Missing { from, to } => write!(f, "records {from} to {to} are missing"),
            Self::ErasedUntold { sequence, id } => {
                write!(f, "record {sequence} ({id}) was emptied, and no erasure tells of it")
            }
            Self::BaseUnsigned { sequence } => write!(
                f,
                "the records up to {sequence} are missing, and it was not this server's retention that deleted them"
            ),
            Self::AnchorUnsigned { sequence } => {
                write!(f, "the checkpoint of record {sequence} is not signed by this server")
            }
            Self::Rewritten { after, sequence } => write!(
                f,
                "record {sequence} is not the one that a checkpoint saw: the records after {after} were written anew"
            ),
        }
    }
}

/// Walks every chain.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn verify(
    database: &Database,
    anchors: &Anchors,
    signer: Option<&dyn Signer>,
) -> Result<Verification, DatabaseError> {
    let mut of_nodes: BTreeMap<String, Vec<&Checkpoint>> = BTreeMap::new();
    for node in retention::nodes(database).await? {
        of_nodes.entry(node).or_default();
    }
    for anchor in &anchors.0 {
        of_nodes.entry(anchor.node.clone()).or_default().push(anchor);
    }
    let (mut chains, mut erasures) = (Vec::new(), BTreeMap::new());
    for (node, mut anchors) in of_nodes {
        anchors.sort_by_key(|anchor| anchor.sequence);
        let walk = Walk::begin(database, &node, signer).await?;
        chains.push(walk.along(database, &anchors, &mut erasures).await?);
    }
    untold(database, &mut chains, erasures).await?;
    let waiting = on!(database.read(), |pool| {
        sqlx::query_scalar("SELECT COUNT(*) FROM audit_event WHERE sequence IS NULL").fetch_one(pool).await
    })?;
    Ok(Verification { chains, waiting })
}

/// Where a record was emptied: its chain and place.
type Emptied = (String, i64, String);

/// Each erasure told how many records it emptied; more were emptied by somebody else.
async fn untold(
    database: &Database,
    chains: &mut [ChainReport],
    erasures: BTreeMap<String, BTreeSet<Emptied>>,
) -> Result<(), DatabaseError> {
    let sql =
        "SELECT detail FROM audit_event WHERE id = $1 AND action = 'audit.erasure' AND erased_by IS NULL";
    for (erasure, emptied) in erasures {
        let detail: Option<Option<String>> =
            on!(database.read(), |pool| sqlx::query_scalar(sql).bind(&erasure).fetch_optional(pool).await)?;
        let told = detail.flatten().and_then(|detail| serde_json::from_str(&detail).ok());
        let told = told.and_then(|told: serde_json::Value| told.get("records")?.as_u64()).unwrap_or(0);
        if u64::try_from(emptied.len()).unwrap_or(u64::MAX) <= told {
            continue;
        }
        for (node, sequence, id) in emptied {
            let chain = chains.iter_mut().find(|chain| chain.node == node);
            if let Some(fault @ None) = chain.map(|chain| &mut chain.fault) {
                *fault = Some(Fault::ErasedUntold { sequence, id });
            }
        }
    }
    Ok(())
}
