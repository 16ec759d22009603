//! The MCP resource server: bearer check, and the gateway behind it.
//!
//! Without features: what the author of another MCP server needs in front of their own service, which is the layer
//! [`RequireBearer`], the [`Verifier`] trait, and the protected resource metadata.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use axum::{Router, routing::post};
//! # use portcullis_resource_server::{RequireBearer, oauth, Verifier};
//! # fn app(verifier: Arc<dyn Verifier>) -> Result<Router, Box<dyn std::error::Error>> {
//! let server = oauth::PublicUrl::parse("https://login.example.com")?;
//! let uri = oauth::ResourceUri::parse("https://tools.example.com/mcp")?;
//! let resource = oauth::Resource::new(uri, "Tools", oauth::ScopeSet::from_iter(["tools.use"]));
//! let check = RequireBearer::new(resource, oauth::ScopeSet::default(), verifier, Arc::new(oauth::SystemClock));
//! let app = Router::new().route("/mcp", post(|| async { "mine" })).layer(check.clone()).merge(check.metadata(&server));
//! # Ok(app) }
//! ```
//!
//! With the feature `introspection`: a verifier that asks the authorization server (RFC 7662). With the feature `jwt`: one
//! that checks signed tokens by itself (RFC 9068). `examples/notes` can use either.
//!
//! With the feature `dpop`: tokens that are bound to a key, presented with a proof of it (RFC 9449), once
//! `RequireBearer::taking_proofs` says so. Without it such tokens are refused.
//!
//! With the feature `gateway`: the endpoint `/mcp` in both of its eras, strict JSON, the pipeline that every operation
//! passes, the policy gate, connections, and the built-in sandbox server.
//!
//! Leaves to others: who users are, what they consented to, and how tokens are made. It meets the authorization server
//! in `portcullis_oauth` alone and never imports it.

pub mod bearer;
pub mod challenge;
#[cfg(feature = "introspection")]
mod introspection;
#[cfg(any(feature = "introspection", feature = "jwt"))]
mod issuer;
#[cfg(feature = "jwt")]
mod jwt;
mod layer;
#[cfg(feature = "dpop")]
mod local_proofs;
pub mod metadata;
mod possession;
#[cfg(any(feature = "introspection", feature = "jwt"))]
mod verdicts;

#[cfg(feature = "gateway")]
mod approvals;
#[cfg(feature = "gateway")]
mod authorization;
#[cfg(feature = "gateway")]
mod bulletin;
#[cfg(feature = "gateway")]
mod cache;
#[cfg(feature = "gateway")]
pub mod catalogue;
#[cfg(feature = "gateway")]
mod connections;
#[cfg(feature = "gateway")]
mod credentials;
#[cfg(feature = "gateway")]
mod endpoint;
#[cfg(feature = "gateway")]
mod enrolment;
#[cfg(feature = "gateway")]
mod envelope;
#[cfg(feature = "gateway")]
mod errand;
#[cfg(feature = "gateway")]
mod gateway;
#[cfg(feature = "gateway")]
mod json;
#[cfg(feature = "gateway")]
mod limits;
#[cfg(feature = "gateway")]
mod line;
#[cfg(feature = "gateway")]
mod management;
#[cfg(feature = "gateway")]
mod names;
#[cfg(feature = "gateway")]
mod offer;
#[cfg(feature = "gateway")]
mod origin;
#[cfg(feature = "gateway")]
mod patience;
#[cfg(feature = "gateway")]
mod pins;
#[cfg(feature = "gateway")]
mod pipeline;
#[cfg(feature = "gateway")]
mod places;
#[cfg(feature = "gateway")]
mod policy;
#[cfg(feature = "gateway")]
mod probe;
#[cfg(feature = "gateway")]
mod protocol;
#[cfg(feature = "gateway")]
mod reach;
#[cfg(feature = "gateway")]
mod refusal;
#[cfg(feature = "gateway")]
mod relay;
#[cfg(feature = "gateway")]
mod reply;
#[cfg(feature = "gateway")]
mod round;
#[cfg(feature = "gateway")]
pub mod sandbox;
#[cfg(feature = "gateway")]
mod schema;
#[cfg(feature = "gateway")]
mod session;
#[cfg(feature = "gateway")]
mod tool;
#[cfg(feature = "gateway")]
mod trace;
#[cfg(feature = "gateway")]
mod underway;
#[cfg(feature = "gateway")]
mod unseen;
#[cfg(feature = "gateway")]
mod upstream;
#[cfg(feature = "gateway")]
mod words;

#[cfg(feature = "gateway")]
pub use approvals::{
    APPROVERS, Approval, ApprovalState, Approvals, Decided, Decider, Decision, Hearing, How, Inbox, Notice,
    Notifier, PENDING, Piece, Sought, Verdict,
};
#[cfg(feature = "gateway")]
pub use authorization::{
    AuthorizationError, Authorized, GivenClient, GivenClientError, GivenClients, NoAccess,
    UpstreamAuthorization, verify_sealed as verify_upstream_secrets,
};
#[cfg(feature = "gateway")]
pub use connections::{
    ArgumentRule, Connection, ConnectionError, ConnectionStatus, Connections, GrantEnder, NewConnection,
    Rules, Standing, Tombstone, Who,
};
#[cfg(feature = "gateway")]
pub use credentials::{CredentialError, Credentials, field};
#[cfg(feature = "gateway")]
pub use enrolment::{Answers, Application, Enrolment, EnrolmentError};
#[cfg(feature = "gateway")]
pub use gateway::{Gateway, GatewayError, GatewayParts, Patience, tools_by_scope};
#[cfg(feature = "introspection")]
pub use introspection::IntrospectionVerifier;
#[cfg(any(feature = "introspection", feature = "jwt"))]
pub use issuer::IssuerError;
#[cfg(feature = "jwt")]
pub use jwt::JwtVerifier;
pub use layer::{RequireBearer, RequireBearerService};
#[cfg(feature = "gateway")]
pub use limits::{Limit, LimitRules, LimitSubject, Rates};
#[cfg(feature = "dpop")]
pub use local_proofs::LocalProofs;
#[cfg(feature = "gateway")]
pub use pins::{Difference, Pins, ReviewState, ToolReview, Warning, made_visible};
#[cfg(feature = "gateway")]
pub use policy::{
    BlockedAt, Forbidden, Managed, NotManaged, Person, Policies, PolicyError, PolicyVersion, Replay,
    ToolBlock, ToolBlocks, seen as seen_by_policy,
};
pub use portcullis_oauth as oauth;
pub use portcullis_oauth::{VerifiedBearer, Verifier, VerifyError};
#[cfg(feature = "gateway")]
pub use probe::Probe;
#[cfg(feature = "gateway")]
pub use reach::{AccessTokens, NoToken};
