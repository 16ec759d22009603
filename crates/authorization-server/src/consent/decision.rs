//! What the user's answer does: a grant with exactly what was ticked, handed over; or `access_denied`.

use axum::response::Response;
use portcullis_audit::{Action, Event, Outcome};
use portcullis_database::DatabaseError;
use portcullis_oauth::{ConnectionId, Form, GrantType, ScopeSet, Timestamp, scopes};
use portcullis_web::Browser;

use super::answer::Given;
use super::pending::{Asked, Pending};
use super::{gone, question};
use crate::Core;
use crate::attempt::{self, Reason, Step};
use crate::openid;
use crate::page_error::PageError;
use crate::store::{self, NewGrant, Target, Targets};

/// What was ticked, as far as it was offered.
struct Ticked {
    targets: Targets,
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
        return deny(core, browser, &pending, (now, Denial::ByUser)).await;
    }
    let ticked = match read(core, &pending, form).await? {
        Ok(ticked) => ticked,
        Err(Problem::NoSuchConnection) => {
            return deny(core, browser, &pending, (now, Denial::NoSuchConnection)).await;
        }
        Err(Problem::NothingTicked(text)) => {
            attempt::refused((Step::Consent, Reason::NothingTicked), "at least one permission", "none");
            return question::show(core, browser, &pending, Some((form, text))).await;
        }
    };
    attempt::person(&pending.user.id);
    let given = grant(core, &pending, &ticked, now).await?.ok_or_else(gone)?;
    for target in ticked.targets.iter() {
        let got = format!("{} allowed {} at {}", pending.user.email, target.scope, target.resource);
        attempt::passed(Step::Consent, format_args!("yes or no to {}", pending.scope()), got);
    }
    attempt::decided();
    pending.allowed(core, browser, &given).await
}

/// Why nothing is given.
#[derive(Clone, Copy)]
enum Denial {
    ByUser,
    NoSuchConnection,
}

impl Denial {
    /// The reason code in the paper trail.
    const fn as_str(self) -> &'static str {
        match self {
            Self::ByUser => "user_denied",
            Self::NoSuchConnection => "no_such_connection",
        }
    }
}

/// Why an approval cannot be taken as it is.
enum Problem {
    /// The resource is a connection that this user does not have.
    NoSuchConnection,
    /// Approved, and nothing given.
    NothingTicked(&'static str),
}

async fn read(core: &Core, pending: &Pending, form: &Form) -> Result<Result<Ticked, Problem>, PageError> {
    let stays =
        question::asks_to_stay(pending) && form.all("scope").any(|scope| scope == scopes::OFFLINE_ACCESS);
    let mut targets = Vec::new();
    for (index, asked) in pending.targets.iter().enumerate() {
        let (offered, field) = (question::offered(pending, asked), question::field(index));
        let given = openid::whole(form.all(&field).filter(|scope| offered.contains(scope)).collect());
        if given.is_empty() {
            continue;
        }
        // It gives no permission, so it is nobody's in particular and goes with each.
        let stay = ScopeSet::from_iter(stays.then_some(scopes::OFFLINE_ACCESS));
        targets.push(Target { resource: asked.resource.uri.clone(), scope: given.union(&stay) });
    }
    let Some(mut targets) = Targets::of(targets) else {
        return Ok(Err(Problem::NothingTicked("Tick at least one permission, or deny.")));
    };
    let connections = match connections(core, pending, (&targets, form)).await? {
        Reached::All => None,
        Reached::Named(named) => Some(named),
        Reached::Missing => return Ok(Err(Problem::NoSuchConnection)),
    };
    // Who signs in is told beside something, never instead of it.
    let identity = question::identity(core, pending);
    let told: ScopeSet = form.all("scope").filter(|scope| identity.contains(scope)).collect();
    targets.further.extend(openid::beside(core, &pending.client, &told));
    // DC-6: asked for or not, it gives no permission; but who unticks "stay connected" gets no refresh token.
    let may_refresh = stays || !question::asks_to_stay(pending);
    Ok(Ok(Ticked { targets, connections, may_refresh }))
}

/// The connections that a grant reaches.
enum Reached {
    All,
    Named(Vec<ConnectionId>),
    /// One that was asked for by its name, and that this user does not have.
    Missing,
}

/// Connections are the gateway's; another server's tokens reach none.
async fn connections(
    core: &Core,
    pending: &Pending,
    (ticked, form): (&Targets, &Form),
) -> Result<Reached, PageError> {
    let owned = question::connections(core, pending).await?;
    let is_ticked = |asked: &&Asked| ticked.iter().any(|target| target.resource == asked.resource.uri);
    let mut named = Vec::new();
    for asked in pending.targets.iter().filter(is_ticked) {
        match &asked.resource.alias {
            _ if !asked.is_for_gateway() => {}
            Some(alias) => match owned.iter().find(|connection| connection.alias == *alias) {
                Some(connection) => named.push(connection.id.clone()),
                None => return Ok(Reached::Missing),
            },
            None if form.one("all_connections").ok().flatten() == Some("yes") => return Ok(Reached::All),
            None => {
                let ticked: Vec<&str> = form.all("connection").collect();
                let ids = owned.iter().map(|connection| &connection.id);
                named.extend(ids.filter(|id| ticked.contains(&id.as_str())).cloned());
            }
        }
    }
    Ok(Reached::Named(named))
}

/// Decides the request, once, and writes and hands over the grant in the same transaction. `None`: it was decided before.
async fn grant(
    core: &Core,
    pending: &Pending,
    ticked: &Ticked,
    now: Timestamp,
) -> Result<Option<Given>, DatabaseError> {
    let mut transaction = core.database.begin().await?;
    if !pending.decide_in(&mut transaction, now).await? {
        return Ok(None);
    }
    let new = NewGrant {
        principal: &pending.user.id,
        client: &pending.client.id,
        redirect_host: pending.given_to(),
        targets: &ticked.targets,
        connections: ticked.connections.as_deref(),
        // What the client was registered for now: a document that adds to it later adds nothing to this (A37).
        may_refresh: ticked.may_refresh && pending.client.may_use(GrantType::RefreshToken),
        metadata: &pending.client.metadata,
        attempt: pending.attempt.as_ref(),
    };
    let grant = store::create_grant_in(&mut transaction, &new, now).await?;
    openid::record_in(core, &mut transaction, &grant, (&ticked.targets, &pending.sign_in)).await?;
    let given = pending.give_in(&mut transaction, (&grant, &ticked.targets.first.resource), now).await?;
    let event = Event::new(now, Action::Consent, Outcome::Done)
        .by(&pending.user.id)
        .known_as(&pending.user.email)
        .through(&pending.client.id);
    let detail = serde_json::json!({
        "requested": pending.scope(), "granted": ticked.targets.iter().collect::<Vec<_>>(),
        "given_to": pending.given_to(),
    });
    portcullis_audit::record_in(&mut transaction, event.with(detail)).await?;
    transaction.commit().await?;
    Ok(Some(given))
}

async fn deny(
    core: &Core,
    browser: &Browser,
    pending: &Pending,
    (now, reason): (Timestamp, Denial),
) -> Result<Response, PageError> {
    attempt::person(&pending.user.id);
    let mut transaction = core.database.begin().await?;
    if !pending.decide_in(&mut transaction, now).await? {
        return Err(gone());
    }
    transaction.commit().await?;
    let (why, got) = match reason {
        Denial::ByUser => (Reason::Denied, "no"),
        Denial::NoSuchConnection => (Reason::NoSuchConnection, "no connection of that name"),
    };
    attempt::refused((Step::Consent, why), format_args!("yes to {}", pending.scope()), got);
    let event = Event::new(now, Action::Consent, Outcome::Refused).because(reason.as_str());
    core.note(event.by(&pending.user.id).known_as(&pending.user.email).through(&pending.client.id)).await;
    pending.denied(core, browser).await
}
