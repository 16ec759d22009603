//! Who the gateway is at somebody else's authorization server, and that it is nobody else there.

use portcullis_database::both_engines;
use portcullis_oauth::client::RemoteUrl;
use portcullis_tests::{Browser, Mood, UpstreamLogin, World};
use serde_json::json;

use crate::upstream_stage::{authorise, authorised, connect, offer, press};

both_engines! {
    /// MCP-AUTH-31: one registration for a server and an issuer, with the application type that fits
    async fn the_gateway_registers_once(database: TestDatabase) {
        let (world, upstream) = (World::on(database).await, UpstreamLogin::open().await);
        let (mut browser, _connection) = authorised(&world, &upstream).await;
        connect(&world, &world.alice, "work", "notes").await;
        authorise(&mut browser, "work", &upstream, "alice at work").await;
        let registrations = upstream.registrations();
        assert_eq!(registrations.len(), 1);
        assert_eq!(registrations[0]["application_type"], "native");
        assert_eq!(registrations[0]["redirect_uris"].as_array().unwrap().len(), 1);
        assert_eq!(registrations[0]["grant_types"], json!(["authorization_code", "refresh_token"]));
    }

    /// RFC 7591 §2: it registers for what it asks, since some servers refuse to be asked for anything else; for more, anew
    async fn the_gateway_registers_for_what_it_asks(database: TestDatabase) {
        let (world, upstream) = (World::on(database).await, UpstreamLogin::open().await);
        let (mut browser, connection) = authorised(&world, &upstream).await;
        let registered = || upstream.registrations().iter().map(|asked| asked["scope"].clone()).collect::<Vec<_>>();
        assert_eq!(registered(), [json!("notes.read")]);
        let challenge = r#"Bearer error="insufficient_scope", scope="notes.write""#;
        world.app.gateway.authorization().insufficient_scope(&connection, challenge).await.unwrap();
        authorise(&mut browser, "notes", &upstream, "alice over there").await;
        assert_eq!(registered(), [json!("notes.read"), json!("notes.read notes.write")]);
        connect(&world, &world.alice, "work", "notes").await;
        authorise(&mut browser, "work", &upstream, "alice at work").await;
        assert_eq!(registered().len(), 2, "who is registered for more can ask for less");
    }

    /// MCP-AUTH-21: at another issuer the gateway is somebody else, and shows nothing of what the first one gave
    async fn another_issuer_gets_another_client(database: TestDatabase) {
        let (world, upstream) = (World::on(database).await, UpstreamLogin::open().await);
        let other = UpstreamLogin::open().await;
        let (mut browser, _connection) = authorised(&world, &upstream).await;
        upstream.behave(Mood { issuer: Some(other.issuer()), ..Mood::default() });
        let away = press(&mut browser, "notes").await;
        assert!(away.see_other().starts_with(&other.issuer()), "{}", away.see_other());
        assert_eq!(other.registrations().len(), 1);
        let back = browser.get(&other.allow(away.see_other(), "alice elsewhere")).await;
        assert_eq!(back.see_other(), "/connections/notes");
        let first = &upstream.asked()[0]["client"];
        assert!(other.asked().iter().all(|asked| asked["client"] != *first));
        assert_eq!((upstream.asked().len(), other.asked().len()), (1, 1));
    }

    /// DC-18: an issuer that forgot us is registered at anew, when it says so and when its browser never comes back
    async fn a_forgotten_client_registers_anew(database: TestDatabase) {
        let (world, upstream) = (World::on(database).await, UpstreamLogin::open().await);
        offer(&world, "notes", &upstream).await;
        connect(&world, &world.alice, "notes", "notes").await;
        let mut browser = Browser::signed_in(&world).await;
        let back = upstream.allow(press(&mut browser, "notes").await.see_other(), "alice over there");
        upstream.forget_clients();
        let told = browser.get(&back).await;
        assert!(told.body.contains("does not know this gateway any more"), "{}", told.body);
        authorise(&mut browser, "notes", &upstream, "alice over there").await;
        assert_eq!(upstream.registrations().len(), 2);

        upstream.forget_clients();
        assert!(press(&mut browser, "notes").await.see_other().starts_with(&upstream.issuer()));
        assert_eq!(upstream.registrations().len(), 2);
        world.advance(601);
        authorise(&mut browser, "notes", &upstream, "alice over there").await;
        assert_eq!(upstream.registrations().len(), 3);
    }

    /// CIMD-4.1-1, MCP-AUTH-20: the document of an issuer names its own address and that issuer's callback alone
    async fn each_issuer_reads_a_document_of_its_own(database: TestDatabase) {
        let world = World::on(database).await;
        let digest = RemoteUrl::parse("https://as.example", false).unwrap().digest();
        let path = format!("/oauth/client/{digest}");
        assert_eq!(world.get(&path).await.status.as_u16(), 404, "nobody was sent there");
        portcullis_database::on!(world.app.database.write(), |pool| {
            sqlx::query(
                "INSERT INTO upstream_client (server, issuer, client_id, digest, kind, method, redirect_uri, made_at) \
                 VALUES ('sandbox', 'https://as.example', 'x', $1, 'document', 'none', 'x', 0)",
            )
            .bind(&digest)
            .execute(pool)
            .await
            .map(drop)
        })
        .unwrap();
        let document = world.get(&path).await.json();
        assert_eq!(document["client_id"], format!("http://localhost:8420{path}"));
        assert_eq!(document["redirect_uris"], json!([format!("http://localhost:8420/oauth/callback/{digest}")]));
        assert_eq!(document["token_endpoint_auth_method"], "none");
        assert_eq!(world.get("/oauth/client/other").await.status.as_u16(), 404);
    }
}
