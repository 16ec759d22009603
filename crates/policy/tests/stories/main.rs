//! Stories of the policy, told through what the crate offers.

mod decisions;
mod examples;
mod lists;
mod monotone;
mod parsing;
mod replay;
mod world;
