//! What policies see of a caller, a connection and a tool.

use portcullis_database::DatabaseError;
use portcullis_oauth::{ClientId, ClientStanding, PrincipalKind, PublicUrl, Standing, VerifiedBearer};
use portcullis_policy::{
    Assurance, Client, Connection as SeenConnection, Hints, Pin, Principal, PrincipalKind as SeenKind,
    Registration, Risk, ServerKind, Subject, Target, Tool,
};
use serde_json::{Map, Value};

use super::blocks::Blocked;
use super::{Person, ToolBlocks, Trust};
use crate::catalogue::Server;
use crate::connections::Connection;
use crate::pins::{Pinned, Pins};

/// The tools of the sandbox, each of which was reviewed. Another of its name may not be called.
const REVIEWED: [&str; 10] = [
    "echo",
    "slow",
    "fail",
    "list_files",
    "read_file",
    "query_database",
    "create_note",
    "update_note",
    "delete_note",
    "send_message",
];

/// What policies call the program of somebody who acts on the gateway's own pages. No client can have this identifier: those
/// that are made here are longer, and the others are addresses.
const PAGES: &str = "portcullis";

/// Somebody who looks after a connection of their own on the gateway's own pages. There is no client between the two, so the
/// gateway stands where a client would: as the program of those who run it, at its own host.
#[must_use]
pub fn by_hand(person: &Person, connection: SeenConnection, gateway: &PublicUrl) -> Subject {
    let host = gateway.authority().to_owned();
    through(
        person,
        Client { id: PAGES.to_owned(), registration: Registration::Admin, host: Some(host) },
        connection,
    )
}

/// Somebody who acts through a client that was given the connection.
#[must_use]
pub fn through(person: &Person, client: Client, connection: SeenConnection) -> Subject {
    let principal = Principal {
        kind: SeenKind::User,
        id: person.id.to_string(),
        email: Some(person.email.clone()),
        groups: person.groups.clone(),
        permissions: person.permissions.iter().map(str::to_owned).collect(),
    };
    Subject { principal, client, connection, granted: true }
}

/// The bearer at a connection.
pub(crate) fn subject(bearer: &VerifiedBearer, connection: &Connection) -> Subject {
    subject_at(bearer, self::connection(connection), bearer.connections().reach(&connection.id))
}

/// The bearer at a connection that may not be there yet.
pub(crate) fn subject_at(bearer: &VerifiedBearer, connection: SeenConnection, granted: bool) -> Subject {
    let principal = bearer.principal();
    let kind = match principal.id.kind() {
        PrincipalKind::Machine => SeenKind::Machine,
        PrincipalKind::User => SeenKind::User,
    };
    Subject {
        principal: Principal {
            kind,
            id: principal.id.to_string(),
            email: bearer.standing().email.clone(),
            groups: principal.groups.clone(),
            permissions: principal.permissions.iter().map(str::to_owned).collect(),
        },
        client: client(bearer.client_id(), bearer.standing()),
        connection,
        granted,
    }
}

/// A client.
#[must_use]
pub fn client(id: &ClientId, standing: &Standing) -> Client {
    let (registration, host) = match &standing.client {
        ClientStanding::Admin => (Registration::Admin, None),
        ClientStanding::Document { host } => (Registration::Document, Some(host.clone())),
        ClientStanding::Dynamic => (Registration::Dynamic, None),
        ClientStanding::Unknown => (Registration::Unknown, None),
    };
    Client { id: id.to_string(), registration, host }
}

/// A connection.
#[must_use]
pub fn connection(connection: &Connection) -> SeenConnection {
    SeenConnection {
        id: connection.id.to_string(),
        alias: connection.alias.to_string(),
        owner: connection.principal_id.to_string(),
        server: connection.server.clone(),
        kind: kind(&connection.server_kind),
    }
}

/// How a server is reached, by the name of its kind.
pub(crate) fn kind(name: &str) -> ServerKind {
    match name {
        "sandbox" => ServerKind::Sandbox,
        "stdio" => ServerKind::Stdio,
        _ => ServerKind::Http,
    }
}

/// A tool of which the name is known and how it stood when this server of the catalogue listed it last. One that was never
/// listed is taken as a new one would be.
///
/// # Errors
/// When a store fails.
pub async fn tool_by_name(
    (connection, server): (&Connection, Option<&Server>),
    name: &str,
    (blocks, pins): (&ToolBlocks, &Pins),
) -> Result<Target, DatabaseError> {
    let blocked = Blocked::of(blocks.list().await?);
    let trust = Trust::of(connection, server);
    let stood = pins.last_stood((connection, trust), name).await?;
    let pinned = stood.unwrap_or(Pinned { pin: pin(trust), reviewed: false });
    Ok(Target::Tool(tool((connection, trust), name, (None, pinned), &blocked)))
}

/// A prompt of a connection to this server of the catalogue.
#[must_use]
pub fn prompt_by_name(connection: &Connection, server: Option<&Server>, name: &str) -> Target {
    prompt(Trust::of(connection, server), name)
}

/// A resource of a connection to this server of the catalogue.
#[must_use]
pub fn resource_by_uri(connection: &Connection, server: Option<&Server>, uri: &str) -> Target {
    resource(Trust::of(connection, server), uri)
}

/// A tool as its server describes it and as it stands to its pin, at a connection to a server that is trusted so far. Its
/// description may raise what it needs and never lowers it (TOOL-8).
pub(crate) fn tool(
    (connection, trust): (&Connection, Trust),
    name: &str,
    (description, pinned): (Option<&Map<String, Value>>, Pinned),
    blocked: &Blocked,
) -> Tool {
    let tool = Tool::new(name, description.and_then(hints));
    let approval = match (trust, tool.risk) {
        (Trust::Reading, Risk::Unknown) if !pinned.reviewed => Assurance::Session,
        (_, risk) => risk.approval(),
    };
    let pin = match trust {
        Trust::Sandbox if !REVIEWED.contains(&name) => Pin::New,
        Trust::Sandbox | Trust::None => pin(trust),
        Trust::Quarantine | Trust::Reading | Trust::All => pinned.pin,
    };
    Tool { pin, approval, blocked: blocked.blocks(name, &connection.server, &connection.id), ..tool }
}

/// A prompt of a server that is trusted so far.
pub(crate) fn prompt(trust: Trust, name: &str) -> Target {
    Target::Prompt { name: name.to_owned(), pin: pin(trust), blocked: false }
}

/// A resource, or a pattern of some, of a server that is trusted so far.
pub(crate) fn resource(trust: Trust, uri: &str) -> Target {
    Target::Resource { uri: uri.to_owned(), pin: pin(trust), blocked: false }
}

/// What an admin's trust in a server says of what it offers beside tools, and of all it offers where that is the same.
fn pin(trust: Trust) -> Pin {
    match trust {
        Trust::Sandbox | Trust::Reading | Trust::All => Pin::Active,
        Trust::Quarantine => Pin::New,
        Trust::None => Pin::Removed,
    }
}

/// `annotations`, when the server gives any hint there.
fn hints(description: &Map<String, Value>) -> Option<Hints> {
    let annotations = description.get("annotations")?.as_object()?;
    if !annotations.keys().any(|name| name.ends_with("Hint")) {
        return None;
    }
    let hint = |name: &str| annotations.get(name).and_then(Value::as_bool);
    Some(Hints {
        read_only: hint("readOnlyHint"),
        destructive: hint("destructiveHint"),
        idempotent: hint("idempotentHint"),
        open_world: hint("openWorldHint"),
    })
}
