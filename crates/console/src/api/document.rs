//! The document of the API (`OpenAPI` 3.1), made of the operations that are routed and of the schemas beside this file. A story
//! holds real answers against it.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use portcullis_oauth::PublicUrl;
use portcullis_oauth::scopes::API;
use serde_json::{Map, Value, json};

use super::operation::Operation;
use super::problem::MEDIA_TYPE;
use super::{BASE, operations};

/// What bodies and answers look like.
const SCHEMAS: &str = include_str!("schemas.json");

/// The document as an answer. Cheap to clone.
#[derive(Clone)]
pub(super) struct Document(Bytes);

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, "application/json")], self.0).into_response()
    }
}

/// The document of the API that is published at `public_url`.
pub(super) fn of(public_url: &PublicUrl) -> Document {
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations() {
        let path = paths.entry(operation.path.to_owned()).or_insert_with(|| json!({}));
        path[operation.method.as_str().to_lowercase()] = described(&operation);
    }
    // A file of ours, held against itself by a test.
    let schemas: Value = serde_json::from_str(SCHEMAS).unwrap_or_default();
    let scopes: Map<String, Value> =
        API.iter().map(|scope| ((*scope).to_owned(), Value::from(meaning(scope)))).collect();
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Portcullis API", "version": env!("CARGO_PKG_VERSION"),
            "description": "Tokens come from this server's own authorization server, for the resource that `servers` names. \
                            Every refusal is application/problem+json (RFC 9457) with a stable `code`.",
        },
        "servers": [{ "url": public_url.join(BASE) }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "oauth": { "type": "oauth2", "flows": { "authorizationCode": {
                "authorizationUrl": public_url.join("/oauth/authorize"),
                "tokenUrl": public_url.join("/oauth/token"),
                "scopes": scopes,
            } } } },
        },
    });
    Document(Bytes::from(document.to_string()))
}

fn described(operation: &Operation) -> Value {
    let in_path = operation.named().map(|name| parameter("path", name, true));
    let in_query = operation
        .query
        .iter()
        .map(|name| parameter("query", name, operation.id == "unblockTool" && *name == "tool"));
    let problem = json!({ "$ref": "#/components/schemas/Problem" });
    let (status, schema) = operation.gives;
    let mut good = json!({ "description": "Done." });
    if !schema.is_empty() {
        good["content"] = content("application/json", &reference(schema));
    }
    let mut told = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "security": [{ "oauth": [operation.scope] }],
        "parameters": in_path.chain(in_query).collect::<Vec<_>>(),
        "responses": {
            status.to_string(): good,
            "default": { "description": "Refused, or it failed.", "content": content(MEDIA_TYPE, &problem) },
        },
    });
    if let Some(schema) = operation.takes {
        told["requestBody"] =
            json!({ "required": true, "content": content("application/json", &reference(schema)) });
    }
    told
}

fn parameter(place: &str, name: &str, required: bool) -> Value {
    json!({ "in": place, "name": name, "required": required, "schema": { "type": "string" } })
}

fn content(media: &str, schema: &Value) -> Value {
    json!({ media: { "schema": schema } })
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

/// What a scope opens here, for those who write clients.
const fn meaning(scope: &str) -> &'static str {
    match scope.as_bytes() {
        b"admin.read" => "See how this server is set up and what happened at it; for administrators.",
        b"admin.write" => "Change how this server is set up; for administrators.",
        _ => "Look after one's own connections.",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Every schema that an operation names is there, and every one that is there is named by something.
    #[test]
    fn schemas_and_operations_fit_each_other() {
        let schemas: Map<String, Value> = serde_json::from_str(SCHEMAS).unwrap();
        let mut named: HashSet<String> = HashSet::from(["Problem".to_owned()]);
        let mut ids = HashSet::new();
        for operation in operations() {
            assert!(ids.insert(operation.id) && !operation.summary.is_empty(), "{}", operation.id);
            let (_, gives) = operation.gives;
            named.extend(
                [Some(gives), operation.takes]
                    .into_iter()
                    .flatten()
                    .filter(|name| !name.is_empty())
                    .map(str::to_owned),
            );
        }
        let text = Value::Object(schemas.clone()).to_string();
        named.extend(
            text.split("#/components/schemas/")
                .skip(1)
                .map(|rest| rest.split('"').next().unwrap().to_owned()),
        );
        let there: HashSet<String> = schemas.keys().cloned().collect();
        assert_eq!(there, named);
    }
}
