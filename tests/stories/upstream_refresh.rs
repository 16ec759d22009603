//! An upstream's tokens end, and are renewed without bothering anybody, once for each connection; or cannot be, and then
//! its owner is told.

use std::sync::Arc;

use portcullis::app::App;
use portcullis_database::{Change, ChangeKind, both_engines};
use portcullis_resource_server::{Connection, NoAccess, Who};
use portcullis_tests::{Browser, Client, Mood, PASSWORD, UpstreamLogin, World};
use serde_json::json;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::upstream_stage::{again, authorise, authorised, connect, press, standing};

async fn token(app: &App, connection: &Connection) -> Result<String, String> {
    let token = app.gateway.authorization().access_token(&again(app, connection).await).await;
    token.map(|token| token.expose().to_owned()).map_err(|error| match error {
        NoAccess::NeedsUser { code, page, .. } => format!("{code} {page}"),
        NoAccess::Later { code, seconds, .. } => format!("{code} in {}", seconds.0),
        NoAccess::Store(cause) => panic!("{cause:?}"),
    })
}

fn refreshes(upstream: &UpstreamLogin) -> usize {
    upstream.asked().iter().filter(|asked| asked["grant_type"] == "refresh_token").count()
}

both_engines! {
    /// Fifty calls at once of two people on two nodes, on tokens that ended: one refresh each, and nothing is crossed
    async fn a_storm_makes_one_refresh_for_each_user(database: TestDatabase) {
        let (world, upstream) = (World::on(database).await, UpstreamLogin::open().await);
        let (_browser, hers) = authorised(&world, &upstream).await;
        let bob = world.add_user("bob@example.com").await;
        let his = connect(&world, &bob, "notes", "notes").await;
        let mut browser = Browser::new(&world);
        browser.sign_in("/login", "bob@example.com", PASSWORD).await;
        authorise(&mut browser, "notes", &upstream, "bob over there").await;
        let second = world.second_node().await;
        world.advance(3_600);

        let mut calls = tokio::task::JoinSet::new();
        for turn in 0..50 {
            let node = if turn % 2 == 0 { &world.app } else { &second };
            let (connection, account) =
                if turn % 4 < 2 { (hers.clone(), "alice over there") } else { (his.clone(), "bob over there") };
            let gateway = node.gateway.clone();
            calls.spawn(async move {
                (gateway.authorization().access_token(&connection).await.unwrap(), account)
            });
        }
        while let Some(call) = calls.join_next().await {
            let (token, account) = call.unwrap();
            assert_eq!(upstream.account_of(token.expose()).as_deref(), Some(account));
        }
        assert_eq!(refreshes(&upstream), 2, "one for each");
        assert_eq!(world.count("SELECT count(*) FROM upstream_refresh_lease").await, 0);
        let trail = world.trail().await;
        assert_eq!(trail.iter().filter(|line| *line == "connection.refreshed done ").count(), 2);
    }

    /// A token of a short life is used for most of it, and one that was dead when it came is not asked for without end
    async fn a_short_life_is_lived(database: TestDatabase) {
        let (world, upstream) = (World::on(database).await, UpstreamLogin::open().await);
        upstream.behave(Mood { life: Some(8), ..Mood::default() });
        let (_browser, connection) = authorised(&world, &upstream).await;
        let first = token(&world.app, &connection).await.unwrap();
        assert_eq!(token(&world.app, &connection).await, Ok(first.clone()));
        assert_eq!(refreshes(&upstream), 0);
        world.advance(6);
        assert_ne!(token(&world.app, &connection).await, Ok(first));
        assert_eq!(refreshes(&upstream), 1);
        upstream.behave(Mood { life: Some(0), ..Mood::default() });
        world.advance(8);
        assert_eq!(token(&world.app, &connection).await, Err("refresh_failed in 15".to_owned()));
        assert_eq!(refreshes(&upstream), 2);
    }

    /// A token is renewed a minute before it ends, and the credentials' version, which sessions hang on, stays
    async fn a_token_is_renewed_before_it_ends(database: TestDatabase) {
        let (world, upstream) = (World::on(database).await, UpstreamLogin::open().await);
        let (_browser, connection) = authorised(&world, &upstream).await;
        let first = token(&world.app, &connection).await.unwrap();
        world.advance(3_500);
        assert_eq!(token(&world.app, &connection).await.unwrap(), first);
        world.advance(50);
        assert_ne!(token(&world.app, &connection).await.unwrap(), first);
        assert_eq!(again(&world.app, &connection).await.credential_version, connection.credential_version);
        assert_eq!(upstream.asked().last().unwrap()["resource"], upstream.url(), "MCP-AUTH-17");
        world.advance(3_600);
        assert!(token(&world.app, &connection).await.is_ok(), "the refresh token rotated");
        assert_eq!(refreshes(&upstream), 2);
    }

    /// A node that died while it refreshed holds nobody up for longer than its lease
    async fn a_dead_nodes_lease_is_taken_over(database: TestDatabase) {
        let (world, upstream) = (World::on(database).await, UpstreamLogin::open().await);
        let (_browser, connection) = authorised(&world, &upstream).await;
        world.advance(3_600);
        let until = portcullis_oauth::Clock::now(&world.clock).micros() - 1;
        portcullis_database::on!(world.app.database.write(), |pool| {
            sqlx::query("INSERT INTO upstream_refresh_lease (connection_id, holder, until) VALUES ($1, 'dead', $2)")
                .bind(connection.id.as_str())
                .bind(until)
                .execute(pool)
                .await
                .map(drop)
        })
        .unwrap();
        assert!(token(&world.app, &connection).await.is_ok());
        assert_eq!(refreshes(&upstream), 1);
    }

    /// What passes is waited for: a living token is used on, an ended one makes the connection degraded, and it recovers
    /// by itself
    async fn a_fault_that_passes_bothers_nobody(database: TestDatabase) {
        let (world, upstream) = (World::on(database).await, UpstreamLogin::open().await);
        let (_browser, connection) = authorised(&world, &upstream).await;
        let first = token(&world.app, &connection).await.unwrap();
        for (mood, error) in [((500, "x"), "500"), ((429, "x"), "429"), ((503, "invalid_grant"), "503")] {
            upstream.behave(Mood { token_error: Some(mood), ..Mood::default() });
            world.advance(if error == "500" { 3_550 } else { 20 });
            assert_eq!(token(&world.app, &connection).await.as_ref(), Ok(&first), "{error}");
        }
        let asked = refreshes(&upstream);
        assert_eq!(token(&world.app, &connection).await.as_ref(), Ok(&first));
        assert_eq!(refreshes(&upstream), asked, "not at every call");
        world.advance(60);
        assert!(token(&world.app, &connection).await.unwrap_err().starts_with("refresh_failed in "));
        assert_eq!(standing(&world.app, &connection).await, "degraded refresh_failed");
        upstream.behave(Mood::default());
        world.advance(900);
        world.app.gateway.authorization().retry().await.unwrap();
        while standing(&world.app, &connection).await != "active" {
            tokio::task::yield_now().await;
        }
        assert_ne!(token(&world.app, &connection).await.unwrap(), first);
    }

    /// What does not pass is told, with the page where its owner can go on, and nobody is asked again for nothing
    async fn an_ended_authorization_is_told(database: TestDatabase) {
        let (world, upstream) = (World::on(database).await, UpstreamLogin::open().await);
        let (mut browser, connection) = authorised(&world, &upstream).await;
        upstream.behave(Mood { token_error: Some((400, "invalid_grant")), ..Mood::default() });
        world.advance(3_600);
        let page = "token_expired http://localhost:8420/connections/notes";
        assert_eq!(token(&world.app, &connection).await.unwrap_err(), page);
        assert_eq!(standing(&world.app, &connection).await, "reauth_required token_expired");
        assert_eq!(token(&world.app, &connection).await.unwrap_err(), page);
        assert_eq!(refreshes(&upstream), 1);
        upstream.behave(Mood::default());
        authorise(&mut browser, "notes", &upstream, "alice over there").await;
        let renewed = again(&world.app, &connection).await;
        assert_eq!(renewed.status.as_str(), "active");
        assert_eq!(renewed.credential_version, connection.credential_version + 1, "sessions of the old one end");
        assert!(token(&world.app, &connection).await.is_ok());
    }

    /// A 401 of the upstream is worth one refresh, and another refusal right after it is worth none
    async fn a_refused_token_is_renewed_once(database: TestDatabase) {
        let (world, upstream) = (World::on(database).await, UpstreamLogin::open().await);
        let (_browser, connection) = authorised(&world, &upstream).await;
        let ours = world.app.gateway.authorization();
        let first = ours.access_token(&connection).await.unwrap();
        ours.refused(&connection, &first).await.unwrap();
        let second = ours.access_token(&connection).await.unwrap();
        assert_ne!(second.expose(), first.expose());
        ours.refused(&connection, &first).await.unwrap();
        assert_eq!(refreshes(&upstream), 1, "another call had found it out before");
        assert!(ours.refused(&connection, &second).await.is_err());
        assert_eq!(refreshes(&upstream), 1);
        assert_eq!(standing(&world.app, &connection).await, "reauth_required token_expired");
    }

    /// MCP-AUTH-30, T10: what the upstream asks for is asked for together with what was granted, and a refusal that no
    /// permission can lift asks for nothing
    async fn a_step_up_asks_for_the_union(database: TestDatabase) {
        let (world, upstream) = (World::on(database).await, UpstreamLogin::open().await);
        let (mut browser, connection) = authorised(&world, &upstream).await;
        let ours = world.app.gateway.authorization();
        let challenge = r#"Bearer error="insufficient_scope", scope="notes.write notes.read""#;
        let told = ours.insufficient_scope(&connection, challenge).await.unwrap().to_string();
        assert!(told.contains("more permissions") && told.ends_with("/connections/notes"), "{told}");
        assert_eq!(ours.of(&connection).await.unwrap().unwrap().wanted.to_string(), "notes.write");
        assert_eq!(standing(&world.app, &connection).await, "active", "it stands as it stood");
        let away = press(&mut browser, "notes").await;
        assert!(away.see_other().contains("scope=notes.read+notes.write"), "{}", away.see_other());
        let back = browser.get(&upstream.allow(away.see_other(), "alice over there")).await;
        assert_eq!(back.see_other(), "/connections/notes");
        let told = ours.insufficient_scope(&connection, challenge).await.unwrap().to_string();
        assert!(told.contains("although it has every permission"), "{told}");
    }

    /// T04, A58, SBP-5: a call goes out with the upstream's own token, and a token that the upstream ended is renewed on the way
    async fn a_call_carries_the_upstreams_own_token(database: TestDatabase) {
        let (world, upstream) = (World::on(database).await, UpstreamLogin::open().await);
        let (_browser, connection) = authorised(&world, &upstream).await;
        let client = Client::public(&world).await;
        let tokens = client.connect(&world).await;
        let call = json!({"name": "notes__read_account", "arguments": {}});
        let first = world.mcp(&tokens.access, "tools/call", call.clone()).await;
        assert!(first.body.contains("alice over there"), "{}", first.body);
        upstream.end_access();
        let second = world.mcp(&tokens.access, "tools/call", call).await;
        assert!(second.body.contains("alice over there"), "{}", second.body);
        assert_eq!(refreshes(&upstream), 1);
        assert_eq!(standing(&world.app, &connection).await, "active");
    }

    /// T46: a call for which no token is to be had for a while is one end, beside that of its connection
    async fn a_call_without_a_token_is_one_end(database: TestDatabase) {
        let (world, upstream) = (World::on(database).await, UpstreamLogin::open().await);
        upstream.behave(Mood { life: Some(20), ..Mood::default() });
        let (_browser, _) = authorised(&world, &upstream).await;
        let tokens = Client::public(&world).await.connect(&world).await;
        let call = json!({"name": "notes__read_account", "arguments": {}});
        // The second time nothing is new about its tools, so that they are still known when its token has ended.
        for _ in 0..2 {
            let told = world.mcp(&tokens.access, "tools/call", call.clone()).await;
            assert!(told.body.contains("alice over there"), "{}", told.body);
            world.app.changes.read().await.unwrap();
        }
        let calls = async || {
            let trail = world.trail().await.into_iter();
            trail.filter(|line| line.starts_with("tools.call")).collect::<Vec<_>>()
        };
        let before = calls().await.len();
        upstream.behave(Mood { token_error: Some((503, "x")), ..Mood::default() });
        world.advance(20);
        world.app.changes.read().await.unwrap();
        let told = world.mcp(&tokens.access, "tools/call", call).await;
        assert!(told.body.contains("does not answer as it should"), "{}", told.body);
        let mut left = calls().await.split_off(before);
        left.sort();
        assert_eq!(left, ["tools.call failed upstream_later", "tools.call started "]);
    }

    /// T20: while a server takes its time to give out a token its connection is switched off, or its owner's rights change: the
    /// call that waits stays here
    async fn a_call_that_waits_for_a_token_is_not_made_any_more(database: TestDatabase) {
        let (world, upstream) = (World::on(database).await, UpstreamLogin::open().await);
        upstream.behave(Mood { life: Some(20), ..Mood::default() });
        let (_browser, connection) = authorised(&world, &upstream).await;
        let tokens = Client::public(&world).await.connect(&world).await;
        let call = || world.mcp(&tokens.access, "tools/call", json!({"name": "notes__read_account", "arguments": {}}));
        for _ in 0..2 {
            let told = call().await;
            assert!(told.body.contains("alice over there"), "{}", told.body);
            world.app.changes.read().await.unwrap();
        }
        let (mut hearing, gateway) = (JoinSet::new(), world.app.gateway.clone());
        hearing.spawn(async move { gateway.hear().await });
        for (words, is_the_owner) in [("rights of its owner changed", true), ("switched off just now", false)] {
            let (before, go_on) = (refreshes(&upstream), Arc::new(Notify::new()));
            upstream.behave(Mood { life: Some(20), holds: Some(go_on.clone()), ..Mood::default() });
            world.advance(20);
            world.app.changes.read().await.unwrap();
            let taken_away = async {
                while refreshes(&upstream) == before {
                    tokio::task::yield_now().await;
                }
                if is_the_owner {
                    world.app.changes.publish(&Change::new(ChangeKind::User, world.alice.id.as_str()));
                } else {
                    let connection = again(&world.app, &connection).await;
                    assert!(world.app.gateway.connections().disable(&connection, Who::Owner).await.unwrap());
                }
                // Whoever ends what is open looks it up once.
                for _ in 0..20 {
                    world.trail().await;
                }
                go_on.notify_one();
            };
            let (told, ()) = tokio::join!(call(), taken_away);
            assert!(told.body.contains(words), "{}", told.body);
        }
        let trail = world.trail().await;
        assert_eq!(trail.iter().filter(|line| *line == "tools.call failed upstream_later").count(), 2);
    }

    /// Without a refresh token the authorization ends with its token, and it says so
    async fn without_a_refresh_token_it_ends(database: TestDatabase) {
        let (world, upstream) = (World::on(database).await, UpstreamLogin::open().await);
        upstream.behave(Mood { no_refresh: true, ..Mood::default() });
        let (_browser, connection) = authorised(&world, &upstream).await;
        world.advance(3_590);
        assert!(token(&world.app, &connection).await.is_ok(), "to its last second");
        world.advance(20);
        assert!(token(&world.app, &connection).await.unwrap_err().starts_with("token_expired"));
        assert_eq!(refreshes(&upstream), 0);
    }
}
