//! Pages for people who are signed in: the start page, with what is connected and a way to end it, and the account.
//!
//! Owns pages and no rules: it shows what the two servers know, and asks them to change it.

mod account;
mod approvals;
mod authorize;
mod connections;
mod device;
mod home;
pub mod pages;

pub use home::{Console, ConsoleParts};
