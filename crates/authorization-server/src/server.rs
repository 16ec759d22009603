//! The authorization server as the binary holds it: its routes, its verifier, its housekeeping.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, Method};
use axum::middleware::from_fn;
use axum::routing::{get, post};
use portcullis_audit::{Action, Event, Outcome};
use portcullis_database::DatabaseError;
use portcullis_oauth::dpop::{NONCE_HEADER, PROOF_HEADER, ProofKeeper};
use portcullis_oauth::{Error, GrantId, PrincipalId, Seconds, Secret, Timestamp, Verifier};
use portcullis_web::{SessionStore, SessionSummary};
use tower_http::cors::{Any, CorsLayer};

use crate::core::{AuthorizationServerParts, Core};
use crate::settings::{QUARANTINE, Registration};
use crate::store::{
    self, Attempts, Clients, ENDED_BY_USER, Grants, RefusedClient, Resources, Revoked, Setup, SigningKeys,
    TrustedIssuers, Users,
};
use crate::verifier::InProcessVerifier;
use crate::{
    authorize, consent, device, device_authorization, introspect, jwks, login, logout, metadata, openid,
    password_change, pushed_authorization, register, registration_management, revoke, setup, token,
};

/// No request of these endpoints is larger.
const BODY_LIMIT: usize = 64 * 1_024;

// Where a client of MCP 2025-03-26 that reads no metadata looks (MCP-AUTH-27). The issuer is the MCP server's own origin,
// so these are other names of the same endpoints; no document tells them.
const DEFAULT_AUTHORIZE: &str = "/authorize";
const DEFAULT_TOKEN: &str = "/token";
const DEFAULT_REGISTER: &str = "/register";

/// The authorization server. Cheap to clone.
#[derive(Clone)]
pub struct AuthorizationServer(Arc<Core>);

impl std::fmt::Debug for AuthorizationServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuthorizationServer")
    }
}

impl AuthorizationServer {
    /// Assembles it.
    #[must_use]
    pub fn new(parts: AuthorizationServerParts) -> Self {
        Self(Arc::new(Core::new(parts)))
    }

    /// Its endpoints and pages. The pages expect [`portcullis_web::session_layer`] around them.
    pub fn router(&self) -> Router {
        let pages = if self.0.settings.openid { pages().merge(openid::pages()) } else { pages() };
        let pages = pages.layer(from_fn(portcullis_web::page_headers));
        self.protocol().merge(pages).layer(DefaultBodyLimit::max(BODY_LIMIT)).with_state(self.0.clone())
    }

    /// What programs call, from any origin and without cookies (OA21-3.2-3).
    fn protocol(&self) -> Router<Arc<Core>> {
        let mut router = Router::new()
            .route("/.well-known/oauth-authorization-server", get(metadata::document))
            .route("/.well-known/openid-configuration", get(metadata::document))
            .route("/oauth/jwks.json", get(jwks::document))
            .route("/oauth/token", post(token::endpoint))
            .route(DEFAULT_TOKEN, post(token::endpoint))
            .route(pushed_authorization::PATH, post(pushed_authorization::endpoint))
            .route("/oauth/revoke", post(revoke::endpoint))
            .route("/oauth/introspect", post(introspect::endpoint))
            .route("/oauth/device_authorization", post(device_authorization::endpoint));
        if self.0.settings.openid {
            router = router.merge(openid::protocol());
        }
        if self.0.settings.registration != Registration::Off {
            router = router
                .route("/oauth/register", post(register::endpoint))
                .route(DEFAULT_REGISTER, post(register::endpoint))
                .route(
                    "/oauth/register/{client_id}",
                    get(registration_management::show)
                        .put(registration_management::replace)
                        .delete(registration_management::delete),
                );
        }
        router.layer(cors())
    }

    /// Verifies what this server issued, in process.
    #[must_use]
    pub fn verifier(&self) -> Arc<dyn Verifier> {
        Arc::new(InProcessVerifier(self.0.clone()))
    }

    /// What this server knows of proofs of possession, for the resources beside it (RFC 9449).
    #[must_use]
    pub fn proof_keeper(&self) -> Arc<dyn ProofKeeper> {
        self.0.dpop.clone()
    }

    /// The users.
    #[must_use]
    pub fn users(&self) -> &Users {
        &self.0.users
    }

    /// The clients.
    #[must_use]
    pub fn clients(&self) -> &Clients {
        &self.0.clients
    }

    /// The grants.
    #[must_use]
    pub fn grants(&self) -> &Grants {
        &self.0.grants
    }

    /// The resources beyond our own gateway. What is changed here reaches every cache through the change table.
    #[must_use]
    pub fn resources(&self) -> &Resources {
        self.0.resources.store()
    }

    /// The identity providers whose word is taken, and who their users are here.
    #[must_use]
    pub fn trusted_issuers(&self) -> &TrustedIssuers {
        &self.0.trusted_issuers
    }

    /// The clients that a principal ended and that may not come back by themselves, though an identity provider vouches
    /// for them.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn refused_clients(
        &self,
        principal: &PrincipalId,
    ) -> Result<Vec<RefusedClient>, DatabaseError> {
        self.0.enterprise_grants.refused(principal).await
    }

    /// Lets such a client come back when somebody vouches for it the next time. `false` when there is none of that name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn allow_again(&self, principal: &PrincipalId, grant: &GrantId) -> Result<bool, DatabaseError> {
        self.0.enterprise_grants.forgive(principal, grant, self.0.clock.now()).await
    }

    /// The keys that sign tokens. What is changed here reaches every cache through the change table.
    #[must_use]
    pub fn signing_keys(&self) -> &SigningKeys {
        self.0.signing.store()
    }

    /// The links for the first admin.
    #[must_use]
    pub fn setup(&self) -> &Setup {
        &self.0.setup
    }

    /// What authorization attempts met at each of their steps.
    #[must_use]
    pub fn attempts(&self) -> &Attempts {
        &self.0.attempts
    }

    /// Ends one of a principal's own grants: the client's tokens are dead when this returns. `false` when the principal
    /// has no live grant of that name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn disconnect(&self, principal: &PrincipalId, grant: &GrantId) -> Result<bool, DatabaseError> {
        let now = self.0.clock.now();
        if !self.0.grants.is_of(principal, grant).await? {
            return Ok(false);
        }
        let revoked = self.0.revoke_grant(grant, ENDED_BY_USER, now).await?;
        self.0
            .note(Event::new(now, Action::Revocation, Outcome::Done).because(ENDED_BY_USER).by(principal))
            .await;
        Ok(revoked == Revoked::Now)
    }

    /// Signs a principal's browser out from elsewhere. `false` when it was signed out before.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn end_session(
        &self,
        principal: &PrincipalId,
        session: &SessionSummary,
    ) -> Result<bool, DatabaseError> {
        let now = self.0.clock.now();
        let mut transaction = self.0.database.begin().await?;
        let Some(ended) = SessionStore::end_in(&mut transaction, principal, &session.handle).await? else {
            return Ok(false);
        };
        if let Some(sid) = &ended.sid {
            store::end_sid_in(&mut transaction, sid, now).await?;
        }
        let event = Event::new(now, Action::SignOut, Outcome::Done).because("from_another_browser");
        portcullis_audit::record_in(&mut transaction, event.by(principal)).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Tells clients of sessions that are over what is due at `now` (OpenID Connect Back-Channel Logout).
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn deliver_logout_notices(&self, now: Timestamp) -> Result<(), DatabaseError> {
        openid::deliver(&self.0, now).await
    }

    /// Whether this address and password would sign somebody in.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn proves(&self, email: &str, password: Secret) -> Result<bool, Error> {
        let found = self.0.users.credentials(email).await.map_err(Error::internal)?;
        let stored = found.as_ref().and_then(|credentials| credentials.password_hash.clone());
        let right = self.0.passwords.verify(password, stored).await?;
        Ok(right && found.is_some_and(|credentials| credentials.disabled_at.is_none()))
    }

    /// Deletes what nobody can use any more, in small batches.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn sweep(&self, now: Timestamp) -> Result<(), DatabaseError> {
        let day_ago = now.minus(Seconds::days(1));
        self.0.requests.sweep(now).await?;
        self.0.sign_ins.sweep(now).await?;
        self.0.known_browsers.sweep(now).await?;
        self.0.pushed_requests.sweep(now).await?;
        self.0.invitations.sweep(now).await?;
        self.0.assertions.sweep(now).await?;
        self.0.codes.sweep(day_ago).await?;
        self.0.devices.sweep(day_ago).await?;
        self.0.access_tokens.sweep(day_ago).await?;
        self.0.refresh_tokens.sweep(day_ago).await?;
        self.0.clients.sweep_asked(now).await?;
        self.0.signing.sweep(now).await?;
        self.0.attempts.sweep(now).await?;
        self.0.dpop.sweep(now).await?;
        self.0.clients.sweep(now.minus(QUARANTINE)).await
    }

    /// Waits for work that must finish. Call it when no request can arrive any more.
    pub async fn drain(&self) {
        self.0.work.drain().await;
        self.0.journal.settle().await;
    }
}

/// What people see; never readable from another origin (OA21-3.1-6).
fn pages() -> Router<Arc<Core>> {
    Router::new()
        .route("/oauth/authorize", get(authorize::by_get).post(authorize::by_post))
        .route(DEFAULT_AUTHORIZE, get(authorize::by_get).post(authorize::by_post))
        .route("/oauth/consent", get(consent::show).post(consent::decide))
        .route("/device", get(device::show).post(device::enter))
        .route("/login", get(login::show).post(login::sign_in))
        .route("/logout", post(logout::sign_out))
        .route("/account/password", get(password_change::show).post(password_change::change))
        .route("/setup", get(setup::show).post(setup::create))
}

/// Any origin, no credentials, the headers that clients send and read (DC-17).
fn cors() -> CorsLayer {
    let sent = [
        AUTHORIZATION,
        CONTENT_TYPE,
        HeaderName::from_static("mcp-protocol-version"),
        HeaderName::from_static(PROOF_HEADER),
    ];
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers(sent)
        .expose_headers([WWW_AUTHENTICATE, RETRY_AFTER, HeaderName::from_static(NONCE_HEADER)])
}
