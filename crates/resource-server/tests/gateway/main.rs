//! Stories told to the gateway over HTTP, with a fake verifier in the place of the authorization server.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a story that cannot go on falls over")]

mod approvals;
mod arguments;
mod bearer;
mod changes;
mod credentials;
mod crowd;
mod draft;
mod ladder;
mod ladder_sessions;
mod limits;
mod midway;
mod noise;
mod own_tools;
mod paper;
mod patience;
mod pins;
mod policies;
mod rare;
mod reasons;
mod refusals;
mod replay;
mod rounds;
mod rungs;
mod sampling;
mod sessions;
mod stage;
mod stateless;
mod subscriptions;
mod subscriptions_end;
mod switched_off;
mod tools;
mod transport;
mod unrecorded;
mod upstreams;
mod while_it_runs;
