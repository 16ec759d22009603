//! Who signs in, asked once beside several resources; and what the trace of an attempt says of sign-ins and bound keys.

use portcullis_database::both_engines;
use portcullis_oauth::jose::Algorithm;
use portcullis_tests::{
    Answer, Browser, Client, Keyed, Pkce, Prover, ResourceServer, Tokens, USERINFO, World, refusal,
};
use serde_json::json;

const NOTES: &str = "https://notes.example/mcp";
const FILES: &str = "https://files.example/mcp";
const OURS: &str = "http://localhost:8420/mcp";

/// The consent page for these resources.
async fn ask(
    browser: &mut Browser<'_>,
    (client, pkce): (&Client, &Pkce),
    resources: &[&str],
    scope: &str,
) -> Answer {
    let mut changes: Vec<(&str, &str)> = resources.iter().map(|uri| ("resource", *uri)).collect();
    changes.push(("scope", scope));
    browser.reach_consent(&client.authorize(pkce, &changes)).await
}

/// What the server of a resource is told that a token gives; nothing of one for another resource.
async fn given(world: &World, server: &ResourceServer, token: &str) -> String {
    server.introspect(world, token).await.json()["scope"].as_str().unwrap_or_default().to_owned()
}

both_engines! {
    /// R8707-2.2-1, R8707-2.2-2, R8707-2.1-2, R9068-2.2.3-1: beside several resources the sign-in is asked once, is no scope of
    /// any of their tokens, and a code that names UserInfo gives a token for it
    async fn a_sign_in_is_asked_once_beside_several_resources(database: TestDatabase) {
        let world = World::with_openid(database).await;
        let (notes, files) = (ResourceServer::at(&world, NOTES).await, ResourceServer::at(&world, FILES).await);
        let client = Client::relying_party(&world, json!({})).await;
        let (mut browser, pkce) = (Browser::new(&world), Pkce::new());
        let page = ask(&mut browser, (&client, &pkce), &[NOTES, FILES], "read openid email offline_access").await;
        assert_eq!((page.boxes("scope"), page.boxes("scope.1")), (["read", "openid", "email", "offline_access"].map(str::to_owned).to_vec(), vec!["read".to_owned()]));
        assert!(page.body.contains("What it may know of you") && page.boxes("connection").is_empty(), "{}", page.body);
        let none = browser.tick(&page, &[("scope", "openid"), ("scope", "offline_access"), ("scope.1", "openid")]).await;
        assert_eq!(none.status.as_u16(), 422, "who signs in is told beside something, never instead of it");
        let answer = browser.tick(&page, &[("scope.1", "read"), ("scope", "openid"), ("scope", "email"), ("scope", "offline_access")]).await;
        let code = answer.redirect_parameter("code").unwrap();
        assert_eq!(client.redeem(&world, &code, &pkce.verifier, &[("resource", NOTES)]).await.verdict(), "400 invalid_target");
        let answer = client.redeem(&world, &code, &pkce.verifier, &[("resource", USERINFO)]).await;
        let own = Tokens::of(&answer);
        let claims = world.read_jwt(answer.json()["id_token"].as_str().unwrap(), ("jwt", "RS256")).await;
        assert_eq!((&claims["email"], own.scope.as_str()), (&json!("alice@example.com"), "email openid"));
        let home = browser.get("/").await.body;
        assert_eq!(home.matches("Stay connected").count(), 1, "{home}");
        assert!(home.contains("who you are") && !home.contains(USERINFO), "{home}");
        assert_eq!((world.userinfo(&own.access).await.verdict().as_str(), given(&world, &files, &own.access).await.as_str()), ("200", ""));

        let answer = client.refresh(&world, &own.refresh, &[("resource", FILES)]).await;
        let next = Tokens::of(&answer);
        assert!(answer.json()["id_token"].is_string());
        assert_eq!((next.scope.as_str(), given(&world, &files, &next.access).await.as_str()), ("email offline_access openid read", "offline_access read"));
        assert_eq!((world.userinfo(&next.access).await.verdict().as_str(), given(&world, &notes, &next.access).await.as_str()), ("401 invalid_token", ""));
        let pkce = Pkce::new();
        let page = ask(&mut browser, (&client, &pkce), &[NOTES, FILES], "read openid email").await;
        let answer = browser.tick(&page, &[("scope", "read"), ("scope", "email"), ("scope.1", "read")]).await;
        let code = answer.redirect_parameter("code").unwrap();
        assert_eq!(client.redeem(&world, &code, &pkce.verifier, &[("resource", USERINFO)]).await.verdict(), "400 invalid_target");
        let answer = client.redeem(&world, &code, &pkce.verifier, &[]).await;
        assert_eq!((answer.json().get("id_token"), &answer.json()["scope"]), (None, &json!("read")), "without openid the rest means nothing");
    }

    /// R8707-2-1, R8707-2.1-2, MCP-AUTH-6: UserInfo stands among others by its own name, wherever, with its own boxes
    async fn userinfo_stands_among_other_resources(database: TestDatabase) {
        let world = World::with_openid(database).await;
        let notes = ResourceServer::at(&world, NOTES).await;
        let client = Client::relying_party(&world, json!({})).await;
        let mut browser = Browser::new(&world);
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
        for (resources, boxes) in [([OURS, USERINFO], ["scope", "scope.1"]), ([USERINFO, OURS], ["scope.1", "scope"])] {
            let pkce = Pkce::new();
            let page = ask(&mut browser, (&client, &pkce), &resources, "mcp.tools.read openid profile").await;
            assert_eq!((page.boxes(boxes[0]), page.boxes(boxes[1])), (own(&["mcp.tools.read"]), own(&["openid", "profile"])));
            assert_eq!(page.boxes("connection").len(), 1);
            assert!(page.body.contains("your account") && !page.body.contains("What it may know of you"), "{}", page.body);
            let answer = browser.tick(&page, &[(boxes[0], "mcp.tools.read"), (boxes[1], "openid")]).await;
            let code = answer.redirect_parameter("code").unwrap();
            let answer = client.redeem(&world, &code, &pkce.verifier, &[]).await;
            assert!(answer.json()["id_token"].is_string(), "{}", answer.body);
            assert_eq!(answer.json()["scope"], if resources[0] == OURS { "mcp.tools.read openid" } else { "openid" });
            let mut tokens = Tokens::of(&answer);
            for (resource, opens) in [(resources[0], &tokens.access.clone()), (OURS, &String::new()), (USERINFO, &String::new())] {
                let token = if opens.is_empty() {
                    tokens = Tokens::of(&client.refresh(&world, &tokens.refresh, &[("resource", resource)]).await);
                    tokens.access.clone()
                } else {
                    opens.clone()
                };
                let told = world.userinfo(&token).await;
                let tools = world.mcp(&token, "tools/list", json!({})).await.status.as_u16();
                assert_eq!((told.status.as_u16(), tools), if resource == USERINFO { (200, 401) } else { (401, 200) }, "{resource}");
                assert!(resource != USERINFO || told.json().get("name").is_none(), "the name was not ticked");
            }
        }
        let pkce = Pkce::new();
        let page = ask(&mut browser, (&client, &pkce), &[NOTES, USERINFO], "read openid").await;
        let answer = browser.tick(&page, &[("scope", "read"), ("scope", "openid"), ("scope.1", "profile")]).await;
        let answer = client.redeem(&world, &answer.redirect_parameter("code").unwrap(), &pkce.verifier, &[]).await;
        assert_eq!((answer.json().get("id_token"), &answer.json()["scope"]), (None, &json!("read")), "its boxes are its own");
        assert_eq!(given(&world, &notes, &Tokens::of(&answer).access).await, "read");
        for (scope, error) in [("read", "invalid_scope"), ("read profile", "invalid_scope")] {
            let answer = browser.get(&client.authorize(&Pkce::new(), &[("resource", NOTES), ("resource", USERINFO), ("scope", scope)])).await;
            assert_eq!(answer.redirect_parameter("error").as_deref(), Some(error), "{scope}");
        }
    }

    /// OIDC-C-3-1, R9449-10-1, R9449-5-2, R9449-5.2-1: the trace says which sign-in, which scope and which key was missing
    async fn the_trace_tells_of_sign_ins_and_of_keys(database: TestDatabase) {
        let world = World::configured(database, &[("openid", "on"), ("dpop", "on"), ("dpop_nonces", "false")]).await;
        let client = Client::relying_party(&world, json!({})).await;
        let mut browser = Browser::signed_in(&world).await;
        world.advance(10);
        for (changes, error, why) in [
            ([("prompt", "none"), ("max_age", "")], "consent_required", "session sign_in_required"),
            ([("prompt", "none"), ("max_age", "5")], "login_required", "session sign_in_required"),
            ([("prompt", "none login"), ("max_age", "")], "invalid_request", "request request_malformed"),
            ([("resource", USERINFO), ("scope", "profile")], "invalid_scope", "scope scope_without_openid"),
        ] {
            let answer = browser.get(&client.authorize(&Pkce::new(), &changes)).await;
            assert_eq!((answer.redirect_parameter("error").as_deref(), world.why(&answer).await.as_str()), (Some(error), why), "{changes:?}");
        }
        let anew = browser.get(&client.sign_in_url(&Pkce::new(), "openid", &[("prompt", "login")])).await;
        let attempt = world.attempt_of(&anew).await;
        assert!(attempt.legs[0].steps.iter().any(|step| step.got.contains("has to sign in anew")), "{attempt:?}");

        let (prover, thief, pkce) = (Prover::new(), Prover::new(), Pkce::new());
        let code = browser.approve(&client.authorize(&pkce, &[("dpop_jkt", &prover.jkt())])).await;
        for got in ["a proof of another key", "no proof"] {
            let answer = match got {
                "no proof" => client.redeem(&world, &code, &pkce.verifier, &[]).await,
                _ => client.redeem_proving(&world, &thief, (&code, &pkce.verifier)).await,
            };
            let attempt = world.attempt_of(&answer).await;
            let (step, reason) = refusal(&attempt);
            assert_eq!((step.step.as_str(), reason.as_str(), step.got.as_str()), ("proof", "key_not_proven", got));
        }
        let tokens = Tokens::of(&client.redeem_proving(&world, &prover, (&code, &pkce.verifier)).await);
        let stolen = client.refresh(&world, &tokens.refresh, &[]).await;
        assert_eq!((stolen.verdict().as_str(), world.why(&stolen).await.as_str()), ("400 invalid_grant", "proof key_not_proven"));
        let body = [("grant_type", "refresh_token"), ("client_id", client.id.as_str()), ("refresh_token", &tokens.refresh)];
        let garbled = world.post_form_with("/oauth/token", &body, &[("dpop", "garbled")]).await;
        assert_eq!((garbled.verdict().as_str(), world.why(&garbled).await.as_str()), ("400 invalid_dpop_proof", "proof proof_invalid"));
    }

    /// R7523-3-1, A21: which proof was due of a client with a key, and which came; one that is proven is known by it
    async fn the_trace_tells_of_assertions(database: TestDatabase) {
        let world = World::on(database).await;
        let keyed = Keyed::registered(&world).await;
        let ask = [("grant_type", "refresh_token"), ("refresh_token", "pcl_rt_nothing")];
        let known = keyed.token(&world, &ask).await;
        let attempt = world.attempt_of(&known).await;
        assert_eq!((known.verdict().as_str(), world.why(&known).await.as_str()), ("400 invalid_grant", "refresh_token token_unknown"));
        assert_eq!(attempt.summary.client_id.as_ref().unwrap().as_str(), keyed.client.id);
        let nameless = keyed.client.token(&world, &ask, &[]).await;
        let attempt = world.attempt_of(&nameless).await;
        let (step, reason) = refusal(&attempt);
        assert_eq!((step.step.as_str(), reason.as_str(), step.got.as_str()), ("client_authentication", "authentication_failed", "no secret"));
        assert!(step.expected.starts_with("an assertion that the client signed"), "{step:?}");
        let other = Keyed { client: Client { id: keyed.client.id.clone(), ..keyed.client }, key: Keyed::new_key(Algorithm::Es256) };
        let forged = other.token(&world, &ask).await;
        let attempt = world.attempt_of(&forged).await;
        let (step, reason) = refusal(&attempt);
        assert_eq!((forged.verdict().as_str(), step.step.as_str(), reason.as_str()), ("401 invalid_client", "client_authentication", "authentication_failed"));
        assert!(step.got.starts_with("an assertion: "), "{step:?}");
    }
}
