//! A machine that asks for tokens of its own: minting with nobody present.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_oauth::GrantType;
use serde::Deserialize;

use super::Site;
use super::browser::FORM;
use crate::Outcome;
use crate::http::{Connection, encode, request};
use crate::load::{Caller, Done, Step};

/// A client that acts for itself, as the command line tells of it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Credentials {
    client_id: String,
    client_secret: String,
}

/// Asks for a token again and again, by HTTP Basic.
pub(crate) struct Machine(Vec<u8>);

impl Machine {
    pub(crate) fn new(site: &Site, Credentials { client_id, client_secret }: &Credentials) -> Self {
        // Of characters that need no encoding (RFC 6749 §2.3.1).
        let basic = format!("Basic {}", STANDARD.encode(format!("{client_id}:{client_secret}")));
        let headers = [("host", site.host.as_str()), ("authorization", &basic), FORM];
        let body = encode(&[("grant_type", GrantType::ClientCredentials.as_str())]);
        Self(request("POST /oauth/token", &headers, &body))
    }

    async fn ask(&self, connection: &mut Connection) -> Outcome<Done> {
        connection.exchange(&self.0).await?.expect_status(200)?;
        Ok(Done::Well)
    }
}

impl Caller for Machine {
    fn operate<'a>(&'a mut self, connection: &'a mut Connection) -> Step<'a> {
        Box::pin(self.ask(connection))
    }
}
