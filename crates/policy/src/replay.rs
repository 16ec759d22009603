//! Replay: what a policy would have said to calls that were decided under another one.

use std::collections::BTreeMap;

use crate::{PolicySet, Recorded, Ruling, Subject, Target, decide};

/// Why a recorded call cannot be decided again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Undecidable {
    /// Nothing was recorded of what it stood on: it is from before there were recordings, or its data were erased.
    NotRecorded,
    /// The policy asks for an argument that was not kept.
    Redacted,
    /// What it stood on is gone, does not open, or was written by another release.
    Unreadable,
}

impl Undecidable {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::NotRecorded, Self::Redacted, Self::Unreadable];

    /// The word for it in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotRecorded => "not_recorded",
            Self::Redacted => "redacted",
            Self::Unreadable => "unreadable",
        }
    }
}

/// How a call would have gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retold {
    /// Who called: the e-mail address, else the identifier.
    pub who: String,
    /// What: `server/tool`.
    pub what: String,
    /// What was decided then.
    pub then: Ruling,
    /// What would be decided now.
    pub now: Ruling,
    /// By which rule.
    pub rule: String,
}

/// A decision of a replay, as far as a report tells of it: one that can be kept for calls of the same
/// [`essence`](Recorded::essence).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redecided {
    /// What would be decided.
    pub ruling: Ruling,
    /// By which rule.
    pub rule: String,
}

impl Redecided {
    /// Decides a recorded call of `subject`.
    #[must_use]
    pub fn of(policies: &PolicySet, recorded: &Recorded, subject: &Subject) -> Self {
        let decision = decide(policies, &recorded.case(subject));
        Self { ruling: Ruling::from(&decision), rule: decision.rule().id.clone() }
    }
}

/// Decides a recorded call of `subject` again.
///
/// # Errors
/// When the policy asks for what was not kept.
pub fn again(policies: &PolicySet, recorded: &Recorded, subject: &Subject) -> Result<Retold, Undecidable> {
    again_by(policies, recorded, subject, || Redecided::of(policies, recorded, subject))
}

/// The same where the decision may be known, from another call of the same essence.
///
/// # Errors
/// When the policy asks for what was not kept.
pub fn again_by(
    policies: &PolicySet,
    recorded: &Recorded,
    subject: &Subject,
    decided: impl FnOnce() -> Redecided,
) -> Result<Retold, Undecidable> {
    if !recorded.suffices(policies) {
        return Err(Undecidable::Redacted);
    }
    let Redecided { ruling, rule } = decided();
    let who = subject.principal.email.as_ref().unwrap_or(&subject.principal.id);
    Ok(Retold {
        who: who.clone(),
        what: format!("{}/{}", subject.connection.server, name(recorded.target())),
        then: recorded.ruling,
        now: ruling,
        rule,
    })
}

fn name(target: &Target) -> &str {
    match target {
        Target::ListTools => "(lists)",
        Target::ManageConnection => "(manage)",
        Target::Tool(tool) => &tool.name,
        Target::Prompt { name, .. } => name,
        Target::Resource { uri, .. } => uri,
    }
}

/// Calls of one sort, by what was called, by whom, and by the rule that would decide.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub calls: u64,
    /// Of which tools.
    pub tools: BTreeMap<String, u64>,
    /// By whom.
    pub users: BTreeMap<String, u64>,
    /// By which rules.
    pub rules: BTreeMap<String, u64>,
}

impl Tally {
    fn add(&mut self, retold: Retold) {
        self.calls += 1;
        for (counts, key) in
            [(&mut self.tools, retold.what), (&mut self.users, retold.who), (&mut self.rules, retold.rule)]
        {
            *counts.entry(key).or_default() += 1;
        }
    }

    fn join(&mut self, other: Self) {
        self.calls += other.calls;
        for (counts, more) in
            [(&mut self.tools, other.tools), (&mut self.users, other.users), (&mut self.rules, other.rules)]
        {
            for (key, count) in more {
                *counts.entry(key).or_default() += count;
            }
        }
    }
}

/// What came out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many calls there were, those included that could not be decided.
    pub calls: u64,
    /// What was allowed, at once or with an approval, and would be denied.
    pub denied: Tally,
    /// What would need an approval, or a surer one, and did not.
    pub asked: Tally,
    /// What was denied or needed more, and would be allowed or need less.
    pub allowed: Tally,
    /// How many could not be decided, by why.
    pub undecidable: BTreeMap<Undecidable, u64>,
}

impl Report {
    /// Takes one call.
    pub fn add(&mut self, retold: Result<Retold, Undecidable>) {
        self.calls += 1;
        match retold {
            Err(why) => *self.undecidable.entry(why).or_default() += 1,
            Ok(retold) if retold.now < retold.then => self.allowed.add(retold),
            Ok(retold) if retold.now == retold.then => {}
            Ok(retold) if retold.now == Ruling::Deny => self.denied.add(retold),
            Ok(retold) => self.asked.add(retold),
        }
    }

    /// Takes what came out of other calls.
    pub fn join(&mut self, other: Self) {
        self.calls += other.calls;
        self.denied.join(other.denied);
        self.asked.join(other.asked);
        self.allowed.join(other.allowed);
        for (why, count) in other.undecidable {
            *self.undecidable.entry(why).or_default() += count;
        }
    }

    /// How many would have been decided otherwise.
    #[must_use]
    pub fn changed(&self) -> u64 {
        self.denied.calls + self.asked.calls + self.allowed.calls
    }

    /// How many could not be decided.
    #[must_use]
    pub fn undecided(&self) -> u64 {
        self.undecidable.values().sum()
    }
}
