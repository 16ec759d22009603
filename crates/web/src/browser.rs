//! The browser on the other side: who is signed in there, its CSRF token, and the mark that binds a flow to it.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;
use portcullis_database::Database;
use portcullis_oauth::{Clock, PrincipalId, PublicUrl, Secret, SecretHash, Timestamp, random_handle};
use time::Duration;
use tower_sessions::cookie::SameSite;
use tower_sessions::session::Error;
use tower_sessions::{Expiry, Session, SessionManagerLayer};

use crate::session_store::{self, ABSOLUTE, DEVICE, PRINCIPAL, SID, SessionStore};

const AUTHENTICATED_AT: &str = "authenticated_at";
const BROWSER: &str = "browser";

/// The layer that gives every page its session. The cookie is `__Host-`, Secure, `HttpOnly` and Lax on https
/// (ASVS-3.3.1); on plain http, which is loopback only, the prefix and Secure are not to be had.
pub fn session_layer(
    database: Database,
    clock: Arc<dyn Clock>,
    public_url: &PublicUrl,
) -> SessionManagerLayer<SessionStore> {
    let name = if public_url.is_https() { "__Host-portcullis" } else { "portcullis" };
    SessionManagerLayer::new(SessionStore::new(database, clock))
        .with_name(name)
        .with_secure(public_url.is_https())
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
        .with_path("/")
        .with_expiry(Expiry::OnInactivity(Duration::seconds(ABSOLUTE.0)))
}

/// Longer names of browsers are cut.
const LONGEST_USER_AGENT: usize = 300;

/// A browser's session, and how the browser names itself.
#[derive(Clone, Debug)]
pub struct Browser(Session, Option<String>);

/// The session store failed.
#[derive(Debug, thiserror::Error)]
#[error("the browser session could not be read or written")]
pub struct BrowserError(#[from] Error);

/// Who is signed in, and since when.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The user.
    pub principal: PrincipalId,
    /// When they last proved who they are.
    pub authenticated_at: Timestamp,
    /// What others may call this session: it opens nothing, and stays when the same person proves again who they are.
    /// None in sessions of an older release.
    pub sid: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Browser {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let named = parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
        let named = named.map(|text| text.chars().take(LONGEST_USER_AGENT).collect());
        Session::from_request_parts(parts, state).await.map(|session| Self(session, named))
    }
}

impl Browser {
    /// Who is signed in.
    ///
    /// # Errors
    /// When the session store does not answer.
    pub async fn signed_in(&self) -> Result<Option<SignedIn>, BrowserError> {
        let principal: Option<PrincipalId> = self.0.get(PRINCIPAL).await?;
        let at: Option<Timestamp> = self.0.get(AUTHENTICATED_AT).await?;
        let sid: Option<String> = self.0.get(SID).await?;
        Ok(principal.zip(at).map(|(principal, authenticated_at)| SignedIn {
            principal,
            authenticated_at,
            sid,
        }))
    }

    /// Signs a user in: under a new session id, the old one being dead (ASVS-7.2.4).
    ///
    /// # Errors
    /// When the session store does not answer.
    pub async fn sign_in(&self, principal: &PrincipalId, now: Timestamp) -> Result<(), BrowserError> {
        let same = self.signed_in().await?.filter(|before| before.principal == *principal);
        let sid = same.and_then(|before| before.sid).unwrap_or_else(|| random_handle("sid_"));
        self.0.cycle_id().await?;
        self.0.insert(SID, sid).await?;
        self.0.insert(PRINCIPAL, principal).await?;
        self.0.insert(AUTHENTICATED_AT, now).await?;
        self.0.insert(DEVICE, &self.1).await?;
        self.0.save().await?;
        Ok(())
    }

    /// This session as [`SessionStore::list`] names it; `None` before the browser has one.
    #[must_use]
    pub fn handle(&self) -> Option<SecretHash> {
        self.0.id().map(|id| session_store::hash(&id))
    }

    /// Signs the browser out: its session is gone, on the server too. With `keep_flows` the browser stays the one that
    /// began its authorization requests, so that another account can go on with them.
    ///
    /// # Errors
    /// When the session store does not answer.
    pub async fn sign_out(&self, keep_flows: bool) -> Result<(), BrowserError> {
        if !keep_flows {
            self.0.flush().await?;
            return Ok(());
        }
        self.0.cycle_id().await?;
        self.0.remove_value(PRINCIPAL).await?;
        self.0.remove_value(AUTHENTICATED_AT).await?;
        self.0.remove_value(SID).await?;
        self.0.save().await?;
        Ok(())
    }

    /// The mark that binds an authorization request to this browser (A16, A39). It survives signing in, is never shown
    /// to anybody, and ends with the session.
    ///
    /// # Errors
    /// When the session store does not answer.
    pub async fn mark(&self) -> Result<String, BrowserError> {
        if let Some(mark) = self.0.get::<String>(BROWSER).await? {
            return Ok(mark);
        }
        let mark = random_handle("brw_");
        self.0.insert(BROWSER, &mark).await?;
        Ok(mark)
    }

    /// The synchroniser token for this session's forms. Derived from the session id, so it is stored nowhere and is new
    /// after every sign-in.
    ///
    /// # Errors
    /// When the session store does not answer.
    pub async fn csrf_token(&self) -> Result<String, BrowserError> {
        self.mark().await?;
        if self.0.id().is_none() {
            self.0.save().await?;
        }
        let id = self.0.id().map(|id| id.to_string()).unwrap_or_default();
        Ok(Secret::presented(format!("portcullis csrf {id}")).hash().as_str().to_owned())
    }

    /// Whether `presented` is this session's synchroniser token, in constant time. A browser without a session has none.
    ///
    /// # Errors
    /// When the session store does not answer.
    pub(crate) async fn csrf_matches(&self, presented: &str) -> Result<bool, BrowserError> {
        if self.0.is_empty().await {
            return Ok(false);
        }
        let Some(id) = self.0.id() else { return Ok(false) };
        let expected = Secret::presented(format!("portcullis csrf {id}")).hash();
        let expected = Secret::presented(expected.as_str()).hash();
        Ok(expected.matches(&Secret::presented(presented)))
    }
}
