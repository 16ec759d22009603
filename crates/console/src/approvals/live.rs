//! The stream that tells an open page to look again. It says that something changed and never what: the page asks for that
//! with its own session.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use portcullis_oauth::PrincipalId;
use portcullis_resource_server::{Gateway, Hearing, Piece};
use portcullis_web::Browser;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};
use tokio::time::sleep;
use tokio_stream::wrappers::ReceiverStream;

use crate::home::{Console, fault};

/// A stream lives so long; the page opens another one, with a session that is looked at again (T20).
const LIFE: Duration = Duration::from_mins(1);
/// So many are open at once on a node.
const MOST: usize = 500;
static OPEN: Semaphore = Semaphore::const_new(MOST);
/// So many of them are one person's, so that nobody takes the places of all.
const EACH: usize = 8;
static HELD: Mutex<BTreeMap<PrincipalId, usize>> = Mutex::new(BTreeMap::new());

/// `GET /approvals/events`
pub(super) async fn events(State(console): State<Console>, browser: Browser, headers: HeaderMap) -> Response {
    let user = match console.signed_in(&browser).await {
        Ok(Some(user)) => user,
        Ok(None) => return StatusCode::UNAUTHORIZED.into_response(),
        Err(cause) => return fault(&headers, &cause),
    };
    let approver = match console.is_approver(&user).await {
        Ok(approver) => approver,
        Err(cause) => return fault(&headers, &cause),
    };
    let Some(place) = Place::of(&user.id) else {
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "30")]).into_response();
    };
    let (events, body) = mpsc::channel(1);
    let teller = Teller { gateway: console.gateway().clone(), who: user.id, approver, events, _place: place };
    tokio::spawn(teller.tell(console.gateway().approvals().hear()));
    Sse::new(ReceiverStream::new(body)).keep_alive(KeepAlive::default()).into_response()
}

/// Tells one page.
struct Teller {
    gateway: Gateway,
    who: PrincipalId,
    approver: bool,
    events: mpsc::Sender<Result<Event, Infallible>>,
    _place: Place,
}

/// The right to one stream, given back when it ends.
struct Place(
    PrincipalId,
    #[expect(dead_code, reason = "it is given back when it is dropped")] SemaphorePermit<'static>,
);

impl Place {
    fn of(who: &PrincipalId) -> Option<Self> {
        let place = OPEN.try_acquire().ok()?;
        let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        let own = held.entry(who.clone()).or_default();
        (*own < EACH).then(|| {
            *own += 1;
            Self(who.clone(), place)
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut own) = held.entry(self.0.clone()) {
            *own.get_mut() -= 1;
            if *own.get() == 0 {
                own.remove();
            }
        }
    }
}

impl Teller {
    async fn tell(self, mut news: Hearing) {
        let over = sleep(LIFE);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = self.events.closed() => return,
                () = self.gateway.closing() => return,
                () = &mut over => return,
                piece = news.next() => match piece {
                    // One that waits to be sent is enough for several changes.
                    Some(piece) if self.concerns(&piece) => {
                        drop(self.events.try_send(Ok(Event::default().event("changed").data("look"))));
                    }
                    Some(_) => {}
                    None => return,
                },
            }
        }
    }

    fn concerns(&self, piece: &Piece) -> bool {
        match piece {
            Piece::Of(_, principal) => self.approver || *principal == self.who,
            Piece::Any => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use portcullis_oauth::PrincipalKind;

    use super::*;

    /// T44: one person's pages take nobody else's places, and what was closed is free again
    #[test]
    fn nobody_takes_the_places_of_all() {
        let [alice, bob] = [(); 2].map(|()| PrincipalId::generate(PrincipalKind::User));
        let mut held: Vec<Place> = std::iter::from_fn(|| Place::of(&alice)).take(EACH + 1).collect();
        assert_eq!(held.len(), EACH);
        assert!(Place::of(&bob).is_some());
        held.pop();
        assert!(Place::of(&alice).is_some());
    }
}
