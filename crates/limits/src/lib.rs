//! Rate limits as a pure function.
//!
//! Owns the decision ([`check`], the generic cell rate algorithm), a bounded table of buckets in memory ([`Limiter`]) and,
//! behind the feature `shared`, the same buckets in a table of the database, for several nodes ([`SharedBuckets`]). Leaves to
//! its callers which buckets exist, how much each allows and what a refusal looks like.

mod gcra;
mod limiter;
#[cfg(feature = "shared")]
mod shared;

pub use gcra::{Quota, State, Verdict, check};
pub use limiter::Limiter;
#[cfg(feature = "shared")]
pub use shared::SharedBuckets;
