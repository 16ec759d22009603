//! The tower layer: what the author of another MCP server puts in front of their own axum or rmcp service.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::{OriginalUri, Request};
use axum::response::Response;
use axum::routing::get;
use portcullis_oauth::{
    BoxFuture, Clock, PublicUrl, Resource, ScopeSet, TokenScheme, VerifiedBearer, Verifier, VerifyError,
};
use tower::{Layer, Service};

use crate::bearer::{Presented, presented};
use crate::challenge::Unauthorized;
use crate::metadata;
use crate::possession::{Possession, Presentation, renewing};

/// Lets only requests through whose bearer token is live and was issued for this resource; the [`VerifiedBearer`] then
/// stands in the request's extensions.
#[derive(Clone)]
pub struct RequireBearer(Arc<Gate>);

#[derive(Clone)]
struct Gate {
    resource: Resource,
    scope: ScopeSet,
    verifier: Arc<dyn Verifier>,
    clock: Arc<dyn Clock>,
    possession: Possession,
}

impl RequireBearer {
    /// A check for `resource`; `scope` is what every request needs (may be empty).
    #[must_use]
    pub fn new(
        resource: Resource,
        scope: ScopeSet,
        verifier: Arc<dyn Verifier>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let possession = Possession::default();
        Self(Arc::new(Gate { resource, scope, verifier, clock, possession }))
    }

    /// Takes tokens that are bound to a key too, or those alone, each with a proof of the key (RFC 9449), and says so in
    /// challenges and metadata. `keeper` remembers which proofs were used: [`LocalProofs`](crate::LocalProofs) for a server
    /// that runs alone. Proofs name the request's URI as clients see it: the resource's origin and the path that arrives here.
    #[cfg(feature = "dpop")]
    #[must_use]
    pub fn taking_proofs(
        mut self,
        used: portcullis_oauth::dpop::DpopUse,
        keeper: Arc<dyn portcullis_oauth::dpop::ProofKeeper>,
    ) -> Self {
        Arc::make_mut(&mut self.0).possession = Possession::new(used, keeper);
        self
    }

    /// The route of the resource's metadata document, to be merged into the application's router.
    pub fn metadata(&self, authorization_server: &PublicUrl) -> Router {
        let url = metadata::metadata_url(&self.0.resource.uri);
        let path = url.find(metadata::WELL_KNOWN).map_or(metadata::WELL_KNOWN, |at| &url[at..]);
        let path = path.split('?').next().unwrap_or(metadata::WELL_KNOWN).to_owned();
        let (gate, server) = (Arc::clone(&self.0), authorization_server.clone());
        let answer =
            move || std::future::ready(metadata::document(&gate.resource, &server, gate.possession.used()));
        Router::new().route(&path, get(answer)).layer(metadata::cors())
    }
}

/// What a request presents, and how, for the answer to one that is refused.
fn presentation(request: &Request) -> Result<Presentation, (Unauthorized, TokenScheme)> {
    match presented(request.headers()) {
        Presented::Nothing => Err((Unauthorized::Missing, TokenScheme::Bearer)),
        Presented::Malformed(why, scheme) => Err((Unauthorized::Malformed(why), scheme)),
        Presented::Token(token, scheme) => {
            // A router around this one may have taken the beginning of the path away.
            let uri = request.extensions().get::<OriginalUri>().map_or(request.uri(), |original| &original.0);
            Ok(Presentation::new((token, scheme), (request.method(), uri.path()), request.headers()))
        }
    }
}

impl Gate {
    /// Who bears the token, and the nonce for the next proof.
    async fn admit(
        &self,
        presented: &Presentation,
    ) -> Result<(VerifiedBearer, Option<String>), Unauthorized> {
        let now = self.clock.now();
        let verified = self.verifier.verify(presented.token(), &self.resource.uri, now).await;
        let bearer = verified.map_err(|error| Unauthorized::from(&error))?;
        let next_nonce = self.possession.check(presented, &bearer, now).await?;
        if self.scope.is_subset(&bearer.effective_scope()) {
            Ok((bearer, next_nonce))
        } else {
            Err(Unauthorized::InsufficientScope(self.scope.clone()))
        }
    }

    fn refuse(&self, why: &Unauthorized, scheme: TokenScheme) -> Response {
        why.respond(&self.resource, scheme, self.possession.used())
    }
}

impl From<&VerifyError> for Unauthorized {
    fn from(error: &VerifyError) -> Self {
        match error {
            VerifyError::Invalid(why) => Self::Invalid(why),
            VerifyError::Unavailable(cause) => {
                tracing::error!(?cause, "a token could not be checked");
                Self::Unavailable
            }
        }
    }
}

impl<S> Layer<S> for RequireBearer {
    type Service = RequireBearerService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireBearerService { gate: Arc::clone(&self.0), inner }
    }
}

/// The service that [`RequireBearer`] makes.
#[derive(Clone)]
pub struct RequireBearerService<S> {
    gate: Arc<Gate>,
    inner: S,
}

impl<S> Service<Request> for RequireBearerService<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let gate = Arc::clone(&self.gate);
        // The clone stays behind; the one that was polled ready goes.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let presented = presentation(&request);
        Box::pin(async move {
            let presented = match presented {
                Ok(presented) => presented,
                Err((refused, scheme)) => return Ok(gate.refuse(&refused, scheme)),
            };
            match gate.admit(&presented).await {
                Ok((bearer, next_nonce)) => {
                    request.extensions_mut().insert(bearer);
                    Ok(renewing(inner.call(request).await?, next_nonce))
                }
                Err(refused) => Ok(gate.refuse(&refused, presented.scheme())),
            }
        })
    }
}
