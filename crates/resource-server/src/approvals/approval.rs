//! One approval and where it stands.

use portcullis_oauth::{ApprovalId, ClientId, ConnectionId, GrantId, PrincipalId, SecretHash, Timestamp};
use sha2::{Digest, Sha256};

use super::UNUSED;

/// Consonants that look like no digit; the code only has to be seen to be the same in two places.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// Where an approval stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ApprovalState {
    /// It waits for somebody.
    Pending,
    /// Somebody agreed, and the call was not made yet.
    Approved,
    /// Somebody decided against it.
    Denied,
    /// The client said that its user decided against it.
    Declined,
    /// Nobody decided in time.
    Expired,
    /// Somebody agreed, and no call came in time.
    Lapsed,
    /// What it was for changed or ended.
    Void,
    /// A call used it and has no end yet.
    Consumed,
    /// The call's server wants to know something before it goes on.
    Asking,
    /// The call was made and succeeded.
    ExecutedOk,
    /// The call was made and failed.
    ExecutedError,
    /// The call was begun and was cut off: nobody knows whether it happened.
    OutcomeUnknown,
}

impl ApprovalState {
    /// Every state.
    pub const ALL: [Self; 12] = [
        Self::Pending,
        Self::Approved,
        Self::Denied,
        Self::Declined,
        Self::Expired,
        Self::Lapsed,
        Self::Void,
        Self::Consumed,
        Self::Asking,
        Self::ExecutedOk,
        Self::ExecutedError,
        Self::OutcomeUnknown,
    ];

    /// The state as its column, commands and addresses name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Declined => "declined",
            Self::Expired => "expired",
            Self::Lapsed => "lapsed",
            Self::Void => "void",
            Self::Consumed => "consumed",
            Self::Asking => "asking",
            Self::ExecutedOk => "executed_ok",
            Self::ExecutedError => "executed_error",
            Self::OutcomeUnknown => "outcome_unknown",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

impl TryFrom<String> for ApprovalState {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::parse(&name).ok_or_else(|| format!("there is no approval state {name}"))
    }
}

/// Who decided, when and how surely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// When.
    pub at: Timestamp,
    /// Who; the client itself has no name here.
    pub by: Option<PrincipalId>,
    /// In which way: `page`, `command` or `client`.
    pub how: String,
    /// The assurance that it gives, 0 to 3.
    pub level: u8,
}

/// An approval, without what its call says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Its name.
    pub id: ApprovalId,
    /// Whose call.
    pub principal: PrincipalId,
    /// Which program asks.
    pub client: ClientId,
    /// By which grant.
    pub grant: GrantId,
    /// At which connection.
    pub connection: ConnectionId,
    /// What its owner calls that.
    pub alias: String,
    /// The server's name for people.
    pub server: String,
    /// The account there, for people.
    pub account: String,
    /// The upstream's name of the tool.
    pub tool: String,
    /// The tool's class, as policies name it.
    pub risk: String,
    /// The rule that asks for it.
    pub rule: String,
    /// Why it is asked for, in the rule's words.
    pub reason: String,
    /// The assurance that it needs, 1 to 3.
    pub level: u8,
    /// Where it stands, by the time at which it was read.
    pub state: ApprovalState,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When nobody can decide any more.
    pub expires_at: Timestamp,
    /// The decision.
    pub decision: Option<Decision>,
    /// When a call used it.
    pub consumed_at: Option<Timestamp>,
    /// When that call ended.
    pub ended_at: Option<Timestamp>,
    /// The session that asked for it, in the era that has them.
    pub(crate) session: Option<SecretHash>,
    /// What it is for.
    pub(crate) digest: String,
}

impl Approval {
    /// Whether it is for the call of this digest.
    pub(crate) fn is_for(&self, digest: &super::Digest) -> bool {
        self.digest == digest.as_str()
    }

    /// Four letters that client and page show, so that a person sees that both mean the same call.
    #[must_use]
    pub fn code(&self) -> String {
        code(&self.id)
    }

    /// When it lapses, once it was given.
    #[must_use]
    pub fn lapses_at(&self) -> Option<Timestamp> {
        self.decision.as_ref().map(|decision| decision.at.plus(UNUSED))
    }
}

/// The match code of an approval.
fn code(id: &ApprovalId) -> String {
    let hash = Sha256::digest(id.as_str().as_bytes());
    hash.iter().take(4).map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_four_letters_and_belongs_to_its_approval() {
        let (one, two) = (ApprovalId::from("apr_1".to_owned()), ApprovalId::from("apr_2".to_owned()));
        assert_eq!(code(&one), code(&one));
        assert_ne!(code(&one), code(&two));
        assert!(code(&one).bytes().all(|byte| LETTERS.contains(&byte)) && code(&one).len() == 4);
    }

    #[test]
    fn a_state_is_read_as_it_is_written() {
        for state in ApprovalState::ALL {
            assert_eq!(ApprovalState::parse(state.as_str()), Some(state));
        }
        assert_eq!(ApprovalState::parse("maybe"), None);
    }
}
