//! Clients that have a document, and what an admin holds of each: the further columns of `oauth_client`, and `client_trust`.

use portcullis_audit::{Action, Event, Outcome};
use portcullis_database::{Change, ChangeKind, DatabaseError, Transaction, on};
use portcullis_oauth::{
    ClientAuthMethod, ClientId, ClientIdUrl, ClientMetadata, PrincipalId, Seconds, Timestamp,
};

use super::clients::{Client, Clients, end_in};

/// A wish that nobody decided is forgotten after so long.
const ASKED_KEPT: Seconds = Seconds::days(30);

/// What is kept of a document besides what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientDocument {
    /// Its `ETag`, if it has one.
    pub(crate) etag: Option<String>,
    /// When it was last read, or found unchanged.
    pub read_at: Timestamp,
    /// Until then it is not asked for.
    pub fresh_until: Timestamp,
}

/// A document that was read and judged.
#[derive(Debug)]
pub(crate) struct NewDocument {
    pub(crate) id: ClientId,
    pub(crate) metadata: ClientMetadata,
    pub(crate) etag: Option<String>,
    pub(crate) fresh_until: Timestamp,
}

impl NewDocument {
    fn is_confidential(&self) -> bool {
        self.metadata.token_endpoint_auth_method != ClientAuthMethod::None
    }
}

/// What an admin holds of a document's URL. Nothing said means what the setting says of everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientTrust {
    /// Somebody wants to use it, and an admin has to decide.
    Asked,
    /// An admin allowed it.
    Trusted,
    /// An admin wants nothing of it.
    Blocked,
}

impl ClientTrust {
    /// The verdict as its column and `--json` name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Trusted => "trusted",
            Self::Blocked => "blocked",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        [Self::Asked, Self::Trusted, Self::Blocked].into_iter().find(|trust| trust.as_str() == name)
    }
}

impl Clients {
    /// Keeps a client as its document now describes it. A change leaves a trace; a client that was removed is known again.
    pub(crate) async fn keep_document(
        &self,
        new: &NewDocument,
        now: Timestamp,
    ) -> Result<Client, DatabaseError> {
        let before = self.find(&new.id).await?;
        let encode = |error: serde_json::Error| DatabaseError::from(sqlx::Error::Encode(Box::new(error)));
        let metadata = serde_json::to_string(&new.metadata).map_err(encode)?;
        let mut transaction = self.database.begin().await?;
        on!(transaction.on(), |connection| {
            sqlx::query(
            "INSERT INTO oauth_client (id, origin, metadata, resources, created_at, document_etag, document_read_at, \
             document_fresh_until) VALUES ($1, 'dynamic', $2, '[]', $3, $4, $3, $5) ON CONFLICT (id) DO UPDATE SET \
             metadata = excluded.metadata, document_etag = excluded.document_etag, removed_at = NULL, \
             document_read_at = excluded.document_read_at, document_fresh_until = excluded.document_fresh_until"
        )
        .bind(&new.id)
        .bind(metadata)
        .bind(now)
        .bind(&new.etag)
        .bind(new.fresh_until)
        .execute(connection)
        .await
        .map(drop)
        })?;
        let weakened = |client: &Client| client.is_confidential() && !new.is_confidential();
        if before.as_ref().is_some_and(weakened) {
            // A37: what was given to whoever holds the key is not for everybody who knows the name.
            end_in(&mut transaction, &new.id, "document_without_key", now).await?;
        }
        if before.as_ref().is_none_or(|client| client.metadata != new.metadata) {
            let why = if before.is_some() { "document_changed" } else { "document_read" };
            let event = Event::new(now, Action::ClientDocument, Outcome::Done).because(why).through(&new.id);
            let detail =
                serde_json::json!({"before": before.map(|client| client.metadata), "now": new.metadata});
            portcullis_audit::record_in(&mut transaction, event.with(detail)).await?;
            transaction.record_change(&Change::new(ChangeKind::Client, new.id.as_str()), now).await?;
        }
        transaction.commit().await?;
        self.find(&new.id).await?.ok_or_else(|| DatabaseError::from(sqlx::Error::RowNotFound))
    }

    /// The document is still what it was.
    pub(crate) async fn extend_document(
        &self,
        id: &ClientId,
        fresh_until: Timestamp,
        now: Timestamp,
    ) -> Result<(), DatabaseError> {
        on!(self.database.write(), |pool| sqlx::query(
            "UPDATE oauth_client SET document_read_at = $2, document_fresh_until = $3 WHERE id = $1"
        )
        .bind(id)
        .bind(now)
        .bind(fresh_until)
        .execute(pool)
        .await
        .map(drop))?;
        Ok(())
    }

    /// What an admin holds of a URL that may not be a client yet.
    pub(crate) async fn trust_in(&self, id: &ClientId) -> Result<Option<ClientTrust>, DatabaseError> {
        let found: Option<(String,)> = on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT verdict FROM client_trust WHERE client_id = $1"
        )
        .bind(id)
        .fetch_optional(pool)
        .await)?;
        Ok(found.and_then(|(verdict,)| ClientTrust::parse(&verdict)))
    }

    /// Notes that somebody wants to use a client that an admin has to allow; once, however often it is said.
    pub(crate) async fn ask_for(&self, url: &ClientIdUrl, who: &PrincipalId) -> Result<(), DatabaseError> {
        let (id, now) = (url.client_id(), self.clock.now());
        let mut transaction = self.database.begin().await?;
        let new: Option<(ClientId,)> = on!(transaction.on(), |connection| {
            sqlx::query_as(
            "INSERT INTO client_trust (client_id, verdict, at) VALUES ($1, 'asked', $2) ON CONFLICT (client_id) \
             DO NOTHING RETURNING client_id"
        )
        .bind(&id)
        .bind(now)
        .fetch_optional(connection)
        .await
        })?;
        if new.is_some() {
            let event = Event::new(now, Action::ClientDocument, Outcome::Started).because("client_asked_for");
            portcullis_audit::record_in(&mut transaction, event.by(who).through(&id)).await?;
        }
        transaction.commit().await
    }

    /// Allows the client behind this URL, whatever the setting says of others.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn trust(&self, url: &ClientIdUrl) -> Result<(), DatabaseError> {
        let (id, now) = (url.client_id(), self.clock.now());
        let mut transaction = self.database.begin().await?;
        decide_in(&mut transaction, &id, ClientTrust::Trusted, now).await?;
        let event =
            Event::new(now, Action::ClientChange, Outcome::Done).because("client_trusted").through(&id);
        portcullis_audit::record_in(&mut transaction, event).await?;
        transaction.record_change(&Change::new(ChangeKind::Client, id.as_str()), now).await?;
        transaction.commit().await
    }

    /// Blocks the client behind this URL; what it was granted ends.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn block(&self, url: &ClientIdUrl) -> Result<(), DatabaseError> {
        let (id, now) = (url.client_id(), self.clock.now());
        let mut transaction = self.database.begin().await?;
        decide_in(&mut transaction, &id, ClientTrust::Blocked, now).await?;
        end_in(&mut transaction, &id, "client_blocked", now).await?;
        transaction.commit().await
    }

    /// Every URL of which an admin holds something or should, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn trusts(&self) -> Result<Vec<(ClientId, ClientTrust, Timestamp)>, DatabaseError> {
        let rows: Vec<(ClientId, String, Timestamp)> = on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT client_id, verdict, at FROM client_trust ORDER BY at, client_id"
        )
        .fetch_all(pool)
        .await)?;
        let known =
            |(id, verdict, at): (ClientId, String, Timestamp)| Some((id, ClientTrust::parse(&verdict)?, at));
        Ok(rows.into_iter().filter_map(known).collect())
    }

    /// Forgets wishes that nobody decided.
    pub(crate) async fn sweep_asked(&self, now: Timestamp) -> Result<(), DatabaseError> {
        let sql = "DELETE FROM client_trust WHERE client_id IN \
                   (SELECT client_id FROM client_trust WHERE verdict = 'asked' AND at < $1 LIMIT 200)";
        self.database.sweep(sql, now.minus(ASKED_KEPT)).await
    }
}

async fn decide_in(
    transaction: &mut Transaction,
    id: &ClientId,
    verdict: ClientTrust,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    on!(transaction.on(), |connection| sqlx::query(
        "INSERT INTO client_trust (client_id, verdict, at) VALUES ($1, $2, $3) \
         ON CONFLICT (client_id) DO UPDATE SET verdict = excluded.verdict, at = excluded.at"
    )
    .bind(id)
    .bind(verdict.as_str())
    .bind(now)
    .execute(connection)
    .await
    .map(drop))?;
    Ok(())
}
