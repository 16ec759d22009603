//! Somebody else's MCP server: notes that each person keeps for themselves, with the rmcp SDK. All that Portcullis adds
//! stands in [`guarded`].

mod notes;

use std::env;
use std::error::Error;
use std::sync::Arc;

use axum::Router;
use portcullis_resource_server::oauth::{PublicUrl, Resource, ResourceUri, ScopeSet, SystemClock};
use portcullis_resource_server::{IntrospectionVerifier, JwtVerifier, RequireBearer, Verifier};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;

use crate::notes::{Notes, READ, WRITE};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let listener = TcpListener::bind(setting("NOTES_LISTEN")?).await?;
    let uri = ResourceUri::parse(&setting("NOTES_URI")?)?;
    let app = guarded(mcp(&uri), uri)?;
    println!("listening on {}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}

/// The five lines: nobody reaches `app` without a live token of Portcullis for exactly this server.
fn guarded(app: Router, uri: ResourceUri) -> Result<Router, Box<dyn Error>> {
    let issuer = PublicUrl::parse(&setting("PORTCULLIS_URL")?)?;
    let verifier = verifier(&issuer)?;
    let resource = Resource::new(uri, "Team notes", ScopeSet::from_iter([READ, WRITE]));
    let check = RequireBearer::new(resource, ScopeSet::from_iter([READ]), verifier, Arc::new(SystemClock));
    Ok(app.layer(check.clone()).merge(check.metadata(&issuer)))
}

/// Signed tokens are checked here, with the keys that Portcullis publishes; about opaque ones Portcullis is asked.
fn verifier(issuer: &PublicUrl) -> Result<Arc<dyn Verifier>, Box<dyn Error>> {
    if env::var("NOTES_TOKEN_FORMAT").is_ok_and(|format| format == "jwt") {
        return Ok(Arc::new(JwtVerifier::new(issuer)?));
    }
    let (id, secret) = (setting("NOTES_CLIENT_ID")?, setting("NOTES_CLIENT_SECRET")?);
    Ok(Arc::new(IntrospectionVerifier::new(issuer, id, secret)?))
}

/// The server as it would be without Portcullis.
fn mcp(uri: &ResourceUri) -> Router {
    let notes = Notes::default();
    let config = StreamableHttpServerConfig::default().with_allowed_hosts([uri.authority()]);
    let sessions = Arc::new(LocalSessionManager::default());
    let service = StreamableHttpService::new(move || Ok(notes.clone()), sessions, config);
    Router::new().nest_service("/mcp", service)
}

fn setting(name: &str) -> Result<String, String> {
    env::var(name).map_err(|_| format!("{name} is not set; README.md says what it is"))
}
