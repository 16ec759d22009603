//! Somebody else's server, apart from ours: it checks signed tokens by itself, against published keys, and does nothing else.

use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use portcullis_oauth::{PublicUrl, Resource, ResourceUri, ScopeSet, SystemClock};
use portcullis_resource_server::{JwtVerifier, RequireBearer};

use crate::Outcome;

/// What its tokens are for. Nobody ever looks this host up.
pub(crate) const RESOURCE: &str = "https://signed.example/mcp";

/// Serves until it is killed. Prints its address.
pub(crate) fn serve() -> Outcome<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let issuer = PublicUrl::parse(&std::env::var("PORTCULLIS_URL")?)?;
        let resource = Resource::new(ResourceUri::parse(RESOURCE)?, "Apart", ScopeSet::from_iter(["read"]));
        let verifier = Arc::new(JwtVerifier::new(&issuer)?);
        let check = RequireBearer::new(resource, ScopeSet::default(), verifier, Arc::new(SystemClock));
        let router = Router::new().route("/mcp", get(|| async { "ok" })).layer(check);
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
