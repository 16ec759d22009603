//! How often the server of one call asked its client back, so that no call costs more than somebody would let it, and the
//! paper trail can tell (T33).

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};

use super::question::{Kind, Unfit};

/// So often one call may ask for what is the client's own: what its model says, which costs its user, and its folders.
const MOST: u32 = 16;

/// The counts of one call.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    elicitation: u32,
    sampling: u32,
    roots: u32,
    refused: u32,
    /// What was asked for of the client's own in earlier rounds of the same call.
    before: u32,
}

impl Counts {
    fn drawn(&self) -> u32 {
        self.before.saturating_add(self.sampling).saturating_add(self.roots)
    }
}

impl Tally {
    /// Goes on from earlier rounds of the same call, in which [`Self::drawn`] was this.
    pub(crate) fn goes_on_from(&self, drawn: u32) {
        self.counts().before = drawn;
    }

    /// How often the client was asked for something of its own, in all rounds so far.
    pub(crate) fn drawn(&self) -> u32 {
        self.counts().drawn()
    }

    /// Counts a question, unless there were too many of its kind.
    pub(super) fn count(&self, kind: Kind) -> Result<(), Unfit> {
        let mut counts = self.counts();
        if kind != Kind::Elicitation && counts.drawn() >= MOST {
            return Err(Unfit::TooMany);
        }
        let count = match kind {
            Kind::Elicitation => &mut counts.elicitation,
            Kind::Sampling => &mut counts.sampling,
            Kind::Roots => &mut counts.roots,
        };
        *count = count.saturating_add(1);
        Ok(())
    }

    /// Counts a question that is not passed on.
    pub(super) fn refuse(&self) {
        let mut counts = self.counts();
        counts.refused = counts.refused.saturating_add(1);
    }

    /// What was asked in this round, for the paper trail; nothing where nothing was.
    pub(crate) fn told(&self) -> Option<Value> {
        let counts = self.counts();
        let all = [
            ("elicitation", counts.elicitation),
            ("sampling", counts.sampling),
            ("roots", counts.roots),
            ("refused", counts.refused),
        ];
        let some = all.into_iter().filter(|(_, count)| *count > 0);
        let told: Map<_, _> = some.map(|(what, count)| (what.to_owned(), Value::from(count))).collect();
        (!told.is_empty()).then_some(Value::Object(told))
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// T33: a call asks for the model and the folders of its client only so often, however many rounds it takes
    #[test]
    fn a_call_asks_so_often_and_no_more() {
        let tally = Tally::default();
        assert_eq!(tally.told(), None);
        tally.goes_on_from(MOST - 2);
        assert!(tally.count(Kind::Sampling).is_ok() && tally.count(Kind::Roots).is_ok());
        assert_eq!(tally.count(Kind::Sampling), Err(Unfit::TooMany));
        assert_eq!(tally.count(Kind::Roots), Err(Unfit::TooMany));
        assert!(tally.count(Kind::Elicitation).is_ok(), "a person sees each, and stops it");
        assert_eq!(tally.drawn(), MOST);
        assert_eq!(tally.told(), Some(json!({"elicitation": 1, "sampling": 1, "roots": 1})));
    }
}
