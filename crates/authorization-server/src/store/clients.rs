//! `oauth_client`: who may ask. Kept as registered; secrets as hashes only.

use std::sync::Arc;

use portcullis_audit::{Action, Event, Outcome};
use portcullis_database::{Change, ChangeKind, Database, DatabaseError, Transaction, on};
use portcullis_oauth::jose::AssertionAudience;
use portcullis_oauth::{
    ClientAuthMethod, ClientId, ClientMetadata, ClientStanding, Clock, GrantType, PrincipalId, ResourceUri,
    ScopeSet, Secret, SecretHash, SecretKind, Timestamp, scopes,
};

use super::documents::{ClientDocument, ClientTrust};
use super::{access_tokens, grants, machines};

/// How this server came to know a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientOrigin {
    /// An admin registered it.
    Admin,
    /// It registered itself (RFC 7591): nobody vouches for its name.
    Dynamic,
    /// Its identifier is the URL of a document about it (CIMD): who writes to that address vouches for it, and nobody else.
    Document,
}

impl ClientOrigin {
    /// The origin as its column and `--json` name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Dynamic => "dynamic",
            Self::Document => "document",
        }
    }

    /// The origin of a row.
    pub(crate) fn kept(origin: &str, has_document: bool) -> Self {
        match (has_document, origin) {
            (true, _) => Self::Document,
            (false, "admin") => Self::Admin,
            _ => Self::Dynamic,
        }
    }

    /// What policies may know of the client `id` that came like this. The address of a document proves its host.
    pub(crate) fn standing(self, id: &ClientId) -> ClientStanding {
        let host = || url::Url::parse(id.as_str()).ok()?.host_str().map(str::to_owned);
        match self {
            Self::Admin => ClientStanding::Admin,
            Self::Dynamic => ClientStanding::Dynamic,
            Self::Document => {
                host().map_or(ClientStanding::Unknown, |host| ClientStanding::Document { host })
            }
        }
    }
}

/// A client as kept.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its identifier.
    pub id: ClientId,
    /// What it said of itself, or an admin of it.
    pub metadata: ClientMetadata,
    /// How it came.
    pub origin: ClientOrigin,
    /// The only resources that it may ask for; empty for all.
    pub resources: Vec<ResourceUri>,
    /// Whether it has a secret.
    pub has_secret: bool,
    /// Since when it is known.
    pub created_at: Timestamp,
    /// The principal as which it acts for itself, if it may (`client_credentials`).
    pub machine: Option<PrincipalId>,
    /// Since when an admin lets it do nothing.
    pub disabled_at: Option<Timestamp>,
    /// Its document, if that is what describes it.
    pub document: Option<ClientDocument>,
    /// What an admin holds of its document.
    pub trust: Option<ClientTrust>,
    /// What it may name as the audience of its assertions.
    pub assertion_audience: AssertionAudience,
    pub(crate) secret_hash: Option<SecretHash>,
    pub(crate) registration_hash: Option<SecretHash>,
}

/// A client to be registered.
#[derive(Debug)]
pub struct NewClient {
    /// Its metadata, already judged.
    pub metadata: ClientMetadata,
    /// How it came.
    pub origin: ClientOrigin,
    /// The only resources that it may ask for; empty for all.
    pub resources: Vec<ResourceUri>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: ClientId,
    origin: String,
    metadata: String,
    secret_hash: Option<SecretHash>,
    registration_hash: Option<SecretHash>,
    resources: String,
    created_at: Timestamp,
    machine: Option<PrincipalId>,
    disabled_at: Option<Timestamp>,
    document_etag: Option<String>,
    document_read_at: Option<Timestamp>,
    document_fresh_until: Option<Timestamp>,
    trust: Option<String>,
    assertion_audience: Option<String>,
}

impl Client {
    /// Whether administrators may let it administer: one of them registered it, or allowed its very document.
    pub(crate) fn may_administer(&self) -> bool {
        self.origin == ClientOrigin::Admin || self.trust == Some(ClientTrust::Trusted)
    }

    /// What policies may know of it.
    #[must_use]
    pub fn standing(&self) -> ClientStanding {
        self.origin.standing(&self.id)
    }
}

impl TryFrom<Row> for Client {
    type Error = DatabaseError;

    fn try_from(row: Row) -> Result<Self, DatabaseError> {
        let decode = |error: serde_json::Error| DatabaseError::from(sqlx::Error::Decode(Box::new(error)));
        let (etag, read_at, fresh_until) =
            (row.document_etag, row.document_read_at, row.document_fresh_until);
        let document = read_at.zip(fresh_until).map(|(read_at, fresh_until)| ClientDocument {
            etag,
            read_at,
            fresh_until,
        });
        Ok(Self {
            metadata: serde_json::from_str(&row.metadata).map_err(decode)?,
            resources: serde_json::from_str(&row.resources).map_err(decode)?,
            origin: ClientOrigin::kept(&row.origin, document.is_some()),
            trust: row.trust.as_deref().and_then(ClientTrust::parse),
            assertion_audience: row
                .assertion_audience
                .as_deref()
                .and_then(AssertionAudience::parse)
                .unwrap_or_default(),
            document,
            has_secret: row.secret_hash.is_some(),
            id: row.id,
            created_at: row.created_at,
            machine: row.machine,
            disabled_at: row.disabled_at,
            secret_hash: row.secret_hash,
            registration_hash: row.registration_hash,
        })
    }
}

macro_rules! select_client {
    ($tail:literal) => {
        concat!(
            "SELECT c.id, c.origin, c.metadata, c.secret_hash, c.registration_hash, c.resources, c.created_at, c.disabled_at, ",
            "c.document_etag, c.document_read_at, c.document_fresh_until, t.verdict AS trust, c.assertion_audience, ",
            "m.principal_id AS machine ",
            "FROM oauth_client c LEFT JOIN machine_account m ON m.client_id = c.id ",
            "LEFT JOIN client_trust t ON t.client_id = c.id ",
            "WHERE c.removed_at IS NULL ",
            $tail
        )
    };
}

/// The clients of this server.
#[derive(Clone, Debug)]
pub struct Clients {
    pub(super) database: Database,
    pub(super) clock: Arc<dyn Clock>,
}

impl Clients {
    /// The clients kept in `database`.
    #[must_use]
    pub fn new(database: Database, clock: Arc<dyn Clock>) -> Self {
        Self { database, clock }
    }

    /// Registers a client. The secret of a confidential one is returned here and nowhere else.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn register(&self, new: NewClient) -> Result<(Client, Option<Secret>), DatabaseError> {
        let mut transaction = self.database.begin().await?;
        let registered = register_in(&mut transaction, new, self.clock.now()).await?;
        transaction.commit().await?;
        Ok(registered)
    }

    /// The client with this identifier.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find(&self, id: &ClientId) -> Result<Option<Client>, DatabaseError> {
        const SQL: &str = select_client!("AND c.id = $1");
        let row: Option<Row> =
            on!(self.database.read(), |pool| sqlx::query_as(SQL).bind(id).fetch_optional(pool).await)?;
        row.map(Client::try_from).transpose()
    }

    /// Every client, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(&self) -> Result<Vec<Client>, DatabaseError> {
        const SQL: &str = select_client!("ORDER BY c.created_at, c.id");
        let rows: Vec<Row> = on!(self.database.read(), |pool| sqlx::query_as(SQL).fetch_all(pool).await)?;
        rows.into_iter().map(Client::try_from).collect()
    }

    /// Gives a confidential client another secret; its grants end (A27). `None` when there is no such client.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn rotate_secret(&self, id: &ClientId) -> Result<Option<Secret>, DatabaseError> {
        let (secret, now) = (Secret::generate(SecretKind::ClientSecret), self.clock.now());
        let mut transaction = self.database.begin().await?;
        let found: Option<(ClientId,)> = on!(transaction.on(), |connection| {
            sqlx::query_as(
            "UPDATE oauth_client SET secret_hash = $2 WHERE id = $1 AND removed_at IS NULL AND secret_hash IS NOT NULL \
             RETURNING id"
        )
        .bind(id)
        .bind(secret.hash())
        .fetch_optional(connection)
        .await
        })?;
        end_in(&mut transaction, id, "client_secret_rotated", now).await?;
        transaction.commit().await?;
        Ok(found.map(|_| secret))
    }

    /// Removes a client with every grant of it. `false` when there is no such client.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn remove(&self, id: &ClientId) -> Result<bool, DatabaseError> {
        let mut transaction = self.database.begin().await?;
        let found = remove_in(&mut transaction, id, self.clock.now()).await?;
        transaction.commit().await?;
        Ok(found)
    }

    /// Lets a client do nothing for the time being; what it was granted ends for good. `false` when there is none.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn disable(&self, id: &ClientId) -> Result<bool, DatabaseError> {
        let now = self.clock.now();
        self.set_disabled(id, Some(now)).await
    }

    /// Lets a disabled client in again; it starts without grants. `false` when there is none.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn enable(&self, id: &ClientId) -> Result<bool, DatabaseError> {
        self.set_disabled(id, None).await
    }

    async fn set_disabled(&self, id: &ClientId, at: Option<Timestamp>) -> Result<bool, DatabaseError> {
        let now = self.clock.now();
        let mut transaction = self.database.begin().await?;
        let found: Option<(ClientId,)> = on!(transaction.on(), |connection| sqlx::query_as(
            "UPDATE oauth_client SET disabled_at = $2 WHERE id = $1 AND removed_at IS NULL RETURNING id"
        )
        .bind(id)
        .bind(at)
        .fetch_optional(connection)
        .await)?;
        let why = if at.is_some() { "client_disabled" } else { "client_enabled" };
        end_in(&mut transaction, id, why, now).await?;
        transaction.commit().await?;
        Ok(found.is_some())
    }

    /// Forgets clients that registered themselves before `before` and were never consented to.
    pub(crate) async fn sweep(&self, before: Timestamp) -> Result<(), DatabaseError> {
        let sql = "DELETE FROM oauth_client WHERE id IN (SELECT id FROM oauth_client c WHERE c.consented_at IS NULL \
                   AND c.origin = 'dynamic' AND COALESCE(c.document_read_at, c.created_at) < $1 AND NOT EXISTS \
                   (SELECT 1 FROM authorization_request r WHERE r.client_id = c.id) LIMIT 200)";
        self.database.sweep(sql, before).await
    }
}

/// As the columns hold it.
pub(super) fn encode<T: serde::Serialize>(value: &T) -> Result<String, DatabaseError> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(Box::new(error)).into())
}

/// Registers a client inside a transaction.
pub(super) async fn register_in(
    transaction: &mut Transaction,
    new: NewClient,
    now: Timestamp,
) -> Result<(Client, Option<Secret>), DatabaseError> {
    let has_secret = new.metadata.token_endpoint_auth_method.is_by_secret();
    let secret = has_secret.then(|| Secret::generate(SecretKind::ClientSecret));
    let mut client = Client {
        id: ClientId::generate(),
        metadata: new.metadata,
        origin: new.origin,
        resources: new.resources,
        has_secret,
        created_at: now,
        machine: None,
        disabled_at: None,
        document: None,
        trust: None,
        assertion_audience: AssertionAudience::default(),
        secret_hash: secret.as_ref().map(Secret::hash),
        registration_hash: None,
    };
    let metadata = encode(&client.metadata)?;
    let resources = encode(&client.resources)?;
    on!(transaction.on(), |connection| sqlx::query(
        "INSERT INTO oauth_client (id, origin, metadata, secret_hash, resources, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6)"
    )
    .bind(&client.id)
    .bind(client.origin.as_str())
    .bind(metadata)
    .bind(&client.secret_hash)
    .bind(resources)
    .bind(client.created_at)
    .execute(connection)
    .await
    .map(drop))?;
    if client.may_use(GrantType::ClientCredentials) {
        client.machine = Some(machines::create_in(transaction, &client.id, &client.ceiling(), now).await?);
    }
    if client.origin == ClientOrigin::Admin {
        let event = Event::new(now, Action::ClientChange, Outcome::Done).because("client_added");
        portcullis_audit::record_in(transaction, event.through(&client.id)).await?;
    }
    Ok((client, secret))
}

/// Removes a client with every grant of it, inside a transaction. `false` when there is no such client.
pub(super) async fn remove_in(
    transaction: &mut Transaction,
    id: &ClientId,
    now: Timestamp,
) -> Result<bool, DatabaseError> {
    let found: Option<(ClientId,)> = on!(transaction.on(), |connection| {
        sqlx::query_as(
            "UPDATE oauth_client SET removed_at = $2, secret_hash = NULL, registration_hash = NULL \
             WHERE id = $1 AND removed_at IS NULL RETURNING id",
        )
        .bind(id)
        .bind(now)
        .fetch_optional(connection)
        .await
    })?;
    end_in(transaction, id, "client_removed", now).await?;
    Ok(found.is_some())
}

/// What a client was granted ends, for this reason.
pub(super) async fn end_in(
    transaction: &mut Transaction,
    id: &ClientId,
    why: &'static str,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    grants::revoke_all_in(transaction, ("client_id", id.as_str()), why, now).await?;
    access_tokens::end_exchanged_in(transaction, id, now).await?;
    let event = Event::new(now, Action::ClientChange, Outcome::Done).because(why).through(id);
    portcullis_audit::record_in(transaction, event).await?;
    transaction.record_change(&Change::new(ChangeKind::Client, id.as_str()), now).await
}

impl Client {
    /// Whether it authenticates at the token endpoint.
    #[must_use]
    pub fn is_confidential(&self) -> bool {
        self.metadata.token_endpoint_auth_method != ClientAuthMethod::None
    }

    /// Whether this client may ask for `resource`.
    pub(crate) fn may_reach(&self, resource: &ResourceUri) -> bool {
        self.resources.is_empty() || self.resources.contains(resource)
    }

    /// Whether this client may use `grant`: registered for it, and one that may be (A28, A35, OA21-4.2-1).
    pub(crate) fn may_use(&self, grant: GrantType) -> bool {
        self.metadata.grant_types.contains(&grant)
            && (self.origin == ClientOrigin::Admin || grant.is_for_anybody() || self.is_vouched_for(grant))
            && (self.is_confidential() || !grant.needs_confidential())
    }

    /// DC-25: a client whose document tells its keys may bring an identity provider's word, which names it by that document.
    /// One that registered itself has a name that no provider knows.
    fn is_vouched_for(&self, grant: GrantType) -> bool {
        grant == GrantType::JwtBearer && self.origin == ClientOrigin::Document
    }

    /// All that it may do for itself: as registered, but there is nobody to stay connected to.
    pub(crate) fn ceiling(&self) -> ScopeSet {
        self.metadata.scope.iter().filter(|scope| *scope != scopes::OFFLINE_ACCESS).collect()
    }
}
