//! Servers that are none: whatever is asked at `/bad/{how}`, the answer is this.
//!
//! | how | what comes |
//! |---|---|
//! | a number | an empty answer with this status; 401, 403, 429 and 503 with the headers that go with them |
//! | `redirect` | 307 to `/mcp` of the name `localhost` |
//! | `html` | a page |
//! | `gzip` | something compressed |
//! | `garbage`, `duplicate` | no JSON, or JSON that says a key twice |
//! | `other` | the answer to another request |
//! | `big` | 10 MB of JSON |
//! | `endless` | a stream of comments that never ends |
//! | `line` | one line of a stream that never ends |
//! | `silent` | nothing, for ever |
//! | `broken` | half an answer |

use std::sync::Arc;

use axum::extract::{Path, Request, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::json;

use super::{Speaks, read};
use crate::body::written;
use crate::state::State;

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

pub(super) async fn serve(
    Shared(state): Shared<Arc<State>>,
    Path(how): Path<String>,
    request: Request,
) -> Response {
    let host = request.headers().get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
    let port = host.rsplit_once(':').map_or("80", |(_, port)| port).to_owned();
    let incoming = match read(&state, request, Speaks::Both).await {
        Ok(incoming) => incoming,
        Err(refusal) => return *refusal,
    };
    let id = &incoming.body["id"];
    match how.as_str() {
        "401" => {
            (StatusCode::UNAUTHORIZED, [("www-authenticate", "Bearer realm=\"fixture\"")]).into_response()
        }
        "403" => {
            let challenge = "Bearer error=\"insufficient_scope\", scope=\"files:write\"";
            (StatusCode::FORBIDDEN, [("www-authenticate", challenge)]).into_response()
        }
        "429" => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "7")]).into_response(),
        "redirect" => {
            let location = format!("http://localhost:{port}/mcp");
            (StatusCode::TEMPORARY_REDIRECT, [("location", location)]).into_response()
        }
        "html" => ([("content-type", "text/html")], "<p>Hello.</p>").into_response(),
        "gzip" => {
            let headers = [("content-type", "application/json"), ("content-encoding", "gzip")];
            (headers, [0x1f, 0x8b, 8, 0]).into_response()
        }
        "garbage" => (JSON, "{\"jsonrpc\": ").into_response(),
        "duplicate" => {
            (JSON, format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"a":1,"a":2}}}}"#)).into_response()
        }
        "other" => (JSON, json!({"jsonrpc": "2.0", "id": 999, "result": {}}).to_string()).into_response(),
        "big" => {
            let result = json!({"text": "x".repeat(10 * 1_024 * 1_024)});
            (JSON, json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string()).into_response()
        }
        "endless" => streaming(b": still here\n"),
        "line" => streaming(b"xxxxxxxxxxxxxxxx"),
        "silent" => std::future::pending().await,
        "broken" => {
            let (writer, body) = written();
            tokio::spawn(async move {
                let _ = writer.send(Ok(Bytes::from_static(b"{\"jsonrpc\": \"2.0\", "))).await;
                let _ = writer.send(Err(std::io::ErrorKind::ConnectionReset.into())).await;
            });
            (JSON, body).into_response()
        }
        how => {
            let status = how.parse().ok().and_then(|status| StatusCode::from_u16(status).ok());
            status.unwrap_or(StatusCode::NOT_FOUND).into_response()
        }
    }
}

/// The same bytes for ever.
fn streaming(bytes: &'static [u8]) -> Response {
    let (writer, body) = written();
    tokio::spawn(async move {
        let block = Bytes::from(bytes.repeat(512));
        while writer.send(Ok(block.clone())).await.is_ok() {}
    });
    ([("content-type", "text/event-stream")], body).into_response()
}
