//! Pages for people who are signed in: so far the start page, with what is connected and a way to end it.
//!
//! Owns pages and no rules: it shows what the two servers know, and asks them to change it.

mod home;
pub mod pages;

pub use home::{Console, ConsoleParts};
