//! Two engines behind one name.
//!
//! Owns: opening SQLite or PostgreSQL, the migrator, transactions, the `change` table that tells every process which
//! cached fact is stale, values remembered until it does, and (behind the feature `testing`) the harness that tells a story on both engines. Knows no
//! table of others: each crate's SQL stands beside the code that needs it, one text for both engines.

mod backend;
mod change;
mod durability;
mod error;
mod feed;
mod inspection;
mod open;
mod remembered;
mod rows;
#[cfg(feature = "testing")]
pub mod testing;
mod transaction;
mod verdict;

pub use backend::Backend;
pub use change::{Change, ChangeKind};
pub use error::{DatabaseError, OpenError};
pub use feed::{ChangeFeed, ChangeListener, Stamp};
pub use inspection::{HARMFUL_SKEW, Inspection, Step};
pub use open::Database;
pub use remembered::Remembered;
pub use rows::Insert;
pub use transaction::Transaction;
pub use verdict::Verdict;
