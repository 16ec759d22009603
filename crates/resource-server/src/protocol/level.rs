//! Levels of log messages (RFC 5424 §6.2.1), as the protocol names them.

use serde_json::value::RawValue;

/// How much a message matters, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Details for those who look for a mistake.
    Debug,
    /// What happens.
    Info,
    /// What happens and matters.
    Notice,
    /// What could go wrong.
    Warning,
    /// What went wrong.
    Error,
    /// What does not work any more.
    Critical,
    /// What somebody has to see to at once.
    Alert,
    /// Nothing works any more.
    Emergency,
}

impl Level {
    const ALL: [(Self, &'static str); 8] = [
        (Self::Debug, "debug"),
        (Self::Info, "info"),
        (Self::Notice, "notice"),
        (Self::Warning, "warning"),
        (Self::Error, "error"),
        (Self::Critical, "critical"),
        (Self::Alert, "alert"),
        (Self::Emergency, "emergency"),
    ];

    /// The level of this name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == name).map(|(level, _)| level)
    }

    /// Its name.
    pub(crate) fn as_str(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// The level of a message.
    pub(crate) fn of(params: &RawValue) -> Option<Self> {
        #[derive(serde::Deserialize)]
        struct Message<'a> {
            level: std::borrow::Cow<'a, str>,
        }
        let message: Message<'_> = serde_json::from_str(params.get()).ok()?;
        Self::parse(&message.level)
    }
}
