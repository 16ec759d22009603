//! The pages on which a connection is made or changed: the servers to choose from, and the form. Each struct is the data of one
//! file in `templates/`; what a server says of itself is a stranger's text and is escaped there.

use askama::Template;
use portcullis_resource_server::catalogue::{AuthKind, Parameter, Server};
use portcullis_web::layout::Chrome;

/// The servers to choose from (`templates/connection_servers.html`).
#[derive(Clone, Debug, Template)]
#[template(path = "connection_servers.html")]
pub struct ServersPage {
    /// The frame, of the person who is signed in.
    pub chrome: Chrome,
    /// Those that are offered to them.
    pub servers: Vec<ServerChoice>,
    /// The name that the connection should get; empty for any.
    pub alias: String,
    /// Where to go on afterwards; empty for the connection's page.
    pub return_to: String,
}

/// A server to choose.
#[derive(Clone, Debug)]
pub struct ServerChoice {
    /// Its name in addresses.
    pub slug: String,
    /// Its name for people.
    pub title: String,
    /// `http`, `stdio` or `sandbox`.
    pub kind: &'static str,
    /// Why the policy would not let the person connect to it.
    pub kept: Option<String>,
}

impl ServerChoice {
    fn about(&self) -> &'static str {
        match self.kind {
            "http" => "Reached over the network",
            "stdio" => "A program that this gateway runs for you alone",
            _ => "Built in, for trying things out",
        }
    }
}

/// The form of a connection, new or changed (`templates/connection_form.html`).
#[derive(Clone, Debug, Template)]
#[template(path = "connection_form.html")]
pub struct ConnectionFormPage {
    /// The frame, of the person who is signed in.
    pub chrome: Chrome,
    /// The CSRF token, posted back as `csrf`.
    pub csrf: String,
    /// Where it is posted.
    pub action: String,
    /// Whether the connection is yet to be made.
    pub is_new: bool,
    /// The server's name in addresses.
    pub slug: String,
    /// The server's name for people.
    pub server: String,
    /// What the person calls the connection.
    pub alias: String,
    /// The account there.
    pub label: String,
    /// How it signs in: `none`, `header`, `basic` or `oauth`.
    pub auth: &'static str,
    /// The header of `header`.
    pub header: String,
    /// The other ways to sign in.
    pub others: Vec<WayToSignIn>,
    /// What else the server asks for.
    pub fields: Vec<FieldRow>,
    /// Where to go on afterwards; empty for the connection's page.
    pub return_to: String,
    /// Why it was not taken.
    pub error: Option<String>,
}

/// Another way to sign in at a server.
#[derive(Clone, Debug)]
pub struct WayToSignIn {
    /// Its value in addresses.
    pub value: &'static str,
    /// What people call it.
    pub title: &'static str,
}

impl WayToSignIn {
    /// The words for a way.
    #[must_use]
    pub const fn of(kind: AuthKind) -> Self {
        let title = match kind {
            AuthKind::None => "Connect without signing in",
            AuthKind::Header => "Use a token or key instead",
            AuthKind::Basic => "Use a user name and password instead",
            AuthKind::OAuth => "Sign in in the browser instead",
        };
        Self { value: kind.as_str(), title }
    }
}

/// A value that the server asks for.
#[derive(Clone, Debug)]
pub struct FieldRow {
    /// Its name, posted back behind `value.`.
    pub name: String,
    /// What the admin says of it.
    pub about: String,
    /// Whether it is a secret, which is never shown again.
    pub secret: bool,
    /// Whether it is needed.
    pub required: bool,
    /// What it is so far; empty for a secret.
    pub value: String,
}

/// The fields of a server; `value` tells what is known of one that is no secret.
pub(crate) fn fields(server: &Server, value: impl Fn(&str) -> String) -> Vec<FieldRow> {
    let row = |parameter: &Parameter| FieldRow {
        value: if parameter.secret { String::new() } else { value(&parameter.name) },
        name: parameter.name.clone(),
        about: parameter.about.clone(),
        secret: parameter.secret,
        required: parameter.required,
    };
    server.parameters.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = r#""><script>alert(1)</script>"#;

    #[test]
    fn a_server_that_the_policy_keeps_has_a_reason_in_place_of_a_button() {
        let choice = |kept| ServerChoice { slug: "x".into(), title: "x".into(), kind: "http", kept };
        let html = ServersPage {
            chrome: Chrome::signed_in("x", "x", "x"),
            servers: vec![choice(Some(HOSTILE.into())), choice(None)],
            alias: String::new(),
            return_to: String::new(),
        }
        .render()
        .unwrap_or_default();
        assert!(html.contains("alert(1)") && !html.contains("<script>"), "{html}");
        assert_eq!(html.matches("name=\"server\"").count(), 1, "{html}");
    }

    #[test]
    fn a_secret_is_asked_for_and_never_shown() {
        let form = ConnectionFormPage {
            chrome: Chrome::signed_in("x", "x", "x"),
            csrf: "x".into(),
            action: "/connect".into(),
            is_new: true,
            slug: "x".into(),
            server: HOSTILE.into(),
            alias: "x".into(),
            label: HOSTILE.into(),
            auth: "header",
            header: "X-Api-Key".into(),
            others: vec![WayToSignIn::of(AuthKind::OAuth)],
            fields: vec![FieldRow {
                name: "token".into(),
                about: HOSTILE.into(),
                secret: true,
                required: true,
                value: String::new(),
            }],
            return_to: String::new(),
            error: Some(HOSTILE.into()),
        };
        let html = form.render().unwrap_or_default();
        assert!(!html.contains("<script>"), "{html}");
        assert!(html.contains(r#"name="value.token" type="password""#), "{html}");
        assert!(html.contains(r#"name="header" type="password""#), "{html}");
    }
}
