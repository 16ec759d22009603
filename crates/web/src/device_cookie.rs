//! The cookie by which a browser is known again that somebody signed in with. It opens nothing: it only keeps strangers'
//! failures apart from its owner's.

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use portcullis_oauth::{PublicUrl, Seconds, Secret, SecretKind};
use time::Duration;
use tower_sessions::cookie::{Cookie, SameSite};

/// A browser that was not signed in with for so long is unknown again.
pub const DEVICE_LIFE: Seconds = Seconds::days(180);

/// What the browser presents; `None` when it has no such cookie, or one that can be none of ours.
#[must_use]
pub fn read(headers: &HeaderMap, public_url: &PublicUrl) -> Option<Secret> {
    let sent = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut cookies = sent.flat_map(Cookie::split_parse).filter_map(Result::ok);
    let found = cookies.find(|cookie| cookie.name() == name(public_url))?;
    let is_ours = found.value().starts_with(SecretKind::KnownBrowser.prefix()) && found.value().len() <= 100;
    is_ours.then(|| Secret::presented(found.value()))
}

/// The `Set-Cookie` that makes the browser known: closed to scripts and to other sites, `__Host-` and Secure on https
/// (ASVS-3.3.1).
#[must_use]
pub fn write(device: &Secret, public_url: &PublicUrl) -> Option<HeaderValue> {
    let cookie = Cookie::build((name(public_url), device.expose()))
        .path("/")
        .secure(public_url.is_https())
        .http_only(true)
        .same_site(SameSite::Lax)
        .max_age(Duration::seconds(DEVICE_LIFE.0));
    let mut value = HeaderValue::from_str(&cookie.build().to_string()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn name(public_url: &PublicUrl) -> &'static str {
    if public_url.is_https() { "__Host-portcullis-device" } else { "portcullis-device" }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ASVS-3.3.1
    #[test]
    fn on_https_the_cookie_is_bound_to_the_host_and_closed() {
        let https = PublicUrl::parse("https://mcp.example").unwrap();
        let device = Secret::generate(SecretKind::KnownBrowser);
        let cookie = write(&device, &https).unwrap();
        let cookie = cookie.to_str().unwrap();
        assert!(cookie.starts_with("__Host-portcullis-device=pcl_dv_"), "{cookie}");
        for part in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/", "Max-Age=15552000"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        assert!(!cookie.contains("Domain"), "{cookie}");
    }

    #[test]
    fn only_a_cookie_of_ours_under_its_own_name_is_read() {
        let (https, http) =
            ["https://mcp.example", "http://localhost:1"].map(|url| PublicUrl::parse(url).unwrap()).into();
        let sent = |text: &str| HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(text).unwrap())]);
        let good = sent("a=b; __Host-portcullis-device=pcl_dv_x; c=d");
        assert_eq!(read(&good, &https).unwrap().expose(), "pcl_dv_x");
        assert!(read(&good, &http).is_none());
        // Without the prefix another host of the same site could have planted it.
        assert!(read(&sent("portcullis-device=pcl_dv_x"), &https).is_none());
        assert!(read(&sent("portcullis-device=pcl_at_x"), &http).is_none());
        assert!(read(&sent(&format!("portcullis-device=pcl_dv_{}", "x".repeat(200))), &http).is_none());
    }
}
