//! Who waits after failed sign-ins, and who does not.

use portcullis_authorization_server::SignIns;
use portcullis_database::both_engines;
use portcullis_tests::{Browser, PASSWORD, World};

const ALICE: &str = "alice@example.com";

/// A try of a browser that nobody knows: the status, and the seconds that it is told to wait.
async fn guess(world: &World, email: &str, password: &str) -> (u16, Option<i64>) {
    let answer = Browser::new(world).sign_in("/login", email, password).await;
    let wait = answer.body.split_once("Wait ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
    assert_eq!(answer.header("retry-after").parse().ok(), wait, "programs are told what people read");
    (answer.status.as_u16(), wait)
}

/// Fails at this address until it is shut; no more than a hundred times.
async fn exhaust(world: &World, email: &str) -> u32 {
    let mut failures = 0;
    loop {
        match guess(world, email, "wrong wrong wrong").await {
            (401, _) => failures += 1,
            (429, Some(seconds)) => world.advance(seconds),
            (429, None) => return failures,
            other => panic!("{other:?}"),
        }
        assert!(failures <= 100);
    }
}

both_engines! {
    /// NIST-2, ASVS-6.3.1: waits grow from 30 seconds to an hour, wherever the guesser comes from; who gets in starts at zero
    async fn waits_grow_and_a_success_ends_them(database: TestDatabase) {
        let world = World::on(database).await;
        for _ in 0..10 {
            assert_eq!(guess(&world, ALICE, "wrong wrong wrong").await, (401, None));
        }
        for seconds in [30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600] {
            assert_eq!(guess(&world, ALICE, PASSWORD).await, (429, Some(seconds)), "not even the right password");
            world.advance(seconds - 1);
            assert_eq!(guess(&world, ALICE, PASSWORD).await, (429, Some(1)));
            world.advance(1);
            assert_eq!(guess(&world, ALICE, "wrong wrong wrong").await, (401, None));
        }
        world.advance(3_600);
        assert_eq!(guess(&world, ALICE, PASSWORD).await.0, 303);
        for _ in 0..10 {
            assert_eq!(guess(&world, ALICE, "wrong wrong wrong").await, (401, None));
        }
        assert_eq!(guess(&world, ALICE, PASSWORD).await, (429, Some(30)));
    }

    /// NIST-2: after a hundred failures strangers are shut out, and the owner's browser is not; its success lets all in again
    async fn a_stranger_cannot_lock_the_owner_out(database: TestDatabase) {
        let world = World::on(database).await;
        let mut home = Browser::signed_in(&world).await;
        assert_eq!(exhaust(&world, ALICE).await, 100);
        world.advance(7 * 86_400);
        world.app.authorization.sweep(portcullis_oauth::Clock::now(&world.clock)).await.unwrap();
        let shut = Browser::new(&world).sign_in("/login", ALICE, PASSWORD).await;
        assert_eq!(shut.status.as_u16(), 429, "neither time nor the sweeper opens it");
        assert!(shut.body.contains("a browser in which you signed in before"));
        assert!(world.trail().await.contains(&"sign_in refused locked".to_owned()));
        home.close_session();
        assert_eq!(home.sign_in("/login", ALICE, PASSWORD).await.see_other(), "/");
        assert_eq!(guess(&world, ALICE, PASSWORD).await.0, 303);
    }

    /// ASVS-6.3.1: whoever sits behind the owner's address and uses it up makes only strangers wait
    async fn a_stranger_at_the_same_address_does_not_make_a_known_browser_wait(database: TestDatabase) {
        let world = World::configured(database, &[("sign_ins_per_minute", "15")]).await;
        let mut home = Browser::signed_in(&world).await;
        for number in 0..14 {
            let email = format!("nobody{number}@example.com");
            assert_eq!(guess(&world, &email, PASSWORD).await.0, 401);
        }
        assert_eq!(guess(&world, ALICE, PASSWORD).await.0, 429);
        home.close_session();
        assert_eq!(home.sign_in("/login", ALICE, PASSWORD).await.see_other(), "/");
    }

    /// NIST-2: being known is bound to the account, cannot be made up, and its own failures are held against it
    async fn a_known_browser_has_its_own_bucket_at_its_own_account_alone(database: TestDatabase) {
        let world = World::on(database).await;
        world.add_user("bob@example.com").await;
        let mut bobs = Browser::new(&world);
        assert_eq!(bobs.sign_in("/login", "bob@example.com", PASSWORD).await.see_other(), "/");
        for _ in 0..10 {
            assert_eq!(guess(&world, ALICE, "wrong wrong wrong").await.0, 401);
        }
        bobs.close_session();
        assert_eq!(bobs.sign_in("/login", ALICE, PASSWORD).await.status.as_u16(), 429);
        let mut forger = Browser::new(&world);
        forger.set_cookie("portcullis-device", "pcl_dv_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(forger.sign_in("/login", ALICE, PASSWORD).await.status.as_u16(), 429);
        for _ in 0..10 {
            assert_eq!(bobs.sign_in("/login", "bob@example.com", "wrong wrong wrong").await.status.as_u16(), 401);
        }
        assert_eq!(bobs.sign_in("/login", "bob@example.com", PASSWORD).await.status.as_u16(), 429);
        assert_eq!(guess(&world, "bob@example.com", PASSWORD).await.0, 303, "others do not wait for it");
    }

    /// ASVS-6.3.8, A54: an address that nobody has waits and is shut with the same words
    async fn nobodys_account_is_throttled_like_somebodys(database: TestDatabase) {
        let world = World::on(database).await;
        assert_eq!(exhaust(&world, "nobody@example.com").await, 100);
        let nobody = Browser::new(&world).sign_in("/login", "Nobody@example.com", PASSWORD).await;
        assert_eq!(exhaust(&world, ALICE).await, 100);
        let alice = Browser::new(&world).sign_in("/login", ALICE, PASSWORD).await;
        let told = |body: &str| body.split("There were too many").nth(1).and_then(|rest| rest.split('<').next()).unwrap().to_owned();
        assert_eq!(told(&nobody.body), told(&alice.body));
    }

    /// NIST-2: nodes count together; an admin opens the account and the paper trail says so
    async fn every_node_counts_and_an_admin_unlocks(database: TestDatabase) {
        let store = database.database.clone();
        let world = World::on(database).await;
        let second = world.second_node().await;
        for _ in 0..5 {
            assert_eq!(guess(&world, ALICE, "wrong wrong wrong").await.0, 401);
            let answer = Browser::at(&second).sign_in("/login", ALICE, "wrong wrong wrong").await;
            assert_eq!(answer.status.as_u16(), 401);
        }
        assert_eq!(Browser::at(&second).sign_in("/login", ALICE, PASSWORD).await.status.as_u16(), 429);
        let sign_ins = SignIns::new(store, std::sync::Arc::new(world.clock.clone()));
        let standing = sign_ins.standing(&world.alice.id).await.unwrap();
        assert_eq!((standing.failures, standing.shut, standing.known_browsers), (10, false, 0));
        assert!(standing.wait_until.is_some());
        sign_ins.unlock(&world.alice.id).await.unwrap();
        assert_eq!(guess(&world, ALICE, PASSWORD).await.0, 303);
        assert!(world.trail().await.contains(&"user.change done unlocked".to_owned()));
        assert_eq!(sign_ins.standing(&world.alice.id).await.unwrap().known_browsers, 1);
    }

    /// NIST-2: whoever knew the old password may have made a browser known; a new one makes all of them unknown
    async fn a_new_password_makes_every_browser_unknown(database: TestDatabase) {
        let store = database.database.clone();
        let world = World::on(database).await;
        let mut home = Browser::signed_in(&world).await;
        let device = home.cookie("portcullis-device").unwrap().to_owned();
        let kept: Vec<(String,)> = portcullis_database::on!(store.read(), |pool| {
            sqlx::query_as("SELECT hash FROM known_browser").fetch_all(pool).await
        }).unwrap();
        assert!(kept.len() == 1 && kept[0].0 != device, "only its hash is kept");
        let new = "eleven patient herons";
        world.app.authorization.users().set_password(&world.alice.id, portcullis_oauth::Secret::presented(new)).await.unwrap();
        for _ in 0..10 {
            assert_eq!(guess(&world, ALICE, "wrong wrong wrong").await.0, 401);
        }
        home.close_session();
        assert_eq!(home.sign_in("/login", ALICE, new).await.status.as_u16(), 429);
    }
}
