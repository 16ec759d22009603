//! Protected resource metadata (RFC 9728): where a resource's document lies, and the answer itself.

use axum::Json;
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use portcullis_oauth::dpop::DpopUse;
use portcullis_oauth::{ProtectedResourceMetadata, PublicUrl, Resource, ResourceUri};
use tower_http::cors::{AllowHeaders, Any, CorsLayer};

/// The well-known segment.
pub const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The absolute URL of a resource's document: the well-known segment inserted between authority and path (R9728-3-1);
/// the slash of an empty path goes (R9728-3.1-1).
#[must_use]
pub fn metadata_url(resource: &ResourceUri) -> String {
    let text = resource.as_str();
    let authority = text.find("://").map_or(0, |at| at + 3);
    let end = text[authority..].find(['/', '?']).map_or(text.len(), |at| authority + at);
    let (origin, rest) = text.split_at(end);
    let rest = if rest == "/" { "" } else { rest };
    format!("{origin}{WELL_KNOWN}{rest}")
}

/// The document of `resource` as an answer (R9728-3.2-1). Of proofs of possession it says what is on.
#[must_use]
pub fn document(resource: &Resource, authorization_server: &PublicUrl, dpop: DpopUse) -> Response {
    let mut document = ProtectedResourceMetadata::new(resource, authorization_server);
    if dpop != DpopUse::Off {
        document.dpop_signing_alg_values_supported = proof_algorithms();
        document.dpop_bound_access_tokens_required = dpop == DpopUse::Required;
    }
    Json(document).into_response()
}

/// What proofs may be signed with; nothing where they cannot be checked.
pub(crate) fn proof_algorithms() -> Vec<String> {
    #[cfg(feature = "dpop")]
    let algorithms = portcullis_oauth::dpop::algorithms();
    #[cfg(not(feature = "dpop"))]
    let algorithms = Vec::new();
    algorithms
}

/// Readable from any origin: nothing in it is secret and nothing rides on cookies (R9728-3.2-1, MCP-AUTH-28).
pub fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD])
        .allow_headers(AllowHeaders::mirror_request())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R9728-3-1, R9728-3.1-1
    #[test]
    fn the_well_known_segment_is_inserted_before_the_path() {
        for (resource, url) in [
            ("https://h/mcp", "https://h/.well-known/oauth-protected-resource/mcp"),
            ("https://h:8420/mcp/a", "https://h:8420/.well-known/oauth-protected-resource/mcp/a"),
            ("https://h/", "https://h/.well-known/oauth-protected-resource"),
            ("https://h/mcp?x=1", "https://h/.well-known/oauth-protected-resource/mcp?x=1"),
        ] {
            assert_eq!(metadata_url(&ResourceUri::parse(resource).unwrap()), url);
        }
    }
}
