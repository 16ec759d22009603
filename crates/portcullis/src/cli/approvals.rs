//! `portcullis approvals …`: the calls that wait for a person, for an admin at the shell. Deciding is off unless it was
//! switched on, wants the person's own password, and is never a second person's: an agent with a shell on the server must
//! not approve its own calls.

use clap::{Args, Subcommand};
use portcullis_audit::{Action, ApprovalEvent, Event, Outcome};
use portcullis_oauth::{ApprovalId, Clock, PrincipalId, SystemClock};
use portcullis_resource_server::{
    Approval, ApprovalState, Approvals, Decided, Decider, How, Inbox, Sought, Verdict,
};
use serde_json::{Value, json};

use super::connection::{Desk, desk};
use super::output::{Format, print_fields, print_json, print_table, say, time};
use super::password::PasswordSource;
use crate::Problem;
use crate::config::Config;

/// What can be done with approvals.
#[derive(Debug, Subcommand)]
pub(super) enum ApprovalsCommand {
    /// List the newest hundred, of one user or of everybody
    List(ListArguments),
    /// Show one, with what its call says
    Show {
        /// Its name, as `list` shows it
        id: String,
        #[command(flatten)]
        format: Format,
    },
    /// Approve one of your own, for one call (where the settings allow it)
    #[command(
        after_help = "The password of the person is asked for at the terminal, or read with --password-stdin."
    )]
    Approve(DecideArguments),
    /// Deny one of your own (where the settings allow it)
    Deny(DecideArguments),
}

/// Which.
#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// Only those of this user
    #[arg(long, value_name = "EMAIL")]
    user: Option<String>,
    /// Only those in this state: pending, approved, denied, expired and others
    #[arg(long, value_name = "STATE", value_parser = state)]
    state: Option<ApprovalState>,
    #[command(flatten)]
    format: Format,
}

/// A decision.
#[derive(Debug, Args)]
pub(super) struct DecideArguments {
    /// Its name, as `list` shows it
    id: String,
    /// The e-mail address of the person who decides
    #[arg(long = "as", value_name = "EMAIL")]
    who: String,
    #[command(flatten)]
    password: PasswordSource,
    #[command(flatten)]
    format: Format,
}

fn state(name: &str) -> Result<ApprovalState, String> {
    let names = ApprovalState::ALL.map(ApprovalState::as_str).join(", ");
    ApprovalState::parse(name).ok_or_else(|| format!("a state is one of {names}"))
}

/// Does what was asked.
pub(super) async fn run(command: ApprovalsCommand, config: &Config) -> Result<(), Problem> {
    let desk = desk(config).await?;
    match command {
        ApprovalsCommand::List(arguments) => list(&arguments, &desk).await,
        ApprovalsCommand::Show { id, format } => show(id, format, &desk).await,
        ApprovalsCommand::Approve(arguments) => decide(&arguments, Verdict::Approve, (&desk, config)).await,
        ApprovalsCommand::Deny(arguments) => decide(&arguments, Verdict::Deny, (&desk, config)).await,
    }
}

fn approvals(desk: &Desk) -> &Approvals {
    desk.app().gateway.approvals()
}

async fn list(arguments: &ListArguments, desk: &Desk) -> Result<(), Problem> {
    let who: Option<PrincipalId> = match &arguments.user {
        Some(email) => Some(desk.user(email).await?.id),
        None => None,
    };
    let sought = Sought { state: arguments.state, ..Sought::default() };
    let listed = approvals(desk).list(Inbox { who: who.as_ref(), approver: false }, &sought).await;
    let listed = listed.map_err(|error| Problem::caused(&error))?;
    if arguments.format.json {
        print_json(&listed.iter().map(described).collect());
        return Ok(());
    }
    if listed.is_empty() {
        say(&"No approval of the kind.");
        return Ok(());
    }
    let row = |approval: &Approval| {
        vec![
            approval.id.to_string(),
            approval.state.as_str().to_owned(),
            approval.alias.clone(),
            approval.tool.clone(),
            approval.principal.to_string(),
            time(approval.created_at),
        ]
    };
    print_table(&["id", "state", "connection", "tool", "for", "asked"], listed.iter().map(row).collect());
    Ok(())
}

async fn find(id: String, who: Option<&PrincipalId>, desk: &Desk) -> Result<Approval, Problem> {
    let found = approvals(desk).find(&ApprovalId::from(id), Inbox { who, approver: false }).await;
    found.map_err(|error| Problem::caused(&error))?.ok_or_else(unknown)
}

fn unknown() -> Problem {
    Problem::failed("there is no such approval; `portcullis approvals list` shows every one")
}

async fn show(id: String, format: Format, desk: &Desk) -> Result<(), Problem> {
    let approval = find(id, None, desk).await?;
    let said = approvals(desk).arguments(&approval).await.map_err(|error| Problem::caused(&error))?;
    if format.json {
        let mut shown = described(&approval);
        // What is masked or hidden stays so.
        shown["arguments"] = Value::from(said);
        print_json(&shown);
        return Ok(());
    }
    let decision = approval.decision.as_ref().map_or_else(String::new, |decision| {
        let by = decision.by.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("{} by {by} ({}, level {})", time(decision.at), decision.how, decision.level)
    });
    print_fields(&[
        ("id", approval.id.to_string()),
        ("code", approval.code()),
        ("state", approval.state.as_str().to_owned()),
        ("for", approval.principal.to_string()),
        ("client", approval.client.to_string()),
        ("connection", format!("{} ({})", approval.alias, approval.server)),
        ("tool", approval.tool.clone()),
        ("class", approval.risk.clone()),
        ("why", format!("{} ({})", approval.reason, approval.rule)),
        ("level", approval.level.to_string()),
        ("asked", time(approval.created_at)),
        ("expires", time(approval.expires_at)),
        ("decided", decision),
        ("arguments", said),
    ]);
    Ok(())
}

fn described(approval: &Approval) -> Value {
    json!({
        "id": approval.id,
        "code": approval.code(),
        "state": approval.state.as_str(),
        "principal": approval.principal,
        "client": approval.client,
        "connection": approval.connection,
        "alias": approval.alias,
        "tool": approval.tool,
        "risk": approval.risk,
        "rule": approval.rule,
        "level": approval.level,
        "created_at": time(approval.created_at),
        "expires_at": time(approval.expires_at),
        "decided": approval.decision.as_ref().map(|decision| json!({
            "at": time(decision.at), "by": decision.by, "how": decision.how, "level": decision.level,
        })),
        "consumed_at": approval.consumed_at.map(time),
        "ended_at": approval.ended_at.map(time),
    })
}

async fn decide(
    arguments: &DecideArguments,
    verdict: Verdict,
    (desk, config): (&Desk, &Config),
) -> Result<(), Problem> {
    if !config.approvals.allow_command {
        return Err(Problem::failed(
            "deciding at the command line is switched off: decide on the page Approvals, or set approvals_allow_command = true",
        ));
    }
    let user = desk.user(&arguments.who).await?;
    let password = arguments.password.prove(&user.email)?;
    let proven = desk.app().authorization.proves(&user.email, password).await;
    if !proven.map_err(|error| Problem::caused(&error))? {
        let event = Event::new(SystemClock.now(), Action::Approval(ApprovalEvent::Decided), Outcome::Refused);
        desk.app().trail.note(event.because("password_wrong").by(&user.id)).await;
        return Err(Problem::failed("the password is wrong, or the account is disabled"));
    }
    let approval = find(arguments.id.clone(), Some(&user.id), desk).await?;
    let decider = Decider { who: &user.id, how: How::Command, approver: false };
    let decided = approvals(desk).decide(&approval.id, verdict, decider).await;
    match decided.map_err(|error| Problem::caused(&error))? {
        Decided::Now(approval) if arguments.format.json => {
            print_json(&described(&approval));
            Ok(())
        }
        Decided::Now(approval) => {
            eprintln!("{} is {}.", approval.id, approval.state.as_str());
            Ok(())
        }
        Decided::Over(approval) => Err(Problem::failed(format!("it is {} already", approval.state.as_str()))),
        Decided::NotEnough(_) => {
            Err(Problem::failed("a second person has to approve this, on the page Approvals"))
        }
        Decided::Unknown => Err(unknown()),
    }
}
