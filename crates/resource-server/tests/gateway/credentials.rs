//! Stories about credentials at rest: what comes back, what a row that was moved is worth, and what is left of a connection
//! that was removed.

use portcullis_database::{both_engines, on};
use portcullis_resource_server::oauth::{Alias, ConnectionId, PrincipalId, PrincipalKind, Secret};
use portcullis_resource_server::{CredentialError, Credentials};

use crate::stage::Stage;

async fn connection(stage: &Stage, owner: &PrincipalId, alias: &str) -> ConnectionId {
    let alias = Alias::parse(alias).unwrap();
    stage.gateway.connections().create(owner, &alias, "sandbox", "").await.unwrap().id
}

async fn put(credentials: &Credentials, connection: &ConnectionId, field: &str, text: &str) {
    credentials.put(connection, field, &Secret::presented(text)).await.unwrap();
}

/// The value, or the sentence about why there is none.
async fn read(credentials: &Credentials, connection: &ConnectionId, field: &str) -> String {
    match credentials.get(connection, field).await {
        Ok(found) => found.map_or_else(|| "nothing".to_owned(), |secret| secret.expose().to_owned()),
        Err(error) => error.to_string(),
    }
}

async fn count(stage: &Stage, sql: &'static str) -> i64 {
    on!(stage.database.read(), |pool| sqlx::query_scalar(sql).fetch_one(pool).await).unwrap()
}

/// Does to the rows what somebody could do who writes to the database and has no key.
async fn tamper(stage: &Stage, sql: &'static str, one: &str, other: &str) {
    on!(stage.database.write(), |pool| sqlx::query(sql).bind(one).bind(other).execute(pool).await.map(drop))
        .unwrap();
}

const NOT_OPENED: &str = "does not open";

both_engines! {
    async fn a_credential_comes_back_and_the_newest_counts(held: TestDatabase) {
        let stage = Stage::set(held).await;
        let (credentials, id) = (stage.gateway.credentials(), &stage.sandbox.id);
        assert_eq!(read(credentials, id, "header").await, "nothing");
        put(credentials, id, "header", "first").await;
        put(credentials, id, "password", "hunter2").await;
        put(credentials, id, "header", "second").await;
        assert_eq!(read(credentials, id, "header").await, "second");
        assert_eq!(credentials.all(id).await.unwrap().into_keys().collect::<Vec<_>>(), ["header", "password"]);
        assert_eq!(count(&stage, "SELECT COUNT(*) FROM data_key").await, 2, "the connection's and the server's");
        assert_eq!(
            count(&stage, "SELECT COUNT(*) FROM credential WHERE sealed LIKE '%hunter2%'").await, 0
        );
        let stranger = ConnectionId::generate();
        let refused = credentials.put(&stranger, "header", &Secret::presented("x")).await.unwrap_err();
        assert!(matches!(refused, CredentialError::NoConnection), "{refused}");
    }

    /// T49: a row of another user, connection, field or version does not open, nor does another connection's key
    async fn a_row_that_was_moved_does_not_open(held: TestDatabase) {
        let stage = Stage::set(held).await;
        let (credentials, alices) = (stage.gateway.credentials(), stage.sandbox.id.clone());
        let bob = PrincipalId::generate(PrincipalKind::User);
        let (bobs, spare) = (connection(&stage, &bob, "git").await, connection(&stage, &bob, "spare").await);
        for id in [&alices, &bobs, &spare] {
            put(credentials, id, "header", id.as_str()).await;
            put(credentials, id, "password", "hunter2").await;
        }
        let (alice, bob) = (alices.as_str(), bobs.as_str());

        let take = "UPDATE credential SET sealed = (SELECT o.sealed FROM credential o \
            WHERE o.connection_id = $2 AND o.field = 'header') WHERE connection_id = $1 AND field = 'header'";
        tamper(&stage, take, alice, bob).await;
        assert!(read(credentials, &alices, "header").await.contains(NOT_OPENED));
        assert_eq!(read(credentials, &bobs, "header").await, bob);
        put(credentials, &alices, "header", "anew").await;
        assert_eq!(read(credentials, &alices, "header").await, "anew");

        let take_key = "UPDATE data_key SET wrapped = (SELECT o.wrapped FROM data_key o WHERE o.holder = $2) \
            WHERE holder = $1";
        tamper(&stage, take_key, spare.as_str(), bob).await;
        assert!(read(credentials, &spare, "header").await.contains(NOT_OPENED));

        let own = "UPDATE connection SET principal_id = $2 WHERE id = $1";
        tamper(&stage, own, bob, stage.alice.as_str()).await;
        assert!(read(credentials, &bobs, "header").await.contains(NOT_OPENED));

        let field = "UPDATE credential SET sealed = (SELECT o.sealed FROM credential o \
            WHERE o.connection_id = $1 AND o.field = 'password') WHERE connection_id = $1 AND field = $2";
        tamper(&stage, field, alice, "header").await;
        assert!(read(credentials, &alices, "header").await.contains(NOT_OPENED));
        put(credentials, &alices, "header", "anew").await;

        let version = "UPDATE credential SET version = version - 1 WHERE connection_id = $1 AND field = $2";
        tamper(&stage, version, alice, "header").await;
        assert!(read(credentials, &alices, "header").await.contains(NOT_OPENED));
    }

    async fn of_a_removed_connection_nothing_is_left(held: TestDatabase) {
        let stage = Stage::set(held).await;
        let (credentials, id) = (stage.gateway.credentials(), &stage.sandbox.id);
        put(credentials, id, "header", "value").await;
        credentials.remove_all(id).await.unwrap();
        assert_eq!(read(credentials, id, "header").await, "nothing");
        assert_eq!(count(&stage, "SELECT COUNT(*) FROM credential").await, 0);
        assert_eq!(count(&stage, "SELECT COUNT(*) FROM data_key").await, 1, "the server's alone");
    }

    async fn many_that_set_the_first_credential_at_once_share_one_key(held: TestDatabase) {
        let stage = Stage::set(held).await;
        let id = stage.sandbox.id.clone();
        let fields: Vec<String> = (0..6).map(|number| format!("field{number}")).collect();
        let tasks: Vec<_> = fields
            .iter()
            .map(|field| {
                let (credentials, id, field) = (stage.gateway.credentials().clone(), id.clone(), field.clone());
                tokio::spawn(async move { put(&credentials, &id, &field, &field).await })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        for field in &fields {
            assert_eq!(read(stage.gateway.credentials(), &id, field).await, *field);
        }
    }
}
