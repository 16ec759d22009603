//! Clients that name themselves by the URL of a document about them: who they are, when that is asked again, and what
//! happens when there is no answer.

use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use portcullis_database::both_engines;
use portcullis_tests::{Answer, Browser, Client, Pkce, Publisher, Tokens, World};
use serde_json::{Value, json};
use tokio::sync::Barrier;
use tower::ServiceExt;

const FIVE_MINUTES: i64 = 300;
const DAY: i64 = 86_400;

/// The document, with some members replaced.
fn changed(publisher: &Publisher, changes: &Value) -> Value {
    let mut document = publisher.document();
    for (name, value) in changes.as_object().unwrap() {
        document[name] = value.clone();
    }
    document
}

/// A link of this client, opened by a stranger.
async fn visit(world: &World, client: &Client) -> Answer {
    world.get(&client.authorize(&Pkce::new(), &[])).await
}

/// Opens the same link so many times at once.
async fn at_once(world: &World, times: usize, link: &str) -> Vec<Answer> {
    let start = Arc::new(Barrier::new(times));
    let visit = || {
        let (router, start) = (world.router(), start.clone());
        let request = Request::get(link).header("host", "localhost:8420").body(Body::empty()).unwrap();
        tokio::spawn(async move {
            start.wait().await;
            Answer::read(router.oneshot(request).await.unwrap()).await
        })
    };
    let visits: Vec<_> = (0..times).map(|_| visit()).collect();
    let mut answers = Vec::new();
    for visit in visits {
        answers.push(visit.await.unwrap());
    }
    answers
}

/// The page without what is of this one visit: the attempt's number and who was named.
fn text_of(page: &Answer, client: &Client) -> String {
    let begun = page.body.split_once("quote this number: <code>").map_or("", |(_, rest)| rest);
    let number = begun.split('<').next().unwrap_or_default();
    page.body.replace(number, "").replace(&client.id, "")
}

/// The reasons that the paper trail has for documents, in their order.
async fn reasons(world: &World) -> Vec<String> {
    let of_document = |line: String| line.strip_prefix("client.document ").map(str::to_owned);
    world.trail().await.into_iter().filter_map(of_document).collect()
}

both_engines! {
    /// CIMD-5-1, CIMD-4.5-1, DC-7, DC-12: Claude Code's document, whose loopback addresses name no port
    async fn a_client_signs_in_by_its_document_alone(database: TestDatabase) {
        let world = World::on(database).await;
        for path in ["oauth-authorization-server", "openid-configuration"] {
            let metadata = world.get(&format!("/.well-known/{path}")).await.json();
            assert_eq!(metadata["client_id_metadata_document_supported"], true, "{path}");
            assert!(metadata["token_endpoint_auth_methods_supported"].as_array().unwrap().contains(&json!("none")));
        }
        let publisher = Publisher::open().await;
        for redirect_uri in ["http://localhost:53122/callback", "http://127.0.0.1:53123/callback"] {
            let client = Client { redirect_uri: redirect_uri.to_owned(), ..publisher.client() };
            let tokens = client.connect(&world).await;
            assert_eq!(world.mcp(&tokens.access, "tools/list", json!({})).await.status.as_u16(), 200);
            let next = Tokens::of(&client.refresh(&world, &tokens.refresh, &[]).await);
            assert_eq!(client.revoke(&world, &next.refresh).await.status.as_u16(), 200);
            assert_eq!(client.refresh(&world, &next.refresh, &[]).await.verdict(), "400 invalid_grant");
        }
        for other in ["http://127.0.0.1:53122/mcp/oauth/callback", "http://[::1]:53122/callback", "https://127.0.0.1/callback", "http://evil.example/callback"] {
            let page = visit(&world, &Client { redirect_uri: other.to_owned(), ..publisher.client() }).await;
            assert_eq!((page.status.as_u16(), page.header("location")), (400, ""), "{other}");
        }
        assert_eq!(publisher.asked().len(), 1, "the document is kept");
        assert!(publisher.asked()[0].starts_with("get /id.json http/1.1\r\n"));
        assert!(!publisher.asked()[0].contains("cookie") && !publisher.asked()[0].contains("gzip"));
        assert_eq!(reasons(&world).await, ["done document_read"]);
    }

    /// CIMD-6.4-1, CIMD-6.7-1, A31, T08, MCP-AUTH-25, A34: the name is the document's own word; the host is what counts; no logo is fetched
    async fn people_see_who_publishes_the_document(database: TestDatabase) {
        let world = World::on(database).await;
        let publisher = Publisher::open().await;
        publisher.publish(&changed(&publisher, &json!({"client_name": "Claude <b>", "logo_uri": format!("{}/logo.svg", publisher.url())})));
        let page = Browser::new(&world).reach_consent(&publisher.client().authorize(&Pkce::new(), &[])).await;
        let host = publisher.url().replace("http://", "").replace("/id.json", "");
        assert!(page.body.contains(&format!(r#"<p class="host" title="{host}"><bdi dir="ltr">{host}</bdi></p>"#)), "{}", page.body);
        for text in ["This client is not registered here", "Claude &#60;b&#62;", "Its address proves little here", "127.0.0.1:51004"] {
            assert!(page.body.contains(text), "{text}: {}", page.body);
        }
        assert!(!page.body.contains("logo.svg"));
        assert_eq!(publisher.asked().len(), 1);
    }

    /// CIMD-4-1, CIMD-4.1-1, CIMD-4.1-2, CIMD-4.1-3, CIMD-4.3-1, CIMD-6.2-1, CIMD-6.6-1, A05, A29, A30, A32, T08: whatever
    /// failed, strangers read the same page, nothing is redirected or asked a second time, and the cause is in the paper trail
    async fn whatever_is_wrong_with_a_document_strangers_read_one_page(database: TestDatabase) {
        let world = World::on(database).await;
        let elsewhere = Publisher::open().await;
        let redirect = format!("HTTP/1.1 301 Moved\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", elsewhere.url());
        let full = |status: &str, kind: &str, document: &Value| {
            let body = document.to_string();
            format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        };
        let json_type = "application/json";
        let mut pages = Vec::new();
        for (case, reason) in [
            ("redirect", "document_status"), ("204", "document_status"), ("206", "document_status"), ("404", "document_status"),
            ("500", "document_status"), ("html", "document_not_json"), ("gzip", "answer_encoded"), ("endless", "answer_too_large"),
            ("not http", "answer_not_http"), ("other", "document_of_another"), ("secret", "document_with_secret"),
            ("key", "document_needs_key"), ("script", "document_metadata"), ("nameless", "document_metadata"), ("list", "document_not_json"),
        ] {
            let publisher = Publisher::open().await;
            let document = publisher.document();
            match case {
                "redirect" => publisher.answer(redirect.as_str()),
                "204" => publisher.answer("HTTP/1.1 204 No Content\r\n\r\n"),
                "206" => publisher.answer(full("206 Partial Content", json_type, &document)),
                "404" => publisher.answer(full("404 Not Found", json_type, &document)),
                "500" => publisher.answer(full("500 Oh No", json_type, &document)),
                "html" => publisher.answer(full("200 OK", "text/html", &document)),
                "gzip" => publisher.publish_with("content-encoding: gzip\r\n", &document),
                "endless" => publisher.answer_without_end(format!("HTTP/1.1 200 OK\r\ncontent-type: {json_type}\r\n\r\n{}", " ".repeat(6_000))),
                "not http" => publisher.answer("SSH-2.0-OpenSSH_9.9\r\n"),
                "other" => publisher.publish(&elsewhere.document()),
                "secret" => publisher.publish(&changed(&publisher, &json!({"client_secret": "x"}))),
                "key" => publisher.publish(&changed(&publisher, &json!({"token_endpoint_auth_method": "private_key_jwt"}))),
                "script" => publisher.publish(&changed(&publisher, &json!({"redirect_uris": ["JavaScript:alert(1)"]}))),
                "nameless" => publisher.publish(&changed(&publisher, &json!({"client_name": null}))),
                _ => publisher.publish(&json!([document])),
            }
            world.advance(1);
            let page = visit(&world, &publisher.client()).await;
            assert_eq!((page.status.as_u16(), page.header("location")), (400, ""), "{case}");
            assert_eq!(reasons(&world).await.last().unwrap(), &format!("refused {reason}"), "{case}");
            assert_eq!(publisher.asked().len(), 1, "{case}");
            pages.push(text_of(&page, &publisher.client()));
        }
        assert!(elsewhere.asked().is_empty(), "redirects are not followed");
        for address in ["https://169.254.169.254/latest/", "https://10.0.0.1/x", "https://[::ffff:a00:1]/x", "https://[64:ff9b::a00:1]/x", "https://0.0.0.0/x", "https://100.64.0.1/x"] {
            world.advance(1);
            let client = Client { id: address.to_owned(), ..elsewhere.client() };
            pages.push(text_of(&visit(&world, &client).await, &client));
            assert_eq!(reasons(&world).await.last().unwrap(), "refused address_refused", "{address}");
        }
        pages.dedup();
        assert_eq!(pages.len(), 1, "{pages:#?}");
        assert_eq!(world.count("SELECT COUNT(*) FROM oauth_client").await, 0, "nothing of it is kept");
    }

    /// CIMD-6.6-1: who never ends his answer is left, and reads no other page
    async fn a_slow_answer_ends_with_its_time(database: TestDatabase) {
        let world = World::configured(database, &[("outbound_seconds", "1")]).await;
        let publisher = Publisher::open().await;
        publisher.answer_without_end("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{");
        assert_eq!(visit(&world, &publisher.client()).await.status.as_u16(), 400);
        assert_eq!(reasons(&world).await, ["refused timeout"]);
    }

    /// CIMD-3-1, A32: what is no URL of a document is told so before anything is asked
    async fn a_url_that_breaks_the_rules_is_not_asked(database: TestDatabase) {
        let world = World::on(database).await;
        let publisher = Publisher::open().await;
        let host = publisher.url().replace("http://", "").replace("/id.json", "");
        for id in [
            "https://h.example", "https://u@h.example/x", "https://h.example/a/../b", "https://h.example/x#f", "http://h.example/x",
            "https://h.example./x", "https://2130706433/x", "https://0x7f.1/x", "HTTPS://h.example/x", "https://H.example/x",
            &format!("http://u@{host}/id.json"), &format!("http://{host}/a/../id.json"), &format!("http://{host}/id.json#"),
        ] {
            world.advance(1);
            let page = visit(&world, &Client { id: id.to_owned(), ..publisher.client() }).await;
            assert_eq!((page.status.as_u16(), page.header("location")), (400, ""), "{id}");
            assert_eq!(world.trail().await.last().unwrap(), "authorization.request refused client_id_url", "{id}");
        }
        assert!(publisher.asked().is_empty());
    }

    /// CIMD-4.4-2: a failure is forgotten at once, but not asked about without end
    async fn a_failure_is_not_kept(database: TestDatabase) {
        let world = World::on(database).await;
        let publisher = Publisher::open().await;
        let client = publisher.client();
        publisher.answer("HTTP/1.1 500 Oh No\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(visit(&world, &client).await.status.as_u16(), 400);
        publisher.publish(&publisher.document());
        assert_eq!(visit(&world, &client).await.status.as_u16(), 303);

        let broken = Publisher::open().await;
        broken.answer("HTTP/1.1 500 Oh No\r\ncontent-length: 0\r\n\r\n");
        for _ in 0..15 {
            assert_eq!(visit(&world, &broken.client()).await.status.as_u16(), 400);
        }
        assert_eq!(broken.asked().len(), 10);
        assert_eq!(reasons(&world).await.iter().filter(|reason| *reason == "refused document_attempts").count(), 5);
        broken.publish(&broken.document());
        world.advance(60);
        assert_eq!(visit(&world, &broken.client()).await.status.as_u16(), 303);
    }

    /// CIMD-4.4-1: a document is kept as long as it says, between five minutes and a day, and asked for by its `ETag`
    async fn a_document_is_read_again_when_it_is_old(database: TestDatabase) {
        let world = World::on(database).await;
        for (header, kept) in [("cache-control: max-age=0\r\n", FIVE_MINUTES), ("cache-control: max-age=31536000\r\n", DAY), ("cache-control: max-age=3600\r\n", 3_600)] {
            let publisher = Publisher::open().await;
            let client = publisher.client();
            publisher.publish_with(&format!("{header}etag: \"v1\"\r\n"), &publisher.document());
            for wait in [0, kept - 1] {
                world.advance(wait);
                assert_eq!(visit(&world, &client).await.status.as_u16(), 303);
                assert_eq!(publisher.asked().len(), 1, "{header}");
            }
            world.advance(1);
            publisher.answer(format!("HTTP/1.1 304 Not Modified\r\n{header}\r\n"));
            assert_eq!(visit(&world, &client).await.status.as_u16(), 303);
            assert!(publisher.asked()[1].contains("\r\nif-none-match: \"v1\"\r\n"), "{:?}", publisher.asked());
            world.advance(kept - 1);
            assert_eq!(visit(&world, &client).await.status.as_u16(), 303);
            assert_eq!(publisher.asked().len(), 2, "{header}: what is unchanged is kept again");
        }
        let silent = Publisher::open().await;
        silent.answer("HTTP/1.1 304 Not Modified\r\n\r\n");
        assert_eq!(visit(&world, &silent.client()).await.status.as_u16(), 400, "unchanged since when?");
    }

    /// CIMD-4.4-1: many who come at once cause one request, on this node; another node finds what is kept
    async fn twenty_who_come_at_once_ask_once(database: TestDatabase) {
        let world = World::on(database).await;
        let publisher = Publisher::open().await;
        let link = publisher.client().authorize(&Pkce::new(), &[]);
        for answer in at_once(&world, 20, &link).await {
            assert_eq!(answer.status.as_u16(), 303);
        }
        assert_eq!(publisher.asked().len(), 1);
        let node = world.second_node().await;
        assert_eq!(Browser::at(&node).get(&link).await.status.as_u16(), 303);
        assert_eq!(publisher.asked().len(), 1);
    }

    /// CIMD-6.3-1, A37: a document that changes is asked about anew, and changes nothing that was given
    async fn a_changed_document_takes_nothing_that_was_not_asked_about(database: TestDatabase) {
        let world = World::on(database).await;
        let publisher = Publisher::open().await;
        let client = publisher.client();
        let narrow = json!({"grant_types": ["authorization_code"]});
        publisher.publish(&changed(&publisher, &narrow));
        let tokens = client.connect(&world).await;
        assert_eq!(tokens.refresh, "", "it did not ask to refresh");

        let mut browser = Browser::signed_in(&world).await;
        let page = browser.reach_consent(&client.authorize(&Pkce::new(), &[])).await;
        world.advance(FIVE_MINUTES + 1);
        let other = json!({"client_name": "Bank", "redirect_uris": ["http://127.0.0.1/callback", "https://evil.example/cb"]});
        publisher.publish(&changed(&publisher, &other));
        let elsewhere = Client { redirect_uri: "https://evil.example/cb".to_owned(), ..publisher.client() };
        assert_eq!(visit(&world, &elsewhere).await.status.as_u16(), 303, "from now on it has this address too");
        assert_eq!(reasons(&world).await.last().unwrap(), "done document_changed");
        let answer = browser.answer_consent(&page, "approve", &page.boxes("scope")).await;
        assert_eq!(answer.status.as_u16(), 400);
        assert!(answer.body.contains("This application has changed"));

        assert_eq!(world.mcp(&tokens.access, "tools/list", json!({})).await.status.as_u16(), 200);
        let home = browser.get("/").await;
        assert!(home.body.contains("Inspector") && !home.body.contains("Bank"), "what was allowed keeps its name");
        assert_eq!(world.count("SELECT COUNT(*) FROM refresh_token").await, 0);
        let again = browser.reach_consent(&client.authorize(&Pkce::new(), &[])).await;
        assert!(again.body.contains("Bank"));
    }

    /// A37: a document that cannot be read ends nothing for a week, and does not live on for longer; one that says
    /// something else of how its client proves itself ends it at once
    async fn an_outage_ends_nothing_at_once_and_everything_in_the_end(database: TestDatabase) {
        let world = World::on(database).await;
        let (down, turned) = (Publisher::open().await, Publisher::open().await);
        let (one, other) = (down.client(), turned.client());
        let mut tokens = one.connect(&world).await;
        let others = other.connect(&world).await;
        down.answer("HTTP/1.1 503 Down\r\ncontent-length: 0\r\n\r\n");
        turned.publish(&changed(&turned, &json!({"token_endpoint_auth_method": "private_key_jwt"})));
        world.advance(DAY);
        assert_eq!(other.refresh(&world, &others.refresh, &[]).await.verdict(), "401 invalid_client");
        for _ in 1..7 {
            tokens = Tokens::of(&one.refresh(&world, &tokens.refresh, &[]).await);
            assert_eq!(visit(&world, &one).await.status.as_u16(), 400, "nothing new is begun on a stale copy");
            world.advance(DAY);
        }
        assert_eq!(one.refresh(&world, &tokens.refresh, &[]).await.verdict(), "401 invalid_client");
        down.publish(&down.document());
        assert_eq!(one.refresh(&world, &tokens.refresh, &[]).await.verdict(), "200");
    }

    /// R7591-3-1: documents that nobody consented to are forgotten like registrations
    async fn a_document_that_nobody_consented_to_is_forgotten(database: TestDatabase) {
        let world = World::on(database).await;
        let (used, unused) = (Publisher::open().await, Publisher::open().await);
        used.client().connect(&world).await;
        assert_eq!(visit(&world, &unused.client()).await.status.as_u16(), 303);
        world.advance(8 * DAY);
        world.app.authorization.sweep(portcullis_oauth::Clock::now(&world.clock)).await.unwrap();
        assert_eq!(world.count("SELECT COUNT(*) FROM oauth_client").await, 1);
        assert_eq!(visit(&world, &unused.client()).await.status.as_u16(), 303);
    }
}
