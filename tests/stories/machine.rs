//! Machines: clients that act for themselves (OAuth 2.1 §4.2).

use portcullis_authorization_server::{ClientOrigin, NewClient};
use portcullis_database::both_engines;
use portcullis_oauth::{Alias, GrantType, PrincipalId, PublicUrl, Secret};
use portcullis_tests::{Answer, Client, Tokens, World};
use serde_json::json;

use crate::concurrency::at_once;

const BOTH: &str = "mcp.tools.read mcp.tools.execute";

async fn machine(world: &World, scope: &str, resources: &[&str]) -> (Client, PrincipalId) {
    let client = Client::by_admin(world, &[GrantType::ClientCredentials], (scope, resources)).await;
    let kept = world.app.authorization.clients().find(&client.id.clone().into()).await.unwrap().unwrap();
    let principal = kept.machine.unwrap();
    let alias = Alias::parse("sandbox").unwrap();
    world.app.gateway.connections().create(&principal, &alias, "sandbox", "").await.unwrap();
    (client, principal)
}

async fn ask(world: &World, client: &Client, changes: &[(&str, &str)]) -> Answer {
    client.token(world, &[("grant_type", "client_credentials")], changes).await
}

async fn status(world: &World, token: &str) -> u16 {
    world.mcp(token, "tools/list", json!({})).await.status.as_u16()
}

both_engines! {
    /// OA21-4.2-1, OA21-7.4-1: a machine calls a tool through a connection of its own, and gets no refresh token
    async fn a_machine_acts_for_itself_with_a_connection_of_its_own(database: TestDatabase) {
        let world = World::on(database).await;
        let (client, principal) = machine(&world, BOTH, &[]).await;
        assert!(principal.as_str().starts_with("machine_"), "{principal}");
        let answer = ask(&world, &client, &[]).await;
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!((&answer.json()["refresh_token"], &answer.json()["expires_in"]), (&json!(null), &json!(600)));
        let tokens = Tokens::of(&answer);
        assert_eq!(tokens.scope, "mcp.tools.execute mcp.tools.read");
        let call = world.mcp(&tokens.access, "tools/call", json!({"name": "sandbox__echo", "arguments": {"message": "hello"}})).await;
        assert!(call.body.contains("hello"), "{}", call.body);
        let resource = portcullis_oauth::ResourceRegistry::new(PublicUrl::parse("http://localhost:8420").unwrap()).aggregate().uri.clone();
        let bearer = world.app.authorization.verifier().verify(&Secret::presented(tokens.access), &resource, portcullis_oauth::Clock::now(&world.clock)).await.unwrap();
        let told = serde_json::to_value(portcullis_oauth::Introspection::of(&bearer, portcullis_oauth::Clock::now(&world.clock), &portcullis_oauth::PublicUrl::parse("http://localhost:8420").unwrap())).unwrap();
        assert_eq!((&told["sub"], &told["principal_kind"]), (&json!(principal), &json!("machine")));
        assert!(world.trail().await.contains(&"token.request done ".to_owned()));
    }

    /// OA21-4.2-1, A35: public, self-registered and merely unregistered clients do not act for themselves
    async fn only_a_confidential_client_of_an_admins_acts_for_itself(database: TestDatabase) {
        let world = World::on(database).await;
        let itself = json!({
            "redirect_uris": ["https://a.example/callback"], "grant_types": ["authorization_code", "client_credentials"],
            "token_endpoint_auth_method": "client_secret_post", "scope": "mcp.tools.read",
        });
        let itself = Client::registered(&world, &itself).await;
        assert!(itself.secret.is_some());
        let unregistered = Client::by_admin(&world, &[GrantType::TokenExchange], ("", &[])).await;
        for client in [Client::public(&world).await, itself, unregistered] {
            assert_eq!(ask(&world, &client, &[]).await.verdict(), "400 unauthorized_client");
        }
        let (client, _) = machine(&world, BOTH, &[]).await;
        for changes in [("client_secret", "pcl_cs_wrong"), ("client_secret", "")] {
            assert_eq!(ask(&world, &client, &[changes]).await.verdict(), "401 invalid_client");
        }
    }

    /// OA21-4.2-1, A35: not even a client that is stored with the grant, if it keeps no secret or nobody vouches for it
    async fn a_grant_in_the_metadata_is_not_enough(database: TestDatabase) {
        let world = World::on(database).await;
        let clients = world.app.authorization.clients();
        let stored = |origin, method: &str| {
            let metadata = json!({
                "redirect_uris": [], "client_name": "Job", "token_endpoint_auth_method": method, "scope": "mcp.tools.read",
                "grant_types": GrantType::ALL, "response_types": [], "application_type": "web",
            });
            clients.register(NewClient { metadata: serde_json::from_value(metadata).unwrap(), origin, resources: Vec::new() })
        };
        for (origin, method) in [(ClientOrigin::Admin, "none"), (ClientOrigin::Dynamic, "client_secret_post")] {
            let (kept, secret) = stored(origin, method).await.unwrap();
            assert_eq!(kept.machine, None);
            let secret = secret.map(|secret| secret.expose().to_owned());
            let client = Client { id: kept.id.to_string(), secret, redirect_uri: String::new() };
            let expected = if origin == ClientOrigin::Admin {
                [GrantType::ClientCredentials, GrantType::TokenExchange].to_vec()
            } else {
                [GrantType::ClientCredentials, GrantType::TokenExchange, GrantType::DeviceCode].to_vec()
            };
            for grant in expected {
                let answer = client.token(&world, &[("grant_type", grant.as_str())], &[]).await;
                assert_eq!(answer.verdict(), "400 unauthorized_client", "{method} {grant:?}");
            }
        }
    }

    /// A28: what the client is registered for is the ceiling: scopes and resources
    async fn a_machine_never_gets_more_than_its_client_is_registered_for(database: TestDatabase) {
        let world = World::on(database).await;
        let only = "http://localhost:8420/mcp/sandbox";
        let (client, _) = machine(&world, "mcp.tools.read offline_access", &[only]).await;
        for (changes, verdict) in [
            (("scope", "mcp.tools.execute"), "400 invalid_scope"),
            (("scope", BOTH), "400 invalid_scope"),
            (("scope", "openid"), "400 invalid_scope"),
            (("scope", "a\"b"), "400 invalid_scope"),
            (("resource", "http://localhost:8420/mcp"), "400 invalid_target"),
            (("resource", "http://localhost:8420/mcp/other"), "400 invalid_target"),
            (("resource", "https://elsewhere.example/mcp"), "400 invalid_target"),
        ] {
            assert_eq!(ask(&world, &client, &[changes]).await.verdict(), verdict, "{changes:?}");
        }
        let tokens = Tokens::of(&ask(&world, &client, &[("scope", "mcp.tools.read openid")]).await);
        assert_eq!(tokens.scope, "mcp.tools.read");
        assert_eq!(world.mcp_at("/mcp/sandbox", &tokens.access, "tools/list", json!({})).await.status.as_u16(), 200);
        assert_eq!(status(&world, &tokens.access).await, 401, "it is for the one resource that the client is bound to (DC-2)");
        let call = world.mcp_at("/mcp/sandbox", &tokens.access, "tools/call", json!({"name": "echo", "arguments": {"message": "x"}})).await;
        assert_eq!(call.status.as_u16(), 403);
    }

    /// A machine reaches nothing of a person's, and a person nothing of a machine's
    async fn what_belongs_to_alice_is_unknown_to_a_machine(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::by_admin(&world, &[GrantType::ClientCredentials], (BOTH, &[])).await;
        let tokens = Tokens::of(&ask(&world, &client, &[]).await);
        let listed = world.mcp(&tokens.access, "tools/list", json!({})).await;
        assert_eq!(listed.json()["result"]["tools"], json!([]), "{}", listed.body);
        let call = world.mcp(&tokens.access, "tools/call", json!({"name": "sandbox__echo", "arguments": {"message": "x"}})).await;
        assert!(call.body.contains("Unknown tool"), "{}", call.body);
    }

    /// One grant stands for a client and a resource, however many tokens stem from it, from however many callers at once
    async fn tokens_of_a_machine_stem_from_one_standing_grant(database: TestDatabase) {
        let world = World::on(database).await;
        let (client, _) = machine(&world, BOTH, &[]).await;
        let fields = [("grant_type", "client_credentials"), ("client_id", client.id.as_str()), ("client_secret", client.secret.as_deref().unwrap())];
        let tokens: Vec<String> = at_once(&world, &fields).await.iter().map(|answer| Tokens::of(answer).access).collect();
        for token in &tokens {
            assert_eq!(status(&world, token).await, 200);
        }
        ask(&world, &client, &[("resource", "http://localhost:8420/mcp/sandbox")]).await;
        assert_eq!(world.count("SELECT COUNT(*) FROM oauth_grant").await, 2);
        assert_eq!(world.count("SELECT COUNT(*) FROM access_token").await, 33);
    }

    /// A27: a new secret, disabling and removing end what a machine holds, on every node
    async fn what_an_admin_does_to_the_client_ends_its_tokens(database: TestDatabase) {
        let world = World::on(database).await;
        let (client, _) = machine(&world, BOTH, &[]).await;
        let (elsewhere, id) = (world.second_node().await, client.id.clone().into());
        let clients = elsewhere.authorization.clients();
        let token = Tokens::of(&ask(&world, &client, &[]).await).access;
        assert_eq!(status(&world, &token).await, 200);
        let secret = clients.rotate_secret(&id).await.unwrap().unwrap();
        world.app.changes.read().await.unwrap();
        assert_eq!(status(&world, &token).await, 401);
        assert_eq!(ask(&world, &client, &[]).await.verdict(), "401 invalid_client");
        let client = Client { secret: Some(secret.expose().to_owned()), ..client };
        let token = Tokens::of(&ask(&world, &client, &[]).await).access;
        assert_eq!(status(&world, &token).await, 200);
        assert!(clients.disable(&id).await.unwrap());
        world.app.changes.read().await.unwrap();
        assert_eq!(status(&world, &token).await, 401);
        assert_eq!(ask(&world, &client, &[]).await.verdict(), "401 invalid_client");
        assert!(clients.enable(&id).await.unwrap());
        assert_eq!(status(&world, &token).await, 401, "what ended stays ended");
        let token = Tokens::of(&ask(&world, &client, &[]).await).access;
        assert_eq!(status(&world, &token).await, 200);
        assert!(clients.remove(&id).await.unwrap());
        world.app.changes.read().await.unwrap();
        assert_eq!(status(&world, &token).await, 401);
        assert_eq!(ask(&world, &client, &[]).await.verdict(), "401 invalid_client");
    }

    /// A disabled client gets no person to its consent page either, and its refresh tokens are dead
    async fn a_disabled_client_is_as_good_as_unknown(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let tokens = client.connect(&world).await;
        assert!(world.app.authorization.clients().disable(&client.id.clone().into()).await.unwrap());
        let page = world.get(&client.authorize(&portcullis_tests::Pkce::new(), &[])).await;
        assert_eq!(page.status.as_u16(), 400);
        assert!(page.body.contains("This application is not known here"), "{}", page.body);
        assert_eq!(client.refresh(&world, &tokens.refresh, &[]).await.verdict(), "401 invalid_client");
        assert_eq!(status(&world, &tokens.access).await, 401);
    }

    /// A token that was being written while its client was disabled is as dead as the others
    async fn a_grant_that_was_being_made_while_its_client_was_disabled_opens_nothing(database: TestDatabase) {
        let world = World::on(database).await;
        let (client, _) = machine(&world, BOTH, &[]).await;
        let token = Tokens::of(&ask(&world, &client, &[]).await).access;
        portcullis_database::on!(world.app.database.write(), |pool| sqlx::query("UPDATE oauth_client SET disabled_at = 1").execute(pool).await.map(drop)).unwrap();
        assert_eq!(status(&world, &token).await, 401);
    }
}
