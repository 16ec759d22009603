//! What an upstream says, made fit to be passed on: bounded, without the connection's own secrets, without links that lead
//! the client where it must not go, and with the addresses that the client knows (T34). Everything else stays as it was.

mod content;
mod elicitation;
mod links;
mod question;
mod roots;
mod sampling;
mod secrets;
mod tally;

use portcullis_oauth::Alias;
use serde_json::{Map, Value, json};

use crate::names;
use crate::reply::Reply;

pub(crate) use content::without_stray_icons;
pub(crate) use question::{Judge, Kind, Question, Refused, Unfit};
pub(crate) use secrets::Secrets;
pub(crate) use tally::Tally;

/// Larger results are not passed on, in bytes of JSON.
const LARGEST: usize = 1024 * 1024;
/// By which connection a client is asked for something of its own.
const CONNECTION: &str = "portcullis/connection";

/// Where something comes from and goes to.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// What its owner calls the connection.
    pub(crate) alias: Alias,
    /// Whether the client speaks with this connection alone, and so knows the upstream's own addresses.
    pub(crate) own: bool,
}

/// The result is larger than may be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// Makes a result fit.
pub(crate) fn result(reply: Reply, origin: &Origin, secrets: &Secrets) -> Result<Reply, TooLarge> {
    if reply.size() > LARGEST {
        return Err(TooLarge);
    }
    let mut reply = secrets.removed_from(reply);
    for (member, each) in
        [("content", block as fn(Value, &Origin) -> Value), ("messages", message), ("contents", contents)]
    {
        let touched = reply.raw(member).is_some_and(|raw| has_to_be_read(raw.get()));
        if touched && let Some(Value::Array(items)) = reply.get(member) {
            let items: Vec<Value> = items.into_iter().map(|item| each(item, origin)).collect();
            reply.set(member, &Value::Array(items));
        }
    }
    Ok(reply)
}

/// Most results are plain text, and need not be read.
fn has_to_be_read(raw: &str) -> bool {
    ["uri", "image", "audio", "icons", "\\u"].iter().any(|sign| raw.contains(sign))
}

/// A block of content.
fn block(block: Value, origin: &Origin) -> Value {
    let mut block = content::checked(block);
    without_stray_icons(&mut block);
    let is = |block: &Value, kind: &str| block.get("type").and_then(Value::as_str) == Some(kind);
    if is(&block, "resource_link") {
        let uri = block.get("uri").and_then(Value::as_str).unwrap_or_default();
        if links::leads_astray(uri) {
            return content::removed("a link that leads to a private place");
        }
        if !links::is_web(uri) {
            rename(&mut block, origin);
        }
    } else if is(&block, "resource")
        && let Some(embedded) = block.get_mut("resource")
    {
        rename(embedded, origin);
    }
    block
}

/// A message of a prompt: its content is a block, or several.
fn message(mut message: Value, origin: &Origin) -> Value {
    if let Some(content) = message.get_mut("content") {
        *content = match content.take() {
            Value::Array(blocks) => blocks.into_iter().map(|one| block(one, origin)).collect(),
            one => block(one, origin),
        };
    }
    message
}

/// The contents of a resource.
fn contents(mut contents: Value, origin: &Origin) -> Value {
    rename(&mut contents, origin);
    contents
}

fn rename(holder: &mut Value, origin: &Origin) {
    if !origin.own
        && let Some(uri) = holder.get_mut("uri")
        && let Some(text) = uri.as_str()
    {
        *uri = Value::from(names::wrap_uri(&origin.alias, text));
    }
}

/// Notes in a question who asks. What the server wrote there would pass for a note of ours.
fn note(params: &mut Map<String, Value>, origin: &Origin) {
    params.insert("_meta".to_owned(), json!({ CONNECTION: origin.alias }));
}

/// The length of a value, in bytes of JSON.
fn size(value: &Value) -> usize {
    value.to_string().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(own: bool) -> Origin {
        Origin { alias: Alias::parse("demo").unwrap(), own }
    }

    fn passed(result_of: Value, own: bool) -> Value {
        let reply = result(result_of.into(), &origin(own), &Secrets::default()).unwrap();
        serde_json::from_str(&reply.text()).unwrap()
    }

    /// T34
    #[test]
    fn links_to_private_places_are_removed_and_others_renamed() {
        let link = |uri: &str| json!({"type": "resource_link", "uri": uri, "name": "x", "later": 1});
        let said = json!({"content": [link("file:///etc/passwd"), link("http://127.0.0.1/"), link("test://a"), link("https://example.com/")]});
        let at_aggregate = passed(said.clone(), false);
        assert_eq!(at_aggregate["content"][0]["type"], "text");
        assert_eq!(at_aggregate["content"][1]["type"], "text");
        assert_eq!(at_aggregate["content"][2], link("demo+test://a"));
        assert_eq!(at_aggregate["content"][3], link("https://example.com/"));
        assert_eq!(passed(said, true)["content"][2], link("test://a"));
    }

    #[test]
    fn addresses_of_contents_and_of_prompts_are_those_of_the_lists() {
        let embedded = |uri: &str| json!({"type": "resource", "resource": {"uri": uri, "text": "x"}});
        let prompt = json!({"messages": [{"role": "user", "content": embedded("test://a")}]});
        assert_eq!(passed(prompt, false)["messages"][0]["content"], embedded("demo+test://a"));
        let read = json!({"contents": [{"uri": "test://a", "text": "x"}]});
        assert_eq!(passed(read, false)["contents"][0]["uri"], "demo+test://a");
    }

    /// T34, T24
    #[test]
    fn what_is_too_large_is_not_passed_on() {
        let huge = json!({"content": [{"type": "text", "text": "x".repeat(LARGEST)}]});
        assert_eq!(result(huge.into(), &origin(true), &Secrets::default()).unwrap_err(), TooLarge);
    }
}
