//! The stories: what happens between a person, a client and the server, told on SQLite and on PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a surprise ends the story")]

mod account;
mod assertion_keys;
mod assertions;
mod attacks;
mod attempts;
mod attempts_kept;
mod authorization;
mod codes;
mod concurrency;
mod consent;
mod device;
mod discovery;
mod document_trust;
mod documents;
mod dpop;
mod dpop_binding;
mod dpop_resources;
mod exchange;
mod grants_model;
mod identity_assertions;
mod introspection;
mod invitations;
mod machine;
mod openid;
mod openid_logout;
mod openid_resources;
mod openid_sign_in;
mod paper_trail;
mod pushed_requests;
mod refresh;
mod registration;
mod registration_management;
mod resources;
mod revocation;
mod several_resources;
mod shares;
mod sign_in;
mod signed_tokens;
mod signing_keys;
mod throttling;
mod upstream_authorization;
mod upstream_refresh;
mod upstream_registration;
mod upstream_stage;
