//! Signed tokens (RFC 7515, 7517, 7518, 7638, 8037, under the advice of RFC 8725): algorithms, keys, compact JWS, and the
//! claims that both servers must agree on.
//!
//! Owns the envelope (what is parsed, which key fits which algorithm, what is never believed), what a signed access token
//! says ([`AccessTokenClaims`]), an ID token ([`IdTokenClaims`]) and a logout token ([`LogoutTokenClaims`]), and what proves
//! a client ([`ClientAssertion`], [`ClientKeys`]). The mathematics is aws-lc-rs's. No I/O; keys and times arrive as values.

mod access_token;
mod assertion;
mod audience;
mod client_keys;
mod id_token;
mod jwk;
mod jws;
mod logout_token;
mod numeric_date;
mod signing;

pub use access_token::AccessTokenClaims;
pub use assertion::{AssertionAudience, AssertionError, ClientAssertion, OneUse};
pub use audience::single_audience;
pub use client_keys::{ClientKeys, ClientKeysError};
pub use id_token::{IdTokenClaims, IdTokenHint};
pub use jwk::{Jwk, JwkError, JwkSet};
pub use jws::{Jws, JwsError};
pub use logout_token::LogoutTokenClaims;
pub(crate) use numeric_date::time;
pub use signing::{SigningError, SigningKey};

pub use crate::Algorithm;
