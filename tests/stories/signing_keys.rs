//! The keys that sign tokens: made when needed, published before they sign, kept until what they signed is dead.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_database::both_engines;
use portcullis_oauth::jose::{Algorithm, Jws};
use portcullis_oauth::{Clock, GrantType, TokenFormat};
use portcullis_tests::{Browser, Client, ResourceServer, Tokens, World};
use serde_json::{Value, json};

use crate::concurrency::at_once;

const NOTES: &str = "https://notes.example.com/mcp";
const HOUR: i64 = 3_600;

/// A machine whose tokens are signed.
async fn job(world: &World) -> Client {
    ResourceServer::with_tokens(world, NOTES, TokenFormat::Jwt).await;
    Client::by_admin(world, &[GrantType::ClientCredentials], ("read", &[NOTES])).await
}

async fn token(world: &World, job: &Client) -> String {
    let fields = [("grant_type", "client_credentials"), ("resource", NOTES)];
    Tokens::of(&job.token(world, &fields, &[]).await).access
}

/// The key that signs now.
async fn signer(world: &World, job: &Client) -> String {
    Jws::parse(&token(world, job).await).unwrap().kid().unwrap().to_owned()
}

async fn published(world: &World) -> Vec<Value> {
    let answer = world.get("/oauth/jwks.json").await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.body);
    answer.json()["keys"].as_array().unwrap().clone()
}

async fn kids(world: &World) -> BTreeSet<String> {
    published(world).await.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

async fn text_of(world: &World, sql: &'static str) -> Vec<(String,)> {
    portcullis_database::on!(world.app.database.read(), |pool| sqlx::query_as(sql).fetch_all(pool).await)
        .unwrap()
}

both_engines! {
    /// KEYS-7517-1, KEYS-7638-1, R8414-2-2: public members only, named by thumbprint, cacheable for less time than a new key
    /// waits; there before anything was signed
    async fn the_keys_are_published(database: TestDatabase) {
        let world = World::on(database).await;
        let metadata = world.get("/.well-known/oauth-authorization-server").await.json();
        assert_eq!(metadata["jwks_uri"], "http://localhost:8420/oauth/jwks.json");
        let answer = world.get("/oauth/jwks.json").await;
        assert_eq!((answer.header("content-type"), answer.header("cache-control")), ("application/json", "public, max-age=300"));
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        let keys = published(&world).await;
        assert_eq!(keys.len(), 1);
        let names: Vec<_> = keys[0].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
        assert_eq!((&keys[0]["alg"], &keys[0]["use"]), (&json!("ES256"), &json!("sig")));
        let key = portcullis_oauth::jose::Jwk::parse(keys[0].as_object().unwrap()).unwrap();
        assert_eq!(keys[0]["kid"], key.thumbprint());
        assert_eq!(signer(&world, &job(&world).await).await, key.thumbprint());
        assert!(world.trail().await.contains(&"key.change done signing_key_created".to_owned()));
    }

    /// KEYS-7517-1: an operator's choice of algorithm; every key names its own
    async fn what_signs_is_a_setting(database: TestDatabase) {
        let world = World::configured(database, &[("signing_algorithm", "RS256")]).await;
        let job = job(&world).await;
        let signed = token(&world, &job).await;
        assert_eq!(Jws::parse(&signed).unwrap().algorithm(), Algorithm::Rs256);
        world.app.authorization.signing_keys().rotate(Algorithm::EdDsa).await.unwrap();
        world.app.changes.read().await.unwrap();
        let algorithms: BTreeSet<_> = published(&world).await.iter().map(|key| key["alg"].to_string()).collect();
        assert_eq!(algorithms, ["\"EdDSA\"", "\"RS256\""].map(str::to_owned).into());
        assert_eq!(Jws::parse(&token(&world, &job).await).unwrap().algorithm(), Algorithm::Rs256);
    }

    /// KEYS-7517-2: published before it signs, and the old one after it has signed, until no token of it can live; then it is
    /// forgotten
    async fn a_rotation_leaves_nobody_with_an_unknown_key(database: TestDatabase) {
        let world = World::on(database).await;
        let job = job(&world).await;
        let old = signer(&world, &job).await;
        let new = world.app.authorization.signing_keys().rotate(Algorithm::Es256).await.unwrap();
        world.app.changes.read().await.unwrap();
        let both: BTreeSet<_> = [old.clone(), new.kid().to_owned()].into();
        assert_eq!(kids(&world).await, both, "published at once");
        world.advance(15 * 60 - 1);
        assert_eq!(signer(&world, &job).await, old);
        world.advance(1);
        assert_eq!(signer(&world, &job).await, new.kid());
        world.advance(25 * HOUR - 1);
        assert_eq!(kids(&world).await, both, "a token that the old one signed may live for a day");
        world.advance(1);
        assert_eq!(kids(&world).await, [new.kid().to_owned()].into());
        world.app.authorization.sweep(world.clock.now()).await.unwrap();
        assert_eq!(world.count("SELECT COUNT(*) FROM signing_key").await, 2, "not a moment too early");
        world.advance(1);
        world.app.authorization.sweep(world.clock.now()).await.unwrap();
        assert_eq!(world.count("SELECT COUNT(*) FROM signing_key").await, 1);
        assert_eq!(signer(&world, &job).await, new.kid());
    }

    /// KEYS-7517-2, A18: a key that somebody may have is gone at once on every node, and the next token makes another one
    async fn a_retired_key_is_gone_at_once_on_every_node(database: TestDatabase) {
        let world = World::on(database).await;
        let other = world.second_node().await;
        let job = job(&world).await;
        let kid = signer(&world, &job).await;
        let keys_there = async || {
            other.changes.read().await.unwrap();
            Browser::at(&other).get("/oauth/jwks.json").await.body
        };
        assert!(keys_there().await.contains(&kid), "one key for all nodes");
        assert!(world.app.authorization.signing_keys().retire(&kid).await.unwrap());
        assert!(!world.app.authorization.signing_keys().retire(&kid).await.unwrap());
        world.app.changes.read().await.unwrap();
        assert!(!keys_there().await.contains(&kid));
        assert!(!kids(&world).await.contains(&kid));
        let next = signer(&world, &job).await;
        assert_ne!(next, kid);
        assert!(keys_there().await.contains(&next));
        assert!(world.trail().await.contains(&"key.change done signing_key_retired".to_owned()));
    }

    /// KEYS-GEN-1: a private key stands sealed in its row, and opens in no other
    async fn a_private_key_is_sealed_for_its_row(database: TestDatabase) {
        let world = World::on(database).await;
        let keys = world.app.authorization.signing_keys();
        let (one, _) = (keys.rotate(Algorithm::EdDsa).await.unwrap(), keys.rotate(Algorithm::EdDsa).await.unwrap());
        let der = one.key.to_pkcs8().unwrap();
        let clear = URL_SAFE_NO_PAD.encode(&*der);
        for (kept,) in text_of(&world, "SELECT private FROM signing_key").await {
            assert!(!kept.contains(&clear[..40]), "in clear: {kept}");
        }
        for (public,) in text_of(&world, "SELECT public FROM signing_key").await {
            assert!(!public.contains("\"d\""), "{public}");
        }
        assert_eq!(keys.list().await.unwrap().len(), 2);
        let sql = "UPDATE signing_key SET private = (SELECT MIN(private) FROM signing_key)";
        portcullis_database::on!(world.app.database.write(), |pool| sqlx::query(sql).execute(pool).await.map(drop)).unwrap();
        assert!(keys.list().await.is_err(), "a row that was moved does not open");
        let refused = world.get("/oauth/jwks.json").await;
        assert_eq!(refused.verdict(), "500 server_error");
    }

    /// KEYS-7517-1: of many that need the first key at once, on two nodes, one makes it
    async fn the_first_key_is_made_once(database: TestDatabase) {
        let world = World::on(database).await;
        let job = job(&world).await;
        let secret = job.secret.clone().unwrap();
        let fields = [("grant_type", "client_credentials"), ("resource", NOTES), ("client_id", job.id.as_str()), ("client_secret", secret.as_str())];
        let tokens = at_once(&world, &fields).await.iter().map(|answer| Tokens::of(answer).access).collect::<Vec<_>>();
        let kids: BTreeSet<_> = tokens.iter().map(|token| Jws::parse(token).unwrap().kid().map(str::to_owned)).collect();
        assert_eq!(kids.len(), 1);
        assert_eq!(world.count("SELECT COUNT(*) FROM signing_key").await, 1);
    }
}
