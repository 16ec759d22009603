//! Who may use the API, and how it refuses.

use axum::body::Body;
use axum::http::Method;
use portcullis_database::{both_engines, on};
use portcullis_oauth::GrantType;
use portcullis_tests::{API, Answer, Browser, Client, Pkce, Program, Tokens, World, request};
use serde_json::json;

const EVERYTHING: &str = "admin.read admin.write mcp.connections.manage";

/// Status and code of a problem, which must be one.
fn problem(answer: &Answer) -> (u16, String) {
    assert_eq!(answer.header("content-type"), "application/problem+json", "{}", answer.body);
    assert_eq!(answer.header("cache-control"), "no-store");
    let told = answer.json();
    assert_eq!(told["status"], answer.status.as_u16());
    let code = told["code"].as_str().unwrap().to_owned();
    assert_eq!(told["type"], format!("urn:portcullis:problem:{code}"));
    (answer.status.as_u16(), code)
}

async fn boxes(world: &World, client: &Client, email: &str) -> Vec<String> {
    let page = client.ask_for_api(&mut Browser::new(world), (email, &Pkce::new()), EVERYTHING).await;
    page.boxes("scope")
}

both_engines! {
    /// MCP-AUTH-2, MCP-AUTH-6, R9728-3-1: it is a resource of its own, and a token for another opens nothing here
    async fn it_takes_tokens_for_itself_alone(database: TestDatabase) {
        let world = World::on(database).await;
        let nobody = Program::with(&world, "").get("/servers").await;
        assert_eq!(problem(&nobody), (401, "invalid_token".to_owned()));
        let challenge = nobody.header("www-authenticate");
        assert!(challenge.contains(r#"resource_metadata="http://localhost:8420/.well-known/oauth-protected-resource/api/v1""#), "{challenge}");
        let document = world.get("/.well-known/oauth-protected-resource/api/v1").await.json();
        assert_eq!((&document["resource"], &document["authorization_servers"]), (&json!(API), &json!(["http://localhost:8420"])));
        assert!(!document.to_string().contains("admin."), "{document}");
        let metadata = world.get("/.well-known/oauth-authorization-server").await;
        assert!(!metadata.body.contains("admin."), "no client asks for them out of habit");

        let at_mcp = Client::public(&world).await.connect(&world).await.access;
        assert_eq!(problem(&Program::with(&world, &at_mcp).get("/me/connections").await), (401, "invalid_token".to_owned()));
        let mine = Program::of(&world, "alice@example.com", EVERYTHING).await;
        assert_eq!(mine.get("/me/connections").await.status.as_u16(), 200);
        assert_eq!(world.mcp(&mine.token, "tools/list", json!({})).await.status.as_u16(), 401);
    }

    /// OA21-1.4.1-3: administration is given by administrators, and to clients that an administrator registered
    async fn administration_is_given_by_administrators_to_clients_they_know(database: TestDatabase) {
        let world = World::on(database).await;
        world.add_admin("root@example.com").await;
        let (known, stranger) = (Client::vouched_for(&world).await, Client::public(&world).await);
        let own = ["mcp.connections.manage"];
        assert_eq!(boxes(&world, &known, "alice@example.com").await, own);
        assert_eq!(boxes(&world, &stranger, "root@example.com").await, own);
        assert_eq!(boxes(&world, &known, "root@example.com").await, ["mcp.connections.manage", "admin.read", "admin.write"]);
        let page = stranger.ask_for_api(&mut Browser::new(&world), ("root@example.com", &Pkce::new()), "admin.write").await;
        assert!(page.body.contains("only to applications that an administrator registered"), "{}", page.body);
        assert_eq!(page.boxes("connection").len(), 0, "connections play no part");
        let usual = Program::of(&world, "root@example.com", "").await;
        assert_eq!(usual.scope, "mcp.connections.manage", "what is not asked for is not given");
    }

    /// MCP-AUTH-9, SBP-10: a scope is needed, and it is no permission
    async fn a_scope_is_needed_and_is_not_enough(database: TestDatabase) {
        let world = World::on(database).await;
        let alice = Program::of(&world, "alice@example.com", EVERYTHING).await;
        let refused = alice.get("/servers").await;
        assert_eq!(problem(&refused), (403, "insufficient_scope".to_owned()));
        assert!(refused.header("www-authenticate").contains(r#"scope="admin.read""#), "{}", refused.header("www-authenticate"));
        let admin = Program::of_admin(&world).await;
        assert_eq!(admin.get("/servers").await.status.as_u16(), 200);
        on!(world.app.database.write(), |pool| sqlx::query("UPDATE user_account SET admin = FALSE").execute(pool).await.map(drop)).unwrap();
        assert_eq!(problem(&admin.get("/servers").await), (403, "permission_missing".to_owned()));
        let disabled = problem(&admin.post("/servers/sandbox/disable", &json!({})).await);
        assert_eq!(disabled, (403, "permission_missing".to_owned()));
        assert_eq!(admin.get("/me/connections").await.status.as_u16(), 200, "their own things stay theirs");
    }

    /// OA21-4.2-1: a machine that an administrator registered for it
    async fn a_machine_has_what_it_was_registered_for(database: TestDatabase) {
        let world = World::on(database).await;
        let machine = Client::by_admin(&world, &[GrantType::ClientCredentials], ("admin.read", &[API])).await;
        let asked = machine.token(&world, &[("grant_type", "client_credentials")], &[]).await;
        let program = Program::with(&world, &Tokens::of(&asked).access);
        assert_eq!(program.get("/servers").await.status.as_u16(), 200);
        assert_eq!(problem(&program.post("/servers", &json!({})).await), (403, "insufficient_scope".to_owned()));
    }

    /// RFC 9457 §3: every refusal has one form, and is one event
    async fn every_refusal_is_a_problem_and_an_event(database: TestDatabase) {
        let world = World::configured(database, &[("user_lists_per_minute", "14")]).await;
        let admin = Program::of_admin(&world).await;
        let raw = async |kind: &str, body: String| {
            let asked = request(Method::POST, "/api/v1/servers").header("content-type", kind);
            let asked = asked.header("authorization", format!("Bearer {}", admin.token));
            problem(&world.send(asked.body(Body::from(body)).unwrap()).await)
        };
        let mut told = vec![
            problem(&admin.get("/nothing").await),
            problem(&admin.get("").await),
            problem(&admin.send(Method::PUT, "/servers", None).await),
            problem(&admin.get("/servers/nothing").await),
            problem(&admin.get("/servers?limit=0").await),
            problem(&admin.get("/servers?cursor=nothing").await),
            problem(&admin.get("/servers?colour=red").await),
            raw("text/plain", "{}".to_owned()).await,
            raw("application/json", "{\"slug\": \"a\", \"slug\": \"b\"}".to_owned()).await,
            raw("application/json", "{\"password\": \"swordfish\"}".to_owned()).await,
            raw("application/json", format!("\"{}\"", "x".repeat(300_000))).await,
            problem(&admin.post("/servers", &json!({"slug": "Not it", "url": "https://a.example/mcp"})).await),
            problem(&admin.delete("/servers/sandbox").await),
        ];
        admin.get("/servers").await;
        let over = admin.get("/servers").await;
        assert!(over.header("retry-after").parse::<u32>().unwrap() > 0);
        told.push(problem(&over));
        let expected = [
            (404, "path_unknown"), (404, "path_unknown"), (405, "method_unknown"), (404, "server_unknown"), (400, "query"),
            (400, "cursor_unknown"), (400, "query"), (415, "content_type"), (400, "body_json"), (400, "body_shape"),
            (413, "body_size"), (422, "server_invalid"), (409, "server_built_in"), (429, "rate_limit"),
        ];
        let expected: Vec<_> = expected.iter().map(|(status, code)| (*status, (*code).to_owned())).collect();
        assert_eq!(told, expected);
        let trail = world.trail().await;
        let mut refused: Vec<&str> = trail.iter().filter_map(|line| line.strip_prefix("api.request refused ")).collect();
        let mut codes: Vec<&str> = expected.iter().map(|(_, code)| code.as_str()).collect();
        refused.sort_unstable();
        codes.sort_unstable();
        assert_eq!(refused, codes, "each is one event");
        let kept = world.text("SELECT email FROM audit_event WHERE action = 'api.request' ORDER BY at, id LIMIT 1").await;
        assert_eq!(kept, "root@example.com");
    }
}
