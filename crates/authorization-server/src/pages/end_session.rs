//! The page of a sign-out that a client wishes for (RP-Initiated Logout §2): the person decides.

use askama::Template;
use portcullis_web::layout::Chrome;

/// "Sign out?" (`templates/end_session.html`), which posts to `/oauth/logout/answer`.
#[derive(Clone, Debug, Template)]
#[template(path = "end_session.html")]
pub struct EndSessionPage {
    /// The frame.
    pub chrome: Chrome,
    /// The CSRF token, posted back as `csrf`.
    pub csrf: String,
    /// The account of the person; `None` when nobody is signed in.
    pub account: Option<String>,
    /// The name of the client that wishes it: its own choice.
    pub client: Option<String>,
    /// The host that the browser is sent on to afterwards.
    pub goes_on_to: Option<String>,
    /// Whether the client named an address that is not its own, so that the browser stays here.
    pub stays: bool,
    /// The client's parameters, posted back and judged again.
    pub carried: Vec<(&'static str, String)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = r#""><script>alert(1)</script>"#;
    const INERT: &str = "&#34;&#62;&#60;script&#62;alert(1)";

    /// OA21-7.12-1
    #[test]
    fn hostile_text_is_inert() {
        let mut page = EndSessionPage {
            chrome: Chrome::anonymous("Sign out?"),
            csrf: HOSTILE.into(),
            account: Some(HOSTILE.into()),
            client: Some(HOSTILE.into()),
            goes_on_to: Some(HOSTILE.into()),
            stays: true,
            carried: vec![("state", HOSTILE.into())],
        };
        for (account, times) in [(Some(HOSTILE.to_owned()), 6), (None, 4)] {
            page.account = account;
            let html = page.render().unwrap_or_default();
            assert!(!html.contains("<script>alert"));
            assert_eq!(html.matches(INERT).count(), times, "{html}");
        }
    }
}
