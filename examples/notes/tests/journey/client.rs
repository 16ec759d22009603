//! A client over real HTTP: registration, a person's browser, the token endpoint, and calls of tools.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_oauth::random_handle;
use reqwest::redirect::Policy;
use reqwest::{Response, Url};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::process::{Login, Notes};

/// The person's password.
pub(crate) const PASSWORD: &str = "seven green lorries parked";
const CALLBACK: &str = "http://127.0.0.1:51004/callback";

/// A registered public client.
pub(crate) struct Client(String);

impl Client {
    pub(crate) async fn register(login: &Login) -> Self {
        let metadata = json!({
            "client_name": "Inspector", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none",
        });
        let url = format!("{}/oauth/register", login.url);
        let answer = reqwest::Client::new().post(url).json(&metadata).send().await.unwrap();
        let registered: Value = answer.json().await.unwrap();
        Self(registered["client_id"].as_str().unwrap().to_owned())
    }

    /// A token for `resource` after a person signed in and allowed all of `scope`.
    pub(crate) async fn token(&self, login: &Login, resource: Option<&str>, scope: &str) -> String {
        let verifier = random_handle("") + &random_handle("");
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
        let mut parameters = vec![
            ("response_type", "code"),
            ("client_id", &self.0),
            ("redirect_uri", CALLBACK),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("scope", scope),
        ];
        parameters.extend(resource.map(|resource| ("resource", resource)));
        let start = Url::parse_with_params(&format!("{}/oauth/authorize", login.url), &parameters).unwrap();
        let code = browse(login, start, scope).await;
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", &self.0),
            ("code", &code),
            ("code_verifier", &verifier),
        ];
        let url = format!("{}/oauth/token", login.url);
        let answer: Value =
            reqwest::Client::new().post(url).form(&form).send().await.unwrap().json().await.unwrap();
        answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }
}

/// A fresh browser: signs in, allows what is asked, and returns the code.
async fn browse(login: &Login, start: Url, scope: &str) -> String {
    let http = reqwest::Client::builder().cookie_store(true).redirect(Policy::none()).build().unwrap();
    let follow = |answer: &Response| {
        let location = answer.headers()["location"].to_str().unwrap();
        Url::parse(&login.url).unwrap().join(location).unwrap()
    };
    let sign_in = follow(&http.get(start).send().await.unwrap());
    let page = http.get(sign_in).send().await.unwrap().text().await.unwrap();
    let (csrf, return_to) = (field(&page, "csrf"), field(&page, "return_to"));
    let form = [
        ("csrf", csrf.as_str()),
        ("return_to", &return_to),
        ("email", "ada@example.com"),
        ("password", PASSWORD),
    ];
    let post = |path: &str| http.post(format!("{}{path}", login.url)).header("sec-fetch-site", "same-origin");
    let consent = follow(&post("/login").form(&form).send().await.unwrap());
    let page = http.get(consent).send().await.unwrap().text().await.unwrap();
    let (csrf, request) = (field(&page, "csrf"), field(&page, "request"));
    let mut form = vec![("csrf", csrf.as_str()), ("request", &request), ("decision", "approve")];
    form.extend(scope.split(' ').map(|scope| ("scope", scope)));
    let back = follow(&post("/oauth/consent").form(&form).send().await.unwrap());
    let code = back.query_pairs().find(|(name, _)| name == "code");
    code.unwrap_or_else(|| panic!("{back}")).1.into_owned()
}

/// The value of a form field in a page.
fn field(page: &str, name: &str) -> String {
    let tag = page.split(&format!("name=\"{name}\"")).nth(1).unwrap_or_else(|| panic!("no {name} in {page}"));
    let value = tag.split("value=\"").nth(1).unwrap().split('"').next().unwrap();
    value.replace("&amp;", "&").replace("&#38;", "&")
}

/// Calls a tool in the stateless revision.
async fn post(url: String, host: &str, token: Option<&str>, (method, params): (&str, Value)) -> Response {
    let (version, mut params) = ("2026-07-28", params);
    let name = params["name"].as_str().unwrap_or_default().to_owned();
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "inspector", "version": "1"},
    });
    let mut request = reqwest::Client::new()
        .post(url)
        .header("host", host)
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", version)
        .header("mcp-method", method)
        .json(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}));
    if !name.is_empty() {
        request = request.header("mcp-name", name);
    }
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    request.send().await.unwrap()
}

/// Calls a tool of the notes.
pub(crate) async fn call(notes: &Notes, token: Option<&str>, tool: &str, arguments: Value) -> Response {
    let params = json!({"name": tool, "arguments": arguments});
    post(format!("{}/mcp", notes.url), "notes.example", token, ("tools/call", params)).await
}

/// How the notes answer this token.
pub(crate) async fn status(notes: &Notes, token: &str) -> u16 {
    call(notes, Some(token), "list_notes", json!({})).await.status().as_u16()
}

impl Notes {
    /// The metadata that the challenge names.
    pub(crate) async fn document(&self) -> Value {
        let url = format!("{}/.well-known/oauth-protected-resource/mcp", self.url);
        reqwest::get(url).await.unwrap().json().await.unwrap()
    }
}

impl Login {
    /// How the gateway answers this token.
    pub(crate) async fn gateway(&self, token: &str) -> u16 {
        let host = self.url.strip_prefix("http://").unwrap();
        post(format!("{}/mcp", self.url), host, Some(token), ("tools/list", json!({})))
            .await
            .status()
            .as_u16()
    }
}
