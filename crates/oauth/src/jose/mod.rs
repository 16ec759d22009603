//! Signed tokens (RFC 7515, 7517, 7518, 7638, 8037, under the advice of RFC 8725): algorithms, keys, compact JWS.
//!
//! Owns the envelope: what is parsed, which key fits which algorithm, what is never believed. The mathematics is
//! aws-lc-rs's. What a token's claims mean is its reader's business. No I/O; a set of keys arrives as a value.

mod algorithm;
mod audience;
mod jwk;
mod jws;
mod signing;

pub use algorithm::Algorithm;
pub use audience::single_audience;
pub use jwk::{Jwk, JwkError, JwkSet};
pub use jws::{Jws, JwsError};
pub use signing::{SigningError, SigningKey};
