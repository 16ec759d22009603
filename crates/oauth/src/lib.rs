//! The words of the protocol, without I/O.
//!
//! Owns what both servers must agree on: scopes, PKCE, secrets, redirect URIs, resource identifiers, errors, metadata
//! documents, challenges, the introspection vocabulary, the clock, and the one trait where the two servers meet,
//! [`Verifier`]. Leaves storage, HTTP and every decision about a particular user to its dependents: nothing here
//! imports tokio or axum, and sqlx only for column derives behind the feature `sqlx`.

mod actor;
mod algorithm;
mod alias;
mod basic;
mod challenge;
pub mod client;
mod client_id_url;
mod clock;
mod confirmation;
pub mod dpop;
mod error;
mod form;
mod identifier;
mod introspection;
#[cfg(feature = "jose")]
pub mod jose;
mod metadata;
mod openid;
mod pkce;
mod public_url;
mod redirect_uri;
mod registration;
mod resource;
mod scope;
mod secret;
mod strict_json;
mod token_scheme;
mod token_type;
mod user_code;
mod verifier;

pub use actor::Actor;
pub use algorithm::Algorithm;
pub use alias::{Alias, AliasError};
pub use basic::{BasicCredentials, BasicError};
pub use challenge::Challenge;
pub use client_id_url::{ClientIdUrl, ClientIdUrlError};
pub use clock::{Clock, Seconds, SystemClock, TestClock, Timestamp};
pub use confirmation::{Confirmation, JwkThumbprint, JwkThumbprintError};
pub use error::{Error, ErrorBody, ErrorCode};
pub use form::{
    Form, FormError, REQUEST_URI_PREFIX, SINGLE_AUTHORIZATION_PARAMETERS, SINGLE_TOKEN_PARAMETERS,
};
pub use identifier::{
    ApprovalId, ClientId, ConnectionId, GrantId, PrincipalId, PrincipalKind, ordered_handle, random_handle,
};
pub use introspection::Introspection;
pub use metadata::{AuthorizationServerMetadata, ProtectedResourceMetadata};
pub use openid::{OpenIdMetadata, OpenIdRegistration};
pub use pkce::{CodeChallenge, CodeVerifier, PkceError};
pub use public_url::{PublicUrl, PublicUrlError};
pub use redirect_uri::{Destination, Loopback, RedirectUri, RedirectUriError};
pub use registration::{ApplicationType, ClientAuthMethod, ClientMetadata, GrantType};
pub use resource::{Resource, ResourceRegistry, ResourceUri, ResourceUriError, TokenFormat};
pub use scope::{ScopeError, ScopeSet, scopes};
pub use secret::{Secret, SecretHash, SecretKind};
pub use strict_json::StrictJson;
pub use token_scheme::TokenScheme;
pub use token_type::TokenType;
pub use user_code::UserCode;
pub use verifier::{
    BoxFuture, ClientStanding, GrantedConnections, ONE_FACTOR, Principal, Standing, VerifiedBearer, Verifier,
    VerifyError,
};
