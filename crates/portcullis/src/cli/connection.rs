//! `portcullis connection …`: what users are connected to, for an admin at the shell.

mod new;
mod review;
mod shown;

use std::sync::Arc;

use clap::{Args, Subcommand};
use portcullis_authorization_server::User;
use portcullis_oauth::{Alias, Clock, SystemClock};
use portcullis_resource_server::{Connection, Connections, Enrolment, EnrolmentError, Who};
use portcullis_vault::Vault;
use serde_json::json;

use self::new::{AddArguments, Answers};
use self::review::{ReviewArguments, SetArguments};
use self::shown::{list, show, show_tools, show_whole};
use super::confirm::Confirmation;
use super::output::{Format, print_json};
use super::store;
use crate::Problem;
use crate::app::{App, AppParts, assemble};
use crate::config::Config;

/// What can be done with connections.
#[derive(Debug, Subcommand)]
pub(super) enum ConnectionCommand {
    /// Connect a user to a server of the catalogue, and try it out
    #[command(after_help = "\
Examples:
  printf '%s' \"$TOKEN\" | portcullis connection add --user ada@example.com --server github --alias github --header-stdin
  portcullis connection add --user ada@example.com --server files --alias files --set folder=/srv/ada

Secrets come on standard input, one a line in the order of the options: --header-stdin one line, --basic-stdin a line
USER:PASSWORD, --secret-stdin NAME a line each.")]
    Add(AddArguments),
    /// List connections, of one user or of everybody
    List(ListArguments),
    /// Show one connection
    Show(OneConnection),
    /// Try one out, the way a call goes
    Test(OneConnection),
    /// List the tools of one
    Tools(OneConnection),
    /// Show which tools of one wait for a review and what is new about them, or accept them
    #[command(after_help = "\
Examples:
  portcullis connection review github --user ada@example.com
  portcullis connection review github --user ada@example.com --accept search_issues

A tool waits when it is not as it was accepted, or when nobody accepted it and the rule for new tools (of the server, or
of `connection set`) does not. What is accepted is what was shown; what changes again meanwhile is not.")]
    Review(ReviewArguments),
    /// Say how one is handled: what becomes of new tools and of arguments that are not as they should be
    Set(SetArguments),
    /// Give one other credentials or settings
    Renew(RenewArguments),
    /// Switch one on again, and try it out
    Enable(OneConnection),
    /// Switch one off
    Disable(DestructiveArguments),
    /// Delete one, with its credentials and what clients were granted for it
    Remove(DestructiveArguments),
}

/// Whose connections.
#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// Only those of this user
    #[arg(long, value_name = "EMAIL")]
    user: Option<String>,
    /// Only those to this server
    #[arg(long, value_name = "SLUG")]
    server: Option<String>,
    #[command(flatten)]
    format: Format,
}

/// One connection and a form of output.
#[derive(Debug, Args)]
pub(super) struct OneConnection {
    /// The e-mail address of its owner
    #[arg(long, value_name = "EMAIL")]
    user: String,
    /// What its owner calls it
    alias: String,
    #[command(flatten)]
    format: Format,
}

/// A connection and other credentials.
#[derive(Debug, Args)]
pub(super) struct RenewArguments {
    #[command(flatten)]
    one: OneConnection,
    #[command(flatten)]
    answers: Answers,
}

/// A connection that is to be switched off or deleted.
#[derive(Debug, Args)]
pub(super) struct DestructiveArguments {
    #[command(flatten)]
    one: OneConnection,
    #[command(flatten)]
    confirmation: Confirmation,
}

/// Everything that a command needs at hand: the same parts as a server's, of which none listens.
pub(super) struct Desk {
    app: App,
    enrolment: Enrolment,
}

impl Desk {
    pub(super) fn connections(&self) -> &Connections {
        self.app.gateway.connections()
    }

    /// What was opened to a server, and what servers are told, ends with the command.
    pub(super) async fn close(&self) {
        self.app.gateway.drain().await;
    }

    pub(super) fn enrolment(&self) -> &Enrolment {
        &self.enrolment
    }
}

pub(super) async fn desk(config: &Config) -> Result<Desk, Problem> {
    let database = store::open_existing(config).await?;
    let vault = Vault::unlock(&config.master_key, &database, SystemClock.now()).await;
    let app = assemble(AppParts {
        vault: vault.map_err(|error| Problem::caused(&error))?,
        database,
        clock: Arc::new(SystemClock),
        config: config.clone(),
        public_url: config.assumed_public_url()?,
        listen_ports: Vec::new(),
    })
    .await?;
    Ok(Desk { enrolment: app.gateway.enrolment(), app })
}

/// Does what was asked.
pub(super) async fn run(command: ConnectionCommand, config: &Config) -> Result<(), Problem> {
    let desk = desk(config).await?;
    let done = act(command, &desk).await;
    desk.close().await;
    done
}

async fn act(command: ConnectionCommand, desk: &Desk) -> Result<(), Problem> {
    match command {
        ConnectionCommand::Add(arguments) => add(arguments, desk).await,
        ConnectionCommand::List(arguments) => list(&arguments, desk).await,
        ConnectionCommand::Show(one) => {
            let connection = desk.find(&one).await?;
            let facts = desk.app.gateway.authorization().of(&connection).await;
            show_whole(&connection, facts.map_err(|error| Problem::caused(&error))?.as_ref(), one.format);
            Ok(())
        }
        ConnectionCommand::Test(one) => {
            let tested = desk.enrolment.test(&desk.find(&one).await?).await;
            told(tested.map_err(|error| Problem::caused(&error))?, one.format)
        }
        ConnectionCommand::Tools(one) => {
            let tools = desk.app.gateway.tools(&desk.find(&one).await?).await;
            let failed = |why| {
                Problem::failed(format!(
                    "the server did not tell its tools: {why}; `connection test` tells more"
                ))
            };
            show_tools(&tools.map_err(failed)?, one.format);
            Ok(())
        }
        ConnectionCommand::Review(arguments) => review::review(arguments, desk).await,
        ConnectionCommand::Set(arguments) => review::set(arguments, desk).await,
        ConnectionCommand::Renew(arguments) => {
            let connection = desk.find(&arguments.one).await?;
            let answers = arguments.answers.read()?.beside(&connection.settings);
            let renewed = desk.enrolment.renew(&connection, &answers).await;
            told(renewed.map_err(|error| problem(&error))?, arguments.one.format)
        }
        ConnectionCommand::Enable(one) => {
            let enabled = desk.enrolment.enable(&desk.find(&one).await?, Who::Admin).await;
            match enabled.map_err(|error| Problem::caused(&error))? {
                Some(enabled) => told(Some(enabled), one.format),
                None => Err(Problem::failed("the connection is not switched off by itself; is its server?")),
            }
        }
        ConnectionCommand::Disable(arguments) => disable(&arguments, desk).await,
        ConnectionCommand::Remove(arguments) => remove(&arguments, desk).await,
    }
}

impl Desk {
    pub(super) fn app(&self) -> &App {
        &self.app
    }

    pub(super) async fn user(&self, email: &str) -> Result<User, Problem> {
        let found = self.app.authorization.users().find_by_email(email).await;
        let found = found.map_err(|error| Problem::caused(&error))?;
        found.ok_or_else(|| {
            Problem::failed(format!(
                "nobody has the e-mail address {email}; `portcullis user list` shows everybody"
            ))
        })
    }

    async fn find(&self, one: &OneConnection) -> Result<Connection, Problem> {
        let user = self.user(&one.user).await?;
        let unknown = || {
            let (email, alias) = (&one.user, &one.alias);
            Problem::failed(format!(
                "{email} has no connection {alias}; `portcullis connection list` shows every one"
            ))
        };
        let alias = Alias::parse(&one.alias).map_err(|_| unknown())?;
        let found =
            self.connections().find(&user.id, &alias).await.map_err(|error| Problem::caused(&error))?;
        found.ok_or_else(unknown)
    }
}

async fn add(arguments: AddArguments, desk: &Desk) -> Result<(), Problem> {
    let format = arguments.format;
    let user = desk.user(&arguments.user).await?;
    let application = arguments.application(user.id)?;
    let made = desk.enrolment.add(application).await.map_err(|error| problem(&error))?;
    told(Some(made), format)
}

fn problem(error: &EnrolmentError) -> Problem {
    if error.is_internal() { Problem::caused(error) } else { Problem::configuration(error.to_string()) }
}

fn told(connection: Option<Connection>, format: Format) -> Result<(), Problem> {
    let connection = connection.ok_or_else(|| Problem::failed("the connection was deleted meanwhile"))?;
    show(&connection, format);
    Ok(())
}

async fn disable(arguments: &DestructiveArguments, desk: &Desk) -> Result<(), Problem> {
    let connection = desk.find(&arguments.one).await?;
    arguments.confirmation.obtain(&format!("Switch {} off?", connection.alias), "switch it off")?;
    desk.connections().disable(&connection, Who::Admin).await.map_err(|error| Problem::caused(&error))?;
    let now = desk.connections().get(&connection.id).await.map_err(|error| Problem::caused(&error))?;
    told(now, arguments.one.format)
}

async fn remove(arguments: &DestructiveArguments, desk: &Desk) -> Result<(), Problem> {
    let connection = desk.find(&arguments.one).await?;
    let question = format!("Delete {} of {}, with its credentials?", connection.alias, arguments.one.user);
    arguments.confirmation.obtain(&question, "delete it")?;
    let removed = desk.connections().remove(&connection).await.map_err(|error| Problem::caused(&error))?;
    if arguments.one.format.json {
        print_json(
            &json!({ "connection": portcullis_console::shown::connection(&connection), "removed": removed }),
        );
    } else {
        eprintln!("{} is deleted, with everything of it.", connection.alias);
    }
    Ok(())
}
