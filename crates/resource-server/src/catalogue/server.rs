//! An upstream server as the catalogue describes it, and what it makes of a user's values.

use std::collections::BTreeMap;

use portcullis_oauth::{PrincipalId, Timestamp};
use zeroize::Zeroizing;

use super::parameter::{HeaderFormat, Parameter, Place, ValueError};
use super::relays::Relays;
use super::slug::Slug;
use super::template::{Filled, Template};

/// How a server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerKind {
    /// Over HTTP.
    Http {
        /// Its address, exactly as it is called.
        url: String,
        /// Whether the old transport (2024-11-05, HTTP with SSE) may be used.
        legacy_sse: bool,
    },
    /// As a child process of the gateway.
    Stdio(Template),
    /// The built-in one.
    Sandbox,
}

impl ServerKind {
    /// The kind as its column names it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Http { .. } => "http",
            Self::Stdio(_) => "stdio",
            Self::Sandbox => "sandbox",
        }
    }
}

/// How a connection signs in at its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AuthKind {
    /// Not at all, or with what its parameters hold.
    None,
    /// With a secret in a header.
    Header,
    /// With a user name and a password (RFC 7617).
    Basic,
    /// With the gateway as an OAuth client.
    OAuth,
}

impl AuthKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::None, Self::Header, Self::Basic, Self::OAuth];

    /// The kind as columns and commands name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Header => "header",
            Self::Basic => "basic",
            Self::OAuth => "oauth",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl TryFrom<String> for AuthKind {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::parse(&name).ok_or(name)
    }
}

/// What becomes of tools that nobody has reviewed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NewTools {
    /// They wait for a review.
    Quarantine,
    /// Those that only read may be called.
    #[default]
    AllowRead,
    /// They may be called.
    Allow,
}

impl NewTools {
    /// Every answer.
    pub const ALL: [Self; 3] = [Self::Quarantine, Self::AllowRead, Self::Allow];

    /// The answer as columns and commands name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quarantine => "quarantine",
            Self::AllowRead => "allow_read",
            Self::Allow => "allow",
        }
    }

    /// The answer of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|answer| answer.as_str() == name)
    }
}

/// Who may connect to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// Everybody who may sign in.
    Everyone,
    /// These, and for everybody else it does not exist.
    Listed(Vec<PrincipalId>),
}

/// An upstream server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its name in commands, addresses and rows.
    pub slug: Slug,
    /// Its name for people.
    pub title: String,
    /// How it is reached.
    pub kind: ServerKind,
    /// Whether its address may be one of a private network.
    pub private_network: bool,
    /// The ways to sign in there that users are offered; never empty.
    pub auth: Vec<AuthKind>,
    /// The header of [`AuthKind::Header`].
    pub header: HeaderFormat,
    /// What each user fills in.
    pub parameters: Vec<Parameter>,
    /// What becomes of tools that nobody has reviewed.
    pub new_tools: NewTools,
    /// What it may ask clients for.
    pub relays: Relays,
    /// Who may connect to it.
    pub visible_to: Visibility,
    /// When it was added; the epoch for the built-in one.
    pub created_at: Timestamp,
    /// Since when nobody may use it.
    pub disabled_at: Option<Timestamp>,
}

impl Server {
    /// Whether `principal` may connect to it.
    #[must_use]
    pub fn is_visible_to(&self, principal: &PrincipalId) -> bool {
        match &self.visible_to {
            Visibility::Everyone => true,
            Visibility::Listed(listed) => listed.contains(principal),
        }
    }

    /// Checks what a user filled in; both maps hold values by the names of parameters.
    ///
    /// # Errors
    /// When a value is missing, not asked for, given in the wrong place, or cannot be taken.
    pub fn accept(
        &self,
        settings: &BTreeMap<String, String>,
        secrets: &BTreeMap<String, Zeroizing<String>>,
    ) -> Result<(), ValueError> {
        let known = |name: &String| self.parameters.iter().any(|parameter| parameter.name == *name);
        if let Some(name) = settings.keys().chain(secrets.keys()).find(|name| !known(name)) {
            return Err(ValueError::Unknown(name.clone()));
        }
        for parameter in &self.parameters {
            let name = &parameter.name;
            if parameter.secret && settings.contains_key(name) {
                return Err(ValueError::Secret(name.clone()));
            }
            let value = settings
                .get(name)
                .map(String::as_str)
                .or_else(|| secrets.get(name).map(|value| value.as_str()));
            match value {
                Some(value) => parameter.accept(value)?,
                None if parameter.required => {
                    return Err(ValueError::Missing(name.clone(), parameter.about.clone()));
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Puts a user's values into their places, after checking them once more.
    ///
    /// # Errors
    /// As [`Self::accept`].
    pub fn fill(
        &self,
        settings: &BTreeMap<String, String>,
        secrets: &BTreeMap<String, Zeroizing<String>>,
    ) -> Result<Filled, ValueError> {
        self.accept(settings, secrets)?;
        let lookup = |name: &str| {
            settings.get(name).map(String::as_str).or_else(|| secrets.get(name).map(|value| value.as_str()))
        };
        let mut filled = Filled::default();
        if let ServerKind::Stdio(template) = &self.kind {
            filled.arguments = template.arguments(lookup);
            // Of the gateway's own environment a command gets what is named, and nothing else (T38).
            let inherited =
                template.inherit.iter().filter_map(|name| Some((name.clone(), std::env::var(name).ok()?)));
            let fixed = template.environment.clone().into_iter();
            filled.environment.extend(inherited.map(|(name, value)| (name, Zeroizing::new(value))));
            filled.environment.extend(fixed.map(|(name, value)| (name, Zeroizing::new(value))));
        }
        for parameter in &self.parameters {
            let Some(value) = lookup(&parameter.name) else { continue };
            match &parameter.place {
                Place::Argument => {}
                Place::Environment(variable) => {
                    filled.environment.push((variable.clone(), Zeroizing::new(value.to_owned())));
                }
                Place::Header(header) => {
                    filled.headers.push((header.name.clone(), Zeroizing::new(header.fill(value))));
                }
            }
        }
        Ok(filled)
    }
}
