//! The checklist for production: each point with what was found, and what to do where it is not good.
//!
//! Reads and asks, and changes nothing: neither the schema nor a file.

mod custody;
mod exposure;
mod storage;

use crate::config::Config;

/// How a point stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Good.
    Ok,
    /// To be considered.
    Warn,
    /// Not fit for production.
    Fail,
}

impl Verdict {
    /// As it is printed.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// A point of the checklist.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    /// The point.
    pub(super) check: &'static str,
    /// How it stands.
    pub(super) verdict: Verdict,
    /// What was found.
    pub(super) found: String,
    /// What to do, unless it is good.
    pub(super) advice: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, found: found.into(), advice: None }
    }

    fn warn(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Warn, found: found.into(), advice: Some(advice.into()) }
    }

    fn fail(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Fail, found: found.into(), advice: Some(advice.into()) }
    }
}

/// Every point, in the order in which somebody would go through them.
pub(super) async fn findings(config: &Config) -> Vec<Finding> {
    let mut findings = exposure::findings(config);
    findings.extend(custody::findings(config));
    findings.extend(storage::findings(config).await);
    findings
}

#[cfg(test)]
mod tests;
