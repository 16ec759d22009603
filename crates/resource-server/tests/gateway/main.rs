//! Stories told to the gateway over HTTP, with a fake verifier in the place of the authorization server.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a story that cannot go on falls over")]

mod bearer;
mod changes;
mod credentials;
mod policies;
mod refusals;
mod sessions;
mod stage;
mod stateless;
mod tools;
mod transport;
mod upstreams;
mod while_it_runs;
