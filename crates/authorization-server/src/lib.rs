//! The OAuth 2.1 authorization server: endpoints, users, login and consent.
//!
//! Owns users, clients, grants, codes and tokens, and the pages where people sign in and decide. Each endpoint is one
//! file that reads like its section of the specification. Knows nothing of MCP nor of upstream servers: what the consent
//! page must tell of connections comes through [`ConnectionDirectory`], and what it issues is verified through
//! [`portcullis_oauth::Verifier`].

mod attempt;
mod authorization_request;
mod authorize;
mod client_assertion;
mod client_authentication;
mod client_metadata;
mod consent;
mod core;
mod device;
mod device_authorization;
mod directory;
mod document;
mod dpop;
mod guard;
mod introspect;
mod jwks;
mod key_sets;
mod login;
mod logout;
mod metadata;
mod named_resources;
mod openid;
mod page_error;
pub mod pages;
mod password;
mod password_change;
mod pushed_authorization;
mod refusal;
mod register;
mod registration_management;
mod resources;
mod revoke;
mod server;
mod settings;
mod setup;
mod signed_in;
mod signing;
mod store;
mod throttle;
mod token;
mod verifier;
mod work;

pub use crate::attempt::{AttemptId, AttemptOutcome, AttemptStage, Reason, Step};
pub use crate::core::AuthorizationServerParts;
pub(crate) use crate::core::Core;
pub use directory::{ConnectionDirectory, ConnectionSummary};
pub use password::{MINIMUM_LENGTH as MINIMUM_PASSWORD_LENGTH, PasswordError};
pub use server::AuthorizationServer;
pub use settings::{ClientDocuments, Registration, Settings};
pub use signing::KeyUse;
pub use store::{
    Attempt, AttemptCursor, AttemptFilter, AttemptLeg, AttemptStep, AttemptSummary, Attempts, Client,
    ClientDocument, ClientOrigin, ClientTrust, Clients, ConnectionClient, ConnectionGrants, Ended,
    GrantSummary, Grants, Group, GroupError, Groups, Invitation, Invitations, IssuerError, IssuerId, KeptKey,
    Member, NewClient, NewResource, NewUser, RefusedClient, RegisteredResource, ResourceError, ResourceScope,
    Resources, Revocations, Setup, SignInStanding, SignIns, SigningKeyError, SigningKeys, TrustedIssuer,
    TrustedIssuers, User, UserError, Users,
};
pub use work::Work;
