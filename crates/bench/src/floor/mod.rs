//! The floor: what a minimal axum and sqlx program gives that commits or reads the same rows as the server on the same
//! engine and does nothing else: no client, no policy, no check but the look-up of what is presented.

mod group;
mod proxy;
mod rows;

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use portcullis_database::Database;
use portcullis_oauth::{Secret, SecretHash, SecretKind};
use serde_json::{Value, json};

use self::group::Group;
use crate::Outcome;

struct Floor {
    database: Database,
    group: Group,
    /// Tokens that were looked up before, for the work that may remember them.
    known: Mutex<HashSet<SecretHash>>,
    upstream: proxy::Upstream,
}

type Shared = State<Arc<Floor>>;

/// Serves until it is killed. Prints its address.
pub(crate) fn serve() -> Outcome<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let database = Database::open(&std::env::var("DATABASE_URL")?).await?;
        let group = Group::over(database.clone());
        let floor = Floor { database, group, known: Mutex::default(), upstream: proxy::upstream() };
        let router = Router::new()
            .route("/bare", get(|| async { "ok" }))
            .route("/client.json", get(document))
            .route("/look-up", get(look_up))
            .route("/mint", post(mint))
            .route("/authorize", post(authorize))
            .route("/exchange", post(exchange))
            .route("/refresh", post(refresh))
            .route("/call", post(call))
            .route("/call-uncached", post(call_uncached))
            .route("/pass/{port}/{*path}", post(proxy::pass))
            .with_state(Arc::new(floor));
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("{}", listener.local_addr()?);
        axum::serve(
            axum::serve::ListenerExt::tap_io(listener, |stream| drop(stream.set_nodelay(true))),
            router,
        )
        .await?;
        Ok(())
    })
}

/// A client's document about itself, wherever it is asked for.
async fn document(headers: HeaderMap) -> Response {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    Json(json!({
        "client_id": format!("http://{host}/client.json"), "client_name": "Bench",
        "redirect_uris": ["http://127.0.0.1/callback"], "token_endpoint_auth_method": "none",
    }))
    .into_response()
}

fn presented(headers: &HeaderMap) -> Option<Secret> {
    headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ").map(Secret::presented)
}

async fn look_up(State(floor): Shared, headers: HeaderMap) -> Response {
    match is_live(&floor, &headers).await {
        Ok(true) => "ok".into_response(),
        Ok(false) => StatusCode::UNAUTHORIZED.into_response(),
        Err(error) => failed(&*error),
    }
}

async fn is_live(floor: &Floor, headers: &HeaderMap) -> Outcome<bool> {
    match presented(headers) {
        Some(token) => rows::look_up(&floor.database, &token.hash()).await,
        None => Ok(false),
    }
}

async fn mint(State(floor): Shared) -> Response {
    let token = Secret::generate(SecretKind::AccessToken);
    answer(rows::mint(&floor.database, &token).await.map(|()| json!({"access_token": token.expose()})))
}

async fn authorize(State(floor): Shared, challenge: String) -> Response {
    let code = Secret::generate(SecretKind::AuthorizationCode);
    answer(rows::authorize(&floor.database, &code, &challenge).await.map(|()| json!({"code": code.expose()})))
}

async fn exchange(State(floor): Shared, code: String) -> Response {
    let pair = (Secret::generate(SecretKind::AccessToken), Secret::generate(SecretKind::RefreshToken));
    let done = rows::exchange(&floor.database, &Secret::presented(code), &pair).await;
    answer(done.map(|()| tokens(&pair)))
}

async fn refresh(State(floor): Shared, token: String) -> Response {
    let pair = (Secret::generate(SecretKind::AccessToken), Secret::generate(SecretKind::RefreshToken));
    let done = rows::refresh(&floor.database, &Secret::presented(token), &pair).await;
    answer(done.map(|()| tokens(&pair)))
}

fn tokens((access, refresh): &(Secret, Secret)) -> Value {
    json!({"access_token": access.expose(), "refresh_token": refresh.expose()})
}

async fn call(State(floor): Shared, headers: HeaderMap, body: String) -> Response {
    match admitted(&floor, &headers).await {
        Ok(()) => echo(&floor, &body).await,
        Err(refused) => refused,
    }
}

/// Whether the bearer is live; one that was seen before is believed.
async fn admitted(floor: &Floor, headers: &HeaderMap) -> Result<(), Response> {
    let unauthorized = || StatusCode::UNAUTHORIZED.into_response();
    let hash = presented(headers).map(|token| token.hash()).ok_or_else(unauthorized)?;
    let known = || floor.known.lock().unwrap_or_else(PoisonError::into_inner);
    if known().contains(&hash) {
        return Ok(());
    }
    match is_live(floor, headers).await {
        Ok(true) => {
            known().insert(hash);
            Ok(())
        }
        Ok(false) => Err(unauthorized()),
        Err(error) => Err(failed(&*error)),
    }
}

async fn call_uncached(State(floor): Shared, headers: HeaderMap, body: String) -> Response {
    match is_live(&floor, &headers).await {
        Ok(true) => echo(&floor, &body).await,
        Ok(false) => StatusCode::UNAUTHORIZED.into_response(),
        Err(error) => failed(&*error),
    }
}

/// One row before and one after the work, each committed with those of others that wait at the same moment.
async fn echo(floor: &Floor, body: &str) -> Response {
    let echo = async {
        let message: Value = serde_json::from_str(body)?;
        floor.group.record("started").await?;
        let text = &message["params"]["arguments"]["message"];
        let result = json!({"content": [{"type": "text", "text": text}]});
        floor.group.record("done").await?;
        Ok(json!({"jsonrpc": "2.0", "id": message["id"], "result": result}))
    };
    answer(echo.await)
}

fn answer(result: Outcome<Value>) -> Response {
    match result {
        Ok(value) => Json(value).into_response(),
        Err(error) => failed(&*error),
    }
}

fn failed(error: &(dyn std::error::Error + Send + Sync)) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
}
