//! The words of a client: what somebody else's servers say, read with suspicion, and what is said to them.
//!
//! Owns the reading of challenges (RFC 9110 §11.6.1), of both metadata documents (RFC 9728 §3.3, RFC 8414 §3.3), of
//! registrations (RFC 7591 §3.2), of authorization responses (RFC 9207 §2.4) and of token responses (OAuth 2.1 §3.2.3),
//! with every comparison that they demand, and the requests that lead to them. Leaves the sending to its callers.

mod authentication;
mod authorization;
mod challenge;
mod fault;
mod protected_resource;
mod registration;
mod remote_url;
mod server;
mod token;
pub mod well_known;

pub use authentication::{ClientProof, TokenHint, TokenRequest};
pub use authorization::{AuthorizationAnswer, AuthorizationQuestion};
pub use challenge::ReceivedChallenge;
pub use fault::MetadataFault;
pub use protected_resource::{Found, ProtectedResource};
pub use registration::{ClientDocument, Registered, gateway_metadata};
pub use remote_url::{RemoteUrl, RemoteUrlError};
pub use server::RemoteServer;
pub use token::{TokenAnswer, TokenRefusal};
