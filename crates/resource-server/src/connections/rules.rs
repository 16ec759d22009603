//! How one connection is handled, where an admin wants it otherwise than its server says or than is usual.

use portcullis_audit::{ConnectionEvent, Outcome};
use portcullis_database::{Change, ChangeKind, DatabaseError, on};
use portcullis_oauth::ConnectionId;
use serde_json::json;

use super::{Connection, Connections};
use crate::catalogue::NewTools;

/// What becomes of arguments that are not as they should be: control characters, endless strings, properties that no schema
/// knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ArgumentRule {
    /// They are mended, and what was mended is told.
    #[default]
    Sanitise,
    /// The call is refused.
    Reject,
}

impl ArgumentRule {
    /// Every rule.
    pub const ALL: [Self; 2] = [Self::Sanitise, Self::Reject];

    /// The rule as columns and commands name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sanitise => "sanitise",
            Self::Reject => "reject",
        }
    }

    /// The rule of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.as_str() == name)
    }
}

/// The rules of one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// What becomes of tools that nobody has reviewed; nothing where it is as the server says.
    pub new_tools: Option<NewTools>,
    /// What becomes of arguments that are not as they should be.
    pub arguments: ArgumentRule,
}

impl Rules {
    /// The rules as their columns hold them. What a later release wrote is not guessed at.
    pub(super) fn read(new_tools: Option<&str>, arguments: &str) -> Result<Self, DatabaseError> {
        let unknown = |what: &str| {
            DatabaseError::from(sqlx::Error::Decode(format!("unknown rule of a connection: {what}").into()))
        };
        let new_tools =
            new_tools.map(|name| NewTools::parse(name).ok_or_else(|| unknown(name))).transpose()?;
        let arguments = ArgumentRule::parse(arguments).ok_or_else(|| unknown(arguments))?;
        Ok(Self { new_tools, arguments })
    }
}

impl Connections {
    /// Says how a connection is handled from now on. `false`: it is gone.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn set_rules(
        &self,
        connection: &Connection,
        rules: Rules,
        who: &str,
    ) -> Result<bool, DatabaseError> {
        let now = self.clock.now();
        let mut transaction = self.database.begin().await?;
        let changed: Option<(ConnectionId,)> = on!(transaction.on(), |executor| sqlx::query_as(
            "UPDATE connection SET new_tools = $2, arguments = $3 WHERE id = $1 RETURNING id"
        )
        .bind(&connection.id)
        .bind(rules.new_tools.map(NewTools::as_str))
        .bind(rules.arguments.as_str())
        .fetch_optional(executor)
        .await)?;
        if changed.is_none() {
            return Ok(false);
        }
        let detail = json!({
            "by": who, "new_tools": rules.new_tools.map(NewTools::as_str), "arguments": rules.arguments.as_str(),
        });
        let event = connection.event(now, ConnectionEvent::Ruled, Outcome::Done).with(detail);
        portcullis_audit::record_in(&mut transaction, event).await?;
        let change = Change::new(ChangeKind::Connection, connection.id.as_str());
        transaction.record_change(&change, now).await?;
        transaction.commit().await?;
        self.changes.publish(&change);
        Ok(true)
    }
}
