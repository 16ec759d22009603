//! What happens to an approval, as the paper trail names it.

/// What happened to a call that waits for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApprovalEvent {
    /// A call asked for it.
    Created,
    /// Somebody who may decide saw it for the first time.
    Shown,
    /// Somebody decided.
    Decided,
    /// A call used it up, before it was dispatched.
    Consumed,
    /// The call that used it came to an end.
    Executed,
    /// It allows nothing any more, though nobody decided against it.
    Refused,
    /// Its time was over.
    Expired,
}

impl ApprovalEvent {
    /// The event as rows and exports name it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "approval.created",
            Self::Shown => "approval.shown",
            Self::Decided => "approval.decided",
            Self::Consumed => "approval.consumed",
            Self::Executed => "approval.executed",
            Self::Refused => "approval.refused",
            Self::Expired => "approval.expired",
        }
    }
}
