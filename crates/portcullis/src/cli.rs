//! The command line: what can be typed, and which code answers.
//!
//! Owns the grammar and the dispatch; each command's work stands in its own file beneath. What a command prints goes to
//! stdout; problems and notes go to stderr.

mod approvals;
mod attempts;
mod audit;
mod check;
mod client;
mod confirm;
mod connection;
mod group;
mod healthcheck;
mod issuer;
mod key_source;
mod keys;
mod limit;
mod migrate;
mod output;
mod password;
mod policy;
mod resource;
mod server;
mod settings;
mod setup;
mod span;
mod store;
mod token;
mod tool;
mod upstream_client;
mod user;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use portcullis_upstream::become_program;

use self::approvals::ApprovalsCommand;
use self::attempts::AttemptsCommand;
use self::audit::AuditCommand;
use self::client::ClientCommand;
use self::connection::ConnectionCommand;
use self::group::GroupCommand;
use self::issuer::IssuerCommand;
use self::keys::KeysCommand;
use self::limit::LimitCommand;
use self::output::Format;
pub(crate) use self::output::say;
use self::policy::PolicyCommand;
use self::resource::ResourceCommand;
use self::server::ServerCommand;
use self::settings::ConfigCommand;
use self::token::TokenCommand;
use self::tool::ToolCommand;
use self::upstream_client::UpstreamClientCommand;
use self::user::UserCommand;
use crate::config::{Config, Flags, Sources, describe};
use crate::{Problem, serve};

/// A login, a policy and a paper trail in front of MCP servers.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, after_help = AFTER_HELP, after_long_help = after_long_help())]
pub struct Cli {
    #[command(flatten)]
    global: GlobalOptions,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  portcullis serve --demo                        try it out: nothing to configure
  portcullis serve                               start, and create the first admin in the browser
  portcullis user add --email ada@example.com    invite somebody by hand
  portcullis client add --help                   register an MCP client
  portcullis config check                        go through the checklist for production

`portcullis --help` also lists every setting.";

fn after_long_help() -> String {
    format!("{AFTER_HELP}\n\n{}", describe())
}

#[derive(Debug, Args)]
struct GlobalOptions {
    /// Read settings from FILE instead of portcullis.toml
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Keep database, master key and demo files in DIR [default: data]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Use this database: postgres://… or sqlite:FILE [default: sqlite:DIR/portcullis.db]
    #[arg(long, global = true, value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,
}

/// What can be done.
#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server
    Serve(ServeArguments),
    /// Print a new one-time link that creates the first admin
    #[command(
        after_help = "The link works once, and only while there is no admin. A new one replaces the old."
    )]
    Setup {
        /// The origin that clients use, if `serve` was told it by a flag [default: http://localhost:PORT]
        #[arg(long, value_name = "URL")]
        public_url: Option<String>,
    },
    /// Add, list and change the people who sign in
    #[command(subcommand)]
    User(UserCommand),
    /// Make groups of users and machines, for policies to name
    #[command(subcommand)]
    Group(GroupCommand),
    /// Register and list OAuth clients
    #[command(subcommand)]
    Client(ClientCommand),
    /// Register and list other MCP servers whose tokens this server issues
    #[command(subcommand)]
    Resource(ResourceCommand),
    /// Keep the catalogue of upstream MCP servers that users may connect to
    #[command(subcommand)]
    Server(ServerCommand),
    /// Make, try out and end the connections of users
    #[command(subcommand)]
    Connection(ConnectionCommand),
    /// Say which identity providers may vouch for users
    #[command(subcommand)]
    Issuer(IssuerCommand),
    /// Say which clients of yours the gateway is at upstream authorization servers
    #[command(subcommand)]
    UpstreamClient(UpstreamClientCommand),
    /// Check, try, activate and explain policies: who may do what
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Look at the calls that wait for a person, and decide about one's own
    #[command(subcommand)]
    Approvals(ApprovalsCommand),
    /// Block tools, whatever policies say
    #[command(subcommand)]
    Tool(ToolCommand),
    /// Set how much one user, client, server or connection may be used
    #[command(subcommand)]
    Limit(LimitCommand),
    /// End tokens and grants
    #[command(subcommand)]
    Token(TokenCommand),
    /// List, replace and retire the keys that sign tokens, and replace those that seal secrets
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Find out why an authorization failed
    #[command(subcommand)]
    Attempts(AttemptsCommand),
    /// Search, export and verify the audit trail
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Bring the database's schema up to date, as every start does, and say what was done
    Migrate(Format),
    /// Show and check the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a completion script for a shell
    #[command(after_help = "\
Examples:
  portcullis completions bash > ~/.local/share/bash-completion/completions/portcullis
  portcullis completions zsh > ~/.zfunc/_portcullis
  portcullis completions fish > ~/.config/fish/completions/portcullis.fish")]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Ask the server on this machine whether it is alive
    #[command(hide = true)]
    Healthcheck,
    /// Become a program that is an MCP server; the server starts itself so for each
    #[command(hide = true)]
    StdioChild {
        /// The process that started this one, the command, and its arguments
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<OsString>,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis serve --demo
  portcullis serve --listen localhost:9000
  portcullis serve --listen 0.0.0.0:443 --public-url https://mcp.example.com --tls-certificate chain.pem --tls-key key.pem
  portcullis serve --listen 0.0.0.0:8420 --public-url https://mcp.example.com --behind-tls-proxy
  portcullis --database-url postgres://portcullis@db/portcullis serve

Ctrl-C stops it: requests that are under way get up to five seconds to finish.")]
struct ServeArguments {
    /// Create a demo user and a sandbox connection, and say how to sign in (for this computer only)
    #[arg(long)]
    demo: bool,
    /// Listen here; may be given several times [default: localhost:8420]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Vec<String>,
    /// Answer /healthz, /readyz and /metrics here, or nowhere: off [default: 127.0.0.1:8421]
    #[arg(long, value_name = "ADDRESS:PORT")]
    ops_listen: Option<String>,
    /// The origin that clients use [default: http://localhost:PORT]
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// A proxy in front of us ends TLS
    #[arg(long)]
    behind_tls_proxy: bool,
    /// End TLS here, with the certificate in this PEM file
    #[arg(long, value_name = "FILE")]
    tls_certificate: Option<PathBuf>,
    /// The certificate's private key, in this PEM file
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
}

impl Cli {
    /// Becomes another program, if that was asked: before there is a runtime with threads, settings or a log.
    ///
    /// # Errors
    /// When it could not; otherwise there is nobody left to come back.
    pub fn become_child(&self) -> Result<(), Problem> {
        match &self.command {
            Command::StdioChild { words } => {
                Err(Problem::failed(format!("cannot become the program: {}", become_program(words))))
            }
            _ => Ok(()),
        }
    }

    /// Does what was asked.
    ///
    /// # Errors
    /// When it could not be done, in one sentence.
    pub async fn run(self) -> Result<(), Problem> {
        if let Command::Completions { shell } = self.command {
            return complete(shell);
        }
        let sources = Sources::of_this_process(self.flags());
        let config = Config::load(&sources)?;
        match self.command {
            Command::Serve(arguments) => serve::run(config, arguments.demo).await,
            Command::Setup { .. } => setup::run(&config).await,
            Command::User(command) => user::run(command, &config).await,
            Command::Group(command) => group::run(command, &config).await,
            Command::Policy(command) => policy::run(command, &config).await,
            Command::Approvals(command) => approvals::run(command, &config).await,
            Command::Tool(command) => tool::run(command, &config).await,
            Command::Limit(command) => limit::run(command, &config).await,
            Command::Client(command) => client::run(command, &config).await,
            Command::Resource(command) => resource::run(command, &config).await,
            Command::Server(command) => server::run(command, &config).await,
            Command::Connection(command) => connection::run(command, &config).await,
            Command::Issuer(command) => issuer::run(command, &config).await,
            Command::UpstreamClient(command) => upstream_client::run(command, &config).await,
            Command::Token(command) => token::run(command, &config).await,
            Command::Keys(command) => keys::run(command, &config).await,
            Command::Attempts(command) => attempts::run(command, &config).await,
            Command::Audit(command) => audit::run(command, &config).await,
            Command::Migrate(format) => migrate::run(format, &config).await,
            Command::Config(command) => settings::run(command, &config, &sources).await,
            // Answered before, without a configuration.
            Command::Completions { .. } | Command::StdioChild { .. } => Ok(()),
            Command::Healthcheck => healthcheck::run(&config),
        }
    }

    fn flags(&self) -> Flags {
        let mut flags = Flags {
            config: self.global.config.clone(),
            data_dir: self.global.data_dir.clone(),
            database_url: self.global.database_url.clone(),
            ..Flags::default()
        };
        if let Command::Serve(serve) = &self.command {
            flags.listen.clone_from(&serve.listen);
            flags.ops_listen.clone_from(&serve.ops_listen);
            flags.public_url.clone_from(&serve.public_url);
            flags.behind_tls_proxy = serve.behind_tls_proxy;
            flags.tls_certificate.clone_from(&serve.tls_certificate);
            flags.tls_key.clone_from(&serve.tls_key);
        }
        if let Command::Setup { public_url } = &self.command {
            flags.public_url.clone_from(public_url);
        }
        flags
    }
}

/// Who changes something here, for those who read of it later: whoever is signed in to this computer.
fn author() -> String {
    let name = std::env::var("USER").ok().filter(|name| !name.is_empty() && name.len() <= 100);
    name.map_or_else(|| "the command line".to_owned(), |name| format!("{name} at the command line"))
}

/// The script is made in memory, since the generator panics where a reader has gone.
fn complete(shell: Shell) -> Result<(), Problem> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "portcullis", &mut script);
    let script = String::from_utf8(script).map_err(Problem::failed)?;
    say(&script.trim_end());
    Ok(())
}

#[cfg(test)]
mod tests;
