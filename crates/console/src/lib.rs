//! Pages for people who are signed in (the start page, with what is connected and a way to end it, and the account), and the
//! API for their programs and for those who administer this server.
//!
//! Owns pages, the API and the shapes in which programs read what this server knows ([`shown`]), and no rules: it shows what
//! the two servers know, and asks them to change it.

mod account;
mod api;
mod approvals;
mod authorize;
mod connections;
mod device;
pub mod explain;
mod home;
pub mod pages;
pub mod shown;

pub use api::{Api, ApiParts};
pub use home::{Console, ConsoleParts};
