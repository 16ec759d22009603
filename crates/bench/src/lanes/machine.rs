//! Clients that act for themselves: minting with nobody present, and asking what a token is.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_oauth::GrantType;
use serde::Deserialize;

use super::browser::FORM;
use super::{SharedBearers, Site};
use crate::http::{Connection, encode, request};
use crate::load::{Caller, Done, Step};
use crate::{Outcome, apart};

/// A client that acts for itself, as the command line tells of it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Credentials {
    client_id: String,
    client_secret: String,
}

impl Credentials {
    /// By HTTP Basic; of characters that need no encoding (RFC 6749 §2.3.1).
    fn header(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.client_id, self.client_secret)))
    }
}

/// Asks for a token again and again.
pub(crate) struct Machine(pub(super) Vec<u8>);

impl Machine {
    pub(crate) fn new(site: &Site, credentials: &Credentials) -> Self {
        Self(mint(site, (credentials, None), &[]))
    }

    /// For a signed token of a server that checks by itself.
    pub(crate) fn signed(site: &Site, credentials: &Credentials) -> Self {
        Self(mint(site, (credentials, Some(apart::RESOURCE)), &[]))
    }

    async fn ask(&self, connection: &mut Connection) -> Outcome<Done> {
        connection.exchange(&self.0).await?.expect_status(200)?;
        Ok(Done::Well)
    }
}

/// The request for a token.
pub(super) fn mint(
    site: &Site,
    (credentials, resource): (&Credentials, Option<&str>),
    further: &[(&str, &str)],
) -> Vec<u8> {
    let basic = credentials.header();
    let headers = [&[("host", site.host.as_str()), ("authorization", &basic), FORM], further].concat();
    let mut fields = vec![("grant_type", GrantType::ClientCredentials.as_str())];
    fields.extend(resource.map(|uri| ("resource", uri)));
    request("POST /oauth/token", &headers, &encode(&fields))
}

/// Asks what a token is, as the server that it was presented to (RFC 7662 §2.1).
pub(crate) struct Introspect {
    site: Rc<Site>,
    basic: String,
    bearers: SharedBearers,
}

impl Introspect {
    pub(crate) fn new(site: &Rc<Site>, credentials: &Credentials, bearers: SharedBearers) -> Self {
        Self { site: Rc::clone(site), basic: credentials.header(), bearers }
    }
}

impl Caller for Introspect {
    fn operate<'a>(&'a mut self, connection: &'a mut Connection) -> Step<'a> {
        Box::pin(async move {
            let token = self.bearers.turn();
            let headers = [("host", self.site.host.as_str()), ("authorization", &self.basic), FORM];
            let sent = request("POST /oauth/introspect", &headers, &encode(&[("token", token.expose())]));
            let answer = connection.exchange(&sent).await?;
            answer.expect_status(200)?;
            if !answer.text().contains("\"active\":true") {
                return Err(format!("a live token is told of as {}", answer.text()).into());
            }
            Ok(Done::Well)
        })
    }
}

impl Caller for Machine {
    fn operate<'a>(&'a mut self, connection: &'a mut Connection) -> Step<'a> {
        Box::pin(self.ask(connection))
    }
}
