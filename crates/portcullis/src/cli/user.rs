//! `portcullis user …`: the people who sign in.

mod link;
mod permissions;

use std::sync::Arc;

use clap::{Args, Subcommand};
use portcullis_authorization_server::{NewUser, SignInStanding, SignIns, User, Users};
use portcullis_oauth::{SystemClock, Timestamp};
use serde_json::{Value, json};

use self::link::{LinkArguments, UnlinkArguments};
use self::permissions::PermissionsArguments;
use super::confirm::Confirmation;
use super::output::{Format, print_fields, print_json, print_table, say, tick, time};
use super::password::PasswordSource;
use super::store;
use crate::Problem;
use crate::config::Config;

/// What can be done with users.
#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Add somebody who may sign in
    #[command(after_help = "\
Examples:
  portcullis user add --email ada@example.com --name 'Ada Lovelace'
  printf '%s' \"$PASSWORD\" | portcullis user add --email ops@example.com --admin --password-stdin")]
    Add(AddArguments),
    /// List everybody
    List(Format),
    /// Show one user
    Show(OneUser),
    /// Stop somebody from signing in, and everything that acts for them
    Disable(DisableArguments),
    /// Let somebody sign in again
    Enable(OneUser),
    /// Forgive the failed tries at somebody's account, so that they can sign in from anywhere again
    Unlock(OneUser),
    /// Say who a user is at an identity provider that is trusted (`portcullis issuer`)
    Link(LinkArguments),
    /// Forget who somebody is there; what the provider vouched for ends
    Unlink(UnlinkArguments),
    /// Show what a user may do for others, or change it
    #[command(after_help = "\
Examples:
  portcullis user permissions ada@example.com
  portcullis user permissions ada@example.com --add approver

An approver decides about the calls of others that need a second person, and about those of machines. It is the same as
belonging to the group approvers (`portcullis group member approvers`), and holds within a second on every node.")]
    Permissions(PermissionsArguments),
    /// Set a new password
    Password(PasswordArguments),
    /// Make somebody choose another password at the next sign-in, and end what the old one opened
    #[command(
        after_help = "For a password that somebody else may know. Every browser and every client of theirs is \
signed out at once; to come back they need the old password once, and a new one."
    )]
    ExpirePassword(DisableArguments),
}

/// A new user.
#[derive(Debug, Args)]
pub(super) struct AddArguments {
    #[command(flatten)]
    who: Who,
    /// How pages address them (default: the part of the e-mail address before the @)
    #[arg(long)]
    name: Option<String>,
    /// May administer this server
    #[arg(long)]
    admin: bool,
    #[command(flatten)]
    password: PasswordSource,
    #[command(flatten)]
    format: Format,
}

/// One user and a form of output.
#[derive(Debug, Args)]
pub(super) struct OneUser {
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    format: Format,
}

/// A user to be disabled or signed out.
#[derive(Debug, Args)]
pub(super) struct DisableArguments {
    #[command(flatten)]
    one: OneUser,
    #[command(flatten)]
    confirmation: Confirmation,
}

/// One user and a new password.
#[derive(Debug, Args)]
pub(super) struct PasswordArguments {
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    password: PasswordSource,
}

/// A user, named by e-mail address.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Who {
    /// The e-mail address
    #[arg(value_name = "EMAIL")]
    email: Option<String>,
    /// The same, as an option
    #[arg(long = "email", value_name = "EMAIL")]
    email_option: Option<String>,
}

impl Who {
    fn email(&self) -> &str {
        self.email.as_deref().or(self.email_option.as_deref()).unwrap_or_default()
    }
}

/// Does what was asked.
pub(super) async fn run(command: UserCommand, config: &Config) -> Result<(), Problem> {
    match command {
        UserCommand::Add(arguments) => add(arguments, config).await,
        UserCommand::List(format) => list(format, config).await,
        UserCommand::Show(one) => show_standing(&one, config, false).await,
        UserCommand::Unlock(one) => show_standing(&one, config, true).await,
        UserCommand::Disable(arguments) => disable(&arguments, config).await,
        UserCommand::Enable(one) => enable(&one, config).await,
        UserCommand::Link(arguments) => link::link(&arguments, config).await,
        UserCommand::Unlink(arguments) => link::unlink(&arguments, config).await,
        UserCommand::Permissions(arguments) => permissions::permissions(&arguments, config).await,
        UserCommand::Password(arguments) => set_password(&arguments, config).await,
        UserCommand::ExpirePassword(arguments) => expire_password(&arguments, config).await,
    }
}

async fn existing(config: &Config) -> Result<Users, Problem> {
    Ok(Users::new(store::open_existing(config).await?, Arc::new(SystemClock)))
}

async fn find(users: &Users, email: &str) -> Result<User, Problem> {
    let found = users.find_by_email(email).await.map_err(|error| Problem::caused(&error))?;
    found.ok_or_else(|| {
        Problem::failed(format!(
            "nobody has the e-mail address {email}; `portcullis user list` shows everybody"
        ))
    })
}

async fn add(arguments: AddArguments, config: &Config) -> Result<(), Problem> {
    let email = arguments.who.email().to_owned();
    let users = Users::new(store::open(config).await?, Arc::new(SystemClock));
    let password = arguments.password.read(&email)?;
    let name = arguments.name.unwrap_or_else(|| email.split('@').next().unwrap_or_default().to_owned());
    let new = NewUser { email, name, admin: arguments.admin, password: Some(password) };
    let user = users.create(new).await.map_err(|error| Problem::caused(&error))?;
    show(&user, arguments.format);
    Ok(())
}

async fn list(format: Format, config: &Config) -> Result<(), Problem> {
    let all = existing(config).await?.list().await.map_err(|error| Problem::caused(&error))?;
    if format.json {
        print_json(&all.iter().map(describe).collect());
    } else if all.is_empty() {
        say(
            &"Nobody yet. `portcullis user add` adds somebody, `portcullis setup` prints a link for the first admin.",
        );
    } else {
        let row = |user: &User| {
            let disabled = user.disabled_at.is_some();
            vec![
                user.email.clone(),
                user.name.clone(),
                tick(user.admin),
                tick(disabled),
                time(user.created_at),
            ]
        };
        print_table(&["e-mail", "name", "admin", "disabled", "created"], all.iter().map(row).collect());
    }
    Ok(())
}

async fn disable(arguments: &DisableArguments, config: &Config) -> Result<(), Problem> {
    let one = &arguments.one;
    let users = existing(config).await?;
    let user = find(&users, one.who.email()).await?;
    let question = format!("Disable {}, and stop everything that acts for them?", user.email);
    arguments.confirmation.obtain(&question, "disable the user")?;
    users.disable(&user.id).await.map_err(|error| Problem::caused(&error))?;
    show(&find(&users, one.who.email()).await?, one.format);
    Ok(())
}

async fn enable(one: &OneUser, config: &Config) -> Result<(), Problem> {
    let users = existing(config).await?;
    let user = find(&users, one.who.email()).await?;
    users.enable(&user.id).await.map_err(|error| Problem::caused(&error))?;
    show(&find(&users, one.who.email()).await?, one.format);
    Ok(())
}

/// Shows a user with what strangers did at their account, forgiven first where that is asked for.
async fn show_standing(one: &OneUser, config: &Config, unlock: bool) -> Result<(), Problem> {
    let users = existing(config).await?;
    let user = find(&users, one.who.email()).await?;
    let sign_ins = SignIns::new(store::open_existing(config).await?, Arc::new(SystemClock));
    if unlock {
        sign_ins.unlock(&user.id).await.map_err(|error| Problem::caused(&error))?;
    }
    let standing = sign_ins.standing(&user.id).await.map_err(|error| Problem::caused(&error))?;
    if one.format.json {
        let mut described = describe(&user);
        described["sign_in"] = json!({
            "failures": standing.failures,
            "wait_until": standing.wait_until.map(time),
            "locked": standing.shut,
            "known_browsers": standing.known_browsers,
        });
        print_json(&described);
        return Ok(());
    }
    let mut fields = fields(&user);
    fields.push(("failed sign-ins", told(&standing)));
    fields.push(("known browsers", standing.known_browsers.to_string()));
    print_fields(&fields);
    Ok(())
}

fn told(standing: &SignInStanding) -> String {
    let failures = format!("{} in a row from unknown browsers", standing.failures);
    match standing.wait_until {
        _ if standing.shut => {
            format!("{failures}: locked for those; `portcullis user unlock` lets them in again")
        }
        Some(at) => format!("{failures}: those wait until {}", time(at)),
        None if standing.failures == 0 => "none".to_owned(),
        None => failures,
    }
}

async fn set_password(arguments: &PasswordArguments, config: &Config) -> Result<(), Problem> {
    let users = existing(config).await?;
    let user = find(&users, arguments.who.email()).await?;
    let password = arguments.password.read(&user.email)?;
    users.set_password(&user.id, password).await.map_err(|error| Problem::caused(&error))?;
    eprintln!("The password of {} is set.", user.email);
    Ok(())
}

async fn expire_password(arguments: &DisableArguments, config: &Config) -> Result<(), Problem> {
    let one = &arguments.one;
    let users = existing(config).await?;
    let user = find(&users, one.who.email()).await?;
    let question = format!("Sign {} out everywhere, and ask for another password?", user.email);
    arguments.confirmation.obtain(&question, "let the password expire")?;
    users.expire_password(&user.id).await.map_err(|error| Problem::caused(&error))?;
    show(&find(&users, one.who.email()).await?, one.format);
    Ok(())
}

fn show(user: &User, format: Format) {
    if format.json {
        return print_json(&describe(user));
    }
    print_fields(&fields(user));
}

fn fields(user: &User) -> Vec<(&'static str, String)> {
    vec![
        ("e-mail", user.email.clone()),
        ("name", user.name.clone()),
        ("id", user.id.to_string()),
        ("admin", if user.admin { "yes" } else { "no" }.to_owned()),
        ("permissions", user.permissions.to_string()),
        ("created", time(user.created_at)),
        ("password set", time(user.password_changed_at.unwrap_or(user.created_at))),
        ("password expired", since(user.password_expired_at)),
        ("disabled", since(user.disabled_at)),
    ]
}

fn since(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "no".to_owned(), |at| format!("since {}", time(at)))
}

fn describe(user: &User) -> Value {
    json!({
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "admin": user.admin,
        "permissions": user.permissions.iter().collect::<Vec<_>>(),
        "password_changed_at": time(user.password_changed_at.unwrap_or(user.created_at)),
        "password_expired_at": user.password_expired_at.map(time),
        "disabled_at": user.disabled_at.map(time),
        "created_at": time(user.created_at),
    })
}
