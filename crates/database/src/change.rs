//! What changed: the rows of the `change` table.

/// Which sort of cached fact is stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// A user was disabled, enabled, or given other permissions; the subject is its principal.
    User,
    /// A client was changed or removed; the subject is its `client_id`.
    Client,
    /// A grant was revoked or narrowed, with every token of it.
    Grant,
    /// A single access token was revoked; the subject is its hash.
    Token,
    /// A connection was added, changed or removed.
    Connection,
    /// An upstream server was added, changed or removed; the subject is its name.
    Server,
    /// An MCP session ended; the subject is its hash.
    McpSession,
    /// A resource was registered or removed; the subject is its URI.
    Resource,
    /// A signing key was made or retired; the subject is its name.
    SigningKey,
    /// An identity provider is trusted, or no longer; the subject is its issuer.
    Issuer,
    /// A policy was activated, or a tool blocked or unblocked.
    Policy,
    /// A limit was set or taken away.
    Limit,
    /// An approval was asked for, decided or used; the subject is its identifier and its principal, with a space between.
    Approval,
}

impl ChangeKind {
    const ALL: &[Self] = &[
        Self::User,
        Self::Client,
        Self::Grant,
        Self::Token,
        Self::Connection,
        Self::Server,
        Self::McpSession,
        Self::Resource,
        Self::SigningKey,
        Self::Issuer,
        Self::Policy,
        Self::Limit,
        Self::Approval,
    ];

    /// The kind as its column holds it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Client => "client",
            Self::Grant => "grant",
            Self::Token => "token",
            Self::Connection => "connection",
            Self::Server => "server",
            Self::McpSession => "mcp_session",
            Self::Resource => "resource",
            Self::SigningKey => "signing_key",
            Self::Issuer => "issuer",
            Self::Policy => "policy",
            Self::Limit => "limit",
            Self::Approval => "approval",
        }
    }

    /// The kind of this name; `None` for one that a newer release wrote.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }
}

/// One fact that caches must forget.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Change {
    /// Of which sort.
    pub kind: ChangeKind,
    /// Of whom: an identifier or a hash.
    pub subject: String,
}

impl Change {
    /// A change of `subject`.
    pub fn new(kind: ChangeKind, subject: impl Into<String>) -> Self {
        Self { kind, subject: subject.into() }
    }
}
