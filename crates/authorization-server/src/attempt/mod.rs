//! "Why did it fail?": what an authorization attempt met at each of its steps, what was expected there and what came.
//!
//! Owns the words for steps and reasons, the sheet on which the steps of one request are noted while it is answered, and
//! when a sheet is kept. Decides nothing: whoever judges a request says here what it saw. No secret is ever passed in, and
//! a stranger's text is cut and made visible in `shown.rs`. The rows are `store/attempts.rs`'s.

mod address;
mod identifier;
mod journal;
mod observe;
mod sheet;
mod shown;
mod who;
mod words;

pub(crate) use self::address::compare;
pub use self::identifier::AttemptId;
pub(crate) use self::journal::{Journal, Numbered};
pub(crate) use self::observe::{json, page};
pub(crate) use self::sheet::{
    client, completed, current, decided, failed, joins, passed, person, refused, unless_refused,
};
pub(crate) use self::who::{
    authenticated_client, known_client, unidentified_client, unproven_assertion, unproven_client,
};
pub use self::words::{AttemptOutcome, AttemptStage, Reason, Step};
