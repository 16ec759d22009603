//! How the verifiers that run apart speak with the authorization server: by https or on this computer, no further than to
//! the address that they were given, and no longer and no more than an answer is worth.

use std::time::Duration;

use portcullis_oauth::PublicUrl;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, StatusCode};

/// The whole exchange takes no longer.
const DEADLINE: Duration = Duration::from_secs(5);
/// No answer is larger.
const LARGEST: usize = 64 * 1_024;

/// Why a verifier cannot be made, or an answer not had.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// Tokens, secrets or keys would travel in clear.
    #[error("the authorization server must be https://, or on this computer")]
    Insecure,
    /// No connection, no answer in time, or no TLS.
    #[error("the authorization server does not answer")]
    Unreachable(#[from] reqwest::Error),
    /// It refused to say; at introspection 401 and 403 mean that `client_id` and secret are not those of this resource.
    #[error("the authorization server answered with status {0}")]
    Status(StatusCode),
    /// It said something else than its specification has.
    #[error("the authorization server's answer cannot be read")]
    Answer,
    /// It was asked a moment ago, in vain.
    #[cfg(feature = "jwt")]
    #[error("the authorization server's keys are not known, and were asked for a moment ago")]
    AskedBefore,
}

/// A client for what is at `issuer`.
pub(crate) fn client(issuer: &PublicUrl) -> Result<Client, IssuerError> {
    if !issuer.is_https() && !issuer.is_loopback() {
        return Err(IssuerError::Insecure);
    }
    // A redirect would carry what we send to somebody else, or bring somebody else's word back.
    Ok(Client::builder().redirect(Policy::none()).timeout(DEADLINE).build()?)
}

/// The body of a 200, as far as any answer goes.
pub(crate) async fn answer(request: RequestBuilder) -> Result<Vec<u8>, IssuerError> {
    let mut response = request.send().await?;
    if response.status() != StatusCode::OK {
        return Err(IssuerError::Status(response.status()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > LARGEST {
            return Err(IssuerError::Answer);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
