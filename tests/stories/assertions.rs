//! Clients that prove themselves by an assertion that they signed (RFC 7523): what it must say, and that it is said once.

use std::collections::BTreeMap;

use portcullis_database::both_engines;
use portcullis_oauth::jose::{Algorithm, AssertionAudience, ClientAssertion};
use portcullis_oauth::{Clock, GrantType};
use portcullis_tests::{Browser, Client, Keyed, Pkce, Tokens, World};
use serde_json::json;

use crate::concurrency::at_once;

const ISSUER: &str = "http://localhost:8420";
const TOKEN_URL: &str = "http://localhost:8420/oauth/token";
/// Who was believed is told about the code, who was not is nobody.
const BELIEVED: &str = "400 invalid_grant";
const NOBODY: &str = "401 invalid_client";

both_engines! {
    /// R7523-3-1, R7591-3.2.1-1, OA21-2.4-1: registered with its key and no secret, it redeems, refreshes, pushes and revokes
    async fn a_client_proves_itself_by_its_key_wherever_clients_do(database: TestDatabase) {
        let world = World::on(database).await;
        let key = Keyed::new_key(Algorithm::Es256);
        let mut metadata = Keyed::metadata();
        metadata["jwks"] = Keyed::set(&key);
        metadata["token_endpoint_auth_signing_alg"] = json!("ES256");
        let registered = world.post_json("/oauth/register", &metadata).await.json();
        for (name, value) in metadata.as_object().unwrap() {
            assert_eq!(registered[name], *value, "{name} is stated as stored");
        }
        for absent in ["client_secret", "client_secret_expires_at", "jwks_uri"] {
            assert_eq!(registered.get(absent), None, "{absent}");
        }
        let id = registered["client_id"].as_str().unwrap().to_owned();
        let client = Client { id, secret: None, redirect_uri: "https://app.example/callback".to_owned() };
        let keyed = Keyed { client, key };

        let (code, pkce) = Browser::new(&world).code_for(&keyed.client).await;
        let redeem = [("grant_type", "authorization_code"), ("code", &code), ("code_verifier", &pkce.verifier), ("redirect_uri", &keyed.client.redirect_uri)];
        let tokens = Tokens::of(&keyed.token(&world, &redeem).await);
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];
        let tokens = Tokens::of(&keyed.token(&world, &refresh).await);
        assert_eq!(world.mcp(&tokens.access, "tools/list", json!({})).await.status.as_u16(), 200);

        let pkce = Pkce::new();
        let url = keyed.client.authorize(&pkce, &[]);
        let assertion = keyed.assertion(&world);
        let query = url.split_once('?').unwrap().1;
        let mut pushed: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        pushed.push(("client_assertion_type".to_owned(), ClientAssertion::TYPE.to_owned()));
        pushed.push(("client_assertion".to_owned(), assertion));
        let pushed: Vec<(&str, &str)> = pushed.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(world.post_form("/oauth/par", &pushed).await.status.as_u16(), 201);
        let kept = world.text("SELECT parameters FROM pushed_request").await;
        assert!(!kept.contains("client_assertion"), "{kept}");

        let assertion = keyed.assertion(&world);
        let revoke = [("token", tokens.refresh.as_str()), ("client_assertion_type", ClientAssertion::TYPE), ("client_assertion", &assertion)];
        assert_eq!(world.post_form("/oauth/revoke", &revoke).await.status.as_u16(), 200, "without client_id: the assertion names it");
        assert_eq!(world.mcp(&tokens.access, "tools/list", json!({})).await.status.as_u16(), 401);
    }

    /// MCP-AUTH-32: a machine with a key gets a token for the resource that it names
    async fn a_machine_proves_itself_by_its_key(database: TestDatabase) {
        let world = World::on(database).await;
        let keyed = Keyed::by_admin(&world, &[GrantType::ClientCredentials], "mcp.tools.read").await;
        let ask = [("grant_type", "client_credentials"), ("resource", "http://localhost:8420/mcp")];
        let tokens = Tokens::of(&keyed.token(&world, &ask).await);
        assert_eq!(tokens.scope, "mcp.tools.read");
        assert_eq!(world.mcp(&tokens.access, "tools/list", json!({})).await.status.as_u16(), 200);
        assert_eq!(world.mcp_at("/mcp/sandbox", &tokens.access, "tools/list", json!({})).await.status.as_u16(), 401);
        assert_eq!(keyed.client.token(&world, &ask, &[]).await.verdict(), NOBODY, "its name alone");
    }

    /// R7523-3-1, R7523b-aud-1, R7523-3-2, R7523b-typ-1, A20: each claim alone makes the difference, and its maker is told which
    async fn every_mutation_of_a_good_assertion_is_refused(database: TestDatabase) {
        let world = World::on(database).await;
        let keyed = Keyed::registered(&world).await;
        let now = world.clock.now().seconds();
        for changes in [json!({}), json!({"aud": [ISSUER]}), json!({"iat": null}), json!({"nbf": now})] {
            let assertion = keyed.assertion_but(&world, &changes);
            assert_eq!(keyed.believed(&world, &assertion).await.verdict(), BELIEVED, "{changes}");
        }
        for (changes, reason) in [
            (json!({"aud": TOKEN_URL}), "assertion_audience"),
            (json!({"aud": [ISSUER, TOKEN_URL]}), "assertion_audience"),
            (json!({"aud": [ISSUER, "https://other.example"]}), "assertion_audience"),
            (json!({"aud": "http://localhost:8420/"}), "assertion_audience"),
            (json!({"aud": "https://other.example"}), "assertion_audience"),
            (json!({"aud": null}), "assertion_audience"),
            (json!({"iss": "client_other"}), "assertion_issuer"),
            (json!({"iss": null}), "assertion_issuer"),
            (json!({"exp": null}), "assertion_times"),
            (json!({"exp": now - 31}), "assertion_expired"),
            (json!({"exp": now + 3_600}), "assertion_lives_too_long"),
            (json!({"nbf": now + 600}), "assertion_of_the_future"),
            (json!({"iat": now + 600}), "assertion_of_the_future"),
            (json!({"jti": null}), "assertion_without_jti"),
        ] {
            world.advance(4);
            let answer = keyed.believed(&world, &keyed.assertion_but(&world, &changes)).await;
            assert_eq!(answer.verdict(), NOBODY, "{changes}");
            assert!(answer.json()["error_description"].as_str().unwrap().starts_with("client_assertion"), "{}", answer.body);
            assert_eq!(world.trail().await.last().unwrap(), &format!("token.request refused {reason}"), "{changes}");
        }
        for typ in ["at+jwt", "dpop+jwt", "oauth-id-jag+jwt", "logout+jwt"] {
            let other = keyed.key.sign(typ, &keyed.claims(&world)).unwrap();
            assert_eq!(keyed.believed(&world, &other).await.verdict(), NOBODY, "{typ}");
        }
        let typed = keyed.key.sign("client-authentication+jwt", &keyed.claims(&world)).unwrap();
        assert_eq!(keyed.believed(&world, &typed).await.verdict(), BELIEVED);
        for malformed in ["x", "e30.e30.", &keyed.assertion_but(&world, &json!({"sub": null}))] {
            assert_eq!(keyed.believed(&world, malformed).await.verdict(), NOBODY, "{malformed}");
        }
    }

    /// R7523-3-1, KEYS-8725-1: who has another key, or another client's, hears what an unknown client hears
    async fn a_foreign_key_proves_nothing_and_tells_nothing(database: TestDatabase) {
        let world = World::on(database).await;
        let (keyed, other) = (Keyed::registered(&world).await, Keyed::registered(&world).await);
        let unknown = Keyed { client: Client { id: "client_unknown".to_owned(), ..other.client.clone() }, key: Keyed::new_key(Algorithm::Es256) };
        let nobody = unknown.believed(&world, &unknown.assertion(&world)).await;
        assert_eq!(nobody.verdict(), NOBODY);
        for changes in [json!({}), json!({"aud": "https://other.example"}), json!({"exp": 1})] {
            let claims = keyed.assertion_but(&world, &changes);
            let claims = claims.split('.').nth(1).unwrap();
            let genuine = other.assertion(&world);
            let parts: Vec<&str> = genuine.split('.').collect();
            let forged = [parts[0], claims, parts[2]].join(".");
            assert_eq!(keyed.believed(&world, &forged).await.body, nobody.body, "{changes}");
        }
        let bound = Keyed::registered_with(&world, Keyed::new_key(Algorithm::EdDsa), |set| json!({"jwks": set, "token_endpoint_auth_signing_alg": "ES256"})).await;
        assert_eq!(bound.believed(&world, &bound.assertion(&world)).await.body, nobody.body, "it bound itself to another algorithm");
    }

    /// R7523-3-3, A21, OA21-2.4-1: one mechanism, the registered one, for the client that is named
    async fn a_client_comes_in_its_own_way_and_in_one_way(database: TestDatabase) {
        let world = World::on(database).await;
        let keyed = Keyed::registered(&world).await;
        let code = [("grant_type", "authorization_code"), ("code", "x"), ("code_verifier", "x")];
        let with = async |changes: &[(&str, &str)]| keyed.token_with(&world, &code, &keyed.assertion(&world), changes).await.verdict();
        assert_eq!(with(&[("client_id", "")]).await, BELIEVED);
        assert_eq!(with(&[("client_id", "client_other")]).await, NOBODY);
        assert_eq!(with(&[("client_secret", "x")]).await, "400 invalid_request");
        assert_eq!(with(&[("client_assertion_type", "")]).await, "400 invalid_request");
        assert_eq!(with(&[("client_assertion", "")]).await, "400 invalid_request");
        assert_eq!(with(&[("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer")]).await, NOBODY);
        for changes in [[("client_assertion", "x"), ("client_assertion", "y")], [("client_assertion_type", "x"), ("client_assertion_type", "x")]] {
            assert_eq!(with(&changes).await, "400 invalid_request");
        }
        let proof = keyed.assertion(&world);
        let fields = [&code[..], &[("client_assertion_type", ClientAssertion::TYPE), ("client_assertion", &proof)]].concat();
        let both = world.post_form_with("/oauth/token", &fields, &[("authorization", "Basic YTpi")]).await;
        assert_eq!(both.verdict(), "400 invalid_request");
        assert_eq!(keyed.client.token(&world, &code, &[]).await.verdict(), NOBODY, "its name alone");
        assert_eq!(keyed.client.token(&world, &code, &[("client_secret", "x")]).await.verdict(), NOBODY);

        // Nor does a client of another kind become known by a key.
        let secret = json!({"redirect_uris": ["https://app.example/callback"], "token_endpoint_auth_method": "client_secret_post", "jwks": Keyed::set(&keyed.key)});
        for client in [Client::public(&world).await, Client::registered(&world, &secret).await] {
            let other = Keyed { client: Client { secret: None, ..client }, key: Keyed::new_key(Algorithm::Es256) };
            assert_eq!(other.believed(&world, &other.assertion(&world)).await.verdict(), NOBODY);
            let same_key = Keyed { key: Keyed::new_key(Algorithm::Es256), ..other };
            let by_key = keyed.key.sign("JWT", &same_key.claims(&world)).unwrap();
            assert_eq!(same_key.believed(&world, &by_key).await.verdict(), NOBODY);
        }
    }

    /// R7523-3-2, A19: of thirty-two requests with one assertion, on two nodes, one is heard; and none later, swept or not
    async fn an_assertion_is_good_for_one_request(database: TestDatabase) {
        let world = World::on(database).await;
        let keyed = Keyed::by_admin(&world, &[GrantType::ClientCredentials], "mcp.tools.read").await;
        let assertion = keyed.assertion(&world);
        let fields = [("grant_type", "client_credentials"), ("client_assertion_type", ClientAssertion::TYPE), ("client_assertion", assertion.as_str())];
        let mut verdicts = BTreeMap::new();
        for answer in at_once(&world, &fields).await {
            *verdicts.entry(answer.status.as_u16()).or_insert(0) += 1;
        }
        assert_eq!(verdicts.remove(&200), Some(1), "{verdicts:?}");
        assert_eq!(world.count("SELECT COUNT(*) FROM access_token").await, 1);
        for wait in [30, 30, 29] {
            world.advance(wait);
            world.app.authorization.sweep(world.clock.now()).await.unwrap();
            let answer = world.post_form("/oauth/token", &fields).await;
            assert_ne!(answer.status.as_u16(), 200, "{}", answer.body);
        }
        assert_eq!(world.count("SELECT COUNT(*) FROM client_assertion").await, 1);
        world.advance(700);
        world.app.authorization.sweep(world.clock.now()).await.unwrap();
        assert_eq!(world.count("SELECT COUNT(*) FROM client_assertion").await, 0, "storage is bounded by time");
        assert_eq!(world.post_form("/oauth/token", &fields).await.verdict(), NOBODY);
        assert_eq!(world.trail().await.last().unwrap(), "token.request refused assertion_expired");
    }

    /// R7523-3-2: a `jti` is its maker's: another client may have the same
    async fn two_clients_may_choose_one_identifier(database: TestDatabase) {
        let world = World::on(database).await;
        let (one, other) = (Keyed::registered(&world).await, Keyed::registered(&world).await);
        let same = json!({"jti": "1"});
        assert_eq!(one.believed(&world, &one.assertion_but(&world, &same)).await.verdict(), BELIEVED);
        assert_eq!(other.believed(&world, &other.assertion_but(&world, &same)).await.verdict(), BELIEVED);
        let again = one.believed(&world, &one.assertion_but(&world, &same)).await;
        assert_eq!(again.verdict(), NOBODY, "though it is another assertion");
        assert!(again.body.contains("was used before"), "{}", again.body);
    }

    /// DC-22, R7523b-aud-1: an admin may let one client name the token endpoint, exactly, and alone
    async fn an_old_client_may_name_the_token_endpoint_if_an_admin_says_so(database: TestDatabase) {
        let world = World::on(database).await;
        let (old, other) = (Keyed::registered(&world).await, Keyed::registered(&world).await);
        let clients = world.app.authorization.clients();
        let says = async |keyed: &Keyed, aud| keyed.believed(&world, &keyed.assertion_but(&world, &json!({"aud": aud}))).await.verdict();
        assert!(clients.set_assertion_audience(&old.client.id.clone().into(), AssertionAudience::TokenUrl).await.unwrap());
        world.app.changes.read().await.unwrap();
        assert_eq!(says(&old, json!(TOKEN_URL)).await, BELIEVED);
        assert_eq!(says(&old, json!(ISSUER)).await, BELIEVED);
        for aud in [json!([ISSUER, TOKEN_URL]), json!("http://localhost:8420/token"), json!("http://localhost:8420/oauth/token/")] {
            assert_eq!(says(&old, aud).await, NOBODY);
        }
        assert_eq!(says(&other, json!(TOKEN_URL)).await, NOBODY);
        assert!(clients.set_assertion_audience(&old.client.id.clone().into(), AssertionAudience::Issuer).await.unwrap());
        world.app.changes.read().await.unwrap();
        assert_eq!(says(&old, json!(TOKEN_URL)).await, NOBODY);
    }

    /// OA21-2.4.1-4: who sends wrong assertions waits; who sends a right one does not
    async fn a_strangers_wrong_assertions_make_the_stranger_wait(database: TestDatabase) {
        let world = World::on(database).await;
        let keyed = Keyed::registered(&world).await;
        let thief = Keyed { client: keyed.client.clone(), key: Keyed::new_key(Algorithm::Es256) };
        let mut statuses = Vec::new();
        for _ in 0..25 {
            statuses.push(thief.believed(&world, &thief.assertion(&world)).await.status.as_u16());
        }
        assert_eq!((statuses.first(), statuses.last()), (Some(&401), Some(&429)));
        assert_eq!(keyed.believed(&world, &keyed.assertion(&world)).await.verdict(), BELIEVED);
    }
}
