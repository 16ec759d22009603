//! Through whom a token acts: the `act` claim (RFC 8693 §4.1).

use serde::{Deserialize, Serialize};

/// The party that acts for a token's subject, and behind it those that acted before. Only the outermost one decides
/// anything (R8693-4.1-1); the others are history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Who acts: a `client_id`, or the principal of an actor token.
    pub sub: String,
    /// Who acted before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act: Option<Box<Self>>,
}

impl Actor {
    /// A chain is no longer than this: each exchange adds a link to the token's row.
    pub const MAXIMUM_CHAIN: usize = 5;

    /// `sub` acts for whoever acted `before`.
    #[must_use]
    pub fn new(sub: impl Into<String>, before: Option<Self>) -> Self {
        Self { sub: sub.into(), act: before.map(Box::new) }
    }

    /// How many parties the chain names.
    #[must_use]
    pub fn length(&self) -> usize {
        std::iter::successors(Some(self), |actor| actor.act.as_deref()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R8693-4.1-1
    #[test]
    fn the_outermost_actor_stands_first_and_the_others_are_nested() {
        let chain = Actor::new("client_b", Some(Actor::new("client_a", None)));
        assert_eq!(serde_json::to_string(&chain).unwrap(), r#"{"sub":"client_b","act":{"sub":"client_a"}}"#);
        assert_eq!(chain.length(), 2);
    }
}
