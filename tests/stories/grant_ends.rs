//! How long a grant is kept: as long as something stems from it.

use portcullis_database::both_engines;
use portcullis_oauth::{Clock, GrantType};
use portcullis_tests::{Browser, Client, World};

const DAY: i64 = 86_400;

async fn sweep_after(world: &World, days: i64) {
    world.advance(days * DAY);
    world.app.authorization.sweep(world.clock.now()).await.unwrap();
}

async fn grants(world: &World) -> i64 {
    world.count("SELECT COUNT(*) FROM oauth_grant").await
}

both_engines! {
    /// With the last code or token of a grant goes the grant, with what it reached
    async fn a_grant_goes_with_the_last_that_stems_from_it(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let (_unredeemed, _) = Browser::new(&world).code_for(&client).await;
        let tokens = client.connect(&world).await;
        assert_eq!(grants(&world).await, 2);
        sweep_after(&world, 2).await;
        assert_eq!(grants(&world).await, 1, "nobody redeemed the code of the other");
        assert_eq!(client.refresh(&world, &tokens.refresh, &[]).await.verdict(), "200");
        sweep_after(&world, 95).await;
        assert_eq!(grants(&world).await, 0);
        for left in ["SELECT COUNT(*) FROM grant_resource", "SELECT COUNT(*) FROM grant_connection", "SELECT COUNT(*) FROM refresh_token"] {
            assert_eq!(world.count(left).await, 0, "{left}");
        }
        assert!(Browser::new(&world).code_for(&client).await.0.starts_with("pcl_ac_"), "the client is still known");
    }

    /// OA21-4.2-1: a machine's grant stands by itself
    async fn a_machines_grant_outlives_its_tokens(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::by_admin(&world, &[GrantType::ClientCredentials], ("mcp.tools.read", &[])).await;
        let ask = async || client.token(&world, &[("grant_type", "client_credentials")], &[]).await.verdict();
        assert_eq!(ask().await, "200");
        sweep_after(&world, 95).await;
        assert_eq!((world.count("SELECT COUNT(*) FROM access_token").await, grants(&world).await), (0, 1));
        assert_eq!(ask().await, "200");
    }

    /// More grants than are looked at in one statement
    async fn a_hundred_and_twenty_grants_go_together(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let mut browser = Browser::new(&world);
        for _ in 0..120 {
            browser.code_for(&client).await;
        }
        assert_eq!(grants(&world).await, 120);
        sweep_after(&world, 2).await;
        assert_eq!(grants(&world).await, 0);
    }
}
