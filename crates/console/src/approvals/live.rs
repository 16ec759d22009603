//! The stream that tells an open page to look again. It says that something changed and never what: the page asks for that
//! with its own session.

use std::convert::Infallible;
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
    let Ok(place) = OPEN.try_acquire() else {
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
    _place: SemaphorePermit<'static>,
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
