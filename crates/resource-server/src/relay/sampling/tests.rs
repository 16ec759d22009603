//! What is passed on of a question to a client's model, and what is not.

use portcullis_oauth::Alias;
use serde_json::json;

use super::*;

fn asked_with(params: &Value, asking: Sampling) -> Result<Value, Unfit> {
    fit(params.clone(), asking, &Origin { alias: Alias::parse("shop").unwrap(), own: true })
}

fn asked(params: &Value) -> Result<Value, Unfit> {
    asked_with(params, Sampling::Plain)
}

/// A question with one message, and with these members.
fn question(content: &Value, more: &Value) -> Value {
    let mut params = json!({"messages": [{"role": "user", "content": content}], "maxTokens": 100});
    for (member, value) in more.as_object().unwrap() {
        params[member] = value.clone();
    }
    params
}

fn plain(more: &Value) -> Value {
    question(&json!({"type": "text", "text": "Say hi"}), more)
}

/// T33: it bears the connection's name where people look, nothing in it is hidden, and nothing passes for a note of ours
#[test]
fn a_prompt_says_who_asks() {
    let hidden = question(
        &json!([{"type": "text", "text": "Say\u{202e} hi\u{e0041}\n\tnow"}]),
        &json!({"systemPrompt": "Be\u{200b} kind.", "_meta": {"portcullis/connection": "bank", "progressToken": 1}}),
    );
    let fit = asked(&hidden).unwrap();
    assert_eq!(
        fit["systemPrompt"],
        "This is asked by the server behind the connection \"shop\".\n\nBe kind."
    );
    assert_eq!(fit["messages"][0]["content"][0]["text"], "Say hi\n\tnow");
    assert_eq!(fit["_meta"], json!({"portcullis/connection": "shop"}));
    for unseen in
        ['\u{e0100}', '\u{fe0f}', '\u{ad}', '\u{34f}', '\u{61c}', '\u{3164}', '\u{2028}', '\u{f0000}']
    {
        let tool = json!({"name": "dice", "inputSchema": {"properties": {format!("a{unseen}b"): {}}}});
        let hidden = plain(&json!({"tools": [tool], "systemPrompt": format!("Be{unseen} kind.")}));
        let shown = asked_with(&hidden, Sampling::Tools).unwrap().to_string();
        assert!(!shown.contains(unseen) && shown.contains("\"ab\""), "{shown}");
    }
    let bare = asked(&plain(&json!({}))).unwrap();
    assert_eq!(bare["systemPrompt"], "This is asked by the server behind the connection \"shop\".");
}

/// T33: what others said is not brought along, and the rest stays as it was
#[test]
fn nothing_of_other_connections_comes_along() {
    let more = json!({
        "includeContext": "allServers", "temperature": 0.25, "stopSequences": ["end"], "task": {"ttl": 1}, "later": {"a": 1},
        "modelPreferences": {"hints": [{"name": "small"}], "costPriority": 1.0},
    });
    let (mut given, mut fit) = (plain(&more), asked(&plain(&more)).unwrap());
    assert_eq!(fit["includeContext"], "none");
    for member in ["includeContext", "systemPrompt", "task", "_meta"] {
        given.as_object_mut().unwrap().remove(member);
        fit.as_object_mut().unwrap().remove(member);
    }
    assert_eq!(fit, given);
}

/// T34: what a tool said, and how tools look, leads a client nowhere in its own world
#[test]
fn nothing_in_a_question_leads_into_the_clients_world() {
    let link = json!({"type": "resource_link", "name": "x", "uri": "http://10.0.0.1/"});
    let used = question(&json!({"type": "tool_result", "toolUseId": "1", "content": [link]}), &json!({}));
    let shown = asked_with(&used, Sampling::Tools).unwrap();
    assert_eq!(shown["messages"][0]["content"]["content"][0]["type"], "text", "{shown}");
    let tool = json!({"name": "dice", "inputSchema": {}, "icons": [{"src": "http://10.0.0.1/x.png"}]});
    let shown = asked_with(&plain(&json!({"tools": [tool]})), Sampling::Tools).unwrap();
    assert_eq!(shown["tools"][0]["icons"], json!([]));
}

/// MRTR-3: a model is given tools only where its client said that it takes them
#[test]
fn tools_are_for_those_who_take_them() {
    let tool = json!({"name": "dice", "inputSchema": {"type": "object"}});
    let used = json!({"type": "tool_use", "id": "1", "name": "dice", "input": {}});
    let result = json!({"type": "tool_result", "toolUseId": "1", "content": [{"type": "text", "text": "6"}]});
    for with_tools in [
        plain(&json!({"tools": [tool]})),
        plain(&json!({"toolChoice": {"mode": "auto"}})),
        question(&used, &json!({})),
        question(&result, &json!({})),
    ] {
        assert_eq!(asked(&with_tools), Err(Unfit::Tools), "{with_tools}");
        assert!(asked_with(&with_tools, Sampling::Tools).is_ok(), "{with_tools}");
        assert_eq!(asked_with(&with_tools, Sampling::Never), Err(Unfit::Undeclared));
    }
    for tools in [json!({}), json!([{"name": "dice"}]), json!([{"inputSchema": {}}])] {
        assert_eq!(asked_with(&plain(&json!({"tools": tools})), Sampling::Tools), Err(Unfit::Shape));
    }
}

/// T33
#[test]
fn what_is_no_question_is_not_asked() {
    let text = json!({"type": "text", "text": "x"});
    for wrong in [
        json!(null),
        json!({"maxTokens": 1}),
        json!({"messages": [], "maxTokens": 1}),
        json!({"messages": [{"role": "system", "content": text}], "maxTokens": 1}),
        json!({"messages": [{"role": "user"}], "maxTokens": 1}),
        plain(&json!({"maxTokens": 0})),
        plain(&json!({"maxTokens": -1})),
        plain(&json!({"maxTokens": 1.5})),
        plain(&json!({"maxTokens": "1"})),
        plain(&json!({"systemPrompt": ["x"]})),
        question(&json!([]), &json!({})),
        question(&json!("x"), &json!({})),
        question(&json!({"type": "text"}), &json!({})),
        question(&json!({"type": "video"}), &json!({})),
    ] {
        assert_eq!(asked(&wrong), Err(Unfit::Shape), "{wrong}");
    }
}

/// T33, T24
#[test]
fn what_nobody_would_look_through_is_not_asked() {
    let long = plain(&json!({"systemPrompt": "x".repeat(PROMPT + 1)}));
    let large = question(&json!({"type": "text", "text": "x".repeat(LARGEST)}), &json!({}));
    let mut many = plain(&json!({}));
    many["messages"] = json!(vec![many["messages"][0].clone(); MESSAGES + 1]);
    for endless in [long, large, many] {
        assert_eq!(asked(&endless), Err(Unfit::TooLarge));
    }
}

/// T34
#[test]
fn a_picture_in_a_question_is_a_picture() {
    let svg = json!({"type": "image", "mimeType": "image/svg+xml", "data": "AAAA"});
    assert_eq!(asked(&question(&svg, &json!({}))).unwrap()["messages"][0]["content"]["type"], "text");
    let shown = json!({"type": "tool_result", "toolUseId": "1", "content": [svg]});
    let fit = asked_with(&question(&json!([shown]), &json!({})), Sampling::Tools).unwrap();
    assert_eq!(fit["messages"][0]["content"][0]["content"][0]["type"], "text");
}

/// T33: what goes to a server as a model's words is such words
#[test]
fn an_answer_is_what_a_model_said() {
    let said = |content: Value| json!({"role": "assistant", "content": content, "model": "m", "stopReason": "endTurn"});
    let text = json!({"type": "text", "text": "hi"});
    assert!(is_answer(&said(text.clone())) && is_answer(&said(json!([text, {"type": "tool_use"}]))));
    for wrong in [
        said(json!("hi")),
        said(json!({"type": "text"})),
        said(json!({"text": "hi"})),
        said(json!({"type": "text", "text": "x".repeat(LARGEST)})),
        json!({"role": "assistant", "content": text}),
        json!({"content": text, "model": "m"}),
        json!({"role": "assistant", "model": "m"}),
        json!([]),
    ] {
        assert!(!is_answer(&wrong));
    }
}
