//! The shape of an event and the closed list of what is noted.

use portcullis_oauth::{ClientId, ConnectionId, PrincipalId, Timestamp};
use serde_json::Value;

use crate::approval::ApprovalEvent;
use crate::circumstances::{Circumstances, within};
use crate::redaction::{self, Redaction};

/// What somebody did or tried to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A user signed in or tried to.
    SignIn,
    /// A user signed out.
    SignOut,
    /// A client was told that a session is over (OpenID Connect Back-Channel Logout).
    LogoutNotice,
    /// A client asked who a user is (OpenID Connect Core §5.3).
    UserInfo,
    /// The first admin was created or the link was tried.
    Setup,
    /// A user was added or changed by an admin.
    UserChange,
    /// A client registered itself or tried to.
    ClientRegistration,
    /// A client was added or changed by an admin.
    ClientChange,
    /// A document about a client was read, or could not be.
    ClientDocument,
    /// Keys that somebody publishes at a URL were read, or could not be.
    KeySet,
    /// An admin began or ceased to take an identity provider's word, or said who somebody is there.
    IssuerChange,
    /// A client presented an identity provider's word about a user (ID-JAG).
    IdentityAssertion,
    /// A resource server was registered or changed by an admin.
    ResourceChange,
    /// A signing key was made or retired.
    KeyChange,
    /// A resource server asked what a token is.
    Introspection,
    /// A client sent a user to the authorization endpoint.
    AuthorizationRequest,
    /// A device asked to be allowed (RFC 8628).
    DeviceAuthorization,
    /// A user typed a device's code.
    DeviceCode,
    /// A client pushed an authorization request (RFC 9126).
    PushedAuthorization,
    /// A user answered a consent page.
    Consent,
    /// A client asked for tokens.
    TokenRequest,
    /// A rotated refresh token or a redeemed code came again: its family was revoked.
    Replay,
    /// A token or a grant was revoked.
    Revocation,
    /// An MCP request was refused before it named an operation.
    McpRequest,
    /// Tools were listed.
    ToolsList,
    /// A tool was called.
    ToolCall,
    /// Prompts were listed.
    PromptsList,
    /// A prompt was got.
    PromptGet,
    /// Resources, or templates of them, were listed.
    ResourcesList,
    /// A resource was read.
    ResourceRead,
    /// A client wants to be told when a resource changes.
    ResourceSubscribe,
    /// It wants that no longer.
    ResourceUnsubscribe,
    /// An argument was completed.
    Completion,
    /// An upstream server was added to the catalogue or changed by an admin.
    ServerChange,
    /// Something happened to a connection.
    Connection(ConnectionEvent),
    /// A person's data were erased from the paper trail.
    AuditErasure,
    /// Events can be committed again, after some could not be.
    AuditResumed,
    /// A policy was activated, or a tool blocked or unblocked.
    PolicyChange,
    /// A group was made or removed, or its members changed.
    GroupChange,
    /// Somebody's program changed something through the API, or was refused there.
    ApiRequest,
    /// Something happened to a call that waits for a person.
    Approval(ApprovalEvent),
}

/// What happened to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionEvent {
    /// Its owner or an admin made it.
    Created,
    /// Its owner authorised it at the upstream, or gave other credentials.
    Authorised,
    /// It was tried out.
    Tested,
    /// Its access token was refreshed at the upstream.
    Refreshed,
    /// It stopped working.
    Failed,
    /// Its secrets were sealed under another key.
    Rotated,
    /// It got another name.
    Renamed,
    /// Its owner or an admin switched it off.
    Disabled,
    /// They switched it on again.
    Enabled,
    /// It is gone, with everything of it.
    Deleted,
    /// Its server lists other tools than before, or describes them otherwise.
    ToolsChanged,
    /// Somebody looked at a tool of it and accepted it.
    Reviewed,
    /// An admin said how it is handled.
    Ruled,
    /// Somebody wished to look after it on a page, and the policy did not let them.
    Managed,
}

impl ConnectionEvent {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "connection.created",
            Self::Authorised => "connection.authorised",
            Self::Tested => "connection.tested",
            Self::Refreshed => "connection.refreshed",
            Self::Failed => "connection.failed",
            Self::Rotated => "connection.rotated",
            Self::Renamed => "connection.renamed",
            Self::Disabled => "connection.disabled",
            Self::Enabled => "connection.enabled",
            Self::Deleted => "connection.deleted",
            Self::ToolsChanged => "connection.tools_changed",
            Self::Reviewed => "connection.reviewed",
            Self::Ruled => "connection.ruled",
            Self::Managed => "connection.managed",
        }
    }
}

impl Action {
    /// The action as rows and exports name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::SignOut => "sign_out",
            Self::LogoutNotice => "sign_out.notice",
            Self::UserInfo => "userinfo",
            Self::Setup => "setup",
            Self::UserChange => "user.change",
            Self::ClientRegistration => "client.registration",
            Self::ClientChange => "client.change",
            Self::ClientDocument => "client.document",
            Self::KeySet => "key_set",
            Self::IssuerChange => "issuer.change",
            Self::IdentityAssertion => "identity.assertion",
            Self::ResourceChange => "resource.change",
            Self::KeyChange => "key.change",
            Self::Introspection => "token.introspection",
            Self::AuthorizationRequest => "authorization.request",
            Self::DeviceAuthorization => "device.authorization",
            Self::DeviceCode => "device.code",
            Self::PushedAuthorization => "authorization.push",
            Self::Consent => "consent",
            Self::TokenRequest => "token.request",
            Self::Replay => "token.replay",
            Self::Revocation => "token.revocation",
            Self::McpRequest => "mcp.request",
            Self::ToolsList => "tools.list",
            Self::ToolCall => "tools.call",
            Self::PromptsList => "prompts.list",
            Self::PromptGet => "prompts.get",
            Self::ResourcesList => "resources.list",
            Self::ResourceRead => "resources.read",
            Self::ResourceSubscribe => "resources.subscribe",
            Self::ResourceUnsubscribe => "resources.unsubscribe",
            Self::Completion => "completion",
            Self::ServerChange => "server.change",
            Self::Connection(event) => event.as_str(),
            Self::AuditErasure => "audit.erasure",
            Self::AuditResumed => "audit.resumed",
            Self::PolicyChange => "policy.change",
            Self::GroupChange => "group.change",
            Self::ApiRequest => "api.request",
            Self::Approval(event) => event.as_str(),
        }
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Begun; a second event tells the end. One that stays alone was cut off.
    Started,
    /// Allowed and done.
    Done,
    /// Refused, for the reason that stands beside it.
    Refused,
    /// Allowed, but it failed.
    Failed,
}

impl Outcome {
    /// The outcome of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let all = [Self::Started, Self::Done, Self::Refused, Self::Failed];
        all.into_iter().find(|outcome| outcome.as_str() == name)
    }

    /// The outcome as rows and exports name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// One line of the paper trail. Built with [`Event::new`] and the methods that fill in who and why.
#[derive(Clone, Debug)]
pub struct Event {
    pub(crate) at: Timestamp,
    pub(crate) action: Action,
    pub(crate) outcome: Outcome,
    pub(crate) reason: Option<&'static str>,
    pub(crate) principal: Option<PrincipalId>,
    pub(crate) client: Option<ClientId>,
    pub(crate) connection: Option<ConnectionId>,
    pub(crate) tool: Option<String>,
    pub(crate) trace_id: Option<String>,
    pub(crate) detail: Value,
    pub(crate) circumstances: Circumstances,
}

impl Event {
    /// An event of which nothing but time, action and outcome is known.
    #[must_use]
    pub fn new(at: Timestamp, action: Action, outcome: Outcome) -> Self {
        Self {
            at,
            action,
            outcome,
            reason: None,
            principal: None,
            client: None,
            connection: None,
            tool: None,
            trace_id: crate::trace::current(),
            detail: Value::Null,
            circumstances: Circumstances::of_this_request(),
        }
    }

    /// Why: a reason code such as `token_expired`, stable across releases.
    #[must_use]
    pub fn because(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }

    /// On whose behalf.
    #[must_use]
    pub fn by(mut self, principal: &PrincipalId) -> Self {
        self.principal = Some(principal.clone());
        self
    }

    /// Through which client. A stranger's claim is kept too, cut to what an identifier may hold.
    #[must_use]
    pub fn through(mut self, client: &ClientId) -> Self {
        // Programs that mix up their parameters send a token, a code or something signed as their name.
        let holds = |start: &str, more: usize| {
            client.as_str().find(start).is_some_and(|at| client.as_str().len() > at + more)
        };
        let misplaced = holds("pcl_", 12) || holds("eyJ", 20);
        let name = if misplaced { "[redacted]" } else { client.as_str() };
        self.client = Some(ClientId::from(within(name, 500)));
        self
    }

    /// At which connection.
    #[must_use]
    pub fn at_connection(mut self, connection: &ConnectionId) -> Self {
        self.connection = Some(connection.clone());
        self
    }

    /// Of which tool. A stranger's text is cut to what a name may hold.
    #[must_use]
    pub fn of_tool(mut self, tool: &str) -> Self {
        self.tool = Some(within(tool, 200));
        self
    }

    /// Under which trace id the log tells more.
    #[must_use]
    pub fn traced(mut self, trace_id: &str) -> Self {
        self.trace_id = Some(trace_id.to_owned());
        self
    }

    /// Further facts, beside those that are there; redacted before they are kept.
    #[must_use]
    pub fn with(mut self, detail: Value) -> Self {
        self.detail = match (self.detail, detail) {
            (Value::Object(mut known), Value::Object(more)) => {
                known.extend(more);
                Value::Object(known)
            }
            (_, detail) => detail,
        };
        self
    }

    /// Without these secrets, wherever in the further facts they stand: those that are stored for the connection. Call it
    /// after [`with`](Self::with).
    #[must_use]
    pub fn without(mut self, secrets: &[&str]) -> Self {
        self.detail = redaction::without(self.detail, secrets);
        self
    }

    /// The further facts as a row keeps them.
    pub(crate) fn kept_detail(&self, redaction: &Redaction) -> Option<String> {
        (!self.detail.is_null()).then(|| redaction::bounded(redaction.apply(&self.detail)))
    }
}
