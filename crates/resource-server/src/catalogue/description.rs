//! A server as an admin writes it down: in a file, on the command line, or as another program's configuration says it.

use std::collections::BTreeMap;

use portcullis_oauth::{PrincipalId, Timestamp};
use serde::Deserialize;

use super::parameter::{HeaderFormat, Parameter, Place};
use super::relays::{Relays, UnknownRelay};
use super::server::{AuthKind, NewTools, Server, ServerKind, Visibility};
use super::slug::{Slug, SlugError};
use super::template::Template;

/// A server, in words. Members that are absent take what is usual.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Description {
    /// Its name in commands, addresses and rows.
    pub slug: String,
    /// Its name for people; the slug if absent.
    pub title: Option<String>,
    /// Its address, for one that is reached over HTTP.
    pub url: Option<String>,
    /// Whether the old transport (2024-11-05) may be used.
    pub legacy_sse: bool,
    /// Whether its address may be one of a private network.
    pub private_network: bool,
    /// The ways to sign in that are offered: `none`, `header`, `basic`, `oauth`.
    pub auth: Vec<String>,
    /// The header of those who sign in by one, such as `Authorization: Bearer {}`.
    pub header: Option<String>,
    /// What becomes of tools that nobody reviewed: `quarantine`, `allow_read`, `allow`.
    pub new_tools: Option<String>,
    /// What it may ask clients for: `sampling`, `roots`; nothing if absent.
    pub relays: Vec<String>,
    /// The e-mail addresses of those who may connect to it; everybody if absent.
    pub users: Option<Vec<String>>,
    /// The program, for one that is a child process.
    pub command: Option<String>,
    /// Its arguments; `{name}` stands for a parameter's value.
    pub arguments: Vec<String>,
    /// Its environment.
    pub environment: BTreeMap<String, String>,
    /// What it gets of the gateway's own environment.
    pub inherit: Vec<String>,
    /// What each user fills in.
    pub parameter: Vec<ParameterDescription>,
}

/// What each user fills in, in words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ParameterDescription {
    /// Its name.
    pub name: String,
    /// What people read beside the field.
    pub about: String,
    /// Whether it is a secret: yes if absent, but for arguments.
    pub secret: Option<bool>,
    /// Whether it may be left out.
    pub optional: bool,
    /// A regular expression that the whole value has to match.
    pub pattern: Option<String>,
    /// The environment variable that it goes to.
    pub environment: Option<String>,
    /// The header that it goes to, such as `X-Api-Key: {}`.
    pub header: Option<String>,
}

/// Why a description is none of a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescriptionError {
    /// Its name.
    #[error("{0}: {1}")]
    Slug(String, SlugError),
    /// Both ways to reach it, or none.
    #[error("{0}: name either the url of a server or the command of one")]
    Kind(String),
    /// A way to sign in that does not exist.
    #[error("{0}: {1} is no way to sign in; there are none, header, basic and oauth")]
    Auth(String, String),
    /// A default that does not exist.
    #[error("{0}: new tools are treated by quarantine, allow_read or allow")]
    NewTools(String),
    /// Something that no server can be let ask for.
    #[error("{0}: {1}")]
    Relays(String, UnknownRelay),
    /// A header without a name.
    #[error("{0}: write a header as `NAME: TEXT`, with {{}} where the value goes")]
    Header(String),
}

impl Description {
    /// The server; `users` are those of [`Self::users`]. What it says is checked when it is added.
    ///
    /// # Errors
    /// When a word of it has no meaning.
    pub fn server(self, users: Option<Vec<PrincipalId>>) -> Result<Server, DescriptionError> {
        let slug =
            Slug::parse(&self.slug).map_err(|error| DescriptionError::Slug(self.slug.clone(), error))?;
        let name = || slug.to_string();
        let (kind, usual): (_, &[AuthKind]) = match (self.url, self.command) {
            (Some(url), None) => {
                (ServerKind::Http { url, legacy_sse: self.legacy_sse }, &[AuthKind::OAuth, AuthKind::Header])
            }
            (None, Some(command)) => {
                let (arguments, environment, inherit) = (self.arguments, self.environment, self.inherit);
                (ServerKind::Stdio(Template { command, arguments, environment, inherit }), &[AuthKind::None])
            }
            _ => return Err(DescriptionError::Kind(name())),
        };
        let mut auth = Vec::new();
        for word in &self.auth {
            auth.push(AuthKind::parse(word).ok_or_else(|| DescriptionError::Auth(name(), word.clone()))?);
        }
        let new_tools = self.new_tools.map_or(Some(NewTools::default()), |word| NewTools::parse(&word));
        let relays = Relays::parse(self.relays.iter().map(String::as_str));
        let header = self.header.as_deref().map(|text| read_header(&slug, text)).transpose()?;
        let parameters = self.parameter.into_iter().map(|parameter| parameter.read(&slug));
        Ok(Server {
            title: self.title.unwrap_or_else(name),
            kind,
            private_network: self.private_network,
            auth: if auth.is_empty() { usual.to_vec() } else { auth },
            header: header.unwrap_or_default(),
            parameters: parameters.collect::<Result<_, _>>()?,
            new_tools: new_tools.ok_or_else(|| DescriptionError::NewTools(name()))?,
            relays: relays.map_err(|unknown| DescriptionError::Relays(name(), unknown))?,
            visible_to: users.map_or(Visibility::Everyone, Visibility::Listed),
            created_at: Timestamp::from_micros(0),
            disabled_at: None,
            slug,
        })
    }
}

impl ParameterDescription {
    fn read(self, slug: &Slug) -> Result<Parameter, DescriptionError> {
        let place = match (self.environment, self.header) {
            (Some(variable), _) => Place::Environment(variable),
            (None, Some(header)) => Place::Header(read_header(slug, &header)?),
            (None, None) => Place::Argument,
        };
        Ok(Parameter {
            secret: self.secret.unwrap_or(place != Place::Argument),
            name: self.name,
            about: self.about,
            required: !self.optional,
            pattern: self.pattern,
            place,
        })
    }
}

fn read_header(slug: &Slug, text: &str) -> Result<HeaderFormat, DescriptionError> {
    let (name, format) = text.split_once(':').ok_or_else(|| DescriptionError::Header(slug.to_string()))?;
    Ok(HeaderFormat { name: name.trim().to_owned(), format: format.trim().to_owned() })
}
