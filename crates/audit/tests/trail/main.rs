//! Stories about the paper trail: its chain, what is seen of tampering, and what retention and erasure leave.

mod chain;
mod kept;
mod stage;
mod tamper;
