//! Rounds of a request in the stateless era (2026-07-28, "Multi Round-Trip Requests"): an upstream asks back, the client
//! brings the answer with the request once more. What the upstream wants to see again travels sealed, bound to the caller
//! and to the very request, so that it is good for nothing else (MRTR-4, MRTR-5, MRTR-8, T18, T19).

use portcullis_oauth::{PublicUrl, Seconds, Timestamp, VerifiedBearer};
use portcullis_vault::SealingKey;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::errand::Dispatch;
use crate::reach::Asking;
use crate::relay::Origin;
use crate::relay::elicitation::{self, Unfit};
use crate::reply::Reply;

/// An answer may take so long to come.
const LIFE: Seconds = Seconds::minutes(10);
/// Longer states of upstreams are not carried, in bytes.
const LONGEST: usize = 16 * 1024;

/// Seals and opens what clients carry.
pub(crate) struct Rounds(SealingKey);

/// What is inside.
#[derive(Deserialize, Serialize)]
struct Carried {
    until: i64,
    state: Option<String>,
}

/// What a client brought is not for this request, or not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotForThis;

/// To whom and what a state belongs, as text that is the same for the same request alone.
#[derive(Clone)]
pub(crate) struct Binding(String);

impl Binding {
    /// The binding of a request that was checked.
    pub(crate) fn of(bearer: &VerifiedBearer, dispatch: &Dispatch) -> Self {
        let Dispatch { connection, errand, .. } = dispatch;
        let mut params = Value::Object(errand.clone().into_params());
        // The same request in another order is the same request.
        params.sort_all_objects();
        let params = params.to_string();
        let parts = json!([
            "round/1",
            bearer.principal().id,
            bearer.client_id(),
            bearer.resource(),
            connection.id,
            connection.credential_version,
            errand.method(),
            Sha256::digest(params.as_bytes()).to_vec(),
        ]);
        Self(parts.to_string())
    }
}

impl Rounds {
    /// Rounds under `key`, which every node shares.
    pub(crate) fn new(key: SealingKey) -> Self {
        Self(key)
    }

    /// What the client has to bring.
    fn seal(&self, binding: &Binding, state: Option<String>, now: Timestamp) -> String {
        let carried = Carried { until: now.plus(LIFE).micros(), state };
        self.0.seal(json!(carried).to_string().as_bytes(), binding.0.as_bytes())
    }

    /// The upstream's own state, if it gave one, out of what a client brought.
    pub(crate) fn open(
        &self,
        binding: &Binding,
        brought: &str,
        now: Timestamp,
    ) -> Result<Option<String>, NotForThis> {
        let opened = self.0.open(brought, binding.0.as_bytes()).map_err(|_| NotForThis)?;
        let carried: Carried = serde_json::from_slice(&opened).map_err(|_| NotForThis)?;
        if now < Timestamp::from_micros(carried.until) { Ok(carried.state) } else { Err(NotForThis) }
    }

    /// Makes the result of a round fit for a client of the stateless era.
    pub(crate) fn relay(
        &self,
        mut reply: Reply,
        (binding, now): (&Binding, Timestamp),
        (asking, origin, gateway): (Asking, &Origin, &PublicUrl),
    ) -> Result<Reply, Unfit> {
        if let Some(Value::Object(requests)) = reply.get("inputRequests") {
            let mut fit = Map::new();
            for (key, request) in requests {
                fit.insert(
                    key,
                    json!({
                        "method": "elicitation/create",
                        "params": elicitation::fit(question(request)?, asking, (origin, gateway))?,
                    }),
                );
            }
            reply.set("inputRequests", &Value::Object(fit));
        }
        let state = match reply.get("requestState") {
            Some(Value::String(state)) if state.len() <= LONGEST => Some(state),
            None => None,
            Some(_) => return Err(Unfit::Shape),
        };
        reply.set("requestState", &Value::from(self.seal(binding, state, now)));
        Ok(reply)
    }
}

/// Whether a result asks back instead of answering. Read, not compared as it was written: a client reads it, too.
pub(crate) fn asks_back(reply: &Reply) -> bool {
    reply.get("resultType").is_some_and(|kind| kind == "input_required")
}

/// A result without what only one that asks back has: a client that finds a question in it might ask.
pub(crate) fn answers(mut reply: Reply) -> Reply {
    for member in ["inputRequests", "requestState"] {
        reply.remove(member);
    }
    if reply.get("resultType").is_some_and(|kind| kind != "complete") {
        reply.remove("resultType");
    }
    reply
}

/// The question in one request of a round; other requests than questions to people are not passed on.
pub(crate) fn question(mut request: Value) -> Result<Value, Unfit> {
    match request.get("method").and_then(Value::as_str) {
        Some("elicitation/create") => Ok(request.get_mut("params").map(Value::take).unwrap_or_default()),
        _ => Err(Unfit::Unable),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    fn reply(text: &str) -> Reply {
        Reply::read(&RawValue::from_string(text.to_owned()).unwrap()).unwrap()
    }

    /// T33, MRTR-3: a question is one however it is written, and nothing that is no question carries one
    #[test]
    fn no_question_passes_for_an_answer() {
        assert!(asks_back(&reply(r#"{"resultType":"input_requ\u0069red"}"#)));
        let hidden = reply(r#"{"resultType":"other","inputRequests":{"a":{}},"requestState":"s","content":[]}"#);
        assert!(!asks_back(&hidden));
        assert_eq!(answers(hidden).text(), r#"{"content":[]}"#);
        let plain = r#"{"content":[],"resultType":"complete"}"#;
        assert_eq!(answers(reply(plain)).text(), plain);
    }
}
