//! Who a user is at an identity provider that is trusted.

use std::sync::Arc;

use clap::Args;
use portcullis_authorization_server::TrustedIssuers;
use portcullis_oauth::SystemClock;
use serde_json::json;

use super::{Who, existing, find};
use crate::Problem;
use crate::cli::confirm::Confirmation;
use crate::cli::issuer::{OneIssuer, problem};
use crate::cli::output::{Format, print_json};
use crate::cli::store;
use crate::config::Config;

/// A user, and a name that an issuer has for them.
#[derive(Debug, Args)]
pub(in crate::cli) struct LinkArguments {
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    issuer: OneIssuer,
    /// The issuer's own, unchanging name for the user (sub)
    #[arg(long, value_name = "SUBJECT")]
    subject: String,
    #[command(flatten)]
    format: Format,
}

/// A name that an issuer has for somebody.
#[derive(Debug, Args)]
pub(in crate::cli) struct UnlinkArguments {
    #[command(flatten)]
    issuer: OneIssuer,
    /// The issuer's own name for the user (sub)
    #[arg(long, value_name = "SUBJECT")]
    subject: String,
    #[command(flatten)]
    confirmation: Confirmation,
    #[command(flatten)]
    format: Format,
}

async fn issuers(config: &Config) -> Result<TrustedIssuers, Problem> {
    Ok(TrustedIssuers::new(store::open_existing(config).await?, Arc::new(SystemClock)))
}

pub(super) async fn link(arguments: &LinkArguments, config: &Config) -> Result<(), Problem> {
    let id = arguments.issuer.id()?;
    let user = find(&existing(config).await?, arguments.who.email()).await?;
    let linked = issuers(config).await?.link(&id, &arguments.subject, &user.id).await;
    linked.map_err(|error| problem(&error))?;
    if arguments.format.json {
        print_json(&json!({
            "email": user.email, "issuer": id.issuer, "tenant": id.tenant, "subject": arguments.subject,
        }));
    } else {
        eprintln!("{} is {} at {}.", user.email, arguments.subject, id.issuer);
    }
    Ok(())
}

pub(super) async fn unlink(arguments: &UnlinkArguments, config: &Config) -> Result<(), Problem> {
    let (id, subject) = (arguments.issuer.id()?, &arguments.subject);
    let question = format!("Forget who {subject} of {} is, and end what it vouched for?", id.issuer);
    arguments.confirmation.obtain(&question, "unlink the user")?;
    let unlinked = issuers(config).await?.unlink(&id, subject).await;
    if !unlinked.map_err(|error| Problem::caused(&error))? {
        return Err(Problem::failed(format!("nobody is linked to {subject} of {}", id.issuer)));
    }
    if arguments.format.json {
        print_json(
            &json!({ "issuer": id.issuer, "tenant": id.tenant, "subject": subject, "unlinked": true }),
        );
    } else {
        eprintln!("{subject} of {} is nobody here any more; what was vouched for has ended.", id.issuer);
    }
    Ok(())
}
