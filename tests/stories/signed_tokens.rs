//! Access tokens that another server checks by itself (RFC 9068), for resources whose admin chose so.

use portcullis_database::both_engines;
use portcullis_oauth::jose::{AccessTokenClaims, JwkSet, Jws};
use portcullis_oauth::{GrantType, TokenFormat, TokenType};
use portcullis_tests::{Browser, Client, Pkce, ResourceServer, Tokens, World};
use serde_json::{Value, json};

const NOTES: &str = "https://notes.example.com/mcp";
const TASKS: &str = "https://tasks.example.com/mcp";
const INACTIVE: &str = r#"{"active":false}"#;

async fn signing(world: &World, uri: &str) -> ResourceServer {
    ResourceServer::with_tokens(world, uri, TokenFormat::Jwt).await
}

/// The published keys.
async fn keys(world: &World) -> JwkSet {
    JwkSet::parse(&world.get("/oauth/jwks.json").await.json()).unwrap()
}

/// What a token says, if one of the published keys signed it as an access token.
async fn claims(world: &World, token: &str) -> Value {
    let token = Jws::parse(token).unwrap_or_else(|error| panic!("{error}: {token}"));
    assert!(AccessTokenClaims::is_kind_of(&token));
    assert!(token.kid().is_some());
    Value::Object(token.verify_with(&keys(world).await).unwrap().clone())
}

/// What it says whatever its grant: the names of the claims, and those that are fixed.
async fn assert_well_formed(
    world: &World,
    token: &str,
    (client, scope, act): (&Client, &str, bool),
) -> Value {
    let claims = claims(world, token).await;
    let mut names: Vec<_> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    let all = ["act", "aud", "client_id", "exp", "iat", "iss", "jti", "scope", "sub"];
    assert_eq!(names, all[usize::from(!act)..], "nothing more, no name and no e-mail address");
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!("http://localhost:8420"), &json!(NOTES)));
    assert_eq!((&claims["client_id"], &claims["scope"]), (&json!(client.id), &json!(scope)));
    claims
}

both_engines! {
    /// R9068-2.1-1, R9068-2.2-1, R9068-2.2.3-1, R9068-6-1: whatever the grant, the token says the same things
    async fn every_grant_gives_a_token_that_says_what_it_is(database: TestDatabase) {
        let world = World::on(database).await;
        signing(&world, NOTES).await;
        let client = Client::public(&world).await;
        let pkce = Pkce::new();
        let asked = client.authorize(&pkce, &[("resource", NOTES), ("scope", "read write")]);
        let code = Browser::new(&world).approve(&asked).await;
        let answer = client.redeem(&world, &code, &pkce.verifier, &[]).await;
        assert_eq!((&answer.json()["token_type"], &answer.json()["expires_in"]), (&json!("Bearer"), &json!(300)));
        let tokens = Tokens::of(&answer);
        let first = assert_well_formed(&world, &tokens.access, (&client, "read write", false)).await;
        assert_eq!(first["sub"], world.alice.id.as_str());
        assert_eq!(first["exp"].as_i64().unwrap() - first["iat"].as_i64().unwrap(), 300);

        let refreshed = Tokens::of(&client.refresh(&world, &tokens.refresh, &[("scope", "read")]).await);
        let second = assert_well_formed(&world, &refreshed.access, (&client, "read", false)).await;
        assert_eq!(second["sub"], first["sub"]);
        assert_ne!(second["jti"], first["jti"]);

        let grants = [GrantType::ClientCredentials, GrantType::TokenExchange];
        let job = Client::by_admin(&world, &grants, ("read", &[NOTES])).await;
        let fields = [("grant_type", "client_credentials"), ("resource", NOTES)];
        for _ in 0..2 {
            let own = Tokens::of(&job.token(&world, &fields, &[]).await);
            let own = assert_well_formed(&world, &own.access, (&job, "read", false)).await;
            assert!(own["sub"].as_str().unwrap().starts_with("machine_"), "{own}");
        }
        let subject = Tokens::of(&job.token(&world, &fields, &[]).await).access;
        let exchange = [
            ("grant_type", GrantType::TokenExchange.as_str()),
            ("subject_token", subject.as_str()),
            ("subject_token_type", TokenType::AccessToken.as_str()),
        ];
        let exchanged = Tokens::of(&job.token(&world, &exchange, &[]).await);
        let exchanged = assert_well_formed(&world, &exchanged.access, (&job, "read", true)).await;
        assert_eq!(exchanged["act"], json!({ "sub": job.id }));
    }

    /// R8628-3.4-1, R9068-2.2-1: a device's token is signed like any other
    async fn a_device_gets_a_signed_token(database: TestDatabase) {
        let world = World::on(database).await;
        signing(&world, NOTES).await;
        let client = Client::by_admin(&world, &[GrantType::DeviceCode], ("", &[])).await;
        let fields = [("client_id", client.id.as_str()), ("resource", NOTES), ("scope", "read")];
        let told = world.post_form("/oauth/device_authorization", &fields).await.json();
        let mut browser = Browser::signed_in(&world).await;
        let csrf = browser.get("/device").await.field("csrf").unwrap();
        let typed = [("csrf", csrf.as_str()), ("user_code", told["user_code"].as_str().unwrap())];
        let answer = browser.post("/device", &typed).await;
        let page = browser.get(answer.see_other()).await;
        browser.answer_consent(&page, "approve", &page.boxes("scope")).await;
        let fields = [("grant_type", GrantType::DeviceCode.as_str()), ("device_code", told["device_code"].as_str().unwrap())];
        let tokens = Tokens::of(&client.token(&world, &fields, &[]).await);
        let claims = assert_well_formed(&world, &tokens.access, (&client, "read", false)).await;
        assert_eq!(claims["sub"], world.alice.id.as_str());
    }

    /// R9068-3-1, R9068-5-1, R9068-2.2.3-1: each resource is its own audience, and what names none is for the default one
    async fn a_token_is_for_one_resource_and_says_which(database: TestDatabase) {
        let world = World::on(database).await;
        let (notes, tasks) = (signing(&world, NOTES).await, signing(&world, TASKS).await);
        let client = Client::public(&world).await;
        let one = notes.connect(&world, &client, "read mcp.tools.read").await;
        let other = tasks.connect(&world, &client, "read").await;
        let (one_said, other_said) = (claims(&world, &one.access).await, claims(&world, &other.access).await);
        assert_eq!((&one_said["aud"], &other_said["aud"]), (&json!(NOTES), &json!(TASKS)));
        assert_eq!(one_said["scope"], "read", "nothing of another resource's");
        assert_eq!(tasks.introspect(&world, &one.access).await.body, INACTIVE);
        assert_eq!(world.mcp(&one.access, "tools/list", json!({})).await.status.as_u16(), 401);
        // No resource: the default one, which is our own gateway and takes opaque tokens.
        let pkce = Pkce::new();
        let code = Browser::new(&world).approve(&client.authorize(&pkce, &[("resource", "")])).await;
        let default = Tokens::of(&client.redeem(&world, &code, &pkce.verifier, &[]).await);
        assert!(default.access.starts_with("pcl_at_"));
        assert_eq!(world.mcp(&default.access, "tools/list", json!({})).await.status.as_u16(), 200);
        // A grant may reach both, a token one.
        let both = [("resource", NOTES), ("resource", TASKS)];
        let (pkce, mut browser) = (Pkce::new(), Browser::new(&world));
        let page = browser.reach_consent(&client.authorize(&pkce, &both)).await;
        let answer = browser.tick(&page, &[("scope", "read"), ("scope.1", "read")]).await;
        let code = answer.redirect_parameter("code").unwrap();
        assert_eq!(client.redeem(&world, &code, &pkce.verifier, &both).await.verdict(), "400 invalid_target");
        let token = Tokens::of(&client.redeem(&world, &code, &pkce.verifier, &[("resource", TASKS)]).await);
        assert_eq!(tasks.introspect(&world, &token.access).await.json()["aud"], TASKS);
        assert_eq!(notes.introspect(&world, &token.access).await.body, INACTIVE);
    }

    /// R7662-2.2-1, R7662-2.2-2, R7662-2.2-3, R7009-2-1: it is introspected and revoked like any other; a token that nobody
    /// here signed, or that was changed by one character, is nothing
    async fn a_signed_token_is_introspected_and_revoked_like_any_other(database: TestDatabase) {
        let world = World::on(database).await;
        let notes = signing(&world, NOTES).await;
        let client = Client::public(&world).await;
        let tokens = notes.connect(&world, &client, "read").await;
        let said = claims(&world, &tokens.access).await;
        let told = notes.introspect(&world, &tokens.access).await.json();
        for name in ["iss", "aud", "sub", "client_id", "scope", "exp", "iat"] {
            assert_eq!(told[name], said[name], "{name}");
        }
        let (signed, signature) = tokens.access.rsplit_once('.').unwrap();
        let swapped = if signature.starts_with('A') { "B" } else { "A" };
        let forged = format!("{signed}.{swapped}{}", &signature[1..]);
        assert_eq!(notes.introspect(&world, &forged).await.body, INACTIVE);
        client.revoke(&world, &tokens.access).await;
        assert_eq!(notes.introspect(&world, &tokens.access).await.body, INACTIVE);
        let again = Tokens::of(&client.refresh(&world, &tokens.refresh, &[]).await);
        assert_eq!(notes.introspect(&world, &again.access).await.json()["active"], true);
        world.advance(300);
        assert_eq!(notes.introspect(&world, &again.access).await.body, INACTIVE);
    }

    /// OA21-4.3.1-2, DC-15: inside the window the answer comes again, to the byte; after it the family ends, though the pair
    /// was never used as far as we see, since a signed token's use is seen by nobody here
    async fn a_repeated_refresh_of_a_signed_token_counts_inside_the_window_alone(database: TestDatabase) {
        let world = World::on(database).await;
        let (notes, tasks) = (signing(&world, NOTES).await, ResourceServer::at(&world, TASKS).await);
        let client = Client::public(&world).await;
        let tokens = notes.connect(&world, &client, "read").await;
        let first = Tokens::of(&client.refresh(&world, &tokens.refresh, &[]).await);
        world.advance(119);
        assert_eq!(Tokens::of(&client.refresh(&world, &tokens.refresh, &[]).await), first);
        world.advance(1);
        assert_eq!(client.refresh(&world, &tokens.refresh, &[]).await.verdict(), "400 invalid_grant");
        assert_eq!(client.refresh(&world, &first.refresh, &[]).await.verdict(), "400 invalid_grant");
        assert_eq!(notes.introspect(&world, &first.access).await.body, INACTIVE);
        assert!(world.trail().await.contains(&"token.replay refused refresh_token_replayed".to_owned()));
        // An opaque one's use is seen, so there an answer that was lost comes again.
        let tokens = tasks.connect(&world, &client, "read").await;
        let first = Tokens::of(&client.refresh(&world, &tokens.refresh, &[]).await);
        world.advance(200);
        assert_eq!(Tokens::of(&client.refresh(&world, &tokens.refresh, &[]).await), first);
    }
}
