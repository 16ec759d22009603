//! The keys that verify what this server signs (RFC 7517 §5, `jwks_uri` of RFC 8414 §2): public halves alone.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use portcullis_oauth::Algorithm;

use crate::Core;
use crate::refusal::Refusal;

/// Shorter than a new key is published ahead (KEYS-7517-2).
const CACHED: &str = "public, max-age=300";

/// `GET /oauth/jwks.json`
pub(crate) async fn document(State(core): State<Arc<Core>>) -> Result<Response, Refusal> {
    let now = core.clock.now();
    // Somebody who looks before anything was signed must find the key that will sign.
    core.signing.signer(core.settings.signing_algorithm, now).await?;
    if core.settings.openid {
        // Of ID tokens too, whatever their clients have chosen (OIDC-D-3-1).
        for algorithm in Algorithm::ALL {
            core.signing.signer(algorithm, now).await?;
        }
    }
    let keys = core.signing.published(now).await?;
    Ok(([(CACHE_CONTROL, CACHED), (X_CONTENT_TYPE_OPTIONS, "nosniff")], Json(keys)).into_response())
}
