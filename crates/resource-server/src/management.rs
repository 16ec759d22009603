//! Our own tools at `/mcp`: what a program may learn and begin about its user's connections (`mcp.connections.manage`).
//!
//! Owns their names, schemas and descriptions ([`OwnTool`]) and what they say (`desk`). They never take or give a
//! credential: whatever has to be filled in or agreed to is done by the person, on our own pages, where a link leads. No
//! tool approves anything, and none changes a policy. The steps around them are the pipeline's.

mod desk;

use std::sync::LazyLock;

use portcullis_oauth::ScopeSet;
use portcullis_oauth::scopes::CONNECTIONS_MANAGE;
use serde_json::{Value, json};

pub(crate) use self::desk::{Desk, Unsaid, Wish};
use crate::offer::{Kind, Offer};

/// A tool of our own. No alias is `gateway`, so their names are nobody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnTool {
    /// Which connections there are, how they stand, and what else could be connected to.
    ListConnections,
    /// How one stands, and what its owner can do about it.
    ConnectionStatus,
    /// Where the person makes a connection, or gives one new credentials.
    StartConnect,
}

impl OwnTool {
    /// Each, in the order of lists.
    pub(crate) const ALL: [Self; 3] = [Self::ListConnections, Self::ConnectionStatus, Self::StartConnect];

    /// The tool of this name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.name() == name)
    }

    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ListConnections => "gateway__list_connections",
            Self::ConnectionStatus => "gateway__connection_status",
            Self::StartConnect => "gateway__start_connect",
        }
    }

    /// What a token needs for any of them.
    pub(crate) fn scope() -> ScopeSet {
        ScopeSet::from_iter([CONNECTIONS_MANAGE])
    }

    /// The tool as lists describe it, with the schema that its arguments obey.
    pub(crate) fn offer(self) -> Option<&'static Offer> {
        static OFFERS: LazyLock<Vec<Option<Offer>>> = LazyLock::new(|| {
            OwnTool::ALL.into_iter().map(|tool| Offer::read(Kind::Tools, tool.described())).collect()
        });
        OFFERS.iter().flatten().find(|offer| offer.key == self.name())
    }

    /// The entry of lists. That nothing is destroyed is true here: these change nothing at all.
    pub(crate) fn described(self) -> Value {
        let (title, description, properties, required) = self.words();
        json!({
            "name": self.name(),
            "title": title,
            "description": description,
            "inputSchema": {
                "type": "object", "properties": properties, "required": required, "additionalProperties": false,
            },
            "annotations": {
                "title": title, "readOnlyHint": true, "destructiveHint": false, "idempotentHint": true,
                "openWorldHint": false,
            },
        })
    }

    /// Title, description, properties of the arguments, and those that are needed.
    fn words(self) -> (&'static str, &'static str, Value, &'static [&'static str]) {
        let alias = json!({
            "type": "string", "pattern": "^[a-z][a-z0-9]{0,11}$",
            "description": "The user's own name for the connection, as it stands before the two underscores of a tool's name.",
        });
        match self {
            Self::ListConnections => (
                "List connections",
                "Lists the user's connections that this client may use, how each stands, and the servers to which the user \
                 could make another one. Asks no server anything.",
                json!({}),
                &[],
            ),
            Self::ConnectionStatus => (
                "Show a connection",
                "Tells how one connection stands, since when and why, what went wrong last, and where the user can see to it. \
                 Shows no credentials and asks the server nothing.",
                json!({ "alias": alias }),
                &["alias"],
            ),
            Self::StartConnect => (
                "Start connecting",
                "Gives a link to the gateway's own page where the user makes a connection, or gives one that is there new \
                 credentials. Show the link to the user and wait: they sign in and fill everything in there. Never ask the \
                 user for a password, key or token; there is no argument for one.",
                json!({
                    "alias": alias,
                    "server": {
                        "type": "string", "pattern": "^[a-z][a-z0-9-]{0,39}$",
                        "description": "For a new connection: the server, as gateway__list_connections names it.",
                    },
                }),
                &["alias"],
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// TOOL-3, TOOL-9: ours are tools like every other, and no connection's tool can have one of their names
    #[test]
    fn every_tool_can_be_listed_and_called() {
        for tool in OwnTool::ALL {
            let offer = tool.offer().expect("a tool that lists can show");
            assert!(offer.schema().is_ok() && OwnTool::parse(&offer.key) == Some(tool));
            assert_eq!(offer.description["inputSchema"]["additionalProperties"], false);
            assert!(crate::names::split(tool.name()).is_none(), "the alias is reserved");
        }
        assert_eq!(OwnTool::parse("gateway__approve"), None);
    }
}
