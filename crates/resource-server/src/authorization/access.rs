//! The access token of a call: the one that is there, or a refreshed one. One refresh at a time for each connection, on all
//! nodes together, since a refresh token that rotates is good for one (OAuth 2.1 §4.3.1).

use std::time::Duration;

use portcullis_oauth::client::{ReceivedChallenge, TokenAnswer, TokenRefusal, TokenRequest};
use portcullis_oauth::{ClientId, ErrorCode, ScopeSet, Seconds, Secret};
use tokio::time::{sleep, timeout};
use tracing::Instrument;

use super::exchange::{self, NoToken};
use super::tokens::{ACCESS, Held, REFRESH};
use super::{AuthorizationError, NoAccess, UpstreamAuthorization};
use crate::connections::{Connection, ConnectionStatus, Standing};
use crate::credentials::CredentialError;

/// A call waits no longer for somebody else's refresh.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often it looks whether that is done.
const LOOK: Duration = Duration::from_millis(50);
/// A token that is refused so soon after it was given will not be taken after another refresh either.
const JUST_GIVEN: Seconds = Seconds(60);
/// After the first failure the next refresh waits so long, doubled with each, up to the longest.
const FIRST_WAIT: Seconds = Seconds(15);
const LONGEST_WAIT: i64 = 900;

/// What kept a refresh from coming about.
const REFRESH_FAILED: &str = "refresh_failed";
const SLOW: &str = "Its token is being refreshed, which takes long.";
const DEAD: &str = "The server's authorization server gives tokens that have ended already.";

impl UpstreamAuthorization {
    /// The access token for a call through `connection`, refreshed if it ends soon.
    ///
    /// # Errors
    /// When only its owner can go on, or its authorization server does not answer; the connection's status says so then.
    pub async fn access_token(&self, connection: &Connection) -> Result<Secret, NoAccess> {
        let _turn = self.0.turns.take(&connection.id).await;
        let token = timeout(PATIENCE, self.current(connection)).await;
        let token = token.unwrap_or_else(|_| Err(later(SLOW, Seconds(5))));
        if let Some(standing) = token.as_ref().err().and_then(NoAccess::standing) {
            self.0.connections.set_status(connection, &standing).await?;
        }
        token
    }

    async fn current(&self, connection: &Connection) -> Result<Secret, NoAccess> {
        let mut renewed = false;
        loop {
            let now = self.0.clock.now();
            let Some(held) = self.0.tokens.find(&connection.id).await? else {
                return Err(self.needs_user(
                    "not_authorised",
                    "The connection was never authorised.",
                    connection,
                ));
            };
            if held.lasts(now) {
                return self.stored(connection).await;
            }
            let is_postponed = held.retry_at.is_some_and(|at| now < at);
            if !held.refreshable || is_postponed {
                return if held.lives(now) {
                    self.stored(connection).await
                } else if held.refreshable {
                    let wait = held.retry_at.map_or(0, |at| now.seconds_until(at));
                    Err(later(
                        "The server's authorization server does not answer as it should.",
                        Seconds(wait),
                    ))
                } else {
                    Err(self.needs_user("token_expired", "The server's authorization has ended.", connection))
                };
            }
            if renewed {
                // What it was given in this very moment is over: to ask again would go on without end.
                return Err(later(DEAD, FIRST_WAIT));
            }
            renewed = self.refresh(connection, held.revision).await?;
            if !renewed {
                sleep(LOOK).await;
            }
        }
    }

    async fn stored(&self, connection: &Connection) -> Result<Secret, NoAccess> {
        let token = self.0.tokens.secret(&connection.id, ACCESS).await?;
        token.ok_or_else(|| {
            self.needs_user("not_authorised", "The connection was never authorised.", connection)
        })
    }

    /// Refreshes, unless somebody else is at it (`false`) or was (`true`). Whatever came of it is in the store.
    async fn refresh(&self, connection: &Connection, revision: i64) -> Result<bool, NoAccess> {
        let Some(lease) = self.0.tokens.lease(&connection.id).await? else { return Ok(false) };
        let (this, connection) = (self.clone(), connection.clone());
        // The old refresh token may be spent with the question: the answer is kept, whether or not the caller waits.
        let job = async move {
            let refreshed = this.refresh_once(&connection, revision).await;
            let released = this.0.tokens.release(&lease).await;
            refreshed.and(released.map_err(NoAccess::from))
        };
        let done = self.0.tasks.spawn(job.in_current_span()).await;
        done.unwrap_or(Ok(()))?;
        Ok(true)
    }

    async fn refresh_once(&self, connection: &Connection, revision: i64) -> Result<(), NoAccess> {
        // Read again under the lease: the one who had it before may have been at the same.
        let held = self.0.tokens.find(&connection.id).await?.filter(|held| held.revision == revision);
        let Some(held) = held.filter(|held| held.refreshable) else { return Ok(()) };
        let Some(token) = self.0.tokens.secret(&connection.id, REFRESH).await? else {
            self.0.tokens.give_up(&connection.id, &held, false).await?;
            return Ok(());
        };
        match self.ask_again(connection, &held, &token).await {
            Ok(answer) => {
                self.0.tokens.rotate(connection, &held, &answer).await?;
                self.recovered(connection).await
            }
            Err(Setback::Permanent) => Ok(self.0.tokens.give_up(&connection.id, &held, false).await?),
            Err(Setback::Passing(cause)) => {
                tracing::warn!(
                    connection = connection.id.as_str(),
                    cause,
                    "an upstream token could not be refreshed"
                );
                let doubled = FIRST_WAIT.0.saturating_mul(1 << held.failures.clamp(0, 10));
                let wait = Seconds(doubled.min(LONGEST_WAIT));
                let retry_at = self.0.clock.now().plus(wait);
                Ok(self.0.tokens.postpone(&connection.id, &held, retry_at).await?)
            }
            Err(Setback::Ours(error)) => Err(error),
        }
    }

    async fn ask_again(
        &self,
        connection: &Connection,
        held: &Held,
        token: &Secret,
    ) -> Result<TokenAnswer, Setback> {
        let inner = &*self.0;
        let client = inner.clients.find(&connection.server, &held.issuer, &held.client_id).await;
        let Some(client) = client.map_err(Setback::of)? else { return Err(Setback::Permanent) };
        let endpoint = self.remote(&held.token_endpoint).map_err(Setback::of)?;
        // OAuth 2.1 §4.3.1: without a scope it is what was granted before.
        let scope = ScopeSet::default();
        let request = TokenRequest::Refresh { token, resource: &held.resource, scope: &scope };
        let outbound = self.errand(connection).await.map_err(|error| Setback::Ours(error.into()))?;
        match exchange::token(&outbound, &endpoint, &client.proof, request).await {
            Ok(answer) => Ok(answer),
            Err(NoToken::Unreachable(unreachable)) => Err(Setback::Passing(unreachable.cause.as_str())),
            Err(NoToken::Refused(TokenRefusal::Later)) => Err(Setback::Passing("unavailable")),
            // A token endpoint that answers something else than it should was perhaps moved, or stands behind a page.
            Err(NoToken::Refused(TokenRefusal::Malformed)) => Err(Setback::Passing("answer_malformed")),
            Err(NoToken::Refused(TokenRefusal::Client)) => {
                let id = ClientId::from(held.client_id.clone());
                let forgotten = inner.clients.forget(&connection.server, &held.issuer, &id).await;
                forgotten.map_err(|error| Setback::Ours(error.into()))?;
                Err(Setback::Permanent)
            }
            Err(NoToken::Refused(TokenRefusal::Grant | TokenRefusal::Final(_))) => Err(Setback::Permanent),
        }
    }

    /// What a failed refresh put aside is tried out again.
    async fn recovered(&self, connection: &Connection) -> Result<(), NoAccess> {
        let known = self.0.connections.get(&connection.id).await?;
        let was_put_aside = |known: &Connection| {
            known.status == ConnectionStatus::Degraded && known.status_code.as_deref() == Some(REFRESH_FAILED)
        };
        let Some(connection) = known.filter(was_put_aside) else { return Ok(()) };
        self.0.connections.set_status(&connection, &Standing::connecting()).await?;
        if let Some(probe) = self.0.probe.get().cloned() {
            // Not waited for: it asks for the very token that is being kept here.
            self.0.tasks.spawn(async move { probe.probe(&connection).await }.in_current_span());
        }
        Ok(())
    }

    /// The upstream refused `token` with a 401. `Ok`: there is another by now, with which the call may be tried once more.
    ///
    /// # Errors
    /// As [`access_token`](Self::access_token).
    pub async fn refused(&self, connection: &Connection, token: &Secret) -> Result<(), NoAccess> {
        let turn = self.0.turns.take(&connection.id).await;
        let (held, current) =
            (self.0.tokens.find(&connection.id).await?, self.0.tokens.secret(&connection.id, ACCESS).await?);
        let is_current = current.is_some_and(|current| current.hash().matches(token));
        if let Some(held) = held.filter(|_| is_current) {
            let is_hopeless = self.0.clock.now() < held.obtained_at.plus(JUST_GIVEN) && held.revision > 1;
            if held.refreshable && !is_hopeless {
                self.refresh_or_wait(connection, held.revision).await?;
            } else {
                self.0.tokens.give_up(&connection.id, &held, true).await?;
            }
        }
        drop(turn);
        let next = self.access_token(connection).await?;
        if next.hash().matches(token) {
            let words = "The server does not take its token, and no other is to be had.";
            let error = self.needs_user("token_refused", words, connection);
            if let Some(standing) = error.standing() {
                self.0.connections.set_status(connection, &standing).await?;
            }
            return Err(error);
        }
        Ok(())
    }

    async fn refresh_or_wait(&self, connection: &Connection, revision: i64) -> Result<(), NoAccess> {
        let refresh = async {
            while !self.refresh(connection, revision).await? {
                sleep(LOOK).await;
            }
            Ok(())
        };
        let late = || Err(later(SLOW, Seconds(5)));
        timeout(PATIENCE, refresh).await.unwrap_or_else(|_| late())
    }

    /// The upstream refused an operation with a 403: what it asks for is remembered, and the page asks for it together with
    /// what was granted (MCP-AUTH-30). The connection stands as it stood. The answer says whom to turn to; nothing is tried
    /// again.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn insufficient_scope(
        &self,
        connection: &Connection,
        www_authenticate: &str,
    ) -> Result<NoAccess, NoAccess> {
        let challenge = ReceivedChallenge::read([www_authenticate]).unwrap_or_default();
        let (code, more) =
            (ErrorCode::InsufficientScope.as_str(), "The server wants more permissions for this.");
        let Some(held) = self.0.tokens.find(&connection.id).await? else {
            return Ok(self.needs_user(code, more, connection));
        };
        if challenge.scope.is_subset(&held.scopes_granted) {
            let words = "The server refuses this although it has every permission that it asks for.";
            return Ok(self.needs_user(code, words, connection));
        }
        let wanted = held.scopes_wanted.union(&challenge.scope);
        if wanted != held.scopes_wanted {
            self.0.tokens.want(&connection.id, &wanted).await?;
        }
        Ok(self.needs_user(code, more, connection))
    }

    /// Tries the refreshes again that were put off, some at a time: a connection that waits for one is used by nobody, and
    /// would wait for ever.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn retry(&self) -> Result<(), CredentialError> {
        for id in self.0.tokens.due(self.0.clock.now()).await? {
            let Some(connection) = self.0.connections.get(&id).await? else { continue };
            if connection.status == ConnectionStatus::Degraded
                && let Err(NoAccess::Store(error)) = self.access_token(&connection).await
            {
                return Err(error);
            }
        }
        Ok(())
    }

    fn needs_user(&self, code: &'static str, words: &'static str, connection: &Connection) -> NoAccess {
        NoAccess::NeedsUser { code, words, page: self.page(connection) }
    }
}

/// It may be found better later.
const fn later(words: &'static str, seconds: Seconds) -> NoAccess {
    NoAccess::Later { code: REFRESH_FAILED, words, seconds }
}

/// Why a refresh gave nothing.
enum Setback {
    /// Asking again will not help.
    Permanent,
    /// It may; the cause is for the log.
    Passing(&'static str),
    /// A store failed.
    Ours(NoAccess),
}

impl Setback {
    fn of(error: AuthorizationError) -> Self {
        match error {
            AuthorizationError::Database(error) => Self::Ours(error.into()),
            _ => Self::Permanent,
        }
    }
}
