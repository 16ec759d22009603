//! Where the keys of clients are (RFC 7591 §2): said at registration, in a document, or published at a URL that is read with
//! care and not too often.

use std::collections::BTreeSet;

use portcullis_database::both_engines;
use portcullis_oauth::GrantType;
use portcullis_oauth::jose::{Algorithm, ClientKeys, SigningKey};
use portcullis_tests::{Browser, Client, Keyed, Publisher, Tokens, World};
use serde_json::{Value, json};

const BELIEVED: &str = "400 invalid_grant";
const NOBODY: &str = "401 invalid_client";
const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

/// A client that registered itself, whose keys are at `publisher`.
async fn at(world: &World, publisher: &Publisher) -> Keyed {
    let key = Keyed::new_key(Algorithm::Es256);
    publisher.publish(&Keyed::set(&key));
    Keyed::registered_with(world, key, |_| json!({"jwks_uri": publisher.url()})).await
}

/// What the server says of a fresh assertion of this client.
async fn word(world: &World, keyed: &Keyed) -> String {
    keyed.believed(world, &keyed.assertion(world)).await.verdict()
}

/// The reasons that the paper trail has for sets of keys, in their order.
async fn reasons(world: &World) -> Vec<String> {
    let of_keys = |line: String| line.strip_prefix("key_set ").map(str::to_owned);
    world.trail().await.into_iter().filter_map(of_keys).collect()
}

/// The client of a document that says how it proves itself.
fn documented(publisher: &Publisher, key: SigningKey, changes: &Value) -> Keyed {
    let mut document = publisher.document();
    document["token_endpoint_auth_method"] = json!("private_key_jwt");
    for (name, value) in changes.as_object().unwrap() {
        document[name] = value.clone();
    }
    publisher.publish(&document);
    Keyed { client: publisher.client(), key }
}

both_engines! {
    /// R7591-2-3, R7591-3.2.2-1: in one place, public, and of a kind that is taken; else nothing is registered
    async fn keys_that_cannot_count_are_not_registered(database: TestDatabase) {
        let world = World::on(database).await;
        let key = Keyed::new_key(Algorithm::Rs256);
        let (set, uri) = (Keyed::set(&key), "https://app.example/jwks");
        let mut private = set.clone();
        private["keys"][0]["d"] = json!("AA");
        for members in [
            json!({}),
            json!({"jwks": set, "jwks_uri": uri}),
            json!({"jwks": private}),
            json!({"jwks": {"keys": []}}),
            json!({"jwks": {"keys": [{"kty": "oct", "k": "AA"}]}}),
            json!({"jwks": set["keys"]}),
            json!({"jwks_uri": "http://app.example/jwks"}),
            json!({"jwks_uri": "https://u@app.example/jwks"}),
            json!({"jwks": set, "token_endpoint_auth_signing_alg": "none"}),
            json!({"jwks": set, "token_endpoint_auth_signing_alg": "HS256"}),
            json!({"token_endpoint_auth_method": "none", "jwks": private}),
            json!({"token_endpoint_auth_method": "none", "jwks": set, "jwks_uri": uri}),
        ] {
            let mut metadata = Keyed::metadata();
            for (name, value) in members.as_object().unwrap() {
                metadata[name] = value.clone();
            }
            let answer = world.post_json("/oauth/register", &metadata).await;
            assert_eq!(answer.verdict(), "400 invalid_client_metadata", "{members}");
        }
        assert_eq!(world.count("SELECT COUNT(*) FROM oauth_client").await, 0);
        // Keys of a client that proves itself in another way are nobody's business, and the answer does not claim to keep them.
        let metadata = json!({"redirect_uris": ["https://app.example/cb"], "jwks": set, "jwks_uri": null});
        let answer = world.post_json("/oauth/register", &metadata).await.json();
        assert_eq!((&answer["token_endpoint_auth_method"], answer.get("jwks")), (&json!("client_secret_basic"), None));
    }

    /// R7592-2.2-1, A18, A27: another key instead of the old one; what the old one had is over, and it proves nothing any more
    async fn a_replaced_key_proves_nothing_any_more(database: TestDatabase) {
        let world = World::on(database).await;
        let old = Keyed::new_key(Algorithm::Es256);
        let mut metadata = Keyed::metadata();
        metadata["jwks"] = Keyed::set(&old);
        let registered = world.post_json("/oauth/register", &metadata).await.json();
        let (id, token) = (registered["client_id"].as_str().unwrap(), registered["registration_access_token"].as_str().unwrap());
        let client = Client { id: id.to_owned(), secret: None, redirect_uri: "https://app.example/callback".to_owned() };
        let old = Keyed { client: client.clone(), key: old };
        let (code, pkce) = Browser::new(&world).code_for(&client).await;
        let redeem = [("grant_type", "authorization_code"), ("code", &code), ("code_verifier", &pkce.verifier)];
        let tokens = Tokens::of(&old.token(&world, &redeem).await);

        let new = Keyed { client, key: Keyed::new_key(Algorithm::EdDsa) };
        metadata["jwks"] = Keyed::set(&new.key);
        metadata["client_id"] = json!(id);
        let request = portcullis_tests::request(axum::http::Method::PUT, &format!("/oauth/register/{id}"))
            .header("authorization", format!("Bearer {token}"))
            .body(axum::body::Body::from(metadata.to_string()));
        let answer = world.send(request.unwrap()).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["jwks"]), (200, &Keyed::set(&new.key)), "{}", answer.body);
        assert_eq!(answer.json().get("client_secret"), None);
        assert_eq!((word(&world, &old).await, word(&world, &new).await), (NOBODY.to_owned(), BELIEVED.to_owned()));
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];
        assert_eq!(new.token(&world, &refresh).await.verdict(), "400 invalid_grant");
        assert_eq!(world.mcp(&tokens.access, "tools/list", json!({})).await.status.as_u16(), 401);
    }

    /// A18, A27: an admin replaces the keys of a client; those that register themselves keep to their own way
    async fn an_admin_replaces_keys_as_a_secret(database: TestDatabase) {
        let world = World::on(database).await;
        let clients = world.app.authorization.clients();
        let old = Keyed::by_admin(&world, &[GrantType::ClientCredentials], "mcp.tools.read").await;
        let ask = [("grant_type", "client_credentials")];
        let token = Tokens::of(&old.token(&world, &ask).await).access;
        let new = Keyed { client: old.client.clone(), key: Keyed::new_key(Algorithm::Rs256) };
        let keys = || ClientKeys::set(&Keyed::set(&new.key)).unwrap();
        assert!(clients.replace_keys(&old.client.id.clone().into(), keys()).await.unwrap());
        world.app.changes.read().await.unwrap();
        assert_eq!(old.token(&world, &ask).await.verdict(), NOBODY);
        assert_eq!(new.token(&world, &ask).await.verdict(), "200");
        assert_eq!(world.mcp(&token, "tools/list", json!({})).await.status.as_u16(), 401);
        assert!(world.trail().await.contains(&"client.change done client_keys_replaced".to_owned()));
        let itself = Keyed::registered(&world).await;
        assert!(!clients.replace_keys(&itself.client.id.clone().into(), keys()).await.unwrap());
        assert_eq!(word(&world, &itself).await, BELIEVED);
        assert!(clients.disable(&new.client.id.clone().into()).await.unwrap());
        world.app.changes.read().await.unwrap();
        assert_eq!(new.token(&world, &ask).await.verdict(), NOBODY);
    }

    /// R7523-JWKS-1, KEYS-8725-2: published keys are read once, and again for a key that is not among them, once a minute
    async fn published_keys_are_read_once_and_for_strangers_once_a_minute(database: TestDatabase) {
        let world = World::on(database).await;
        let publisher = Publisher::open().await;
        let mut keyed = at(&world, &publisher).await;
        assert!(publisher.asked().is_empty(), "nobody asks at registration");
        for _ in 0..5 {
            assert_eq!(word(&world, &keyed).await, BELIEVED);
        }
        assert_eq!(publisher.asked().len(), 1);
        let stranger = Keyed { client: keyed.client.clone(), key: Keyed::new_key(Algorithm::Es256) };
        world.advance(MINUTE);
        for _ in 0..30 {
            let forged = Keyed { client: keyed.client.clone(), key: Keyed::new_key(Algorithm::Es256) };
            assert_ne!(word(&world, &forged).await, BELIEVED);
        }
        assert_eq!(publisher.asked().len(), 2, "however many names of keys were invented");
        let header = json!({"alg": "ES256", "kid": keyed.key.public().kid(), "typ": "JWT"});
        let genuine = stranger.assertion(&world);
        let renamed = genuine.split('.').skip(1).fold(base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, header.to_string()), |token, part| token + "." + part);
        world.advance(2 * MINUTE);
        assert_eq!(keyed.believed(&world, &renamed).await.verdict(), NOBODY);
        assert_eq!(publisher.asked().len(), 2, "a key that is known is not asked for");

        let old = keyed.assertion(&world);
        keyed.key = Keyed::new_key(Algorithm::EdDsa);
        publisher.publish(&Keyed::set(&keyed.key));
        assert_eq!(word(&world, &keyed).await, BELIEVED, "a new key is found at once");
        assert_eq!(publisher.asked().len(), 3);
        assert_eq!(keyed.believed(&world, &old).await.verdict(), NOBODY, "and the old one is gone");
        assert_eq!(reasons(&world).await, ["done keys_read", "done keys_read"]);
        let node = world.second_node().await;
        let twenty = (0..20).map(|_| (node.router.clone(), keyed.assertion(&world)));
        let asked: Vec<_> = twenty.map(|(router, assertion)| tokio::spawn(ask(router, assertion))).collect();
        for task in asked {
            assert_eq!(task.await.unwrap(), 400);
        }
        assert_eq!(publisher.asked().len(), 4, "another node reads them itself, once for all who wait");
    }

    /// A18, A37: what its owner took away is dead within the hour that a copy lives; what cannot be read lives on for a day
    async fn a_copy_of_keys_does_not_live_without_end(database: TestDatabase) {
        let world = World::on(database).await;
        let (taken, down) = (Publisher::open().await, Publisher::open().await);
        let (one, other) = (at(&world, &taken).await, at(&world, &down).await);
        taken.publish_with("cache-control: max-age=99999999\r\n", &Keyed::set(&one.key));
        assert_eq!((word(&world, &one).await, word(&world, &other).await), (BELIEVED.to_owned(), BELIEVED.to_owned()));
        taken.publish(&Keyed::set(&Keyed::new_key(Algorithm::Es256)));
        down.answer("HTTP/1.1 503 Down\r\ncontent-length: 0\r\n\r\n");
        world.advance(HOUR - 1);
        assert_eq!(word(&world, &one).await, BELIEVED, "its copy is fresh, as it said itself");
        world.advance(1);
        assert_eq!(word(&world, &one).await, NOBODY);
        assert_eq!(word(&world, &other).await, BELIEVED, "an outage ends nothing at once");
        assert!(reasons(&world).await.contains(&"refused keys_status".to_owned()));
        world.advance(DAY - HOUR - 1);
        assert_eq!(word(&world, &other).await, BELIEVED);
        world.advance(MINUTE);
        assert_eq!(word(&world, &other).await, NOBODY);
        down.publish(&Keyed::set(&other.key));
        assert_eq!(word(&world, &other).await, BELIEVED, "and begins again at once");
    }

    /// A18, A37: strangers who have other sets asked for at the same host, and in vain, keep no key alive that its owner took
    /// away
    async fn strangers_keep_no_key_alive(database: TestDatabase) {
        let world = World::on(database).await;
        let publisher = Publisher::open().await;
        let keyed = at(&world, &publisher).await;
        assert_eq!(word(&world, &keyed).await, BELIEVED);
        publisher.publish(&Keyed::set(&Keyed::new_key(Algorithm::Es256)));
        world.advance(HOUR);
        for number in 0..4 {
            let elsewhere = json!({"jwks_uri": format!("http://127.0.0.1:1/{number}")});
            let stranger = Keyed::registered_with(&world, Keyed::new_key(Algorithm::Es256), |_| elsewhere.clone()).await;
            for _ in 0..10 {
                assert_eq!(word(&world, &stranger).await, NOBODY);
            }
        }
        let noted = reasons(&world).await.iter().filter(|reason| reason.starts_with("refused")).count();
        assert_eq!(noted, 30, "of those that were not even tried, nothing is kept");
        assert_eq!(word(&world, &keyed).await, NOBODY);
    }

    /// R7523-JWKS-1, CIMD-6.5-1, A29, A30: whatever is wrong there, the client hears one thing, and the paper trail the cause
    async fn whatever_is_wrong_with_published_keys_the_client_hears_one_thing(database: TestDatabase) {
        let world = World::on(database).await;
        let elsewhere = Publisher::open().await;
        let redirect = format!("HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", elsewhere.url());
        let mut bodies = BTreeSet::new();
        for (case, reason) in [
            ("redirect", "keys_status"), ("404", "keys_status"), ("html", "keys_unreadable"), ("gzip", "answer_encoded"), ("private", "keys_unreadable"),
            ("empty", "keys_unreadable"), ("twice", "keys_unreadable"), ("endless", "answer_too_large"), ("not http", "answer_not_http"),
        ] {
            let publisher = Publisher::open().await;
            let keyed = at(&world, &publisher).await;
            let set = Keyed::set(&keyed.key);
            let with_type = |kind: &str, body: &str| format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            let mut private = set.clone();
            private["keys"][0]["d"] = json!("AA");
            match case {
                "redirect" => publisher.answer(redirect.as_str()),
                "404" => publisher.answer("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"),
                "html" => publisher.answer(with_type("text/html", &set.to_string())),
                "gzip" => publisher.publish_with("content-encoding: gzip\r\n", &set),
                "private" => publisher.publish(&private),
                "empty" => publisher.publish(&json!({"keys": []})),
                "twice" => publisher.answer(with_type("application/json", &format!("{{\"keys\":[],{}", &set.to_string()[1..]))),
                "endless" => publisher.answer_without_end(format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{}", " ".repeat(100_000))),
                _ => publisher.answer("SSH-2.0-OpenSSH_9.9\r\n"),
            }
            world.advance(1);
            let answer = keyed.believed(&world, &keyed.assertion(&world)).await;
            assert_eq!(answer.verdict(), NOBODY, "{case}");
            assert_eq!(reasons(&world).await.last().unwrap(), &format!("refused {reason}"), "{case}");
            assert_eq!(publisher.asked().len(), 1, "{case}");
            bodies.insert(answer.body);
        }
        assert!(elsewhere.asked().is_empty(), "redirects are not followed");
        for uri in ["https://169.254.169.254/jwks", "https://10.0.0.1/jwks", "https://[::ffff:a00:1]/jwks", "https://[64:ff9b::a00:1]/jwks", "https://100.64.0.1/jwks"] {
            world.advance(4);
            let keyed = Keyed::registered_with(&world, Keyed::new_key(Algorithm::Es256), |_| json!({"jwks_uri": uri})).await;
            bodies.insert(keyed.believed(&world, &keyed.assertion(&world)).await.body);
            assert_eq!(reasons(&world).await.last().unwrap(), "refused address_refused", "{uri}");
        }
        assert_eq!(bodies.len(), 1, "{bodies:#?}");
    }

    /// R7523-JWKS-1: one address cannot have us ask without end, whatever it registers
    async fn one_address_has_us_ask_so_often_and_no_more(database: TestDatabase) {
        let world = World::on(database).await;
        let publisher = Publisher::open().await;
        publisher.answer("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
        let broken = Keyed::registered_with(&world, Keyed::new_key(Algorithm::Es256), |_| json!({"jwks_uri": publisher.url()})).await;
        for _ in 0..15 {
            assert_eq!(word(&world, &broken).await, NOBODY);
        }
        assert_eq!(publisher.asked().len(), 10, "one URL");
        for number in 0..30 {
            let uri = format!("{}?{number}", publisher.url());
            let keyed = Keyed::registered_with(&world, Keyed::new_key(Algorithm::Es256), |_| json!({"jwks_uri": uri})).await;
            assert_eq!(word(&world, &keyed).await, NOBODY);
        }
        assert_eq!(publisher.asked().len(), 25, "one address: thirty attempts, of which five went no further than here");
    }

    /// CIMD-6.2-1: a document with keys, in it or at a URL, makes a client that is nobody without them
    async fn a_document_with_keys_makes_a_confidential_client(database: TestDatabase) {
        let world = World::on(database).await;
        let (inline, remote, silent, keys) = (Publisher::open().await, Publisher::open().await, Publisher::open().await, Publisher::open().await);
        let key = || Keyed::new_key(Algorithm::Es256);
        let (one, two, three) = (key(), key(), key());
        keys.publish(&Keyed::set(&two));
        let (set, other) = (Keyed::set(&one), Keyed::set(&three));
        for keyed in [
            documented(&inline, one, &json!({"jwks": set})),
            documented(&remote, two, &json!({"jwks_uri": keys.url(), "token_endpoint_auth_signing_alg": "ES256"})),
            documented(&silent, three, &json!({"jwks": other, "token_endpoint_auth_method": null})),
        ] {
            let (code, pkce) = Browser::new(&world).code_for(&keyed.client).await;
            let redeem = [("grant_type", "authorization_code"), ("code", &code), ("code_verifier", &pkce.verifier), ("redirect_uri", &keyed.client.redirect_uri)];
            assert_eq!(keyed.client.token(&world, &redeem, &[]).await.verdict(), NOBODY);
            let forged = Keyed { client: keyed.client.clone(), key: key() };
            assert_eq!(forged.token(&world, &redeem).await.verdict(), NOBODY);
            let tokens = Tokens::of(&keyed.token(&world, &redeem).await);
            let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];
            assert_eq!(keyed.client.token(&world, &refresh, &[]).await.verdict(), NOBODY);
            assert_eq!(keyed.token(&world, &refresh).await.verdict(), "200");
        }
    }

    /// A37, CIMD-6.3-1: another key counts as soon as the document is read again, and a person is asked about it; a document
    /// that does without keys ends what was given to whoever held them
    async fn a_document_that_changes_its_keys_widens_nothing(database: TestDatabase) {
        let world = World::on(database).await;
        let publisher = Publisher::open().await;
        let (old, new) = (Keyed::new_key(Algorithm::Es256), Keyed::new_key(Algorithm::EdDsa));
        let set = Keyed::set(&old);
        let old = documented(&publisher, old, &json!({"jwks": set}));
        let (code, pkce) = Browser::new(&world).code_for(&old.client).await;
        let redeem = [("grant_type", "authorization_code"), ("code", &code), ("code_verifier", &pkce.verifier), ("redirect_uri", &old.client.redirect_uri)];
        let tokens = Tokens::of(&old.token(&world, &redeem).await);
        let mut browser = Browser::signed_in(&world).await;
        let page = browser.reach_consent(&old.client.authorize(&pkce, &[])).await;

        let set = Keyed::set(&new);
        let new = documented(&publisher, new, &json!({"jwks": set}));
        world.advance(5 * MINUTE + 1);
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];
        assert_eq!(old.token(&world, &refresh).await.verdict(), NOBODY);
        let tokens = Tokens::of(&new.token(&world, &refresh).await);
        let answer = browser.answer_consent(&page, "approve", &page.boxes("scope")).await;
        assert!(answer.body.contains("This application has changed"), "{}", answer.body);

        publisher.publish(&publisher.document());
        world.advance(5 * MINUTE + 1);
        assert_eq!(new.client.refresh(&world, &tokens.refresh, &[]).await.verdict(), "400 invalid_grant", "whoever stole it has no use of it now");
        world.app.changes.read().await.unwrap();
        assert_eq!(world.mcp(&tokens.access, "tools/list", json!({})).await.status.as_u16(), 401);
        assert!(world.trail().await.contains(&"client.change done document_without_key".to_owned()));
    }
}

/// The status of a token request with this assertion and a code of nobody's.
async fn ask(router: axum::Router, assertion: String) -> u16 {
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", "x"),
        ("code_verifier", "x"),
        ("client_assertion_type", portcullis_oauth::jose::ClientAssertion::TYPE),
        ("client_assertion", &assertion),
    ];
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let request = portcullis_tests::request(axum::http::Method::POST, "/oauth/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(axum::body::Body::from(body))
        .unwrap();
    tower::ServiceExt::oneshot(router, request).await.unwrap().status().as_u16()
}
