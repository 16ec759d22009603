//! What a key binds: codes, refresh tokens and exchanges (RFC 9449 §5, §10), and that a proof serves once.

use portcullis_database::both_engines;
use portcullis_oauth::{Clock, GrantType, TokenType};
use portcullis_tests::{Answer, Browser, Client, Pkce, Prover, Tokens, World};
use serde_json::json;

use crate::concurrency::at_once_with;

async fn open(database: portcullis_database::testing::TestDatabase) -> World {
    World::configured(database, &[("dpop", "on"), ("dpop_nonces", "false")]).await
}

/// Pushes an authorization request, with a proof if there is one.
async fn push(world: &World, client: &Client, (pkce, jkt): (&Pkce, &str), prover: Option<&Prover>) -> Answer {
    let url = client.authorize(pkce, &[("dpop_jkt", jkt)]);
    let query = url.split_once('?').unwrap().1;
    let fields: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let fields: Vec<(&str, &str)> =
        fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let proof = prover.map(|prover| prover.sign(&prover.claims(world, ("POST", "/oauth/par"), None)));
    let headers: Vec<(&str, &str)> = proof.iter().map(|proof| ("dpop", proof.as_str())).collect();
    world.post_form_with("/oauth/par", &fields, &headers).await
}

/// Where the browser goes with what was pushed.
fn opened(client: &Client, pushed: &Answer) -> String {
    assert_eq!(pushed.status.as_u16(), 201, "{}", pushed.body);
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", &client.id)
        .append_pair("request_uri", pushed.json()["request_uri"].as_str().unwrap())
        .finish();
    format!("/oauth/authorize?{query}")
}

both_engines! {
    /// R9449-10-1: the code is worth nothing to another key or to none, and stays for the right one
    async fn a_code_is_bound_to_the_key_that_was_named(database: TestDatabase) {
        let world = open(database).await;
        let (client, prover, thief) = (Client::public(&world).await, Prover::new(), Prover::new());
        let pkce = Pkce::new();
        let asked = client.authorize(&pkce, &[("dpop_jkt", &prover.jkt())]);
        let code = Browser::new(&world).approve(&asked).await;
        assert_eq!(client.redeem_proving(&world, &thief, (&code, &pkce.verifier)).await.verdict(), "400 invalid_grant");
        assert_eq!(client.redeem(&world, &code, &pkce.verifier, &[]).await.verdict(), "400 invalid_grant");
        let answer = client.redeem_proving(&world, &prover, (&code, &pkce.verifier)).await;
        assert_eq!(answer.json()["token_type"], "DPoP");
        // Who has the code and the verifier and not the key cannot end what it gave either.
        assert_eq!(client.redeem_proving(&world, &thief, (&code, &pkce.verifier)).await.verdict(), "400 invalid_grant");
        let tokens = Tokens::of(&answer);
        assert_eq!(world.mcp_proving(&prover, &tokens.access).await.status.as_u16(), 200);
        assert_eq!(client.redeem_proving(&world, &prover, (&code, &pkce.verifier)).await.verdict(), "400 invalid_grant");
        assert_eq!(world.mcp_proving(&prover, &tokens.access).await.verdict(), "401 invalid_token", "OA21-4.1.3-2");
        let mut browser = Browser::signed_in(&world).await;
        for jkt in ["short", &"x".repeat(44), &format!("{}=", prover.jkt())] {
            let refused = browser.get(&client.authorize(&Pkce::new(), &[("dpop_jkt", jkt)])).await;
            assert_eq!(refused.redirect_parameter("error").as_deref(), Some("invalid_request"), "{jkt}");
        }
        let twice = [("dpop_jkt", prover.jkt()), ("dpop_jkt", prover.jkt())];
        let twice = twice.each_ref().map(|(name, value)| (*name, value.as_str()));
        let refused = browser.get(&client.authorize(&Pkce::new(), &twice)).await;
        assert_eq!(refused.redirect_parameter("error").as_deref(), Some("invalid_request"));
    }

    /// R9449-10-1: a proof beside a pushed request names the key; where both do, they agree
    async fn a_pushed_proof_binds_the_code(database: TestDatabase) {
        let world = open(database).await;
        let (client, prover, thief) = (Client::public(&world).await, Prover::new(), Prover::new());
        for (jkt, pushing) in [(String::new(), Some(&prover)), (prover.jkt(), Some(&prover)), (prover.jkt(), None)] {
            let pkce = Pkce::new();
            let pushed = push(&world, &client, (&pkce, &jkt), pushing).await;
            let code = Browser::new(&world).approve(&opened(&client, &pushed)).await;
            assert_eq!(client.redeem_proving(&world, &thief, (&code, &pkce.verifier)).await.verdict(), "400 invalid_grant");
            assert_eq!(client.redeem(&world, &code, &pkce.verifier, &[]).await.verdict(), "400 invalid_grant");
            let answer = client.redeem_proving(&world, &prover, (&code, &pkce.verifier)).await;
            assert_eq!(answer.json()["token_type"], "DPoP", "{}", answer.body);
        }
        let disagrees = push(&world, &client, (&Pkce::new(), &thief.jkt()), Some(&prover)).await;
        assert_eq!(disagrees.verdict(), "400 invalid_request");
        assert_eq!(push(&world, &client, (&Pkce::new(), "short"), None).await.verdict(), "400 invalid_request");
        let elsewhere = prover.at_token_endpoint(&world);
        let url = client.authorize(&Pkce::new(), &[]);
        let fields: Vec<(String, String)> = url::form_urlencoded::parse(url.split_once('?').unwrap().1.as_bytes()).into_owned().collect();
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let answer = world.post_form_with("/oauth/par", &fields, &[("dpop", &elsewhere)]).await;
        assert_eq!(answer.verdict(), "400 invalid_dpop_proof", "a proof for the token endpoint");
        let here = prover.sign(&prover.claims(&world, ("POST", "/oauth/par"), None));
        assert_eq!(world.post_form_with("/oauth/par", &fields, &[("dpop", &here)]).await.status.as_u16(), 201);
        assert_eq!(world.post_form_with("/oauth/par", &fields, &[("dpop", &here)]).await.verdict(), "400 invalid_dpop_proof", "R9449-11.1-1");
    }

    /// R9449-8-1: pushing asks for the nonce like the token endpoint
    async fn a_pushed_proof_needs_the_nonce(database: TestDatabase) {
        let world = World::configured(database, &[("dpop", "on")]).await;
        let (client, prover) = (Client::public(&world).await, Prover::new());
        let first = push(&world, &client, (&Pkce::new(), ""), Some(&prover)).await;
        assert_eq!(first.verdict(), "400 use_dpop_nonce");
        assert_eq!(push(&world, &client, (&Pkce::new(), ""), Some(&prover)).await.verdict(), "400 use_dpop_nonce", "no downgrade");
        prover.heed(&first);
        assert_eq!(push(&world, &client, (&Pkce::new(), ""), Some(&prover)).await.status.as_u16(), 201);
    }

    /// R9449-5-2: a public client's refresh token is bound, and then not rotated; another key, or none, gets nothing
    async fn a_refresh_token_is_bound_and_stays(database: TestDatabase) {
        let world = open(database).await;
        let (client, prover, thief) = (Client::public(&world).await, Prover::new(), Prover::new());
        let tokens = client.connect_proving(&world, &prover).await;
        for _ in 0..2 {
            assert_eq!(client.refresh_proving(&world, &thief, &tokens.refresh).await.verdict(), "400 invalid_grant");
            assert_eq!(client.refresh(&world, &tokens.refresh, &[]).await.verdict(), "400 invalid_grant");
            let answer = client.refresh_proving(&world, &prover, &tokens.refresh).await;
            assert_eq!(answer.json()["token_type"], "DPoP");
            let next = Tokens::of(&answer);
            assert_eq!(next.refresh, tokens.refresh);
            assert_ne!(next.access, tokens.access);
            assert_eq!(world.mcp_proving(&prover, &next.access).await.status.as_u16(), 200);
            world.advance(1_000);
        }
        assert!(!world.trail().await.iter().any(|line| line.starts_with("token.replay")));
        // Each use puts off the idle end, and never the absolute one.
        for _ in 0..3 {
            world.advance(29 * 86_400);
            assert_eq!(client.refresh_proving(&world, &prover, &tokens.refresh).await.status.as_u16(), 200);
        }
        world.advance(4 * 86_400);
        assert_eq!(client.refresh_proving(&world, &prover, &tokens.refresh).await.verdict(), "400 invalid_grant", "ASVS-10.4.8");
        let tokens = client.connect_proving(&world, &prover).await;
        world.advance(31 * 86_400);
        assert_eq!(client.refresh_proving(&world, &prover, &tokens.refresh).await.verdict(), "400 invalid_grant", "OA21-4.3.3-1");
        let tokens = client.connect_proving(&world, &prover).await;
        client.revoke(&world, &tokens.refresh).await;
        assert_eq!(client.refresh_proving(&world, &prover, &tokens.refresh).await.verdict(), "400 invalid_grant");
    }

    /// R9449-5-2, DC-15: a refresh token that was bound to nothing becomes bound by the first proof; from then on its old
    /// generation is good for the same key inside the window, and for nobody else
    async fn a_first_proof_binds_what_was_not_bound(database: TestDatabase) {
        let world = open(database).await;
        let (client, prover) = (Client::public(&world).await, Prover::new());
        let loose = client.connect(&world).await;
        let bound = Tokens::of(&client.refresh_proving(&world, &prover, &loose.refresh).await);
        assert_ne!(bound.refresh, loose.refresh);
        assert_eq!(client.refresh(&world, &bound.refresh, &[]).await.verdict(), "400 invalid_grant");
        assert_eq!(Tokens::of(&client.refresh_proving(&world, &prover, &loose.refresh).await), bound);
        assert_eq!(Tokens::of(&client.refresh_proving(&world, &prover, &bound.refresh).await).refresh, bound.refresh);
        assert_eq!(client.refresh(&world, &loose.refresh, &[]).await.verdict(), "400 invalid_grant");
        assert!(world.trail().await.contains(&"token.replay refused refresh_token_replayed".to_owned()));
        assert_eq!(client.refresh_proving(&world, &prover, &bound.refresh).await.verdict(), "400 invalid_grant", "the family ended");
    }

    /// R9449-5-2, DC-15: a confidential client proves who it is, so its refresh token is rotated as ever; the access token is
    /// bound to whichever key asked, also when it asks again
    async fn a_confidential_clients_refresh_token_is_its_secrets(database: TestDatabase) {
        let world = open(database).await;
        let metadata = json!({
            "redirect_uris": ["http://127.0.0.1/callback"], "token_endpoint_auth_method": "client_secret_post",
            "grant_types": ["authorization_code", "refresh_token"],
        });
        let (client, one, two) = (Client::registered(&world, &metadata).await, Prover::new(), Prover::new());
        let tokens = client.connect_proving(&world, &one).await;
        let next = Tokens::of(&client.refresh_proving(&world, &two, &tokens.refresh).await);
        assert_ne!(next.refresh, tokens.refresh);
        assert_eq!(world.mcp_proving(&two, &next.access).await.status.as_u16(), 200);
        assert_eq!(world.mcp_proving(&one, &next.access).await.verdict(), "401 invalid_token");
        assert_eq!(Tokens::of(&client.refresh_proving(&world, &two, &tokens.refresh).await), next);
        let other = Tokens::of(&client.refresh_proving(&world, &one, &tokens.refresh).await);
        assert_eq!(other.refresh, next.refresh);
        assert_ne!(other.access, next.access, "bound to the key that asks now");
        assert_eq!(world.mcp_proving(&one, &other.access).await.status.as_u16(), 200);
        let bare = client.refresh(&world, &tokens.refresh, &[]).await;
        assert_eq!(bare.json()["token_type"], "Bearer");
        let bare = Tokens::of(&bare);
        assert!(bare.access != next.access && bare.access != other.access);
        assert_eq!(world.mcp(&bare.access, "tools/list", json!({})).await.status.as_u16(), 200);
    }

    /// DC-15, R9449-7.2-1: whoever shows a bound token without its key uses nothing, so a lost answer may still be asked for; with
    /// the key it is used, and an answer that was used was not lost
    async fn a_bound_token_is_used_by_whoever_holds_its_key(database: TestDatabase) {
        let world = open(database).await;
        let metadata = json!({
            "redirect_uris": ["http://127.0.0.1/callback"], "token_endpoint_auth_method": "client_secret_post",
            "grant_types": ["authorization_code", "refresh_token"],
        });
        let (client, prover, thief) = (Client::registered(&world, &metadata).await, Prover::new(), Prover::new());
        let tokens = client.connect_proving(&world, &prover).await;
        let lost = Tokens::of(&client.refresh_proving(&world, &prover, &tokens.refresh).await);
        assert_eq!(world.mcp(&lost.access, "tools/list", json!({})).await.verdict(), "401 invalid_token");
        assert_eq!(world.mcp_proving(&thief, &lost.access).await.verdict(), "401 invalid_token");
        world.advance(300);
        assert_eq!(Tokens::of(&client.refresh_proving(&world, &prover, &tokens.refresh).await), lost, "beyond the window");
        assert_eq!(world.mcp_proving(&prover, &lost.access).await.status.as_u16(), 200);
        assert_eq!(client.refresh_proving(&world, &prover, &tokens.refresh).await.verdict(), "400 invalid_grant");
        assert!(world.trail().await.contains(&"token.replay refused refresh_token_replayed".to_owned()));
    }

    /// R9449-11.1-1, A62: of however many uses of one proof, at however many nodes, one counts
    async fn a_proof_serves_once(database: TestDatabase) {
        let world = open(database).await;
        let (client, prover) = (Client::public(&world).await, Prover::new());
        let tokens = client.connect_proving(&world, &prover).await;
        let fields = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];
        let proof = prover.at_token_endpoint(&world);
        assert_eq!(client.token_with(&world, &fields, &[], &[("dpop", &proof)]).await.status.as_u16(), 200);
        assert_eq!(client.token_with(&world, &fields, &[], &[("dpop", &proof)]).await.verdict(), "400 invalid_dpop_proof");
        let proof = prover.at_token_endpoint(&world);
        let fields = [fields[0], fields[1], ("client_id", client.id.as_str())];
        let verdicts: Vec<String> = at_once_with(&world, &fields, &proof).await.iter().map(Answer::verdict).collect();
        assert_eq!(verdicts.iter().filter(|verdict| *verdict == "200").count(), 1, "{verdicts:?}");
        assert!(verdicts.iter().all(|verdict| ["200", "400 invalid_dpop_proof"].contains(&verdict.as_str())), "{verdicts:?}");
        world.advance(421);
        world.app.authorization.sweep(world.clock.now()).await.unwrap();
        assert_eq!(world.count("SELECT COUNT(*) FROM dpop_proof").await, 0);
    }

    /// R8693-2.1-2, A62: a client trades its own bound token with the proof of its key, and the new one is bound too
    async fn a_bound_token_is_traded_with_its_key(database: TestDatabase) {
        let world = open(database).await;
        let grants = [GrantType::ClientCredentials, GrantType::TokenExchange];
        let (job, prover) = (Client::by_admin(&world, &grants, ("mcp.tools.read", &[])).await, Prover::new());
        let subject = Tokens::of(&job.prove(&world, &prover, &[("grant_type", "client_credentials")], &[]).await).access;
        let exchange = [
            ("grant_type", GrantType::TokenExchange.as_str()),
            ("subject_token", subject.as_str()),
            ("subject_token_type", TokenType::AccessToken.as_str()),
        ];
        assert_eq!(job.token(&world, &exchange, &[]).await.verdict(), "400 invalid_request");
        assert_eq!(job.prove(&world, &Prover::new(), &exchange, &[]).await.verdict(), "400 invalid_request");
        let traded = job.prove(&world, &prover, &exchange, &[]).await;
        assert_eq!(traded.json()["token_type"], "DPoP");
        let traded = Tokens::of(&traded).access;
        assert_eq!(world.mcp(&traded, "tools/list", json!({})).await.verdict(), "401 invalid_token");
        assert_eq!(world.mcp_proving(&prover, &traded).await.status.as_u16(), 200);
    }
}
