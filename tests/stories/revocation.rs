//! Everything that ends access, and that it ends at once.

use portcullis_authorization_server::{Ended, Revocations};
use portcullis_database::both_engines;
use portcullis_oauth::Secret;
use portcullis_tests::{Browser, Client, Tokens, World};
use serde_json::json;

async fn status(world: &World, tokens: &Tokens) -> u16 {
    world.mcp(&tokens.access, "tools/list", json!({})).await.status.as_u16()
}

both_engines! {
    /// R7009-2.1-2, R7009-2.2-1, R7009-2.1-3
    async fn revoking_a_refresh_token_kills_its_access_tokens_at_once(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let tokens = client.connect(&world).await;
        assert_eq!(status(&world, &tokens).await, 200);
        let answer = client.revoke(&world, &tokens.refresh).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, ""));
        assert_eq!(status(&world, &tokens).await, 401);
        assert_eq!(client.refresh(&world, &tokens.refresh, &[]).await.verdict(), "400 invalid_grant");
        assert_eq!(client.revoke(&world, "nonsense").await.status.as_u16(), 200);
    }

    /// R7009-2.1-1
    async fn a_client_revokes_only_its_own(database: TestDatabase) {
        let world = World::on(database).await;
        let (client, other) = (Client::public(&world).await, Client::public(&world).await);
        let tokens = client.connect(&world).await;
        assert_eq!(other.revoke(&world, &tokens.access).await.status.as_u16(), 200);
        assert_eq!(status(&world, &tokens).await, 200);
        client.revoke(&world, &tokens.access).await;
        assert_eq!(status(&world, &tokens).await, 401);
        assert_eq!(client.refresh(&world, &tokens.refresh, &[]).await.verdict(), "200", "the grant lives on");
    }

    /// R7009-2.2.1-1
    async fn a_revocation_without_token_or_client_is_told_so(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        assert_eq!(world.post_form("/oauth/revoke", &[("client_id", &client.id)]).await.verdict(), "400 invalid_request");
        assert_eq!(world.post_form("/oauth/revoke", &[("client_id", "x"), ("token", "y")]).await.verdict(), "401 invalid_client");
    }

    /// OA21-4.3.1-4: the user ends a grant on the start page
    async fn a_user_disconnects_a_client(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let mut browser = Browser::new(&world);
        let (code, pkce) = browser.code_for(&client).await;
        let tokens = Tokens::of(&client.redeem(&world, &code, &pkce.verifier, &[]).await);
        let home = browser.get("/").await;
        let (csrf, grant) = (home.field("csrf").unwrap(), home.field("grant").unwrap());
        assert!(home.body.contains("Inspector"));
        assert_eq!(browser.post("/clients/disconnect", &[("csrf", &csrf), ("grant", "a\0b")]).await.status.as_u16(), 403);
        assert_eq!(browser.post("/clients/disconnect", &[("csrf", "forged"), ("grant", &grant)]).await.status.as_u16(), 403);
        assert_eq!(status(&world, &tokens).await, 200);
        assert_eq!(browser.post("/clients/disconnect", &[("csrf", &csrf), ("grant", &grant)]).await.status.as_u16(), 200);
        assert_eq!(status(&world, &tokens).await, 401);
        assert_eq!(client.refresh(&world, &tokens.refresh, &[]).await.verdict(), "400 invalid_grant");
    }

    /// ASVS-7.4.1, A27, R7662-2.2-3: what an admin changes reaches a node that holds the token in its cache
    async fn disabling_a_user_or_removing_a_client_reaches_every_node(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let tokens = client.connect(&world).await;
        assert_eq!(status(&world, &tokens).await, 200);
        // Another process, the command line for instance, writes; this one reads the change table.
        let elsewhere = world.second_node().await;
        assert!(elsewhere.authorization.users().disable(&world.alice.id).await.unwrap());
        world.app.changes.read().await.unwrap();
        assert_eq!(status(&world, &tokens).await, 401);
        assert_eq!(client.refresh(&world, &tokens.refresh, &[]).await.verdict(), "400 invalid_grant");
        assert!(elsewhere.authorization.users().enable(&world.alice.id).await.unwrap());
        world.app.changes.read().await.unwrap();
        assert_eq!(status(&world, &tokens).await, 401, "what ended stays ended");
        let tokens = client.connect(&world).await;
        assert_eq!(status(&world, &tokens).await, 200);
        assert!(elsewhere.authorization.clients().remove(&client.id.clone().into()).await.unwrap());
        world.app.changes.read().await.unwrap();
        assert_eq!(status(&world, &tokens).await, 401);
        assert_eq!(client.refresh(&world, &tokens.refresh, &[]).await.verdict(), "401 invalid_client", "so that it registers again (DC-18)");
    }

    /// ASVS-7.4.1: a clock that is set forward between two readings of the changes hides none of them
    async fn a_clock_that_jumps_hides_no_revocation(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let tokens = client.connect(&world).await;
        world.app.changes.read().await.unwrap();
        assert_eq!(status(&world, &tokens).await, 200);
        let elsewhere = world.second_node().await;
        assert!(elsewhere.authorization.users().disable(&world.alice.id).await.unwrap());
        world.advance(60);
        world.app.changes.read().await.unwrap();
        assert_eq!(status(&world, &tokens).await, 401);
    }

    /// A27: a new password ends sessions and grants
    async fn a_new_password_ends_what_the_old_one_opened(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let tokens = client.connect(&world).await;
        let mut browser = Browser::signed_in(&world).await;
        assert_eq!(browser.get("/").await.status.as_u16(), 200);
        world.app.authorization.users().set_password(&world.alice.id, Secret::presented("nine blue bicycles rusting")).await.unwrap();
        world.app.changes.read().await.unwrap();
        assert_eq!(browser.get("/").await.status.as_u16(), 303);
        assert_eq!(status(&world, &tokens).await, 401);
        assert_eq!(client.refresh(&world, &tokens.refresh, &[]).await.verdict(), "400 invalid_grant");
    }

    /// ASVS-7.4.1, R7662-2.2-3: what an admin's command ends is refused by a running node that holds the token in its cache
    async fn an_admins_command_ends_a_token_a_grant_a_user_and_a_client(database: TestDatabase) {
        let world = World::on(database).await;
        let clock = std::sync::Arc::new(world.clock.clone());
        let command = Revocations::new(world.second_node().await.database.clone(), clock);
        let client = Client::public(&world).await;
        let connected = async || {
            let tokens = client.connect(&world).await;
            assert_eq!(status(&world, &tokens).await, 200);
            tokens
        };
        let tokens = connected().await;
        let secret = |text: &str| Secret::presented(text);
        assert_eq!(command.end_token(&secret(&tokens.access)).await.unwrap(), Some(Ended::AccessToken));
        world.app.changes.read().await.unwrap();
        assert_eq!(status(&world, &tokens).await, 401);
        assert_eq!(command.end_token(&secret(&tokens.access)).await.unwrap(), None, "it is dead already");
        let tokens = Tokens::of(&client.refresh(&world, &tokens.refresh, &[]).await);
        assert_eq!(status(&world, &tokens).await, 200, "the grant went on");
        assert_eq!(command.end_token(&secret(&tokens.refresh)).await.unwrap(), Some(Ended::Grants(1)));
        world.app.changes.read().await.unwrap();
        assert_eq!(status(&world, &tokens).await, 401);
        assert_eq!(client.refresh(&world, &tokens.refresh, &[]).await.verdict(), "400 invalid_grant");
        let tokens = [connected().await, connected().await];
        assert_eq!(command.end_user(&world.alice.id).await.unwrap(), Ended::Grants(2));
        world.app.changes.read().await.unwrap();
        for tokens in tokens {
            assert_eq!(status(&world, &tokens).await, 401);
        }
        let tokens = connected().await;
        assert_eq!(command.end_client(&client.id.clone().into()).await.unwrap(), Ended::Grants(1));
        world.app.changes.read().await.unwrap();
        assert_eq!(status(&world, &tokens).await, 401);
        assert_eq!(command.end_client(&client.id.clone().into()).await.unwrap(), Ended::Grants(0));
        let told = world.trail().await.into_iter().filter(|line| line == "token.revocation done admin_revoked").count();
        assert_eq!(told, 4, "one event each, none for what was dead");
    }
}
