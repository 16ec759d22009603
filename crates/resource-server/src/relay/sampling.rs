//! What an upstream may ask the model behind the client, where an admin lets it ask so. It is a way to put words before a model
//! that its user pays for and trusts, so it bears the connection's name, hides nothing, is bounded, and brings nothing of
//! other connections along (T33, T34).

use serde_json::{Map, Value};

use super::question::Unfit;
use super::{Origin, content, note, size, without_stray_icons};
use crate::reach::Sampling;
use crate::unseen;

/// More messages are no conversation that anybody looks through.
const MESSAGES: usize = 100;
/// More tools are none that a model is given for one question.
const TOOLS: usize = 100;
/// A longer prompt is not passed on, in characters.
const PROMPT: usize = 20_000;
/// Neither is a larger question or answer, pictures included, in bytes of JSON.
const LARGEST: usize = 512 * 1024;

/// Makes a question fit to be asked.
pub(super) fn fit(params: Value, asking: Sampling, origin: &Origin) -> Result<Value, Unfit> {
    if asking == Sampling::Never {
        return Err(Unfit::Undeclared);
    }
    if size(&params) > LARGEST {
        return Err(Unfit::TooLarge);
    }
    let Value::Object(mut params) = all_seen(params) else { return Err(Unfit::Shape) };
    tools(&mut params, asking)?;
    let Some(Value::Array(messages)) = params.remove("messages") else { return Err(Unfit::Shape) };
    let most = params.get("maxTokens").and_then(Value::as_u64).unwrap_or_default();
    if messages.is_empty() || most == 0 {
        return Err(Unfit::Shape);
    }
    if messages.len() > MESSAGES {
        return Err(Unfit::TooLarge);
    }
    let asked = (asking, origin);
    let messages = messages.into_iter().map(|said| message(said, asked)).collect::<Result<Vec<_>, _>>()?;
    params.insert("messages".to_owned(), Value::Array(messages));
    signed(&mut params, origin)?;
    // To the client all connections are one server, so that even "thisServer" would be what others said.
    if params.contains_key("includeContext") {
        params.insert("includeContext".to_owned(), Value::from("none"));
    }
    // Nobody was told that such a question could be a task, and who does not know tasks answers at once.
    params.remove("task");
    Ok(Value::Object(params))
}

/// Says who asks. People see what their client shows them before its model does, which is the messages and the prompt: so
/// it is the prompt's first line, also where there was no prompt. The model reads it too, and need not take what follows for
/// words of its user. Messages stay as they are, for they may be a conversation that goes on. `_meta` is for clients that show
/// who asks in a way of their own.
fn signed(params: &mut Map<String, Value>, origin: &Origin) -> Result<(), Unfit> {
    let name = format!("This is asked by the server behind the connection \"{}\".", origin.alias);
    let prompt = match params.get("systemPrompt") {
        None => name,
        Some(Value::String(prompt)) if prompt.chars().count() > PROMPT => return Err(Unfit::TooLarge),
        Some(Value::String(prompt)) => format!("{name}\n\n{prompt}"),
        Some(_) => return Err(Unfit::Shape),
    };
    params.insert("systemPrompt".to_owned(), Value::from(prompt));
    note(params, origin);
    Ok(())
}

/// The same without what is not seen: a person who looks it through sees what the model reads.
fn all_seen(value: Value) -> Value {
    match value {
        Value::String(text) => Value::from(unseen::seen(&text)),
        Value::Array(items) => items.into_iter().map(all_seen).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (unseen::seen(&name), all_seen(value))).collect()
        }
        other => other,
    }
}

/// Tools are given to those alone who take them (schema of 2025-11-25, `CreateMessageRequestParams`).
fn tools(params: &mut Map<String, Value>, asking: Sampling) -> Result<(), Unfit> {
    if (params.contains_key("tools") || params.contains_key("toolChoice")) && asking != Sampling::Tools {
        return Err(Unfit::Tools);
    }
    params.get_mut("tools").and_then(Value::as_array_mut).into_iter().flatten().for_each(without_stray_icons);
    let (tools, choice) = (params.get("tools"), params.get("toolChoice"));
    let is_tool = |tool: &Value| {
        tool.get("name").is_some_and(Value::is_string)
            && tool.get("inputSchema").is_some_and(Value::is_object)
    };
    match tools {
        None => {}
        Some(Value::Array(all)) if all.len() > TOOLS => return Err(Unfit::TooLarge),
        Some(Value::Array(all)) if all.iter().all(is_tool) => {}
        Some(_) => return Err(Unfit::Shape),
    }
    if choice.is_none_or(Value::is_object) { Ok(()) } else { Err(Unfit::Shape) }
}

fn message(mut message: Value, asked: (Sampling, &Origin)) -> Result<Value, Unfit> {
    if !is_said_by_somebody(&message) {
        return Err(Unfit::Shape);
    }
    let content = message.get_mut("content").ok_or(Unfit::Shape)?;
    *content = match content.take() {
        Value::Array(blocks) if blocks.is_empty() => return Err(Unfit::Shape),
        Value::Array(blocks) => {
            blocks.into_iter().map(|one| block(one, asked)).collect::<Result<Value, _>>()?
        }
        one => block(one, asked)?,
    };
    Ok(message)
}

fn block(mut block: Value, (asking, origin): (Sampling, &Origin)) -> Result<Value, Unfit> {
    let has = |member: &str| block.get(member).is_some_and(Value::is_string);
    let fits = match block.get("type").and_then(Value::as_str) {
        Some("text") => has("text"),
        Some("image" | "audio") => return Ok(content::checked(block)),
        Some("tool_use" | "tool_result") if asking != Sampling::Tools => return Err(Unfit::Tools),
        Some("tool_use") => has("id") && has("name") && block.get("input").is_some_and(Value::is_object),
        Some("tool_result") => has("toolUseId"),
        _ => false,
    };
    if !fits {
        return Err(Unfit::Shape);
    }
    // What a tool said is shown as a result is, and leads nowhere else (T34).
    if let Some(said) = block.get_mut("content").and_then(Value::as_array_mut) {
        for one in said {
            *one = super::block(one.take(), origin);
        }
    }
    Ok(block)
}

fn is_said_by_somebody(message: &Value) -> bool {
    matches!(message.get("role").and_then(Value::as_str), Some("user" | "assistant"))
}

/// Whether this is what a model said.
pub(super) fn is_answer(answer: &Value) -> bool {
    let is_block = |block: &Value| match block.get("type").and_then(Value::as_str) {
        Some("text") => block.get("text").is_some_and(Value::is_string),
        kind => kind.is_some(),
    };
    let is_content = |content: &Value| match content {
        Value::Array(blocks) => blocks.iter().all(is_block),
        one => is_block(one),
    };
    is_said_by_somebody(answer)
        && answer.get("content").is_some_and(is_content)
        && answer.get("model").is_some_and(Value::is_string)
        && size(answer) <= LARGEST
}

#[cfg(test)]
mod tests;
