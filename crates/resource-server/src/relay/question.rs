//! What an upstream asks back while it works on a request: something of the person, of the client's model, or where the client
//! works (MRTR-2). Whether it may ask so at all is told here; what each kind may not say is told in a file of its own.

use portcullis_oauth::PublicUrl;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::tally::Tally;
use super::{Origin, Secrets, elicitation, roots, sampling};
use crate::catalogue::Relays;
use crate::reach::Asking;

/// What sort of question it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// The person is to answer.
    Elicitation,
    /// The client's model is to answer.
    Sampling,
    /// The client is to tell its folders.
    Roots,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Elicitation, Self::Sampling, Self::Roots];

    /// The method.
    pub(crate) const fn method(self) -> &'static str {
        match self {
            Self::Elicitation => "elicitation/create",
            Self::Sampling => "sampling/createMessage",
            Self::Roots => "roots/list",
        }
    }

    /// The kind of a method; nothing else is asked of clients.
    pub(crate) fn of(method: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.method() == method)
    }

    /// Whether a client's answer is one to such a question. What a person says is theirs to choose.
    pub(crate) fn is_answered_by(self, answer: &Value) -> bool {
        match self {
            Self::Elicitation => true,
            Self::Sampling => sampling::is_answer(answer),
            Self::Roots => roots::is_answer(answer),
        }
    }
}

/// Why a question is not passed on; the texts are for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfit {
    /// It asks for a secret.
    #[error("it asks for a password, a token or the like in a form")]
    Secret,
    /// It leads where no upstream may send anybody.
    #[error("it would open an address that no server may send anybody to")]
    Address,
    /// It is no question.
    #[error("its question cannot be understood")]
    Shape,
    /// The client cannot ask its user so.
    #[error("it wants to ask its user something, and this client cannot do that")]
    Unable,
    /// It was told of no such capability.
    #[error("it asks for what this client does not offer, or what no admin lets it ask for")]
    Undeclared,
    /// The client's model takes no tools.
    #[error("it gives tools to the client's model, and this client cannot do that")]
    Tools,
    /// It says more than anybody would look through.
    #[error("its question is larger than may be passed on")]
    TooLarge,
    /// It asked before, and before.
    #[error("one call may not ask so often for the client's model or its folders")]
    TooMany,
}

/// A question that is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// What it was; one to the person, where that cannot be told.
    pub(crate) kind: Kind,
    /// Why.
    pub(crate) why: Unfit,
}

impl Refused {
    /// Of something that is no question of any kind.
    pub(crate) const NO_QUESTION: Self = Self { kind: Kind::Elicitation, why: Unfit::Shape };
}

/// A question, as an upstream wrote it.
#[derive(Debug)]
pub(crate) struct Question {
    /// Its kind.
    pub(crate) kind: Kind,
    /// Its parameters; `null` where there are none.
    pub(crate) params: Value,
}

impl Question {
    /// Reads one request of a round.
    pub(crate) fn read(mut request: Value) -> Result<Self, Refused> {
        let method = request.get("method").and_then(Value::as_str);
        let kind = method.and_then(Kind::of).ok_or(Refused::NO_QUESTION)?;
        Ok(Self { kind, params: request.get_mut("params").map(Value::take).unwrap_or_default() })
    }
}

/// Who judges what one upstream asks of one client.
pub(crate) struct Judge<'j> {
    asking: Asking,
    origin: &'j Origin,
    /// Where no upstream may send anybody.
    gateway: &'j PublicUrl,
    /// What must not reach the client.
    secrets: &'j Secrets,
    pub(crate) tally: &'j Tally,
}

impl<'j> Judge<'j> {
    /// Of what `origin` asks of a client that can be asked so much, and of that what an admin lets it ask. The tally is what
    /// the same call asked before.
    pub(crate) fn new(
        (asking, relays): (Asking, Relays),
        (origin, gateway): (&'j Origin, &'j PublicUrl),
        (secrets, tally): (&'j Secrets, &'j Tally),
    ) -> Self {
        Self { asking: asking.within(relays), origin, gateway, secrets, tally }
    }

    /// Makes a question fit to be asked, and counts it.
    pub(crate) fn fit(&self, question: Question) -> Result<Value, Refused> {
        let Question { kind, params } = question;
        // Before, since what is cut may cut a secret in two; and after, since what is taken out may put one together.
        let params = self.secrets.removed_from_value(params);
        let fit = match kind {
            Kind::Elicitation => elicitation::fit(params, self.asking, (self.origin, self.gateway)),
            Kind::Sampling => sampling::fit(params, self.asking.sampling, self.origin),
            Kind::Roots if self.asking.roots => Ok(roots::question(self.origin)),
            Kind::Roots => Err(Unfit::Undeclared),
        };
        let fit = fit.map(|params| self.secrets.removed_from_value(params));
        fit.and_then(|params| self.tally.count(kind).map(|()| params)).map_err(|why| {
            self.tally.refuse();
            Refused { kind, why }
        })
    }
}
