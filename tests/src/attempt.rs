//! What an admin reads of an attempt.

use portcullis_authorization_server::{Attempt, AttemptFilter, AttemptStep, AttemptSummary, Reason};

use crate::{Answer, World};

impl World {
    /// The attempts of which something was told, the newest first.
    pub async fn attempts(&self, filter: &AttemptFilter) -> Vec<AttemptSummary> {
        let listed = self.app.authorization.attempts().list(filter, None, 100).await;
        listed.expect("the attempts").0
    }

    /// The attempt of this name, or of the request of this id.
    pub async fn attempt(&self, name: &str) -> Attempt {
        let found = self.app.authorization.attempts().show(name).await.expect("the attempts");
        found.unwrap_or_else(|| panic!("no attempt is named {name}"))
    }

    /// The attempt to which this answer belongs, by the request id that every answer carries.
    pub async fn attempt_of(&self, answer: &Answer) -> Attempt {
        self.attempt(answer.header("x-request-id")).await
    }

    /// Why the request of this answer was refused, at which step: `pkce verifier_wrong`.
    pub async fn why(&self, answer: &Answer) -> String {
        let (step, reason) = refusal(&self.attempt_of(answer).await);
        format!("{} {}", step.step.as_str(), reason.as_str())
    }

    /// Every row of every attempt as one text.
    pub async fn attempt_rows(&self) -> String {
        // What waits is written first.
        self.attempts(&AttemptFilter::default()).await;
        let rows: Vec<(String,)> = portcullis_database::on!(self.database().read(), |pool| {
            sqlx::query_as(
                "SELECT COALESCE(client_id, '') || ' ' || COALESCE(reason, '') || ' ' || COALESCE(trace_id, '') || ' ' || steps FROM attempt_leg",
            )
            .fetch_all(pool)
            .await
        })
        .expect("the rows");
        rows.into_iter().map(|(row,)| row).collect::<Vec<_>>().join("\n")
    }
}

/// The last step that was refused.
#[must_use]
pub fn refusal(attempt: &Attempt) -> (AttemptStep, Reason) {
    let steps = attempt.legs.iter().flat_map(|leg| &leg.steps);
    let refused = steps.rev().find_map(|step| Some((step.clone(), step.reason?)));
    refused.unwrap_or_else(|| panic!("nothing was refused: {attempt:?}"))
}
