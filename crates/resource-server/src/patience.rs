//! How long the gateway waits for others.

use std::time::Duration;

/// How long the gateway waits for others before it goes on without them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For the whole body of a request.
    pub body: Duration,
    /// For a server that says nothing while it works on a call; progress and a person who is thinking are no silence.
    pub silence: Duration,
    /// For a person, in one leg of a call of the stateless era: nine of them span the life of an approval, and each is
    /// shorter than what clients and proxies wait for.
    pub leg: Duration,
    /// For a person, in a call of a session whose client was asked in the middle of it.
    pub question: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            body: Duration::from_secs(20),
            silence: Duration::from_secs(30),
            leg: Duration::from_secs(34),
            question: Duration::from_secs(45),
        }
    }
}
