//! What a server asks of each user: one value, where it goes, and what it may be (T37).

use axum::http::HeaderName;
use regex::Regex;
use serde::{Deserialize, Serialize};

/// No value is longer, in bytes.
const LONGEST: usize = 4_096;

/// A header and how a value stands in it; `{}` marks the place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderFormat {
    /// The header's name.
    pub name: String,
    /// What it holds, such as `Bearer {}`.
    pub format: String,
}

impl Default for HeaderFormat {
    fn default() -> Self {
        Self { name: "Authorization".to_owned(), format: "Bearer {}".to_owned() }
    }
}

/// Where a value goes. Never into a shell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Into the argument of the command that names it in braces.
    Argument,
    /// Into an environment variable of the command.
    Environment(String),
    /// Into a header of each request.
    Header(HeaderFormat),
}

/// One value that each user fills in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Its name in forms, commands and `{name}`: lower-case letters, digits and underscores.
    pub name: String,
    /// What people read beside the field.
    pub about: String,
    /// Whether it is kept sealed and never shown again.
    pub secret: bool,
    /// Whether a connection needs it.
    pub required: bool,
    /// A regular expression that the whole value has to match.
    #[serde(default)]
    pub pattern: Option<String>,
    /// Where it goes.
    pub place: Place,
}

/// Why a parameter or its value was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// The name of a parameter.
    #[error(
        "{0}: a parameter's name is 1 to 40 lower-case letters, digits and underscores and begins with a letter"
    )]
    Name(String),
    /// A regular expression that is none.
    #[error("{0}: the pattern is no regular expression")]
    Pattern(String),
    /// An environment variable that changes what a program is, and not what it works on.
    #[error("{0}: users must not choose this environment variable, since it decides what code runs")]
    Environment(String),
    /// A header that is no header, or belongs to the protocol.
    #[error(
        "{0}: this header cannot be set; write NAME: TEXT with {{}} where the value goes, and leave those of HTTP and MCP alone"
    )]
    Header(String),
    /// A value that was asked for and not given.
    #[error("{0} is needed: {1}")]
    Missing(String, String),
    /// A value that nobody asked for.
    #[error("{0}: the server does not ask for this")]
    Unknown(String),
    /// A secret that was given where everybody can read it.
    #[error("{0} is a secret; give it as one")]
    Secret(String),
    /// A value that must not reach a command or a header.
    #[error("{0} must not be empty, hold line breaks or control characters, or be longer than 4096 bytes")]
    Characters(String),
    /// An argument that would be read as an option.
    #[error("{0} must not begin with a hyphen, since the command would take it for an option")]
    Option(String),
    /// A value that does not match the pattern.
    #[error("{0} does not have the form that the server asks for: {1}")]
    Form(String, String),
}

impl Parameter {
    /// Checks what an admin wrote.
    ///
    /// # Errors
    /// When the name, the pattern or the place cannot be.
    pub fn check(&self) -> Result<(), ValueError> {
        let name = || self.name.clone();
        let head = self.name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if !head || self.name.len() > 40 || !self.name.bytes().all(known) {
            return Err(ValueError::Name(name()));
        }
        if self.pattern.as_deref().is_some_and(|pattern| whole(pattern).is_none()) {
            return Err(ValueError::Pattern(name()));
        }
        match &self.place {
            Place::Argument => Ok(()),
            Place::Environment(variable) if may_be_set(variable) => Ok(()),
            Place::Environment(variable) => Err(ValueError::Environment(variable.clone())),
            Place::Header(header) => header.check(),
        }
    }

    /// Checks what a user wrote.
    ///
    /// # Errors
    /// When it could change more than the admin meant, or has not the form that is asked for.
    pub fn accept(&self, value: &str) -> Result<(), ValueError> {
        if value.is_empty() || value.len() > LONGEST || value.chars().any(char::is_control) {
            return Err(ValueError::Characters(self.name.clone()));
        }
        if self.place == Place::Argument && value.starts_with('-') {
            return Err(ValueError::Option(self.name.clone()));
        }
        if matches!(self.place, Place::Header(_)) && !value.bytes().all(|byte| matches!(byte, 0x20..=0x7e)) {
            return Err(ValueError::Characters(self.name.clone()));
        }
        match &self.pattern {
            Some(pattern) if !whole(pattern).is_some_and(|pattern| pattern.is_match(value)) => {
                Err(ValueError::Form(self.name.clone(), self.about.clone()))
            }
            _ => Ok(()),
        }
    }
}

impl HeaderFormat {
    /// Checks what an admin wrote.
    ///
    /// # Errors
    /// When the header belongs to the protocol, is none, or has no place for a value.
    pub fn check(&self) -> Result<(), ValueError> {
        let name = self.name.to_ascii_lowercase();
        let ours = [
            "host",
            "content-",
            "transfer-",
            "accept",
            "connection",
            "te",
            "trailer",
            "upgrade",
            "mcp-",
            "last-event-id",
            "forwarded",
            "x-forwarded-",
            "proxy-",
            "cookie",
            "expect",
            "keep-alive",
        ];
        let belongs = |word: &str| if word.ends_with('-') { name.starts_with(word) } else { name == word };
        let printable = self.format.bytes().all(|byte| matches!(byte, 0x20..=0x7e));
        let one_place = self.format.matches("{}").count() == 1;
        if HeaderName::try_from(&name).is_err()
            || ours.iter().any(|word| belongs(word))
            || !printable
            || !one_place
        {
            return Err(ValueError::Header(self.name.clone()));
        }
        Ok(())
    }

    /// The header's value with `secret` in its place.
    #[must_use]
    pub fn fill(&self, secret: &str) -> String {
        self.format.replacen("{}", secret, 1)
    }
}

fn whole(pattern: &str) -> Option<Regex> {
    regex::RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(100_000).build().ok()
}

/// Beginnings of the names of variables that load code, or change which program runs, how it is interpreted, or whom it
/// trusts.
const DECISIVE: &[&str] = &[
    "LD_",
    "DYLD_",
    "PYTHON",
    "NODE_",
    "NPM_CONFIG_",
    "BASH_",
    "PERL5",
    "RUBY",
    "GEM_",
    "BUNDLE_",
    "JAVA_",
    "_JAVA_",
    "JDK_",
    "GIT_",
    "SSH_",
    "UV_",
    "PIP_",
    "DENO_",
    "BUN_",
    "PHP_INI",
    "LUA_",
    "DOTNET_",
    "CORECLR_",
    "COR_",
    "GCONV_",
    "MALLOC_",
    "GLIBC_",
    "OPENSSL_",
    "SSL_",
    "CURL_",
    "REQUESTS_",
    "XDG_",
    "PORTCULLIS_",
    "CARGO_",
    "RUST_",
    "RUSTC",
    "YARN_",
    "PNPM_",
];
/// The same, whole names.
const DECISIVE_WHOLE: &[&str] = &[
    "PATH",
    "HOME",
    "SHELL",
    "ENV",
    "IFS",
    "PS4",
    "EDITOR",
    "VISUAL",
    "PAGER",
    "BROWSER",
    "USER",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "CDPATH",
    "CLASSPATH",
    "PROMPT_COMMAND",
    "TMPDIR",
    "TMP",
    "TEMP",
    "LOCPATH",
    "NLSPATH",
    "PHPRC",
    "GOFLAGS",
    "GOROOT",
    "GOPATH",
    "GOENV",
    "GOPROXY",
    "DOCKER_HOST",
    "DOCKER_CONFIG",
    "KUBECONFIG",
    "PERLLIB",
];

/// Whether a user may choose the value of this environment variable (T37).
#[must_use]
pub(super) fn may_be_set(variable: &str) -> bool {
    let upper = variable.to_ascii_uppercase();
    is_variable(variable)
        && !DECISIVE.iter().any(|beginning| upper.starts_with(beginning))
        && !DECISIVE_WHOLE.contains(&upper.as_str())
}

/// Whether this is the name of an environment variable at all.
#[must_use]
pub(super) fn is_variable(name: &str) -> bool {
    let head = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    head && name.len() <= 100 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(place: Place) -> Parameter {
        Parameter {
            name: "folder".to_owned(),
            about: "The folder to read.".to_owned(),
            secret: false,
            required: true,
            pattern: None,
            place,
        }
    }

    /// T37
    #[test]
    fn a_value_cannot_be_an_option_a_second_line_or_the_end_of_a_text() {
        let argument = parameter(Place::Argument);
        assert_eq!(
            argument.accept("/srv/notes; rm -rf $HOME"),
            Ok(()),
            "there is no shell that would read it"
        );
        for value in ["--upload-pack=evil", "-x"] {
            assert_eq!(argument.accept(value), Err(ValueError::Option("folder".to_owned())), "{value}");
        }
        for value in ["", "one\ntwo", "nul\0", "cr\r", "\u{1b}[2J"] {
            assert_eq!(argument.accept(value), Err(ValueError::Characters("folder".to_owned())), "{value:?}");
        }
        let header = parameter(Place::Header(HeaderFormat::default()));
        assert!(header.accept("gr\u{fc}n").is_err() && header.accept("green").is_ok());
        assert!(argument.accept(&"x".repeat(LONGEST + 1)).is_err());
    }

    #[test]
    fn a_pattern_is_matched_by_the_whole_value() {
        let argument = Parameter { pattern: Some("[a-z]+|[0-9]+".to_owned()), ..parameter(Place::Argument) };
        assert_eq!(argument.check(), Ok(()));
        assert!(argument.accept("abc").is_ok() && argument.accept("12").is_ok());
        assert!(argument.accept("abc12").is_err() && argument.accept("12;abc").is_err());
        let broken = Parameter { pattern: Some("(".to_owned()), ..argument };
        assert_eq!(broken.check(), Err(ValueError::Pattern("folder".to_owned())));
    }

    /// T37
    #[test]
    fn users_choose_no_variable_that_decides_what_runs() {
        for refused in [
            "LD_PRELOAD",
            "ld_preload",
            "DYLD_INSERT_LIBRARIES",
            "NODE_OPTIONS",
            "PATH",
            "Path",
            "PYTHONSTARTUP",
            "BASH_ENV",
            "PERL5OPT",
            "RUBYOPT",
            "JAVA_TOOL_OPTIONS",
            "GIT_SSH_COMMAND",
            "npm_config_registry",
            "PORTCULLIS_MASTER_KEY",
            "HTTPS_PROXY",
            "A B",
            "A=B",
            "",
            "1A",
        ] {
            let variable = parameter(Place::Environment(refused.to_owned()));
            assert_eq!(variable.check(), Err(ValueError::Environment(refused.to_owned())), "{refused}");
        }
        for taken in ["GITHUB_TOKEN", "GOOGLE_API_KEY", "TEMPORAL_NAMESPACE", "NPM_TOKEN", "ROOT"] {
            assert_eq!(parameter(Place::Environment(taken.to_owned())).check(), Ok(()), "{taken}");
        }
    }

    #[test]
    fn headers_of_the_protocol_are_nobodys() {
        let header = |name: &str, format: &str| {
            HeaderFormat { name: name.to_owned(), format: format.to_owned() }.check()
        };
        for (name, format) in [("X-Api-Key", "{}"), ("Authorization", "token {}"), ("PRIVATE-TOKEN", "{}")] {
            assert_eq!(header(name, format), Ok(()), "{name}");
        }
        for name in
            ["Host", "content-length", "Mcp-Session-Id", "Transfer-Encoding", "Cookie", "a b", "x\r\ny", ""]
        {
            assert!(header(name, "{}").is_err(), "{name}");
        }
        assert!(header("X-Api-Key", "none").is_err() && header("X-Api-Key", "{} {}").is_err());
        assert_eq!(HeaderFormat::default().fill("{}abc"), "Bearer {}abc");
    }
}
