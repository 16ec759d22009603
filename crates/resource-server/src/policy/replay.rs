//! The recorded decisions of the paper trail, decided again under another policy: read page by page, opened and decided on
//! every processor. Calls that differ in nothing that the policy looks at are decided once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use moka::sync::Cache;
use portcullis_audit::{DecisionRecord, Records, Snapshots};
use portcullis_database::DatabaseError;
use portcullis_oauth::Timestamp;
use portcullis_policy::replay::{Redecided, Report, Retold, Undecidable, again_by};
use portcullis_policy::{PolicySet, Recorded, Subject};
use portcullis_vault::{SealingKey, Vault};
use tokio::task::JoinSet;

use super::record::{key, place, place_of_subject};

/// Decisions of one page.
const PAGE: u16 = 4_000;
/// So many callers are remembered; beyond it the page's own alone.
const REMEMBERED: usize = 50_000;
/// So many bytes of decisions are remembered, by what they stood on.
const DECISIONS: u64 = 64 * 1024 * 1024;

/// Decides recorded calls again.
pub struct Replay {
    records: Records,
    snapshots: Snapshots,
    key: Arc<SealingKey>,
}

/// Who asked, by the names of snapshots; `None` for what is gone or does not open.
type Subjects = HashMap<String, Option<Subject>>;
type Opened = Result<Recorded, Undecidable>;
/// What is decided under one policy, by what of the calls it looks at.
type Decisions = Cache<String, Redecided>;

impl Replay {
    /// Of the decisions in these records.
    #[must_use]
    pub fn new(records: Records, snapshots: Snapshots, vault: &Vault) -> Self {
        Self { records, snapshots, key: Arc::new(key(vault)) }
    }

    /// Decides every call from `since` on again.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn run(&self, policies: &PolicySet, since: Timestamp) -> Result<Report, DatabaseError> {
        let (mut report, mut after) = (Report::default(), None);
        let mut subjects = Arc::new(Subjects::new());
        let decisions = decisions();
        loop {
            let page = self.records.decisions(since, after.take(), PAGE).await?;
            let whole = page.len() == usize::from(PAGE);
            after = page.last().map(DecisionRecord::place);
            let key = Arc::clone(&self.key);
            let opened = on_every_processor(page, move |record| open(&key, &record)).await?;
            if subjects.len() > REMEMBERED {
                subjects = Arc::default();
            }
            self.learn(Arc::make_mut(&mut subjects), &opened).await?;
            let (policies, known, decisions) = (policies.clone(), Arc::clone(&subjects), decisions.clone());
            let decided = on_every_processor(opened, move |opened| {
                opened.and_then(|recorded| decide((&policies, &decisions), &recorded, &known))
            });
            decided.await?.into_iter().for_each(|retold| report.add(retold));
            if !whole {
                return Ok(report);
            }
        }
    }

    /// Reads who asked, as far as it is not known yet.
    async fn learn(&self, subjects: &mut Subjects, opened: &[Opened]) -> Result<(), DatabaseError> {
        let named: HashSet<&String> = opened.iter().flatten().map(|recorded| &recorded.subject).collect();
        for name in named {
            if !subjects.contains_key(name) {
                let sealed = self.snapshots.find(name).await?;
                let content = sealed.and_then(|sealed| self.key.open(&sealed, &place_of_subject(name)).ok());
                let subject = content.and_then(|content| serde_json::from_slice(&content).ok());
                subjects.insert(name.clone(), subject);
            }
        }
        Ok(())
    }
}

fn open(key: &SealingKey, record: &DecisionRecord) -> Opened {
    let sealed = record.request.as_deref().ok_or(Undecidable::NotRecorded)?;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let place = place(&text(&record.principal_id), &text(&record.trace_id));
    let content = key.open(sealed, &place).map_err(|_| Undecidable::Unreadable)?;
    Recorded::read(&content).ok_or(Undecidable::Unreadable)
}

fn decisions() -> Decisions {
    let size = |essence: &String, decided: &Redecided| {
        u32::try_from(essence.len() + decided.rule.len() + 100).unwrap_or(u32::MAX)
    };
    Cache::builder().max_capacity(DECISIONS).weigher(size).build()
}

fn decide(
    (policies, decisions): (&PolicySet, &Decisions),
    recorded: &Recorded,
    subjects: &Subjects,
) -> Result<Retold, Undecidable> {
    let subject = subjects.get(&recorded.subject).and_then(Option::as_ref);
    let subject = subject.ok_or(Undecidable::Unreadable)?;
    again_by(policies, recorded, subject, || {
        let decided = || Redecided::of(policies, recorded, subject);
        recorded.essence(policies).map_or_else(decided, |essence| decisions.get_with(essence, decided))
    })
}

/// Does the same with each, where it keeps nobody else from working. In no order.
async fn on_every_processor<I, O>(
    items: Vec<I>,
    work: impl Fn(I) -> O + Clone + Send + 'static,
) -> Result<Vec<O>, DatabaseError>
where
    I: Send + 'static,
    O: Send + 'static,
{
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let (mut items, mut tasks) = (items, JoinSet::new());
    let share = items.len().div_ceil(processors).max(1);
    while !items.is_empty() {
        let (rest, work) = (items.split_off(share.min(items.len())), work.clone());
        let share = std::mem::replace(&mut items, rest);
        tasks.spawn_blocking(move || share.into_iter().map(work).collect::<Vec<O>>());
    }
    let mut done = Vec::new();
    while let Some(share) = tasks.join_next().await {
        let share = share.map_err(|error| DatabaseError::from(sqlx::Error::Protocol(error.to_string())));
        done.extend(share?);
    }
    Ok(done)
}
