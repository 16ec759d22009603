//! Sending a user away to authorise a connection, and taking the answer.

use portcullis_audit::{Action, ConnectionEvent, Event, Outcome};
use portcullis_database::DatabaseError;
use portcullis_oauth::client::{
    AuthorizationAnswer, AuthorizationQuestion, RemoteUrl, TokenAnswer, TokenRefusal, TokenRequest,
};
use portcullis_oauth::{CodeVerifier, ConnectionId, Form, PrincipalId, ScopeSet, Secret};
use tracing::Instrument;

use super::discovery::Discovery;
use super::exchange::{self, NoToken};
use super::flows::{Flow, NewFlow};
use super::{AuthorizationError, UpstreamAuthorization};
use crate::catalogue::{AuthKind, ServerKind};
use crate::connections::{Connection, Connections};

impl UpstreamAuthorization {
    /// Where to send the owner of `connection`, in the browser with this mark. To be called for a form that they posted
    /// themselves and for nothing else: from here on an answer in this browser is taken (SBP-4).
    ///
    /// # Errors
    /// When the server cannot be authorised in a browser, in words for its owner.
    pub async fn begin(&self, connection: &Connection, browser: &str) -> Result<String, AuthorizationError> {
        let begun = self.ask(connection, browser).await;
        let what = ConnectionEvent::Authorised;
        let event = match &begun {
            Ok(_) => connection.event(self.0.clock.now(), what, Outcome::Started),
            Err(error) => connection.event(self.0.clock.now(), what, Outcome::Failed).because(error.code()),
        };
        self.0.trail.note(event).await;
        begun
    }

    async fn ask(&self, connection: &Connection, browser: &str) -> Result<String, AuthorizationError> {
        let inner = &*self.0;
        let url = self.server_url(connection).await?;
        let outbound = self.errand(connection).await?;
        let found = Discovery::new(outbound.clone(), &inner.public_url).of(&url).await?;
        let lost = inner.flows.lost(&connection.id).await?;
        let scopes = self.union(connection, &found.server.issuer, found.scope).await?;
        let wanted = (&scopes, lost.as_ref());
        let client = inner.clients.obtain(&connection.server, &found.server, wanted, &outbound).await?;
        let new = NewFlow {
            browser,
            server: &found.server,
            client: &client,
            resource: &found.resource,
            scopes: &scopes,
        };
        let (state, verifier) = inner.flows.create(connection, &new).await?;
        let question = AuthorizationQuestion {
            endpoint: &found.server.authorization_endpoint,
            client_id: client.proof.client_id.as_str(),
            redirect_uri: &client.redirect_uri,
            state: &state,
            verifier: &verifier,
            resource: found.resource.as_str(),
            scope: &scopes,
        };
        Ok(question.url())
    }

    /// Nothing that the same issuer granted before is lost, and what an upstream asked for since is asked for
    /// (MCP-AUTH-30).
    async fn union(
        &self,
        connection: &Connection,
        issuer: &RemoteUrl,
        scope: ScopeSet,
    ) -> Result<ScopeSet, DatabaseError> {
        let held = self.0.tokens.find(&connection.id).await?;
        Ok(match held.filter(|held| held.issuer == issuer.as_str()) {
            Some(held) => scope.union(&held.scopes_requested).union(&held.scopes_wanted),
            None => scope,
        })
    }

    async fn server_url(&self, connection: &Connection) -> Result<String, AuthorizationError> {
        let server = self.0.servers.find(&connection.server).await?;
        let server =
            server.filter(|server| server.disabled_at.is_none() && connection.auth == AuthKind::OAuth);
        match server.map(|server| server.kind) {
            Some(ServerKind::Http { url, .. }) => Ok(url),
            _ => Err(AuthorizationError::NotOauth),
        }
    }

    /// The connection that a browser comes back for, before anything is done: it may not be its owner's to look after any more.
    /// Nothing when [`finish`](Self::finish) would refuse.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn awaited(
        &self,
        digest: &str,
        answer: &Form,
        whose: (&PrincipalId, &str),
    ) -> Result<Option<Connection>, DatabaseError> {
        let Some(state) = answer.one("state").ok().flatten().map(Secret::presented) else { return Ok(None) };
        match self.0.flows.connection_of(&state, digest, whose).await? {
            Some(connection) => self.0.connections.get(&connection).await,
            None => Ok(None),
        }
    }

    /// Takes the answer that `principal` brought, in the browser with this mark, to the path of the issuer with this
    /// digest: the connection, which has tokens that nobody tried yet. It has to be the one that was [`awaited`](Self::awaited).
    ///
    /// # Errors
    /// When it is not theirs, not the issuer's, or no token comes of it.
    pub async fn finish(
        &self,
        digest: &str,
        answer: Form,
        (principal, browser): (&PrincipalId, &str),
        awaited: Option<&ConnectionId>,
    ) -> Result<Connection, AuthorizationError> {
        let state = answer.one("state").ok().flatten().map(Secret::presented);
        let redeemed = match state {
            Some(state) => self.0.flows.redeem(&state, digest, (principal, browser)).await?,
            None => None,
        };
        let is_awaited = |flow: &Flow| awaited == Some(&flow.connection_id);
        let Some((flow, verifier)) = redeemed.filter(|(flow, _)| is_awaited(flow)) else {
            let what = Action::Connection(ConnectionEvent::Authorised);
            let event = Event::new(self.0.clock.now(), what, Outcome::Refused).by(principal);
            self.0.trail.note(event.because(AuthorizationError::NotYours.code())).await;
            return Err(AuthorizationError::NotYours);
        };
        let found = self.0.connections.get(&flow.connection_id).await?;
        let connection = found.ok_or(AuthorizationError::NotYours)?;
        // A code is good once: what was begun with it ends, whether or not the browser waits for it.
        let (this, asked) = (self.clone(), connection.clone());
        let job = async move {
            let done = this.redeem(&asked, &flow, &verifier, &answer).await;
            if let Err(error) = &done {
                let event = asked.event(this.0.clock.now(), ConnectionEvent::Authorised, Outcome::Refused);
                this.0.trail.note(event.because(error.code())).await;
            }
            if let (Ok(connection), Some(probe)) = (&done, this.0.probe.get()) {
                probe.probe(connection).await;
            }
            done
        };
        let done = self.0.tasks.spawn(job.in_current_span()).await;
        done.unwrap_or(Err(AuthorizationError::NoToken("the work was cut off")))
    }

    async fn redeem(
        &self,
        connection: &Connection,
        flow: &Flow,
        verifier: &CodeVerifier,
        answer: &Form,
    ) -> Result<Connection, AuthorizationError> {
        let code = match AuthorizationAnswer::read(answer, &flow.issuer, flow.promises_iss) {
            AuthorizationAnswer::Code(code) => code,
            AuthorizationAnswer::Refused(code) => return Err(AuthorizationError::Refused(code)),
            AuthorizationAnswer::Foreign => return Err(AuthorizationError::Foreign),
            AuthorizationAnswer::Malformed => return Err(AuthorizationError::Refused(None)),
        };
        let request = TokenRequest::Code {
            code: &code,
            redirect_uri: &flow.redirect_uri,
            verifier,
            resource: &flow.resource,
        };
        let tokens = self.first_tokens(connection, flow, request).await?;
        let mut transaction = self.0.database.begin().await?;
        self.0.tokens.keep_in(&mut transaction, flow, &tokens).await?;
        let now = self.0.clock.now();
        let renewed =
            Connections::renew_in(&mut transaction, connection, (&connection.settings, now)).await?;
        let renewed = renewed.ok_or(AuthorizationError::NotYours)?;
        self.0.connections.finish_renewal(transaction, &renewed).await?;
        Ok(renewed)
    }

    async fn first_tokens(
        &self,
        connection: &Connection,
        flow: &Flow,
        request: TokenRequest<'_>,
    ) -> Result<TokenAnswer, AuthorizationError> {
        let (inner, server) = (&*self.0, connection.server.as_str());
        let client = inner.clients.find(server, &flow.issuer, flow.client_id.as_str()).await?;
        let client = client.ok_or(AuthorizationError::Unknown)?;
        let endpoint = self.remote(&flow.token_endpoint)?;
        let outbound = self.errand(connection).await?;
        match exchange::token(&outbound, &endpoint, &client.proof, request).await {
            Ok(tokens) => Ok(tokens),
            Err(NoToken::Unreachable(unreachable)) => {
                Err(AuthorizationError::Unreachable("the server's token endpoint", unreachable))
            }
            Err(NoToken::Refused(TokenRefusal::Client)) => {
                inner.clients.forget(server, &flow.issuer, &flow.client_id).await?;
                Err(AuthorizationError::Unknown)
            }
            Err(NoToken::Refused(TokenRefusal::Grant)) => {
                Err(AuthorizationError::NoToken("it does not take its own code; start again"))
            }
            Err(NoToken::Refused(TokenRefusal::Later)) => {
                Err(AuthorizationError::NoToken("it cannot answer just now; start again later"))
            }
            Err(NoToken::Refused(TokenRefusal::Final(code))) => Err(AuthorizationError::Refused(code)),
            Err(NoToken::Refused(TokenRefusal::Malformed)) => {
                Err(AuthorizationError::NoToken("its answer is not understood"))
            }
        }
    }

    /// A URL that was judged before it was stored.
    pub(super) fn remote(&self, url: &str) -> Result<RemoteUrl, AuthorizationError> {
        RemoteUrl::parse(url, self.0.public_url.is_loopback()).map_err(|_| AuthorizationError::NotOauth)
    }
}
