//! News of approvals, for whoever waits on this node: calls, pages, and the streams of sessions. Another node's come with
//! the change feed.

use std::sync::Arc;

use portcullis_database::{Change, ChangeFeed, ChangeKind, ChangeListener};
use portcullis_oauth::{ApprovalId, PrincipalId};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// So much news waits for a slow reader; who misses some looks for itself.
const WAITING: usize = 1_024;

/// Something happened to an approval, or may have happened to any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// To this one, of this principal.
    Of(ApprovalId, PrincipalId),
    /// Nobody knows to which.
    Any,
}

impl Piece {
    /// The subject of a change that tells it.
    pub(super) fn subject(id: &ApprovalId, principal: &PrincipalId) -> String {
        format!("{id} {principal}")
    }

    fn read(subject: &str) -> Self {
        subject.split_once(' ').map_or(Self::Any, |(id, principal)| {
            Self::Of(ApprovalId::from(id.to_owned()), PrincipalId::from(principal.to_owned()))
        })
    }

    /// Whether it may be about this approval.
    #[must_use]
    pub fn is_about(&self, approval: &ApprovalId) -> bool {
        match self {
            Self::Of(id, _) => id == approval,
            Self::Any => true,
        }
    }
}

/// The board.
#[derive(Clone)]
pub(super) struct News(broadcast::Sender<Piece>);

impl News {
    pub(super) fn of(changes: &ChangeFeed) -> Self {
        let board = Self(broadcast::channel(WAITING).0);
        changes.subscribe(Arc::new(board.clone()));
        board
    }

    pub(super) fn hear(&self) -> Hearing {
        Hearing(self.0.subscribe())
    }

    fn tell(&self, piece: Piece) {
        // Nobody may be listening.
        drop(self.0.send(piece));
    }
}

impl ChangeListener for News {
    fn changed(&self, change: &Change) {
        if change.kind == ChangeKind::Approval {
            self.tell(Piece::read(&change.subject));
        }
    }

    fn missed(&self) {
        self.tell(Piece::Any);
    }
}

/// Somebody who listens.
#[derive(Debug)]
pub struct Hearing(broadcast::Receiver<Piece>);

impl Hearing {
    /// The next piece; `None` when there will be no more.
    pub async fn next(&mut self) -> Option<Piece> {
        match self.0.recv().await {
            Ok(piece) => Some(piece),
            Err(RecvError::Lagged(_)) => Some(Piece::Any),
            Err(RecvError::Closed) => None,
        }
    }
}
