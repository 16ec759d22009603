//! A case on its way through the rules: what was answered before is remembered, and the case is put into Cedar's words only where
//! somebody has to be asked.

use std::cell::OnceCell;

use crate::answer::Answer;
use crate::facts::{Facts, Unspeakable, spoken};
use crate::index::{Found, Index};
use crate::memory::{Key, Occasion};
use crate::vocabulary::action;
use crate::{Assurance, Case, PolicySet};

/// A case and the rules that it is asked of.
pub(crate) struct Question<'a> {
    policies: &'a PolicySet,
    case: Case<'a>,
    key: Option<Key>,
    facts: OnceCell<Facts<'a>>,
    /// What the rules that are asked each time say at every assurance, where none of them looks at it.
    passing: OnceCell<Answer>,
}

impl<'a> Question<'a> {
    /// The question whether this may be.
    pub(crate) fn of(policies: &'a PolicySet, case: Case<'a>) -> Self {
        let key = Key::of(&case, &policies.inner().lasting.reading);
        Self { policies, case, key, facts: OnceCell::new(), passing: OnceCell::new() }
    }

    /// What the rules say to a call at this assurance. Those that last are asked once, the others each time.
    pub(crate) fn answer(&self, assurance: Assurance) -> Result<Answer, Unspeakable> {
        let set = self.policies.inner();
        let lasting = self.remembered(Occasion::Call, &set.lasting.index, assurance)?;
        if !set.passing.index.speaks_of(self.place()) {
            return Ok(lasting);
        }
        Ok(lasting.with(self.passing(assurance)?))
    }

    /// What the rules say before a call.
    pub(crate) fn outlook(&self, assurance: Assurance) -> Result<Answer, Unspeakable> {
        self.remembered(Occasion::List, &self.policies.inner().lists, assurance)
    }

    /// Every rule that applies at this assurance, or fails.
    pub(crate) fn found(&self, occasion: Occasion, assurance: Assurance) -> Result<Found, Unspeakable> {
        let set = self.policies.inner();
        match occasion {
            Occasion::List => self.evaluate(&set.lists, assurance),
            Occasion::Call => {
                let lasting = self.evaluate(&set.lasting.index, assurance)?;
                Ok(lasting.with(self.evaluate(&set.passing.index, assurance)?))
            }
        }
    }

    fn remembered(
        &self,
        occasion: Occasion,
        rules: &Index,
        assurance: Assurance,
    ) -> Result<Answer, Unspeakable> {
        let ask = || self.asked(rules, assurance);
        self.policies.memory().answer((self.key, occasion, assurance), ask)
    }

    fn passing(&self, assurance: Assurance) -> Result<Answer, Unspeakable> {
        let rules = &self.policies.inner().passing;
        if rules.reading.assurance {
            return self.asked(&rules.index, assurance);
        }
        if let Some(known) = self.passing.get() {
            return Ok(known.clone());
        }
        let answer = self.asked(&rules.index, assurance)?;
        Ok(self.passing.get_or_init(|| answer).clone())
    }

    fn asked(&self, rules: &Index, assurance: Assurance) -> Result<Answer, Unspeakable> {
        Ok(self.policies.inner().answer(&self.evaluate(rules, assurance)?))
    }

    fn evaluate(&self, rules: &Index, assurance: Assurance) -> Result<Found, Unspeakable> {
        let facts = self.facts()?;
        Ok(rules.evaluate(self.place(), &facts.request(assurance)?, &facts.entities))
    }

    /// The case in Cedar's words.
    fn facts(&self) -> Result<&Facts<'a>, Unspeakable> {
        if let Some(facts) = self.facts.get() {
            return Ok(facts);
        }
        let names = self.policies.inner().vocabulary;
        let spoken = self.policies.memory().spoken(self.key, || spoken(names, &self.case))?;
        let facts = Facts::of(names, self.case, spoken)?;
        Ok(self.facts.get_or_init(|| facts))
    }

    fn place(&self) -> (usize, &'a str) {
        (action(self.case.target), &self.case.subject.connection.server)
    }
}
