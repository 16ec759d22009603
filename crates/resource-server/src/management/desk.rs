//! What our own tools say: the caller's connections as far as grant and policy reach, in words and for programs. Somebody
//! else's connection, one that was not granted, one that the policy keeps and one that does not exist are all the same
//! unknown one (T18).

use portcullis_oauth::{Alias, Timestamp, VerifiedBearer};
use portcullis_policy::Moment;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::OwnTool;
use crate::catalogue::Server;
use crate::connections::{Connection, ConnectionStatus};
use crate::gateway::Inner;
use crate::policy::{self, Decided, Denial, InForce, Managed};
use crate::refusal::Refusal;
use crate::tool::ToolResult;

/// More than so many connections or servers are not listed; the page shows them all.
const MOST: usize = 200;

/// What is wished. Read after the tool's schema passed it, and as strictly.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    alias: Option<Alias>,
    server: Option<String>,
}

impl Wish {
    /// Reads arguments.
    pub(crate) fn read(arguments: Map<String, Value>) -> Result<Self, Refusal> {
        let read = serde_json::from_value(Value::Object(arguments));
        read.map_err(|error| {
            Refusal::tool("arguments_invalid", format!("The arguments do not fit: {error}."))
        })
    }
}

/// Who asks, and by which policy they are answered.
pub(crate) struct Desk<'a> {
    pub(crate) gateway: &'a Inner,
    pub(crate) bearer: &'a VerifiedBearer,
    pub(crate) policy: &'a InForce,
    pub(crate) now: Timestamp,
}

/// An answer, with the connection that it is about and the rule by which it was given, where there are any.
pub(crate) struct Said {
    pub(crate) result: ToolResult,
    pub(crate) connection: Option<Box<Connection>>,
    pub(crate) decided: Option<Decided>,
}

/// Why there is no answer.
pub(crate) enum Unsaid {
    /// A step refused it.
    Refused(Refusal),
    /// The policy did.
    Denied(Denial),
}

impl From<Refusal> for Unsaid {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Said {
    fn about(connection: &Connection, told: Value, decided: Decided) -> Self {
        let connection = Some(Box::new(connection.clone()));
        Self { result: ToolResult::structured(told), connection, decided: Some(decided) }
    }
}

impl Desk<'_> {
    /// Answers a wish.
    pub(crate) async fn answer(&self, tool: OwnTool, wish: Wish) -> Result<Said, Unsaid> {
        match (tool, wish.alias) {
            (OwnTool::ListConnections, _) => self.list().await,
            (OwnTool::ConnectionStatus, Some(alias)) => self.status(&alias).await,
            (OwnTool::StartConnect, Some(alias)) => self.start(&alias, wish.server.as_deref()).await,
            (_, None) => {
                Err(Refusal::tool("arguments_invalid", "The arguments do not fit: alias is needed.").into())
            }
        }
    }

    async fn list(&self) -> Result<Said, Unsaid> {
        let owned = self.gateway.connections.list(&self.bearer.principal().id).await;
        let owned = owned.map_err(|error| Refusal::unavailable(&error))?;
        let mine: Vec<_> = owned.iter().filter(|connection| self.may(connection).is_ok()).collect();
        let servers = self.gateway.servers.offered_to(&self.bearer.principal().id).await;
        let servers = servers.map_err(|error| Refusal::unavailable(&error))?;
        let mut told = json!({
            "connections": mine.iter().take(MOST).map(|connection| brief(connection)).collect::<Vec<_>>(),
            "servers": servers.iter().take(MOST).map(offered).collect::<Vec<_>>(),
            "page": self.page("/"),
        });
        if mine.len() > MOST || servers.len() > MOST {
            told["truncated"] = Value::from(true);
        }
        Ok(Said { result: ToolResult::structured(told), connection: None, decided: None })
    }

    async fn status(&self, alias: &Alias) -> Result<Said, Unsaid> {
        let unknown = || {
            let text = format!("There is no connection {alias} that this client may look after.");
            Refusal::tool("connection_unknown", text)
        };
        let connection = self.reached(alias).await?.ok_or_else(unknown)?;
        let decided = self.may(&connection).map_err(Unsaid::Denied)?;
        let time = |at: Option<Timestamp>| at.map(instant);
        let mut told = brief(&connection);
        let more = json!({
            "account": connection.label,
            "sign_in": connection.auth.as_str(),
            "reason_code": connection.status_code,
            "last_error": connection.last_error,
            "last_error_at": time(connection.last_error_at),
            "tested_at": time(connection.tested_at),
            "last_used_at": time(connection.last_used_at),
            "advice": advice(&connection),
            "page": self.page(&format!("/connections/{alias}")),
        });
        if let (Value::Object(told), Value::Object(more)) = (&mut told, more) {
            told.extend(more.into_iter().filter(|(_, value)| !value.is_null() && value != ""));
        }
        Ok(Said::about(&connection, told, decided))
    }

    /// A link, and nothing but a link: what it opens asks the person to sign in, and is theirs alone (ELIC-3, ELIC-4).
    async fn start(&self, alias: &Alias, server: Option<&str>) -> Result<Said, Unsaid> {
        if let Some(connection) = self.reached(alias).await? {
            let decided = self.may(&connection).map_err(Unsaid::Denied)?;
            let told = json!({
                "alias": alias, "exists": true, "status": connection.status.as_str(),
                "url": self.page(&format!("/connections/{alias}")),
                "instructions": format!("Ask the user to open the link. {}", advice(&connection)),
            });
            return Ok(Said::about(&connection, told, decided));
        }
        let server = self.offered(server).await?;
        let new = Managed::New(alias, server.as_ref());
        let decided = policy::may_manage_any(self.policy, self.bearer, new, self.now);
        let decided = decided.map_err(Unsaid::Denied)?;
        let query = server.map_or_else(String::new, |server| format!("server={}&", server.slug));
        let told = json!({
            "alias": alias, "exists": false, "url": self.page(&format!("/connect?{query}alias={alias}")),
            "instructions": "Ask the user to open the link, sign in and fill in what the page asks for. Then look with \
                             gateway__connection_status how the new connection stands. This client may use it once the user \
                             allows that on the connection's page.",
        });
        Ok(Said { result: ToolResult::structured(told), connection: None, decided: Some(decided) })
    }

    /// The server of this name, if this user may connect to it.
    async fn offered(&self, name: Option<&str>) -> Result<Option<Server>, Refusal> {
        let Some(name) = name else { return Ok(None) };
        let found = self.gateway.servers.find(name).await.map_err(|error| Refusal::unavailable(&error))?;
        let principal = &self.bearer.principal().id;
        let offered = found.filter(|server| server.disabled_at.is_none() && server.is_visible_to(principal));
        let unknown = || {
            let text = "There is no server of this name to connect to; gateway__list_connections names those that there are.";
            Refusal::tool("server_unknown", text)
        };
        offered.map(Some).ok_or_else(unknown)
    }

    /// The connection of this name, if it is the caller's and the grant reaches it.
    async fn reached(&self, alias: &Alias) -> Result<Option<Connection>, Refusal> {
        let found = self.gateway.connections.find(&self.bearer.principal().id, alias).await;
        let found = found.map_err(|error| Refusal::unavailable(&error))?;
        Ok(found.filter(|connection| self.bearer.connections().reach(&connection.id)))
    }

    fn may(&self, connection: &Connection) -> Result<Decided, Denial> {
        policy::may_manage(self.policy, self.bearer, connection, self.now)
    }

    fn page(&self, path: &str) -> String {
        self.gateway.registry.public_url().join(path)
    }
}

fn brief(connection: &Connection) -> Value {
    let mut told = json!({
        "alias": connection.alias,
        "server": connection.server,
        "server_title": connection.server_title,
        "status": connection.status.as_str(),
        "in_words": format!("{} {}", connection.alias, connection.status.in_words()),
        "since": instant(connection.since),
    });
    if let Some(reason) = &connection.status_reason {
        told["reason"] = Value::from(reason.as_str());
    }
    told
}

fn offered(server: &Server) -> Value {
    json!({ "server": server.slug, "title": server.title })
}

/// What its owner can do about it.
const fn advice(connection: &Connection) -> &'static str {
    match connection.status {
        ConnectionStatus::Active => "It works; nothing has to be done.",
        ConnectionStatus::Draft | ConnectionStatus::ReauthRequired => {
            "There the user authorises it, or gives it the credentials that it needs."
        }
        ConnectionStatus::Connecting | ConnectionStatus::Degraded => {
            "There the user can try it out and see what went wrong."
        }
        ConnectionStatus::Quarantined => "There the user looks at what changed.",
        ConnectionStatus::Disabled => {
            "There the user sees who switched it off, and can switch it on if it was them."
        }
    }
}

/// RFC 3339, to the second.
fn instant(at: Timestamp) -> String {
    Moment { unix: at.seconds(), offset: 0 }.instant()
}
