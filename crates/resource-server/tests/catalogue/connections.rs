//! What can happen to a connection.

use portcullis_database::both_engines;
use portcullis_resource_server::oauth::Seconds;
use portcullis_resource_server::{Connection, ConnectionError, Standing, Who};

use crate::stage::{Stage, alias, http, values};

async fn forge(stage: &Stage) -> Connection {
    stage.servers.create(&http("forge", "https://forge.example/mcp"), false).await.unwrap();
    stage.connections.create(&stage.alice, &alias("work"), "forge", "alice@work").await.unwrap()
}

async fn now(stage: &Stage, connection: &Connection) -> Connection {
    stage.connections.get(&connection.id).await.unwrap().unwrap()
}

both_engines! {
    async fn a_status_says_why_and_since_when(database: TestDatabase) {
        let stage = Stage::set(database);
        let work = forge(&stage).await;
        assert_eq!((work.status.as_str(), work.server_title.as_str()), ("connecting", "Git Forge"));
        assert!(stage.connections.set_status(&work, &Standing::active()).await.unwrap());
        stage.clock.advance(Seconds(60));
        let gone = Standing::reauth_required("credentials_refused", "The server said 401.");
        assert!(stage.connections.set_status(&work, &gone).await.unwrap());
        stage.clock.advance(Seconds(60));
        assert!(!stage.connections.set_status(&work, &gone).await.unwrap(), "it was known");
        let told = now(&stage, &work).await;
        assert_eq!(told.status.as_str(), "reauth_required");
        assert_eq!(told.status_reason.as_deref(), Some("The server said 401."));
        assert_eq!(told.since, work.since.plus(Seconds(60)));
        stage.connections.set_status(&work, &Standing::active()).await.unwrap();
        let mended = now(&stage, &work).await;
        assert_eq!((mended.status_reason, mended.last_error.as_deref()), (None, Some("The server said 401.")));
        assert_eq!(stage.events().await, [
            "connection.created", "connection.tested", "server.change server_added",
            "connection.failed credentials_refused", "connection.tested",
        ]);
    }

    async fn what_was_learned_with_old_credentials_does_not_count(database: TestDatabase) {
        let stage = Stage::set(database);
        let old = forge(&stage).await;
        let mut transaction = stage.database.begin().await.unwrap();
        let settings = values(&[("region", "eu")]);
        let renewal = portcullis_resource_server::Connections::renew_in(
            &mut transaction, &old, (&settings, stage.clock_now()),
        );
        let new = renewal.await.unwrap().unwrap();
        stage.connections.finish_renewal(transaction, &new).await.unwrap();
        assert_eq!((new.credential_version, new.status.as_str(), &new.settings), (2, "connecting", &settings));
        let late = Standing::reauth_required("credentials_refused", "The old ones were refused.");
        assert!(!stage.connections.set_status(&old, &late).await.unwrap());
        assert_eq!(now(&stage, &old).await.status.as_str(), "connecting");
    }

    async fn what_an_admin_switched_off_the_owner_does_not_switch_on(database: TestDatabase) {
        let stage = Stage::set(database);
        let work = forge(&stage).await;
        let connections = &stage.connections;
        assert!(connections.disable(&work, Who::Owner).await.unwrap());
        assert!(!connections.disable(&work, Who::Owner).await.unwrap());
        assert!(!connections.set_status(&work, &Standing::active()).await.unwrap(), "off is off");
        assert!(connections.enable(&work, Who::Owner).await.unwrap());
        assert_eq!(now(&stage, &work).await.status.as_str(), "connecting", "it has to be tried again");
        assert!(connections.disable(&work, Who::Owner).await.unwrap());
        assert!(connections.disable(&work, Who::Admin).await.unwrap());
        assert!(!connections.enable(&work, Who::Owner).await.unwrap());
        assert_eq!(now(&stage, &work).await.status_code.as_deref(), Some("by_admin"));
        assert!(connections.enable(&work, Who::Admin).await.unwrap());
    }

    /// T18
    async fn a_name_that_was_given_up_inherits_nothing(database: TestDatabase) {
        let stage = Stage::set(database);
        let work = forge(&stage).await;
        let connections = &stage.connections;
        let job = connections.rename(&work, &alias("job")).await.unwrap().unwrap();
        assert_eq!((job.id.clone(), job.alias.as_str()), (work.id.clone(), "job"));
        assert!(connections.rename(&work, &alias("third")).await.unwrap().is_none(), "it has another name by now");
        assert!(connections.remove(&job).await.unwrap());
        assert!(!connections.remove(&job).await.unwrap());
        assert_eq!(*stage.ender.ended.lock().unwrap(), ["work renamed", "job deleted"]);
        let again = connections.create(&stage.alice, &alias("job"), "forge", "").await.unwrap();
        assert_ne!(again.id, job.id);
        assert_eq!(connections.given_up(&stage.alice, &alias("job")).await.unwrap().unwrap().connection_id, job.id);
        stage.clock.advance(Seconds::days(366));
        connections.sweep(stage.clock_now()).await.unwrap();
        assert!(connections.given_up(&stage.alice, &alias("job")).await.unwrap().is_none());
    }

    async fn a_name_waits_until_what_was_granted_for_it_has_ended(database: TestDatabase) {
        let stage = Stage::set(database);
        let work = forge(&stage).await;
        *stage.ender.broken.lock().unwrap() = true;
        assert!(stage.connections.remove(&work).await.unwrap());
        let early = stage.connections.create(&stage.alice, &alias("work"), "forge", "").await;
        assert!(matches!(early, Err(ConnectionError::AliasEnding)));
        *stage.ender.broken.lock().unwrap() = false;
        stage.connections.sweep(stage.clock_now()).await.unwrap();
        assert_eq!(*stage.ender.ended.lock().unwrap(), ["work deleted"]);
        stage.connections.create(&stage.alice, &alias("work"), "forge", "").await.unwrap();
        assert_eq!(stage.ender.ended.lock().unwrap().len(), 1, "once is enough");
    }

    async fn a_use_is_noted_to_the_minute(database: TestDatabase) {
        let stage = Stage::set(database);
        let work = forge(&stage).await;
        stage.connections.note_use(&work).await.unwrap();
        stage.connections.note_test(&work, Some("2026-07-28")).await.unwrap();
        stage.connections.note_error(&work, "one\u{1b}two").await.unwrap();
        let used = now(&stage, &work).await;
        assert_eq!(used.last_used_at, Some(work.created_at));
        assert_eq!((used.revision.as_deref(), used.last_error.as_deref()), (Some("2026-07-28"), Some("onetwo")));
        stage.clock.advance(Seconds(59));
        stage.connections.note_use(&used).await.unwrap();
        assert_eq!(now(&stage, &work).await.last_used_at, used.last_used_at);
    }
}
