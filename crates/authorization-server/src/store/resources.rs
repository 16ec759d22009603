//! `oauth_resource`: resource servers beyond our own gateway, each with an OAuth client of its own that may introspect
//! the tokens that are for it.

mod new;

use std::sync::Arc;

use portcullis_audit::{Action, Event, Outcome};
use portcullis_database::{Change, ChangeKind, Database, DatabaseError, Transaction, on};
use portcullis_oauth::{
    ClientAuthMethod, ClientId, ClientMetadata, Clock, OpenIdRegistration, Resource, ResourceUri, ScopeSet,
    Seconds, Secret, Timestamp, TokenFormat,
};

pub use self::new::{NewResource, ResourceError, ResourceScope};
use super::clients::{self, ClientOrigin, Clients, NewClient};

/// A resource as kept.
#[derive(Clone, Debug)]
pub struct RegisteredResource {
    /// The OAuth client of its server.
    pub client_id: ClientId,
    /// What was registered.
    pub what: NewResource,
    /// Since when it is known.
    pub created_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    client_id: ClientId,
    uri: ResourceUri,
    name: String,
    scopes: String,
    token_format: String,
    access_token_seconds: Option<i64>,
    created_at: Timestamp,
}

impl TryFrom<Row> for RegisteredResource {
    type Error = DatabaseError;

    fn try_from(row: Row) -> Result<Self, DatabaseError> {
        let decode = |error: serde_json::Error| DatabaseError::from(sqlx::Error::Decode(Box::new(error)));
        let what = NewResource {
            uri: row.uri,
            name: row.name,
            scopes: serde_json::from_str(&row.scopes).map_err(decode)?,
            token_format: TokenFormat::parse(&row.token_format).unwrap_or_default(),
            access_token_life: row.access_token_seconds.map(Seconds),
        };
        Ok(Self { client_id: row.client_id, what, created_at: row.created_at })
    }
}

impl RegisteredResource {
    /// What the protocol knows of it.
    #[must_use]
    pub fn resource(&self) -> Resource {
        let named = |scopes: &mut dyn Iterator<Item = &ResourceScope>| {
            scopes.map(|scope| scope.name.as_str()).collect::<ScopeSet>()
        };
        let what = &self.what;
        Resource {
            default_scopes: named(&mut what.scopes.iter().filter(|scope| scope.default)),
            token_format: what.token_format,
            access_token_life: what.access_token_life,
            ..Resource::new(what.uri.clone(), what.name.clone(), named(&mut what.scopes.iter()))
        }
    }
}

/// The resources of this deployment beyond its gateway.
#[derive(Clone, Debug)]
pub struct Resources {
    database: Database,
    clock: Arc<dyn Clock>,
}

impl Resources {
    /// The resources kept in `database`.
    #[must_use]
    pub fn new(database: Database, clock: Arc<dyn Clock>) -> Self {
        Self { database, clock }
    }

    /// Registers a resource and the client of its server, whose secret is returned here and nowhere else.
    ///
    /// # Errors
    /// When it cannot be, or is registered already.
    pub async fn create(&self, new: NewResource) -> Result<(RegisteredResource, Secret), ResourceError> {
        new.check()?;
        let now = self.clock.now();
        let mut transaction = self.database.begin().await?;
        let (client, secret) = clients::register_in(&mut transaction, client_of(&new), now).await?;
        let secret = secret.unwrap_or_else(|| Secret::presented(String::new()));
        let resource = RegisteredResource { client_id: client.id, what: new, created_at: now };
        insert(&mut transaction, &resource).await.map_err(|error| match error {
            taken if taken.is_unique_violation() => ResourceError::Taken,
            other => ResourceError::Database(other),
        })?;
        note(&mut transaction, &resource, "resource_added", now).await?;
        transaction.commit().await?;
        Ok((resource, secret))
    }

    /// Every resource, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(&self) -> Result<Vec<RegisteredResource>, DatabaseError> {
        let rows: Vec<Row> = on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT client_id, uri, name, scopes, token_format, access_token_seconds, created_at \
             FROM oauth_resource WHERE removed_at IS NULL ORDER BY created_at, client_id"
        )
        .fetch_all(pool)
        .await)?;
        rows.into_iter().map(RegisteredResource::try_from).collect()
    }

    /// The resource with this identifier.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find(&self, uri: &ResourceUri) -> Result<Option<RegisteredResource>, DatabaseError> {
        Ok(self.list().await?.into_iter().find(|resource| resource.what.uri == *uri))
    }

    /// Gives a resource's server another secret. `None` when its client is gone.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn rotate_secret(
        &self,
        resource: &RegisteredResource,
    ) -> Result<Option<Secret>, DatabaseError> {
        Clients::new(self.database.clone(), self.clock.clone()).rotate_secret(&resource.client_id).await
    }

    /// Removes a resource: its server's client, every token for it and every grant of nothing else end in the same
    /// transaction, so that registering it again brings nothing back. `false` when it was removed before.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn remove(&self, resource: &RegisteredResource) -> Result<bool, DatabaseError> {
        let now = self.clock.now();
        let mut transaction = self.database.begin().await?;
        let found: Option<(ClientId,)> = on!(transaction.on(), |connection| {
            sqlx::query_as(
                "UPDATE oauth_resource SET removed_at = $2 WHERE client_id = $1 AND removed_at IS NULL RETURNING client_id",
            )
            .bind(&resource.client_id)
            .bind(now)
            .fetch_optional(connection)
            .await
        })?;
        if found.is_none() {
            return Ok(false);
        }
        end_tokens(&mut transaction, &resource.what.uri, now).await?;
        clients::remove_in(&mut transaction, &resource.client_id, now).await?;
        note(&mut transaction, resource, "resource_removed", now).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

/// The client of a resource's server: it authenticates to ask what a token is, and may do nothing else.
fn client_of(new: &NewResource) -> NewClient {
    let metadata = ClientMetadata {
        redirect_uris: Vec::new(),
        client_name: new.name.clone(),
        client_uri: None,
        application_type: portcullis_oauth::ApplicationType::Web,
        token_endpoint_auth_method: ClientAuthMethod::ClientSecretBasic,
        grant_types: Vec::new(),
        response_types: Vec::new(),
        scope: ScopeSet::default(),
        require_pushed_authorization_requests: false,
        openid: OpenIdRegistration::default(),
        dpop_bound_access_tokens: false,
        keys: None,
        token_endpoint_auth_signing_alg: None,
    };
    NewClient { metadata, origin: ClientOrigin::Admin, resources: vec![new.uri.clone()] }
}

async fn insert(transaction: &mut Transaction, resource: &RegisteredResource) -> Result<(), DatabaseError> {
    let encode = |error: serde_json::Error| DatabaseError::from(sqlx::Error::Encode(Box::new(error)));
    let what = &resource.what;
    let scopes = serde_json::to_string(&what.scopes).map_err(encode)?;
    on!(transaction.on(), |connection| {
        sqlx::query(
        "INSERT INTO oauth_resource (client_id, uri, name, scopes, token_format, access_token_seconds, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)"
    )
    .bind(&resource.client_id)
    .bind(&what.uri)
    .bind(&what.name)
    .bind(scopes)
    .bind(what.token_format.as_str())
    .bind(what.access_token_life.map(|life| life.0))
    .bind(resource.created_at)
    .execute(connection)
    .await
    .map(drop)
    })?;
    Ok(())
}

/// What was granted for a resource ends; a grant that also reaches others keeps those.
async fn end_tokens(
    transaction: &mut Transaction,
    uri: &ResourceUri,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    const TOKENS: &str = "UPDATE access_token SET revoked_at = $2 WHERE resource = $1 AND revoked_at IS NULL";
    const GRANTS: &str = "UPDATE oauth_grant SET revoked_at = $2, revoked_because = 'resource_removed' \
         WHERE revoked_at IS NULL AND id IN (SELECT grant_id FROM grant_resource WHERE resource = $1) AND NOT EXISTS \
         (SELECT 1 FROM grant_resource r WHERE r.grant_id = oauth_grant.id AND r.resource <> $1)";
    for sql in [TOKENS, GRANTS] {
        on!(transaction.on(), |connection| sqlx::query(sql)
            .bind(uri)
            .bind(now)
            .execute(connection)
            .await
            .map(drop))?;
    }
    on!(transaction.on(), |connection| sqlx::query("DELETE FROM grant_resource WHERE resource = $1")
        .bind(uri)
        .execute(connection)
        .await
        .map(drop))?;
    Ok(())
}

/// The paper trail of a change, and what tells the caches, in the transaction that makes it.
async fn note(
    transaction: &mut Transaction,
    resource: &RegisteredResource,
    what: &'static str,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    let event = Event::new(now, Action::ResourceChange, Outcome::Done).because(what);
    let detail = serde_json::json!({ "resource": resource.what.uri });
    portcullis_audit::record_in(transaction, event.through(&resource.client_id).with(detail)).await?;
    transaction.record_change(&Change::new(ChangeKind::Resource, resource.what.uri.as_str()), now).await
}
