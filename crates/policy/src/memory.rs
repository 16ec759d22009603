//! What rules answered, remembered. Most rules look at nothing that is another in every call: they are asked the same over and
//! over, and what they answered is found again by everything that they looked at. Another set of rules remembers nothing yet.

use std::time::Duration;

use cedar_policy::Entities;
use moka::sync::Cache;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::answer::Answer;
use crate::reading::Reading;
use crate::{Assurance, Case};

/// So many answers are remembered, some 200 bytes each.
const ANSWERS: u64 = 50_000;
/// So many subjects with what they ask for are remembered in Cedar's words, of which most take some 10 KiB.
const SPOKEN: u64 = 1_000;
/// Nothing is remembered of a subject and a target that are longer than this together, in bytes: what a caller can make long costs
/// the caller's time and not our memory.
const LONGEST: usize = 8 * 1024;
/// People's words are not kept for longer than this after they were last needed.
const IDLE: Duration = Duration::from_mins(10);

/// What was answered under one set of rules. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    answers: Cache<(Name, Occasion, Assurance), Answer>,
    spoken: Cache<Name, Entities>,
}

/// SHA-256 of what something follows from.
type Name = [u8; 32];

/// Under what a case is remembered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    /// Who asks for what.
    spoken: Name,
    /// With all else that lasting rules look at.
    answer: Name,
}

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
        let spoken = Cache::builder().max_capacity(SPOKEN).time_to_idle(IDLE).build();
        Self { answers: Cache::new(ANSWERS), spoken }
    }
}

impl Key {
    /// The key of a case for rules that read no more of its circumstances than this. `None` where nothing is to be remembered of
    /// it: it is judged each time.
    pub(crate) fn of(case: &Case<'_>, reading: &Reading) -> Option<Self> {
        let what = written(&(case.subject, case.target)).filter(|what| what.len() <= LONGEST)?;
        let spoken: Name = Sha256::digest(what).into();
        let around = written(&reading.essence(case.circumstances))?;
        let answer = Sha256::new().chain_update(spoken).chain_update(around).finalize().into();
        Some(Self { spoken, answer })
    }
}

impl Memory {
    /// What was answered then, or is answered now and remembered. A failure is not: it may be the thread's and not the rule's, for
    /// evaluation wants room on its stack.
    ///
    /// # Errors
    /// Those of `answer`.
    pub(crate) fn answer<E>(
        &self,
        (key, occasion, assurance): (Option<Key>, Occasion, Assurance),
        answer: impl FnOnce() -> Result<Answer, E>,
    ) -> Result<Answer, E> {
        let key = key.map(|key| (key.answer, occasion, assurance));
        remembered(&self.answers, key, |answer| !answer.failed(), answer)
    }

    /// Who asks for what in Cedar's words, as it was said then or is said now.
    ///
    /// # Errors
    /// Those of `say`.
    pub(crate) fn spoken<E>(
        &self,
        key: Option<Key>,
        say: impl FnOnce() -> Result<Entities, E>,
    ) -> Result<Entities, E> {
        remembered(&self.spoken, key.map(|key| key.spoken), |_| true, say)
    }
}

fn written(what: &impl Serialize) -> Option<Vec<u8>> {
    serde_json::to_vec(what).ok()
}

/// Two that ask at once both work it out: nobody waits for another's thread.
fn remembered<K, V, E>(
    cache: &Cache<K, V>,
    key: Option<K>,
    lasts: impl FnOnce(&V) -> bool,
    work: impl FnOnce() -> Result<V, E>,
) -> Result<V, E>
where
    K: std::hash::Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    if let Some(known) = key.as_ref().and_then(|key| cache.get(key)) {
        return Ok(known);
    }
    let found = work()?;
    if let Some(key) = key.filter(|_| lasts(&found)) {
        cache.insert(key, found.clone());
    }
    Ok(found)
}
