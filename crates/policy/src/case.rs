//! What is decided: who asks, through what, for what, in which circumstances. Plain values; the caller fills them in.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, UtcOffset};

use crate::{Arguments, Assurance, Risk};

/// One question.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// Who asks, through which client, at which connection.
    pub subject: &'a Subject,
    /// What they ask for.
    pub target: &'a Target,
    /// What else counts.
    pub circumstances: &'a Circumstances,
}

/// Who asks, through which client, at which connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Subject {
    /// Who.
    pub principal: Principal,
    /// Through which program.
    pub client: Client,
    /// Where.
    pub connection: Connection,
    /// Whether the client's grant reaches this connection.
    pub granted: bool,
}

/// Whether somebody or something acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrincipalKind {
    /// A person.
    #[default]
    User,
    /// A program that acts for itself.
    Machine,
}

/// Somebody who acts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Principal {
    /// A person or a program.
    pub kind: PrincipalKind,
    /// The identifier that never changes.
    pub id: String,
    /// The address of the account. Never part of a machine.
    pub email: Option<String>,
    /// The groups it belongs to, by name.
    pub groups: Vec<String>,
    /// What it may do, in the words of scopes.
    pub permissions: Vec<String>,
}

/// How a client came to be known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Registration {
    /// An administrator made it.
    Admin,
    /// The document at its own address describes it.
    Document,
    /// It registered itself.
    Dynamic,
    /// Not known here.
    #[default]
    Unknown,
}

/// The program that acts for a principal.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Client {
    /// Its identifier.
    pub id: String,
    /// How it came to be known.
    pub registration: Registration,
    /// The host that it was verified to belong to.
    pub host: Option<String>,
}

/// How a server is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerKind {
    /// Over the network.
    #[default]
    Http,
    /// As a child process.
    Stdio,
    /// The built-in one.
    Sandbox,
}

/// A principal's account at a server.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Connection {
    /// Its identifier.
    pub id: String,
    /// What its owner calls it.
    pub alias: String,
    /// The identifier of the principal that owns it.
    pub owner: String,
    /// The server's short name.
    pub server: String,
    /// How the server is reached.
    pub kind: ServerKind,
}

/// What is asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// To see a list of the connection's tools.
    ListTools,
    /// To change the connection.
    ManageConnection,
    /// To call a tool.
    Tool(Tool),
    /// To get a prompt.
    Prompt {
        /// The upstream's name of it.
        name: String,
        /// Whether it is as reviewed.
        pin: Pin,
        /// Whether it stands on a blacklist.
        blocked: bool,
    },
    /// To read a resource.
    Resource {
        /// The upstream's address of it.
        uri: String,
        /// Whether it is as reviewed.
        pin: Pin,
        /// Whether it stands on a blacklist.
        blocked: bool,
    },
}

/// Whether something is as it was reviewed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pin {
    /// As reviewed.
    Active,
    /// Not reviewed yet.
    #[default]
    New,
    /// Not as reviewed.
    Changed,
    /// The server no longer lists it.
    Removed,
}

/// What a server says of its own tool: `annotations` of MCP. A hint and never a proof (TOOL-8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Hints {
    /// `readOnlyHint`.
    pub read_only: Option<bool>,
    /// `destructiveHint`.
    pub destructive: Option<bool>,
    /// `idempotentHint`.
    pub idempotent: Option<bool>,
    /// `openWorldHint`.
    pub open_world: Option<bool>,
}

/// A tool, as far as policies see it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tool {
    /// The upstream's name of it.
    pub name: String,
    /// What the server says of it; `None` when it says nothing at all.
    pub hints: Option<Hints>,
    /// Its class.
    pub risk: Risk,
    /// Whether it is as reviewed.
    pub pin: Pin,
    /// The assurance that each call needs.
    pub approval: Assurance,
    /// Whether it stands on a blacklist.
    pub blocked: bool,
}

impl Tool {
    /// A tool with the class and approval level that its name and hints give it, waiting for review.
    #[must_use]
    pub fn new(name: &str, hints: Option<Hints>) -> Self {
        let risk = Risk::of(name, hints);
        Self { name: name.to_owned(), hints, risk, pin: Pin::New, approval: risk.approval(), blocked: false }
    }
}

/// An instant and what the clock on the wall says then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Seconds since 1970.
    pub unix: i64,
    /// Seconds that the wall clock is ahead of UTC.
    pub offset: i32,
}

impl Moment {
    /// Hour, minute, and weekday from 1 (Monday) to 7 (Sunday), as the wall clock says.
    pub(crate) fn wall_clock(self) -> (u8, u8, u8) {
        let offset = UtcOffset::from_whole_seconds(self.offset).unwrap_or(UtcOffset::UTC);
        let instant = OffsetDateTime::from_unix_timestamp(self.unix).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let local = instant.to_offset(offset);
        (local.hour(), local.minute(), local.weekday().number_from_monday())
    }

    /// The instant as Cedar reads it: RFC 3339 in UTC, to the second.
    #[must_use]
    pub fn instant(self) -> String {
        let instant = OffsetDateTime::from_unix_timestamp(self.unix).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (date, time) = (instant.date(), instant.time());
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
            date.year().clamp(0, 9999),
            u8::from(date.month()),
            date.day(),
            time.hour(),
            time.minute(),
            time.second()
        )
    }
}

/// What else counts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Circumstances {
    /// How surely a person agreed so far.
    pub assurance: Assurance,
    /// With which arguments.
    pub arguments: Arguments,
    /// When.
    pub time: Moment,
    /// From which address, if that is known.
    pub address: Option<IpAddr>,
    /// How the user signed in: 0 unknown, 1 one factor, 2 two factors, 3 one that cannot be phished.
    pub authentication: u8,
}
