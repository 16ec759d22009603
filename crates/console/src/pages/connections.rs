//! The pages of connections. Each struct is the data of one file in `templates/`; what a server says of itself is a
//! stranger's text and is escaped there.

use askama::Template;
use portcullis_resource_server::catalogue::{AuthKind, Server};
use portcullis_web::layout::{Chrome, Moment};

use super::ConnectionStatus;

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
    let row = |parameter: &portcullis_resource_server::catalogue::Parameter| FieldRow {
        value: if parameter.secret { String::new() } else { value(&parameter.name) },
        name: parameter.name.clone(),
        about: parameter.about.clone(),
        secret: parameter.secret,
        required: parameter.required,
    };
    server.parameters.iter().map(row).collect()
}

/// The page of one connection (`templates/connection.html`).
#[derive(Clone, Debug, Template)]
#[template(path = "connection.html")]
pub struct ConnectionPage {
    /// The frame, of the person who is signed in.
    pub chrome: Chrome,
    /// The CSRF token, posted back as `csrf`.
    pub csrf: String,
    /// What the person calls it.
    pub alias: String,
    /// The server's name for people.
    pub server: String,
    /// The account there.
    pub account: String,
    /// The address at which a client reaches it alone.
    pub url: String,
    /// How it stands.
    pub status: ConnectionStatus,
    /// The same as a predicate.
    pub in_words: &'static str,
    /// Why.
    pub reason: Option<String>,
    /// Since when.
    pub since: Moment,
    /// What went wrong last, and when.
    pub last_error: Option<(String, Moment)>,
    /// When it was tried out last.
    pub tested: Option<Moment>,
    /// When a client used it last.
    pub used: Option<Moment>,
    /// What was filled in that is no secret.
    pub settings: Vec<(String, String)>,
    /// Who issued its token, if it has one.
    pub authorization: Option<AuthorizationFacts>,
    /// Whether it can be authorised in the browser.
    pub authorises: bool,
    /// Whether it has credentials or values that can be changed.
    pub renews: bool,
    /// Whether it is switched on or off, and by whom.
    pub switch: Switch,
    /// The tools that wait for a review.
    pub waiting: Vec<ReviewRow>,
    /// Its tools, or a word for why they are not known.
    pub tools: Result<Vec<ToolRow>, &'static str>,
    /// The clients that may use the person's connections.
    pub clients: Vec<ClientReach>,
    /// What has just been done.
    pub notice: Option<String>,
}

/// What is known of a connection's authorization at its server.
#[derive(Clone, Debug)]
pub struct AuthorizationFacts {
    /// Who issued its token.
    pub issuer: String,
    /// What was asked for.
    pub requested: Vec<String>,
    /// What was granted.
    pub granted: Vec<String>,
    /// What the server asked for since, and was not granted.
    pub wanted: Vec<String>,
    /// When that was.
    pub obtained: Moment,
}

/// Whether a connection is switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// It is.
    On,
    /// Its owner switched it off, and may switch it on.
    OffByOwner,
    /// Somebody else switched it off.
    OffByOthers,
}

/// A tool, as its server describes it.
#[derive(Clone, Debug)]
pub struct ToolRow {
    /// Its own name.
    pub name: String,
    /// What it says of itself.
    pub about: String,
}

/// A tool that waits for a review. What is hidden in its texts was made visible before.
#[derive(Clone, Debug)]
pub struct ReviewRow {
    /// Its own name, posted back as `tool`.
    pub tool: String,
    /// The same for people.
    pub shown: String,
    /// The hash of what is shown, posted back as `hash`.
    pub hash: String,
    /// Whether it was accepted once, as something else.
    pub changed: bool,
    /// The tool that it was under another name.
    pub renamed_from: Option<String>,
    /// What hides in it.
    pub warnings: Vec<String>,
    /// What is new about it, in words.
    pub differences: Vec<String>,
}

/// A client, and whether it may use the connection.
#[derive(Clone, Debug)]
pub struct ClientReach {
    /// Its grant, posted back as `grant`.
    pub grant_id: String,
    /// Its name.
    pub name: String,
    /// Whether nobody vouches for the name.
    pub unverified: bool,
    /// Where its answers go.
    pub redirect_host: String,
    /// Whether it may use the connection.
    pub reaches: bool,
    /// Whether it may use every connection.
    pub reaches_all: bool,
}

/// Asks before a connection is deleted (`templates/connection_delete.html`).
#[derive(Clone, Debug, Template)]
#[template(path = "connection_delete.html")]
pub struct DeleteConnectionPage {
    /// The frame, of the person who is signed in.
    pub chrome: Chrome,
    /// The CSRF token, posted back as `csrf`.
    pub csrf: String,
    /// What the person calls it.
    pub alias: String,
    /// The server's name for people.
    pub server: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = r#""><script>alert(1)</script>"#;

    #[test]
    fn what_a_server_says_of_itself_is_inert() {
        let moment = || Moment::new(1_790_000_000, 1_790_000_060);
        let html = ConnectionPage {
            chrome: Chrome::signed_in(HOSTILE, HOSTILE, HOSTILE),
            csrf: HOSTILE.into(),
            alias: HOSTILE.into(),
            server: HOSTILE.into(),
            account: HOSTILE.into(),
            url: HOSTILE.into(),
            status: ConnectionStatus::Failing,
            in_words: "fails",
            reason: Some(HOSTILE.into()),
            since: moment(),
            last_error: Some((HOSTILE.into(), moment())),
            tested: None,
            used: None,
            settings: vec![(HOSTILE.into(), HOSTILE.into())],
            authorization: Some(AuthorizationFacts {
                issuer: HOSTILE.into(),
                requested: vec![HOSTILE.into()],
                granted: vec![],
                wanted: vec![HOSTILE.into()],
                obtained: moment(),
            }),
            authorises: true,
            renews: true,
            switch: Switch::On,
            waiting: vec![ReviewRow {
                tool: HOSTILE.into(),
                shown: HOSTILE.into(),
                hash: HOSTILE.into(),
                changed: true,
                renamed_from: Some(HOSTILE.into()),
                warnings: vec![HOSTILE.into()],
                differences: vec![HOSTILE.into()],
            }],
            tools: Ok(vec![ToolRow { name: HOSTILE.into(), about: HOSTILE.into() }]),
            clients: vec![ClientReach {
                grant_id: HOSTILE.into(),
                name: HOSTILE.into(),
                unverified: true,
                redirect_host: HOSTILE.into(),
                reaches: false,
                reaches_all: false,
            }],
            notice: Some(HOSTILE.into()),
        }
        .render()
        .unwrap_or_default();
        assert!(html.contains("alert(1)") && !html.contains("<script>"), "{html}");
    }

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
