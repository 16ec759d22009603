//! How somebody comes to a connection, gives it other credentials, and tries it out: what pages, commands and tools share.
//!
//! Owns the order of the steps: what was filled in is checked against the catalogue, then written in one transaction, then
//! tried out the way a real call goes (T37). The stores own what they write.

use std::collections::BTreeMap;

use portcullis_audit::ConnectionEvent;
use portcullis_database::{DatabaseError, Transaction};
use portcullis_oauth::{Alias, ConnectionId, PrincipalId, Secret};
use zeroize::Zeroizing;

use crate::catalogue::{AuthKind, Parameter, Place, RemoveServerError, Server, Servers, Slug, ValueError};
use crate::connections::{Connection, ConnectionError, Connections, NewConnection, Who};
use crate::credentials::{CredentialError, Credentials, field};
use crate::gateway::Gateway;
use crate::probe::Probe;
use crate::sandbox::SERVER;

/// No label is longer.
const LONGEST_LABEL: usize = 100;

/// What somebody filled in for a connection. Secrets that are absent keep what was stored.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// Parameters that are no secrets, by name.
    pub settings: BTreeMap<String, String>,
    /// Parameters that are secrets, by name.
    pub secrets: BTreeMap<String, Secret>,
    /// What goes into the header, for [`AuthKind::Header`].
    pub header: Option<Secret>,
    /// User name and password, for [`AuthKind::Basic`].
    pub basic: Option<(Secret, Secret)>,
}

impl Answers {
    /// The same, with what was filled in before wherever nothing is said now.
    #[must_use]
    pub fn beside(mut self, settings: &BTreeMap<String, String>) -> Self {
        for (name, value) in settings {
            self.settings.entry(name.clone()).or_insert_with(|| value.clone());
        }
        self
    }
}

/// A connection that somebody asks for.
#[derive(Clone, Debug)]
pub struct Application {
    /// Whose it will be.
    pub principal: PrincipalId,
    /// What they call it.
    pub alias: Alias,
    /// The account there, for people.
    pub label: String,
    /// The server's name in the catalogue.
    pub server: String,
    /// How it signs in there; `None` for the first way that the server offers.
    pub auth: Option<AuthKind>,
    /// What was filled in.
    pub answers: Answers,
}

/// Why there is no connection, or why it stayed as it was. Each is a sentence for the person.
#[derive(Debug, thiserror::Error)]
pub enum EnrolmentError {
    /// The server is not offered to them.
    #[error("there is no server named {0} that this person may connect to")]
    NoServer(String),
    /// A way to sign in that the server does not offer.
    #[error("{0} can be signed in to by: {1}")]
    Auth(String, String),
    /// What the header needs was not given.
    #[error("the secret for the header {0} is needed")]
    Header(String),
    /// User name or password are missing, or cannot be.
    #[error("a user name without a colon and a password are needed, without control characters")]
    Basic,
    /// A label that nobody could read.
    #[error("a label has at most 100 characters, without control characters")]
    Label,
    /// Something that the server asks for.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// The name, or the store of connections.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// A secret could not be sealed or opened.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The store failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl EnrolmentError {
    /// Whether it is the server's fault, and not to be mended by writing something else.
    #[must_use]
    pub const fn is_internal(&self) -> bool {
        matches!(
            self,
            Self::Credential(_) | Self::Database(_) | Self::Connection(ConnectionError::Database(_))
        )
    }
}

/// The steps. Cheap to clone.
#[derive(Clone)]
pub struct Enrolment {
    pub(crate) servers: Servers,
    pub(crate) connections: Connections,
    pub(crate) credentials: Credentials,
    pub(crate) gateway: Gateway,
}

impl std::fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Enrolment")
    }
}

impl Enrolment {
    /// The catalogue.
    #[must_use]
    pub fn servers(&self) -> &Servers {
        &self.servers
    }

    /// Makes a connection and tries it out. One that signs in by OAuth is a draft until its owner did so in the browser.
    ///
    /// # Errors
    /// When something of it cannot be, or the store fails; then nothing was made.
    pub async fn add(&self, application: Application) -> Result<Connection, EnrolmentError> {
        let Application { principal, alias, label, server: slug, auth, answers } = application;
        let found = self.servers.find(&slug).await?;
        let offered = found.filter(|server| server.disabled_at.is_none() && server.is_visible_to(&principal));
        let server = offered.ok_or(EnrolmentError::NoServer(slug))?;
        let auth = chosen(&server, auth)?;
        accept(&server, auth, (&answers, &BTreeMap::new()))?;
        let label = label.trim().to_owned();
        if label.chars().count() > LONGEST_LABEL || label.chars().any(char::is_control) {
            return Err(EnrolmentError::Label);
        }
        let settings = answers.settings.clone();
        let server = server.slug.to_string();
        let new = NewConnection { principal, alias, server, label, auth, settings };
        let (mut transaction, made) = self.connections.begin(&new).await?;
        self.store(&mut transaction, &made.id, &answers).await?;
        self.connections.finish(transaction, &made, (ConnectionEvent::Created, None)).await?;
        if auth == AuthKind::OAuth { Ok(made) } else { Ok(self.test(&made).await?.unwrap_or(made)) }
    }

    /// Gives a connection other credentials or settings, and tries it out. What was open to its server with the old ones
    /// ends.
    ///
    /// # Errors
    /// As [`Self::add`]. `Ok(None)`: it is gone.
    pub async fn renew(
        &self,
        connection: &Connection,
        answers: &Answers,
    ) -> Result<Option<Connection>, EnrolmentError> {
        let found = self.servers.find(&connection.server).await?;
        let server = found.ok_or_else(|| EnrolmentError::NoServer(connection.server.clone()))?;
        let stored = self.credentials.all(&connection.id).await?;
        accept(&server, connection.auth, (answers, &stored))?;
        let begun = self.connections.begin_renewal(connection, &answers.settings).await?;
        let Some((mut transaction, renewed)) = begun else { return Ok(None) };
        self.store(&mut transaction, &connection.id, answers).await?;
        self.connections.finish(transaction, &renewed, (ConnectionEvent::Authorised, None)).await?;
        Ok(self.test(&renewed).await?)
    }

    /// Tries a connection out the way a call goes; how it then stands. `None`: it is gone.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn test(&self, connection: &Connection) -> Result<Option<Connection>, DatabaseError> {
        self.gateway.probe(connection).await;
        self.connections.get(&connection.id).await
    }

    /// Switches a connection on again and tries it out. `None`: it was not off, is gone, or an admin switched it off and
    /// `who` is not one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn enable(
        &self,
        connection: &Connection,
        who: Who,
    ) -> Result<Option<Connection>, DatabaseError> {
        if !self.connections.enable(connection, who).await? {
            return Ok(None);
        }
        let Some(enabled) = self.connections.get(&connection.id).await? else { return Ok(None) };
        self.test(&enabled).await
    }

    /// Removes a server, and first every connection to it with what was sealed for it. How many there were; `false`: it was gone.
    ///
    /// # Errors
    /// When it is built in, somebody connects to it at the same moment, or the store fails.
    pub async fn remove_server(&self, slug: &Slug) -> Result<(bool, usize), RemoveServerError> {
        if slug.as_str() == SERVER {
            return Err(RemoveServerError::BuiltIn);
        }
        let connected = self.connections.list_all(Some(slug.as_str())).await?;
        for connection in &connected {
            self.connections.remove(connection).await?;
        }
        Ok((self.servers.remove(slug).await?, connected.len()))
    }

    async fn store(
        &self,
        transaction: &mut Transaction,
        connection: &ConnectionId,
        answers: &Answers,
    ) -> Result<(), CredentialError> {
        let mut fields: Vec<(String, &Secret)> = Vec::new();
        fields.extend(answers.header.as_ref().map(|secret| (field::HEADER.to_owned(), secret)));
        if let Some((user, password)) = &answers.basic {
            fields.extend([(field::USER.to_owned(), user), (field::PASSWORD.to_owned(), password)]);
        }
        let parameter = |name: &String| format!("{}{name}", field::PARAMETER);
        fields.extend(answers.secrets.iter().map(|(name, secret)| (parameter(name), secret)));
        for (field, secret) in fields {
            self.credentials.put_in(transaction, connection, &field, secret).await?;
        }
        Ok(())
    }
}

fn chosen(server: &Server, auth: Option<AuthKind>) -> Result<AuthKind, EnrolmentError> {
    let chosen = auth.or_else(|| server.auth.first().copied()).unwrap_or(AuthKind::None);
    if server.auth.contains(&chosen) {
        return Ok(chosen);
    }
    let offered: Vec<&str> = server.auth.iter().map(|kind| kind.as_str()).collect();
    Err(EnrolmentError::Auth(server.title.clone(), offered.join(", ")))
}

/// Checks what was filled in; what is stored already need not be given again.
fn accept(
    server: &Server,
    auth: AuthKind,
    (answers, stored): (&Answers, &BTreeMap<String, Secret>),
) -> Result<(), EnrolmentError> {
    let mut secrets: BTreeMap<String, Zeroizing<String>> = BTreeMap::new();
    for (name, secret) in stored {
        if let Some(name) = name.strip_prefix(field::PARAMETER) {
            secrets.insert(name.to_owned(), Zeroizing::new(secret.expose().to_owned()));
        }
    }
    for (name, secret) in &answers.secrets {
        secrets.insert(name.clone(), Zeroizing::new(secret.expose().to_owned()));
    }
    server.accept(&answers.settings, &secrets)?;
    match auth {
        AuthKind::None | AuthKind::OAuth => Ok(()),
        AuthKind::Header => match answers.header.as_ref().or_else(|| stored.get(field::HEADER)) {
            Some(secret) => Ok(header_parameter(server).accept(secret.expose())?),
            None => Err(EnrolmentError::Header(server.header.name.clone())),
        },
        AuthKind::Basic => {
            let held = stored.get(field::USER).zip(stored.get(field::PASSWORD));
            let given = answers.basic.as_ref().map(|(user, password)| (user, password)).or(held);
            let printable = |secret: &Secret| {
                let text = secret.expose();
                !text.is_empty() && text.len() <= 4_096 && !text.chars().any(char::is_control)
            };
            // RFC 7617 §2: a colon would end the user name.
            let fits = |user: &Secret, password: &Secret| {
                printable(user) && printable(password) && !user.expose().contains(':')
            };
            if given.is_some_and(|(user, password)| fits(user, password)) {
                Ok(())
            } else {
                Err(EnrolmentError::Basic)
            }
        }
    }
}

/// The header by which a connection signs in, as a parameter like every other.
fn header_parameter(server: &Server) -> Parameter {
    Parameter {
        name: server.header.name.clone(),
        about: String::new(),
        secret: true,
        required: true,
        pattern: None,
        place: Place::Header(server.header.clone()),
    }
}
