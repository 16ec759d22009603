//! How much is kept of authorization attempts, for how long, and what never is.

use portcullis_authorization_server::{AttemptCursor, AttemptFilter, Attempts};
use portcullis_database::both_engines;
use portcullis_oauth::{Clock, Seconds};
use portcullis_tests::{Browser, Client, Pkce, Tokens, World, secrets_in};
use serde_json::json;

async fn rows(world: &World) -> i64 {
    world.attempts(&AttemptFilter::default()).await;
    world.count("SELECT COUNT(*) FROM attempt_leg").await
}

both_engines! {
    /// R9700-4.9.3-1, ASVS-16.2.5: wherever a secret was put, no row holds it
    async fn no_secret_is_in_the_rows(database: TestDatabase) {
        let world = World::on(database).await;
        let metadata = json!({"redirect_uris": ["https://app.example/callback"], "token_endpoint_auth_method": "client_secret_post",
            "grant_types": ["authorization_code", "refresh_token"]});
        let client = Client { redirect_uri: "https://app.example/callback".to_owned(), ..Client::registered(&world, &metadata).await };
        let secret = client.secret.clone().unwrap();
        let mut browser = Browser::signed_in(&world).await;
        let (code, pkce) = browser.code_for(&client).await;
        let tokens = Tokens::of(&client.redeem(&world, &code, &pkce.verifier, &[]).await);
        client.redeem(&world, &code, &pkce.verifier, &[]).await;
        client.refresh(&world, &tokens.refresh, &[]).await;
        // Somebody's program mixes up its parameters.
        // What a client signs has no prefix of ours.
        let signed = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJjbGllbnQifQ.c2lnbmF0dXJlLXNpZ25hdHVyZS1zaWduYXR1cmU".to_owned();
        client.token(&world, &[("grant_type", "authorization_code")], &[("client_id", &signed)]).await;
        let kept = "SELECT COUNT(*) FROM audit_event WHERE client_id = '[redacted]' OR client_id LIKE '%eyJ%'";
        assert_eq!((world.count(kept).await, world.text("SELECT client_id FROM audit_event WHERE client_id LIKE '[%'").await.as_str()), (1, "[redacted]"));
        for misplaced in [&secret, &code, &pkce.verifier, &tokens.access, &tokens.refresh] {
            let leaking = format!("https://app.example/callback?access_token={misplaced}");
            for (name, value) in [
                ("scope", misplaced.clone()), ("resource", format!("https://r.example/{misplaced}")), ("redirect_uri", leaking),
                ("client_id", misplaced.clone()), ("response_type", misplaced.clone()), ("code_challenge", misplaced.clone()),
            ] {
                browser.get(&client.authorize(&pkce, &[(name, &value)])).await;
                // The paper trail keeps what a stranger calls itself, unless it is shaped like a secret of ours.
                if (name, misplaced) != ("client_id", &pkce.verifier) {
                    client.redeem(&world, &code, &pkce.verifier, &[(name, &value)]).await;
                }
                world.advance(60);
            }
        }
        let kept = world.attempt_rows().await;
        assert!(kept.lines().count() > 40, "{kept}");
        assert_eq!(secrets_in(&kept), Vec::<String>::new());
    }

    /// A36, A52: a stranger who knocks all day does not fill the disk, and does not keep others from being heard
    async fn what_strangers_leave_is_bounded(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let tokens = client.connect(&world).await;
        let before = rows(&world).await;
        for _ in 0..100 {
            world.get("/oauth/authorize?client_id=client_nobody").await;
            world.post_form("/oauth/token", &[("client_id", "client_nobody")]).await;
        }
        assert_eq!(rows(&world).await - before, 59, "with the one before, sixty of one address within a minute");
        // Who is known is heard all the same, though not without end either.
        for _ in 0..30 {
            assert_eq!(client.refresh(&world, &tokens.refresh, &[("scope", "mcp.nothing")]).await.verdict(), "400 invalid_scope");
        }
        assert_eq!(rows(&world).await - before, 79, "twenty of one attempt");
        world.advance(60);
        world.get("/oauth/authorize?client_id=client_nobody").await;
        assert_eq!(rows(&world).await - before, 80);
        let flood = "x ".repeat(1_000);
        for name in ["scope", "resource", "redirect_uri", "response_type", "code_challenge_method"] {
            Browser::signed_in(&world).await.get(&client.authorize(&Pkce::new(), &[(name, &flood)])).await;
        }
        assert_eq!(rows(&world).await - before, 85);
        assert_eq!(world.count("SELECT COUNT(*) FROM attempt_leg WHERE LENGTH(steps) > 3000").await, 0, "a flood is cut");
    }

    /// A36: whoever registers by itself may have a secret, and is a stranger all the same
    async fn a_secret_of_ones_own_making_makes_nobody_known(database: TestDatabase) {
        let world = World::on(database).await;
        let metadata = json!({"redirect_uris": ["https://app.example/callback"], "token_endpoint_auth_method": "client_secret_post"});
        let client = Client::registered(&world, &metadata).await;
        let before = rows(&world).await;
        for _ in 0..100 {
            client.redeem(&world, "pcl_ac_nonsense", "x", &[]).await;
        }
        assert_eq!(rows(&world).await - before, 60);
    }

    /// A week, then nothing: what is new stays.
    async fn a_week_later_nothing_is_left(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        client.connect(&world).await;
        world.advance(7 * 86_400 - 1);
        world.app.authorization.sweep(world.clock.now()).await.unwrap();
        assert_eq!(rows(&world).await, 3);
        world.get("/oauth/authorize?client_id=client_nobody").await;
        world.advance(1);
        world.app.authorization.sweep(world.clock.now()).await.unwrap();
        assert_eq!(rows(&world).await, 1, "the newer one stays");
    }

    /// An admin looks for one client, one person, what failed, what is new; and turns pages.
    async fn attempts_are_found_by_client_person_failure_and_time(database: TestDatabase) {
        let world = World::on(database).await;
        let (one, other) = (Client::public(&world).await, Client::public(&world).await);
        one.connect(&world).await;
        world.advance(10);
        let pkce = Pkce::new();
        let denied = Browser::new(&world).get(&other.authorize(&pkce, &[("scope", "files.read")])).await;
        assert!(denied.see_other().starts_with("/login"));
        world.advance(10);
        for _ in 0..3 {
            world.get("/oauth/authorize?client_id=client_nobody").await;
            world.advance(1);
        }
        let count = async |filter: AttemptFilter| world.attempts(&filter).await.len();
        let client = |client: &Client| Some(client.id.clone().into());
        assert_eq!(count(AttemptFilter::default()).await, 5);
        assert_eq!(count(AttemptFilter { client: client(&one), ..Default::default() }).await, 1);
        assert_eq!(count(AttemptFilter { user: Some(world.alice.id.clone()), ..Default::default() }).await, 1);
        assert_eq!(count(AttemptFilter { failed: true, ..Default::default() }).await, 4);
        assert_eq!(count(AttemptFilter { failed: true, client: client(&one), ..Default::default() }).await, 0);
        assert_eq!(count(AttemptFilter { since: Some(world.clock.now().minus(Seconds(13))), ..Default::default() }).await, 4);

        // Another process, such as the command line, reads the same rows.
        let elsewhere = Attempts::new(world.second_node().await.database);
        let (mut seen, mut after) = (Vec::new(), None::<AttemptCursor>);
        loop {
            let (page, next) = elsewhere.list(&AttemptFilter::default(), after.as_ref(), 2).await.unwrap();
            seen.extend(page.iter().map(|attempt| attempt.id.to_string()));
            let Some(next) = next else { break };
            after = AttemptCursor::decode(&next.encode());
            assert!(after.is_some());
        }
        let all: Vec<String> = world.attempts(&AttemptFilter::default()).await.iter().map(|attempt| attempt.id.to_string()).collect();
        assert_eq!(seen, all);
        let typed = all[0].to_lowercase().replace('-', " ");
        assert_eq!(world.attempt(&typed).await.summary.id.as_str(), all[0]);
        assert!(elsewhere.show("req_nothing").await.unwrap().is_none());
    }
}
