//! Token exchange (RFC 8693): narrower, never wider, and it ends with what it came from.

use std::sync::Arc;

use portcullis_authorization_server::{NewResource, ResourceScope, Resources};
use portcullis_database::both_engines;
use portcullis_oauth::{
    Alias, Clock, GrantType, Introspection, ResourceUri, Secret, TokenFormat, TokenType, VerifiedBearer,
    VerifyError,
};
use portcullis_tests::{Answer, Client, Tokens, World};
use serde_json::json;

use crate::concurrency::at_once;

const BOTH: &str = "mcp.tools.read mcp.tools.execute";
const AGGREGATE: &str = "http://localhost:8420/mcp";
const NOTES: &str = "https://notes.example.com/mcp";
const SANDBOX: &str = "http://localhost:8420/mcp/sandbox";

/// A machine that may exchange, with a connection `sandbox`.
async fn broker(world: &World, resources: &[&str]) -> Client {
    let grants = [GrantType::ClientCredentials, GrantType::TokenExchange];
    let client = Client::by_admin(world, &grants, (BOTH, resources)).await;
    let kept = world.app.authorization.clients().find(&client.id.clone().into()).await.unwrap().unwrap();
    let alias = Alias::parse("sandbox").unwrap();
    world.app.gateway.connections().create(&kept.machine.unwrap(), &alias, "sandbox", "").await.unwrap();
    client
}

async fn token_of(world: &World, client: &Client) -> String {
    Tokens::of(&client.token(world, &[("grant_type", "client_credentials")], &[]).await).access
}

async fn exchange(world: &World, client: &Client, subject: &str, changes: &[(&str, &str)]) -> Answer {
    let fields = [
        ("grant_type", GrantType::TokenExchange.as_str()),
        ("subject_token", subject),
        ("subject_token_type", TokenType::AccessToken.as_str()),
    ];
    client.token(world, &fields, changes).await
}

async fn status_at(world: &World, path: &str, token: &str) -> u16 {
    world.mcp_at(path, token, "tools/list", json!({})).await.status.as_u16()
}

async fn bearer_at(world: &World, resource: &str, token: &str) -> Result<VerifiedBearer, VerifyError> {
    let verifier = world.app.authorization.verifier();
    let resource = ResourceUri::parse(resource).unwrap();
    verifier.verify(&Secret::presented(token), &resource, world.clock.now()).await
}

async fn bearer(world: &World, token: &str) -> VerifiedBearer {
    bearer_at(world, AGGREGATE, token).await.unwrap()
}

/// A resource server beyond the gateway, whose client may exchange.
async fn notes(world: &World) -> Client {
    let scope =
        |name: &str| ResourceScope { name: name.to_owned(), about: "Notes.".to_owned(), default: true };
    let new = NewResource {
        uri: ResourceUri::parse(NOTES).unwrap(),
        name: "Notes".to_owned(),
        scopes: vec![scope("notes.read"), scope("notes.write")],
        token_format: TokenFormat::Opaque,
        access_token_life: None,
    };
    let resources = Resources::new(world.app.database.clone(), Arc::new(world.clock.clone()));
    let (resource, secret) = resources.create(new).await.unwrap();
    let metadata = json!({
        "redirect_uris": [], "client_name": "Notes", "token_endpoint_auth_method": "client_secret_post",
        "grant_types": [GrantType::TokenExchange], "response_types": [], "application_type": "web",
    });
    execute(
        world,
        &format!("UPDATE oauth_client SET metadata = '{metadata}' WHERE id = '{}'", resource.client_id),
    )
    .await;
    world.app.changes.read().await.unwrap();
    Client {
        id: resource.client_id.to_string(),
        secret: Some(secret.expose().to_owned()),
        redirect_uri: String::new(),
    }
}

async fn execute(world: &World, sql: &str) {
    portcullis_database::on!(world.app.database.write(), |pool| sqlx::query(sqlx::AssertSqlSafe(
        sql.to_owned()
    ))
    .execute(pool)
    .await
    .map(drop))
    .unwrap();
}

both_engines! {
    /// R8693-2.2-1, R8693-2.2.2-1: one connection of the aggregate's, one scope of two, and no longer than before
    async fn an_exchanged_token_is_narrower_than_what_it_came_from(database: TestDatabase) {
        let world = World::on(database).await;
        let client = broker(&world, &[]).await;
        let subject = token_of(&world, &client).await;
        world.advance(200);
        let answer = exchange(&world, &client, &subject, &[("resource", SANDBOX), ("scope", "mcp.tools.read")]).await;
        assert_eq!((answer.header("cache-control"), answer.header("pragma")), ("no-store", "no-cache"));
        let told = answer.json();
        assert_eq!((&told["issued_token_type"], &told["token_type"], &told["refresh_token"]), (&json!(TokenType::AccessToken.as_str()), &json!("Bearer"), &json!(null)));
        assert_eq!((&told["expires_in"], &told["scope"]), (&json!(400), &json!("mcp.tools.read")));
        let narrow = Tokens::of(&answer).access;
        assert_eq!(status_at(&world, "/mcp/sandbox", &narrow).await, 200);
        assert_eq!(status_at(&world, "/mcp", &narrow).await, 401);
        let call = world.mcp_at("/mcp/sandbox", &narrow, "tools/call", json!({"name": "echo", "arguments": {"message": "x"}})).await;
        assert_eq!(call.status.as_u16(), 403);
        world.advance(400);
        assert_eq!(status_at(&world, "/mcp/sandbox", &narrow).await, 401);
        assert_eq!(exchange(&world, &client, &subject, &[]).await.verdict(), "400 invalid_request", "nothing is had for an expired token");
    }

    /// R8693-2.2.2-1, R8693-2.1-1, A28: what would be wider, and what is half said
    async fn what_is_wider_or_half_said_is_refused(database: TestDatabase) {
        let world = World::on(database).await;
        let client = broker(&world, &[AGGREGATE, SANDBOX]).await;
        let subject = Tokens::of(&client.token(&world, &[("grant_type", "client_credentials")], &[("scope", "mcp.tools.read"), ("resource", AGGREGATE)]).await).access;
        let kind = TokenType::AccessToken.as_str();
        for (changes, verdict) in [
            (&[("subject_token", "")][..], "400 invalid_request"),
            (&[("subject_token_type", "")], "400 invalid_request"),
            (&[("subject_token_type", "urn:ietf:params:oauth:token-type:jwt")], "400 invalid_request"),
            (&[("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token")], "400 invalid_request"),
            (&[("actor_token", &subject)], "400 invalid_request"),
            (&[("actor_token_type", kind)], "400 invalid_request"),
            (&[("subject_token", "pcl_at_unknown")], "400 invalid_request"),
            (&[("actor_token", "pcl_at_unknown"), ("actor_token_type", kind)], "400 invalid_request"),
            (&[("scope", BOTH)], "400 invalid_scope"),
            (&[("scope", "mcp.connections.manage")], "400 invalid_scope"),
            (&[("resource", "http://localhost:8420/mcp/other")], "400 invalid_target"),
            (&[("resource", "https://elsewhere.example/mcp")], "400 invalid_target"),
            (&[("audience", "another service")], "400 invalid_target"),
            (&[("resource", SANDBOX), ("audience", AGGREGATE)], "400 invalid_target"),
        ] {
            assert_eq!(exchange(&world, &client, &subject, changes).await.verdict(), verdict, "{changes:?}");
        }
        let narrow = Tokens::of(&exchange(&world, &client, &subject, &[("audience", SANDBOX), ("requested_token_type", kind)]).await).access;
        assert_eq!(exchange(&world, &client, &narrow, &[("resource", AGGREGATE)]).await.verdict(), "400 invalid_target", "there is no way back up");
        assert_eq!(exchange(&world, &client, &narrow, &[]).await.verdict(), "200");
        let bound = broker(&world, &[AGGREGATE]).await;
        let subject = token_of(&world, &bound).await;
        assert_eq!(exchange(&world, &bound, &subject, &[("resource", SANDBOX)]).await.verdict(), "400 invalid_target", "the client may not reach it");
    }

    /// R8693-2.1-2, A28: whose token it is, and who may exchange at all
    async fn a_client_exchanges_only_its_own_tokens(database: TestDatabase) {
        let world = World::on(database).await;
        let (client, other) = (broker(&world, &[]).await, broker(&world, &[]).await);
        let unregistered = Client::by_admin(&world, &[GrantType::ClientCredentials], (BOTH, &[])).await;
        let (subject, public) = (token_of(&world, &client).await, Client::public(&world).await);
        let persons = public.connect(&world).await;
        assert_eq!(exchange(&world, &other, &subject, &[]).await.verdict(), "400 invalid_request");
        assert_eq!(exchange(&world, &client, &persons.access, &[]).await.verdict(), "400 invalid_request");
        assert_eq!(exchange(&world, &client, &persons.refresh, &[]).await.verdict(), "400 invalid_request");
        assert_eq!(exchange(&world, &public, &persons.access, &[]).await.verdict(), "400 unauthorized_client");
        let own = token_of(&world, &unregistered).await;
        assert_eq!(exchange(&world, &unregistered, &own, &[]).await.verdict(), "400 unauthorized_client");
        let foreign = token_of(&world, &other).await;
        let actor = [("actor_token", foreign.as_str()), ("actor_token_type", TokenType::AccessToken.as_str())];
        assert_eq!(exchange(&world, &client, &subject, &actor).await.verdict(), "400 invalid_request", "nor acts with another's");
    }

    /// R8693-2.1-2, R8693-2.2.2-1, A27: a resource server narrows what it was handed, for itself; the token ends with either client
    async fn a_resource_server_exchanges_what_is_for_it(database: TestDatabase) {
        let world = World::on(database).await;
        let (notes, elsewhere) = (notes(&world).await, world.second_node().await);
        let clients = elsewhere.authorization.clients();
        for (before, ends_by) in ["resource server", "client", "subject token"].into_iter().enumerate() {
            let client = Client::public(&world).await;
            let tokens = client.connect(&world).await;
            assert_eq!(exchange(&world, &notes, &tokens.access, &[]).await.verdict(), "400 invalid_request", "it is for the gateway");
            // No endpoint issues tokens for a registered resource yet: this one is moved there.
            execute(&world, &format!("UPDATE access_token SET resource = '{NOTES}', scope = 'notes.read notes.write' WHERE resource = '{AGGREGATE}'")).await;
            let answer = exchange(&world, &notes, &tokens.access, &[("scope", "notes.read")]).await;
            let narrow = Tokens::of(&answer);
            assert_eq!(narrow.scope, "notes.read");
            let bearer = bearer_at(&world, NOTES, &narrow.access).await.unwrap();
            assert_eq!((bearer.client_id().as_str(), &bearer.principal().id), (notes.id.as_str(), &world.alice.id));
            assert_eq!(bearer.actor().unwrap().sub, notes.id);
            assert_eq!(exchange(&world, &notes, &tokens.access, &[("resource", AGGREGATE)]).await.verdict(), "400 invalid_target");
            match ends_by {
                "resource server" => assert!(clients.disable(&notes.id.clone().into()).await.unwrap() && clients.enable(&notes.id.clone().into()).await.unwrap()),
                "client" => assert!(clients.remove(&client.id.clone().into()).await.unwrap()),
                _ => assert_eq!(client.revoke(&world, &tokens.access).await.status.as_u16(), 200),
            }
            assert!(bearer_at(&world, NOTES, &narrow.access).await.is_err(), "{ends_by}");
            let told = world.count("SELECT COUNT(*) FROM change c JOIN access_token t ON t.hash = c.subject WHERE c.kind = 'token' AND t.client_id IS NOT NULL").await;
            assert_eq!(told, i64::try_from(before).unwrap() + 1, "caches know the token by its own client, so they are told of the token");
        }
    }

    /// R8693-4.1-1: the chain of actors, outermost first, as introspection tells it; it has an end
    async fn the_chain_of_actors_is_kept_with_the_token(database: TestDatabase) {
        let world = World::on(database).await;
        let client = broker(&world, &[]).await;
        let subject = token_of(&world, &client).await;
        assert_eq!(bearer(&world, &subject).await.actor(), None);
        let first = Tokens::of(&exchange(&world, &client, &subject, &[]).await).access;
        let actor = [("actor_token", subject.as_str()), ("actor_token_type", TokenType::AccessToken.as_str())];
        let second = Tokens::of(&exchange(&world, &client, &first, &actor).await).access;
        let bearer = bearer(&world, &second).await;
        let told = serde_json::to_value(Introspection::of(&bearer, world.clock.now(), &portcullis_oauth::PublicUrl::parse("http://localhost:8420").unwrap())).unwrap();
        assert_eq!(told["act"], json!({"sub": told["sub"], "act": {"sub": client.id}}));
        assert_eq!(told["client_id"], json!(client.id));
        let mut token = second;
        for _ in 0..3 {
            token = Tokens::of(&exchange(&world, &client, &token, &[]).await).access;
        }
        assert_eq!(exchange(&world, &client, &token, &[]).await.verdict(), "400 invalid_request");
        let exchanged = [("actor_token", token.as_str()), ("actor_token_type", TokenType::AccessToken.as_str())];
        assert_eq!(exchange(&world, &client, &subject, &exchanged).await.verdict(), "400 invalid_request");
    }

    /// R8693-2.2.2-1: revoking a token ends all that came from it, at once and on every node
    async fn what_was_exchanged_ends_with_its_origin(database: TestDatabase) {
        let world = World::on(database).await;
        let client = broker(&world, &[]).await;
        let subject = token_of(&world, &client).await;
        let child = Tokens::of(&exchange(&world, &client, &subject, &[]).await).access;
        let grandchild = Tokens::of(&exchange(&world, &client, &child, &[]).await).access;
        let (second, bystander) = (world.second_node().await, token_of(&world, &client).await);
        for token in [&subject, &child, &grandchild, &bystander] {
            assert_eq!(status_at(&world, "/mcp", token).await, 200);
        }
        let fields = [("client_id", client.id.as_str()), ("client_secret", client.secret.as_deref().unwrap()), ("token", &child)];
        assert_eq!(world.post_form("/oauth/revoke", &fields).await.status.as_u16(), 200);
        second.changes.read().await.unwrap();
        for (token, status) in [(&subject, 200), (&child, 401), (&grandchild, 401), (&bystander, 200)] {
            assert_eq!(status_at(&world, "/mcp", token).await, status);
        }
        assert_eq!(exchange(&world, &client, &child, &[]).await.verdict(), "400 invalid_request");
    }

    /// R8693-2.2.2-1: a revocation that races with exchanges leaves nothing alive
    async fn a_revocation_that_races_with_exchanges_leaves_nothing_alive(database: TestDatabase) {
        let world = World::on(database).await;
        let client = broker(&world, &[]).await;
        let subject = token_of(&world, &client).await;
        let secret = client.secret.clone().unwrap();
        let fields = [
            ("grant_type", GrantType::TokenExchange.as_str()), ("subject_token", subject.as_str()), ("subject_token_type", TokenType::AccessToken.as_str()),
            ("client_id", &client.id), ("client_secret", &secret),
        ];
        let revoke = [("client_id", client.id.as_str()), ("client_secret", &secret), ("token", &subject)];
        let (answers, revoked) = tokio::join!(at_once(&world, &fields), world.post_form("/oauth/revoke", &revoke));
        assert_eq!(revoked.status.as_u16(), 200);
        world.app.changes.read().await.unwrap();
        for answer in answers.iter().filter(|answer| answer.verdict() == "200") {
            assert_eq!(status_at(&world, "/mcp", &Tokens::of(answer).access).await, 401);
        }
    }
}
