//! Authorization server metadata (RFC 8414 §3), at its own well-known place and at the one of OpenID Connect Discovery,
//! where some MCP clients look alone (R8414-5-1, MCP-AUTH-4). Without OpenID Connect it claims no ID tokens (OIDC-D-3-1).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::X_CONTENT_TYPE_OPTIONS;
use axum::response::{IntoResponse, Response};
use portcullis_oauth::AuthorizationServerMetadata;
use portcullis_oauth::dpop::{self, DpopUse};

use crate::Core;
use crate::settings::{ClientDocuments, Registration};

pub(crate) async fn document(State(core): State<Arc<Core>>) -> Response {
    let mut document = AuthorizationServerMetadata::new(core.public_url());
    if core.settings.openid {
        document = document.with_openid();
    }
    if core.settings.registration == Registration::Off {
        document.registration_endpoint = None;
    }
    document.require_pushed_authorization_requests = core.settings.require_pushed_authorization_requests;
    document.client_id_metadata_document_supported = core.settings.client_documents != ClientDocuments::Off;
    if core.dpop.used() != DpopUse::Off {
        document.dpop_signing_alg_values_supported = dpop::algorithms();
    }
    ([(X_CONTENT_TYPE_OPTIONS, "nosniff")], Json(document)).into_response()
}
