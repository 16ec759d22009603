//! From an upstream server's address to who issues its tokens, in the order that MCP prescribes (MCP-AUTH-20): the
//! server's own challenge, protected resource metadata, authorization server metadata. Every step judges before the next
//! one asks.

#[cfg(test)]
mod tests;

use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use portcullis_oauth::client::{
    Found, MetadataFault, ProtectedResource, ReceivedChallenge, RemoteServer, RemoteUrl, well_known,
};
use portcullis_oauth::scopes::OFFLINE_ACCESS;
use portcullis_oauth::{PublicUrl, ScopeSet};
use portcullis_outbound::{Outbound, Outgoing, Unreachable};
use serde_json::json;

use super::AuthorizationError;

/// Larger documents are not read.
const LARGEST: usize = 64 * 1024;
const RESOURCE: &str = "what the server says about its tokens (protected resource metadata)";
const ISSUER: &str = "what the server's authorization server says about itself";

/// Who issues the tokens of a server, and what to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Discovered {
    /// What tokens are for.
    pub(crate) resource: RemoteUrl,
    /// Who issues them.
    pub(crate) server: RemoteServer,
    /// What the server says that it needs: its challenge, else its metadata (MCP's scope selection).
    pub(crate) scope: ScopeSet,
}

/// Looks around for one deployment.
#[derive(Clone, Debug)]
pub(crate) struct Discovery {
    outbound: Outbound,
    /// Whether this deployment is published on this computer alone, and may therefore talk to this computer.
    loopback: bool,
}

impl Discovery {
    pub(crate) fn new(outbound: Outbound, public_url: &PublicUrl) -> Self {
        Self { outbound, loopback: public_url.is_loopback() }
    }

    /// Finds out who issues tokens for the server at `url`.
    pub(crate) async fn of(&self, url: &str) -> Result<Discovered, AuthorizationError> {
        let url = RemoteUrl::parse(url, self.loopback).map_err(|error| {
            AuthorizationError::Metadata("the server's address", MetadataFault::Url("url", error))
        })?;
        let challenge = self.challenge(&url).await?;
        let resource = self.resource(&url, &challenge).await?;
        let server = self.server(&resource.authorization_server).await?;
        let mut scope =
            if challenge.scope.is_empty() { resource.scopes.unwrap_or_default() } else { challenge.scope };
        // Without it some servers give no refresh token; only theirs to list (MCP-AUTH-12).
        if server.scopes_supported.contains(OFFLINE_ACCESS) {
            scope = scope.union(&ScopeSet::from_iter([OFFLINE_ACCESS]));
        }
        Ok(Discovered { resource: resource.resource, server, scope })
    }

    /// What the server says to somebody without a token. Any answer but a refusal says nothing.
    async fn challenge(&self, url: &RemoteUrl) -> Result<ReceivedChallenge, AuthorizationError> {
        let question = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string();
        let asked = Outgoing::post(url.as_str(), "application/json", question)
            .accepting("application/json, text/event-stream")
            .at_most(LARGEST);
        match self.outbound.send(asked).await {
            Ok(answer) if answer.status == StatusCode::UNAUTHORIZED => {
                let values = answer.headers.get_all(WWW_AUTHENTICATE).iter();
                Ok(ReceivedChallenge::read(values.filter_map(|value| value.to_str().ok()))
                    .unwrap_or_default())
            }
            Ok(_) => Ok(ReceivedChallenge::default()),
            Err(unreachable) if is_refused(&unreachable) => {
                Err(AuthorizationError::Unreachable("the server", unreachable))
            }
            // One that streams without end, or speaks another transport, may have metadata all the same.
            Err(_) => Ok(ReceivedChallenge::default()),
        }
    }

    async fn resource(
        &self,
        url: &RemoteUrl,
        challenge: &ReceivedChallenge,
    ) -> Result<ProtectedResource, AuthorizationError> {
        // A document at another origin could name anybody's authorization server, and the user would see that one's page.
        let named = challenge.resource_metadata.as_deref();
        let named = named.and_then(|place| RemoteUrl::parse(place, self.loopback).ok());
        let named = named.filter(|place| place.origin() == url.origin());
        let read = |place: &str, body: &[u8]| {
            let found = if named.is_some() { Found::Named(place) } else { Found::WellKnown(place) };
            ProtectedResource::read(body, url, found, self.loopback)
        };
        let places = match &named {
            Some(place) => vec![place.as_str().to_owned()],
            None => well_known::protected_resource(url),
        };
        match self.first(&places, read).await {
            // Servers of the revision 2025-03-26 know no such document; their own origin is their issuer.
            Err(Nothing::Absent) if named.is_none() => self.origin_as_issuer(url),
            found => found.map_err(|nothing| nothing.at(RESOURCE)),
        }
    }

    fn origin_as_issuer(&self, url: &RemoteUrl) -> Result<ProtectedResource, AuthorizationError> {
        let origin = RemoteUrl::parse(&url.origin(), self.loopback).map_err(|error| {
            AuthorizationError::Metadata("the server's address", MetadataFault::Url("url", error))
        })?;
        Ok(ProtectedResource { resource: url.clone(), authorization_server: origin, scopes: None })
    }

    /// The metadata of one issuer, judged.
    pub(crate) async fn server(&self, issuer: &RemoteUrl) -> Result<RemoteServer, AuthorizationError> {
        // R8414-2-1: an issuer has neither query nor fragment.
        if issuer.as_str().contains('?') {
            return Err(AuthorizationError::Metadata(ISSUER, MetadataFault::Issuer));
        }
        let places = well_known::authorization_server(issuer);
        let read = |_: &str, body: &[u8]| RemoteServer::read(body, issuer, self.loopback);
        self.first(&places, read).await.map_err(|nothing| nothing.at(ISSUER))
    }

    /// The first of these places at which a good document stands. If there is none: what was wrong with the first that
    /// stood somewhere.
    async fn first<T>(
        &self,
        places: &[String],
        read: impl Fn(&str, &[u8]) -> Result<T, MetadataFault>,
    ) -> Result<T, Nothing> {
        let mut nothing = Nothing::Absent;
        for place in places {
            let found = match self.outbound.send(Outgoing::get(place).at_most(LARGEST)).await {
                Ok(answer) if answer.status == StatusCode::OK && is_json(&answer.headers) => {
                    read(place, &answer.body).map_err(Nothing::Bad)
                }
                // A redirect is no document, and nobody follows it (T14).
                Ok(_) => Err(Nothing::Absent),
                Err(unreachable) => Err(Nothing::Unreachable(unreachable)),
            };
            match found {
                Ok(found) => return Ok(found),
                Err(why) => nothing = nothing.or(why),
            }
        }
        Err(nothing)
    }
}

/// Why no document was found.
#[derive(Debug)]
enum Nothing {
    Absent,
    Unreachable(Unreachable),
    Bad(MetadataFault),
}

impl Nothing {
    /// The one that tells more.
    fn or(self, other: Self) -> Self {
        match (&self, &other) {
            (Self::Absent, _) | (Self::Unreachable(_), Self::Bad(_)) => other,
            _ => self,
        }
    }

    fn at(self, what: &'static str) -> AuthorizationError {
        match self {
            Self::Absent => AuthorizationError::NotOffered,
            Self::Unreachable(unreachable) => AuthorizationError::Unreachable(what, unreachable),
            Self::Bad(fault) => AuthorizationError::Metadata(what, fault),
        }
    }
}

/// Whether the guarded client would not go there, as opposed to finding nobody.
fn is_refused(unreachable: &Unreachable) -> bool {
    use portcullis_outbound::Failure;
    matches!(unreachable.cause, Failure::Url | Failure::Scheme | Failure::Address(_))
}

/// Pages that are served for every address are no documents.
fn is_json(headers: &HeaderMap) -> bool {
    let essence = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = essence.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}
