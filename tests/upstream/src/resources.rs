//! Resources: what the conformance suite reads.

use serde_json::{Value, json};

use crate::answers::RpcError;
use crate::tools::IMAGE;

pub(crate) fn list() -> Value {
    json!([
        {"uri": "test://static-text", "name": "static-text", "description": "A text that stays.", "mimeType": "text/plain"},
        {"uri": "test://static-binary", "name": "static-binary", "description": "An image.", "mimeType": "image/png"},
        {"uri": "test://watched-resource", "name": "watched-resource", "description": "A text that changes.", "mimeType": "text/plain"},
    ])
}

pub(crate) fn templates() -> Value {
    json!([{
        "uriTemplate": "test://template/{id}/data",
        "name": "template",
        "description": "Data of one id.",
        "mimeType": "application/json",
    }])
}

pub(crate) fn read(params: &Value) -> Result<Value, RpcError> {
    let uri = params["uri"].as_str().ok_or_else(|| RpcError::invalid("uri is missing"))?;
    let content = match uri {
        "test://static-text" => {
            json!({"mimeType": "text/plain", "text": "This is the content of the static text resource."})
        }
        "test://static-binary" => json!({"mimeType": "image/png", "blob": IMAGE}),
        "test://watched-resource" => json!({"mimeType": "text/plain", "text": "Watched."}),
        _ => {
            let id = uri.strip_prefix("test://template/").and_then(|rest| rest.strip_suffix("/data"));
            let id = id.filter(|id| !id.is_empty() && !id.contains('/'));
            let id = id.ok_or_else(|| RpcError::invalid("Resource not found").with(json!({"uri": uri})))?;
            let data = json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")});
            json!({"mimeType": "application/json", "text": data.to_string()})
        }
    };
    let mut content = content;
    content["uri"] = json!(uri);
    Ok(json!({"contents": [content]}))
}
