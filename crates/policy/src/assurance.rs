//! How surely a person agreed to a call.

use serde::{Deserialize, Serialize};

/// How surely a person agreed to this very call. Ordered: more is surer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assurance {
    /// Nobody was asked.
    #[default]
    None,
    /// The client says that its user agreed; a program can forge that.
    Client,
    /// The user agreed in their own browser session with us.
    Session,
    /// A second person agreed.
    SecondPerson,
}

impl Assurance {
    /// From the least to the surest.
    pub const ALL: [Self; 4] = [Self::None, Self::Client, Self::Session, Self::SecondPerson];

    /// The number that policies compare with, 0 to 3.
    #[must_use]
    pub const fn level(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Client => 1,
            Self::Session => 2,
            Self::SecondPerson => 3,
        }
    }

    /// The assurance of a number from 0 to 3.
    #[must_use]
    pub fn from_level(level: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|assurance| assurance.level() == level)
    }

    /// Those that are surer, the least of them first.
    pub(crate) fn above(self) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |other| *other > self)
    }
}
