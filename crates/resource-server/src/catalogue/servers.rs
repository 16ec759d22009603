//! The store of servers. What an admin wrote is checked here, so that it holds however it came.

mod relays;

use std::sync::Arc;

use portcullis_audit::{Action, Event, Outcome};
use portcullis_database::{Change, ChangeFeed, ChangeKind, Database, DatabaseError, Transaction, on};
use portcullis_oauth::{Clock, PrincipalId, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::parameter::{HeaderFormat, ValueError};
use super::relays::Relays;
use super::server::{AuthKind, NewTools, Server, ServerKind, Visibility};
use super::slug::Slug;
use super::template::TemplateError;
use super::url::{UrlError, check_url};

/// Nobody is asked for more.
const MOST_PARAMETERS: usize = 20;

/// Why a server was not added.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// One of this name is there.
    #[error("there is a server of this name already; remove it first, or choose another name")]
    Taken,
    /// A title that nobody could read.
    #[error("a server's title is 1 to 100 characters, without control characters")]
    Title,
    /// The built-in one is there already.
    #[error("the sandbox is built in")]
    BuiltIn,
    /// The built-in one was to be let ask for something.
    #[error("the sandbox is built in and asks clients for nothing")]
    AsksNothing,
    /// Ways to sign in that this kind of server does not have.
    #[error("a server of kind {0} can be signed in to by: {1}")]
    Auth(&'static str, &'static str),
    /// Two parameters of one name, or too many.
    #[error("parameters have different names, and a server asks for no more than 20")]
    Parameters,
    /// Its address.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// Its command.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A parameter or the header.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// The store failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Why a server was not removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveServerError {
    /// The built-in one.
    #[error("the sandbox is built in; disable it instead")]
    BuiltIn,
    /// Somebody is connected to it.
    #[error("there are connections to it")]
    InUse,
    /// The store failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// The store of servers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Servers {
    database: Database,
    changes: ChangeFeed,
    clock: Arc<dyn Clock>,
}

#[derive(sqlx::FromRow)]
struct Row {
    slug: Slug,
    title: String,
    kind: String,
    url: Option<String>,
    legacy_sse: bool,
    private_network: bool,
    template: Option<String>,
    parameters: String,
    auth: String,
    header_name: String,
    header_format: String,
    new_tools: String,
    relays: String,
    for_everyone: bool,
    created_at: Timestamp,
    disabled_at: Option<Timestamp>,
}

impl Servers {
    /// The servers kept in `database`.
    #[must_use]
    pub fn new(database: Database, changes: ChangeFeed, clock: Arc<dyn Clock>) -> Self {
        Self { database, changes, clock }
    }

    /// Adds a server; when it was created is the store's to say. `on_loopback` says whether this server is published on
    /// this computer alone.
    ///
    /// # Errors
    /// When something of it cannot be, its name is taken, or the store fails.
    pub async fn create(&self, server: &Server, on_loopback: bool) -> Result<(), ServerError> {
        check(server, on_loopback)?;
        let now = self.clock.now();
        let mut transaction = self.database.begin().await?;
        insert(&mut transaction, server, now).await.map_err(|error| {
            if error.is_unique_violation() { ServerError::Taken } else { ServerError::Database(error) }
        })?;
        let event = Event::new(now, Action::ServerChange, Outcome::Done).because("server_added");
        self.finish(transaction, &server.slug, event).await?;
        Ok(())
    }

    /// Every server, by name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self) -> Result<Vec<Server>, DatabaseError> {
        let rows: Vec<Row> =
            on!(self.database.read(), |pool| sqlx::query_as("SELECT * FROM server").fetch_all(pool).await)?;
        let users: Vec<(Slug, PrincipalId)> = on!(self.database.read(), |pool| {
            sqlx::query_as("SELECT slug, principal_id FROM server_user").fetch_all(pool).await
        })?;
        let listed =
            |slug: &Slug| users.iter().filter(|(of, _)| of == slug).map(|(_, user)| user.clone()).collect();
        let mut servers = Vec::with_capacity(rows.len());
        for row in rows {
            let visible_to = row.for_everyone.then_some(Visibility::Everyone);
            let visible_to = visible_to.unwrap_or_else(|| Visibility::Listed(listed(&row.slug)));
            servers.push(row.server(visible_to)?);
        }
        servers.sort_by(|one, other| one.slug.cmp(&other.slug));
        Ok(servers)
    }

    /// The servers to which `principal` may make a connection, by name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn offered_to(&self, principal: &PrincipalId) -> Result<Vec<Server>, DatabaseError> {
        let mut servers = self.list().await?;
        servers.retain(|server| server.disabled_at.is_none() && server.is_visible_to(principal));
        Ok(servers)
    }

    /// The server of this name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn find(&self, slug: &str) -> Result<Option<Server>, DatabaseError> {
        let row: Option<Row> = on!(self.database.read(), |pool| {
            sqlx::query_as("SELECT * FROM server WHERE slug = $1").bind(slug).fetch_optional(pool).await
        })?;
        let Some(row) = row else { return Ok(None) };
        if row.for_everyone {
            return row.server(Visibility::Everyone).map(Some);
        }
        let users: Vec<(PrincipalId,)> = on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT principal_id FROM server_user WHERE slug = $1 ORDER BY principal_id"
        )
        .bind(slug)
        .fetch_all(pool)
        .await)?;
        row.server(Visibility::Listed(users.into_iter().map(|(user,)| user).collect())).map(Some)
    }

    /// Switches a server off or on for everybody. `false` when it was so before, or is not there.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn set_disabled(&self, slug: &Slug, disabled: bool) -> Result<bool, DatabaseError> {
        let now = self.clock.now();
        let mut transaction = self.database.begin().await?;
        let changed: Option<(Slug,)> = on!(transaction.on(), |connection| {
            sqlx::query_as(
                "UPDATE server SET disabled_at = $2 WHERE slug = $1 AND (disabled_at IS NULL) = ($3 = 1) RETURNING slug",
            )
            .bind(slug)
            .bind(disabled.then_some(now))
            .bind(i64::from(disabled))
            .fetch_optional(connection)
            .await
        })?;
        if changed.is_none() {
            return Ok(false);
        }
        let because = if disabled { "server_disabled" } else { "server_enabled" };
        let event = Event::new(now, Action::ServerChange, Outcome::Done).because(because);
        self.finish(transaction, slug, event).await?;
        Ok(true)
    }

    /// Removes a server to which nobody is connected. `false` when it is not there.
    ///
    /// # Errors
    /// When it is built in or in use, or the store fails.
    pub async fn remove(&self, slug: &Slug) -> Result<bool, RemoveServerError> {
        let now = self.clock.now();
        let Some(server) = self.find(slug.as_str()).await? else { return Ok(false) };
        if server.kind == ServerKind::Sandbox {
            return Err(RemoveServerError::BuiltIn);
        }
        let mut transaction = self.database.begin().await?;
        on!(transaction.on(), |connection| sqlx::query("DELETE FROM server_user WHERE slug = $1")
            .bind(slug)
            .execute(connection)
            .await
            .map(drop))
        .map_err(DatabaseError::from)?;
        let removed: Option<(Slug,)> = on!(transaction.on(), |connection| {
            sqlx::query_as(
                "DELETE FROM server WHERE slug = $1 AND NOT EXISTS (SELECT 1 FROM connection WHERE server = $1) \
                 RETURNING slug",
            )
            .bind(slug)
            .fetch_optional(connection)
            .await
        })
        .map_err(DatabaseError::from)?;
        if removed.is_none() {
            return Err(RemoveServerError::InUse);
        }
        let event = Event::new(now, Action::ServerChange, Outcome::Done).because("server_removed");
        self.finish(transaction, slug, event).await?;
        Ok(true)
    }

    /// The paper trail of a change and what tells the caches, committed with it.
    async fn finish(
        &self,
        mut transaction: Transaction,
        slug: &Slug,
        event: Event,
    ) -> Result<(), DatabaseError> {
        let event = event.with(serde_json::json!({ "server": slug }));
        let now = self.clock.now();
        portcullis_audit::record_in(&mut transaction, event).await?;
        let change = Change::new(ChangeKind::Server, slug.as_str());
        transaction.record_change(&change, now).await?;
        transaction.commit().await?;
        self.changes.publish(&change);
        Ok(())
    }
}

fn check(server: &Server, on_loopback: bool) -> Result<(), ServerError> {
    let title = server.title.chars();
    if server.title.trim().is_empty() || title.clone().count() > 100 || title.clone().any(char::is_control) {
        return Err(ServerError::Title);
    }
    let names = server.parameters.iter().map(|parameter| &parameter.name);
    let different: std::collections::BTreeSet<_> = names.collect();
    if different.len() != server.parameters.len() || different.len() > MOST_PARAMETERS {
        return Err(ServerError::Parameters);
    }
    for parameter in &server.parameters {
        parameter.check()?;
    }
    server.header.check()?;
    match &server.kind {
        ServerKind::Sandbox => return Err(ServerError::BuiltIn),
        ServerKind::Http { url, .. } => {
            check_url(url, on_loopback, server.private_network)?;
            if server.auth.is_empty() {
                return Err(ServerError::Auth("http", "none, header, basic, oauth"));
            }
            let elsewhere =
                |parameter: &&super::Parameter| !matches!(parameter.place, super::Place::Header(_));
            if let Some(parameter) = server.parameters.iter().find(elsewhere) {
                return Err(ServerError::Template(TemplateError::Unused(parameter.name.clone())));
            }
        }
        ServerKind::Stdio(template) => {
            template.check(&server.parameters)?;
            if server.auth != [AuthKind::None] {
                return Err(ServerError::Auth("stdio", "none (what it needs are parameters)"));
            }
        }
    }
    Ok(())
}

async fn insert(transaction: &mut Transaction, server: &Server, now: Timestamp) -> Result<(), DatabaseError> {
    let (url, legacy_sse) = match &server.kind {
        ServerKind::Http { url, legacy_sse } => (Some(url.as_str()), *legacy_sse),
        ServerKind::Stdio(_) | ServerKind::Sandbox => (None, false),
    };
    let template =
        if let ServerKind::Stdio(template) = &server.kind { Some(encode(template)?) } else { None };
    on!(transaction.on(), |connection| {
        sqlx::query(
            "INSERT INTO server (slug, title, kind, url, legacy_sse, private_network, template, parameters, auth, \
             header_name, header_format, new_tools, relays, for_everyone, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        )
        .bind(&server.slug)
        .bind(&server.title)
        .bind(server.kind.as_str())
        .bind(url)
        .bind(legacy_sse)
        .bind(server.private_network)
        .bind(&template)
        .bind(encode(&server.parameters)?)
        .bind(server.auth.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(" "))
        .bind(&server.header.name)
        .bind(&server.header.format)
        .bind(server.new_tools.as_str())
        .bind(server.relays.words().join(" "))
        .bind(server.visible_to == Visibility::Everyone)
        .bind(now)
        .execute(connection)
        .await
        .map(drop)
    })?;
    let Visibility::Listed(users) = &server.visible_to else { return Ok(()) };
    for user in users {
        on!(transaction.on(), |connection| {
            sqlx::query("INSERT INTO server_user (slug, principal_id) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                .bind(&server.slug)
                .bind(user)
                .execute(connection)
                .await
                .map(drop)
        })?;
    }
    Ok(())
}

impl Row {
    fn server(self, visible_to: Visibility) -> Result<Server, DatabaseError> {
        let unknown = |what: &str| {
            DatabaseError::from(sqlx::Error::Decode(format!("unknown {what} of a server").into()))
        };
        let kind = match (self.kind.as_str(), self.url, self.template) {
            ("sandbox", ..) => ServerKind::Sandbox,
            ("http", Some(url), _) => ServerKind::Http { url, legacy_sse: self.legacy_sse },
            ("stdio", _, Some(template)) => ServerKind::Stdio(decode(&template)?),
            _ => return Err(unknown("kind")),
        };
        let auth: Option<Vec<AuthKind>> = self.auth.split_whitespace().map(AuthKind::parse).collect();
        Ok(Server {
            slug: self.slug,
            title: self.title,
            kind,
            private_network: self.private_network,
            auth: auth.ok_or_else(|| unknown("sign-in"))?,
            header: HeaderFormat { name: self.header_name, format: self.header_format },
            parameters: decode(&self.parameters)?,
            new_tools: NewTools::parse(&self.new_tools).ok_or_else(|| unknown("default"))?,
            relays: Relays::parse(self.relays.split_whitespace()).map_err(|_| unknown("relays"))?,
            visible_to,
            created_at: self.created_at,
            disabled_at: self.disabled_at,
        })
    }
}

fn encode(value: &impl Serialize) -> Result<String, DatabaseError> {
    serde_json::to_string(value).map_err(|error| DatabaseError::from(sqlx::Error::Encode(Box::new(error))))
}

fn decode<T: DeserializeOwned>(text: &str) -> Result<T, DatabaseError> {
    serde_json::from_str(text).map_err(|error| DatabaseError::from(sqlx::Error::Decode(Box::new(error))))
}
