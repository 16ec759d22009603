//! Where the two servers meet: a presented token in, a verified bearer out.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::{
    Actor, ClientId, ConnectionId, GrantId, JwkThumbprint, PrincipalId, ResourceUri, ScopeSet, Secret,
    SecretHash, Timestamp,
};

/// A future behind a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Checks bearer tokens. The authorization server implements it in process; a resource server that runs apart brings
/// its own over introspection or JWKS.
pub trait Verifier: Send + Sync {
    /// Verifies that `token` is live at `now` and was issued for exactly `resource` (MCP-AUTH-6, T05). Whether the one who
    /// presents it holds the key that it may be bound to is the caller's to see: [`VerifiedBearer::confirmation`].
    fn verify<'a>(
        &'a self,
        token: &'a Secret,
        resource: &'a ResourceUri,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<VerifiedBearer, VerifyError>>;
}

/// Why a token was not verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Unknown, expired, revoked, of a disabled user or client, or for another resource. The text is for the audit log
    /// and the client's developer; it says nothing that the bearer could not know.
    #[error("{0}")]
    Invalid(&'static str),
    /// It could not be decided: the store is out of reach. Fails closed, as 503 (ASVS-16.5.1).
    #[error("the token could not be checked")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A token that was checked: live, for *this* resource. Only a [`Verifier`] makes one; who holds it needs no further
/// check of the token, only of what it may do; one that is bound to a key was presented with a proof of it, once it
/// comes out of a bearer check. Cheap to clone.
#[derive(Clone, Debug)]
pub struct VerifiedBearer(Arc<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    token: SecretHash,
    principal: Principal,
    client_id: ClientId,
    grant_id: GrantId,
    resource: ResourceUri,
    scope: ScopeSet,
    connections: GrantedConnections,
    expires_at: Timestamp,
    actor: Option<Actor>,
    confirmation: Option<JwkThumbprint>,
    standing: Standing,
}

/// What is known of the two for whom and through which a token acts, for policy. Where it is not known, policies that ask
/// for it do not apply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The e-mail address of the principal's account.
    pub email: Option<String>,
    /// How the client came to be known.
    pub client: ClientStanding,
    /// How the principal had signed in when they gave the grant: 0 not known, [1](ONE_FACTOR) one factor, 2 two factors, 3 a factor
    /// that cannot be phished.
    pub authentication: u8,
}

/// Somebody signed in with one factor, such as a password.
pub const ONE_FACTOR: u8 = 1;

/// How a client came to be known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClientStanding {
    /// An administrator made it.
    Admin,
    /// The document at its own address describes it.
    Document {
        /// The host of that address, which is proven by it.
        host: String,
    },
    /// It registered itself.
    Dynamic,
    /// Not known here.
    #[default]
    Unknown,
}

/// On whose behalf a token acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The user or machine.
    pub id: PrincipalId,
    /// What the principal itself may do; a token never does more (SBP-10).
    pub permissions: ScopeSet,
    /// The groups that it belongs to, for policy.
    pub groups: Vec<String>,
}

/// Which of the principal's connections a grant reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrantedConnections {
    /// All of them, also those added later: an explicit tick at consent.
    All,
    /// These, named at consent.
    Named(Vec<ConnectionId>),
}

impl GrantedConnections {
    /// Whether the grant reaches `connection`.
    #[must_use]
    pub fn reach(&self, connection: &ConnectionId) -> bool {
        match self {
            Self::All => true,
            Self::Named(named) => named.contains(connection),
        }
    }
}

impl VerifiedBearer {
    /// Attests that the token behind `token` is live until `expires_at` and was issued for `resource`. For
    /// implementations of [`Verifier`] alone.
    #[must_use]
    pub fn attest(
        token: SecretHash,
        resource: ResourceUri,
        expires_at: Timestamp,
        holder: (Principal, ClientId, GrantId),
        reach: (ScopeSet, GrantedConnections),
    ) -> Self {
        let ((principal, client_id, grant_id), (scope, connections)) = (holder, reach);
        Self(Arc::new(Parts {
            token,
            principal,
            client_id,
            grant_id,
            resource,
            scope,
            connections,
            expires_at,
            actor: None,
            confirmation: None,
            standing: Standing::default(),
        }))
    }

    /// Attests also through whom the token acts (RFC 8693 §4.1).
    #[must_use]
    pub fn through(mut self, actor: Option<Actor>) -> Self {
        Arc::make_mut(&mut self.0).actor = actor;
        self
    }

    /// Attests also the key that the token is bound to (RFC 9449 §6).
    #[must_use]
    pub fn bound_to(mut self, key: Option<JwkThumbprint>) -> Self {
        Arc::make_mut(&mut self.0).confirmation = key;
        self
    }

    /// Attests also what is known of principal and client, for policy.
    #[must_use]
    pub fn standing_as(mut self, standing: Standing) -> Self {
        Arc::make_mut(&mut self.0).standing = standing;
        self
    }

    /// The token's hash: a key for caches and limits.
    #[must_use]
    pub fn token(&self) -> &SecretHash {
        &self.0.token
    }

    /// On whose behalf it acts.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.0.principal
    }

    /// The client that it was issued to.
    #[must_use]
    pub fn client_id(&self) -> &ClientId {
        &self.0.client_id
    }

    /// The grant that it stems from.
    #[must_use]
    pub fn grant_id(&self) -> &GrantId {
        &self.0.grant_id
    }

    /// The resource that it is for.
    #[must_use]
    pub fn resource(&self) -> &ResourceUri {
        &self.0.resource
    }

    /// The token's scopes. What holds is [`Self::effective_scope`].
    #[must_use]
    pub fn scope(&self) -> &ScopeSet {
        &self.0.scope
    }

    /// The token's scopes that the principal may use itself.
    #[must_use]
    pub fn effective_scope(&self) -> ScopeSet {
        self.0.scope.intersection(&self.0.principal.permissions)
    }

    /// Which connections it reaches.
    #[must_use]
    pub fn connections(&self) -> &GrantedConnections {
        &self.0.connections
    }

    /// When it stops being live.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.0.expires_at
    }

    /// The key that it is bound to. With one it is worth nothing without a proof of it, and nothing as a Bearer token
    /// (R9449-7.2-1).
    #[must_use]
    pub fn confirmation(&self) -> Option<&JwkThumbprint> {
        self.0.confirmation.as_ref()
    }

    /// What is known of principal and client, for policy.
    #[must_use]
    pub fn standing(&self) -> &Standing {
        &self.0.standing
    }

    /// Through whom it acts, when it was exchanged.
    #[must_use]
    pub fn actor(&self) -> Option<&Actor> {
        self.0.actor.as_ref()
    }
}
