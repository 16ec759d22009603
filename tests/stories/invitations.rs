//! Initial access tokens (RFC 7591 §3): who may register where that is not open to everybody.

use std::sync::Arc;

use axum::body::Body;
use axum::http::Method;
use portcullis_authorization_server::Invitations;
use portcullis_database::both_engines;
use portcullis_database::testing::TestDatabase;
use portcullis_oauth::{Clock, Seconds};
use portcullis_tests::{Answer, World};
use serde_json::json;

/// A server in this mode of registration, and its invitations.
async fn in_mode(mode: &str, database: TestDatabase, more: &[(&str, &str)]) -> (World, Invitations) {
    let store = database.database.clone();
    let settings: Vec<_> = [("registration", mode)].into_iter().chain(more.iter().copied()).collect();
    let world = World::configured(database, &settings).await;
    let invitations = Invitations::new(store, Arc::new(world.clock.clone()));
    (world, invitations)
}

async fn invite(invitations: &Invitations, uses: u32) -> (String, String) {
    let (invitation, token) =
        invitations.create("for a story".to_owned(), uses, Seconds::days(7)).await.unwrap();
    (invitation.id, token.expose().to_owned())
}

async fn register(world: &World, token: Option<&str>, redirect_uri: &str) -> Answer {
    let mut request =
        portcullis_tests::request(Method::POST, "/oauth/register").header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let body = json!({"redirect_uris": [redirect_uri], "token_endpoint_auth_method": "none"});
    world.send(request.body(Body::from(body.to_string())).unwrap()).await
}

const GOOD: &str = "https://app.example/cb";

both_engines! {
    /// R7591-3-1: without a good token nobody registers, and a good one is used up by registrations alone
    async fn an_invitation_registers_so_many_clients(database: TestDatabase) {
        let (world, invitations) = in_mode("token", database, &[]).await;
        assert!(world.get("/.well-known/oauth-authorization-server").await.json()["registration_endpoint"].is_string());
        let none = register(&world, None, GOOD).await;
        assert_eq!((none.verdict().as_str(), none.header("www-authenticate")), ("401 invalid_token", r#"Bearer realm="portcullis""#));
        for wrong in ["pcl_ia_guess", "x"] {
            let refused = register(&world, Some(wrong), GOOD).await;
            assert_eq!(refused.verdict(), "401 invalid_token");
            assert_eq!(refused.header("www-authenticate"), r#"Bearer realm="portcullis", error="invalid_token""#);
        }
        let (_, token) = invite(&invitations, 2).await;
        assert_eq!(register(&world, Some(&token), "javascript:alert(1)").await.verdict(), "400 invalid_redirect_uri");
        assert_eq!(register(&world, Some(&token), GOOD).await.status.as_u16(), 201);
        assert_eq!(invitations.list().await.unwrap()[0].uses_left, 1);
        assert_eq!(register(&world, Some(&token), GOOD).await.status.as_u16(), 201);
        assert_eq!(register(&world, Some(&token), GOOD).await.verdict(), "401 invalid_token");
        assert!(invitations.list().await.unwrap().is_empty());
        assert_eq!(world.count("SELECT COUNT(*) FROM oauth_client WHERE origin = 'dynamic'").await, 2);
    }

    /// R7591-3-1: it expires, and may be taken back; its hash alone is kept, and is swept
    async fn an_invitation_ends(database: TestDatabase) {
        let (world, invitations) = in_mode("token", database, &[]).await;
        let (late, taken) = (invite(&invitations, 1).await, invite(&invitations, 1).await);
        assert!(world.text("SELECT hash FROM registration_invitation LIMIT 1").await.len() == 43);
        assert!(invitations.revoke(&taken.0).await.unwrap() && !invitations.revoke(&taken.0).await.unwrap());
        assert_eq!(register(&world, Some(&taken.1), GOOD).await.verdict(), "401 invalid_token");
        world.advance(7 * 86_400);
        assert_eq!(register(&world, Some(&late.1), GOOD).await.verdict(), "401 invalid_token");
        world.advance(1);
        world.app.authorization.sweep(world.clock.now()).await.unwrap();
        assert_eq!(world.count("SELECT COUNT(*) FROM registration_invitation").await, 0);
        let trail = world.trail().await;
        for what in ["registration_invited", "registration_uninvited"] {
            assert!(trail.contains(&format!("client.change done {what}")), "{trail:?}");
        }
    }

    /// R7591-3-1: 16 at once, one use, one client
    async fn one_use_is_one_client(database: TestDatabase) {
        let (world, invitations) = in_mode("token", database, &[]).await;
        let (_, token) = invite(&invitations, 1).await;
        let world = Arc::new(world);
        let tries: Vec<_> = (0..16)
            .map(|_| {
                let (world, token) = (world.clone(), token.clone());
                tokio::spawn(async move { register(&world, Some(&token), GOOD).await.status.as_u16() })
            })
            .collect();
        let mut good = 0;
        for one in tries {
            good += usize::from(one.await.unwrap() == 201);
        }
        assert_eq!((good, world.count("SELECT COUNT(*) FROM oauth_client WHERE origin = 'dynamic'").await), (1, 1));
    }

    /// A36, R7591-3-1: who is invited registers also while a crowd behind the same address is told to wait
    async fn a_crowd_keeps_nobody_invited_out(database: TestDatabase) {
        let (world, invitations) = in_mode("open", database, &[("registrations_per_minute", "3")]).await;
        let mut crowd = register(&world, None, GOOD).await;
        for _ in 0..10 {
            crowd = register(&world, Some("a-token-of-something-else"), GOOD).await;
        }
        assert_eq!(crowd.status.as_u16(), 429);
        let (_, token) = invite(&invitations, 1).await;
        assert_eq!(register(&world, Some(&token), GOOD).await.status.as_u16(), 201);
        assert_eq!(register(&world, Some(&token), GOOD).await.verdict(), "401 invalid_token");
        world.advance(60);
        assert_eq!(register(&world, None, GOOD).await.status.as_u16(), 201, "and everybody a minute later");
    }
}
