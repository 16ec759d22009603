//! A command that speaks MCP over its standard streams, as an admin wrote it: what users fill in are single arguments and
//! environment variables, never the command itself and never a shell's text (T37).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::parameter::{Parameter, Place, is_variable};

/// A command with its fixed arguments and environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// The program: a path, or a name to be found in the gateway's own `PATH`.
    pub command: String,
    /// Its arguments. `{name}` in one of them, once, stands for a user's value.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Variables with fixed values, which are no secrets: whoever lists servers sees them.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Names of variables that the command gets from the gateway's own environment; it gets no others.
    #[serde(default)]
    pub inherit: Vec<String>,
}

/// What a user's values make of a server's parameters. Values that are secrets are among them: it is dropped right after
/// use, and never shown.
#[derive(Clone, Default)]
pub struct Filled {
    /// The arguments of the command.
    pub arguments: Vec<Zeroizing<String>>,
    /// Its environment, beside what it inherits.
    pub environment: Vec<(String, Zeroizing<String>)>,
    /// Headers of each request.
    pub headers: Vec<(String, Zeroizing<String>)>,
}

impl std::fmt::Debug for Filled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Filled")
    }
}

/// Why a command was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// No program, or a text that no program gets.
    #[error("the command is one program with its arguments apart, without control characters")]
    Command,
    /// A place for a value that nobody is asked for.
    #[error(
        "the argument {0} names no parameter; declare it, or write {{{{ and }}}} for braces that are meant"
    )]
    Unknown(String),
    /// Two places in one argument.
    #[error("the argument {0} has more than one place for a value; one argument takes one value")]
    TwoPlaces(String),
    /// A parameter that goes nowhere.
    #[error("the parameter {0} is an argument, and no argument of the command names it in braces")]
    Unused(String),
    /// A variable that cannot be, or is the gateway's own.
    #[error("{0}: this environment variable cannot be given to a command")]
    Environment(String),
    /// A parameter that a command cannot take.
    #[error("the parameter {0} is a header, and a command has none")]
    Header(String),
}

/// A piece of an argument.
enum Piece<'a> {
    Text(&'a str),
    Place(&'a str),
}

impl Template {
    /// Checks what an admin wrote.
    ///
    /// # Errors
    /// When the command cannot be started as written.
    pub fn check(&self, parameters: &[Parameter]) -> Result<(), TemplateError> {
        let printable = |text: &String| !text.chars().any(char::is_control);
        if self.command.trim().is_empty()
            || !printable(&self.command)
            || !self.arguments.iter().all(printable)
        {
            return Err(TemplateError::Command);
        }
        let mut named = Vec::new();
        for argument in &self.arguments {
            let places: Vec<&str> = pieces(argument)
                .filter_map(|piece| if let Piece::Place(name) = piece { Some(name) } else { None })
                .collect();
            match places[..] {
                [] => {}
                [name]
                    if parameters
                        .iter()
                        .any(|known| known.name == name && known.place == Place::Argument) =>
                {
                    named.push(name);
                }
                [_] => return Err(TemplateError::Unknown(argument.clone())),
                _ => return Err(TemplateError::TwoPlaces(argument.clone())),
            }
        }
        for parameter in parameters {
            match &parameter.place {
                Place::Argument if !named.contains(&parameter.name.as_str()) => {
                    return Err(TemplateError::Unused(parameter.name.clone()));
                }
                Place::Header(_) => return Err(TemplateError::Header(parameter.name.clone())),
                Place::Argument | Place::Environment(_) => {}
            }
        }
        let ours = |name: &str| name.to_ascii_uppercase().starts_with("PORTCULLIS_");
        let fixed = self.environment.iter().find(|(name, value)| !is_variable(name) || !printable(value));
        let inherited = self.inherit.iter().find(|name| !is_variable(name) || ours(name));
        let refused = fixed.map(|(name, _)| name).or(inherited);
        refused.map_or(Ok(()), |name| Err(TemplateError::Environment(name.clone())))
    }

    /// The arguments with the values of `lookup` in their places. An argument whose optional value is absent is left out.
    pub(super) fn arguments<'v>(&self, lookup: impl Fn(&str) -> Option<&'v str>) -> Vec<Zeroizing<String>> {
        let filled = |argument: &String| {
            let mut text = Zeroizing::new(String::new());
            for piece in pieces(argument) {
                match piece {
                    Piece::Text(fixed) => text.push_str(fixed),
                    Piece::Place(name) => text.push_str(lookup(name)?),
                }
            }
            Some(text)
        };
        self.arguments.iter().filter_map(filled).collect()
    }
}

/// `{name}` is a place; `{{` and `}}` are braces; everything else is text.
fn pieces(argument: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = argument;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        for (doubled, brace) in [("{{", "{"), ("}}", "}")] {
            if let Some(after) = rest.strip_prefix(doubled) {
                rest = after;
                return Some(Piece::Text(brace));
            }
        }
        if let Some((name, after)) = rest.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            rest = after;
            return Some(Piece::Place(name));
        }
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let end = rest[first..].find(['{', '}']).map_or(rest.len(), |at| first + at);
        let (text, after) = rest.split_at(end);
        rest = after;
        Some(Piece::Text(text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(arguments: &[&str]) -> Template {
        Template {
            command: "npx".to_owned(),
            arguments: arguments.iter().map(|&text| text.to_owned()).collect(),
            ..Template::default()
        }
    }

    fn root(place: Place) -> Parameter {
        Parameter {
            name: "root".to_owned(),
            about: "Folder".to_owned(),
            secret: false,
            required: false,
            pattern: None,
            place,
        }
    }

    #[test]
    fn a_value_is_one_argument_whatever_it_holds() {
        let template = template(&["-y", "server", "--root={root}", "{root}", "{{json}}"]);
        assert_eq!(template.check(&[root(Place::Argument)]), Ok(()));
        let given =
            |value| template.arguments(|_| value).iter().map(|text| text.to_string()).collect::<Vec<_>>();
        let value = "a b; {root} $(id)";
        assert_eq!(given(Some(value)), ["-y", "server", "--root=a b; {root} $(id)", value, "{json}"]);
        assert_eq!(given(None), ["-y", "server", "{json}"]);
    }

    #[test]
    fn what_an_admin_wrote_is_checked() {
        let root = [root(Place::Argument)];
        assert_eq!(template(&["{folder}"]).check(&root), Err(TemplateError::Unknown("{folder}".to_owned())));
        assert_eq!(
            template(&["{root}{root}"]).check(&root),
            Err(TemplateError::TwoPlaces("{root}{root}".to_owned()))
        );
        assert_eq!(template(&["x"]).check(&root), Err(TemplateError::Unused("root".to_owned())));
        assert_eq!(template(&["a\nb"]).check(&[]), Err(TemplateError::Command));
        assert_eq!(Template::default().check(&[]), Err(TemplateError::Command));
        let inherits = Template { inherit: vec!["PORTCULLIS_DATABASE_URL".to_owned()], ..template(&[]) };
        assert!(matches!(inherits.check(&[]), Err(TemplateError::Environment(_))));
    }
}
