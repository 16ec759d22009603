//! The harness for stories: the assembled server in process on either engine, a browser with cookies, and a client that
//! speaks OAuth.
//!
//! A story reads like what happened: somebody asks, somebody answers, and the answer stands on the page. Time is a clock
//! that is advanced; nothing sleeps.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a harness for tests: a surprise ends the story"
)]

mod answer;
mod api;
mod attempt;
mod browser;
mod canaries;
mod client;
mod identity_provider;
mod keyed;
mod mailbox;
mod paper;
mod prover;
mod publisher;
mod relying_party;
mod resource;
mod upstream_login;
mod world;

pub use answer::Answer;
pub use api::{API, Program};
pub use attempt::refusal;
pub use browser::Browser;
pub use canaries::secrets_in;
pub use client::{Client, Pkce, Tokens};
pub use identity_provider::IdentityProvider;
pub use keyed::Keyed;
pub use mailbox::Mailbox;
pub use prover::Prover;
pub use publisher::Publisher;
pub use relying_party::USERINFO;
pub use resource::ResourceServer;
pub use upstream_login::{Mood, UpstreamLogin};
pub use world::{PASSWORD, World, request};
