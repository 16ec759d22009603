//! Cross-site request forgery: every state-changing form is checked twice (ASVS-3.5.1).

use axum::http::HeaderMap;
use axum::http::header::ORIGIN;
use portcullis_oauth::PublicUrl;

use crate::browser::{Browser, BrowserError};

/// Why a form was refused.
#[derive(Debug, thiserror::Error)]
pub enum CsrfError {
    /// The browser says that another site sent it.
    #[error("the form was sent from another site")]
    CrossSite,
    /// The synchroniser token is missing, old or of another session.
    #[error("the form is too old, or cookies are blocked")]
    Token,
    /// The session could not be read.
    #[error(transparent)]
    Session(#[from] BrowserError),
}

/// Checks a state-changing request: where the browser says it comes from, and the synchroniser token in the form.
///
/// `Sec-Fetch-Site` decides where it is sent. `Origin` may then be `null`, since our pages send no referrer; without
/// `Sec-Fetch-Site` a foreign origin is refused and an absent or opaque one leaves the decision to the token.
///
/// # Errors
/// Names the check that failed; the answer is 403.
pub async fn check(
    browser: &Browser,
    headers: &HeaderMap,
    public_url: &PublicUrl,
    token: Option<&str>,
) -> Result<(), CsrfError> {
    if !is_same_origin(headers, public_url) {
        return Err(CsrfError::CrossSite);
    }
    match token {
        Some(token) if browser.csrf_matches(token).await? => Ok(()),
        _ => Err(CsrfError::Token),
    }
}

fn is_same_origin(headers: &HeaderMap, public_url: &PublicUrl) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin";
    }
    match headers.get(ORIGIN) {
        Some(origin) => origin == public_url.as_str() || origin == "null",
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ASVS-3.5.1
    #[test]
    fn another_site_is_refused_whichever_header_tells_it() {
        let ours = PublicUrl::parse("https://h").unwrap();
        let judge = |pairs: &[(&'static str, &'static str)]| {
            let headers =
                pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            is_same_origin(&headers, &ours)
        };
        assert!(judge(&[("sec-fetch-site", "same-origin"), ("origin", "null")]));
        assert!(judge(&[("origin", "https://h")]));
        assert!(judge(&[]));
        assert!(!judge(&[("sec-fetch-site", "cross-site"), ("origin", "https://h")]));
        assert!(!judge(&[("sec-fetch-site", "same-site")]));
        assert!(!judge(&[("origin", "https://evil.example")]));
    }
}
