//! Who signed in, as the token endpoint tells it: an ID token beside the access token.

use std::sync::Arc;

use portcullis_oauth::jose::{IdTokenClaims, SigningKey};
use portcullis_oauth::{
    ClientId, Error, GrantId, OpenIdMetadata, ScopeSet, Seconds, Secret, Timestamp, scopes,
};

use crate::Core;
use crate::refusal::Refusal;
use crate::store::{Client, IdentityRow};

/// An ID token is read at once; what it says is then the client's to keep.
const LIFE: Seconds = Seconds::minutes(10);

/// What a grant tells its client of the person, about to be signed.
pub(crate) struct Identity {
    row: IdentityRow,
    /// What of it is told.
    scopes: ScopeSet,
    client: ClientId,
    key: Arc<SigningKey>,
}

impl Identity {
    /// What `grant` tells of its person; `None` when it tells nothing. To be had before any transaction begins: the first
    /// key of an algorithm is kept in one of its own.
    pub(crate) async fn of(
        core: &Core,
        client: &Client,
        grant: &GrantId,
        now: Timestamp,
    ) -> Result<Option<Self>, Refusal> {
        let Some(userinfo) = super::reached(core, client) else { return Ok(None) };
        let found = core.identities.find(grant, &userinfo.uri).await?;
        let Some(row) = found.filter(IdentityRow::may_be_told) else { return Ok(None) };
        let key = core.signing.signer(client.metadata.openid.algorithm(), now).await?;
        let scopes = super::whole(row.scopes.intersection(&super::all()));
        Ok(Some(Self { scopes, row, client: client.id.clone(), key }).filter(Self::is_told))
    }

    fn is_told(&self) -> bool {
        self.scopes.contains(scopes::IDENTITY)
    }

    /// What of it is told.
    pub(crate) fn scopes(&self) -> &ScopeSet {
        &self.scopes
    }

    /// The same, but no more than a refresh asks for.
    pub(crate) fn narrowed(mut self, asked: &ScopeSet) -> Option<Self> {
        self.scopes = super::whole(self.scopes.intersection(asked));
        Some(self).filter(Self::is_told)
    }

    /// The ID token that goes with `access_token`.
    pub(crate) fn id_token(
        &self,
        core: &Core,
        (access_token, nonce): (&Secret, Option<&str>),
        now: Timestamp,
    ) -> Result<Secret, Refusal> {
        let told = |scope: &str, text: &str| self.scopes.contains(scope).then(|| text.to_owned());
        let claims = IdTokenClaims {
            iss: core.public_url().clone(),
            sub: self.row.principal_id.clone(),
            aud: self.client.clone(),
            exp: now.plus(LIFE).seconds(),
            iat: now.seconds(),
            auth_time: self.row.authenticated_at.seconds(),
            nonce: nonce.map(str::to_owned),
            acr: OpenIdMetadata::acr_of_password().to_owned(),
            amr: vec!["pwd".to_owned()],
            at_hash: IdTokenClaims::at_hash(self.key.public().algorithm(), access_token),
            sid: self.row.sid.clone(),
            name: told(scopes::PROFILE, &self.row.name),
            email: told(scopes::EMAIL, &self.row.email),
        };
        Ok(claims.sign(&self.key).map_err(Error::internal)?)
    }
}
