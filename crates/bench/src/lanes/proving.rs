//! A client whose tokens are bound to its key.

use std::rc::Rc;

use portcullis_oauth::jose::{Algorithm, SigningKey};
use portcullis_oauth::{Clock, SystemClock, random_handle};
use serde_json::json;

use super::machine::mint;
use super::{Credentials, Site};
use crate::Outcome;
use crate::http::Connection;
use crate::load::{Caller, Done, Step};

/// Asks for tokens that are bound to a key, each with a proof of its own (RFC 9449 §5).
pub(crate) struct Proving {
    site: Rc<Site>,
    credentials: Credentials,
    key: SigningKey,
    nonce: Option<String>,
}

impl Proving {
    pub(crate) fn new(site: &Rc<Site>, credentials: &Credentials) -> Outcome<Self> {
        let key = SigningKey::generate(Algorithm::Es256)?;
        Ok(Self { site: Rc::clone(site), credentials: credentials.clone(), key, nonce: None })
    }

    async fn ask(&mut self, connection: &mut Connection) -> Outcome<Done> {
        loop {
            let proof = self.proof()?;
            let sent = mint(&self.site, (&self.credentials, None), &[("dpop", proof.as_str())]);
            let answer = connection.exchange(&sent).await?;
            let nonce = answer.header("dpop-nonce").map(str::to_owned);
            // Told to come with a nonce, or with the next one: as clients do.
            let again = answer.status == 400 && nonce.is_some() && nonce != self.nonce;
            if !again {
                answer.expect_status(200)?;
            }
            self.nonce = nonce.or(self.nonce.take());
            if !again {
                return Ok(Done::Well);
            }
        }
    }

    fn proof(&self) -> Outcome<String> {
        let header =
            json!({"typ": "dpop+jwt", "alg": self.key.public().algorithm(), "jwk": self.key.public()});
        let mut claims = json!({
            "jti": random_handle(""), "htm": "POST", "htu": format!("http://{}/oauth/token", self.site.host),
            "iat": SystemClock.now().seconds(),
        });
        if let Some(nonce) = &self.nonce {
            claims["nonce"] = json!(nonce);
        }
        Ok(self.key.sign_under(&header, &claims)?)
    }
}

impl Caller for Proving {
    fn operate<'a>(&'a mut self, connection: &'a mut Connection) -> Step<'a> {
        Box::pin(self.ask(connection))
    }
}
