//! Looking approvals up: one's own, and those that wait for a second person. Somebody else's is an unknown one (T18, T40).

use portcullis_database::{DatabaseError, on};
use portcullis_oauth::{ApprovalId, PrincipalId};
use serde_json::Value;
use sqlx::AssertSqlSafe;
use tokio::time::{Duration, Instant, sleep_until};

use super::decide::needs_another;
use super::request::place;
use super::{Approval, ApprovalState, Approvals, Row, shown};

/// So many are listed at once.
const PAGE: i64 = 100;

/// Whose eyes look: a person's own approvals, and with the right to decide for others also those that need it.
#[derive(Clone, Copy, Debug)]
pub struct Inbox<'a> {
    /// Who; everybody's for an admin at the command line.
    pub who: Option<&'a PrincipalId>,
    /// Whether they may decide for others.
    pub approver: bool,
}

impl Inbox<'_> {
    fn shows(&self, approval: &Approval) -> bool {
        let theirs = self.approver && needs_another(&approval.principal, approval.level);
        self.who.is_none_or(|who| approval.principal == *who || theirs)
    }
}

/// Which. What is not said does not matter.
#[derive(Clone, Debug, Default)]
pub struct Sought {
    /// In this state.
    pub state: Option<ApprovalState>,
    /// Of the tool of this name.
    pub tool: Option<String>,
    /// At the connection of this alias.
    pub alias: Option<String>,
}

impl Approvals {
    /// One approval, if it is theirs to see.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn find(&self, id: &ApprovalId, inbox: Inbox<'_>) -> Result<Option<Approval>, DatabaseError> {
        let found = self.row(id).await?.map(|row| row.at(self.0.clock.now()));
        Ok(found.filter(|approval| inbox.shows(approval)))
    }

    /// The newest hundred, the newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, inbox: Inbox<'_>, sought: &Sought) -> Result<Vec<Approval>, DatabaseError> {
        let now = self.0.clock.now();
        // Words of ours alone: of what was asked for nothing stands in the statement.
        let mut sql =
            String::from("SELECT * FROM approval WHERE (tool = $1 OR $1 = '') AND (alias = $2 OR $2 = '')");
        let who = inbox.who.map(PrincipalId::as_str).unwrap_or_default();
        sql.push_str(match (inbox.who, inbox.approver) {
            (None, _) => " AND $3 = ''",
            (Some(_), false) => " AND principal_id = $3",
            (Some(_), true) => {
                " AND (principal_id = $3 OR level = 3 OR principal_id LIKE 'machine\\_%' ESCAPE '\\')"
            }
        });
        // The column may not yet know what time has made of it; the filter below does.
        sql.push_str(" AND (state = $4 OR $4 = '') ORDER BY created_at DESC, id LIMIT $5");
        let state = sought.state.map(ApprovalState::as_str).unwrap_or_default();
        let rows: Vec<Row> = on!(self.0.database.read(), |pool| sqlx::query_as(AssertSqlSafe(sql))
            .bind(sought.tool.as_deref().unwrap_or_default())
            .bind(sought.alias.as_deref().unwrap_or_default())
            .bind(who)
            .bind(state)
            .bind(PAGE)
            .fetch_all(pool)
            .await)?;
        let listed = rows.iter().map(|row| row.at(now));
        Ok(listed.filter(|approval| sought.state.is_none_or(|state| approval.state == state)).collect())
    }

    /// What the call of an approval says, as text for people: secrets are masked, and nothing in it is hidden.
    ///
    /// # Errors
    /// When the store fails, or what is stored does not open.
    pub async fn arguments(&self, approval: &Approval) -> Result<String, DatabaseError> {
        let unreadable = |cause: String| DatabaseError::from(sqlx::Error::Protocol(cause));
        let row = self.row(&approval.id).await?.ok_or(sqlx::Error::RowNotFound)?;
        let opened = self.0.key.open(&row.arguments, &place(&row.id, "arguments"));
        let opened = opened.map_err(|error| unreadable(error.to_string()))?;
        let value: Value = serde_json::from_slice(&opened).map_err(|error| unreadable(error.to_string()))?;
        Ok(shown::text(&value))
    }

    /// A short text of a call, such as its tool's name, with nothing hidden in it.
    #[must_use]
    pub fn plain(text: &str) -> String {
        shown::plain(text)
    }

    /// Waits until an approval leaves `state`, or until `until`; gives it as it stands then.
    pub(crate) async fn wait(
        &self,
        id: &ApprovalId,
        state: ApprovalState,
        until: Instant,
    ) -> Result<Option<Approval>, DatabaseError> {
        let mut news = self.hear();
        loop {
            let now = self.0.clock.now();
            let Some(approval) = self.row(id).await?.map(|row| row.at(now)) else { return Ok(None) };
            if approval.state != state || Instant::now() >= until {
                return Ok(Some(approval));
            }
            let left = u64::try_from(now.seconds_until(approval.expires_at)).unwrap_or_default();
            let over = Instant::now() + Duration::from_secs(left.max(1));
            loop {
                tokio::select! {
                    () = sleep_until(until.min(over)) => break,
                    piece = news.next() => if piece.is_none_or(|piece| piece.is_about(id)) { break },
                }
            }
        }
    }

    pub(super) async fn row(&self, id: &ApprovalId) -> Result<Option<Row>, DatabaseError> {
        Ok(on!(self.0.database.read(), |pool| sqlx::query_as("SELECT * FROM approval WHERE id = $1")
            .bind(id)
            .fetch_optional(pool)
            .await)?)
    }
}
