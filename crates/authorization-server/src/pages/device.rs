//! The pages of a device's flow (RFC 8628 §3.3): the code is typed on one, and the other says how it ended. In between
//! stands the consent page.

use askama::Template;
use portcullis_web::layout::Chrome;

/// The form for the code (`templates/device.html`), which posts to `/device`.
#[derive(Clone, Debug, Template)]
#[template(path = "device.html")]
pub struct DevicePage {
    /// The frame, of the person who is signed in.
    pub chrome: Chrome,
    /// The CSRF token, posted back as `csrf`.
    pub csrf: String,
    /// The code to fill in, posted back as `user_code`; empty when the person types it.
    pub user_code: String,
    /// Why the last code was not taken.
    pub error: Option<String>,
}

/// The end of the flow in this browser (`templates/device_answer.html`).
#[derive(Clone, Debug, Template)]
#[template(path = "device_answer.html")]
pub struct DeviceAnswerPage {
    /// The frame, of the person who is signed in.
    pub chrome: Chrome,
    /// The client's name.
    pub client: String,
    /// What the person decided.
    pub allowed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = r#""><script>alert(1)</script>"#;
    const INERT: &str = "&#34;&#62;&#60;script&#62;alert(1)";

    /// OA21-7.12-1
    #[test]
    fn hostile_text_on_the_pages_of_a_device_is_inert() {
        let entry = DevicePage {
            chrome: Chrome::signed_in(HOSTILE, HOSTILE, HOSTILE),
            csrf: HOSTILE.into(),
            user_code: HOSTILE.into(),
            error: Some(HOSTILE.into()),
        };
        let html = entry.render().unwrap_or_default();
        assert!(!html.contains("<script>"));
        assert_eq!(html.matches(INERT).count(), 6, "{html}");
        for allowed in [true, false] {
            let chrome = Chrome::signed_in("Device", "a@b", "csrf");
            let answer = DeviceAnswerPage { chrome, client: HOSTILE.into(), allowed };
            let html = answer.render().unwrap_or_default();
            assert!(!html.contains("<script>") && html.contains(INERT), "{html}");
        }
    }

    /// R8628-5.4-1: whoever was sent a link is warned before they type anything.
    #[test]
    fn the_form_warns_of_codes_that_somebody_else_sent() {
        let page = DevicePage {
            chrome: Chrome::signed_in("Device", "a@b", "csrf"),
            csrf: String::new(),
            user_code: "WDJB-MJHT".into(),
            error: None,
        };
        let html = page.render().unwrap_or_default();
        assert!(html.contains("Never enter a code that somebody sent you"), "{html}");
        assert!(html.contains(r#"value="WDJB-MJHT""#) && html.contains(r#"method="post" action="/device""#));
    }
}
