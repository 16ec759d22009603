//! Looking records up, and giving them to other programs.

use portcullis_audit::{Action, Event, Export, ExportFormat, Order, Outcome, Query, Records};
use portcullis_database::both_engines;
use portcullis_oauth::{ClientId, PrincipalId, Seconds};

use crate::stage::{NOW, Stage, event_at};

/// Ada calls a tool every second; every third call is refused. Bob signs in once.
async fn some_history(stage: &Stage) {
    for second in 0..9 {
        let (at, refused) = (NOW.plus(Seconds(second)), second % 3 == 0);
        let mut event = event_at(at, "user_ada");
        if refused {
            event = Event::new(at, Action::ToolCall, Outcome::Refused)
                .because("policy")
                .by(&PrincipalId::from("user_ada".to_owned()))
                .through(&ClientId::from("=cmd()".to_owned()))
                .of_tool("write_file");
        }
        stage.trail.record(event).await.unwrap();
    }
    let bob = Event::new(NOW, Action::SignIn, Outcome::Done).by(&PrincipalId::from("user_bob".to_owned()));
    stage.trail.record(bob).await.unwrap();
}

both_engines! {
    async fn events_are_found_by_whom_through_what_and_how_they_ended(database: TestDatabase) {
        let stage = Stage::on(&database.database);
        some_history(&stage).await;
        let records = Records::new(stage.database.clone());
        let (ada, bob) = (PrincipalId::from("user_ada".to_owned()), PrincipalId::from("user_bob".to_owned()));
        let all = Query::default();
        for (query, found) in [
            (all.clone(), 10),
            (Query { principal: Some(ada.clone()), ..all.clone() }, 9),
            (Query { principal: Some(bob), ..all.clone() }, 1),
            (Query { outcome: Some(Outcome::Refused), ..all.clone() }, 3),
            (Query { tool: Some("read_file".to_owned()), ..all.clone() }, 6),
            (Query { client: Some(ClientId::from("=cmd()".to_owned())), principal: Some(ada), ..all.clone() }, 3),
            (Query { action: Some("sign_in".to_owned()), ..all.clone() }, 1),
            (Query { since: Some(NOW.plus(Seconds(3))), until: Some(NOW.plus(Seconds(6))), ..all.clone() }, 3),
            (Query { tool: Some("'; DROP TABLE audit_event; --".to_owned()), ..all.clone() }, 0),
        ] {
            let (page, next) = records.page(&query, Order::Newest, None, 100).await.unwrap();
            assert_eq!((page.len(), next), (found, None), "{query:?}");
        }
    }

    async fn pages_follow_each_other_without_a_gap_in_either_order(database: TestDatabase) {
        let stage = Stage::on(&database.database);
        some_history(&stage).await;
        let records = Records::new(stage.database.clone());
        for order in [Order::Newest, Order::Oldest] {
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let (page, next) = records.page(&Query::default(), order, after.as_ref(), 3).await.unwrap();
                seen.extend(page);
                match next {
                    Some(cursor) => after = Some(cursor),
                    None => break,
                }
            }
            let mut ids: Vec<_> = seen.iter().map(|record| record.id.clone()).collect();
            ids.sort();
            ids.dedup();
            assert_eq!((seen.len(), ids.len()), (10, 10));
            let sorted = |a: i64, b: i64| if order == Order::Newest { a >= b } else { a <= b };
            assert!(seen.windows(2).all(|pair| sorted(pair[0].at.micros(), pair[1].at.micros())));
        }
    }

    async fn an_export_holds_every_record_and_no_formula(database: TestDatabase) {
        let stage = Stage::on(&database.database);
        some_history(&stage).await;
        let records = Records::new(stage.database.clone());
        let (page, _) = records.page(&Query::default(), Order::Oldest, None, 100).await.unwrap();
        let written = |format| {
            let mut text = Vec::new();
            let mut export = Export::begin(&mut text, format).unwrap();
            for record in &page {
                export.write(record).unwrap();
            }
            export.finish().unwrap();
            String::from_utf8(text).unwrap()
        };
        let lines = written(ExportFormat::JsonLines);
        assert_eq!(lines.lines().count(), 10);
        for line in lines.lines() {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(record["hash"].is_string() && record.get("salt").is_none(), "{line}");
        }
        let table = written(ExportFormat::Csv);
        assert_eq!(table.lines().count(), 11);
        assert!(table.starts_with("at,id,node,sequence,action,outcome,"));
        assert!(table.contains(",'=cmd(),") && !table.contains(",=cmd()"), "{table}");
    }
}
