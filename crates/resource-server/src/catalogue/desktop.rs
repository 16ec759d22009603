//! The configuration of desktop clients (`mcpServers`, `servers`): what somebody wrote for themselves becomes a server that
//! each user connects to with secrets of their own. Nothing that may be a secret is taken over.

use serde_json::{Map, Value};

use super::description::{Description, ParameterDescription};
use super::parameter::may_be_set;
use super::url::secret_name;

/// What a command needs of the gateway's environment in any case.
const INHERITED: [&str; 3] = ["PATH", "HOME", "LANG"];
/// Beginnings of what services give out as keys.
const KEYS: [&str; 12] = [
    "sk-",
    "sk_",
    "ghp_",
    "gho_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "pk_",
    "Bearer ",
    "Basic ",
    "eyJ",
];
/// Members that say what a server is; all others are somebody's own habits.
const KNOWN: [&str; 9] =
    ["type", "transport", "url", "serverUrl", "headers", "command", "args", "env", "description"];

/// A server as it was read, and what an admin should know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The server.
    pub description: Description,
    /// What was not taken over, in sentences.
    pub notes: Vec<String>,
}

/// Reads a configuration.
///
/// # Errors
/// One sentence, when it is no such configuration.
pub fn read_desktop(text: &str) -> Result<Vec<Imported>, String> {
    let document: Value = serde_json::from_str(text).map_err(|error| format!("this is no JSON: {error}"))?;
    let servers = document.get("mcpServers").or_else(|| document.get("servers")).and_then(Value::as_object);
    let servers = servers.ok_or("there is no object mcpServers or servers in it")?;
    servers.iter().map(|(name, entry)| read(name, entry).map_err(|why| format!("{name}: {why}"))).collect()
}

fn read(name: &str, entry: &Value) -> Result<Imported, String> {
    let members = entry.as_object().ok_or("this is no object")?;
    let mut imported = Imported {
        description: Description { slug: slug(name), title: Some(name.to_owned()), ..Description::default() },
        notes: Vec::new(),
    };
    let other: Vec<&str> = members.keys().map(String::as_str).filter(|key| !KNOWN.contains(key)).collect();
    if !other.is_empty() {
        imported.notes.push(format!("left out, since it is a client's own affair: {}", other.join(", ")));
    }
    let text = |key: &str| members.get(key).and_then(Value::as_str);
    match (text("url").or_else(|| text("serverUrl")), text("command")) {
        (Some(url), None) => {
            imported.description.url = Some(url.to_owned());
            imported.description.legacy_sse = text("type").or_else(|| text("transport")) == Some("sse");
            imported.headers(members.get("headers").and_then(Value::as_object));
        }
        (None, Some(command)) => {
            imported.description.command = Some(command.to_owned());
            imported.description.inherit = INHERITED.map(str::to_owned).to_vec();
            imported.arguments(members.get("args"))?;
            imported.environment(members.get("env").and_then(Value::as_object));
        }
        _ => return Err("name either a url or a command".to_owned()),
    }
    Ok(imported)
}

impl Imported {
    fn headers(&mut self, headers: Option<&Map<String, Value>>) {
        let Some(headers) = headers.filter(|headers| !headers.is_empty()) else { return };
        let authorization = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        let first = authorization.or_else(|| headers.iter().next());
        for (name, value) in headers {
            let value = value.as_str().unwrap_or_default();
            let scheme = value.split_once(' ').map(|(scheme, _)| scheme);
            let scheme = scheme.filter(|scheme| scheme.bytes().all(|byte| byte.is_ascii_alphabetic()));
            if first.is_some_and(|(chosen, _)| chosen == name) {
                let basic = scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("basic"));
                self.description.auth = vec![if basic { "basic" } else { "header" }.to_owned()];
                let format = scheme.map_or_else(|| "{}".to_owned(), |scheme| format!("{scheme} {{}}"));
                self.description.header = (!basic).then(|| format!("{name}: {format}"));
                self.notes
                    .push(format!("the value of the header {name} was not kept: each user gives their own"));
            } else {
                self.ask(name, &format!("The header {name}."), |asked| {
                    asked.header = Some(format!("{name}: {{}}"));
                });
            }
        }
    }

    fn environment(&mut self, variables: Option<&Map<String, Value>>) {
        for name in variables.into_iter().flat_map(Map::keys) {
            if may_be_set(name) {
                self.ask(name, &format!("The variable {name}."), |asked| {
                    asked.environment = Some(name.clone());
                });
            } else {
                self.notes.push(format!(
                    "the variable {name} was left out, since it decides what code runs; give it a fixed value if it is needed"
                ));
            }
        }
    }

    fn arguments(&mut self, arguments: Option<&Value>) -> Result<(), String> {
        let mut after_secret: Option<String> = None;
        for argument in arguments.and_then(Value::as_array).into_iter().flatten() {
            let argument = argument.as_str().ok_or("an argument is no text")?;
            let flag = argument.split('=').next().unwrap_or_default();
            let named = flag.starts_with('-') && (secret_name(flag).is_some() || flag == "--header");
            let name = flag.trim_start_matches('-');
            let kept = match (after_secret.take(), named, argument.contains('=')) {
                (Some(flag), _, _) => self.asked_argument(&flag),
                (None, true, true) => format!("{}={}", escaped(flag), self.asked_argument(name)),
                (None, true, false) => {
                    after_secret = Some(name.to_owned());
                    escaped(argument)
                }
                (None, false, _) if is_secret(argument) => self.asked_argument("secret"),
                (None, false, _) => escaped(argument),
            };
            self.description.arguments.push(kept);
        }
        Ok(())
    }

    /// Asks each user for an argument; the place for it.
    fn asked_argument(&mut self, name: &str) -> String {
        let name = self.ask(name, &format!("The argument {name}."), |asked| asked.secret = Some(true));
        format!("{{{name}}}")
    }

    fn ask(&mut self, name: &str, about: &str, place: impl FnOnce(&mut ParameterDescription)) -> String {
        let base: String = name
            .to_ascii_lowercase()
            .chars()
            .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '_' })
            .collect();
        let base =
            base.trim_start_matches(|c: char| !c.is_ascii_lowercase()).chars().take(36).collect::<String>();
        let base = if base.is_empty() { "value".to_owned() } else { base };
        let taken = |name: &String| self.description.parameter.iter().any(|known| known.name == *name);
        let numbered = (2..100).map(|number| format!("{base}_{number}"));
        let name = std::iter::once(base.clone()).chain(numbered).find(|name| !taken(name)).unwrap_or(base);
        let mut asked = ParameterDescription {
            name: name.clone(),
            about: about.to_owned(),
            ..ParameterDescription::default()
        };
        place(&mut asked);
        self.description.parameter.push(asked);
        self.notes.push(format!(
            "{about} Its value was not kept: each user gives their own, as the parameter {name}"
        ));
        name
    }
}

fn is_secret(argument: &str) -> bool {
    let query = argument.split_once('?').map(|(_, query)| query).unwrap_or_default();
    KEYS.iter().any(|key| argument.starts_with(key))
        || argument.contains("${")
        || (argument.contains("://") && (argument.contains('@') || secret_name(query).is_some()))
}

/// Braces that are meant.
fn escaped(argument: &str) -> String {
    argument.replace('{', "{{").replace('}', "}}")
}

fn slug(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let words: Vec<&str> =
        lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.join("-").chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn one(text: &str) -> Imported {
        let mut all = read_desktop(text).unwrap();
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    #[test]
    fn a_server_over_http_keeps_its_address_and_no_secret() {
        let imported = one(
            r#"{"mcpServers": {"Git Hub": {"type": "sse", "url": "https://mcp.example/sse", "autoApprove": ["x"],
                "headers": {"X-Region": "eu-secret", "Authorization": "Bearer ghp_123"}}}}"#,
        );
        let got = &imported.description;
        assert_eq!((got.slug.as_str(), got.url.as_deref()), ("git-hub", Some("https://mcp.example/sse")));
        assert!(got.legacy_sse);
        assert_eq!(
            (got.auth.join(" ").as_str(), got.header.as_deref()),
            ("header", Some("Authorization: Bearer {}"))
        );
        assert_eq!(got.parameter[0].header.as_deref(), Some("X-Region: {}"));
        let all = format!("{imported:?}");
        assert!(!all.contains("ghp_123") && !all.contains("eu-secret"), "{all}");
        assert!(imported.notes.iter().any(|note| note.contains("autoApprove")));
        assert!(got.clone().server(None).is_ok());
    }

    /// T37
    #[test]
    fn a_command_keeps_its_fixed_arguments_and_asks_for_the_rest() {
        let imported = one(
            r#"{"servers": {"db": {"command": "npx", "args": ["-y", "db-server", "--api-key", "k-1", "--token=t-2",
                "postgres://me:pw@host/db", "{literal}"], "env": {"DB_TOKEN": "s-3", "NODE_OPTIONS": "--require /evil"}}}}"#,
        );
        let got = &imported.description;
        assert_eq!(
            got.arguments,
            ["-y", "db-server", "--api-key", "{api_key}", "--token={token}", "{secret}", "{{literal}}"]
        );
        let names: Vec<&str> = got.parameter.iter().map(|asked| asked.name.as_str()).collect();
        assert_eq!(names, ["api_key", "token", "secret", "db_token"]);
        assert_eq!(got.environment, BTreeMap::new());
        let all = format!("{imported:?}");
        for secret in ["k-1", "t-2", "pw@", "s-3", "/evil"] {
            assert!(!all.contains(secret), "{secret} in {all}");
        }
        assert!(imported.notes.iter().any(|note| note.contains("NODE_OPTIONS")), "{:?}", imported.notes);
        assert!(got.clone().server(None).is_ok());
    }

    #[test]
    fn what_is_no_such_configuration_is_said_in_a_sentence() {
        assert!(read_desktop("[").unwrap_err().starts_with("this is no JSON"));
        assert!(read_desktop("{}").unwrap_err().contains("mcpServers"));
        assert_eq!(
            read_desktop(r#"{"mcpServers": {"x": {}}}"#).unwrap_err(),
            "x: name either a url or a command"
        );
    }
}
