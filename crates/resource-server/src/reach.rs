//! From a connection to everything that is needed to reach its server: the catalogue's entry, what its owner filled in, and
//! its credentials. Owns no table; what it remembers is forgotten when the connection or the server changes.

mod asking;

use std::collections::BTreeMap;
use std::sync::Arc;

use moka::sync::Cache;
use portcullis_database::{Change, ChangeFeed, ChangeKind, ChangeListener, DatabaseError};
use portcullis_oauth::{BoxFuture, ConnectionId, Secret};
use portcullis_upstream::{Endpoint, Headers, HttpTarget, Program, Revision, Transport};
use serde_json::value::to_raw_value;
use zeroize::Zeroizing;

use crate::catalogue::{AuthKind, Filled, Relays, Server, ServerKind, Servers};
use crate::connections::{Connection, ConnectionStatus};
use crate::credentials::{CredentialError, Credentials, field};
use crate::relay::Secrets;
pub(crate) use asking::{Asking, Sampling};

/// Where a command is looked for, unless its template says otherwise.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// So many connections are remembered.
const CAPACITY: u64 = 10_000;

/// Where the access tokens of connections come from that sign in by OAuth.
pub trait AccessTokens: Send + Sync {
    /// A token that is good now, refreshed if need be.
    fn token<'a>(&'a self, connection: &'a Connection) -> BoxFuture<'a, Result<Secret, NoToken>>;

    /// The server refused `token`. `Ok`: there is another by now, with which the request may be tried once more.
    fn refused<'a>(
        &'a self,
        connection: &'a Connection,
        token: &'a Secret,
    ) -> BoxFuture<'a, Result<(), NoToken>>;

    /// The server wants more permissions, as this challenge says. The answer tells whom to turn to.
    fn insufficient<'a>(&'a self, connection: &'a Connection, challenge: &'a str) -> BoxFuture<'a, NoToken>;
}

/// Why there is no access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoToken {
    /// Its owner has to sign in again; a code and words for them.
    NeedsOwner(&'static str, String),
    /// Another time it may work; words for the caller.
    Later(String),
}

/// Why a connection cannot be reached.
#[derive(Debug)]
pub(crate) enum Unreached {
    /// Its owner has to do something; a code and words for them.
    NeedsOwner(&'static str, String),
    /// Another time it may work; words for the caller.
    Later(String),
    /// Something inside.
    Inside(Box<dyn std::error::Error + Send + Sync>),
}

impl From<NoToken> for Unreached {
    fn from(why: NoToken) -> Self {
        match why {
            NoToken::NeedsOwner(code, words) => Self::NeedsOwner(code, words),
            NoToken::Later(words) => Self::Later(words),
        }
    }
}

/// What reaches a server, and what must not come back from there.
#[derive(Clone, Debug)]
pub(crate) struct Reached {
    /// For the pool.
    pub(crate) endpoint: Endpoint,
    /// Every secret in it.
    pub(crate) secrets: Secrets,
    /// The access token among them, which can be had anew without the connection's owner.
    pub(crate) token: Option<Secret>,
    /// What the server may ask clients for.
    pub(crate) relays: Relays,
}

/// Finds the way. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Reach {
    servers: Servers,
    credentials: Credentials,
    tokens: Option<Arc<dyn AccessTokens>>,
    known: Cache<ConnectionId, Arc<(i64, Known)>>,
    catalogue: Cache<String, Option<Arc<Server>>>,
    changes: ChangeFeed,
}

/// What is the same for every request with one version of the credentials.
struct Known {
    transport: Transport,
    headers: Headers,
    secrets: Secrets,
}

impl Reach {
    /// The way to the servers of `servers` with what `credentials` holds.
    pub(crate) fn new(
        servers: Servers,
        credentials: Credentials,
        tokens: Option<Arc<dyn AccessTokens>>,
        changes: ChangeFeed,
    ) -> Self {
        let (known, catalogue) = (Cache::new(CAPACITY), Cache::new(CAPACITY));
        changes.subscribe(Arc::new(Forget { known: known.clone(), catalogue: catalogue.clone() }));
        Self { servers, credentials, tokens, known, catalogue, changes }
    }

    /// The catalogue's entry for a connection's server; `None` when it was taken from it.
    pub(crate) async fn server(&self, connection: &Connection) -> Result<Option<Arc<Server>>, DatabaseError> {
        self.entry(&connection.server).await
    }

    /// What the server of this name may ask clients for, if the catalogue has it and it is not switched off.
    pub(crate) async fn offered(&self, slug: &str) -> Result<Option<Relays>, DatabaseError> {
        let server = self.entry(slug).await?.filter(|server| server.disabled_at.is_none());
        Ok(server.map(|server| server.relays))
    }

    async fn entry(&self, slug: &str) -> Result<Option<Arc<Server>>, DatabaseError> {
        self.stay_timely();
        if let Some(known) = self.catalogue.get(slug) {
            return Ok(known);
        }
        let stamp = self.changes.stamp();
        let found = self.servers.find(slug).await?.map(Arc::new);
        self.catalogue.insert(slug.to_owned(), found.clone());
        if !self.changes.is_current(stamp) {
            self.catalogue.invalidate(slug);
        }
        Ok(found)
    }

    /// The way to the server of `connection`, for a caller who can be asked so.
    pub(crate) async fn endpoint(
        &self,
        connection: &Connection,
        asking: Asking,
    ) -> Result<Reached, Unreached> {
        let server = self.server(connection).await.map_err(inside)?;
        let server = server.ok_or_else(|| {
            Unreached::NeedsOwner("server_removed", "The server was removed from the catalogue.".to_owned())
        })?;
        // Here, at the one way out, so that no caller can forget it.
        if server.disabled_at.is_some() {
            return Err(Unreached::Later("the server is switched off".to_owned()));
        }
        if connection.status == ConnectionStatus::Disabled {
            return Err(Unreached::Later("the connection is switched off".to_owned()));
        }
        let known = self.known(connection, &server).await?;
        let (mut headers, mut secrets) = (known.1.headers.clone(), known.1.secrets.clone());
        let mut token = None;
        if connection.auth == AuthKind::OAuth {
            let fresh = self.tokens()?.token(connection).await?;
            let value = Zeroizing::new(format!("Bearer {}", fresh.expose()));
            secrets.add(fresh.expose());
            headers.add("authorization", value).map_err(inside)?;
            token = Some(fresh);
        }
        let asking = if matches!(known.1.transport, Transport::Stdio(_)) { Asking::CHILD } else { asking };
        // MRTR-3: nobody is told of more than an admin lets it ask for.
        let asking = asking.within(server.relays);
        let key = format!("{}/{}/{}", connection.id, connection.credential_version, asking.code());
        let endpoint = Endpoint {
            key,
            transport: known.1.transport.clone(),
            headers,
            capabilities: to_raw_value(&asking.capabilities()).map_err(inside)?,
            remembered: connection.revision.as_deref().and_then(Revision::parse),
        };
        Ok(Reached { endpoint, secrets, token, relays: server.relays })
    }

    /// Every secret that is stored for `connection`.
    pub(crate) async fn secrets(&self, connection: &Connection) -> Result<Secrets, Unreached> {
        let Some(server) = self.server(connection).await.map_err(inside)? else {
            return Ok(Secrets::default());
        };
        Ok(self.known(connection, &server).await?.1.secrets.clone())
    }

    /// The server refused an access token. `Ok`: the request may be tried once more with another.
    pub(crate) async fn refused(&self, connection: &Connection, token: &Secret) -> Result<(), Unreached> {
        Ok(self.tokens()?.refused(connection, token).await?)
    }

    /// The server wants more permissions than an access token was given.
    pub(crate) async fn insufficient(&self, connection: &Connection, challenge: &str) -> Unreached {
        match self.tokens() {
            Ok(tokens) => tokens.insufficient(connection, challenge).await.into(),
            Err(why) => why,
        }
    }

    fn tokens(&self) -> Result<&dyn AccessTokens, Unreached> {
        self.tokens.as_deref().ok_or_else(|| {
            let words = "Signing in there is not possible with this server.".to_owned();
            Unreached::NeedsOwner("sign_in_unavailable", words)
        })
    }

    async fn known(&self, connection: &Connection, server: &Server) -> Result<Arc<(i64, Known)>, Unreached> {
        let version = connection.credential_version;
        if let Some(known) = self.known.get(&connection.id).filter(|known| known.0 == version) {
            return Ok(known);
        }
        let stamp = self.changes.stamp();
        let stored =
            self.credentials.all(&connection.id).await.map_err(|error: CredentialError| inside(error))?;
        let known = Arc::new((version, Known::read(connection, server, &stored)?));
        self.known.insert(connection.id.clone(), Arc::clone(&known));
        if !self.changes.is_current(stamp) {
            self.known.invalidate(&connection.id);
        }
        Ok(known)
    }

    fn stay_timely(&self) {
        if !self.changes.is_timely() {
            self.known.invalidate_all();
            self.catalogue.invalidate_all();
        }
    }
}

impl Known {
    fn read(
        connection: &Connection,
        server: &Server,
        stored: &BTreeMap<String, Secret>,
    ) -> Result<Self, Unreached> {
        let missing = |_| {
            let words = "A credential is missing or cannot be used. Enter it again.".to_owned();
            Unreached::NeedsOwner("credential_missing", words)
        };
        let mut secrets = Secrets::default();
        for secret in stored.values() {
            secrets.add(secret.expose());
        }
        let parameters = stored.iter().filter_map(|(name, secret)| {
            let name = name.strip_prefix(field::PARAMETER)?;
            Some((name.to_owned(), Zeroizing::new(secret.expose().to_owned())))
        });
        let filled = server.fill(&connection.settings, &parameters.collect()).map_err(|error| {
            Unreached::NeedsOwner(
                "settings_incomplete",
                format!("What the server asks for is incomplete: {error}."),
            )
        })?;
        let mut headers = Headers::default();
        for (name, value) in &filled.headers {
            headers.add(name, value.clone()).map_err(|error| missing(error.to_string()))?;
        }
        let held = |name| stored.get(name).ok_or(()).map_err(|()| missing(String::new()));
        match connection.auth {
            AuthKind::None | AuthKind::OAuth => {}
            AuthKind::Header => {
                let value = Zeroizing::new(server.header.fill(held(field::HEADER)?.expose()));
                secrets.add(&value);
                headers.add(&server.header.name, value).map_err(|error| missing(error.to_string()))?;
            }
            AuthKind::Basic => {
                let value = basic(held(field::USER)?, held(field::PASSWORD)?);
                secrets.add(value.trim_start_matches("Basic "));
                headers.add("authorization", value).map_err(|error| missing(error.to_string()))?;
            }
        }
        Ok(Self { transport: transport(server, filled, &secrets)?, headers, secrets })
    }
}

/// RFC 7617: the user name holds no colon, which those who store it see to.
fn basic(user: &Secret, password: &Secret) -> Zeroizing<String> {
    use base64::Engine;
    let pair = Zeroizing::new(format!("{}:{}", user.expose(), password.expose()));
    Zeroizing::new(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair.as_bytes())))
}

fn transport(server: &Server, filled: Filled, secrets: &Secrets) -> Result<Transport, Unreached> {
    match &server.kind {
        ServerKind::Http { url, legacy_sse } => Ok(Transport::Http(HttpTarget {
            url: url.clone(),
            private_network: server.private_network,
            legacy_sse: *legacy_sse,
        })),
        ServerKind::Stdio(template) => {
            let arguments = filled.arguments.iter().map(|argument| argument.to_string()).collect();
            let mut environment = filled.environment;
            if !environment.iter().any(|(name, _)| name == "PATH") {
                environment.push(("PATH".to_owned(), Zeroizing::new(PATH.to_owned())));
            }
            let (command, secrets) = (template.command.clone(), secrets.values());
            Ok(Transport::Stdio(Program { command, arguments, environment, secrets }))
        }
        ServerKind::Sandbox => Err(inside("the sandbox is reached from within")),
    }
}

fn inside(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Unreached {
    Unreached::Inside(cause.into())
}

/// Forgets what was read for a connection or a server that changed.
struct Forget {
    known: Cache<ConnectionId, Arc<(i64, Known)>>,
    catalogue: Cache<String, Option<Arc<Server>>>,
}

impl ChangeListener for Forget {
    fn changed(&self, change: &Change) {
        match change.kind {
            ChangeKind::Connection => self.known.invalidate(&ConnectionId::from(change.subject.clone())),
            ChangeKind::Server => {
                self.catalogue.invalidate(&change.subject);
                self.known.invalidate_all();
            }
            _ => {}
        }
    }

    fn missed(&self) {
        self.known.invalidate_all();
        self.catalogue.invalidate_all();
    }
}
