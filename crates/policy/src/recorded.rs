//! A case as it is kept for later: what another policy needs to decide it again. A form of its own for text that outlives a
//! release; the caller seals it and says where it is kept.

use serde::{Deserialize, Serialize};

use crate::{Assurance, Case, Circumstances, Decision, PolicySet, Ruling, Subject, Target};

/// The form that is written. One of another form is not read.
const FORM: u8 = 1;
/// More of a call's arguments is not kept, in bytes of names and values.
const LARGEST: usize = 16 * 1024;

/// A case and what was decided. Who asked is kept apart, since it is the same from call to call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Recorded {
    form: u8,
    /// The name under which the [`Subject`] is kept.
    pub subject: String,
    target: Target,
    circumstances: Circumstances,
    /// Which arguments were not kept, by JSON pointer.
    hidden: Vec<String>,
    /// Whether there were more arguments than are kept.
    cut: bool,
    /// What was decided.
    pub ruling: Ruling,
    /// By which rule.
    pub rule: String,
    /// Of which version of the policy.
    pub version: i64,
}

impl Recorded {
    /// Records a case that `decision` of this version of the policy was about. What `hides` says yes to, by name and value,
    /// is not kept.
    #[must_use]
    pub fn of(
        case: &Case<'_>,
        subject: String,
        (decision, version): (&Decision, i64),
        hides: impl Fn(&str, &str) -> bool,
    ) -> Self {
        let (shown, hidden) = case.circumstances.arguments.only(|at, text| !hides(at, text));
        let mut room = LARGEST;
        let (arguments, beyond) = shown.only(|at, text| {
            let size = at.len() + text.len();
            let fits = size <= room;
            room = room.saturating_sub(size);
            fits
        });
        Self {
            form: FORM,
            subject,
            target: case.target.clone(),
            circumstances: Circumstances { arguments, ..case.circumstances.clone() },
            hidden,
            cut: !beyond.is_empty(),
            ruling: decision.into(),
            rule: decision.rule().id.clone(),
            version,
        }
    }

    /// The text to be kept.
    #[must_use]
    pub fn text(&self) -> String {
        // Texts, numbers and lists of them: there is nothing that could not be written.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what [`text`](Self::text) wrote; `None` for what another release wrote otherwise.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok().filter(|read: &Self| read.form == FORM)
    }

    /// The case, asked by this subject.
    #[must_use]
    pub fn case<'a>(&'a self, subject: &'a Subject) -> Case<'a> {
        Case { subject, target: &self.target, circumstances: &self.circumstances }
    }

    /// What was asked for.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// How surely somebody had agreed when it was decided.
    #[must_use]
    pub fn assurance(&self) -> Assurance {
        self.circumstances.assurance
    }

    /// Whatever of the call these policies look at, as a text: two calls with the same are decided the same. `None` where there
    /// is no such text.
    #[must_use]
    pub fn essence(&self, policies: &PolicySet) -> Option<String> {
        let circumstances = &self.circumstances;
        let asked = policies.reading().essence(circumstances);
        let essence = (&self.subject, &self.target, circumstances.assurance, asked);
        serde_json::to_string(&essence).ok()
    }

    /// Whether these policies ask for nothing that was not kept.
    #[must_use]
    pub fn suffices(&self, policies: &PolicySet) -> bool {
        let reading = policies.reading();
        let kept = self.circumstances.arguments.iter().map(|(at, _)| at);
        !(self.hidden.iter().any(|pointer| reading.asks_for(pointer))
            || (self.cut && reading.asks_beyond(kept)))
    }
}
