//! `principal` and `user_account`: people, their permissions and their passwords.

use std::sync::Arc;

use portcullis_audit::{Action, Event, Outcome};
use portcullis_database::{Change, ChangeKind, Database, DatabaseError, Transaction, on};
use portcullis_oauth::{Clock, PrincipalId, PrincipalKind, ScopeSet, Secret, Timestamp, scopes};

use crate::password::{self, PasswordError};

/// A person who can sign in.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct User {
    /// The principal (`sub`).
    pub id: PrincipalId,
    /// What they sign in with, lower case.
    pub email: String,
    /// What pages call them.
    pub name: String,
    /// Whether they administer this server.
    pub admin: bool,
    /// The scopes that they may use and give.
    pub permissions: ScopeSet,
    /// Since when they may not sign in and their tokens are dead.
    pub disabled_at: Option<Timestamp>,
    /// When their password was set last, if it was since they were added.
    pub password_changed_at: Option<Timestamp>,
    /// Since when they have to choose another password at the next sign-in.
    pub password_expired_at: Option<Timestamp>,
    /// Since when they are known.
    pub created_at: Timestamp,
}

impl User {
    /// The scopes that they may use and give, with those of administrators if they are one.
    #[must_use]
    pub fn may(&self) -> ScopeSet {
        permitted(&self.permissions, self.admin)
    }
}

/// What somebody with these permissions may do, who administers this server or does not.
pub(super) fn permitted(permissions: &ScopeSet, admin: bool) -> ScopeSet {
    let more: ScopeSet = scopes::ADMIN.into_iter().filter(|_| admin).collect();
    permissions.union(&more)
}

/// A person to be added.
#[derive(Debug)]
pub struct NewUser {
    /// What they will sign in with.
    pub email: String,
    /// What pages call them.
    pub name: String,
    /// Whether they administer this server.
    pub admin: bool,
    /// Their password; `None` for an account that cannot sign in yet.
    pub password: Option<Secret>,
}

/// Why a user was not added or changed.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// Not an address.
    #[error("this is not an e-mail address: it needs one @, with text before it and a host after it")]
    Email,
    /// Empty, too long, or with control characters.
    #[error("a name has 1 to 100 characters and no control characters")]
    Name,
    /// Somebody has it already.
    #[error("there is already a user with this e-mail address")]
    Taken,
    /// The password was refused.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The store failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

macro_rules! select_user {
    ($tail:literal) => {
        concat!(
            "SELECT u.principal_id AS id, u.email, u.name, u.admin, u.permissions, u.disabled_at, u.password_changed_at, u.password_expired_at, p.created_at ",
            "FROM user_account u JOIN principal p ON p.id = u.principal_id ",
            $tail
        )
    };
}

/// The users of this server.
#[derive(Clone, Debug)]
pub struct Users {
    pub(super) database: Database,
    pub(super) clock: Arc<dyn Clock>,
}

impl Users {
    /// The users kept in `database`.
    #[must_use]
    pub fn new(database: Database, clock: Arc<dyn Clock>) -> Self {
        Self { database, clock }
    }

    /// Adds a user, who may use every MCP scope.
    ///
    /// # Errors
    /// When the address, the name or the password is not acceptable, or the address is taken.
    pub async fn create(&self, new: NewUser) -> Result<User, UserError> {
        let mut transaction = self.database.begin().await?;
        let user = create_in(&mut transaction, new, self.clock.now()).await?;
        transaction.commit().await?;
        Ok(user)
    }

    /// Every user, by address.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(&self) -> Result<Vec<User>, DatabaseError> {
        const SQL: &str = select_user!("ORDER BY u.email");
        Ok(on!(self.database.read(), |pool| sqlx::query_as(SQL).fetch_all(pool).await)?)
    }

    /// The user with this address.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_by_email(&self, email: &str) -> Result<Option<User>, DatabaseError> {
        const SQL: &str = select_user!("WHERE u.email = $1");
        let email = normalise(email);
        Ok(on!(self.database.read(), |pool| sqlx::query_as(SQL).bind(&email).fetch_optional(pool).await)?)
    }

    /// The user who is this principal.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find(&self, id: &PrincipalId) -> Result<Option<User>, DatabaseError> {
        const SQL: &str = select_user!("WHERE u.principal_id = $1");
        Ok(on!(self.database.read(), |pool| sqlx::query_as(SQL).bind(id).fetch_optional(pool).await)?)
    }

    /// Whether somebody administers this server.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn any_admin(&self) -> Result<bool, DatabaseError> {
        let found: Option<(PrincipalId,)> = on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT principal_id FROM user_account WHERE admin LIMIT 1"
        )
        .fetch_optional(pool)
        .await)?;
        Ok(found.is_some())
    }

    /// Disables a user: no sign-in, and every session and grant ends for good (ASVS-7.4.1). `false` when there is none.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn disable(&self, id: &PrincipalId) -> Result<bool, DatabaseError> {
        let now = self.clock.now();
        self.set_disabled(id, Some(now)).await
    }

    /// Lets a disabled user in again. `false` when there is none.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn enable(&self, id: &PrincipalId) -> Result<bool, DatabaseError> {
        self.set_disabled(id, None).await
    }

    async fn set_disabled(&self, id: &PrincipalId, at: Option<Timestamp>) -> Result<bool, DatabaseError> {
        let now = self.clock.now();
        let mut transaction = self.database.begin().await?;
        let found: Option<(PrincipalId,)> = on!(transaction.on(), |connection| sqlx::query_as(
            "UPDATE user_account SET disabled_at = $2 WHERE principal_id = $1 RETURNING principal_id"
        )
        .bind(id)
        .bind(at)
        .fetch_optional(connection)
        .await)?;
        if at.is_some() {
            end_sessions(&mut transaction, id, now).await?;
            super::grants::revoke_all_in(
                &mut transaction,
                ("principal_id", id.as_str()),
                "user_disabled",
                now,
            )
            .await?;
        }
        transaction.record_change(&Change::new(ChangeKind::User, id.as_str()), now).await?;
        let what = if at.is_some() { "disabled" } else { "enabled" };
        note_change(&mut transaction, id, what, now).await?;
        transaction.commit().await?;
        Ok(found.is_some())
    }
}

/// Adds a user inside a transaction.
pub(super) async fn create_in(
    transaction: &mut Transaction,
    new: NewUser,
    now: Timestamp,
) -> Result<User, UserError> {
    let email = normalise(&new.email);
    let name = new.name.trim().to_owned();
    if !is_address(&email) {
        return Err(UserError::Email);
    }
    if !(1..=100).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(UserError::Name);
    }
    let password_hash = match new.password {
        Some(password) => Some(password::hash(&password, &[&email, &name]).await?),
        None => None,
    };
    let user = User {
        id: PrincipalId::generate(PrincipalKind::User),
        email,
        name,
        admin: new.admin,
        permissions: ScopeSet::from_iter(scopes::MCP),
        disabled_at: None,
        password_changed_at: None,
        password_expired_at: None,
        created_at: now,
    };
    insert(transaction, &user, password_hash).await.map_err(|error| match error {
        taken if taken.is_unique_violation() => UserError::Taken,
        other => UserError::Database(other),
    })?;
    note_change(transaction, &user.id, "created", now).await?;
    Ok(user)
}

async fn insert(
    transaction: &mut Transaction,
    user: &User,
    password_hash: Option<String>,
) -> Result<(), DatabaseError> {
    on!(transaction.on(), |connection| sqlx::query(
        "INSERT INTO principal (id, kind, created_at) VALUES ($1, 'user', $2)"
    )
    .bind(&user.id)
    .bind(user.created_at)
    .execute(connection)
    .await
    .map(drop))?;
    on!(transaction.on(), |connection| sqlx::query(
        "INSERT INTO user_account (principal_id, email, name, admin, permissions, password_hash) \
         VALUES ($1, $2, $3, $4, $5, $6)"
    )
    .bind(&user.id)
    .bind(&user.email)
    .bind(&user.name)
    .bind(user.admin)
    .bind(&user.permissions)
    .bind(password_hash)
    .execute(connection)
    .await
    .map(drop))?;
    Ok(())
}

/// The paper trail of a change, in the transaction that makes it.
pub(super) async fn note_change(
    transaction: &mut Transaction,
    id: &PrincipalId,
    what: &'static str,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    let event = Event::new(now, Action::UserChange, Outcome::Done).because(what).by(id);
    portcullis_audit::record_in(transaction, event).await
}

/// The table is `web`'s; ending a person's sessions belongs into the same transaction as the reason for it, and so does
/// what their clients are told.
pub(super) async fn end_sessions(
    transaction: &mut Transaction,
    id: &PrincipalId,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    portcullis_web::SessionStore::end_all_in(transaction, id).await?;
    super::logout_notices::end_all_in(transaction, id, now).await?;
    super::sign_ins::forget_in(transaction, id).await
}

/// Addresses are compared without case; nothing else about them is changed.
pub(super) fn normalise(email: &str) -> String {
    email.trim().to_lowercase()
}

fn is_address(email: &str) -> bool {
    let plain = email.len() <= 254 && !email.chars().any(|c| c.is_control() || c.is_whitespace());
    let halves = email.split_once('@').is_some_and(|(local, host)| {
        !local.is_empty()
            && !host.is_empty()
            && !host.contains('@')
            && !host.starts_with('.')
            && !host.ends_with('.')
    });
    plain && halves
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_at_sign_and_something_on_both_sides() {
        for good in ["a@b", "demo@portcullis.localhost", "ünïcode@example.com"] {
            assert!(is_address(good), "{good}");
        }
        for bad in ["", "a", "@b", "a@", "a@b@c", "a b@c", "a@.b", "a@b\n"] {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
