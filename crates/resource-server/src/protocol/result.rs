//! The shape of results in each era. Optional members are absent, never null: clients' schemas refuse null.

use serde_json::{Map, Value, json};

use super::{Era, Revision};
use crate::offer::Kind;
use crate::reply::Reply;

const INSTRUCTIONS: &str = "Tools and prompts are named connection__name, resources connection+address. A call that is \
                            refused says why and what to do.";
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
/// Connections whose entries a list could not show, and why.
const MISSING: &str = "portcullis/missingConnections";
/// What of the arguments was changed.
const SANITISED: &str = "portcullis/sanitisedArguments";

fn server_info() -> Value {
    json!({"name": "portcullis", "title": "Portcullis", "version": env!("CARGO_PKG_VERSION")})
}

/// What can be done here; `subscribe` says whether clients are told when single resources change.
fn capabilities(subscribe: bool) -> Value {
    let mut resources = json!({"listChanged": true});
    if subscribe {
        resources["subscribe"] = Value::from(true);
    }
    json!({
        "tools": {"listChanged": true},
        "prompts": {"listChanged": true},
        "resources": resources,
        "completions": {},
        "logging": {},
    })
}

/// `resultType` is required of every stateless result (HTTP26-17), and each may name the server.
pub(crate) fn complete(era: Era, mut result: Reply) -> Reply {
    if era == Era::Stateless {
        if result.raw("resultType").is_none() {
            result.set("resultType", &json!("complete"));
        }
        result.note(SERVER_INFO, server_info());
    }
    result
}

/// What depends on who asks must not outlive a revocation (HTTP26-20).
pub(crate) fn private(era: Era, mut result: Reply) -> Reply {
    if era == Era::Stateless {
        result.set("ttlMs", &json!(0));
        result.set("cacheScope", &json!("private"));
    }
    complete(era, result)
}

/// Says beside a result what of the arguments was changed before the tool got them.
pub(crate) fn sanitised(mut result: Reply, changes: &[String]) -> Reply {
    if !changes.is_empty() {
        result.note(SANITISED, json!(changes));
    }
    result
}

/// Answers `initialize`.
pub(crate) fn initialize(revision: Revision, subscribe: bool) -> Reply {
    json!({
        "protocolVersion": revision.as_str(),
        "capabilities": capabilities(subscribe),
        "serverInfo": server_info(),
        "instructions": INSTRUCTIONS,
    })
    .into()
}

/// Answers `server/discover`.
pub(crate) fn discover(subscribe: bool) -> Reply {
    let result = json!({
        "supportedVersions": Revision::names(),
        "capabilities": capabilities(subscribe),
        "instructions": INSTRUCTIONS,
    });
    private(Era::Stateless, result.into())
}

/// Answers a list with a page and the cursor of the next; `missing` are connections that could not be asked, and why.
pub(crate) fn list(
    era: Era,
    kind: Kind,
    (entries, next): (Vec<Value>, Option<String>),
    missing: Map<String, Value>,
) -> Reply {
    let mut result = Reply::default().with(kind.member(), &Value::Array(entries));
    if let Some(next) = next {
        result.set("nextCursor", &Value::from(next));
    }
    if !missing.is_empty() {
        result.note(MISSING, Value::Object(missing));
    }
    private(era, result)
}
