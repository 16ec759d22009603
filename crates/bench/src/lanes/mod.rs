//! What callers do: against the floor, and against the server as its users and clients do it.

mod asking;
mod bearers;
mod browser;
mod calls;
mod floor;
mod flow;
mod listing;
mod machine;
mod proving;
mod signed;

use std::cell::RefCell;
use std::rc::Rc;

use serde::Deserialize;

pub(crate) use self::asking::Asking;
pub(crate) use self::bearers::{Bearers, Check, SharedBearers};
pub(crate) use self::browser::{Browser, Site};
pub(crate) use self::calls::{Call, Called, Era};
pub(crate) use self::floor::{
    Code as FloorCode, Exchange as FloorExchange, Flow as FloorFlow, Get as FloorGet, Mint as FloorMint,
    Refresh as FloorRefresh,
};
pub(crate) use self::flow::{Code, Exchange, Flow, Refresh};
pub(crate) use self::listing::{Listing, Turns};
pub(crate) use self::machine::{Credentials, Introspect, Machine};
pub(crate) use self::proving::Proving;
pub(crate) use self::signed::{Presenting, Signed};

/// What waits to be used once: codes, each with its verifier, and tokens.
pub(crate) type Stock = Rc<RefCell<Vec<(String, String)>>>;

/// What a token endpoint answers, as far as the next request needs it.
#[derive(Deserialize)]
struct Tokens<'a> {
    access_token: &'a str,
    #[serde(default)]
    refresh_token: &'a str,
}
