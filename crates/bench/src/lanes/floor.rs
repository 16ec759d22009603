//! The same work at the floor.

use serde::Deserialize;

use super::browser::verifier;
use super::{Stock, Tokens};
use crate::Outcome;
use crate::http::{Connection, request};
use crate::load::{Caller, Done, Step};

pub(crate) use super::bearers::Check as Get;

const HOST: (&str, &str) = ("host", "localhost");

/// One access token.
pub(crate) struct Mint;

/// The two commits of a flow.
pub(crate) struct Flow;

/// The first of them: puts codes into the stock until it is full.
pub(crate) struct Code {
    pub(crate) stock: Stock,
    pub(crate) full: usize,
}

/// The second of them, for what is in the stock.
pub(crate) struct Exchange {
    pub(crate) stock: Stock,
}

/// Rotates one family again and again.
pub(crate) struct Refresh {
    token: String,
}

#[derive(Deserialize)]
struct Given<'a> {
    code: &'a str,
}

async fn code(connection: &mut Connection) -> Outcome<String> {
    let answer = connection.exchange(&request("POST /authorize", &[HOST], &verifier())).await?;
    answer.expect_status(200)?;
    let Given { code } = serde_json::from_slice(answer.body)?;
    Ok(code.to_owned())
}

async fn tokens(connection: &mut Connection, line: &str, presented: &str) -> Outcome<String> {
    let answer = connection.exchange(&request(line, &[HOST], presented)).await?;
    answer.expect_status(200)?;
    let Tokens { refresh_token, .. } = serde_json::from_slice(answer.body)?;
    Ok(refresh_token.to_owned())
}

impl Caller for Mint {
    fn operate<'a>(&'a mut self, connection: &'a mut Connection) -> Step<'a> {
        Box::pin(async move {
            connection.exchange(&request("POST /mint", &[HOST], "")).await?.expect_status(200)?;
            Ok(Done::Well)
        })
    }
}

impl Caller for Flow {
    fn operate<'a>(&'a mut self, connection: &'a mut Connection) -> Step<'a> {
        Box::pin(async move {
            let code = code(connection).await?;
            tokens(connection, "POST /exchange", &code).await?;
            Ok(Done::Well)
        })
    }
}

impl Caller for Code {
    fn operate<'a>(&'a mut self, connection: &'a mut Connection) -> Step<'a> {
        Box::pin(async move {
            if self.stock.borrow().len() >= self.full {
                return Ok(Done::Nothing);
            }
            let code = code(connection).await?;
            self.stock.borrow_mut().push((code, String::new()));
            Ok(Done::Well)
        })
    }
}

impl Caller for Exchange {
    fn operate<'a>(&'a mut self, connection: &'a mut Connection) -> Step<'a> {
        Box::pin(async move {
            let Some((code, _)) = self.stock.borrow_mut().pop() else { return Ok(Done::Nothing) };
            tokens(connection, "POST /exchange", &code).await?;
            Ok(Done::Well)
        })
    }
}

impl Refresh {
    pub(crate) async fn begin(connection: &mut Connection) -> Outcome<Self> {
        let code = code(connection).await?;
        Ok(Self { token: tokens(connection, "POST /exchange", &code).await? })
    }
}

impl Caller for Refresh {
    fn operate<'a>(&'a mut self, connection: &'a mut Connection) -> Step<'a> {
        Box::pin(async move {
            self.token = tokens(connection, "POST /refresh", &self.token).await?;
            Ok(Done::Well)
        })
    }
}
