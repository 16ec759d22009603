//! The paper trail of the assembled server: whole, each node's apart, and known again after a new start.

use portcullis_audit::{Action, Anchors, Event, Outcome};
use portcullis_database::both_engines;
use portcullis_oauth::{Clock, Seconds};
use portcullis_tests::{Client, World};
use serde_json::json;

both_engines! {
    /// T47: whatever wrote an event, a request or a transaction of a store, it has its place in the chain
    async fn every_event_of_a_journey_is_in_the_chain(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let tokens = client.connect(&world).await;
        let call = json!({"name": "sandbox__echo", "arguments": {"text": "hello"}});
        world.mcp(&tokens.access, "tools/call", call).await;
        client.refresh(&world, &tokens.refresh, &[]).await;
        client.revoke(&world, &tokens.refresh).await;

        let trail = &world.app.trail;
        trail.seal(world.clock.now()).await.unwrap();
        let found = trail.verify(&Anchors::default()).await.unwrap();
        let events = world.count("SELECT COUNT(*) FROM audit_event").await;
        assert!(events > 8, "{events}");
        assert!(found.is_good() && found.waiting == 0, "{found:?}");
        assert_eq!(found.chains.iter().map(|chain| chain.records).sum::<u64>(), events.unsigned_abs());
    }

    /// T46: a consent, and a call's beginning and its end, name the person as the account was called then
    async fn events_name_the_person(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let tokens = client.connect(&world).await;
        let call = json!({"name": "sandbox__echo", "arguments": {"message": "hello"}});
        world.mcp(&tokens.access, "tools/call", call).await;
        let of_alice = "SELECT COUNT(*) FROM audit_event WHERE email = 'alice@example.com' AND action = 'tools.call'";
        assert_eq!(world.count(of_alice).await, 2);
        let consents = "SELECT COUNT(*) FROM audit_event WHERE email = 'alice@example.com' AND action = 'consent'";
        assert_eq!(world.count(consents).await, 1);
    }

    /// T47
    async fn each_node_keeps_a_chain_and_each_sees_all(database: TestDatabase) {
        let world = World::configured(database, &[("node", "one")]).await;
        let second = world.second_node().await;
        let client = Client::public(&world).await;
        client.connect(&world).await;
        let bob = world.add_user("bob@example.com").await;
        second.authorization.users().disable(&bob.id).await.unwrap();
        world.app.trail.checkpoint(world.clock.now()).await.unwrap();
        second.trail.checkpoint(world.clock.now()).await.unwrap();

        let found = world.app.trail.verify(&world.anchors()).await.unwrap();
        let nodes: Vec<_> = found.chains.iter().map(|chain| (chain.node.as_str(), chain.anchors > 0)).collect();
        assert_eq!(nodes, [("one", true), ("two", true)]);
        assert!(found.is_good(), "{found:?}");

        world.tamper("DELETE FROM audit_event WHERE node = 'two'").await;
        let found = second.trail.verify(&world.anchors()).await.unwrap();
        let faults: Vec<_> = found.faults().map(|(node, fault)| format!("{node}: {fault}")).collect();
        assert_eq!(faults, ["two: record 1 is missing"]);
    }

    /// T46: a call that a crash cut off gets an end, and one that still goes on, here or at another node, does not
    async fn only_what_was_cut_off_is_ended(database: TestDatabase) {
        let world = World::on(database).await;
        let other = world.second_node().await;
        let begin = async |trace: &str| {
            let begun = Event::new(world.clock.now(), Action::ToolCall, Outcome::Started);
            world.app.trail.record(begun.by(&world.alice.id).traced(trace)).await.unwrap();
        };
        begin("trc_before_the_crash").await;
        world.advance(10);
        let since = world.clock.now();
        begin("trc_going_on").await;
        world.advance(20 * 60);
        let ended = async || world.count("SELECT COUNT(*) FROM audit_event WHERE reason = 'outcome_unknown'").await;
        other.trail.close_interrupted(world.clock.now(), world.clock.now()).await.unwrap();
        assert_eq!(ended().await, 0, "it is not the other's to say");
        world.app.trail.close_interrupted(world.clock.now(), since).await.unwrap();
        assert_eq!(ended().await, 1);
        world.advance(2 * 3_600);
        other.trail.close_interrupted(world.clock.now(), world.clock.now()).await.unwrap();
        assert_eq!(ended().await, 2, "no call is as long");
    }

    /// T47: 90 days where nothing else is said
    async fn events_are_kept_for_as_long_as_the_setting_says(database: TestDatabase) {
        let world = World::configured(database, &[("audit_days", "7")]).await;
        Client::public(&world).await.connect(&world).await;
        world.app.trail.checkpoint(world.clock.now()).await.unwrap();
        world.clock.advance(Seconds::days(8));
        let (trail, now) = (&world.app.trail, world.clock.now());
        trail.seal(now).await.unwrap();
        trail.sweep(now).await.unwrap();
        assert_eq!(world.count("SELECT COUNT(*) FROM audit_event").await, 0);
        assert!(trail.verify(&world.anchors()).await.unwrap().is_good());
    }
}
