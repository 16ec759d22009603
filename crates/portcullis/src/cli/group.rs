//! `portcullis group …`: groups of users and machines, for policies to name.

use std::sync::Arc;

use clap::{Args, Subcommand};
use portcullis_authorization_server::{Clients, Group, Groups, Member, Users};
use portcullis_database::Database;
use portcullis_oauth::{ClientId, PrincipalId, SystemClock};
use serde_json::{Value, json};

use super::confirm::Confirmation;
use super::output::{Format, print_json, print_table, say, time};
use super::store;
use crate::Problem;
use crate::config::Config;

/// What can be done with groups.
#[derive(Debug, Subcommand)]
pub(super) enum GroupCommand {
    /// Make a group, for policies to name: `principal in Group::"payments"`
    Add(AddArguments),
    /// List every group
    List(Format),
    /// Show who belongs to a group, or change it
    #[command(after_help = "\
Examples:
  portcullis group member payments
  portcullis group member payments --add ada@example.com --add bob@example.com
  portcullis group member agents --add pcl_client_…        a machine, by its client_id

A change holds within a second on every node.")]
    Member(MemberArguments),
    /// Remove a group; policies that name it stay, and mean nobody
    Remove(RemoveArguments),
}

/// A new group.
#[derive(Debug, Args)]
pub(super) struct AddArguments {
    /// Its name: small letters, digits, `.`, `_` and `-`
    name: String,
    /// What it is for
    #[arg(long, default_value = "")]
    about: String,
    #[command(flatten)]
    format: Format,
}

/// A group, and who is to belong to it.
#[derive(Debug, Args)]
pub(super) struct MemberArguments {
    /// The group
    name: String,
    /// Take in this user (by e-mail address) or machine (by `client_id`); may be given several times
    #[arg(long, value_name = "WHO")]
    add: Vec<String>,
    /// Take out this user or machine; may be given several times
    #[arg(long, value_name = "WHO")]
    remove: Vec<String>,
    #[command(flatten)]
    format: Format,
}

/// A group to be removed.
#[derive(Debug, Args)]
pub(super) struct RemoveArguments {
    /// The group
    name: String,
    #[command(flatten)]
    confirmation: Confirmation,
}

/// Does what was asked.
pub(super) async fn run(command: GroupCommand, config: &Config) -> Result<(), Problem> {
    match command {
        GroupCommand::Add(arguments) => {
            let groups = Groups::new(store::open(config).await?, Arc::new(SystemClock));
            let made = groups.create(&arguments.name, &arguments.about).await;
            print(&[made.map_err(|error| Problem::caused(&error))?], arguments.format);
            Ok(())
        }
        GroupCommand::List(format) => {
            let groups = Groups::new(store::open_existing(config).await?, Arc::new(SystemClock));
            print(&groups.list().await.map_err(|error| Problem::caused(&error))?, format);
            Ok(())
        }
        GroupCommand::Member(arguments) => member(arguments, config).await,
        GroupCommand::Remove(arguments) => remove(&arguments, config).await,
    }
}

async fn member(arguments: MemberArguments, config: &Config) -> Result<(), Problem> {
    let database = store::open_existing(config).await?;
    let groups = Groups::new(database.clone(), Arc::new(SystemClock));
    // Whoever is unknown is told before anything is changed.
    let (mut added, mut removed) = (Vec::new(), Vec::new());
    for who in &arguments.add {
        added.push(principal(&database, who).await?);
    }
    for who in &arguments.remove {
        removed.push(principal(&database, who).await?);
    }
    for one in added {
        groups.add(&arguments.name, &one).await.map_err(|error| Problem::caused(&error))?;
    }
    for one in removed {
        groups.remove(&arguments.name, &one).await.map_err(|error| Problem::caused(&error))?;
    }
    let members = groups.members(&arguments.name).await.map_err(|error| Problem::caused(&error))?;
    if arguments.format.json {
        print_json(&members.iter().map(describe_member).collect());
    } else if members.is_empty() {
        say(&format_args!("Nobody belongs to {} yet.", arguments.name));
    } else {
        let row =
            |member: &Member| vec![name_of(member), member.principal.to_string(), time(member.added_at)];
        print_table(&["who", "principal", "since"], members.iter().map(row).collect());
    }
    Ok(())
}

async fn remove(arguments: &RemoveArguments, config: &Config) -> Result<(), Problem> {
    let groups = Groups::new(store::open_existing(config).await?, Arc::new(SystemClock));
    let question = format!("Remove the group {}? Policies that name it will mean nobody.", arguments.name);
    arguments.confirmation.obtain(&question, "remove the group")?;
    groups.delete(&arguments.name).await.map_err(|error| Problem::caused(&error))?;
    eprintln!("The group {} is removed.", arguments.name);
    Ok(())
}

/// A user by address, or a machine by its client.
async fn principal(database: &Database, who: &str) -> Result<PrincipalId, Problem> {
    let users = Users::new(database.clone(), Arc::new(SystemClock));
    if let Some(user) = users.find_by_email(who).await.map_err(|error| Problem::caused(&error))? {
        return Ok(user.id);
    }
    let clients = Clients::new(database.clone(), Arc::new(SystemClock));
    let client =
        clients.find(&ClientId::from(who.to_owned())).await.map_err(|error| Problem::caused(&error))?;
    client.and_then(|client| client.machine).ok_or_else(|| {
        Problem::failed(format!(
            "nobody is {who}: name a user by e-mail address (`portcullis user list`) or a machine by its client_id \
             (`portcullis client list`)"
        ))
    })
}

fn print(groups: &[Group], format: Format) {
    if format.json {
        print_json(&groups.iter().map(describe).collect());
    } else if groups.is_empty() {
        say(&"No group yet. `portcullis group add NAME` makes one.");
    } else {
        let row = |group: &Group| {
            vec![group.name.clone(), group.members.to_string(), group.about.clone(), time(group.created_at)]
        };
        print_table(&["name", "members", "about", "created"], groups.iter().map(row).collect());
    }
}

fn describe(group: &Group) -> Value {
    json!({
        "name": group.name, "about": group.about, "members": group.members, "created_at": time(group.created_at),
    })
}

fn describe_member(member: &Member) -> Value {
    json!({
        "principal": member.principal, "email": member.email, "client_id": member.client, "added_at": time(member.added_at),
    })
}

fn name_of(member: &Member) -> String {
    member.email.clone().or_else(|| member.client.clone()).unwrap_or_default()
}
