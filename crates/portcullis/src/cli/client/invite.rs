//! `portcullis client invite …`: who may register a client where that is not open to everybody (RFC 7591 §3).

use std::sync::Arc;

use clap::Args;
use portcullis_authorization_server::{Invitation, Invitations};
use portcullis_oauth::{Seconds, SystemClock};
use serde_json::{Value, json};

use crate::Problem;
use crate::cli::output::{Format, must_say, print_json, print_table, say, time};
use crate::cli::store;
use crate::config::Config;

/// What an invitation is for.
#[derive(Debug, Args)]
pub(in crate::cli) struct InviteArguments {
    /// For whom or what it is; only admins see it
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
    /// So many clients may be registered with it
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    uses: u32,
    /// It is good for so many days
    #[arg(long, value_name = "NUMBER", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=366))]
    days: u32,
    #[command(flatten)]
    format: Format,
}

/// An invitation to be taken back.
#[derive(Debug, Args)]
pub(in crate::cli) struct UninviteArguments {
    /// The invitation's name, as `client invitations` shows it
    #[arg(value_name = "INVITATION")]
    id: String,
    #[command(flatten)]
    format: Format,
}

async fn existing(config: &Config) -> Result<Invitations, Problem> {
    Ok(Invitations::new(store::open_existing(config).await?, Arc::new(SystemClock)))
}

/// Makes an invitation and shows its token, once.
pub(super) async fn invite(arguments: InviteArguments, config: &Config) -> Result<(), Problem> {
    let InviteArguments { note, uses, days, format } = arguments;
    let invitations = Invitations::new(store::open(config).await?, Arc::new(SystemClock));
    let made = invitations.create(note, uses, Seconds::days(i64::from(days))).await;
    let (invitation, token) = made.map_err(|error| Problem::caused(&error))?;
    if format.json {
        let mut value = describe(&invitation);
        value["initial_access_token"] = token.expose().into();
        return must_say(&format_args!("{value:#}"));
    }
    must_say(&format_args!("{}", token.expose()))?;
    eprintln!(
        "{}: {uses} registration(s) until {}. The client sends this initial access token as a Bearer token when it registers.\nIt is shown this once; only its hash is kept.",
        invitation.id,
        time(invitation.expires_at),
    );
    Ok(())
}

/// Lists the invitations that are still good.
pub(super) async fn list(format: Format, config: &Config) -> Result<(), Problem> {
    let all = existing(config).await?.list().await.map_err(|error| Problem::caused(&error))?;
    if format.json {
        print_json(&all.iter().map(describe).collect());
    } else if all.is_empty() {
        say(&"No invitation is good now; `portcullis client invite` makes one.");
    } else {
        let row = |invitation: &Invitation| {
            let left = invitation.uses_left.to_string();
            vec![invitation.id.clone(), invitation.note.clone(), left, time(invitation.expires_at)]
        };
        print_table(&["invitation", "note", "uses left", "good until"], all.iter().map(row).collect());
    }
    Ok(())
}

/// Takes an invitation back.
pub(super) async fn uninvite(arguments: &UninviteArguments, config: &Config) -> Result<(), Problem> {
    let revoked = existing(config).await?.revoke(&arguments.id).await;
    if !revoked.map_err(|error| Problem::caused(&error))? {
        return Err(Problem::failed(format!(
            "no invitation is called {}; `portcullis client invitations` shows those that are good",
            arguments.id
        )));
    }
    if arguments.format.json {
        print_json(&json!({ "id": arguments.id, "revoked": true }));
    } else {
        eprintln!("{} is taken back; clients that came with it stay.", arguments.id);
    }
    Ok(())
}

fn describe(invitation: &Invitation) -> Value {
    json!({
        "id": invitation.id,
        "note": invitation.note,
        "uses_left": invitation.uses_left,
        "created_at": time(invitation.created_at),
        "expires_at": time(invitation.expires_at),
    })
}
