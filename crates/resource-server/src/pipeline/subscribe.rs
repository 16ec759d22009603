//! Single resources of which a client wants to hear when they change: `resources/subscribe`, and the filter of
//! `subscriptions/listen`. The steps are those of reading one, since who may not read a resource may not hear of it either; they
//! are taken again whenever there is something to tell, for what was allowed may be over by then (T20).

use std::sync::Arc;

use portcullis_audit::{Action, Outcome, trace};
use portcullis_oauth::ConnectionId;
use tracing::Instrument;

use super::answer::Answer;
use super::call::{Form, failed};
use super::case::Case;
use super::target::Target;
use super::{Caller, note, session, target};
use crate::errand::{Dispatch, Errand, Extras};
use crate::gateway::Inner;
use crate::policy::{self, Decided, Permitted, Ruling};
use crate::protocol::code;
use crate::refusal::Refusal;
use crate::session::Session;
use crate::session::subscriptions::{MOST_WATCHED, Subscribed, Subscription};
use crate::upstream::Eye;

/// The connection that a name leads to, and the right to watch the resource there.
type Audible = (ConnectionId, Permitted<Dispatch>);

/// Whether clients are told here when single resources change, as far as is known.
pub(super) async fn is_offered(caller: &Caller) -> Result<bool, Refusal> {
    let Some(alias) = &caller.resource.alias else { return Ok(true) };
    let connection = target::find(caller, alias).await?;
    Ok(connection.is_none_or(|connection| caller.gateway.upstreams.tells_of_resources(&connection)))
}

/// Has the caller's session watch a resource.
pub(super) async fn begin(caller: &Caller, case: &mut Case, uri: String) -> Result<Answer, Refusal> {
    case.names(&uri);
    let (connection_id, permitted) = judge(caller, case, &uri).await?;
    let Some(session) = caller.session.clone() else { return Ok(Answer::empty()) };
    let (gateway, case) = (Arc::clone(&caller.gateway), case.clone());
    // HTTP25-13: what was begun is done and noted, whether or not its client waits for it.
    let work = async move {
        let eye = match watch(&gateway, &case, permitted).await {
            Ok(eye) => eye,
            Err(failure) => return Ok(Answer::Failed(failure)),
        };
        if let Err(refused) = keep(&gateway, &session, &Subscription { uri, connection_id }).await {
            case.refused(&gateway, &refused).await;
            return Ok(Answer::Failed(refused));
        }
        // From here on the session's own streams see to it.
        drop(eye);
        gateway.trail.note(case.end(&gateway, Outcome::Done, "subscription")).await;
        Ok(Answer::empty())
    };
    let work = Box::pin(work.in_current_span());
    let work = caller.gateway.tasks.spawn(trace::carry(work));
    work.await.map_err(|error| Refusal::unavailable(&error))?
}

/// Has the caller's session watch a resource no longer, whatever became of the resource and of the right to read it.
pub(super) async fn end(caller: &Caller, case: &mut Case, uri: String) -> Result<Answer, Refusal> {
    case.names(&uri);
    if let Some(session) = &caller.session {
        let ended = caller.gateway.sessions.unsubscribe(session, &uri, case.now).await;
        ended.map_err(|error| Refusal::unavailable(&error))?;
    }
    // The paper trail is told where it lies, if that can be told.
    drop(target::locate(caller, case, &Errand::Resource { uri }).await);
    caller.gateway.trail.note(case.end(&caller.gateway, Outcome::Done, "subscription")).await;
    Ok(Answer::empty())
}

/// Watches a resource for a stream of the era without sessions; nothing where that may not be, or cannot.
pub(super) async fn for_stream(caller: &Caller, mut case: Case, uri: &str) -> Option<Eye> {
    case.action = Action::ResourceSubscribe;
    case.names(uri);
    let permitted = match judge(caller, &mut case, uri).await {
        Ok((_, permitted)) => permitted,
        Err(refused) => {
            case.refused(&caller.gateway, &refused).await;
            return None;
        }
    };
    let eye = watch(&caller.gateway, &case, permitted).await.ok()?;
    caller.gateway.trail.note(case.end(&caller.gateway, Outcome::Done, "subscription")).await;
    Some(eye)
}

/// The right to watch what was watched before. Nobody asked just now, so the paper trail is told of nothing.
pub(super) async fn still(caller: &Caller, case: &Case, uri: &str) -> Option<Audible> {
    decide(caller, &mut case.clone(), uri).await.ok()?.0.ok()
}

/// Whether the caller may still hear that a resource of this connection changed, by the name that it has for them.
pub(super) async fn may_hear(caller: &Caller, case: &Case, (connection, uri): (&ConnectionId, &str)) -> bool {
    let mut case = case.clone();
    let Ok((Ok((found, _)), _)) = decide(caller, &mut case, uri).await else { return false };
    // A server may name a part of what was asked for, in its own words (T34).
    let is_clean = case.secrets().is_some_and(|secrets| secrets.removed_from_text(uri.to_owned()) == uri);
    found == *connection && is_clean
}

/// The steps of reading it up to the policy, and what the paper trail has to know of them.
async fn judge(caller: &Caller, case: &mut Case, uri: &str) -> Result<Audible, Refusal> {
    let (judged, decided) = decide(caller, case, uri).await?;
    if let Some(decided) = decided {
        note::decided(caller, case, decided).await;
    }
    judged
}

async fn decide(
    caller: &Caller,
    case: &mut Case,
    uri: &str,
) -> Result<(Result<Audible, Refusal>, Option<Decided>), Refusal> {
    let errand = Errand::Resource { uri: uri.to_owned() };
    let Target { ground, seen, own, .. } = target::locate(caller, case, &errand).await?;
    let id = ground.connection().id.clone();
    let wanted = (errand.named(&own), Extras::default());
    Ok(match policy::decide(&ground, seen, wanted, caller.gateway.clock.now()) {
        Ok(Ruling::Permitted(permitted, decided)) => (Ok((id, permitted)), Some(decided)),
        Ok(Ruling::Needs(need, _)) => (Err(Form::Other.not_approvable(&need)), Some(need.decided)),
        Err(denial) => (Err(Form::Other.refuse(denial.reason, denial.text)), denial.decided),
    })
}

/// Watches it until the eye is dropped. A failure is noted here.
async fn watch(gateway: &Inner, case: &Case, permitted: Permitted<Dispatch>) -> Result<Eye, Refusal> {
    let failure = match gateway.upstreams.subscribe(permitted).await {
        Ok(eye) => return Ok(eye),
        Err(failure) => failed((Form::Other, case), failure),
    };
    case.without_result(gateway, Outcome::Failed, &failure).await;
    Err(failure)
}

/// Keeps it with the session, so that every node knows.
async fn keep(gateway: &Inner, session: &Session, subscription: &Subscription) -> Result<(), Refusal> {
    match gateway.sessions.subscribe(session, subscription, gateway.clock.now()).await {
        Ok(Subscribed::Kept) => Ok(()),
        Ok(Subscribed::Full) => {
            let text =
                format!("A session watches {MOST_WATCHED} resources at most: unsubscribe from another one.");
            Err(Refusal::error("subscriptions_full", code::INVALID_PARAMS, text))
        }
        Ok(Subscribed::Gone) => Err(session::unknown()),
        Err(error) => Err(Refusal::unavailable(&error)),
    }
}
