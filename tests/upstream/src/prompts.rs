//! Prompts: what the conformance suite gets.

use serde_json::{Value, json};

use crate::answers::RpcError;
use crate::talk::Talk;
use crate::tools::{IMAGE, rounds};

pub(crate) fn list() -> Value {
    let argument = |name: &str| json!({"name": name, "description": "For tests.", "required": true});
    json!([
        {"name": "test_simple_prompt", "description": "Without arguments."},
        {"name": "test_prompt_with_arguments", "description": "With two.", "arguments": [argument("arg1"), argument("arg2")]},
        {"name": "test_prompt_with_embedded_resource", "description": "With a resource.", "arguments": [argument("resourceUri")]},
        {"name": "test_prompt_with_image", "description": "With an image."},
        {"name": "test_input_required_result_prompt", "description": "Asks back first."},
    ])
}

pub(crate) fn get(talk: &Talk, params: &Value) -> Result<Value, RpcError> {
    let argument = |name: &str| {
        let value = params["arguments"][name].as_str();
        value.ok_or_else(|| RpcError::invalid(format!("the argument {name} is missing")))
    };
    let text = |text: &str| json!({"role": "user", "content": {"type": "text", "text": text}});
    let messages = match params["name"].as_str().unwrap_or_default() {
        "test_simple_prompt" => json!([text("This is a simple prompt for testing.")]),
        "test_prompt_with_arguments" => {
            let (one, two) = (argument("arg1")?, argument("arg2")?);
            json!([text(&format!("Prompt with arguments: arg1='{one}', arg2='{two}'"))])
        }
        "test_prompt_with_embedded_resource" => {
            let uri = argument("resourceUri")?;
            let resource = json!({"uri": uri, "mimeType": "text/plain", "text": "Embedded resource content for testing."});
            json!([
                {"role": "user", "content": {"type": "resource", "resource": resource}},
                text("Please process the embedded resource above."),
            ])
        }
        "test_prompt_with_image" => json!([
            {"role": "user", "content": {"type": "image", "data": IMAGE, "mimeType": "image/png"}},
            text("Please analyze the image above."),
        ]),
        "test_input_required_result_prompt" if talk.is_stateless() => return rounds::prompt(talk, params),
        name => return Err(RpcError::invalid(format!("Unknown prompt: {name}"))),
    };
    Ok(json!({"messages": messages}))
}
