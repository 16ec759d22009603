//! What the user's answer does: a grant with exactly what was ticked, and a code; or `access_denied`.

use axum::response::Response;
use portcullis_audit::{Action, Event, Outcome};
use portcullis_database::DatabaseError;
use portcullis_oauth::{ConnectionId, Error, ErrorCode, Form, ScopeSet, Secret, Timestamp, scopes};
use portcullis_web::Browser;

use super::{Pending, gone, question};
use crate::Core;
use crate::authorize::{error_response, see_other};
use crate::page_error::PageError;
use crate::store::{self, NewCode, NewGrant};

/// What was ticked, as far as it was offered.
struct Ticked {
    scopes: ScopeSet,
    /// `None`: all of them, also those added later.
    connections: Option<Vec<ConnectionId>>,
    may_refresh: bool,
}

pub(super) async fn take(
    core: &Core,
    browser: &Browser,
    pending: Pending,
    form: &Form,
) -> Result<Response, PageError> {
    let now = core.clock.now();
    if form.one("decision").ok().flatten() != Some("approve") {
        return deny(core, &pending, now, "user_denied").await;
    }
    let ticked = match read(core, &pending, form).await? {
        Ok(ticked) => ticked,
        Err(Problem::NoSuchConnection) => return deny(core, &pending, now, "no_such_connection").await,
        Err(Problem::NothingTicked(text)) => {
            return question::show(core, browser, &pending, Some((form, text))).await;
        }
    };
    let code = grant(core, &pending, &ticked, now).await?.ok_or_else(gone)?;
    let mut parameters = vec![("code", code.expose())];
    parameters.extend(pending.request.state.as_deref().map(|state| ("state", state)));
    parameters.push(("iss", core.public_url().as_str()));
    Ok(see_other(&pending.destination.location(&parameters)))
}

/// Why an approval cannot be taken as it is.
enum Problem {
    /// The resource is a connection that this user does not have.
    NoSuchConnection,
    /// Approved, and nothing given.
    NothingTicked(&'static str),
}

async fn read(core: &Core, pending: &Pending, form: &Form) -> Result<Result<Ticked, Problem>, PageError> {
    let offered = question::offered(pending);
    let scopes: ScopeSet = form.all("scope").filter(|scope| offered.contains(scope)).collect();
    if !scopes.iter().any(|scope| scope != scopes::OFFLINE_ACCESS) {
        return Ok(Err(Problem::NothingTicked("Tick at least one permission, or deny.")));
    }
    let owned = question::connections(core, pending).await?;
    let connections = match question::resource(core, pending).alias {
        Some(alias) => match owned.into_iter().find(|connection| connection.alias == alias) {
            Some(connection) => Some(vec![connection.id]),
            None => return Ok(Err(Problem::NoSuchConnection)),
        },
        None if form.one("all_connections").ok().flatten() == Some("yes") => None,
        None => {
            let named: Vec<&str> = form.all("connection").collect();
            Some(
                owned
                    .into_iter()
                    .map(|connection| connection.id)
                    .filter(|id| named.contains(&id.as_str()))
                    .collect(),
            )
        }
    };
    // DC-6: asked for or not, it gives no permission; but who unticks "stay connected" gets no refresh token.
    let declined = offered.contains(scopes::OFFLINE_ACCESS) && !scopes.contains(scopes::OFFLINE_ACCESS);
    Ok(Ok(Ticked { scopes, connections, may_refresh: !declined }))
}

/// Decides the request, once, and writes grant and code in the same transaction. `None`: it was decided before.
async fn grant(
    core: &Core,
    pending: &Pending,
    ticked: &Ticked,
    now: Timestamp,
) -> Result<Option<Secret>, DatabaseError> {
    let mut transaction = core.database.begin().await?;
    if !store::decide_request_in(&mut transaction, &pending.handle, &pending.mark, now).await? {
        return Ok(None);
    }
    let new = NewGrant {
        principal: &pending.user.id,
        client: &pending.client.id,
        redirect_host: pending.destination.host(),
        resource: &pending.request.resource,
        scopes: &ticked.scopes,
        connections: ticked.connections.as_deref(),
        may_refresh: ticked.may_refresh,
    };
    let grant = store::create_grant_in(&mut transaction, &new, now).await?;
    let code = NewCode {
        grant: &grant,
        redirect_uri: &pending.request.redirect_uri,
        code_challenge: &pending.request.code_challenge,
        resource: &pending.request.resource,
    };
    let code = store::create_code_in(&mut transaction, &code, now).await?;
    let event =
        Event::new(now, Action::Consent, Outcome::Done).by(&pending.user.id).through(&pending.client.id);
    let detail = serde_json::json!({
        "requested": pending.request.scope, "granted": ticked.scopes, "resource": pending.request.resource,
    });
    portcullis_audit::record_in(&mut transaction, event.with(detail)).await?;
    transaction.commit().await?;
    Ok(Some(code))
}

async fn deny(
    core: &Core,
    pending: &Pending,
    now: Timestamp,
    reason: &'static str,
) -> Result<Response, PageError> {
    let mut transaction = core.database.begin().await?;
    if !store::decide_request_in(&mut transaction, &pending.handle, &pending.mark, now).await? {
        return Err(gone());
    }
    transaction.commit().await?;
    let event = Event::new(now, Action::Consent, Outcome::Refused).because(reason);
    core.note(event.by(&pending.user.id).through(&pending.client.id)).await;
    let error = Error::new(ErrorCode::AccessDenied, "the user did not allow it");
    Ok(error_response(core, &pending.destination, pending.request.state.as_deref(), &error))
}
