//! Browser plumbing: layout, session, CSRF, security headers, error page, assets.
//!
//! Owns what every page needs and the `web_session` table. Knows no OAuth: who may sign in and what a page decides is
//! its callers' business.

pub mod assets;
mod browser;
pub mod csrf;
pub mod device_cookie;
pub mod error_page;
mod form;
mod headers;
pub mod layout;
mod peer;
mod session_store;

pub use browser::{Browser, BrowserError, SignedIn, session_layer};
pub use error_page::ErrorPage;
pub use form::form;
pub use headers::page_headers;
pub use peer::Peer;
pub use session_store::{EndedSession, SessionStore, SessionSummary};
