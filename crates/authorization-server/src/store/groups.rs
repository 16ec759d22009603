//! `principal_group` and its members: groups of users and machines, for policies to name.

use std::sync::Arc;

use portcullis_audit::{Action, Event, Outcome};
use portcullis_database::{Change, ChangeKind, Database, DatabaseError, Transaction, on};
use portcullis_oauth::{Clock, PrincipalId, Timestamp};
use serde_json::json;

/// Longer names are refused.
const LONGEST: usize = 63;

/// A group.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Group {
    /// Its name, as policies write it.
    pub name: String,
    /// What it is for.
    pub about: String,
    /// How many belong to it.
    pub members: i64,
    /// Since when it is there.
    pub created_at: Timestamp,
}

/// Somebody or something that belongs to a group.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Member {
    /// Who.
    pub principal: PrincipalId,
    /// A user's e-mail address.
    pub email: Option<String>,
    /// The client of a machine.
    pub client: Option<String>,
    /// Since when they belong to it.
    pub added_at: Timestamp,
}

/// Why a group was not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// Policies could not write it.
    #[error(
        "a group's name has 1 to 63 of small letters, digits, `.`, `_` and `-`, and begins with a letter or digit"
    )]
    Name,
    /// The text cannot be kept.
    #[error("what a group is for takes at most 200 characters and no control characters")]
    About,
    /// There is one.
    #[error("there is a group of this name already")]
    Taken,
    /// There is none.
    #[error("there is no group {0}; `portcullis group list` shows every one")]
    Unknown(String),
    /// The store failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// The groups of this server.
#[derive(Clone, Debug)]
pub struct Groups {
    database: Database,
    clock: Arc<dyn Clock>,
}

impl Groups {
    /// The groups kept in `database`.
    #[must_use]
    pub fn new(database: Database, clock: Arc<dyn Clock>) -> Self {
        Self { database, clock }
    }

    /// Makes a group.
    ///
    /// # Errors
    /// When the name cannot be used or is taken, or the store fails.
    pub async fn create(&self, name: &str, about: &str) -> Result<Group, GroupError> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let is_name =
            name.starts_with(plain) && name.chars().all(|c| plain(c) || matches!(c, '.' | '_' | '-'));
        if !is_name || name.len() > LONGEST {
            return Err(GroupError::Name);
        }
        if about.chars().count() > 200 || about.chars().any(char::is_control) {
            return Err(GroupError::About);
        }
        let now = self.clock.now();
        let mut transaction = self.database.begin().await?;
        let made: Option<(String,)> = on!(transaction.on(), |connection| sqlx::query_as(
            "INSERT INTO principal_group (name, about, created_at) VALUES ($1, $2, $3) \
             ON CONFLICT DO NOTHING RETURNING name"
        )
        .bind(name)
        .bind(about)
        .bind(now)
        .fetch_optional(connection)
        .await)
        .map_err(DatabaseError::from)?;
        if made.is_none() {
            return Err(GroupError::Taken);
        }
        note(&mut transaction, name, (None, "group_created"), now).await?;
        transaction.commit().await?;
        Ok(Group { name: name.to_owned(), about: about.to_owned(), members: 0, created_at: now })
    }

    /// Every group, by name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self) -> Result<Vec<Group>, DatabaseError> {
        let mut all: Vec<Group> = on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT g.name, g.about, g.created_at, (SELECT COUNT(*) FROM principal_group_member m \
             WHERE m.group_name = g.name) AS members FROM principal_group g"
        )
        .fetch_all(pool)
        .await)?;
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(all)
    }

    /// Everybody who belongs to a group, users by address, then machines by client.
    ///
    /// # Errors
    /// When there is no such group, or the store fails.
    pub async fn members(&self, name: &str) -> Result<Vec<Member>, GroupError> {
        self.known(name).await?;
        let mut all: Vec<Member> = on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT m.principal_id AS principal, m.added_at, u.email, a.client_id AS client \
             FROM principal_group_member m LEFT JOIN user_account u ON u.principal_id = m.principal_id \
             LEFT JOIN machine_account a ON a.principal_id = m.principal_id WHERE m.group_name = $1"
        )
        .bind(name)
        .fetch_all(pool)
        .await)
        .map_err(DatabaseError::from)?;
        all.sort_by(|one, other| {
            (one.email.is_none(), &one.email, &one.client).cmp(&(
                other.email.is_none(),
                &other.email,
                &other.client,
            ))
        });
        Ok(all)
    }

    /// The groups that a principal belongs to, by name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn of(&self, principal: &PrincipalId) -> Result<Vec<String>, DatabaseError> {
        let rows: Vec<(String,)> = on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT group_name FROM principal_group_member WHERE principal_id = $1"
        )
        .bind(principal)
        .fetch_all(pool)
        .await)?;
        let mut names: Vec<String> = rows.into_iter().map(|(name,)| name).collect();
        names.sort();
        Ok(names)
    }

    /// Takes a principal into a group; every node knows within a second. `false` when it belongs to it already.
    ///
    /// # Errors
    /// When there is no such group, or the store fails.
    pub async fn add(&self, name: &str, principal: &PrincipalId) -> Result<bool, GroupError> {
        self.known(name).await?;
        let now = self.clock.now();
        let mut transaction = self.database.begin().await?;
        let added: Option<(String,)> = on!(transaction.on(), |connection| sqlx::query_as(
            "INSERT INTO principal_group_member (principal_id, group_name, added_at) VALUES ($1, $2, $3) \
             ON CONFLICT DO NOTHING RETURNING group_name"
        )
        .bind(principal)
        .bind(name)
        .bind(now)
        .fetch_optional(connection)
        .await)
        .map_err(DatabaseError::from)?;
        self.finish(transaction, added.is_some(), (name, principal, "group_member_added")).await
    }

    /// Takes a principal out of a group; every node knows within a second. `false` when it does not belong to it.
    ///
    /// # Errors
    /// When there is no such group, or the store fails.
    pub async fn remove(&self, name: &str, principal: &PrincipalId) -> Result<bool, GroupError> {
        self.known(name).await?;
        let mut transaction = self.database.begin().await?;
        let removed: Option<(String,)> = on!(transaction.on(), |connection| sqlx::query_as(
            "DELETE FROM principal_group_member WHERE principal_id = $1 AND group_name = $2 RETURNING group_name"
        )
        .bind(principal)
        .bind(name)
        .fetch_optional(connection)
        .await)
        .map_err(DatabaseError::from)?;
        self.finish(transaction, removed.is_some(), (name, principal, "group_member_removed")).await
    }

    /// Removes a group with every membership. Policies that name it stay, and mean nobody.
    ///
    /// # Errors
    /// When there is no such group, or the store fails.
    pub async fn delete(&self, name: &str) -> Result<(), GroupError> {
        let now = self.clock.now();
        let mut transaction = self.database.begin().await?;
        let members: Vec<(PrincipalId,)> = on!(transaction.on(), |connection| sqlx::query_as(
            "DELETE FROM principal_group_member WHERE group_name = $1 RETURNING principal_id"
        )
        .bind(name)
        .fetch_all(connection)
        .await)
        .map_err(DatabaseError::from)?;
        let gone: Option<(String,)> = on!(transaction.on(), |connection| sqlx::query_as(
            "DELETE FROM principal_group WHERE name = $1 RETURNING name"
        )
        .bind(name)
        .fetch_optional(connection)
        .await)
        .map_err(DatabaseError::from)?;
        if gone.is_none() {
            return Err(GroupError::Unknown(name.to_owned()));
        }
        for (principal,) in &members {
            transaction.record_change(&Change::new(ChangeKind::User, principal.as_str()), now).await?;
        }
        note(&mut transaction, name, (None, "group_removed"), now).await?;
        Ok(transaction.commit().await?)
    }

    async fn known(&self, name: &str) -> Result<(), GroupError> {
        let found: Option<(String,)> = on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT name FROM principal_group WHERE name = $1"
        )
        .bind(name)
        .fetch_optional(pool)
        .await)
        .map_err(DatabaseError::from)?;
        found.map(drop).ok_or_else(|| GroupError::Unknown(name.to_owned()))
    }

    /// Commits a change of membership, unless there was none.
    async fn finish(
        &self,
        mut transaction: Transaction,
        changed: bool,
        (name, principal, what): (&str, &PrincipalId, &'static str),
    ) -> Result<bool, GroupError> {
        if !changed {
            return Ok(false);
        }
        let now = self.clock.now();
        transaction.record_change(&Change::new(ChangeKind::User, principal.as_str()), now).await?;
        note(&mut transaction, name, (Some(principal), what), now).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

/// The paper trail of a change, in the transaction that makes it.
async fn note(
    transaction: &mut Transaction,
    group: &str,
    (member, what): (Option<&PrincipalId>, &'static str),
    now: Timestamp,
) -> Result<(), DatabaseError> {
    let event = Event::new(now, Action::GroupChange, Outcome::Done).because(what);
    let event = member.into_iter().fold(event, Event::by);
    portcullis_audit::record_in(transaction, event.with(json!({ "group": group }))).await
}
