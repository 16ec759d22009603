//! The start page: how to connect a client, the person's connections, and the clients that may use them.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use portcullis_authorization_server::pages::ScopeChoice;
use portcullis_authorization_server::{
    AuthorizationServer, ConnectionGrants, GrantSummary, Groups, RefusedClient, User,
};
use portcullis_oauth::{
    Clock, Form, GrantId, ResourceRegistry, ResourceUri, ScopeSet, Timestamp, random_handle, scopes,
};
use portcullis_resource_server::{
    Connection, ConnectionStatus as Status, Connections, Enrolment, Gateway, Managed, UpstreamAuthorization,
};
use portcullis_web::csrf::CsrfError;
use portcullis_web::layout::{Chrome, Moment, page};
use portcullis_web::{Browser, ErrorPage, SessionStore, csrf, form};

use crate::account;
use crate::approvals;
use crate::authorize;
use crate::connections;
use crate::pages::{ClientRow, ConnectionRow, ConnectionStatus, GrantedScope, HomePage, KeptAwayRow};

/// Whatever kept a page from being made.
pub(crate) type Fault = Box<dyn std::error::Error + Send + Sync>;

/// What the console is made of.
pub struct ConsoleParts {
    /// Users and grants.
    pub authorization: AuthorizationServer,
    /// The connections.
    pub connections: Connections,
    /// The gateway as a client of upstream authorization servers.
    pub upstream: UpstreamAuthorization,
    /// How somebody comes to a connection.
    pub enrolment: Enrolment,
    /// The gateway, for what its connections offer.
    pub gateway: Gateway,
    /// Which clients may use which connection.
    pub grants: ConnectionGrants,
    /// The resources, and the base of every link.
    pub registry: ResourceRegistry,
    /// The groups, of which one may decide for others.
    pub groups: Groups,
    /// The browsers where people are signed in.
    pub sessions: SessionStore,
    /// Where "now" comes from.
    pub clock: Arc<dyn Clock>,
}

/// The console. Cheap to clone.
#[derive(Clone)]
pub struct Console(Arc<ConsoleParts>);

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Console")
    }
}

impl Console {
    /// Assembles it.
    #[must_use]
    pub fn new(parts: ConsoleParts) -> Self {
        Self(Arc::new(parts))
    }

    /// Its pages, which expect [`portcullis_web::session_layer`] around them.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/", get(show))
            .route("/clients/disconnect", post(disconnect))
            .route("/clients/allow", post(allow))
            .merge(account::router())
            .merge(approvals::router())
            .merge(authorize::router())
            .merge(connections::router())
            .layer(from_fn(portcullis_web::page_headers))
            .with_state(self.clone())
    }
}

/// `GET /`
async fn show(State(console): State<Console>, browser: Browser, headers: HeaderMap) -> Response {
    let home = async {
        match console.signed_in(&browser).await? {
            Some(user) => console.home(&browser, &user, None).await,
            None => Ok(Redirect::to("/login").into_response()),
        }
    };
    home.await.unwrap_or_else(|cause| fault(&headers, &cause))
}

/// `POST /clients/disconnect`
async fn disconnect(console: State<Console>, browser: Browser, headers: HeaderMap, body: Bytes) -> Response {
    let end = async |console: &Console, user: &User, grant: &GrantId| {
        let ended = console.0.authorization.disconnect(&user.id, grant).await?;
        Ok(if ended {
            "The client is disconnected. Its tokens are dead."
        } else {
            "That client was not connected."
        })
    };
    about_grant(&console, &browser, (&headers, &body), end).await
}

/// `POST /clients/allow`
async fn allow(console: State<Console>, browser: Browser, headers: HeaderMap, body: Bytes) -> Response {
    let allow = async |console: &Console, user: &User, grant: &GrantId| {
        let allowed = console.0.authorization.allow_again(&user.id, grant).await?;
        Ok(if allowed {
            "The client may come back when your organisation asks for it again."
        } else {
            "That client was not kept away."
        })
    };
    about_grant(&console, &browser, (&headers, &body), allow).await
}

/// Takes a form of this page that is about one grant, and shows the page again with what came of it.
async fn about_grant(
    console: &Console,
    browser: &Browser,
    (headers, body): (&HeaderMap, &[u8]),
    change: impl AsyncFnOnce(&Console, &User, &GrantId) -> Result<&'static str, Fault>,
) -> Response {
    let posted = match console.posted(browser, headers, body).await {
        Ok(form) => form,
        Err(refused) => return refused_form(headers, &refused),
    };
    let home = async {
        let Some(user) = console.signed_in(browser).await? else {
            return Ok(Redirect::to("/login").into_response());
        };
        let grant = GrantId::from(posted.one("grant").ok().flatten().unwrap_or_default().to_owned());
        let notice = change(console, &user, &grant).await?;
        console.home(browser, &user, Some(notice.to_owned())).await
    };
    home.await.unwrap_or_else(|cause| fault(headers, &cause))
}

impl Console {
    pub(crate) fn authorization(&self) -> &AuthorizationServer {
        &self.0.authorization
    }

    pub(crate) fn connections(&self) -> &Connections {
        &self.0.connections
    }

    pub(crate) fn upstream(&self) -> &UpstreamAuthorization {
        &self.0.upstream
    }

    pub(crate) fn sessions(&self) -> &SessionStore {
        &self.0.sessions
    }

    pub(crate) fn enrolment(&self) -> &Enrolment {
        &self.0.enrolment
    }

    pub(crate) fn gateway(&self) -> &Gateway {
        &self.0.gateway
    }

    pub(crate) fn grants(&self) -> &ConnectionGrants {
        &self.0.grants
    }

    pub(crate) fn groups(&self) -> &Groups {
        &self.0.groups
    }

    pub(crate) fn registry(&self) -> &ResourceRegistry {
        &self.0.registry
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }

    /// A form that this browser's own page sent.
    pub(crate) async fn posted(
        &self,
        browser: &Browser,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Form, CsrfError> {
        let form = form(headers, body).map_err(|_| CsrfError::Token)?;
        let token = form.one("csrf").ok().flatten();
        csrf::check(browser, headers, self.0.registry.public_url(), token).await?;
        Ok(form)
    }

    /// The user behind the session, unless they were disabled since.
    pub(crate) async fn signed_in(&self, browser: &Browser) -> Result<Option<User>, Fault> {
        let Some(signed_in) = browser.signed_in().await? else { return Ok(None) };
        let user = self.0.authorization.users().find(&signed_in.principal).await?;
        let user = user.filter(|user| user.disabled_at.is_none());
        if user.is_none() {
            browser.sign_out(false).await?;
        }
        Ok(user)
    }

    pub(crate) async fn home(
        &self,
        browser: &Browser,
        user: &User,
        notice: Option<String>,
    ) -> Result<Response, Fault> {
        let now = self.0.clock.now();
        let csrf = browser.csrf_token().await?;
        let connections = self.0.connections.list(&user.id).await?;
        let waiting = self.0.gateway.pins().waiting(&user.id).await?;
        let person = self.person(user).await?;
        let mut rows = Vec::with_capacity(connections.len());
        for connection in connections {
            let kept = self.would_keep(&person, Managed::Known(&connection)).await?;
            let waiting = waiting.get(&connection.id).copied().unwrap_or_default();
            rows.push(connection_row(connection, waiting, kept));
        }
        let grants = self.0.authorization.grants().list(&user.id).await?;
        let refused = self.0.authorization.refused_clients(&user.id).await?;
        let pending = self.waiting_for(user).await?;
        let home = HomePage {
            chrome: Chrome::signed_in("Your gateway", &user.email, &csrf),
            csrf,
            mcp_url: self.0.registry.aggregate().uri.to_string(),
            connections: rows,
            no_connections_advice: "Add one below.".to_owned(),
            clients: grants.into_iter().map(|grant| client_row(grant, now)).collect(),
            kept_away: refused.into_iter().map(kept_away_row).collect(),
            waiting: pending,
            notice,
        };
        Ok(page(StatusCode::OK, &home))
    }
}

fn connection_row(connection: Connection, waiting: i64, kept: Option<String>) -> ConnectionRow {
    ConnectionRow {
        alias: connection.alias.to_string(),
        server: connection.server_title,
        status: status(connection.status),
        reason: connection.status_reason,
        waiting,
        kept,
    }
}

/// A status as people are told.
pub(crate) fn status(status: Status) -> ConnectionStatus {
    match status {
        Status::Active => ConnectionStatus::Ready,
        Status::Connecting => ConnectionStatus::Unknown,
        Status::Draft | Status::ReauthRequired | Status::Quarantined => ConnectionStatus::NeedsYou,
        Status::Degraded => ConnectionStatus::Failing,
        Status::Disabled => ConnectionStatus::Off,
    }
}

fn kept_away_row(client: RefusedClient) -> KeptAwayRow {
    KeptAwayRow {
        grant_id: client.grant.to_string(),
        name: client.client_name,
        vouched_by: client.issuer,
        resource: client.resource.to_string(),
    }
}

fn client_row(grant: GrantSummary, now: Timestamp) -> ClientRow {
    let moment = |at: Timestamp| Moment::new(at.seconds(), now.seconds());
    let given = grant.resources.iter().fold(ScopeSet::default(), |all, (_, scopes)| all.union(scopes));
    let identity = ScopeSet::from_iter(scopes::OPENID);
    // Where a client asks who somebody is, is an endpoint of ours, whose address tells people nothing.
    let name = |(resource, scopes): &(ResourceUri, ScopeSet)| {
        let asks_who = !scopes.is_empty() && scopes.is_subset(&identity);
        if asks_who { "who you are".to_owned() } else { resource.to_string() }
    };
    let scope = |value: &str| GrantedScope {
        value: value.to_owned(),
        title: ScopeChoice::new(value, Vec::new()).title,
    };
    ClientRow {
        grant_id: grant.id.to_string(),
        name: grant.client_name,
        unverified: grant.unverified,
        redirect_host: grant.redirect_host,
        vouched_by: grant.vouched_by,
        resource: grant.resources.iter().map(name).collect::<Vec<_>>().join(", "),
        scopes: given.iter().map(scope).collect(),
        connected: moment(grant.created_at),
        last_used: grant.last_used_at.map(moment),
        ends: grant.ends_at.map(moment),
    }
}

/// The page for a form that was not one of ours, or too old.
pub(crate) fn refused_form(headers: &HeaderMap, refused: &CsrfError) -> Response {
    let advice = "Go back, load the page again and send the form from there.";
    let happened = format!("Nothing was changed: {refused}.");
    let status = StatusCode::FORBIDDEN;
    ErrorPage::new(status, "This form cannot be used", happened, advice, trace(headers)).into_response()
}

pub(crate) fn trace(headers: &HeaderMap) -> String {
    let given = headers.get("x-request-id").and_then(|value| value.to_str().ok());
    given.map_or_else(|| random_handle("trc_"), str::to_owned)
}

pub(crate) fn fault(headers: &HeaderMap, cause: &Fault) -> Response {
    tracing::error!(?cause, "a page could not be made");
    let happened = "The server met a problem that it did not expect. Nothing was changed.";
    let advice = "Try again in a moment. If it happens again, tell whoever runs this server the code below.";
    ErrorPage::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "Something went wrong",
        happened,
        advice,
        trace(headers),
    )
    .into_response()
}
