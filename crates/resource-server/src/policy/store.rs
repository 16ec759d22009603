//! `policy_version`: every policy that was ever activated. The newest holds; until there is one, the default does.

use std::sync::Arc;

use portcullis_audit::{Action, Event, Outcome};
use portcullis_database::{Change, ChangeFeed, ChangeKind, Database, DatabaseError, on};
use portcullis_oauth::{Clock, Timestamp};
use portcullis_policy::{DEFAULT, PolicySet, Problem};
use serde_json::json;

/// Longer notes and names are refused, in characters.
const LONGEST_NOTE: usize = 500;

/// A policy that was activated.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct PolicyVersion {
    /// Its number; 0 is the default that holds until one is activated.
    pub version: i64,
    /// The policies.
    pub text: String,
    /// Who activated it.
    pub author: String,
    /// Why.
    pub note: String,
    /// When.
    pub created_at: Timestamp,
}

/// Why a policy was not activated.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// It is not right; everything that is wrong with it, in the order of the text.
    #[error("the policy has {} problem(s)", .0.len())]
    Invalid(Vec<Problem>),
    /// The note cannot be kept.
    #[error("a note has at most 500 characters and no control characters")]
    Note,
    /// Somebody was faster.
    #[error(
        "somebody else activated a policy at the same moment; look at `portcullis policy versions` and try again"
    )]
    Raced,
    /// There is none of this number.
    #[error("there is no version {0}; `portcullis policy versions` shows every one")]
    Unknown(i64),
    /// The store failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// The policies of this server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Policies {
    database: Database,
    changes: ChangeFeed,
    clock: Arc<dyn Clock>,
}

impl Policies {
    /// The policies kept in `database`.
    #[must_use]
    pub fn new(database: Database, changes: ChangeFeed, clock: Arc<dyn Clock>) -> Self {
        Self { database, changes, clock }
    }

    /// Makes `text` the policy from now on: every node decides by it within a second.
    ///
    /// # Errors
    /// When it is not right, somebody else activates one at the same moment, or the store fails.
    pub async fn activate(&self, text: &str, author: &str, note: &str) -> Result<PolicyVersion, PolicyError> {
        let checked = text.to_owned();
        // A thousand policies take a while to check.
        let parsed = tokio::task::spawn_blocking(move || PolicySet::parse(&checked).map(drop)).await;
        parsed
            .map_err(|error| DatabaseError::from(sqlx::Error::Protocol(error.to_string())))?
            .map_err(PolicyError::Invalid)?;
        self.keep(text, author, (note, "policy_activated")).await
    }

    /// Makes the text of an earlier version the policy again, as a new version.
    ///
    /// # Errors
    /// When there is no such version, it is no longer right, or the store fails.
    pub async fn roll_back(&self, to: i64, author: &str) -> Result<PolicyVersion, PolicyError> {
        let earlier = self.find(to).await?.ok_or(PolicyError::Unknown(to))?;
        PolicySet::parse(&earlier.text).map_err(PolicyError::Invalid)?;
        let note = format!("back to version {to}");
        self.keep(&earlier.text, author, (&note, "policy_rolled_back")).await
    }

    /// The policy that holds.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn current(&self) -> Result<PolicyVersion, DatabaseError> {
        let newest: Option<PolicyVersion> = on!(self.database.read(), |pool| {
            sqlx::query_as(
            "SELECT version, text, author, note, created_at FROM policy_version ORDER BY version DESC LIMIT 1"
        )
        .fetch_optional(pool)
        .await
        })?;
        Ok(newest.unwrap_or_else(default))
    }

    /// One version; 0 is the default.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn find(&self, version: i64) -> Result<Option<PolicyVersion>, DatabaseError> {
        if version == 0 {
            return Ok(Some(default()));
        }
        Ok(on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT version, text, author, note, created_at FROM policy_version WHERE version = $1"
        )
        .bind(version)
        .fetch_optional(pool)
        .await)?)
    }

    /// Every version, the newest first; the default last.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self) -> Result<Vec<PolicyVersion>, DatabaseError> {
        let mut all: Vec<PolicyVersion> = on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT version, text, author, note, created_at FROM policy_version ORDER BY version DESC"
        )
        .fetch_all(pool)
        .await)?;
        all.push(default());
        Ok(all)
    }

    async fn keep(
        &self,
        text: &str,
        author: &str,
        (note, what): (&str, &'static str),
    ) -> Result<PolicyVersion, PolicyError> {
        let note = note.trim();
        if note.chars().count() > LONGEST_NOTE || note.chars().any(char::is_control) {
            return Err(PolicyError::Note);
        }
        let now = self.clock.now();
        let mut transaction = self.database.begin().await?;
        let kept: PolicyVersion = on!(transaction.on(), |connection| sqlx::query_as(
            "INSERT INTO policy_version (version, text, author, note, created_at) \
             SELECT COALESCE(MAX(version), 0) + 1, $1, $2, $3, $4 FROM policy_version \
             RETURNING version, text, author, note, created_at"
        )
        .bind(text)
        .bind(author)
        .bind(note)
        .bind(now)
        .fetch_one(connection)
        .await)
        .map_err(DatabaseError::from)
        .map_err(|error| if error.is_unique_violation() { PolicyError::Raced } else { error.into() })?;
        let event = Event::new(now, Action::PolicyChange, Outcome::Done).because(what);
        let event = event.with(json!({ "version": kept.version, "author": author, "note": note }));
        portcullis_audit::record_in(&mut transaction, event).await?;
        let change = Change::new(ChangeKind::Policy, kept.version.to_string());
        transaction.record_change(&change, now).await?;
        transaction.commit().await?;
        self.changes.publish(&change);
        Ok(kept)
    }
}

/// What holds until a policy is activated.
fn default() -> PolicyVersion {
    PolicyVersion {
        version: 0,
        text: DEFAULT.to_owned(),
        author: "Portcullis".to_owned(),
        note: "the default".to_owned(),
        created_at: Timestamp::from_micros(0),
    }
}
