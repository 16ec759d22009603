//! The tower layer: what the author of another MCP server puts in front of their own axum or rmcp service.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::get;
use portcullis_oauth::{
    BoxFuture, Clock, PublicUrl, Resource, ScopeSet, VerifiedBearer, Verifier, VerifyError,
};
use tower::{Layer, Service};

use crate::bearer::{Presented, presented};
use crate::challenge::Unauthorized;
use crate::metadata;

/// Lets only requests through whose bearer token is live and was issued for this resource; the [`VerifiedBearer`] then
/// stands in the request's extensions.
#[derive(Clone)]
pub struct RequireBearer(Arc<Gate>);

struct Gate {
    resource: Resource,
    scope: ScopeSet,
    verifier: Arc<dyn Verifier>,
    clock: Arc<dyn Clock>,
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
        Self(Arc::new(Gate { resource, scope, verifier, clock }))
    }

    /// The route of the resource's metadata document, to be merged into the application's router.
    pub fn metadata(&self, authorization_server: &PublicUrl) -> Router {
        let url = metadata::metadata_url(&self.0.resource.uri);
        let path = url.find(metadata::WELL_KNOWN).map_or(metadata::WELL_KNOWN, |at| &url[at..]);
        let path = path.split('?').next().unwrap_or(metadata::WELL_KNOWN).to_owned();
        let (gate, server) = (Arc::clone(&self.0), authorization_server.clone());
        let answer = move || std::future::ready(metadata::document(&gate.resource, &server));
        Router::new().route(&path, get(answer)).layer(metadata::cors())
    }
}

impl Gate {
    async fn admit(&self, presented: Presented) -> Result<VerifiedBearer, Unauthorized> {
        let token = match presented {
            Presented::Nothing => return Err(Unauthorized::Missing),
            Presented::Malformed(why) => return Err(Unauthorized::Malformed(why)),
            Presented::Token(token) => token,
        };
        let bearer = self
            .verifier
            .verify(&token, &self.resource.uri, self.clock.now())
            .await
            .map_err(|error| Unauthorized::from(&error))?;
        if self.scope.is_subset(&bearer.effective_scope()) {
            Ok(bearer)
        } else {
            Err(Unauthorized::InsufficientScope(self.scope.clone()))
        }
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
        let presented = presented(request.headers());
        Box::pin(async move {
            match gate.admit(presented).await {
                Ok(bearer) => {
                    request.extensions_mut().insert(bearer);
                    inner.call(request).await
                }
                Err(refused) => Ok(refused.respond(&gate.resource)),
            }
        })
    }
}
