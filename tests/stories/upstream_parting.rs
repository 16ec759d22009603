//! What a connection leaves behind at its server when it ends: nothing that opens anything.

use portcullis_database::both_engines;
use portcullis_tests::{Mood, UpstreamLogin, World};

use crate::upstream_stage::{authorised, connect, offer};

both_engines! {
    /// RFC 7009 §2.1: both tokens are given back, the refresh token first, by whoever got them
    async fn the_tokens_of_a_deleted_connection_are_given_back(database: TestDatabase) {
        let (world, upstream) = (World::on(database).await, UpstreamLogin::open().await);
        let (_browser, connection) = authorised(&world, &upstream).await;
        let token = world.app.gateway.authorization().access_token(&connection).await.unwrap();
        assert!(upstream.account_of(token.expose()).is_some());
        assert!(world.app.gateway.connections().remove(&connection).await.unwrap());
        world.app.gateway.drain().await;
        let revoked = upstream.revoked();
        let hints: Vec<&str> = revoked.iter().map(|asked| asked["token_type_hint"].as_str()).collect();
        assert_eq!(hints, ["refresh_token", "access_token"]);
        assert_eq!(revoked[1]["token"], token.expose());
        assert!(revoked.iter().all(|asked| asked["client"] == upstream.asked()[0]["client"]));
        assert!(upstream.account_of(token.expose()).is_none(), "it opens nothing there either");
        assert!(world.app.gateway.connections().get(&connection.id).await.unwrap().is_none());
    }

    /// Who cannot be told keeps nobody from deleting, and who was never asked is told nothing
    async fn a_connection_goes_whoever_can_be_told(database: TestDatabase) {
        let (world, upstream) = (World::on(database).await, UpstreamLogin::open().await);
        let (_browser, connection) = authorised(&world, &upstream).await;
        upstream.behave(Mood { issuer: Some("https://elsewhere.example".to_owned()), ..Mood::default() });
        let gone = UpstreamLogin::open().await;
        offer(&world, "other", &gone).await;
        let draft = connect(&world, &world.alice, "draft", "other").await;
        drop(upstream);
        for connection in [&connection, &draft] {
            assert!(world.app.gateway.connections().remove(connection).await.unwrap());
        }
        world.app.gateway.drain().await;
        assert_eq!(world.app.gateway.connections().list(&world.alice.id).await.unwrap().len(), 1);
        assert!(gone.revoked().is_empty());
    }
}
