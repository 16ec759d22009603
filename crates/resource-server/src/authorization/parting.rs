//! The end of a connection, told to who issued its tokens (RFC 7009), so that they are dead there too. Best effort and soon over:
//! the connection is gone in any case, and what is not reached now is not asked again. What to tell is read before the
//! rows go, and told once they are gone.

use std::sync::{Arc, Weak};
use std::time::Duration;

use portcullis_oauth::client::TokenHint;
use portcullis_oauth::{BoxFuture, Secret};
use portcullis_outbound::Outbound;
use tokio::time::timeout;
use tracing::Instrument;

use super::clients::UpstreamClient;
use super::discovery::Discovery;
use super::tokens::{ACCESS, REFRESH};
use super::{AuthorizationError, Inner, UpstreamAuthorization, exchange};
use crate::catalogue::AuthKind;
use crate::connections::{Connection, Farewell, Parting};

/// Nobody is waited for longer.
const PATIENCE: Duration = Duration::from_secs(15);

/// What is to be told, and to whom.
struct Told {
    issuer: String,
    client: UpstreamClient,
    /// The refresh token first: with it the whole grant ends (RFC 7009 §2.1).
    tokens: Vec<(Secret, TokenHint)>,
    outbound: Outbound,
}

impl UpstreamAuthorization {
    /// Who tells of the ends of connections. Weak: the connections hold it, and are held by the gateway.
    pub(crate) fn parting(&self) -> Arc<dyn Parting> {
        Arc::new(Notice(Arc::downgrade(&self.0)))
    }

    async fn to_be_told(&self, connection: &Connection) -> Result<Option<Told>, AuthorizationError> {
        let inner = &*self.0;
        let Some(held) = inner.tokens.find(&connection.id).await? else { return Ok(None) };
        let client = inner.clients.find(&connection.server, &held.issuer, &held.client_id).await?;
        let Some(client) = client else { return Ok(None) };
        let mut tokens = Vec::new();
        for (field, hint) in [(REFRESH, TokenHint::Refresh), (ACCESS, TokenHint::Access)] {
            tokens.extend(inner.tokens.secret(&connection.id, field).await?.map(|token| (token, hint)));
        }
        let outbound = self.errand(connection).await?;
        Ok(Some(Told { issuer: held.issuer, client, tokens, outbound }))
    }

    /// Tells it, where the issuer's metadata say that it wants to know.
    async fn tell(&self, told: Told) -> Result<(), AuthorizationError> {
        let issuer = self.remote(&told.issuer)?;
        let found = Discovery::new(told.outbound.clone(), &self.0.public_url).server(&issuer).await?;
        let Some(endpoint) = found.revocation_endpoint else { return Ok(()) };
        for (token, hint) in &told.tokens {
            let given_back =
                exchange::revoke(&told.outbound, &endpoint, &told.client.proof, (token, *hint)).await;
            given_back
                .map_err(|why| AuthorizationError::Unreachable("the server's revocation endpoint", why))?;
        }
        Ok(())
    }
}

struct Notice(Weak<Inner>);

impl Parting for Notice {
    fn before<'a>(&'a self, connection: &'a Connection) -> BoxFuture<'a, Option<Farewell>> {
        Box::pin(async move {
            let this =
                UpstreamAuthorization(self.0.upgrade().filter(|_| connection.auth == AuthKind::OAuth)?);
            let told = match this.to_be_told(connection).await {
                Ok(told) => told?,
                Err(cause) => {
                    tracing::warn!(
                        ?cause,
                        "the tokens of a connection are not given back: they cannot be read"
                    );
                    return None;
                }
            };
            let farewell: Farewell = Box::new(move || {
                let tasks = this.0.tasks.clone();
                let work = async move {
                    match timeout(PATIENCE, this.tell(told)).await {
                        Ok(Ok(())) => {}
                        Ok(Err(cause)) => {
                            tracing::info!(?cause, "the tokens of a connection were not given back");
                        }
                        Err(_) => tracing::info!("the tokens of a connection were not given back in time"),
                    }
                };
                tasks.spawn(work.in_current_span());
            });
            Some(farewell)
        })
    }
}
