//! What an approval is for, as one hash: who asks through which grant of which client, where, for which tool as it is
//! described, and with exactly which arguments. The arguments are those that will be sent, in an order of their own, so
//! that the same call written in another order is the same call, and any other is not (T32).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_oauth::{PublicUrl, VerifiedBearer};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::errand::Dispatch;

/// The hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Digest(String);

impl Digest {
    /// The digest of a call that was judged, of a tool that is described so.
    pub(crate) fn of(
        issuer: &PublicUrl,
        bearer: &VerifiedBearer,
        dispatch: &Dispatch,
        description: Option<&Map<String, Value>>,
    ) -> Self {
        let Dispatch { connection, errand, .. } = dispatch;
        let mut parts = json!([
            "mcp-approval/1",
            issuer.as_str(),
            bearer.principal().id,
            bearer.client_id(),
            // Revoked and granted again is another one.
            bearer.grant_id(),
            bearer.resource(),
            connection.id,
            connection.credential_version,
            connection.settings,
            errand.method(),
            errand.clone().into_params(),
            description,
        ]);
        parts.sort_all_objects();
        Self(URL_SAFE_NO_PAD.encode(Sha256::digest(parts.to_string().as_bytes())))
    }

    /// As its column holds it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}
