//! Somebody's MCP server with an authorization server of its own, on a loopback port of the story's own. It keeps to the
//! specifications, spends a refresh token with its first use, and misbehaves when it is told to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use portcullis_oauth::{BasicCredentials, CodeChallenge, CodeVerifier};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// What it does otherwise than it should.
#[derive(Clone, Debug, Default)]
pub struct Mood {
    /// Answers at the token endpoint with this status and error.
    pub token_error: Option<(u16, &'static str)>,
    /// Says this `iss` in its answers; an empty one is none.
    pub iss: Option<String>,
    /// Names this authorization server as its own.
    pub issuer: Option<String>,
    /// Gives no refresh token.
    pub no_refresh: bool,
    /// Its access tokens live for so many seconds instead of an hour.
    pub life: Option<i64>,
    /// Answers at the token endpoint only once it is told to.
    pub holds: Option<Arc<Notify>>,
}

/// A request to the token endpoint: its parameters, and who proved to have sent it.
type Asked = BTreeMap<String, String>;

#[derive(Debug, Default)]
struct Desk {
    port: u16,
    mood: Mood,
    clients: BTreeMap<String, String>,
    registrations: Vec<Value>,
    codes: BTreeMap<String, Code>,
    refresh: BTreeMap<String, String>,
    access: BTreeMap<String, String>,
    asked: Vec<Asked>,
    revoked: Vec<Asked>,
    count: u32,
}

#[derive(Clone, Debug)]
struct Code {
    client: String,
    challenge: CodeChallenge,
    redirect_uri: String,
    resource: String,
    account: String,
}

#[derive(Clone, Debug)]
struct Site {
    origin: String,
    desk: Arc<Mutex<Desk>>,
}

/// The server; it closes with the story.
#[derive(Debug)]
pub struct UpstreamLogin {
    site: Site,
    open: JoinHandle<()>,
}

impl Drop for UpstreamLogin {
    fn drop(&mut self) {
        self.open.abort();
    }
}

impl UpstreamLogin {
    /// A server that is in order.
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let desk = Desk { port: address.port(), ..Desk::default() };
        let site = Site { origin: format!("http://{address}"), desk: Arc::new(Mutex::new(desk)) };
        let router = Router::new()
            .route("/mcp", post(endpoint))
            .route("/.well-known/oauth-protected-resource/mcp", get(resource))
            .route("/.well-known/oauth-authorization-server", get(server))
            .route("/register", post(register))
            .route("/token", post(token))
            .route("/revoke", post(revoke))
            .with_state(site.clone());
        let open = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Self { site, open }
    }

    /// The MCP server's URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}/mcp", self.site.origin)
    }

    /// Its issuer.
    #[must_use]
    pub fn issuer(&self) -> String {
        self.site.origin.clone()
    }

    /// Behaves like this from now on.
    pub fn behave(&self, mood: Mood) {
        self.site.desk().mood = mood;
    }

    /// Every registration so far.
    #[must_use]
    pub fn registrations(&self) -> Vec<Value> {
        self.site.desk().registrations.clone()
    }

    /// Forgets its clients, as some servers do.
    pub fn forget_clients(&self) {
        self.site.desk().clients.clear();
    }

    /// Every token request so far.
    #[must_use]
    pub fn asked(&self) -> Vec<BTreeMap<String, String>> {
        self.site.desk().asked.clone()
    }

    /// Every token that was given back so far, with what came along.
    #[must_use]
    pub fn revoked(&self) -> Vec<BTreeMap<String, String>> {
        self.site.desk().revoked.clone()
    }

    /// No access token that was given so far opens anything any more.
    pub fn end_access(&self) {
        self.site.desk().access.clear();
    }

    /// Whose account an access token opens.
    #[must_use]
    pub fn account_of(&self, access: &str) -> Option<String> {
        self.site.desk().access.get(access).cloned()
    }

    /// Where the browser goes back to once this account allowed what `url` asks: path and query.
    #[must_use]
    pub fn allow(&self, url: &str, account: &str) -> String {
        let asked = query(url);
        let challenge = CodeChallenge::from_request(
            asked.get("code_challenge").map(String::as_str),
            asked.get("code_challenge_method").map(String::as_str),
        );
        let mut desk = self.site.desk();
        assert!(desk.clients.contains_key(&asked["client_id"]), "a client that registered: {url}");
        let code = Code {
            client: asked["client_id"].clone(),
            challenge: challenge.expect("S256"),
            redirect_uri: asked["redirect_uri"].clone(),
            resource: asked["resource"].clone(),
            account: account.to_owned(),
        };
        let name = desk.next("code");
        desk.codes.insert(name.clone(), code);
        drop(desk);
        self.answer(url, &[("code", &name)])
    }

    /// Where the browser goes back to with this answer to what `url` asks.
    #[must_use]
    pub fn answer(&self, url: &str, answer: &[(&str, &str)]) -> String {
        let asked = query(url);
        let iss = self.site.desk().mood.iss.clone().unwrap_or_else(|| self.issuer());
        let mut back = url::form_urlencoded::Serializer::new(String::new());
        back.extend_pairs(answer).append_pair("state", &asked["state"]);
        if !iss.is_empty() {
            back.append_pair("iss", &iss);
        }
        let redirect = asked["redirect_uri"].strip_prefix("http://localhost:8420").expect("our own callback");
        format!("{redirect}?{}", back.finish())
    }
}

impl Site {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    fn next(&mut self, kind: &str) -> String {
        self.count += 1;
        format!("upstream-{kind}-of-the-story-{}-{}", self.port, self.count)
    }

    fn tokens(&mut self, account: &str) -> Value {
        let (access, refresh) = (self.next("access"), self.next("refresh"));
        self.access.insert(access.clone(), account.to_owned());
        let mut answer = json!({"access_token": access, "token_type": "Bearer", "expires_in": self.mood.life.unwrap_or(3_600)});
        if !self.mood.no_refresh {
            self.refresh.insert(refresh.clone(), account.to_owned());
            answer["refresh_token"] = json!(refresh);
        }
        answer
    }
}

fn query(url: &str) -> BTreeMap<String, String> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// An MCP server of the stateless era with one tool, which tells whose account the token opens.
async fn endpoint(State(site): State<Site>, headers: HeaderMap, body: Bytes) -> Response {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let account = bearer.and_then(|token| site.desk().access.get(token).cloned());
    let Some(account) = account else {
        let place = format!("{}/.well-known/oauth-protected-resource/mcp", site.origin);
        let challenge = format!(r#"Bearer resource_metadata="{place}", scope="notes.read""#);
        return (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, challenge)]).into_response();
    };
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let result = match asked["method"].as_str().unwrap_or_default() {
        "server/discover" => json!({
            "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}},
            "serverInfo": {"name": "notes", "version": "1"},
        }),
        "tools/list" => json!({
            "tools": [{"name": "read_account", "inputSchema": {"type": "object"}}],
            "ttlMs": 0, "cacheScope": "private",
        }),
        "tools/call" => json!({"content": [{"type": "text", "text": account}]}),
        _ => {
            return json_answer(
                200,
                &json!({"jsonrpc": "2.0", "id": asked["id"], "error": {"code": -32_601, "message": "no"}}),
            );
        }
    };
    let mut result = result;
    result["resultType"] = json!("complete");
    json_answer(200, &json!({"jsonrpc": "2.0", "id": asked["id"], "result": result}))
}

async fn resource(State(site): State<Site>) -> Response {
    let issuer = site.desk().mood.issuer.clone().unwrap_or_else(|| site.origin.clone());
    json_answer(200, &json!({"resource": format!("{}/mcp", site.origin), "authorization_servers": [issuer]}))
}

async fn server(State(site): State<Site>) -> Response {
    let origin = &site.origin;
    json_answer(
        200,
        &json!({
            "issuer": origin, "authorization_endpoint": format!("{origin}/authorize"),
            "token_endpoint": format!("{origin}/token"), "revocation_endpoint": format!("{origin}/revoke"), "registration_endpoint": format!("{origin}/register"),
            "response_types_supported": ["code"], "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "none"],
            "authorization_response_iss_parameter_supported": true,
        }),
    )
}

async fn register(State(site): State<Site>, body: Bytes) -> Response {
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut desk = site.desk();
    let (client, secret) = (desk.next("client"), desk.next("secret"));
    desk.clients.insert(client.clone(), secret.clone());
    desk.registrations.push(asked.clone());
    let mut answer = asked;
    answer["client_id"] = json!(client);
    answer["client_secret"] = json!(secret);
    json_answer(201, &answer)
}

/// What a form says, and who proves to have sent it.
fn read(headers: &HeaderMap, body: &Bytes) -> (Asked, Option<BasicCredentials>) {
    let proof = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let proof = proof.and_then(BasicCredentials::from_header).and_then(Result::ok);
    (url::form_urlencoded::parse(body).into_owned().collect(), proof)
}

/// RFC 7009: what was given back opens nothing any more.
async fn revoke(State(site): State<Site>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let (mut asked, proof) = read(&headers, &body);
    asked.extend(proof.map(|proof| ("client".to_owned(), proof.client_id.to_string())));
    let mut desk = site.desk();
    let token = asked.get("token").cloned().unwrap_or_default();
    desk.refresh.remove(&token);
    desk.access.remove(&token);
    desk.revoked.push(asked);
    StatusCode::OK
}

async fn token(State(site): State<Site>, headers: HeaderMap, body: Bytes) -> Response {
    let (mut asked, proof) = read(&headers, &body);
    if let Some(proof) = &proof {
        asked.insert("client".to_owned(), proof.client_id.to_string());
    }
    site.desk().asked.push(asked.clone());
    let holds = site.desk().mood.holds.clone();
    if let Some(holds) = holds {
        holds.notified().await;
    }
    let mut desk = site.desk();
    let known = proof.filter(|proof| {
        desk.clients
            .get(proof.client_id.as_str())
            .is_some_and(|secret| secret == proof.client_secret.expose())
    });
    if let Some((status, error)) = desk.mood.token_error {
        return json_answer(status, &json!({"error": error}));
    }
    let Some(client) = known else { return json_answer(401, &json!({"error": "invalid_client"})) };
    let account = match asked.get("grant_type").map(String::as_str) {
        Some("authorization_code") => redeem(&mut desk, &asked, client.client_id.as_str()),
        Some("refresh_token") => asked.get("refresh_token").and_then(|token| desk.refresh.remove(token)),
        _ => None,
    };
    match account {
        Some(account) => json_answer(200, &desk.tokens(&account)),
        None => json_answer(400, &json!({"error": "invalid_grant"})),
    }
}

fn redeem(desk: &mut Desk, asked: &Asked, client: &str) -> Option<String> {
    let code = desk.codes.remove(asked.get("code")?)?;
    let verifier = CodeVerifier::parse(asked.get("code_verifier")?).ok()?;
    let fits = code.client == client
        && code.challenge.verify(&verifier)
        && asked.get("redirect_uri") == Some(&code.redirect_uri)
        && asked.get("resource") == Some(&code.resource);
    fits.then_some(code.account)
}

fn json_answer(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}
