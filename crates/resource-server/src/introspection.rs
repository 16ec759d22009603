//! A [`Verifier`] for servers that run apart: asks the authorization server what a token is (RFC 7662) and remembers the
//! answer for a minute at most. Fails closed: what could not be asked is not let in.

use portcullis_oauth::{
    BoxFuture, ClientId, Confirmation, GrantId, GrantedConnections, Principal, PrincipalId, PublicUrl,
    ResourceUri, ScopeSet, Secret, SecretHash, Timestamp, TokenScheme, VerifiedBearer, Verifier, VerifyError,
};
use reqwest::Client;
use serde::Deserialize;
use serde_json::Value;

use crate::issuer::{IssuerError, answer, client};
use crate::verdicts::Verdicts;

/// Asks the authorization server that issued the tokens. Cheap to clone; clones share what they remember.
#[derive(Clone)]
pub struct IntrospectionVerifier {
    http: Client,
    endpoint: String,
    issuer: PublicUrl,
    client_id: ClientId,
    secret: Secret,
    verdicts: Verdicts,
}

impl std::fmt::Debug for IntrospectionVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IntrospectionVerifier").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// The members of RFC 7662 §2.2 that decide.
#[derive(Deserialize)]
struct Answer {
    active: bool,
    scope: Option<ScopeSet>,
    client_id: Option<ClientId>,
    sub: Option<PrincipalId>,
    aud: Option<Audience>,
    iss: Option<String>,
    exp: Option<i64>,
    token_type: Option<String>,
    cnf: Option<Value>,
}

/// `aud` as a string or as an array.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl IntrospectionVerifier {
    /// A verifier of the tokens that `issuer` issued, asking as the resource's own client: the credentials that
    /// `portcullis resource add` printed.
    ///
    /// # Errors
    /// When `issuer` is neither https nor this computer, or TLS cannot be set up.
    pub fn new(
        issuer: &PublicUrl,
        client_id: impl Into<String>,
        client_secret: impl Into<String>,
    ) -> Result<Self, IssuerError> {
        Ok(Self {
            http: client(issuer)?,
            endpoint: issuer.join("/oauth/introspect"),
            issuer: issuer.clone(),
            client_id: ClientId::from(client_id.into()),
            secret: Secret::presented(client_secret),
            verdicts: Verdicts::default(),
        })
    }

    async fn look_up(
        &self,
        token: &Secret,
        resource: &ResourceUri,
        now: Timestamp,
    ) -> Result<VerifiedBearer, VerifyError> {
        let answer = self.ask(token).await.map_err(|error| VerifyError::Unavailable(Box::new(error)))?;
        self.judge(answer, (token.hash(), resource), now)
    }

    async fn ask(&self, token: &Secret) -> Result<Answer, IssuerError> {
        let request = self
            .http
            .post(&self.endpoint)
            .basic_auth(self.client_id.as_str(), Some(self.secret.expose()))
            .form(&[("token", token.expose())]);
        serde_json::from_slice(&answer(request).await?).map_err(|_| IssuerError::Answer)
    }

    /// Active, for exactly this resource, of this issuer, and bound to no key or to one that can be proven here.
    fn judge(
        &self,
        answer: Answer,
        (token, resource): (SecretHash, &ResourceUri),
        now: Timestamp,
    ) -> Result<VerifiedBearer, VerifyError> {
        let key = answer.cnf.map(serde_json::from_value::<Confirmation>).transpose();
        let scheme = answer.token_type.as_deref().map(TokenScheme::parse);
        // R9449-5-1: what is said of the type and of the key agrees, and the key is one that proofs can be made with.
        let agrees = matches!(
            (&key, scheme),
            (Ok(None), None | Some(Some(TokenScheme::Bearer)))
                | (Ok(Some(_)), None | Some(Some(TokenScheme::Dpop)))
        );
        let refusals = [
            (!answer.active, "the token is unknown, expired or revoked, or for another resource"),
            (!answer.aud.as_ref().is_some_and(|aud| aud.is(resource)), "the token is for another resource"),
            (answer.iss.is_some_and(|iss| iss != self.issuer.as_str()), "the token is of another issuer"),
            (!agrees, "the token is bound in a way that is unknown here"),
        ];
        if let Some((_, why)) = refusals.into_iter().find(|(refused, _)| *refused) {
            return Err(VerifyError::Invalid(why));
        }
        let (Some(sub), Some(client_id), Some(exp)) = (answer.sub, answer.client_id, answer.exp) else {
            return Err(VerifyError::Unavailable(Box::new(IssuerError::Answer)));
        };
        let expires_at = Timestamp::from_micros(exp.saturating_mul(1_000_000));
        if now >= expires_at {
            return Err(VerifyError::Invalid("the token expired"));
        }
        let scope = answer.scope.unwrap_or_default();
        // The issuer answers with what holds; what the principal may do beyond it is not told.
        let principal = Principal { id: sub, permissions: scope.clone(), groups: Vec::new() };
        // Neither the grant nor any connection is: those are the issuer's own.
        let holder = (principal, client_id, GrantId::from(String::new()));
        let reach = (scope, GrantedConnections::Named(Vec::new()));
        let bearer = VerifiedBearer::attest(token, resource.clone(), expires_at, holder, reach);
        Ok(bearer.bound_to(key.ok().flatten().map(|confirmation| confirmation.jkt)))
    }
}

impl Audience {
    /// A26: the one value is this resource; an array of several is refused, whatever it holds.
    fn is(&self, resource: &ResourceUri) -> bool {
        let one = match self {
            Self::One(one) => one,
            Self::Several(several) => match several.as_slice() {
                [one] => one,
                _ => return false,
            },
        };
        // DC-1: the issuer's spelling passes the same canonicaliser as ours.
        ResourceUri::parse(one).is_ok_and(|uri| uri == *resource)
    }
}

impl Verifier for IntrospectionVerifier {
    fn verify<'a>(
        &'a self,
        token: &'a Secret,
        resource: &'a ResourceUri,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<VerifiedBearer, VerifyError>> {
        Box::pin(self.verdicts.of((token, resource), now, self.look_up(token, resource, now)))
    }
}
