//! The chain of one node: which place a record gets, and that no place is given twice.
//!
//! A process remembers the end of its chain, so that appending costs no statement of its own. The unique index over node and
//! place is the verdict: where another process has continued the chain under the same name, ours is refused, is read again and
//! continued behind it, and the log says so. Knows places and hashes; who appends what is the group's and the seal's to say.

use portcullis_database::{Database, DatabaseError, on};
use tokio::sync::{Mutex, MutexGuard};

use crate::record::Happening;

/// The last record of a chain.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct Head {
    pub(crate) sequence: i64,
    pub(crate) hash: String,
}

impl Head {
    /// Before the first record.
    pub(crate) fn start() -> Self {
        Self { sequence: 0, hash: String::new() }
    }

    /// The head once this record is appended.
    pub(crate) fn followed_by(&self, node: &str, happening: &Happening<'_>) -> Self {
        let sequence = self.sequence + 1;
        Self { sequence, hash: happening.hash(node, sequence, &self.hash) }
    }

    /// The head as the database knows it.
    pub(crate) async fn read(database: &Database, node: &str) -> Result<Self, DatabaseError> {
        let last = "SELECT sequence, hash FROM audit_event WHERE node = $1 AND sequence IS NOT NULL \
                    ORDER BY sequence DESC LIMIT 1";
        let base = "SELECT sequence, hash FROM audit_base WHERE node = $1";
        for sql in [last, base] {
            let found: Option<Self> =
                on!(database.read(), |pool| sqlx::query_as(sql).bind(node).fetch_optional(pool).await)?;
            if let Some(head) = found {
                return Ok(head);
            }
        }
        Ok(Self::start())
    }
}

/// The chain of this process's node.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) database: Database,
    head: Mutex<Option<Head>>,
}

impl Chain {
    pub(crate) fn over(database: Database) -> Self {
        Self { database, head: Mutex::default() }
    }

    pub(crate) fn node(&self) -> &str {
        self.database.node()
    }

    /// The end of the chain, for one who appends: nobody else in this process does meanwhile.
    pub(crate) async fn end(&self) -> Result<End<'_>, DatabaseError> {
        let mut head = self.head.lock().await;
        let now = match head.take() {
            Some(head) => head,
            None => Head::read(&self.database, self.node()).await?,
        };
        Ok(End { head, now })
    }
}

/// The end of the chain in the hands of one who appends. Dropped without [`moved`](Self::moved) it is forgotten, and read again:
/// whether a statement that failed was committed is not known.
pub(crate) struct End<'a> {
    head: MutexGuard<'a, Option<Head>>,
    now: Head,
}

impl End<'_> {
    pub(crate) fn head(&self) -> &Head {
        &self.now
    }

    /// What was appended is committed.
    pub(crate) fn moved(mut self, to: Head) {
        *self.head = Some(to);
    }
}

/// Tells of a second process under the same name.
pub(crate) fn tell_of_fork(node: &str) {
    tracing::error!(
        node,
        "another process appends to the audit chain of this node; its records are kept behind ours, but give each process a name of its own with the setting node"
    );
}
