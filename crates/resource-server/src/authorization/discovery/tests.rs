//! Discovery against a server that says what the story wants, on a loopback port of the story's own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use portcullis_outbound::Policy;
use serde_json::Value;
use tokio::net::TcpListener;

use super::*;

/// Somebody's web server: what it answers at each path, and where it was asked.
struct Site {
    origin: String,
    answers: Arc<Mutex<HashMap<String, (u16, String, String)>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Site {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let (answers, asked) = (Arc::new(Mutex::new(HashMap::new())), Arc::new(Mutex::new(Vec::new())));
        let site = Self { origin, answers: Arc::clone(&answers), asked: Arc::clone(&asked) };
        let router = Router::new().fallback(move |request: Request| async move {
            let path = request.uri().path().to_owned();
            asked.lock().unwrap().push(format!("{} {path}", request.method()));
            answer(answers.lock().unwrap().get(&path).cloned())
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        site
    }

    fn says(&self, path: &str, body: &Value) {
        let answer = (200, String::new(), body.to_string());
        self.answers.lock().unwrap().insert(path.to_owned(), answer);
    }

    /// The MCP endpoint refuses with this challenge.
    fn challenges(&self, path: &str, challenge: &str) {
        let answer = (401, challenge.to_owned(), String::new());
        self.answers.lock().unwrap().insert(path.to_owned(), answer);
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn resource(&self, path: &str, issuer: &str) -> Value {
        json!({"resource": format!("{}{path}", self.origin), "authorization_servers": [issuer]})
    }

    fn server(&self, path: &str) -> Value {
        let origin = &self.origin;
        json!({
            "issuer": format!("{origin}{path}"), "authorization_endpoint": format!("{origin}/authorize"),
            "token_endpoint": format!("{origin}/token"), "code_challenge_methods_supported": ["S256"],
        })
    }

    async fn discover(&self, path: &str) -> Result<Discovered, AuthorizationError> {
        let outbound = Outbound::new(Policy { loopback: true, ..Policy::default() }).unwrap();
        let here = PublicUrl::parse("http://localhost:8420").unwrap();
        Discovery::new(outbound, &here).of(&format!("{}{path}", self.origin)).await
    }
}

fn answer(known: Option<(u16, String, String)>) -> Response {
    let Some((status, header, body)) = known else { return StatusCode::NOT_FOUND.into_response() };
    let status = StatusCode::from_u16(status).unwrap();
    match status {
        StatusCode::UNAUTHORIZED => (status, [(WWW_AUTHENTICATE, header)]).into_response(),
        StatusCode::TEMPORARY_REDIRECT => (status, [(LOCATION, header)]).into_response(),
        _ => (status, [(CONTENT_TYPE, "application/json")], body).into_response(),
    }
}

const INSERTED: &str = "/.well-known/oauth-protected-resource/mcp";
const ROOT: &str = "/.well-known/oauth-protected-resource";

/// MCP-AUTH-20: each place is asked in its turn, and nothing after the first good document
#[tokio::test]
async fn the_places_are_asked_in_order() {
    let site = Site::open().await;
    let tenant = format!("{}/tenant", site.origin);
    site.says(ROOT, &site.resource("", &tenant));
    site.says("/tenant/.well-known/openid-configuration", &site.server("/tenant"));
    let found = site.discover("/mcp").await.unwrap();
    assert_eq!(found.resource.as_str(), site.origin);
    assert_eq!(found.server.issuer.as_str(), tenant);
    assert_eq!(
        site.asked(),
        [
            "POST /mcp",
            &format!("GET {INSERTED}"),
            &format!("GET {ROOT}"),
            "GET /.well-known/oauth-authorization-server/tenant",
            "GET /.well-known/openid-configuration/tenant",
            "GET /tenant/.well-known/openid-configuration",
        ]
    );
    site.says(INSERTED, &site.resource("/mcp", &tenant));
    site.says("/.well-known/oauth-authorization-server/tenant", &site.server("/tenant"));
    assert!(site.discover("/mcp").await.is_ok());
    let first = [
        "POST /mcp".to_owned(),
        format!("GET {INSERTED}"),
        "GET /.well-known/oauth-authorization-server/tenant".to_owned(),
    ];
    assert_eq!(site.asked(), first);
}

/// MCP-AUTH-20: what the challenge names is read first, and its scopes are the ones asked for
#[tokio::test]
async fn the_challenge_says_where_and_what() {
    let site = Site::open().await;
    site.challenges("/mcp", &format!(r#"Bearer resource_metadata="{}/about", scope="b a""#, site.origin));
    let mut about = site.resource("/mcp", &site.origin);
    about["scopes_supported"] = json!(["c"]);
    site.says("/about", &about);
    let mut server = site.server("");
    server["scopes_supported"] = json!(["a", "offline_access"]);
    site.says("/.well-known/oauth-authorization-server", &server);
    let found = site.discover("/mcp").await.unwrap();
    assert_eq!(found.scope.to_string(), "a b offline_access");
    site.challenges("/mcp", &format!(r#"Bearer resource_metadata="{}/about""#, site.origin));
    assert_eq!(site.discover("/mcp").await.unwrap().scope.to_string(), "c offline_access");
    about["resource"] = json!(format!("{}/mcp2", site.origin));
    site.says("/about", &about);
    assert_eq!(site.discover("/mcp").await.unwrap_err().code(), "resource_mismatch", "R9728-3.3-1");
}

/// T13: a document of another origin is not asked for; the server's own well-known place is
#[tokio::test]
async fn metadata_elsewhere_is_not_read() {
    let (site, elsewhere) = (Site::open().await, Site::open().await);
    let challenge = format!(r#"Bearer resource_metadata="{}/about""#, elsewhere.origin);
    site.challenges("/mcp", &challenge);
    elsewhere.says("/about", &site.resource("/mcp", &elsewhere.origin));
    site.says(INSERTED, &site.resource("/mcp", &site.origin));
    site.says("/.well-known/oauth-authorization-server", &site.server(""));
    let found = site.discover("/mcp").await.unwrap();
    assert_eq!(found.server.issuer.as_str(), site.origin);
    assert_eq!(elsewhere.asked(), Vec::<String>::new());
}

/// T09, T13, SBP-6, R9728-7.7-1: what a document names is refused before anybody is called there
#[tokio::test]
async fn special_addresses_are_not_called() {
    let site = Site::open().await;
    for issuer in [
        "https://169.254.169.254/x",
        "https://10.0.0.1",
        "https://100.64.0.1",
        "https://[fc00::1]",
        "https://[fec0::1]",
        "https://[2002:a00:1::]",
        "https://[64:ff9b::a9fe:a9fe]",
        "https://[::ffff:10.0.0.1]",
        "https://0.0.0.0",
    ] {
        site.says(INSERTED, &site.resource("/mcp", issuer));
        let code = site.discover("/mcp").await.unwrap_err().code();
        assert!(matches!(code, "address_refused" | "metadata_url"), "{issuer}: {code}");
    }
    for issuer in
        ["https://2130706433", "https://0177.0.0.1", "https://localhost.", "http://10.0.0.1", "file:///x"]
    {
        site.says(INSERTED, &site.resource("/mcp", issuer));
        assert_eq!(site.discover("/mcp").await.unwrap_err().code(), "metadata_url", "{issuer}");
    }
    site.says(INSERTED, &site.resource("/mcp", &site.origin));
    for (name, bad) in
        [("authorization_endpoint", "javascript:alert(1)"), ("token_endpoint", "http://10.0.0.1/token")]
    {
        let mut server = site.server("");
        server[name] = json!(bad);
        site.says("/.well-known/oauth-authorization-server", &server);
        assert_eq!(site.discover("/mcp").await.unwrap_err().code(), "metadata_url", "{bad}");
    }
}

/// T14, T15: a redirect is no document
#[tokio::test]
async fn a_redirect_leads_nowhere() {
    let (site, elsewhere) = (Site::open().await, Site::open().await);
    let to = format!("{}{INSERTED}", elsewhere.origin);
    site.answers.lock().unwrap().insert(INSERTED.to_owned(), (307, to, String::new()));
    elsewhere.says(INSERTED, &site.resource("/mcp", &elsewhere.origin));
    assert_eq!(site.discover("/mcp").await.unwrap_err().code(), "metadata_missing");
    assert_eq!(elsewhere.asked(), Vec::<String>::new());
}

/// R8414-3.3-1: another issuer's document at this issuer's place is not used
#[tokio::test]
async fn swapped_metadata_is_refused() {
    let site = Site::open().await;
    site.says(INSERTED, &site.resource("/mcp", &site.origin));
    for place in ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"] {
        site.says(place, &site.server("/"));
    }
    assert_eq!(site.discover("/mcp").await.unwrap_err().code(), "issuer_mismatch");
    site.says("/.well-known/openid-configuration", &site.server(""));
    assert!(site.discover("/mcp").await.is_ok(), "the next place has its own");
}

/// MCP-AUTH-27 seen from the other side: servers of 2025-03-26 are their own issuers
#[tokio::test]
async fn without_resource_metadata_the_origin_is_the_issuer() {
    let site = Site::open().await;
    assert_eq!(site.discover("/mcp").await.unwrap_err().code(), "metadata_missing");
    site.says("/.well-known/oauth-authorization-server", &site.server(""));
    let found = site.discover("/mcp").await.unwrap();
    assert_eq!((found.resource.as_str(), found.scope.is_empty()), (&*format!("{}/mcp", site.origin), true));
}
