//! Whose bearers requests present, and requests of which nothing but the bearer is checked.

use std::cell::Cell;
use std::rc::Rc;

use portcullis_oauth::Secret;

use crate::http::{Connection, request};
use crate::load::{Caller, Done, Step};
use crate::seed;

/// Which of the seeded tokens the next request presents.
#[derive(Debug)]
pub(crate) struct Bearers {
    next: Cell<u32>,
    count: u32,
    pub(super) same: bool,
}

/// One sequence of tokens for all callers of a measurement.
pub(crate) type SharedBearers = Rc<Bearers>;

impl Bearers {
    /// Each request another token, in turn: with many more tokens than a cache holds, it never helps.
    pub(crate) fn changing(count: u32) -> SharedBearers {
        Rc::new(Self { next: Cell::new(0), count, same: false })
    }

    /// Always the same one.
    pub(crate) fn same() -> SharedBearers {
        Rc::new(Self { next: Cell::new(0), count: 1, same: true })
    }

    pub(super) fn header(&self) -> String {
        format!("Bearer {}", self.turn().expose())
    }

    /// The token whose turn it is.
    pub(super) fn turn(&self) -> Secret {
        let number = self.next.get();
        self.next.set((number + 1) % self.count);
        seed::token(number)
    }
}

/// `GET` at a path that answers a live bearer with `status`.
pub(crate) struct Check {
    host: String,
    path: &'static str,
    status: u16,
    bearers: SharedBearers,
    ready: Option<Vec<u8>>,
}

impl Check {
    pub(crate) fn new(host: &str, path: &'static str, status: u16, bearers: SharedBearers) -> Self {
        Self { host: host.to_owned(), path, status, bearers, ready: None }
    }

    fn request(&self) -> Vec<u8> {
        let bearer = self.bearers.header();
        request(&format!("GET {}", self.path), &[("host", &self.host), ("authorization", &bearer)], "")
    }
}

impl Caller for Check {
    fn operate<'a>(&'a mut self, connection: &'a mut Connection) -> Step<'a> {
        Box::pin(async move {
            if !self.bearers.same || self.ready.is_none() {
                self.ready = Some(self.request());
            }
            let sent = self.ready.as_deref().unwrap_or_default();
            connection.exchange(sent).await?.expect_status(self.status)?;
            Ok(Done::Well)
        })
    }
}
