//! The code flow, the redemption of codes, and refreshing, against the server.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_oauth::GrantType;
use sha2::{Digest, Sha256};

use super::browser::verifier;
use super::{Browser, Site, Stock, Tokens};
use crate::Outcome;
use crate::http::Connection;
use crate::load::{Caller, Done, Step};

/// The whole flow: authorization request, consent page, consent, token.
pub(crate) struct Flow {
    pub(crate) site: Rc<Site>,
    pub(crate) browser: Browser,
}

/// Everything of a flow but its end: puts codes into the stock until it is full.
pub(crate) struct Code {
    pub(crate) flow: Flow,
    pub(crate) stock: Stock,
    pub(crate) full: usize,
}

/// Redeems what is in the stock.
pub(crate) struct Exchange {
    pub(crate) site: Rc<Site>,
    pub(crate) stock: Stock,
}

/// Rotates one family again and again.
pub(crate) struct Refresh {
    site: Rc<Site>,
    token: String,
}

impl Flow {
    async fn code(&mut self, connection: &mut Connection) -> Outcome<(String, String)> {
        let verifier = verifier();
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
        Ok((self.browser.code(connection, &challenge).await?, verifier))
    }

    async fn run(&mut self, connection: &mut Connection) -> Outcome<String> {
        let (code, verifier) = self.code(connection).await?;
        redeem(&self.site, connection, &code, &verifier).await
    }
}

/// Redeems a code and gives its refresh token.
async fn redeem(site: &Site, connection: &mut Connection, code: &str, verifier: &str) -> Outcome<String> {
    let fields = [
        ("grant_type", GrantType::AuthorizationCode.as_str()),
        ("code", code),
        ("code_verifier", verifier),
        ("redirect_uri", &site.redirect_uri),
    ];
    let answer = site.token(connection, &fields).await?;
    let Tokens { refresh_token, .. } = serde_json::from_slice(answer.body)?;
    Ok(refresh_token.to_owned())
}

impl Caller for Flow {
    fn operate<'a>(&'a mut self, connection: &'a mut Connection) -> Step<'a> {
        Box::pin(async move { self.run(connection).await.map(|_| Done::Well) })
    }
}

impl Caller for Code {
    fn operate<'a>(&'a mut self, connection: &'a mut Connection) -> Step<'a> {
        Box::pin(async move {
            if self.stock.borrow().len() >= self.full {
                return Ok(Done::Nothing);
            }
            let code = self.flow.code(connection).await?;
            self.stock.borrow_mut().push(code);
            Ok(Done::Well)
        })
    }
}

impl Caller for Exchange {
    fn operate<'a>(&'a mut self, connection: &'a mut Connection) -> Step<'a> {
        Box::pin(async move {
            let Some((code, verifier)) = self.stock.borrow_mut().pop() else { return Ok(Done::Nothing) };
            redeem(&self.site, connection, &code, &verifier).await?;
            Ok(Done::Well)
        })
    }
}

impl Refresh {
    /// A family that a flow of its own began.
    pub(crate) async fn begin(connection: &mut Connection, mut flow: Flow) -> Outcome<Self> {
        let token = flow.run(connection).await?;
        Ok(Self { site: flow.site, token })
    }
}

impl Caller for Refresh {
    fn operate<'a>(&'a mut self, connection: &'a mut Connection) -> Step<'a> {
        Box::pin(async move {
            let grant = GrantType::RefreshToken.as_str();
            let fields = [("grant_type", grant), (grant, self.token.as_str())];
            let answer = self.site.token(connection, &fields).await?;
            let Tokens { refresh_token, .. } = serde_json::from_slice(answer.body)?;
            refresh_token.clone_into(&mut self.token);
            Ok(Done::Well)
        })
    }
}
