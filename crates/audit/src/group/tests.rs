//! Stories about events that are committed together.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use portcullis_database::{Database, both_engines, on};
use portcullis_oauth::{PrincipalId, Timestamp};

use super::*;
use crate::{Action, Event, Outcome, Redaction};

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

fn event(principal: &str) -> Draft {
    let event = Event::new(NOW, Action::ToolCall, Outcome::Started);
    Draft::of(event.by(&PrincipalId::from(principal.to_owned())), &Redaction::default())
}

async fn kept(database: &Database) -> Vec<String> {
    let rows: Vec<(String,)> = on!(database.read(), |pool| {
        sqlx::query_as("SELECT principal_id FROM audit_event ORDER BY principal_id").fetch_all(pool).await
    })
    .unwrap();
    rows.into_iter().map(|(principal,)| principal).collect()
}

/// Commits all at once, and gives each one's result in their order.
async fn all_at_once(group: &Group, events: Vec<Draft>) -> Vec<bool> {
    let tasks: Vec<_> = events
        .into_iter()
        .map(|event| {
            let group = group.clone();
            tokio::spawn(async move { group.commit(event).await.is_ok() })
        })
        .collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

both_engines! {
    async fn each_of_many_at_once_is_committed_when_its_caller_is_told(database: TestDatabase) {
        let group = Group::over(Arc::new(Chain::over(database.database.clone())));
        let names: Vec<String> = (100..300).map(|number| format!("prn_{number}")).collect();
        let results = all_at_once(&group, names.iter().map(|name| event(name)).collect()).await;
        assert_eq!(results, vec![true; 200]);
        assert_eq!(kept(&database.database).await, names);
    }

    /// NUL cannot be kept on PostgreSQL: whoever smuggled one in fails alone.
    async fn a_row_that_is_refused_takes_no_other_with_it(database: TestDatabase) {
        let group = Group::over(Arc::new(Chain::over(database.database.clone())));
        let mut events: Vec<Draft> = (100..140).map(|number| event(&format!("prn_{number}"))).collect();
        events.insert(20, event("prn_\0"));
        let mut results = all_at_once(&group, events).await;
        let refused = !results.remove(20);
        assert_eq!(refused, database.url.starts_with("postgres"));
        assert_eq!(results, vec![true; 40]);
        assert!(kept(&database.database).await.len() >= 40);
        assert!(group.commit(event("prn_after")).await.is_ok());
    }

    async fn an_event_whose_caller_goes_away_is_committed(database: TestDatabase) {
        let group = Group::over(Arc::new(Chain::over(database.database.clone())));
        {
            let mut commit = pin!(group.commit(event("prn_gone")));
            poll_fn(|context| Poll::Ready(commit.as_mut().poll(context).is_pending())).await;
        }
        group.commit(event("prn_here")).await.unwrap();
        assert_eq!(kept(&database.database).await, ["prn_gone", "prn_here"]);
    }
}
