//! Signed tokens at the server that checks them by itself.

use super::{Machine, Stock, Tokens};
use crate::http::{Connection, request};
use crate::load::{Caller, Done, Step};

/// Puts signed tokens into the stock until it is full.
pub(crate) struct Signed {
    pub(crate) machine: Machine,
    pub(crate) stock: Stock,
    pub(crate) full: usize,
}

impl Caller for Signed {
    fn operate<'a>(&'a mut self, connection: &'a mut Connection) -> Step<'a> {
        Box::pin(async move {
            if self.stock.borrow().len() >= self.full {
                return Ok(Done::Nothing);
            }
            let answer = connection.exchange(&self.machine.0).await?;
            answer.expect_status(200)?;
            let Tokens { access_token, .. } = serde_json::from_slice(answer.body)?;
            self.stock.borrow_mut().push((access_token.to_owned(), String::new()));
            Ok(Done::Well)
        })
    }
}

/// Presents each signed token of the stock once, to the server that it is for.
pub(crate) struct Presenting {
    pub(crate) stock: Stock,
}

impl Caller for Presenting {
    fn operate<'a>(&'a mut self, connection: &'a mut Connection) -> Step<'a> {
        Box::pin(async move {
            let Some((token, _)) = self.stock.borrow_mut().pop() else { return Ok(Done::Nothing) };
            let bearer = format!("Bearer {token}");
            let headers = [("host", "signed.example"), ("authorization", bearer.as_str())];
            connection.exchange(&request("GET /mcp", &headers, "")).await?.expect_status(200)?;
            Ok(Done::Well)
        })
    }
}
