//! Rate limits as a pure function.
//!
//! Owns the decision ([`check`], the generic cell rate algorithm) and a bounded table of buckets in memory
//! ([`Limiter`]). Leaves to its callers which buckets exist, how much each allows and what a refusal looks like.

mod gcra;
mod limiter;

pub use gcra::{Quota, State, Verdict, check};
pub use limiter::Limiter;
