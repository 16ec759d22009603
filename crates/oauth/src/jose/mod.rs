//! Signed tokens (RFC 7515, 7517, 7518, 7638, 8037, under the advice of RFC 8725): algorithms, keys, compact JWS, and the
//! claims that both servers must agree on.
//!
//! Owns the envelope (what is parsed, which key fits which algorithm, what is never believed) and what a signed access
//! token says ([`AccessTokenClaims`]). The mathematics is aws-lc-rs's. No I/O; keys and times arrive as values.

mod access_token;
mod algorithm;
mod audience;
mod jwk;
mod jws;
mod numeric_date;
mod signing;

pub use access_token::AccessTokenClaims;
pub use algorithm::Algorithm;
pub use audience::single_audience;
pub use jwk::{Jwk, JwkError, JwkSet};
pub use jws::{Jws, JwsError};
pub(crate) use numeric_date::time;
pub use signing::{SigningError, SigningKey};
