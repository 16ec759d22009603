//! What a server may ask the clients for whose calls reach it: what their model says, and which folders they work in. An admin
//! says so for each server; what servers ask people (elicitation) needs no leave, since people see it.

/// What is passed on of what a server asks clients for; nothing, unless an admin said so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relays {
    /// What the client's model says (`sampling`).
    pub sampling: bool,
    /// Which folders the client works in (`roots`).
    pub roots: bool,
}

/// A word that names nothing that a server can be let ask for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is nothing that a server can be let ask for; there are sampling and roots")]
pub struct UnknownRelay(pub String);

impl Relays {
    /// The same from words, in any order.
    ///
    /// # Errors
    /// When a word names nothing of it.
    pub fn parse<'w>(words: impl IntoIterator<Item = &'w str>) -> Result<Self, UnknownRelay> {
        let mut relays = Self::default();
        for word in words {
            match word {
                "sampling" => relays.sampling = true,
                "roots" => relays.roots = true,
                unknown => return Err(UnknownRelay(unknown.to_owned())),
            }
        }
        Ok(relays)
    }

    /// The words, as columns and commands have them.
    #[must_use]
    pub fn words(self) -> Vec<&'static str> {
        let named = [(self.sampling, "sampling"), (self.roots, "roots")];
        named.into_iter().filter_map(|(may, word)| may.then_some(word)).collect()
    }
}
