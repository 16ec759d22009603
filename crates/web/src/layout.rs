//! What every page has in common: its title, who is signed in, where its assets are, and how it becomes a response.
//!
//! Owns [`Chrome`] (the data behind `templates/layout.html`), [`page`] and [`Moment`]. The pages themselves live beside
//! the endpoints that render them; the security headers are set for all of them in one place and not here.

use askama::Template;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use time::OffsetDateTime;

use crate::assets;

/// What `templates/layout.html` needs; every page template has a field `chrome` of this type.
#[derive(Clone, Debug)]
pub struct Chrome {
    /// The page's title without the product's name.
    pub title: String,
    /// The person who is signed in, with the token for the sign-out form in the header.
    pub signed_in: Option<SignedIn>,
}

/// The person who is signed in, as the header shows them.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The account's e-mail address.
    pub email: String,
    /// The session's CSRF token.
    pub csrf: String,
}

impl Chrome {
    /// The frame of a page that nobody needs to be signed in for.
    pub fn anonymous(title: impl Into<String>) -> Self {
        Self { title: title.into(), signed_in: None }
    }

    /// The frame of a page of somebody who is signed in; `csrf` is the session's token.
    pub fn signed_in(title: impl Into<String>, email: impl Into<String>, csrf: impl Into<String>) -> Self {
        let person = SignedIn { email: email.into(), csrf: csrf.into() };
        Self { title: title.into(), signed_in: Some(person) }
    }

    /// The stylesheet's address, which changes with its content.
    #[must_use]
    pub fn stylesheet(&self) -> &'static str {
        &assets::STYLESHEET
    }

    /// The script's address, which changes with its content.
    #[must_use]
    pub fn script(&self) -> &'static str {
        &assets::SCRIPT
    }

    /// The logo's address, which changes with its content.
    #[must_use]
    pub fn logo(&self) -> &'static str {
        &assets::LOGO
    }
}

/// Renders `template` as a page that nobody may store (OAuth 2.1 §3.2.3: login and consent carry sensitive data).
///
/// A template that fails to render becomes a bare 500; the cause is logged.
pub fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => {
            let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
            (status, no_store, Html(html)).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            (StatusCode::INTERNAL_SERVER_ERROR, "This page could not be shown.").into_response()
        }
    }
}

/// A point in time as a page shows it: exact for machines, in words for people, always UTC.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Moment {
    /// RFC 3339, for the `datetime` attribute.
    pub exact: String,
    /// "5 minutes ago" or "3 October 2026".
    pub words: String,
}

impl Moment {
    /// Puts `seconds` (unix time) into words as seen from `now` (unix time).
    #[must_use]
    pub fn new(seconds: i64, now: i64) -> Self {
        let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (year, month, day) = at.to_calendar_date();
        let (hour, minute, second) = at.to_hms();
        let exact = format!("{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z", u8::from(month));
        let words = match now.saturating_sub(seconds) {
            0..60 => "just now".to_owned(),
            age @ 60..3_600 => ago(age / 60, "minute"),
            age @ 3_600..86_400 => ago(age / 3_600, "hour"),
            age @ 86_400..604_800 => ago(age / 86_400, "day"),
            _ => format!("{day} {month} {year}"),
        };
        Self { exact, words }
    }
}

fn ago(count: i64, unit: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural} ago")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_reads_as_people_say_it() {
        let now = 1_790_000_000; // 2026-09-21T14:13:20Z
        assert_eq!(Moment::new(now, now).words, "just now");
        assert_eq!(Moment::new(now - 60, now).words, "1 minute ago");
        assert_eq!(Moment::new(now - 7_300, now).words, "2 hours ago");
        assert_eq!(Moment::new(now - 6 * 86_400, now).words, "6 days ago");
        assert_eq!(Moment::new(now - 30 * 86_400, now).words, "22 August 2026");
        assert_eq!(Moment::new(now + 5, now).words, "21 September 2026");
        assert_eq!(Moment::new(now, now).exact, "2026-09-21T14:13:20Z");
        assert_eq!(Moment::new(i64::MAX, now).exact, "1970-01-01T00:00:00Z");
    }
}
