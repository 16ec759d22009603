//! The pages of the console.
//!
//! Owns what they say and shows what others know: it has no rules of its own. Each struct is the data of one file in
//! `templates/`; every text that a stranger may have chosen is escaped there.

pub mod approvals;
pub mod connecting;
pub mod connections;

use askama::Template;
use portcullis_web::layout::{Chrome, Moment};

/// The start page of somebody who is signed in (`templates/home.html`).
#[derive(Clone, Debug, Template)]
#[template(path = "home.html")]
pub struct HomePage {
    /// The frame, of the person who is signed in.
    pub chrome: Chrome,
    /// The CSRF token, posted back as `csrf` by each "Disconnect".
    pub csrf: String,
    /// The address that an MCP client is given.
    pub mcp_url: String,
    /// The person's connections.
    pub connections: Vec<ConnectionRow>,
    /// What to do for a first connection, in a sentence: it depends on who may add one.
    pub no_connections_advice: String,
    /// The clients that have a live grant of this person.
    pub clients: Vec<ClientRow>,
    /// The clients that this person ended, though an identity provider vouches for them.
    pub kept_away: Vec<KeptAwayRow>,
    /// How many calls wait for the person's approval.
    pub waiting: usize,
    /// What has just been done, such as "Claude Code is disconnected."
    pub notice: Option<String>,
}

/// One connection.
#[derive(Clone, Debug)]
pub struct ConnectionRow {
    /// The person's own name for it.
    pub alias: String,
    /// The title of the upstream server.
    pub server: String,
    /// How it stands.
    pub status: ConnectionStatus,
    /// Why it stands so and what to do about it.
    pub reason: Option<String>,
    /// How many of its tools wait for the person's review.
    pub waiting: i64,
    /// Why the policy does not let them look after it.
    pub kept: Option<String>,
}

/// How a connection stands, as people are told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ConnectionStatus {
    /// It works.
    Ready,
    /// It was never tried, or is being looked at just now.
    Unknown,
    /// It waits for the person, for example to sign in at the upstream server again.
    NeedsYou,
    /// The upstream server does not answer as it should.
    Failing,
    /// It is switched off.
    Off,
}

impl ConnectionStatus {
    fn words(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Unknown => "Not checked yet",
            Self::NeedsYou => "Needs you",
            Self::Failing => "Not working",
            Self::Off => "Off",
        }
    }

    fn tone(self) -> &'static str {
        match self {
            Self::Ready => "good",
            Self::NeedsYou => "warn",
            Self::Failing => "bad",
            Self::Unknown | Self::Off => "plain",
        }
    }
}

/// One connected client: a grant.
#[derive(Clone, Debug)]
pub struct ClientRow {
    /// The grant's identifier, posted back as `grant`.
    pub grant_id: String,
    /// The client's name.
    pub name: String,
    /// Whether the client registered itself, so that nobody vouches for the name.
    pub unverified: bool,
    /// Where its answers go: a host, or "this computer".
    pub redirect_host: String,
    /// The identity provider that vouched for it, where nobody was asked.
    pub vouched_by: Option<String>,
    /// The URI of the resource that it may use.
    pub resource: String,
    /// The scopes that it was given.
    pub scopes: Vec<GrantedScope>,
    /// When the person allowed it.
    pub connected: Moment,
    /// When one of its tokens was used last.
    pub last_used: Option<Moment>,
    /// When its access ends at the latest, whatever it does; none when it cannot refresh any more.
    pub ends: Option<Moment>,
}

/// One client that a person keeps away.
#[derive(Clone, Debug)]
pub struct KeptAwayRow {
    /// The identifier of the grant that ended, posted back as `grant`.
    pub grant_id: String,
    /// The client's name.
    pub name: String,
    /// The identity provider that vouches for it.
    pub vouched_by: String,
    /// The URI of the resource that it used.
    pub resource: String,
}

/// One scope of a grant.
#[derive(Clone, Debug)]
pub struct GrantedScope {
    /// The scope itself.
    pub value: String,
    /// The same in two or three words, those of the consent page.
    pub title: String,
}

/// The account page (`templates/account.html`).
#[derive(Clone, Debug, Template)]
#[template(path = "account.html")]
pub struct AccountPage {
    /// The frame, of the person who is signed in.
    pub chrome: Chrome,
    /// The CSRF token, posted back as `csrf`.
    pub csrf: String,
    /// The person's name.
    pub name: String,
    /// What they sign in with.
    pub email: String,
    /// When their password was set last.
    pub password_changed: Moment,
    /// Where they are signed in, the one used last first.
    pub browsers: Vec<BrowserRow>,
    /// What has just been done.
    pub notice: Option<String>,
}

/// One signed-in browser.
#[derive(Clone, Debug)]
pub struct BrowserRow {
    /// Names the session, posted back as `session`; opens nothing.
    pub handle: String,
    /// The browser in two or three words.
    pub name: String,
    /// Whether it is the one that shows the page.
    pub is_this_one: bool,
    /// When somebody signed in there.
    pub signed_in: Moment,
    /// When it was used last.
    pub last_seen: Moment,
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = r#""><script>alert(1)</script>"#;
    const INERT: &str = "&#34;&#62;&#60;script&#62;alert(1)";

    fn home(text: &str) -> HomePage {
        HomePage {
            chrome: Chrome::signed_in("Start", text, text),
            csrf: text.into(),
            mcp_url: text.into(),
            connections: vec![ConnectionRow {
                alias: text.into(),
                server: text.into(),
                status: ConnectionStatus::NeedsYou,
                reason: Some(text.into()),
                waiting: 2,
                kept: None,
            }],
            no_connections_advice: "Ask your administrator for one.".into(),
            clients: vec![ClientRow {
                grant_id: text.into(),
                name: text.into(),
                unverified: true,
                redirect_host: text.into(),
                vouched_by: Some(text.into()),
                resource: text.into(),
                scopes: vec![GrantedScope { value: text.into(), title: text.into() }],
                connected: Moment::new(1_790_000_000, 1_790_000_060),
                last_used: None,
                ends: Some(Moment::new(1_790_000_000, 1_790_000_060)),
            }],
            kept_away: vec![KeptAwayRow {
                grant_id: text.into(),
                name: text.into(),
                vouched_by: text.into(),
                resource: text.into(),
            }],
            waiting: 1,
            notice: Some(text.into()),
        }
    }

    #[test]
    fn hostile_text_is_inert() {
        let html = home(HOSTILE).render().unwrap_or_default();
        assert!(!html.contains("<script>"));
        assert_eq!(html.matches(INERT).count(), 24, "{html}");
    }

    /// What the policy keeps is told with its reason, and nothing is offered that would be refused.
    #[test]
    fn a_connection_that_the_policy_keeps_is_no_link() {
        let mut page = home("x");
        page.connections[0].kept = Some(HOSTILE.into());
        let html = page.render().unwrap_or_default();
        assert!(html.contains("You may not look after it.") && !html.contains("<script>"), "{html}");
        assert!(!html.contains("href=\"/connections/"), "{html}");
    }

    #[test]
    fn hostile_text_on_the_account_page_is_inert() {
        let moment = || Moment::new(1_790_000_000, 1_790_000_060);
        let page = AccountPage {
            chrome: Chrome::signed_in("Account", HOSTILE, HOSTILE),
            csrf: HOSTILE.into(),
            name: HOSTILE.into(),
            email: HOSTILE.into(),
            password_changed: moment(),
            browsers: vec![BrowserRow {
                handle: HOSTILE.into(),
                name: HOSTILE.into(),
                is_this_one: false,
                signed_in: moment(),
                last_seen: moment(),
            }],
            notice: Some(HOSTILE.into()),
        };
        let html = page.render().unwrap_or_default();
        assert!(!html.contains("<script>"));
        assert_eq!(html.matches(INERT).count(), 8, "{html}");
    }

    #[test]
    fn the_ready_lines_name_the_address() {
        let html = home("https://gate.example/mcp").render().unwrap_or_default();
        for line in [
            "claude mcp add --transport http portcullis https://gate.example/mcp</code>",
            "\"type\": \"http\",\n      \"url\": \"https://gate.example/mcp\"",
            "\"mcpServers\": {\n    \"portcullis\": {\n      \"url\": \"https://gate.example/mcp\"",
        ] {
            assert!(html.contains(line), "{line} in {html}");
        }
    }

    /// OA21-7.9-1: each grant can be ended from the list.
    #[test]
    fn each_client_has_a_form_that_disconnects_it() {
        let html = home("x").render().unwrap_or_default();
        assert!(html.contains(r#"<form method="post" action="/clients/disconnect">"#));
        assert!(html.contains(r#"name="grant" value="x""#) && html.contains("1 minute ago"));
    }

    #[test]
    fn empty_lists_say_what_to_do() {
        let page = HomePage { connections: vec![], clients: vec![], notice: None, ..home("x") };
        let html = page.render().unwrap_or_default();
        assert!(html.contains("Ask your administrator for one.") && html.contains("No client is connected."));
    }
}
