//! The API at `/api/v1`: what people's own programs may do with their connections, and what those who administer this
//! server may do by program instead of by command.
//!
//! Owns the frame that every operation has in common (who asks, how much, in which form refusals are told) and no rule
//! of its own: operations ask the same stores and steps as the commands and pages do. Each group of operations is one file
//! with a list of [`Operation`]s; routes, scopes and the document of the API are all made of these lists, so that none of
//! them can say something else than the others.

mod attempts;
mod audit;
mod blocks;
mod body;
mod caller;
mod catalogue;
mod connections;
mod document;
mod gate;
mod mine;
mod operation;
mod page;
mod policy;
mod problem;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{any, get};
use portcullis_audit::{Records, Trail};
use portcullis_authorization_server::{AuthorizationServer, Groups, User};
use portcullis_limits::{Limiter, Quota};
use portcullis_oauth::dpop::DpopUse;
use portcullis_oauth::{Clock, ResourceRegistry, ScopeSet};
use portcullis_resource_server::{Enrolment, Gateway, Policies, RequireBearer, ToolBlocks};

use self::operation::Operation;
use self::problem::Problem;

/// Where the API lies.
const BASE: &str = "/api/v1";
/// Callers that are remembered for their limits.
const CALLERS: usize = 10_000;

/// What the API is made of.
pub struct ApiParts {
    /// Users, clients, attempts, and who checks tokens.
    pub authorization: AuthorizationServer,
    /// The gateway, whose stores and steps the operations use.
    pub gateway: Gateway,
    /// How somebody comes to a connection.
    pub enrolment: Enrolment,
    /// The groups of users, which policies know.
    pub groups: Groups,
    /// The policies.
    pub policies: Policies,
    /// The blocked tools.
    pub blocks: ToolBlocks,
    /// The paper trail, to write to.
    pub trail: Trail,
    /// The paper trail, to read.
    pub records: Records,
    /// The resources, the API among them.
    pub registry: ResourceRegistry,
    /// Whose tokens must come with a proof of possession (RFC 9449).
    pub dpop: DpopUse,
    /// Requests of one caller in a minute.
    pub rate: u32,
    /// Where "now" comes from.
    pub clock: Arc<dyn Clock>,
}

/// The API. Cheap to clone.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

struct Inner {
    parts: ApiParts,
    limit: Limiter,
}

impl std::ops::Deref for Api {
    type Target = ApiParts;

    fn deref(&self) -> &ApiParts {
        &self.0.parts
    }
}

impl Api {
    /// Assembles it.
    #[must_use]
    pub fn new(parts: ApiParts) -> Self {
        let limit = Limiter::new(Quota::per_minute(parts.rate), CALLERS);
        Self(Arc::new(Inner { parts, limit }))
    }

    /// Whoever has this address.
    async fn user(&self, email: &str) -> Result<User, Problem> {
        let found = self.authorization.users().find_by_email(email).await?;
        found.ok_or_else(|| Problem::missing("user_unknown", "Nobody has this e-mail address."))
    }

    /// Every route: the operations behind the bearer check, the document of the API and the resource's metadata before it.
    pub fn router(&self) -> Router {
        let operations = operations().into_iter().fold(Router::new(), |router, operation| {
            let path = format!("{BASE}{}", operation.path);
            router.route(&path, gate::scoped(self, operation))
        });
        let check = RequireBearer::new(
            self.registry.api().clone(),
            ScopeSet::default(),
            self.authorization.verifier(),
            Arc::clone(&self.clock),
        );
        let check = check.taking_proofs(self.dpop, self.authorization.proof_keeper());
        let behind = operations
            .route(BASE, any(unknown))
            .route(&format!("{BASE}/{{*unknown}}"), any(unknown))
            .layer(from_fn_with_state(self.clone(), gate::admit))
            .layer(check.clone());
        let document = document::of(self.registry.public_url());
        Router::new()
            .merge(behind)
            .route(&format!("{BASE}/openapi.json"), get(move || std::future::ready(document.clone())))
            .layer(from_fn_with_state(self.clone(), gate::tell))
            .with_state(self.clone())
            .merge(check.metadata(self.registry.public_url()))
    }
}

/// Every operation.
fn operations() -> Vec<Operation> {
    let groups = [
        catalogue::operations(),
        connections::operations(),
        mine::operations(),
        policy::operations(),
        blocks::operations(),
        audit::operations(),
        attempts::operations(),
    ];
    groups.into_iter().flatten().collect()
}

fn unknown() -> std::future::Ready<Problem> {
    std::future::ready(Problem::missing("path_unknown", "There is nothing at this path of the API."))
}
