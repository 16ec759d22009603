//! A [`Verifier`] for servers that run apart: checks a signed access token by itself (RFC 9068 §4), against the keys that
//! the authorization server publishes. It asks for keys, never about tokens: a token that is revoked is good here until
//! it expires.

mod keys;

use std::sync::Arc;

use portcullis_oauth::jose::{AccessTokenClaims, Jws};
use portcullis_oauth::{
    BoxFuture, GrantId, GrantedConnections, Principal, PublicUrl, ResourceUri, Secret, Timestamp,
    VerifiedBearer, Verifier, VerifyError,
};

use self::keys::Keys;
use crate::issuer::{IssuerError, client};
use crate::verdicts::Verdicts;

/// Checks tokens that one authorization server signed. Cheap to clone; clones share keys and what they remember.
#[derive(Clone)]
pub struct JwtVerifier {
    issuer: PublicUrl,
    keys: Arc<Keys>,
    verdicts: Verdicts,
}

impl std::fmt::Debug for JwtVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JwtVerifier").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl JwtVerifier {
    /// A verifier of the tokens that `issuer` signed, for a resource that was registered with `--token-format jwt`. No
    /// credentials are needed. Keys are read when the first token comes.
    ///
    /// # Errors
    /// When `issuer` is neither https nor this computer, or TLS cannot be set up.
    pub fn new(issuer: &PublicUrl) -> Result<Self, IssuerError> {
        let keys = Keys::new(client(issuer)?, issuer.join("/oauth/jwks.json"));
        Ok(Self { issuer: issuer.clone(), keys: Arc::new(keys), verdicts: Verdicts::default() })
    }

    /// R9068-4-1, R9068-4-2: of the right type, signed by the issuer, and what its claims must be. Whatever fails, the token
    /// is not valid (R9068-4-3).
    async fn judge(
        &self,
        token: &Secret,
        resource: &ResourceUri,
        now: Timestamp,
    ) -> Result<VerifiedBearer, VerifyError> {
        let refuse = VerifyError::Invalid;
        let presented = Jws::parse(token.expose()).map_err(|_| refuse("the token is no signed one"))?;
        // Before any key is asked for: noise costs the issuer nothing.
        if !AccessTokenClaims::is_kind_of(&presented) {
            return Err(refuse("the token is not of the type of access tokens"));
        }
        let keys = self.keys.that_may_verify(&presented, now).await;
        let keys = keys.map_err(|error| VerifyError::Unavailable(Box::new(error)))?;
        let claims =
            presented.verify_with(&keys).map_err(|_| refuse("no key of the issuer verifies the token"))?;
        // Whoever asked sees to it that a bound token comes with a proof (R9449-7.2-1).
        let claims = AccessTokenClaims::judge(claims, (&self.issuer, resource), now).map_err(refuse)?;
        let expires_at = Timestamp::from_micros(claims.exp.saturating_mul(1_000_000));
        // What the token says is all that is known: neither what the principal may do beyond it, nor the grant, nor any
        // connection; those are the issuer's own.
        let principal = Principal { id: claims.sub, permissions: claims.scope.clone(), groups: Vec::new() };
        let holder = (principal, claims.client_id, GrantId::from(String::new()));
        let reach = (claims.scope, GrantedConnections::Named(Vec::new()));
        let bearer = VerifiedBearer::attest(token.hash(), resource.clone(), expires_at, holder, reach);
        Ok(bearer.through(claims.act).bound_to(claims.cnf.map(|confirmation| confirmation.jkt)))
    }
}

impl Verifier for JwtVerifier {
    fn verify<'a>(
        &'a self,
        token: &'a Secret,
        resource: &'a ResourceUri,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<VerifiedBearer, VerifyError>> {
        Box::pin(self.verdicts.of((token, resource), now, self.judge(token, resource, now)))
    }
}
