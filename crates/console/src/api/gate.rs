//! What stands around every operation: the caller's share, what their token needs, and the paper trail. Each refusal is one
//! event with its code; so is each change, beside what the store itself notes, to say who made it through which client.

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use portcullis_audit::{Action, Event, Outcome};
use portcullis_limits::Verdict;
use portcullis_oauth::{ErrorBody, ScopeSet, TokenScheme, VerifiedBearer};
use portcullis_resource_server::Forbidden;
use portcullis_resource_server::challenge::Unauthorized;
use serde_json::json;

use super::Api;
use super::operation::Operation;
use super::problem::{Code, MEDIA_TYPE, Problem};

/// The operation that a request turned out to be.
#[derive(Clone, Copy)]
struct Named(&'static str);

/// Before every operation, known or not: the caller's share. Who asks is left in the answer for [`tell`].
pub(super) async fn admit(State(api): State<Api>, request: Request, next: Next) -> Response {
    let Some(bearer) = request.extensions().get::<VerifiedBearer>().cloned() else {
        return next.run(request).await;
    };
    let verdict = api.0.limit.check(bearer.principal().id.as_str(), api.clock.now());
    let mut response = match verdict {
        Verdict::Allowed => next.run(request).await,
        Verdict::Refused { retry_after } => Problem::too_often(retry_after).into_response(),
    };
    response.extensions_mut().insert(bearer);
    response
}

/// The route of an operation, with what a token needs asked before it.
pub(super) fn scoped(api: &Api, operation: Operation) -> MethodRouter<Api> {
    let (id, scope) = (operation.id, operation.scope);
    operation.handler.route_layer(from_fn_with_state((api.clone(), id, scope), suffices))
}

async fn suffices(
    State((api, id, scope)): State<(Api, &'static str, &'static str)>,
    request: Request,
    next: Next,
) -> Response {
    let bearer = request.extensions().get::<VerifiedBearer>();
    let given = bearer.is_some_and(|bearer| bearer.scope().contains(scope));
    // SBP-10: a scope is no permission; who is no longer an administrator has the token, and not what it says.
    let permitted = bearer.is_some_and(|bearer| bearer.effective_scope().contains(scope));
    let scheme = bearer.map_or(TokenScheme::Bearer, |bearer| TokenScheme::of(bearer.confirmation()));
    let mut response = match (given, permitted) {
        (false, _) => {
            let why = Unauthorized::InsufficientScope(ScopeSet::from_iter([scope]));
            why.respond(api.registry.api(), scheme, api.dpop)
        }
        (true, false) => {
            let told = "Your account does not have this permission, whatever the token was given.";
            Problem::new(StatusCode::FORBIDDEN, "permission_missing", told).into_response()
        }
        (true, true) => next.run(request).await,
    };
    response.extensions_mut().insert(Named(id));
    response
}

/// Around everything: every refusal is a problem, whoever made it, nothing is kept on the way, and what was refused or changed
/// is in the paper trail.
pub(super) async fn tell(State(api): State<Api>, request: Request, next: Next) -> Response {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let mut response = problem(next.run(request).await).await;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let status = response.status();
    let now = api.clock.now();
    let event = match response.extensions().get::<Code>() {
        Some(Code(code)) if status.is_server_error() => {
            Some(Event::new(now, Action::ApiRequest, Outcome::Failed).because(code))
        }
        Some(Code(code)) => Some(Event::new(now, Action::ApiRequest, Outcome::Refused).because(code)),
        None if changes => Some(Event::new(now, Action::ApiRequest, Outcome::Done)),
        None => None,
    };
    if let Some(event) = event {
        api.trail.note(by(event, &response)).await;
    }
    response
}

/// The event with who asked for what.
fn by(mut event: Event, response: &Response) -> Event {
    if let Some(bearer) = response.extensions().get::<VerifiedBearer>() {
        event = event.by(&bearer.principal().id).through(bearer.client_id());
        if let Some(email) = &bearer.standing().email {
            event = event.known_as(email);
        }
    }
    if let Some(forbidden) = response.extensions().get::<Forbidden>() {
        event = forbidden.noted(event);
    }
    match response.extensions().get::<Named>() {
        Some(Named(id)) => event.with(json!({ "operation": id })),
        None => event,
    }
}

/// What others refused, in the form of the API: the bearer check, and the router where there is no such method.
async fn problem(response: Response) -> Response {
    let status = response.status();
    let is_told = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == MEDIA_TYPE);
    if is_told || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let body = to_bytes(body, 16 * 1024).await.unwrap_or_default();
    let told = match serde_json::from_slice::<ErrorBody>(&body) {
        Ok(error) => Problem::new(status, error.error.as_str(), error.error_description),
        Err(_) => usual(status),
    };
    let (made, body) = told.into_response().into_parts();
    parts.headers.remove(axum::http::header::CONTENT_LENGTH);
    parts.headers.extend(made.headers);
    parts.extensions.extend(made.extensions);
    Response::from_parts(parts, body)
}

fn usual(status: StatusCode) -> Problem {
    match status {
        StatusCode::METHOD_NOT_ALLOWED => Problem::new(
            status,
            "method_unknown",
            "This path has no such method; Allow names those that it has.",
        ),
        StatusCode::NOT_FOUND => {
            Problem::missing("path_unknown", "There is nothing at this path of the API.")
        }
        _ => Problem::new(status, "refused", "The request was refused."),
    }
}
