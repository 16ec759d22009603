//! Where settings come from: the file, then the environment, then flags, each stronger than the one before.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use figment::error::Kind;
use figment::providers::{Format, Serialized, Toml};
use figment::value::{Dict, Value};
use figment::{Figment, Provider};

use super::draft::Draft;
use super::keys::{self, Key, Shape};
use super::master_key;
use crate::Problem;

/// The file that is read when none is named, if it exists.
const DEFAULT_FILE: &str = "portcullis.toml";
/// What our environment variables begin with.
const PREFIX: &str = "PORTCULLIS_";
/// Variables of the test suite, which are nobody's settings.
const TEST_PREFIX: &str = "PORTCULLIS_TEST_";
/// Names the file, so it is no setting of the file itself.
const CONFIG_VARIABLE: &str = "PORTCULLIS_CONFIG";
/// What many hosts and tools call the database. Anybody may have set it for anything, so it is weaker than all that was
/// said to Portcullis.
const COMMON_DATABASE_VARIABLE: &str = "DATABASE_URL";

/// Settings given as flags.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--data-dir`
    pub data_dir: Option<PathBuf>,
    /// `--database-url`
    pub database_url: Option<String>,
    /// `--listen`, as often as it was given
    pub listen: Vec<String>,
    /// `--ops-listen`
    pub ops_listen: Option<String>,
    /// `--public-url`
    pub public_url: Option<String>,
    /// `--behind-tls-proxy`
    pub behind_tls_proxy: bool,
    /// `--tls-certificate`
    pub tls_certificate: Option<PathBuf>,
    /// `--tls-key`
    pub tls_key: Option<PathBuf>,
}

/// A source of settings.
enum Origin {
    /// What many hosts call the database.
    Common,
    File(PathBuf),
    Environment,
    Flags,
}

impl Origin {
    /// What somebody would look for who wants to change this setting there.
    fn of(&self, name: &str) -> String {
        match self {
            Self::Common => COMMON_DATABASE_VARIABLE.to_owned(),
            Self::File(path) => path.display().to_string(),
            Self::Environment => format!("{PREFIX}{}", name.to_ascii_uppercase()),
            Self::Flags => format!("--{}", name.replace('_', "-")),
        }
    }
}

/// What one source says.
struct Layer {
    origin: Origin,
    settings: Dict,
}

/// Everything that settings are read from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The environment.
    pub environment: Vec<(String, String)>,
    /// The flags.
    pub flags: Flags,
}

impl Sources {
    /// This process's environment, and these flags. Variables that are not text cannot be settings.
    #[must_use]
    pub fn of_this_process(flags: Flags) -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self { environment: std::env::vars_os().filter_map(text).collect(), flags }
    }

    /// The settings as they were written.
    pub(super) fn read(&self) -> Result<Draft, Problem> {
        let mut figment = Figment::new();
        let mut path = PathBuf::from(DEFAULT_FILE);
        for layer in self.layers()? {
            if let Origin::File(named) = layer.origin {
                path = named;
            }
            figment = figment.merge(Serialized::defaults(layer.settings));
        }
        figment.extract().map_err(|error| Problem::configuration(wrong_type(&path, &error)))
    }

    /// Who said the value of this setting that counts: a file, a variable or a flag, or `default`.
    pub(super) fn origin(&self, name: &str) -> Result<String, Problem> {
        let layers = self.layers()?;
        let strongest = layers.iter().rev().find(|layer| layer.settings.contains_key(name));
        Ok(strongest.map_or_else(|| "default".to_owned(), |layer| layer.origin.of(name)))
    }

    /// What each source says, the strongest last.
    fn layers(&self) -> Result<Vec<Layer>, Problem> {
        let mut layers = Vec::new();
        if let Some(url) = self.variable(COMMON_DATABASE_VARIABLE) {
            let settings = Dict::from([("database_url".to_owned(), Value::from(url))]);
            layers.push(Layer { origin: Origin::Common, settings });
        }
        if let Some((path, text)) = self.file()? {
            let settings = read_file(&path, &text)?;
            layers.push(Layer { origin: Origin::File(path), settings });
        }
        layers.push(Layer { origin: Origin::Environment, settings: self.variables()? });
        layers.push(Layer { origin: Origin::Flags, settings: self.flags.given() });
        Ok(layers)
    }

    fn variable(&self, name: &str) -> Option<&str> {
        let found = self.environment.iter().find(|(given, value)| given == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    /// The file and its text; `None` when none was named and there is none.
    fn file(&self) -> Result<Option<(PathBuf, String)>, Problem> {
        let named = self.flags.config.clone().or_else(|| self.variable(CONFIG_VARIABLE).map(PathBuf::from));
        let path = named.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some((path, text))),
            Err(error) if error.kind() == ErrorKind::NotFound && named.is_none() => Ok(None),
            Err(error) => Err(Problem::configuration(format!(
                "cannot read the configuration {}: {error}; name another with --config",
                path.display()
            ))),
        }
    }

    fn variables(&self) -> Result<Dict, Problem> {
        let mut settings = Dict::new();
        for (name, value) in &self.environment {
            if !name.starts_with(PREFIX) || name.starts_with(TEST_PREFIX) || name == CONFIG_VARIABLE {
                continue;
            }
            let setting = name[PREFIX.len()..].to_ascii_lowercase();
            let key = keys::find(&setting).ok_or_else(|| {
                let nearest = keys::nearest(&setting).to_ascii_uppercase();
                Problem::configuration(format!(
                    "the environment variable {name} is no setting; did you mean {PREFIX}{nearest}?"
                ))
            })?;
            if !value.is_empty() {
                settings.insert(key.name.to_owned(), shape(key, name, value)?);
            }
        }
        Ok(settings)
    }
}

impl Flags {
    fn given(&self) -> Dict {
        let mut settings = Dict::new();
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                settings.insert(name.to_owned(), value);
            }
        };
        let path = |path: &PathBuf| Value::from(path.to_string_lossy().into_owned());
        set("data_dir", self.data_dir.as_ref().map(path));
        set("tls_certificate", self.tls_certificate.as_ref().map(path));
        set("tls_key", self.tls_key.as_ref().map(path));
        set("database_url", self.database_url.clone().map(Value::from));
        set("listen", (!self.listen.is_empty()).then(|| Value::from(self.listen.clone())));
        set("ops_listen", self.ops_listen.clone().map(Value::from));
        set("public_url", self.public_url.clone().map(Value::from));
        set("behind_tls_proxy", self.behind_tls_proxy.then_some(Value::from(true)));
        settings
    }
}

/// A variable's text as the value that its setting takes.
fn shape(key: &Key, variable: &str, text: &str) -> Result<Value, Problem> {
    let text = text.trim();
    match key.shape {
        Shape::Text => Ok(Value::from(text)),
        Shape::List => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Ok(Value::from(items.map(Value::from).collect::<Vec<_>>()))
        }
        Shape::Number => text.parse::<i64>().map(Value::from).map_err(|_| {
            Problem::configuration(format!("{variable} must be a whole number, such as {variable}=600"))
        }),
        Shape::Switch => text
            .parse::<bool>()
            .map(Value::from)
            .map_err(|_| Problem::configuration(format!("{variable} must be true or false"))),
    }
}

/// The settings in a file, each of them known.
fn read_file(path: &Path, text: &str) -> Result<Dict, Problem> {
    let profiles = Toml::string(text).data().map_err(|error| {
        let (line, reason) = place_and_reason(&error.kind.to_string());
        Problem::configuration(format!(
            "{}{line} is not TOML: {reason}; write settings as name = \"value\"",
            path.display()
        ))
    })?;
    let settings: Dict = profiles.into_values().flatten().collect();
    if settings.contains_key(master_key::SECRET) {
        return Err(master_key::refuse_in_file(path));
    }
    match settings.keys().find(|name| keys::find(name).is_none()) {
        None => Ok(settings),
        Some(unknown) => Err(Problem::configuration(format!(
            "{} has the unknown setting {unknown}; did you mean {}?",
            path.display(),
            keys::nearest(unknown)
        ))),
    }
}

/// The parser draws a picture over several lines, "TOML parse error at line 3, column 8" first and the reason last.
fn place_and_reason(drawing: &str) -> (String, String) {
    let mut lines = drawing.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let line = first
        .split_once("at line ")
        .and_then(|(_, rest)| rest.split(',').next())
        .map_or_else(String::new, |number| format!(", line {number},"));
    let drawn = |line: &&str| !line.contains('|');
    let reasons: Vec<&str> = lines.filter(drawn).collect();
    (line, if reasons.is_empty() { first.to_owned() } else { reasons.join(", ") })
}

/// A setting in the file whose value is of the wrong sort: flags and variables have been given theirs above.
fn wrong_type(path: &Path, error: &figment::Error) -> String {
    let setting = error.path.first().map_or("a setting", String::as_str);
    let expected = match keys::find(setting).map(|key| key.shape) {
        Some(Shape::Number) => "a whole number, such as 600",
        Some(Shape::Switch) => "true or false",
        Some(Shape::List) => "a list of texts, such as [\"…\", \"…\"]",
        _ => "a text in quotation marks",
    };
    match error.kind {
        Kind::InvalidType(..) | Kind::InvalidValue(..) => {
            format!("{}: {setting} must be {expected}", path.display())
        }
        _ => format!("{}: {setting} cannot be read: {}", path.display(), error.kind),
    }
}
