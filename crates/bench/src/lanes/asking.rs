//! A browser that somebody's client sends, and in which nobody is signed in yet: the client is identified, and its request kept.

use portcullis_oauth::random_handle;

use super::Site;
use super::browser::verifier;
use crate::Outcome;
use crate::http::{Connection, encode, request};
use crate::load::{Caller, Done, Step};

/// Asks for authorization again and again, as one client.
pub(crate) struct Asking(Vec<u8>);

impl Asking {
    /// As the client of this name.
    pub(crate) fn new(site: &Site, client_id: &str) -> Self {
        let challenge: String = verifier().chars().take(43).collect();
        let query = encode(&[
            ("response_type", "code"),
            ("client_id", client_id),
            ("redirect_uri", &site.redirect_uri),
            ("state", &random_handle("")),
            ("resource", &site.mcp_url),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        Self(request(&format!("GET /oauth/authorize?{query}"), &[("host", site.host.as_str())], ""))
    }

    async fn ask(&self, connection: &mut Connection) -> Outcome<Done> {
        connection.exchange(&self.0).await?.expect_status(303)?;
        Ok(Done::Well)
    }
}

impl Caller for Asking {
    fn operate<'a>(&'a mut self, connection: &'a mut Connection) -> Step<'a> {
        Box::pin(self.ask(connection))
    }
}
