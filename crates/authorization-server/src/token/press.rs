//! How access tokens for one resource are made: a random string, or signed claims (RFC 9068) where its admin chose so. Of
//! either a row is kept by hash, so that revocation, introspection and exchange see no difference.

use std::sync::Arc;

use portcullis_oauth::jose::{AccessTokenClaims, SigningKey};
use portcullis_oauth::{
    Actor, Confirmation, Error, ErrorCode, JwkThumbprint, PrincipalId, Resource, ResourceUri, ScopeSet,
    Seconds, Secret, SecretKind, Timestamp, TokenFormat, random_handle,
};

use super::TokenRequest;
use crate::Core;
use crate::refusal::Refusal;
use crate::store::MintedAccess;

/// Makes the access tokens of one resource for one request. With a proof of possession in the request, it could only be had
/// by using that up, and all that it makes is bound to the proven key.
pub(super) struct Press {
    resource: ResourceUri,
    life: Seconds,
    /// What signs them; `None` where they are opaque.
    key: Option<Arc<SigningKey>>,
    bound_to: Option<JwkThumbprint>,
}

impl Press {
    /// The press of `resource`. To be had before any transaction begins: the first key is kept in one of its own.
    pub(super) async fn of(
        core: &Core,
        resource: &Resource,
        request: &TokenRequest<'_>,
    ) -> Result<Self, Refusal> {
        let now = request.now;
        let bound_to = match request.proof {
            Some(proof) => Some(proof.use_up(&*core.dpop, now).await?.clone()),
            None => None,
        };
        let key = match resource.token_format {
            TokenFormat::Opaque => None,
            TokenFormat::Jwt => Some(core.signing.signer(core.settings.signing_algorithm, now).await?),
        };
        let life = resource.access_token_life.unwrap_or(core.settings.access_token_life);
        Ok(Self { resource: resource.uri.clone(), life, key, bound_to })
    }

    /// The press of the resource with this identifier; `None` when it is no resource of ours any more.
    pub(super) async fn find(
        core: &Core,
        resource: &ResourceUri,
        request: &TokenRequest<'_>,
    ) -> Result<Option<Self>, Refusal> {
        match core.resources.find(resource).await? {
            Some(resource) => Self::of(core, &resource, request).await.map(Some),
            None => Ok(None),
        }
    }

    /// The press of a resource that somebody was granted.
    pub(super) async fn granted(
        core: &Core,
        resource: &ResourceUri,
        request: &TokenRequest<'_>,
    ) -> Result<Self, Refusal> {
        let gone = || Refusal::new(ErrorCode::InvalidTarget, "this server protects the resource no longer");
        Self::find(core, resource, request).await?.ok_or_else(gone)
    }

    /// What its tokens are for.
    pub(super) fn resource(&self) -> &ResourceUri {
        &self.resource
    }

    /// The key that its tokens are bound to.
    pub(super) fn bound_to(&self) -> Option<&JwkThumbprint> {
        self.bound_to.as_ref()
    }

    /// How a token of its making is written down.
    pub(super) fn minted<'a>(
        &'a self,
        token: &'a Secret,
        scope: &'a ScopeSet,
        expires_at: Timestamp,
    ) -> MintedAccess<'a> {
        MintedAccess { token, resource: &self.resource, scope, expires_at, bound_to: self.bound_to() }
    }

    /// How long its tokens live.
    pub(super) fn life(&self) -> Seconds {
        self.life
    }

    /// Whether its tokens are checked without us, so that we do not see them used.
    pub(super) fn is_signed(&self) -> bool {
        self.key.is_some()
    }

    /// Makes a token for the client of `request` until `expires_at`. It counts once its row is committed.
    pub(super) fn strike(
        &self,
        core: &Core,
        request: &TokenRequest<'_>,
        (principal, scope, actor): (&PrincipalId, &ScopeSet, Option<&Actor>),
        expires_at: Timestamp,
    ) -> Result<Secret, Refusal> {
        let Some(key) = &self.key else { return Ok(Secret::generate(SecretKind::AccessToken)) };
        let claims = AccessTokenClaims {
            iss: core.public_url().clone(),
            aud: self.resource.clone(),
            sub: principal.clone(),
            client_id: request.client.client().id.clone(),
            scope: scope.clone(),
            act: actor.cloned(),
            cnf: self.bound_to.clone().map(|jkt| Confirmation { jkt }),
            iat: request.now.seconds(),
            exp: expires_at.seconds(),
            jti: random_handle("at_"),
        };
        Ok(claims.sign(key).map_err(Error::internal)?)
    }
}
