//! What an upstream may ask the person behind the client. A form or an address to open, and neither may be a trap: no
//! secrets by form, no address of our own or of a private network, and always with the connection's name before the words,
//! so that nothing of it can pass for a question of the gateway's (T33, ELIC-1, ELIC-2, ELIC-7).

use portcullis_oauth::PublicUrl;
use serde_json::{Map, Value};
use url::Url;

use super::links::leads_astray;
use super::question::Unfit;
use super::{Origin, note};
use crate::reach::Asking;
use crate::unseen::seen;
use crate::words::words;

/// Longer questions are cut, in characters.
const LONGEST: usize = 2_000;
/// More fields are no form that anybody fills in.
const FIELDS: usize = 50;
/// What is a secret wherever it stands in a word.
const SECRET: [&str; 11] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "apikey",
    "accesskey",
    "privatekey",
    "credential",
    "creditcard",
    "cardnumber",
];
/// What is a secret as a word, or at the end of one.
const SECRET_WORDS: [&str; 6] = ["token", "tokens", "otp", "cvv", "cvc", "pwd"];
/// A secret by its name; in a sentence too, unless it is what somebody does or is told to keep: people pin things, and are
/// warned.
const PIN: [&str; 2] = ["pin", "pincode"];
/// What ends a sentence, and what was said in it to warn.
const ENDS: [char; 6] = ['.', '!', '?', ':', ';', '\n'];
/// What stands before a pin that is asked for, whatever the sentence said before.
const ASKED_FOR: [&str; 9] = ["your", "the", "a", "my", "enter", "type", "digit", "card", "security"];

/// What makes a warning of the words behind it.
const WARNS: [&str; 4] = ["not", "never", "don", "dont"];
/// What a form says of a field. Everything else in it is a name or a choice, which the answer repeats.
const SAID: [&str; 3] = ["title", "description", "enumNames"];

/// Makes a question fit to be asked.
pub(super) fn fit(
    params: Value,
    asking: Asking,
    (origin, gateway): (&Origin, &PublicUrl),
) -> Result<Value, Unfit> {
    let Value::Object(mut params) = params else { return Err(Unfit::Shape) };
    // What is judged is what is shown.
    let message = seen(params.get("message").and_then(Value::as_str).ok_or(Unfit::Shape)?);
    if let Some(schema) = params.get_mut("requestedSchema") {
        make_seen("requestedSchema", schema);
    }
    match params.get("mode").map_or(Some("form"), Value::as_str) {
        Some("form") if asking.forms => form(&params, &message)?,
        Some("url") if asking.urls => address(&params, gateway)?,
        Some("form" | "url") => return Err(Unfit::Unable),
        _ => return Err(Unfit::Shape),
    }
    let shown = message.chars().take(LONGEST).collect::<String>();
    params.insert("message".to_owned(), Value::from(format!("{}: {shown}", origin.alias)));
    note(&mut params, origin);
    // Nobody was told that such a question could be a task.
    params.remove("task");
    Ok(Value::Object(params))
}

/// ELIC-7: one level of plain fields.
fn form(params: &Map<String, Value>, message: &str) -> Result<(), Unfit> {
    let schema = params.get("requestedSchema").and_then(Value::as_object).ok_or(Unfit::Shape)?;
    let empty = Map::new();
    let fields = schema.get("properties").map_or(Some(&empty), Value::as_object).ok_or(Unfit::Shape)?;
    if fields.len() > FIELDS || !fields.values().all(is_plain) {
        return Err(Unfit::Shape);
    }
    let mut names = fields.iter().flat_map(|(name, field)| [name.as_str(), text(field, "title")]);
    let mut sentences = vec![message];
    schema.iter().for_each(|(name, member)| said(name, member, &mut sentences));
    let mut sentences = sentences.into_iter().flat_map(|text| text.split(ENDS));
    let asks = names.any(names_a_secret)
        || sentences.any(speaks_of_a_secret)
        || fields.values().any(|field| text(field, "format") == "password");
    if asks { Err(Unfit::Secret) } else { Ok(()) }
}

/// What a form says under a name, and below it: of itself, of its fields and of their choices, and what it fills in.
fn said<'f>(name: &str, member: &'f Value, texts: &mut Vec<&'f str>) {
    match member {
        Value::String(text) if SAID.contains(&name) || name == "default" => texts.push(text),
        Value::Array(items) => items.iter().for_each(|item| said(name, item, texts)),
        Value::Object(members) => members.iter().for_each(|(name, member)| said(name, member, texts)),
        _ => {}
    }
}

/// Takes out of what a form says under a name, and below it, whatever is not seen.
fn make_seen(name: &str, member: &mut Value) {
    match member {
        Value::String(text) if SAID.contains(&name) => *text = seen(text),
        Value::Array(items) => items.iter_mut().for_each(|item| make_seen(name, item)),
        Value::Object(members) => members.iter_mut().for_each(|(name, member)| make_seen(name, member)),
        _ => {}
    }
}

fn is_plain(field: &Value) -> bool {
    match field.get("type").and_then(Value::as_str) {
        Some("string" | "number" | "integer" | "boolean") => true,
        Some("array") => {
            let nested = ["object", "array"];
            field.get("items").is_some_and(|items| {
                items.get("type").and_then(Value::as_str).is_none_or(|kind| !nested.contains(&kind))
                    && items.get("properties").is_none()
            })
        }
        // A choice may come without a type.
        None => field.get("enum").is_some() || field.get("oneOf").is_some(),
        Some(_) => false,
    }
}

fn text<'f>(field: &'f Value, key: &str) -> &'f str {
    field.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn names_a_secret(name: &str) -> bool {
    let words = words(name);
    hold_a_secret(&words) || words.iter().any(|word| word == "pins" || is_pin(word))
}

fn speaks_of_a_secret(sentence: &str) -> bool {
    let words = words(sentence);
    hold_a_secret(&words)
        || (0..words.len()).any(|at| is_pin(&words[at]) && asks_for_what_follows(&words[..at]))
}

fn is_pin(word: &str) -> bool {
    PIN.contains(&word)
}

/// Whether a pin behind these words is one to be told.
fn asks_for_what_follows(before: &[String]) -> bool {
    let Some(last) = before.last().map(String::as_str) else { return true };
    let warned = before.iter().any(|word| WARNS.contains(&word.as_str()));
    ASKED_FOR.contains(&last) || !(last == "to" || warned)
}

fn hold_a_secret(words: &[String]) -> bool {
    let joined = words.concat();
    SECRET.iter().any(|secret| joined.contains(secret))
        || words.iter().any(|word| {
            SECRET_WORDS.contains(&word.as_str()) || word.ends_with("token") || word.ends_with("tokens")
        })
}

/// An address that a person may be sent to: of the web, of somebody else, and not in a private network.
fn address(params: &Map<String, Value>, gateway: &PublicUrl) -> Result<(), Unfit> {
    let text = params.get("url").and_then(Value::as_str).ok_or(Unfit::Shape)?;
    let url = Url::parse(text).map_err(|_| Unfit::Address)?;
    let own = Url::parse(gateway.as_str()).map_err(|_| Unfit::Address)?;
    // Whatever the port or the scheme: nobody tells them apart in a link.
    let ours = url.host_str().map(|host| host.trim_end_matches('.')) == own.host_str();
    let named = !url.username().is_empty() || url.password().is_some();
    if url.scheme() != "https" || ours || named || leads_astray(text) { Err(Unfit::Address) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use portcullis_oauth::Alias;
    use serde_json::json;

    use super::*;

    const FORMS: Asking = Asking { forms: true, ..Asking::NOTHING };
    const BOTH: Asking = Asking { urls: true, ..FORMS };

    fn asked(params: Value, asking: Asking) -> Result<Value, Unfit> {
        let origin = Origin { alias: Alias::parse("shop").unwrap(), own: true };
        fit(params, asking, (&origin, &PublicUrl::parse("https://gate.example").unwrap()))
    }

    fn form_of(fields: &Value) -> Value {
        json!({"message": "Tell me", "requestedSchema": {"type": "object", "properties": fields}})
    }

    fn link(url: &str) -> Value {
        json!({"mode": "url", "url": url, "elicitationId": "x", "message": "Open it"})
    }

    /// T33, ELIC-1
    #[test]
    fn no_form_asks_for_a_secret() {
        let text = json!({"type": "string"});
        for name in [
            "password",
            "userPassword",
            "API_KEY",
            "access-token",
            "githubtoken",
            "PIN",
            "client_secret",
            "ｐａｓｓｗｏｒｄ",
            "pass\u{115f}word",
            "to\u{200b}ken",
        ] {
            assert_eq!(asked(form_of(&json!({name: text})), FORMS), Err(Unfit::Secret), "{name}");
        }
        for about in ["title", "description"] {
            let field = json!({"value": {"type": "string", about: "Your pass-word, please"}});
            assert_eq!(asked(form_of(&field), FORMS), Err(Unfit::Secret));
        }
        for (about, said) in [
            ("oneOf", json!([{"const": "x", "title": "My password"}])),
            ("enumNames", json!(["My password"])),
            ("default", json!("your password")),
            ("format", json!("password")),
        ] {
            let field = json!({"value": {"type": "string", about: said}});
            assert_eq!(asked(form_of(&field), FORMS), Err(Unfit::Secret), "{about}");
        }
        for about in ["title", "description"] {
            let schema = json!({about: "Your password", "properties": {"x": text}});
            let form = json!({"message": "Tell me", "requestedSchema": schema});
            assert_eq!(asked(form, FORMS), Err(Unfit::Secret), "{about}");
        }
        for message in ["Your token?", "Your pass\u{115f}word?", "Your to\u{200b}ken?", "Your p\u{34f}in?"] {
            let hidden = json!({"message": message, "requestedSchema": {"properties": {"x": text}}});
            assert_eq!(asked(hidden, FORMS), Err(Unfit::Secret), "{message}");
        }
    }

    /// T33: a sentence may warn of pins, as the protocol's own reference server does, but not ask for one
    #[test]
    fn a_sentence_may_speak_of_a_pin_and_not_ask_for_it() {
        let about =
            |sentence: &str| form_of(&json!({"number": {"type": "integer", "description": sentence}}));
        let fine = "Your favorite integer (do not give us your phone number, pin, or other sensitive info)";
        for sentence in
            [fine, "Which message to pin?", "Where on the map the needle pins it", "Never tell us a bank pin"]
        {
            assert!(asked(about(sentence), FORMS).is_ok(), "{sentence}");
        }
        for sentence in [
            "Your PIN",
            "Enter the pin.",
            "PIN, please",
            "The four-digit pin",
            "your card PIN?",
            "Bank pin",
            "Do not close this page and enter your pin",
            "Do not close this page. Bank pin:",
            "Don't worry, it is safe! ATM pincode?",
        ] {
            assert_eq!(asked(about(sentence), FORMS), Err(Unfit::Secret), "{sentence}");
        }
        for name in [
            json!({"pin": {"type": "string"}}),
            json!({"x": {"type": "string", "title": "Bank pin"}}),
            json!({"pincode": {"type": "string"}}),
        ] {
            assert_eq!(asked(form_of(&name), FORMS), Err(Unfit::Secret));
        }
    }

    /// T33: it bears the connection's name, and nothing in it is hidden
    #[test]
    fn a_question_says_who_asks() {
        let mut question =
            form_of(&json!({"size": {"type": "string", "enum": ["S", "M"]}, "gift": {"type": "boolean"}}));
        question["message"] = json!("Which\u{202e} size\u{e0041}?");
        question["_meta"] = json!({"portcullis/connection": "bank"});
        question["task"] = json!({"ttl": 1});
        let fit = asked(question.clone(), FORMS).unwrap();
        assert_eq!(fit["message"], "shop: Which size?");
        assert_eq!((&fit["_meta"], fit.get("task")), (&json!({"portcullis/connection": "shop"}), None));
        assert_eq!(fit["requestedSchema"], question["requestedSchema"]);
        let choice = json!({"const": "s\u{fe0f}", "title": "Sm\u{200b}all"});
        let fields = json!({"title": {"type": "string", "title": "Si\u{202e}ze", "oneOf": [choice]}});
        let shown = asked(form_of(&fields), FORMS).unwrap()["requestedSchema"]["properties"]["title"].clone();
        assert_eq!(shown["title"], "Size");
        assert_eq!(shown["oneOf"], json!([{"const": "s\u{fe0f}", "title": "Small"}]));
    }

    /// ELIC-2, ELIC-7
    #[test]
    fn only_what_the_client_can_ask_is_asked() {
        let plain = form_of(&json!({"a": {"type": "integer"}}));
        assert_eq!(asked(plain, Asking::NOTHING), Err(Unfit::Unable));
        assert_eq!(asked(link("https://shop.example/pay"), FORMS), Err(Unfit::Unable));
        assert!(asked(link("https://shop.example/pay"), BOTH).is_ok());
        let nested = form_of(&json!({"a": {"type": "object", "properties": {}}}));
        assert_eq!(asked(nested, FORMS), Err(Unfit::Shape));
        let rows = form_of(&json!({"a": {"type": "array", "items": {"type": "object"}}}));
        assert_eq!(asked(rows, FORMS), Err(Unfit::Shape));
    }

    /// T33, SBP-8
    #[test]
    fn an_address_is_of_the_web_and_of_somebody_else() {
        for url in [
            "https://gate.example/approvals/1",
            "https://GATE.example:8443/x",
            "https://gate.example./",
            "http://shop.example/",
            "https://127.0.0.1/",
            "https://10.1.2.3/",
            "https://wiki.internal/",
            "javascript:alert(1)",
            "file:///x",
            "https://gate.example@shop.example/",
            "nonsense",
        ] {
            assert_eq!(asked(link(url), BOTH), Err(Unfit::Address), "{url}");
        }
    }
}
