//! A server from words on the command line.

use std::collections::BTreeMap;

use clap::Args;
use portcullis_resource_server::catalogue::{Description, ParameterDescription};

use crate::cli::output::Format;

/// A new server.
#[derive(Debug, Args)]
pub(in crate::cli) struct AddArguments {
    /// Its name in commands and addresses
    #[arg(long)]
    slug: String,
    /// Its name for people [default: the slug]
    #[arg(long)]
    title: Option<String>,
    /// Its address
    #[arg(long, conflicts_with = "command", required_unless_present = "command")]
    url: Option<String>,
    /// It may speak the old transport, HTTP with SSE (2024-11-05)
    #[arg(long, requires = "url")]
    legacy_sse: bool,
    /// Its address may be one of a private network
    #[arg(long, requires = "url")]
    private_network: bool,
    /// A way to sign in that users are offered: none, header, basic, oauth; may be given several times [default: oauth, header]
    #[arg(long, value_name = "KIND")]
    auth: Vec<String>,
    /// The header for --auth header [default: Authorization: Bearer {}]
    #[arg(long, value_name = "NAME: TEXT")]
    header: Option<String>,
    /// What becomes of tools that nobody reviewed: quarantine, `allow_read`, allow
    #[arg(long, value_name = "WHAT")]
    new_tools: Option<String>,
    /// What it may ask clients for: sampling (what their model says), roots (their folders), both with a comma between them
    /// [default: none]
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    relays: Vec<String>,
    /// Only this user may connect; may be given several times [default: everybody]
    #[arg(long = "for", value_name = "EMAIL")]
    users: Vec<String>,
    /// The program of a server that runs as a child process
    #[arg(long)]
    command: Option<String>,
    /// An argument of the program, in which {name} stands for a value; may be given several times
    #[arg(long = "argument", value_name = "TEXT", requires = "command", allow_hyphen_values = true)]
    arguments: Vec<String>,
    /// A variable of the program's environment; may be given several times
    #[arg(long = "environment", value_name = "NAME=VALUE", requires = "command", value_parser = pair)]
    environment: Vec<(String, String)>,
    /// A variable that the program gets from the gateway's own environment; may be given several times
    #[arg(long = "inherit", value_name = "NAME", requires = "command")]
    inherit: Vec<String>,
    /// A value that users fill in for an argument
    #[arg(long = "ask", value_name = "NAME=SENTENCE", value_parser = pair)]
    asked: Vec<(String, String)>,
    /// A secret that users fill in for an environment variable
    #[arg(long = "ask-environment", value_name = "VARIABLE=SENTENCE", value_parser = pair)]
    asked_environment: Vec<(String, String)>,
    /// A secret that users fill in for a header
    #[arg(long = "ask-header", value_name = "HEADER=SENTENCE", value_parser = pair)]
    asked_headers: Vec<(String, String)>,
    #[command(flatten)]
    pub(super) format: Format,
}

/// `NAME=TEXT`
fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    pair.map(|(name, text)| (name.to_owned(), text.to_owned()))
        .ok_or_else(|| "write a name, = and a text".to_owned())
}

impl AddArguments {
    /// The same as a file would say it.
    pub(super) fn description(self) -> Description {
        let plain = |name: &str| name.to_ascii_lowercase().replace('-', "_");
        let blank = |(name, about): (String, String)| ParameterDescription {
            name: plain(&name),
            about,
            ..ParameterDescription::default()
        };
        let variable = |(name, about): (String, String)| ParameterDescription {
            environment: Some(name.clone()),
            ..blank((name, about))
        };
        let header = |(name, about): (String, String)| ParameterDescription {
            header: Some(format!("{name}: {{}}")),
            ..blank((name, about))
        };
        let parameters = self.asked.into_iter().map(blank);
        let parameters = parameters.chain(self.asked_environment.into_iter().map(variable));
        Description {
            slug: self.slug,
            title: self.title,
            url: self.url,
            legacy_sse: self.legacy_sse,
            private_network: self.private_network,
            auth: self.auth,
            header: self.header,
            new_tools: self.new_tools,
            relays: super::set::words(self.relays),
            users: (!self.users.is_empty()).then_some(self.users),
            command: self.command,
            arguments: self.arguments,
            environment: self.environment.into_iter().collect::<BTreeMap<_, _>>(),
            inherit: self.inherit,
            parameter: parameters.chain(self.asked_headers.into_iter().map(header)).collect(),
        }
    }
}
