//! Back-channel logout (OpenID Connect Back-Channel Logout): clients of a session that is over are told so, through the
//! guarded client, some times, until one telling succeeds. A notice is written with what ends the session; whoever finds it
//! due delivers it, so that neither a crash nor a command in another process loses one.

use std::sync::Arc;

use portcullis_audit::{Action, Event, Outcome};
use portcullis_database::DatabaseError;
use portcullis_oauth::jose::LogoutTokenClaims;
use portcullis_oauth::{Seconds, Secret, Timestamp};
use portcullis_outbound::Outgoing;
use portcullis_web::SignedIn;
use tokio::task::JoinSet;

use crate::Core;
use crate::store::{self, Client, LogoutNotice, SigningKeyError};

/// How long after each failure it is tried again; afterwards no more.
const PAUSES: [Seconds; 4] = [Seconds(10), Seconds(60), Seconds(300), Seconds(1_800)];
/// Who receives a notice may take no longer than that before another node tries.
const LEASE: Seconds = Seconds(90);

/// A session is over: what its clients may still learn of the person ends with it, and they are to be told.
pub(crate) async fn session_over(
    core: &Core,
    session: &SignedIn,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    let Some(sid) = &session.sid else { return Ok(()) };
    let mut transaction = core.database.begin().await?;
    store::end_sid_in(&mut transaction, sid, now).await?;
    transaction.commit().await
}

/// Delivers what is due at `now`.
pub(crate) async fn deliver(core: &Arc<Core>, now: Timestamp) -> Result<(), DatabaseError> {
    loop {
        let due = core.logout_notices.claim(now, now.plus(LEASE)).await?;
        if due.is_empty() {
            return Ok(());
        }
        let mut under_way = JoinSet::new();
        for notice in due {
            let core = core.clone();
            under_way.spawn(async move { deliver_one(&core, &notice, now).await });
        }
        while let Some(delivered) = under_way.join_next().await {
            match delivered {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(cause = ?error, "a logout notice waits for its next attempt");
                }
                Err(error) => tracing::error!(cause = ?error, "a logout notice could not be delivered"),
            }
        }
    }
}

async fn deliver_one(core: &Core, notice: &LogoutNotice, now: Timestamp) -> Result<(), SigningKeyError> {
    let client = core.clients.find(&notice.client_id).await?.filter(|client| client.disabled_at.is_none());
    let uri = client.as_ref().and_then(|client| client.metadata.openid.backchannel_logout_uri.clone());
    let Some((client, uri)) = client.zip(uri) else {
        // It is gone, or wants to hear no more.
        return Ok(core.logout_notices.remove(notice).await?);
    };
    let token = token(core, &client, notice, now).await?;
    let body = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("logout_token", token.expose())
        .finish();
    let outgoing = Outgoing::post(uri.as_str(), "application/x-www-form-urlencoded", body);
    let reason = match core.outbound.send(outgoing).await {
        Ok(answer) if answer.status.is_success() => None,
        Ok(_) => Some("answer_status"),
        Err(unreachable) => Some(unreachable.cause.as_str()),
    };
    let event =
        |outcome| Event::new(now, Action::LogoutNotice, outcome).by(&notice.principal_id).through(&client.id);
    let Some(reason) = reason else {
        core.note(event(Outcome::Done)).await;
        return Ok(core.logout_notices.remove(notice).await?);
    };
    let pause =
        usize::try_from(notice.attempts).ok().and_then(|attempts| PAUSES.get(attempts.saturating_sub(1)));
    core.note(event(Outcome::Failed).because(reason).with(serde_json::json!({"again": pause.is_some()})))
        .await;
    match pause {
        Some(pause) => Ok(core.logout_notices.postpone(notice, now.plus(*pause)).await?),
        None => Ok(core.logout_notices.remove(notice).await?),
    }
}

/// Back-Channel Logout §2.4, signed as the client's ID tokens are.
async fn token(
    core: &Core,
    client: &Client,
    notice: &LogoutNotice,
    now: Timestamp,
) -> Result<Secret, SigningKeyError> {
    let key = core.signing.signer(client.metadata.openid.algorithm(), now).await?;
    let about = (notice.principal_id.clone(), notice.sid.clone());
    let claims =
        LogoutTokenClaims::new(core.public_url().clone(), client.id.clone(), about, notice.id.clone(), now);
    Ok(claims.sign(&key)?)
}
