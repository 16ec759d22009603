//! The pages that the authorization server shows: sign-in, first set-up, consent and devices.
//!
//! Owns what the pages say; the endpoints decide what goes into them. Each struct is the data of one file in
//! `templates/`. Every text that a stranger may have chosen is escaped by the template and kept apart by `<bdi>`, and
//! no page loads or links anything of another origin (OA21-7.12-1, R9700-4.2.4-1).

mod consent;
mod device;
mod end_session;

use askama::Template;
use portcullis_web::layout::Chrome;

pub use self::consent::{
    AskingDevice, ClientOrigin, ConnectionChoice, ConsentPage, Lifetime, Place, PublishingHost,
    RequestingClient, ReturnAddress, ScopeChoice, TargetResource, TargetScopes, ToolGroup,
};
pub use self::device::{DeviceAnswerPage, DevicePage};
pub use self::end_session::EndSessionPage;

/// The sign-in form (`templates/login.html`), which posts to `/login`.
#[derive(Clone, Debug, Template)]
#[template(path = "login.html")]
pub struct LoginPage {
    /// The frame.
    pub chrome: Chrome,
    /// The CSRF token, posted back as `csrf`.
    pub csrf: String,
    /// The path to go on to, posted back as `return_to`; the endpoint judges it again.
    pub return_to: String,
    /// The name of the client that this sign-in is for, when it belongs to an authorization request.
    pub continue_to: Option<String>,
    /// The e-mail address to fill in; empty at the first try.
    pub email: String,
    /// Why the last try failed; says the same for an unknown address and a wrong password (ASVS-6.3.8).
    pub error: Option<String>,
}

/// The form that changes a password (`templates/password.html`), which posts to `/account/password`.
#[derive(Clone, Debug, Template)]
#[template(path = "password.html")]
pub struct PasswordPage {
    /// The frame.
    pub chrome: Chrome,
    /// The CSRF token, posted back as `csrf`.
    pub csrf: String,
    /// The path to go on to, posted back as `return_to`; the endpoint judges it again.
    pub return_to: String,
    /// Whose password it is; posted back as `email` by somebody who is not signed in.
    pub email: String,
    /// Whether an administrator asked for another password, so that there is no way around it.
    pub expired: bool,
    /// How many characters a password must have at least (15, ASVS-6.2.1).
    pub minimum_password_length: usize,
    /// What was wrong with the current password, or how long to wait.
    pub current_error: Option<String>,
    /// What was wrong with the new password.
    pub new_error: Option<String>,
}

/// The form that makes the first administrator (`templates/setup.html`), which posts to `/setup`.
#[derive(Clone, Debug, Template)]
#[template(path = "setup.html")]
pub struct SetupPage {
    /// The frame.
    pub chrome: Chrome,
    /// The CSRF token, posted back as `csrf`.
    pub csrf: String,
    /// The one-time set-up token, posted back as `token`.
    pub token: String,
    /// The name to fill in; empty at the first try.
    pub name: String,
    /// The e-mail address to fill in; empty at the first try.
    pub email: String,
    /// How many characters a password must have at least (15, ASVS-6.2.1).
    pub minimum_password_length: usize,
    /// What was wrong with the last try; each message stands in the summary and leads to its field.
    pub errors: Vec<SetupError>,
}

/// One thing that was wrong with the set-up form.
#[derive(Clone, Debug)]
pub struct SetupError {
    /// The field that it is about.
    pub field: SetupField,
    /// What is wrong and what to do about it.
    pub message: String,
}

/// A field of the set-up form.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SetupField {
    /// The person's name.
    Name,
    /// The e-mail address to sign in with.
    Email,
    /// The password.
    Password,
}

impl SetupField {
    /// The field's `name` and `id` in the form.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Email => "email",
            Self::Password => "password",
        }
    }
}

impl SetupPage {
    fn is_faulty(&self, field: SetupField) -> bool {
        self.errors.iter().any(|error| error.field == field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = r#""><script>alert(1)</script>"#;
    const INERT: &str = "&#34;&#62;&#60;script&#62;alert(1)";

    fn login() -> LoginPage {
        LoginPage {
            chrome: Chrome::anonymous(HOSTILE),
            csrf: HOSTILE.into(),
            return_to: HOSTILE.into(),
            continue_to: Some(HOSTILE.into()),
            email: HOSTILE.into(),
            error: Some(HOSTILE.into()),
        }
    }

    #[test]
    fn hostile_text_on_the_sign_in_page_is_inert() {
        let html = login().render().unwrap_or_default();
        assert!(!html.contains("<script>"));
        assert_eq!(html.matches(INERT).count(), 6, "{html}");
    }

    #[test]
    fn hostile_text_on_the_password_page_is_inert() {
        let page = PasswordPage {
            chrome: Chrome::anonymous("Password"),
            csrf: HOSTILE.into(),
            return_to: HOSTILE.into(),
            email: HOSTILE.into(),
            expired: true,
            minimum_password_length: 15,
            current_error: Some(HOSTILE.into()),
            new_error: Some(HOSTILE.into()),
        };
        let html = page.render().unwrap_or_default();
        assert!(!html.contains("<script>"));
        assert_eq!(html.matches(INERT).count(), 5, "{html}");
    }

    /// ASVS-6.2.7: password managers find both fields.
    #[test]
    fn the_sign_in_form_has_the_agreed_fields() {
        let html = login().render().unwrap_or_default();
        for part in [
            r#"<form method="post" action="/login">"#,
            r#"name="email" type="email" autocomplete="username""#,
            r#"name="password" type="password" autocomplete="current-password""#,
            r#"role="alert""#,
        ] {
            assert!(html.contains(part), "{part} in {html}");
        }
    }

    #[test]
    fn hostile_text_on_the_set_up_page_is_inert_and_faults_are_marked() {
        let page = SetupPage {
            chrome: Chrome::anonymous("Set up"),
            csrf: HOSTILE.into(),
            token: HOSTILE.into(),
            name: HOSTILE.into(),
            email: HOSTILE.into(),
            minimum_password_length: 15,
            errors: vec![SetupError { field: SetupField::Password, message: HOSTILE.into() }],
        };
        let html = page.render().unwrap_or_default();
        assert!(!html.contains("<script>"));
        assert_eq!(html.matches(INERT).count(), 5, "{html}");
        assert_eq!(html.matches(r#"aria-invalid="true""#).count(), 1);
        assert!(html.contains(r##"<a href="#password">"##) && html.contains("At least 15 characters"));
    }
}
