//! What an admin decides about clients that name themselves by a document: open, ask or off, and each one by its URL.

use portcullis_database::both_engines;
use portcullis_oauth::ClientIdUrl;
use portcullis_tests::{Browser, Client, Pkce, Publisher, World};

fn url(publisher: &Publisher) -> ClientIdUrl {
    ClientIdUrl::parse(&publisher.url(), true).unwrap()
}

both_engines! {
    /// DC-12: where an admin is asked first, a person's wish is on the list, and nothing is read before the answer
    async fn where_an_admin_is_asked_a_document_waits(database: TestDatabase) {
        let world = World::configured(database, &[("client_documents", "ask")]).await;
        let publisher = Publisher::open().await;
        let link = publisher.client().authorize(&Pkce::new(), &[]);
        let clients = world.app.authorization.clients();
        assert!(world.get(&link).await.see_other().starts_with("/login"), "who wants it has to say who they are");
        assert!(clients.trusts().await.unwrap().is_empty(), "strangers put nothing on the list");
        let mut browser = Browser::signed_in(&world).await;
        for _ in 0..2 {
            let page = browser.get(&link).await;
            assert_eq!((page.status.as_u16(), page.header("location")), (403, ""));
            assert!(page.body.contains("An administrator has to allow this application first"));
        }
        assert!(publisher.asked().is_empty());
        let waiting = clients.trusts().await.unwrap();
        assert_eq!(waiting.iter().map(|(id, trust, _)| (id.as_str(), trust.as_str())).collect::<Vec<_>>(), [(publisher.url().as_str(), "asked")]);
        assert_eq!(world.trail().await.iter().filter(|line| *line == "client.document started client_asked_for").count(), 1);

        clients.trust(&url(&publisher)).await.unwrap();
        let page = browser.reach_consent(&link).await;
        assert!(page.body.contains("Your administrator has allowed this client"));
        let neighbour = Client { id: publisher.url().replace("id.json", "other.json"), ..publisher.client() };
        assert_eq!(browser.get(&neighbour.authorize(&Pkce::new(), &[])).await.status.as_u16(), 403, "a URL is trusted, never a host");
    }

    /// A37, DC-12: blocked is blocked, whatever the setting; what it was granted ends at once
    async fn a_blocked_document_ends_what_it_was_granted(database: TestDatabase) {
        let world = World::on(database).await;
        let (publisher, neighbour) = (Publisher::open().await, Publisher::open().await);
        let client = publisher.client();
        let tokens = client.connect(&world).await;
        let clients = world.app.authorization.clients();
        clients.block(&url(&publisher)).await.unwrap();
        let page = world.get(&client.authorize(&Pkce::new(), &[])).await;
        assert_eq!(page.status.as_u16(), 403);
        assert!(page.body.contains("An administrator has blocked it"));
        assert_eq!(client.refresh(&world, &tokens.refresh, &[]).await.verdict(), "401 invalid_client");
        world.app.changes.read().await.unwrap();
        assert_eq!(world.mcp(&tokens.access, "tools/list", serde_json::json!({})).await.status.as_u16(), 401);
        neighbour.client().connect(&world).await;

        clients.trust(&url(&publisher)).await.unwrap();
        assert_eq!(client.refresh(&world, &tokens.refresh, &[]).await.verdict(), "400 invalid_grant", "it starts without grants");
        client.connect(&world).await;
        assert!(world.trail().await.contains(&"client.change done client_blocked".to_owned()));
    }

    /// CIMD-5-1, MCP-AUTH-26: with documents off they are neither told of nor read, trusted or not
    async fn with_documents_off_they_are_neither_told_nor_taken(database: TestDatabase) {
        let world = World::configured(database, &[("client_documents", "off")]).await;
        let publisher = Publisher::open().await;
        world.app.authorization.clients().trust(&url(&publisher)).await.unwrap();
        let metadata = world.get("/.well-known/oauth-authorization-server").await.json();
        assert_eq!(metadata.get("client_id_metadata_document_supported"), None);
        let page = world.get(&publisher.client().authorize(&Pkce::new(), &[])).await;
        assert_eq!((page.status.as_u16(), page.header("location")), (400, ""));
        assert!(publisher.asked().is_empty());
    }

    /// DC-18: a document client that an admin removes is unknown until somebody asks for it again; disabled, it stays so
    async fn a_removed_document_may_come_back_and_a_disabled_one_may_not(database: TestDatabase) {
        let world = World::on(database).await;
        let publisher = Publisher::open().await;
        let client = publisher.client();
        let tokens = client.connect(&world).await;
        let clients = world.app.authorization.clients();
        assert!(clients.remove(&url(&publisher).client_id()).await.unwrap());
        assert_eq!(client.refresh(&world, &tokens.refresh, &[]).await.verdict(), "401 invalid_client");
        let tokens = client.connect(&world).await;
        assert!(clients.disable(&url(&publisher).client_id()).await.unwrap());
        assert_eq!(client.refresh(&world, &tokens.refresh, &[]).await.verdict(), "401 invalid_client");
        assert!(clients.remove(&url(&publisher).client_id()).await.unwrap());
        let page = world.get(&client.authorize(&Pkce::new(), &[])).await;
        assert_eq!(page.status.as_u16(), 400, "reading its document again lets nobody in whom an admin put out");
    }
}
