//! What a user may do beyond their own: decide for others. That is kept in one place, the group `approvers`, of which this
//! is another view.

use std::sync::Arc;

use clap::{Args, ValueEnum};
use portcullis_authorization_server::{GroupError, Groups, User};
use portcullis_oauth::SystemClock;
use portcullis_resource_server::APPROVERS;
use serde_json::json;

use super::{Who, existing, find};
use crate::Problem;
use crate::cli::output::{Format, print_fields, print_json};
use crate::cli::store;
use crate::config::Config;

/// What the group is for, where it is made here.
const ABOUT: &str = "May approve the calls of others that need a second person";

/// A user, and what they may do from now on.
#[derive(Debug, Args)]
pub(in crate::cli) struct PermissionsArguments {
    #[command(flatten)]
    who: Who,
    /// Let them do this
    #[arg(long, value_name = "PERMISSION", value_enum, conflicts_with = "remove")]
    add: Option<Permission>,
    /// Let them do this no more
    #[arg(long, value_name = "PERMISSION", value_enum)]
    remove: Option<Permission>,
    #[command(flatten)]
    format: Format,
}

/// What can be given and taken.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Permission {
    /// Decide about the calls of others that need a second person, and about those of machines
    Approver,
}

/// Shows what somebody may do, changed first where that is asked for.
pub(super) async fn permissions(arguments: &PermissionsArguments, config: &Config) -> Result<(), Problem> {
    let user = find(&existing(config).await?, arguments.who.email()).await?;
    let groups = Groups::new(store::open_existing(config).await?, Arc::new(SystemClock));
    let changed = match (arguments.add, arguments.remove) {
        (Some(Permission::Approver), _) => add(&groups, &user).await,
        (_, Some(Permission::Approver)) => remove(&groups, &user).await,
        _ => Ok(()),
    };
    changed.map_err(|error| Problem::caused(&error))?;
    let of = groups.of(&user.id).await.map_err(|error| Problem::caused(&error))?;
    show(&user, of.iter().any(|group| group == APPROVERS), arguments.format);
    Ok(())
}

async fn add(groups: &Groups, user: &User) -> Result<(), GroupError> {
    match groups.create(APPROVERS, ABOUT).await {
        Ok(_) | Err(GroupError::Taken) => groups.add(APPROVERS, &user.id).await.map(drop),
        Err(error) => Err(error),
    }
}

async fn remove(groups: &Groups, user: &User) -> Result<(), GroupError> {
    match groups.remove(APPROVERS, &user.id).await {
        Ok(_) | Err(GroupError::Unknown(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

fn show(user: &User, approver: bool, format: Format) {
    if format.json {
        print_json(&json!({
            "email": user.email,
            "approver": approver,
            "scopes": user.may().iter().collect::<Vec<_>>(),
        }));
        return;
    }
    print_fields(&[
        ("e-mail", user.email.clone()),
        ("approver", if approver { "yes: the group approvers" } else { "no" }.to_owned()),
        ("scopes", user.may().to_string()),
    ]);
}
