//! The pages of connections that are there. Each struct is the data of one file in `templates/`; what a server says of itself is a
//! stranger's text and is escaped there.

use askama::Template;
use portcullis_web::layout::{Chrome, Moment};

use super::ConnectionStatus;

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
    /// What its server may ask clients for, in words.
    pub relays: Vec<&'static str>,
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
            relays: vec![],
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
}
