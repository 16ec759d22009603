//! `attempt_leg`: what authorization attempts met, request by request, for a week. Written by the journal alone.

mod legs;

use portcullis_database::{Database, DatabaseError, on};
use portcullis_oauth::{ClientId, ClientMetadata, PrincipalId, Seconds, Timestamp};

use crate::attempt::{AttemptId, AttemptOutcome, AttemptStage, Journal, Reason, Step};

pub(crate) use legs::insert as insert_legs;

/// Legs are kept so long.
const KEPT: Seconds = Seconds::days(7);
/// So many legs of strangers are kept, the newest.
const STRANGERS: i64 = 20_000;
/// So many in all.
const ALL: i64 = 200_000;
/// What is looked for.
#[derive(Clone, Debug, Default)]
pub struct AttemptFilter {
    /// Those of this client alone.
    pub client: Option<ClientId>,
    /// Those about this person alone.
    pub user: Option<PrincipalId>,
    /// Those that were refused at least once.
    pub failed: bool,
    /// Those that something was told of since then.
    pub since: Option<Timestamp>,
}

/// Where a page ended, and the next begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptCursor {
    at: Timestamp,
    attempt: AttemptId,
}

impl AttemptCursor {
    /// The cursor as it travels in addresses and answers.
    #[must_use]
    pub fn encode(&self) -> String {
        format!("{}.{}", self.at.micros(), self.attempt)
    }

    /// Reads one back.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let (at, attempt) = text.split_once('.')?;
        Some(Self { at: Timestamp::from_micros(at.parse().ok()?), attempt: AttemptId::parse(attempt)? })
    }
}

/// An attempt in a list.
#[derive(Clone, Debug)]
pub struct AttemptSummary {
    /// Its name.
    pub id: AttemptId,
    /// When its first request came.
    pub began_at: Timestamp,
    /// When something was told of it last.
    pub last_at: Timestamp,
    /// Who asked, as far as it was said.
    pub client_id: Option<ClientId>,
    /// The name of that client, if it is known here.
    pub client_name: Option<String>,
    /// The e-mail address of the person whom it is about.
    pub user: Option<String>,
    /// How its last request ended.
    pub outcome: AttemptOutcome,
    /// Why something of it was refused last.
    pub reason: Option<Reason>,
    /// How many requests are kept of it.
    pub legs: i64,
}

/// One request of an attempt.
#[derive(Clone, Debug)]
pub struct AttemptLeg {
    /// When it came.
    pub at: Timestamp,
    /// What was asked.
    pub stage: AttemptStage,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// Under which id the log tells more.
    pub trace_id: Option<String>,
    /// What was judged, in its order.
    pub steps: Vec<AttemptStep>,
}

/// One step that was judged.
#[derive(Clone, Debug)]
pub struct AttemptStep {
    /// What was judged.
    pub step: Step,
    /// What would have been right.
    pub expected: String,
    /// What came.
    pub got: String,
    /// Why it was refused; none for a step that was passed.
    pub reason: Option<Reason>,
}

/// An attempt with all that is kept of it.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// What a list says of it.
    pub summary: AttemptSummary,
    /// Its requests, in their order.
    pub legs: Vec<AttemptLeg>,
}

impl Attempt {
    /// What to do about it; none where nothing was refused.
    #[must_use]
    pub fn advice(&self) -> Option<&'static str> {
        self.summary.reason.map(Reason::advice)
    }
}

#[derive(sqlx::FromRow)]
struct SummaryRow {
    attempt: AttemptId,
    began_at: Timestamp,
    last_at: Timestamp,
    legs: i64,
    client_id: Option<ClientId>,
    metadata: Option<String>,
    email: Option<String>,
    outcome: String,
    reason: Option<String>,
}

#[derive(sqlx::FromRow)]
struct LegRow {
    at: Timestamp,
    stage: String,
    outcome: String,
    trace_id: Option<String>,
    steps: String,
}

/// A step as its row holds it: the words may be those of another release.
#[derive(serde::Deserialize)]
struct Kept {
    step: String,
    expected: String,
    got: String,
    reason: Option<String>,
}

/// The attempts of this server.
#[derive(Clone, Debug)]
pub struct Attempts {
    database: Database,
    /// What this process has not written yet.
    journal: Option<Journal>,
}

macro_rules! summaries {
    ($which:literal) => {
        concat!(
            "SELECT g.attempt, g.began_at, g.last_at, g.legs, g.client_id, c.metadata, u.email, \
             (SELECT l.outcome FROM attempt_leg l WHERE l.attempt = g.attempt ORDER BY l.at DESC, l.number DESC LIMIT 1) AS outcome, \
             (SELECT l.reason FROM attempt_leg l WHERE l.attempt = g.attempt AND l.outcome = 'refused' \
             ORDER BY l.at DESC, l.number DESC LIMIT 1) AS reason \
             FROM (SELECT a.attempt, MIN(a.at) AS began_at, MAX(a.at) AS last_at, COUNT(*) AS legs, \
             MAX(a.client_id) AS client_id, MAX(a.principal_id) AS principal_id FROM attempt_leg a ",
            $which,
            ") g LEFT JOIN oauth_client c ON c.id = g.client_id LEFT JOIN user_account u ON u.principal_id = g.principal_id \
             ORDER BY g.last_at DESC, g.attempt DESC"
        )
    };
}

impl Attempts {
    /// The attempts kept in `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database, journal: None }
    }

    /// Those, and what this process is about to write.
    pub(crate) fn with(database: Database, journal: Journal) -> Self {
        Self { database, journal: Some(journal) }
    }

    /// At most `limit` attempts, those first of which something was told last, and where the next page begins.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(
        &self,
        filter: &AttemptFilter,
        after: Option<&AttemptCursor>,
        limit: u16,
    ) -> Result<(Vec<AttemptSummary>, Option<AttemptCursor>), DatabaseError> {
        self.settle().await;
        let rows: Vec<SummaryRow> = on!(self.database.read(), |pool| {
            sqlx::query_as(summaries!(
                "WHERE a.at >= $1 \
                 AND ($2 IS NULL OR a.attempt IN (SELECT l.attempt FROM attempt_leg l WHERE l.client_id = $2 AND l.at >= $1)) \
                 AND ($3 IS NULL OR a.attempt IN (SELECT l.attempt FROM attempt_leg l WHERE l.principal_id = $3 AND l.at >= $1)) \
                 AND (NOT $4 OR a.attempt IN (SELECT l.attempt FROM attempt_leg l WHERE l.outcome = 'refused' AND l.at >= $1)) \
                 GROUP BY a.attempt HAVING $5 IS NULL OR MAX(a.at) < $5 OR (MAX(a.at) = $5 AND a.attempt < $6) \
                 ORDER BY MAX(a.at) DESC, a.attempt DESC LIMIT $7"
            ))
            .bind(filter.since.unwrap_or(Timestamp::from_micros(0)))
            .bind(&filter.client)
            .bind(&filter.user)
            .bind(filter.failed)
            .bind(after.map(|cursor| cursor.at))
            .bind(after.map(|cursor| &cursor.attempt))
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await
        })?;
        let full = rows.len() == usize::from(limit);
        let found: Vec<AttemptSummary> = rows.into_iter().map(SummaryRow::summary).collect();
        let last = found.last().filter(|_| full);
        let next = last.map(|last| AttemptCursor { at: last.last_at, attempt: last.id.clone() });
        Ok((found, next))
    }

    /// The attempt of this name, or the one that holds the request of this id (`X-Request-Id`).
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn show(&self, name: &str) -> Result<Option<Attempt>, DatabaseError> {
        self.settle().await;
        let rows: Vec<SummaryRow> = on!(self.database.read(), |pool| {
            sqlx::query_as(summaries!(
            "WHERE a.attempt IN (SELECT l.attempt FROM attempt_leg l WHERE l.attempt = $1 OR l.trace_id = $2) GROUP BY a.attempt"
        ))
        .bind(AttemptId::parse(name))
        .bind(name)
        .fetch_all(pool)
        .await
        })?;
        let Some(row) = rows.into_iter().next() else { return Ok(None) };
        let legs: Vec<LegRow> = on!(self.database.read(), |pool| {
            sqlx::query_as(
            "SELECT at, stage, outcome, trace_id, steps FROM attempt_leg WHERE attempt = $1 ORDER BY at, number"
        )
        .bind(&row.attempt)
        .fetch_all(pool)
        .await
        })?;
        let legs = legs.into_iter().map(LegRow::leg).collect::<Result<_, _>>()?;
        Ok(Some(Attempt { summary: row.summary(), legs }))
    }

    /// Deletes what is older than a week, and what is more than is kept at all, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn sweep(&self, now: Timestamp) -> Result<(), DatabaseError> {
        const OLD: &str = "DELETE FROM attempt_leg WHERE (attempt, id) IN \
             (SELECT attempt, id FROM attempt_leg WHERE at <= $1 LIMIT 500)";
        const OLD_STRANGERS: &str = "DELETE FROM attempt_leg WHERE (attempt, id) IN \
             (SELECT attempt, id FROM attempt_leg WHERE stranger AND at <= $1 LIMIT 500)";
        const TOO_MANY: &str = "SELECT at FROM attempt_leg ORDER BY at DESC LIMIT 1 OFFSET $1";
        const TOO_MANY_STRANGERS: &str =
            "SELECT at FROM attempt_leg WHERE stranger ORDER BY at DESC LIMIT 1 OFFSET $1";
        self.database.sweep(OLD, now.minus(KEPT)).await?;
        for (last, old, kept) in [(TOO_MANY_STRANGERS, OLD_STRANGERS, STRANGERS), (TOO_MANY, OLD, ALL)] {
            let last: Option<(Timestamp,)> = on!(self.database.read(), |pool| {
                sqlx::query_as(last).bind(kept).fetch_optional(pool).await
            })?;
            if let Some((last,)) = last {
                self.database.sweep(old, last).await?;
            }
        }
        Ok(())
    }

    async fn settle(&self) {
        if let Some(journal) = &self.journal {
            journal.settle().await;
        }
    }
}

impl SummaryRow {
    fn summary(self) -> AttemptSummary {
        let metadata: Option<ClientMetadata> =
            self.metadata.as_deref().and_then(|metadata| serde_json::from_str(metadata).ok());
        AttemptSummary {
            id: self.attempt,
            began_at: self.began_at,
            last_at: self.last_at,
            client_id: self.client_id,
            client_name: metadata.map(|metadata| metadata.client_name),
            user: self.email,
            outcome: AttemptOutcome::parse(&self.outcome).unwrap_or(AttemptOutcome::Refused),
            reason: self.reason.as_deref().and_then(Reason::parse),
            legs: self.legs,
        }
    }
}

impl LegRow {
    fn leg(self) -> Result<AttemptLeg, DatabaseError> {
        let decode = |error: serde_json::Error| DatabaseError::from(sqlx::Error::Decode(Box::new(error)));
        let kept: Vec<Kept> = serde_json::from_str(&self.steps).map_err(decode)?;
        let step = |kept: Kept| AttemptStep {
            step: Step::parse(&kept.step).unwrap_or(Step::Request),
            expected: kept.expected,
            got: kept.got,
            reason: kept.reason.as_deref().and_then(Reason::parse),
        };
        Ok(AttemptLeg {
            at: self.at,
            stage: AttemptStage::parse(&self.stage).unwrap_or(AttemptStage::Token),
            outcome: AttemptOutcome::parse(&self.outcome).unwrap_or(AttemptOutcome::Refused),
            trace_id: self.trace_id,
            steps: kept.into_iter().map(step).collect(),
        })
    }
}
