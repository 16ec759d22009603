//! The assembled server with one user, a sandbox connection and a clock that stands still.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::HOST;
use axum::http::{Method, Request};
use portcullis::app::{App, AppParts, assemble, paper};
use portcullis::config::{Config, Flags, Sources};
use portcullis_authorization_server::{NewUser, User};
use portcullis_database::testing::TestDatabase;
use portcullis_oauth::{Alias, Clock, PublicUrl, Seconds, Secret, TestClock, Timestamp};
use portcullis_vault::Vault;
use portcullis_web::Peer;
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt;

use crate::Answer;
use crate::canaries::{self, Watch};

/// Every user's password.
pub const PASSWORD: &str = "seven green lorries parked";
/// 2026-01-01, noon.
const START: Timestamp = Timestamp::from_micros(1_767_268_800_000_000);

/// A server in process.
pub struct World {
    /// The assembled server.
    pub app: App,
    /// Its clock.
    pub clock: TestClock,
    /// The first user: alice@example.com.
    pub alice: User,
    settings: Vec<(String, String)>,
    database: TestDatabase,
    folder: TempDir,
    _log: Watch,
}

impl World {
    /// A server on this database, with Alice and her sandbox.
    pub async fn on(database: TestDatabase) -> Self {
        Self::configured(database, &[]).await
    }

    /// A server with some settings changed.
    pub async fn configured(database: TestDatabase, settings: &[(&str, &str)]) -> Self {
        let log = Watch::begin();
        let folder = TempDir::new().expect("a temporary folder");
        let clock = TestClock::at(START);
        let app = start(&database, &folder, &clock, settings).await;
        let alice = add_user(&app, "alice@example.com").await;
        let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Self { app, clock, alice, settings, database, folder, _log: log }
    }

    /// A second node: the same database and settings, caches of its own.
    pub async fn second_node(&self) -> App {
        let settings: Vec<(&str, &str)> =
            self.settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        // A node has a name of its own, whatever the first one was called.
        self.node(&[&settings[..], &[("node", "two")]].concat()).await
    }

    /// A second node with other settings.
    pub async fn node(&self, settings: &[(&str, &str)]) -> App {
        let settings: Vec<(&str, &str)> = [("node", "two")].iter().chain(settings).copied().collect();
        start(&self.database, &self.folder, &self.clock, &settings).await
    }

    /// Adds a user with a sandbox of their own.
    pub async fn add_user(&self, email: &str) -> User {
        add_user(&self.app, email).await
    }

    /// The router.
    pub fn router(&self) -> Router {
        self.app.router.clone()
    }

    /// Lets time pass.
    pub fn advance(&self, seconds: i64) {
        self.clock.advance(Seconds(seconds));
    }

    /// One request without a browser.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        send(&self.app, request).await
    }

    /// `GET path`
    pub async fn get(&self, path: &str) -> Answer {
        self.send(request(Method::GET, path).body(Body::empty()).expect("a request")).await
    }

    /// What a browser asks before a page of `origin` may call `path` with these headers.
    pub async fn preflight(&self, path: &str, origin: &str, headers: &str) -> Answer {
        let request = request(Method::OPTIONS, path)
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", headers);
        self.send(request.body(Body::empty()).expect("a request")).await
    }

    /// `POST path` with a JSON body.
    pub async fn post_json(&self, path: &str, body: &Value) -> Answer {
        let request = request(Method::POST, path).header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_string())).expect("a request")).await
    }

    /// `POST path` with a form.
    pub async fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(form(path, fields, &[])).await
    }

    /// `POST path` with a form and further headers.
    pub async fn post_form_with(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Answer {
        self.send(form(path, fields, headers)).await
    }

    /// The same from this network address, as whoever stands before the server tells it.
    pub async fn post_form_from(
        &self,
        address: &str,
        path: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = form(path, fields, headers);
        request.extensions_mut().insert(Peer::from(address.parse::<IpAddr>().expect("an address")));
        self.send(request).await
    }

    /// Its database.
    pub(crate) fn database(&self) -> &portcullis_database::Database {
        &self.database.database
    }

    /// Its data folder.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// One number that the database itself knows.
    pub async fn count(&self, sql: &'static str) -> i64 {
        let (count,): (i64,) = portcullis_database::on!(self.database.database.read(), |pool| {
            sqlx::query_as(sql).fetch_one(pool).await
        })
        .expect("a count");
        count
    }

    /// Each event's action and trace id.
    pub async fn traces(&self) -> Vec<(String, Option<String>)> {
        portcullis_database::on!(self.database.database.read(), |pool| {
            sqlx::query_as("SELECT action, trace_id FROM audit_event ORDER BY at, id").fetch_all(pool).await
        })
        .expect("the paper trail")
    }

    /// The one text that a query finds.
    pub async fn text(&self, sql: &'static str) -> String {
        portcullis_database::on!(self.database.database.read(), |pool| {
            sqlx::query_scalar(sql).fetch_one(pool).await
        })
        .expect("a text")
    }

    /// The actions, outcomes and reasons of the paper trail, in their order.
    pub async fn trail(&self) -> Vec<String> {
        let rows: Vec<(String, String, Option<String>)> =
            portcullis_database::on!(self.database.database.read(), |pool| {
                sqlx::query_as("SELECT action, outcome, reason FROM audit_event ORDER BY at, id")
                    .fetch_all(pool)
                    .await
            })
            .expect("the paper trail");
        rows.into_iter()
            .map(|(action, outcome, reason)| format!("{action} {outcome} {}", reason.unwrap_or_default()))
            .collect()
    }
}

/// One request to one node.
pub(crate) async fn send(app: &App, request: Request<Body>) -> Answer {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.expect("the body of a request");
    canaries::presented(&parts.headers, &parts.uri.to_string(), &body);
    let response = app.router.clone().oneshot(Request::from_parts(parts, Body::from(body))).await;
    let answer = Answer::read(response.unwrap_or_else(|never| match never {})).await;
    canaries::issued(&answer);
    answer
}

/// A request to our host.
pub fn request(method: Method, path: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(path).header(HOST, "localhost:8420")
}

/// A form post. Headers of the story's own come instead of ours.
pub(crate) fn form(path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Request<Body> {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let mut request = request(Method::POST, path);
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        request = request.header("content-type", "application/x-www-form-urlencoded");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body)).expect("a request")
}

async fn start(
    database: &TestDatabase,
    folder: &TempDir,
    clock: &TestClock,
    settings: &[(&str, &str)],
) -> App {
    let data_dir = folder.path().display().to_string();
    let settings = settings
        .iter()
        .map(|(key, value)| (format!("PORTCULLIS_{}", key.to_uppercase()), (*value).to_owned()));
    let environment = settings.chain([("PORTCULLIS_DATA_DIR".to_owned(), data_dir)]).collect();
    let config = Config::load(&Sources { environment, flags: Flags::default() }).expect("a configuration");
    portcullis_resource_server::sandbox::seed(&config.sandbox_folder()).expect("the sandbox's files");
    let database = paper::database(&database.database, &config).expect("a name for the node");
    let vault = Vault::unlock(&config.master_key, &database, clock.now()).await.expect("a vault");
    let parts = AppParts {
        database,
        clock: Arc::new(clock.clone()),
        config,
        public_url: PublicUrl::parse("http://localhost:8420").expect("a public URL"),
        vault,
        listen_ports: vec![8420],
    };
    let app = assemble(parts).await.expect("the server");
    app.changes.read().await.expect("the change table");
    app
}

async fn add_user(app: &App, email: &str) -> User {
    let name = email.split('@').next().unwrap_or(email).to_owned();
    let password = Some(Secret::presented(PASSWORD));
    let new = NewUser { email: email.to_owned(), name, admin: false, password };
    let user = app.authorization.users().create(new).await.expect("a user");
    let alias = Alias::parse("sandbox").expect("an alias");
    app.gateway.connections().create(&user.id, &alias, "sandbox", "").await.expect("a connection");
    user
}
