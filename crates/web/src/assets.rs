//! The files that pages load: one stylesheet, one small script, one logo, all compiled in.
//!
//! Each has an address that carries a hash of its content (`/assets/portcullis.css?v=…`), so that browsers may keep it
//! for a year and a new version is seen at once.

use std::sync::LazyLock;

use axum::{
    Router,
    extract::RawQuery,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};

/// One file that is served under its path.
struct Asset {
    path: &'static str,
    media_type: &'static str,
    content: &'static str,
    version: u64,
}

impl Asset {
    const fn new(path: &'static str, media_type: &'static str, content: &'static str) -> Self {
        Self { path, media_type, content, version: fnv1a(content.as_bytes()) }
    }

    fn address(&self) -> String {
        format!("{}?v={:016x}", self.path, self.version)
    }

    /// The file, to be kept for a year when it was asked for by its own version, and not at all otherwise.
    fn respond(&self, query: Option<&str>) -> Response {
        let current = query.is_some_and(|query| query == format!("v={:016x}", self.version));
        let caching = if current { "public, max-age=31536000, immutable" } else { "no-cache" };
        let headers = [
            (header::CONTENT_TYPE, self.media_type),
            (header::CACHE_CONTROL, caching),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        (headers.map(|(name, value)| (name, HeaderValue::from_static(value))), self.content).into_response()
    }
}

static CSS: Asset =
    Asset::new("/assets/portcullis.css", "text/css; charset=utf-8", include_str!("../assets/portcullis.css"));
static JS: Asset = Asset::new(
    "/assets/portcullis.js",
    "text/javascript; charset=utf-8",
    include_str!("../assets/portcullis.js"),
);
static SVG: Asset =
    Asset::new("/assets/portcullis.svg", "image/svg+xml", include_str!("../assets/portcullis.svg"));

/// The stylesheet's address with its version.
pub static STYLESHEET: LazyLock<String> = LazyLock::new(|| CSS.address());
/// The script's address with its version.
pub static SCRIPT: LazyLock<String> = LazyLock::new(|| JS.address());
/// The logo's address with its version; it is also the favicon.
pub static LOGO: LazyLock<String> = LazyLock::new(|| SVG.address());

/// The routes under `/assets`, for a router with any state.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    [&CSS, &JS, &SVG].into_iter().fold(Router::new(), |router, asset| {
        let answer = move |RawQuery(query): RawQuery| async move { asset.respond(query.as_deref()) };
        router.route(asset.path, get(answer))
    })
}

/// FNV-1a: names a version, protects nothing, and can be computed by the compiler.
const fn fnv1a(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut index = 0;
    while index < bytes.len() {
        hash = (hash ^ bytes[index] as u64).wrapping_mul(0x0100_0000_01b3);
        index += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_current_version_is_kept_and_any_other_is_asked_for_again() {
        let (_, version) = STYLESHEET.split_once('?').unwrap_or_default();
        let kept = CSS.respond(Some(version));
        assert_eq!(kept.headers()["cache-control"], "public, max-age=31536000, immutable");
        assert_eq!(kept.headers()["content-type"], "text/css; charset=utf-8");
        assert_eq!(kept.headers()["x-content-type-options"], "nosniff");
        for query in [None, Some("v=0"), Some("")] {
            assert_eq!(CSS.respond(query).headers()["cache-control"], "no-cache");
        }
    }

    /// OAuth security BCP (RFC 9700) §4.2.4: no third-party resources on pages; the style and the script name none.
    #[test]
    fn no_asset_names_another_origin() {
        for asset in [&CSS, &JS, &SVG] {
            let foreign = asset.content.replace("http://www.w3.org/2000/svg", "").contains("://");
            assert!(!foreign && !asset.content.contains("@import"), "{}", asset.path);
        }
    }
}
