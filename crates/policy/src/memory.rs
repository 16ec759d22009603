//! What rules answered, remembered. Most rules look at nothing that is another in every call: they are asked the same over and
//! over, and what they answered is found again by everything that they looked at. Another set of rules remembers nothing yet.

use cedar_policy::Entities;
use moka::sync::Cache;
use sha2::{Digest, Sha256};

use crate::answer::Answer;
use crate::reading::Reading;
use crate::{Assurance, Case};

/// So many answers are remembered, some 200 bytes each.
const ANSWERS: u64 = 50_000;
/// So many subjects with what they ask for are remembered in Cedar's words, some 10 KiB each.
const SPOKEN: u64 = 1_000;

/// What was answered under one set of rules. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    answers: Cache<(Key, Occasion, Assurance), Answer>,
    spoken: Cache<Key, Entities>,
}

/// SHA-256 of everything that lasting rules look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key([u8; 32]);

/// When rules are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Occasion {
    /// At a call, of which everything is known.
    Call,
    /// Before one.
    List,
}

impl Default for Memory {
    fn default() -> Self {
        Self { answers: Cache::new(ANSWERS), spoken: Cache::new(SPOKEN) }
    }
}

impl Key {
    /// The key of a case for rules that read no more of its circumstances than this. `None` where the case cannot be written, so
    /// that nothing can be told from it: it is judged each time.
    pub(crate) fn of(case: &Case<'_>, reading: &Reading) -> Option<Self> {
        let asked =
            serde_json::to_vec(&(case.subject, case.target, reading.essence(case.circumstances))).ok()?;
        Some(Self(Sha256::digest(asked).into()))
    }
}

impl Memory {
    /// What was answered then, or is answered now and remembered.
    ///
    /// # Errors
    /// Those of `answer`; they are not remembered.
    pub(crate) fn answer<E>(
        &self,
        (key, occasion, assurance): (Option<Key>, Occasion, Assurance),
        answer: impl FnOnce() -> Result<Answer, E>,
    ) -> Result<Answer, E> {
        remembered(&self.answers, key.map(|key| (key, occasion, assurance)), answer)
    }

    /// Who asks for what in Cedar's words, as it was said then or is said now.
    ///
    /// # Errors
    /// Those of `say`; they are not remembered.
    pub(crate) fn spoken<E>(
        &self,
        key: Option<Key>,
        say: impl FnOnce() -> Result<Entities, E>,
    ) -> Result<Entities, E> {
        remembered(&self.spoken, key, say)
    }
}

/// Two that ask at once both work it out: nobody waits for another's thread.
fn remembered<K, V, E>(
    cache: &Cache<K, V>,
    key: Option<K>,
    work: impl FnOnce() -> Result<V, E>,
) -> Result<V, E>
where
    K: std::hash::Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    let Some(key) = key else { return work() };
    if let Some(known) = cache.get(&key) {
        return Ok(known);
    }
    let found = work()?;
    cache.insert(key, found.clone());
    Ok(found)
}
