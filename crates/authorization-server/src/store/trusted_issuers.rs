//! `trusted_issuer` and `federated_identity`: identity providers whose word about a user is taken (ID-JAG), and who their
//! users are here. The issuer, its tenant and the subject together name somebody; an e-mail address alone never does
//! (IDJAG-3-1).

use std::sync::Arc;

use portcullis_audit::{Action, Event, Outcome};
use portcullis_database::{Change, ChangeKind, Database, DatabaseError, Transaction, on};
use portcullis_oauth::jose::ClientKeys;
use portcullis_oauth::{Clock, PrincipalId, Timestamp};
use url::Url;

use super::{clients, enterprise_grants, users};

/// An issuer and one of its tenants; the tenant is empty where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerId {
    /// The `iss` of its assertions, byte for byte.
    pub issuer: String,
    /// Their `tenant`.
    pub tenant: String,
}

/// A provider whose assertions are taken.
#[derive(Clone, Debug)]
pub struct TrustedIssuer {
    /// Who it is.
    pub id: IssuerId,
    /// What verifies its assertions.
    pub keys: ClientKeys,
    /// Whether an address that it verified may link somebody for the first time.
    pub links_by_email: bool,
    /// Since when it is trusted.
    pub created_at: Timestamp,
}

/// Why an issuer was not trusted, or somebody not linked.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// Not a URL, or more than one.
    #[error(
        "an issuer is an https URL without user information, query and fragment, as its assertions name it"
    )]
    Url,
    /// It is trusted already.
    #[error("this issuer is trusted already; remove it first to change it")]
    Taken,
    /// Nobody trusts it.
    #[error("no such issuer is trusted; `portcullis issuer list` shows those that are")]
    Unknown,
    /// That subject is somebody else here.
    #[error("this subject is linked to another user")]
    Linked,
    /// No subject has this form.
    #[error("a subject has 1 to 255 characters")]
    Subject,
    /// The store failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

#[derive(sqlx::FromRow)]
struct Row {
    issuer: String,
    tenant: String,
    keys: String,
    link_by_email: bool,
    created_at: Timestamp,
}

impl TryFrom<Row> for TrustedIssuer {
    type Error = DatabaseError;

    fn try_from(row: Row) -> Result<Self, DatabaseError> {
        let keys = serde_json::from_str(&row.keys);
        Ok(Self {
            id: IssuerId { issuer: row.issuer, tenant: row.tenant },
            keys: keys.map_err(|error| DatabaseError::from(sqlx::Error::Decode(Box::new(error))))?,
            links_by_email: row.link_by_email,
            created_at: row.created_at,
        })
    }
}

impl IssuerId {
    /// An issuer as an admin names it.
    ///
    /// # Errors
    /// When that is no issuer.
    pub fn parse(issuer: &str, tenant: &str) -> Result<Self, IssuerError> {
        let url = Url::parse(issuer).map_err(|_| IssuerError::Url)?;
        let is_here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        let is_secure = url.scheme() == "https" || (url.scheme() == "http" && is_here);
        let is_plain =
            url.username().is_empty() && url.password().is_none() && !issuer.contains(['?', '#', '\0']);
        if !is_secure || !is_plain || issuer.len() > 500 || tenant.len() > 255 || tenant.contains('\0') {
            return Err(IssuerError::Url);
        }
        Ok(Self { issuer: issuer.to_owned(), tenant: tenant.to_owned() })
    }
}

/// The providers that are trusted, and their users.
#[derive(Clone, Debug)]
pub struct TrustedIssuers {
    database: Database,
    clock: Arc<dyn Clock>,
}

impl TrustedIssuers {
    /// Those kept in `database`.
    #[must_use]
    pub fn new(database: Database, clock: Arc<dyn Clock>) -> Self {
        Self { database, clock }
    }

    /// Takes this issuer's word from now on.
    ///
    /// # Errors
    /// When it is trusted already, or the database does not answer.
    pub async fn trust(
        &self,
        id: IssuerId,
        keys: ClientKeys,
        links_by_email: bool,
    ) -> Result<TrustedIssuer, IssuerError> {
        let now = self.clock.now();
        let kept = clients::encode(&keys)?;
        let mut transaction = self.database.begin().await?;
        let new: Option<(String,)> = on!(transaction.on(), |connection| {
            sqlx::query_as(
                "INSERT INTO trusted_issuer (issuer, tenant, keys, link_by_email, created_at) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (issuer, tenant) DO NOTHING RETURNING issuer",
            )
            .bind(&id.issuer)
            .bind(&id.tenant)
            .bind(kept)
            .bind(links_by_email)
            .bind(now)
            .fetch_optional(connection)
            .await
        })
        .map_err(DatabaseError::from)?;
        if new.is_none() {
            return Err(IssuerError::Taken);
        }
        note(&mut transaction, &id, "issuer_trusted", now).await?;
        transaction.commit().await?;
        Ok(TrustedIssuer { id, keys, links_by_email, created_at: now })
    }

    /// Takes its word no longer: who its users are is forgotten, and what it vouched for ends. `false` when it was not
    /// trusted.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn remove(&self, id: &IssuerId) -> Result<bool, DatabaseError> {
        let now = self.clock.now();
        let mut transaction = self.database.begin().await?;
        let found: Option<(String,)> = on!(transaction.on(), |connection| sqlx::query_as(
            "DELETE FROM trusted_issuer WHERE issuer = $1 AND tenant = $2 RETURNING issuer"
        )
        .bind(&id.issuer)
        .bind(&id.tenant)
        .fetch_optional(connection)
        .await)?;
        if found.is_none() {
            return Ok(false);
        }
        enterprise_grants::end_in(&mut transaction, (id, None), "issuer_removed", now).await?;
        on!(transaction.on(), |connection| sqlx::query(
            "DELETE FROM federated_identity WHERE issuer = $1 AND tenant = $2"
        )
        .bind(&id.issuer)
        .bind(&id.tenant)
        .execute(connection)
        .await
        .map(drop))?;
        note(&mut transaction, id, "issuer_removed", now).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Every issuer, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(&self) -> Result<Vec<TrustedIssuer>, DatabaseError> {
        let rows: Vec<Row> = on!(self.database.read(), |pool| {
            sqlx::query_as(
            "SELECT issuer, tenant, keys, link_by_email, created_at FROM trusted_issuer ORDER BY created_at, issuer, tenant"
        )
        .fetch_all(pool)
        .await
        })?;
        rows.into_iter().map(TrustedIssuer::try_from).collect()
    }

    /// The issuer of this name, for this very tenant: one that is trusted for a tenant is not trusted for another, nor
    /// without one.
    pub(crate) async fn find(
        &self,
        issuer: &str,
        tenant: &str,
    ) -> Result<Option<TrustedIssuer>, DatabaseError> {
        let row: Option<Row> = on!(self.database.read(), |pool| {
            sqlx::query_as(
            "SELECT issuer, tenant, keys, link_by_email, created_at FROM trusted_issuer WHERE issuer = $1 AND tenant = $2"
        )
        .bind(issuer)
        .bind(tenant)
        .fetch_optional(pool)
        .await
        })?;
        row.map(TrustedIssuer::try_from).transpose()
    }

    /// Who this subject is here, if anybody said so.
    pub(crate) async fn user(
        &self,
        id: &IssuerId,
        subject: &str,
    ) -> Result<Option<PrincipalId>, DatabaseError> {
        let found: Option<(PrincipalId,)> = on!(self.database.read(), |pool| {
            sqlx::query_as(
            "SELECT principal_id FROM federated_identity WHERE issuer = $1 AND tenant = $2 AND subject = $3"
        )
        .bind(&id.issuer)
        .bind(&id.tenant)
        .bind(subject)
        .fetch_optional(pool)
        .await
        })?;
        Ok(found.map(|(principal,)| principal))
    }

    /// Says who a subject of a trusted issuer is here.
    ///
    /// # Errors
    /// When the issuer is not trusted, the subject is somebody else, or the database does not answer.
    pub async fn link(&self, id: &IssuerId, subject: &str, user: &PrincipalId) -> Result<(), IssuerError> {
        if !(1..=255).contains(&subject.len()) || subject.contains('\0') {
            return Err(IssuerError::Subject);
        }
        if self.find(&id.issuer, &id.tenant).await?.is_none() {
            return Err(IssuerError::Unknown);
        }
        match self.user(id, subject).await? {
            Some(linked) if linked == *user => return Ok(()),
            Some(_) => return Err(IssuerError::Linked),
            None => {}
        }
        let mut transaction = self.database.begin().await?;
        let now = self.clock.now();
        if write_link_in(&mut transaction, (id, subject, user), "identity_linked", now).await? {
            transaction.commit().await?;
            Ok(())
        } else {
            Err(IssuerError::Linked)
        }
    }

    /// Links somebody for the first time by an address that the issuer verified, if that is nobody else's: the user must
    /// not be linked at this issuer already, since addresses are given to somebody new now and then; and administrators
    /// are linked by command alone.
    pub(crate) async fn link_by_email(
        &self,
        id: &IssuerId,
        (subject, email): (&str, &str),
    ) -> Result<Option<PrincipalId>, DatabaseError> {
        // Cases fold onto ASCII letters from elsewhere too: another's address would be made of them.
        if !email.is_ascii() {
            return Ok(None);
        }
        let mut transaction = self.database.begin().await?;
        // Written as it is, the row is ours until the end: of two who come at once, the second finds the first's link.
        let held: Option<(PrincipalId,)> = on!(transaction.on(), |connection| {
            sqlx::query_as(
            "UPDATE user_account SET email = email WHERE email = $1 AND NOT admin AND disabled_at IS NULL \
             RETURNING principal_id"
        )
        .bind(users::normalise(email))
        .fetch_optional(connection)
        .await
        })?;
        let Some((user,)) = held else { return Ok(None) };
        let linked: Option<(String,)> = on!(transaction.on(), |connection| {
            sqlx::query_as(
            "SELECT subject FROM federated_identity WHERE principal_id = $1 AND issuer = $2 AND tenant = $3 LIMIT 1"
        )
        .bind(&user)
        .bind(&id.issuer)
        .bind(&id.tenant)
        .fetch_optional(connection)
        .await
        })?;
        if linked.is_none() {
            let why = "identity_linked_by_email";
            write_link_in(&mut transaction, (id, subject, &user), why, self.clock.now()).await?;
            transaction.commit().await?;
        }
        // Whoever was faster decided.
        self.user(id, subject).await
    }

    /// Forgets who a subject is here; what its issuer vouched for ends. `false` when nobody was linked.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn unlink(&self, id: &IssuerId, subject: &str) -> Result<bool, DatabaseError> {
        let now = self.clock.now();
        let mut transaction = self.database.begin().await?;
        let found: Option<(PrincipalId,)> = on!(transaction.on(), |connection| {
            sqlx::query_as(
            "DELETE FROM federated_identity WHERE issuer = $1 AND tenant = $2 AND subject = $3 RETURNING principal_id"
        )
        .bind(&id.issuer)
        .bind(&id.tenant)
        .bind(subject)
        .fetch_optional(connection)
        .await
        })?;
        let Some((user,)) = found else { return Ok(false) };
        enterprise_grants::end_in(&mut transaction, (id, Some(&user)), "identity_unlinked", now).await?;
        note_identity(&mut transaction, (id, subject, &user), "identity_unlinked", now).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

async fn note(
    transaction: &mut Transaction,
    id: &IssuerId,
    what: &'static str,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    let event = Event::new(now, Action::IssuerChange, Outcome::Done).because(what);
    let detail = serde_json::json!({"issuer": id.issuer, "tenant": id.tenant});
    portcullis_audit::record_in(transaction, event.with(detail)).await?;
    transaction.record_change(&Change::new(ChangeKind::Issuer, id.issuer.as_str()), now).await
}

/// Links a subject, if nobody did before.
async fn write_link_in(
    transaction: &mut Transaction,
    (id, subject, user): (&IssuerId, &str, &PrincipalId),
    why: &'static str,
    now: Timestamp,
) -> Result<bool, DatabaseError> {
    let new: Option<(String,)> = on!(transaction.on(), |connection| {
        sqlx::query_as(
            "INSERT INTO federated_identity (issuer, tenant, subject, principal_id, linked_at) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (issuer, tenant, subject) DO NOTHING RETURNING subject",
        )
        .bind(&id.issuer)
        .bind(&id.tenant)
        .bind(subject)
        .bind(user)
        .bind(now)
        .fetch_optional(connection)
        .await
    })?;
    if new.is_some() {
        note_identity(transaction, (id, subject, user), why, now).await?;
    }
    Ok(new.is_some())
}

async fn note_identity(
    transaction: &mut Transaction,
    (id, subject, user): (&IssuerId, &str, &PrincipalId),
    what: &'static str,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    let event = Event::new(now, Action::IssuerChange, Outcome::Done).because(what).by(user);
    let detail = serde_json::json!({"issuer": id.issuer, "tenant": id.tenant, "subject": subject});
    portcullis_audit::record_in(transaction, event.with(detail)).await
}
