//! The document of the API is true: every operation that it names answers, and every answer is as its schema says.

use std::collections::BTreeSet;

use axum::http::Method;
use portcullis_database::both_engines;
use portcullis_tests::{Program, World};
use serde_json::{Value, json};

const POLICY: &str = "@id(\"all\") @reason(\"-\") permit (principal, action, resource);";
const CASES: &str = "[[case]]\nname = \"reads\"\ntool = { name = \"read_file\" }\nexpect = \"allow\"\n";

/// One request for each operation, in an order in which each has something to work on.
fn requests() -> Vec<(Method, &'static str, Option<Value>)> {
    let get = |path| (Method::GET, path, None);
    let post = |path, body| (Method::POST, path, Some(body));
    let delete = |path| (Method::DELETE, path, None);
    vec![
        get("/servers"),
        post(
            "/servers",
            json!({"slug": "wiki", "url": "https://127.0.0.1:9/mcp", "auth": ["header", "oauth"]}),
        ),
        post(
            "/servers/import",
            json!({"mcpServers": {"files": {"command": "npx", "args": ["-y", "files"]}}}),
        ),
        get("/servers/files"),
        post("/servers/files/disable", json!({})),
        post("/servers/files/enable", json!({})),
        post("/servers/files/relays", json!({"relays": ["roots"]})),
        get("/me/servers"),
        post("/me/connections", json!({"alias": "wiki", "server": "wiki", "auth": "oauth"})),
        post("/me/connections", json!({"alias": "work", "server": "sandbox"})),
        get("/me/connections"),
        get("/me/connections/work"),
        get("/me/connections/work/tools"),
        post("/me/connections/work/test", json!({})),
        post("/me/connections/work/renew", json!({})),
        post("/me/connections/wiki/authorize", json!({})),
        post("/me/connections/work/disable", json!({})),
        post("/me/connections/work/enable", json!({})),
        get("/connections?server=sandbox"),
        get("/connections/{id}"),
        post("/connections/{id}/disable", json!({})),
        post("/connections/{id}/enable", json!({})),
        delete("/me/connections/work"),
        delete("/connections/{id}"),
        delete("/servers/files"),
        get("/policy"),
        post("/policy/check", json!({"text": POLICY})),
        post("/policy/check", json!({"text": "permit"})),
        post("/policy/test", json!({"text": POLICY, "cases": CASES})),
        post("/policy/activate", json!({"text": POLICY})),
        post("/policy/rollback", json!({"version": 0})),
        get("/policy/versions"),
        get("/policy/versions/1"),
        get("/policy/diff?from=0&to=1"),
        post("/policy/explain", json!({"user": "root@example.com", "connection": "wiki", "tool": "echo"})),
        post("/policy/explain", json!({"user": "root@example.com", "connection": "wiki", "manage": true})),
        post("/blocks", json!({"tool": "echo"})),
        get("/blocks"),
        delete("/blocks?tool=echo"),
        get("/audit/events"),
        get("/attempts"),
        get("/attempts/{attempt}"),
    ]
}

/// The operation that a request is, as the document has it.
fn operation<'d>(document: &'d Value, (method, path): (&Method, &str)) -> &'d Value {
    let path: Vec<&str> = path.split('?').next().unwrap().split('/').collect();
    let fits = |known: &str| {
        let known: Vec<&str> = known.split('/').collect();
        known.len() == path.len()
            && known.iter().zip(&path).all(|(known, part)| known == part || known.starts_with('{'))
    };
    let paths = document["paths"].as_object().unwrap();
    let mut found: Vec<_> = paths.iter().filter(|(known, _)| fits(known)).collect();
    // What is named beats what varies, as in the router.
    found.sort_by_key(|(known, _)| known.matches('{').count());
    &found[0].1[method.as_str().to_lowercase()]
}

/// Holds a body against a schema of the document.
fn holds(document: &Value, media: &Value, body: &Value) {
    let mut schema = media["schema"].clone();
    schema["components"] = document["components"].clone();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<String> =
        validator.iter_errors(body).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{wrong:?} in {body}");
}

both_engines! {
    async fn every_operation_answers_as_the_document_says(database: TestDatabase) {
        let world = World::configured(database, &[("user_lists_per_minute", "1000")]).await;
        let admin = Program::of_admin(&world).await;
        let connections = world.app.gateway.connections().list(&world.alice.id).await.unwrap();
        let attempt = admin.get("/attempts").await.json()["items"][0]["id"].as_str().unwrap().to_owned();
        let document = world.get("/api/v1/openapi.json").await.json();
        assert_eq!((&document["openapi"], &document["servers"][0]["url"]), (&json!("3.1.0"), &json!("http://localhost:8420/api/v1")));
        let mut answered = BTreeSet::new();
        for (method, path, body) in requests() {
            let described = operation(&document, (&method, path));
            let filled = path.replace("{id}", connections[0].id.as_str()).replace("{attempt}", &attempt);
            let status = described["responses"].as_object().unwrap_or_else(|| panic!("{method} {path}")).keys().next().unwrap().clone();
            let answer = admin.send(method.clone(), &filled, body.as_ref()).await;
            assert_eq!(answer.status.as_str(), status, "{method} {path}: {}", answer.body);
            if let Some(media) = described["responses"][&status]["content"].get("application/json") {
                holds(&document, media, &answer.json());
            }
            if let (Some(body), Some(taken)) = (&body, described["requestBody"]["content"].get("application/json")) {
                holds(&document, taken, body);
            }
            let refused = Program::with(&world, "").send(method.clone(), &filled, None).await;
            holds(&document, &described["responses"]["default"]["content"]["application/problem+json"], &refused.json());
            answered.insert(described["operationId"].as_str().unwrap().to_owned());
        }
        let paths = document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
        let all: BTreeSet<String> = paths.map(|operation| operation["operationId"].as_str().unwrap().to_owned()).collect();
        assert_eq!(answered, all);
    }
}
