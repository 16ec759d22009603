//! The consent page: who asks, where the answer goes, and what exactly is given.
//!
//! Owns the words of the page. What the client wrote about itself is shown as such and never linked, its logo is never
//! loaded (RFC 7591 §5); the redirect host stands in large type (MCP-AUTH-24).

use askama::Template;
use portcullis_web::layout::{Chrome, Moment};

/// The question "may this client have that?" (`templates/consent.html`), which posts to `/oauth/consent`.
#[derive(Clone, Debug, Template)]
#[template(path = "consent.html")]
pub struct ConsentPage {
    /// The frame, of the person who is signed in.
    pub chrome: Chrome,
    /// The CSRF token, posted back as `csrf`; also used by "Not you? Sign out".
    pub csrf: String,
    /// The handle of the authorization request, posted back as `request`.
    pub request: String,
    /// The path of this authorization request, posted to `/logout` so that another account can go on with it.
    pub return_to: String,
    /// Who asks.
    pub client: RequestingClient,
    /// Where the answer goes.
    pub sends_to: ReturnAddress,
    /// What it asks for access to, each with its own scopes; never empty.
    pub targets: Vec<TargetScopes>,
    /// What it may learn of the person, where that is asked beside several resources; posted back as `scope` too.
    pub identity: Vec<ScopeChoice>,
    /// "Stay connected", if that was asked for; posted back as `scope` too.
    pub stay: Option<ScopeChoice>,
    /// The account that access is given to: the e-mail address of the person who is signed in.
    pub account: String,
    /// The person's connections, posted back as `connection`; `None` unless the resource is the aggregate one.
    pub connections: Option<Vec<ConnectionChoice>>,
    /// Whether "also those that I add later" is ticked, posted back as `all_connections=yes`; false at first.
    pub all_connections: bool,
    /// How long the access lasts.
    pub lifetime: Lifetime,
    /// Where the connection that is asked for can be made, when it does not exist.
    pub connect: Option<String>,
    /// Why the last answer was not taken, such as "Tick at least one permission, or deny".
    pub error: Option<String>,
}

/// The client that asks.
#[derive(Clone, Debug)]
pub struct RequestingClient {
    /// Its name; for anything but [`ClientOrigin::Admin`] its own choice.
    pub name: String,
    /// Its `client_id`.
    pub id: String,
    /// How this server knows it.
    pub origin: ClientOrigin,
    /// The host of its `client_uri` if that is https; shown as text, never linked.
    pub site: Option<String>,
}

/// How this server came to know a client.
#[derive(Clone, Debug)]
pub enum ClientOrigin {
    /// An administrator registered it.
    Admin,
    /// Its `client_id` is the URL of a document about it (CIMD).
    Document(PublishingHost),
    /// It registered itself (RFC 7591 without authentication).
    SelfRegistered,
}

/// Who publishes the document of a client.
#[derive(Clone, Debug)]
pub struct PublishingHost {
    /// The host of the `client_id`, in its ASCII form (CIMD §6.4).
    pub name: String,
    /// Whether an administrator allowed this very document.
    pub approved: bool,
    /// Whether it lets answers go to programs on this computer and nowhere else (MCP-AUTH-25).
    pub only_local: bool,
}

impl RequestingClient {
    fn is_unverified(&self) -> bool {
        matches!(self.origin, ClientOrigin::SelfRegistered)
    }

    fn is_only_local(&self) -> bool {
        matches!(&self.origin, ClientOrigin::Document(host) if host.only_local)
    }
}

/// Where the answer goes.
#[derive(Clone, Debug)]
pub struct ReturnAddress {
    /// The redirect URI as it will be used; `None` for a device.
    pub uri: Option<String>,
    /// What kind of place that is.
    pub place: Place,
}

/// The kind of place that a redirect URI leads to.
#[derive(Clone, Debug)]
pub enum Place {
    /// A web site: its host (with the port, if one is given), in ASCII form.
    Host(String),
    /// This computer: host and port, such as `127.0.0.1:53682`.
    Loopback(String),
    /// An app that claims a private-use scheme, such as `cursor` (without the colon).
    Scheme(String),
    /// A device that shows a code and waits (RFC 8628).
    Device(AskingDevice),
}

/// A device, as a person can tell their own from a stranger's (RFC 8628 §5.4).
#[derive(Clone, Debug)]
pub struct AskingDevice {
    /// The code that stands on it.
    pub code: String,
    /// The network address that it asked from.
    pub address: String,
    /// Whether the person is at the same address.
    pub is_near: bool,
    /// When it asked.
    pub asked: Moment,
}

impl ReturnAddress {
    fn is_on_this_device(&self) -> bool {
        matches!(self.place, Place::Loopback(_) | Place::Scheme(_))
    }

    fn is_device(&self) -> bool {
        matches!(self.place, Place::Device(_))
    }
}

/// The protected resource that access is asked for.
#[derive(Clone, Debug)]
pub struct TargetResource {
    /// Its name for people, such as "all your connections" or the alias of one.
    pub name: String,
    /// The host of a server that is not this one; `None` for our own.
    pub host: Option<String>,
    /// Its canonical URI.
    pub uri: String,
}

/// A protected resource with the scopes that were asked for there.
#[derive(Clone, Debug)]
pub struct TargetScopes {
    /// The resource.
    pub resource: TargetResource,
    /// The name under which its ticks are posted back, one by one.
    pub field: String,
    /// Its tick boxes.
    pub scopes: Vec<ScopeChoice>,
    /// Why nothing can be allowed here.
    pub missing: Option<String>,
}

/// One scope with its tick box.
#[derive(Clone, Debug)]
pub struct ScopeChoice {
    /// The scope as in the request.
    pub value: String,
    /// What it lets the client do, in two or three words.
    pub title: String,
    /// The same in a sentence.
    pub explanation: String,
    /// The tools that it opens today, by connection; empty for scopes that open none.
    pub tools: Vec<ToolGroup>,
    /// Whether the box is ticked.
    pub ticked: bool,
}

/// The tools of one connection.
#[derive(Clone, Debug)]
pub struct ToolGroup {
    /// The connection's alias.
    pub connection: String,
    /// The names of its tools.
    pub tools: Vec<String>,
}

impl ScopeChoice {
    /// A ticked box for `value` in this server's own words; an unknown scope is shown by its name.
    pub fn new(value: impl Into<String>, tools: Vec<ToolGroup>) -> Self {
        let value = value.into();
        let (title, explanation) = match value.as_str() {
            "mcp.tools.read" => ("See the tools", "List the tools and read what they are for. Runs nothing."),
            "mcp.tools.execute" => (
                "Use the tools",
                "Run tools in your name. Tools can change or delete things where they are connected.",
            ),
            "mcp.resources.read" => (
                "Read resources and prompts",
                "Read the files, records and prompts that your connections offer.",
            ),
            "mcp.connections.manage" => (
                "Manage your connections",
                "Add, change and remove connections, with the accounts behind them.",
            ),
            "admin.read" => (
                "See everything that administrators see",
                "Read the servers, everybody's connections, policies, and the record of what everybody did.",
            ),
            "admin.write" => (
                "Administer this server",
                "Change the servers that people can connect to, and the policies that say who may do what.",
            ),
            // DC-6: the scope gives no permission of its own.
            "offline_access" => (
                "Stay connected",
                "Keep working while you are away, without asking you to sign in each time.",
            ),
            "openid" => ("Know your account", "Learn the identifier of your account on this server."),
            "profile" => ("See your name", "Learn the name in your profile."),
            "email" => ("See your e-mail address", "Learn the e-mail address of your account."),
            other => (other, "This server has no description for this permission."),
        };
        let (title, explanation) = (title.to_owned(), explanation.to_owned());
        Self { value, title, explanation, tools, ticked: true }
    }

    /// A ticked box for a scope of another server, in the words with which an administrator registered it.
    pub fn described(value: &str, about: &str) -> Self {
        let (title, explanation) = (value.to_owned(), about.to_owned());
        Self { value: value.to_owned(), title, explanation, tools: Vec::new(), ticked: true }
    }

    fn tools_summary(&self) -> String {
        match self.tools.iter().map(|group| group.tools.len()).sum() {
            1_usize => "1 tool".to_owned(),
            count => format!("{count} tools"),
        }
    }
}

/// One connection with its tick box.
#[derive(Clone, Debug)]
pub struct ConnectionChoice {
    /// Its identifier, posted back.
    pub id: String,
    /// The person's own name for it.
    pub alias: String,
    /// The title of the upstream server.
    pub server: String,
    /// Which account at the upstream server it uses, if that is known.
    pub account: Option<String>,
    /// Whether the box is ticked.
    pub ticked: bool,
}

/// How long access lasts, all in seconds (ASVS-10.7.2).
#[derive(Clone, Copy, Debug)]
pub enum Lifetime {
    /// The client gets no refresh token: it has to come back when its access token ends.
    Once {
        /// The access token's life.
        access: u64,
    },
    /// The client stays connected until it was not used for `idle`, and never beyond `absolute`.
    Renewed {
        /// How long it may stay unused.
        idle: u64,
        /// The end in any case, counted from now.
        absolute: u64,
    },
}

impl Lifetime {
    fn sentence(&self) -> String {
        match *self {
            Self::Once { access } => format!("The access ends after {}.", in_words(access)),
            Self::Renewed { idle, absolute } => format!(
                "It stays connected until it has not been used for {}, and for {} at most; then it has to ask you again.",
                in_words(idle),
                in_words(absolute)
            ),
        }
    }
}

/// The largest unit that divides the time, so that nothing is rounded.
fn in_words(seconds: u64) -> String {
    let units = [(86_400, "day"), (3_600, "hour"), (60, "minute")];
    let (size, unit) = units
        .into_iter()
        .find(|(size, _)| seconds >= *size && seconds.is_multiple_of(*size))
        .unwrap_or((1, "second"));
    let count = seconds / size;
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;
