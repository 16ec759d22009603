//! Stories of the policy, told through what the crate offers.

mod decisions;
mod examples;
mod lists;
mod memory;
mod monotone;
mod parsing;
mod replay;
mod world;
