//! `portcullis client …`: OAuth clients that an admin registers. Clients that register themselves are listed too.

mod document;
mod invite;
mod keys;
mod new;
mod openid;

use std::sync::Arc;

use clap::{Args, Subcommand};
use portcullis_authorization_server::{Client, ClientOrigin, ClientTrust, Clients, Resources};
use portcullis_oauth::{ClientId, RedirectUri, ResourceUri, Secret, SystemClock};
use serde_json::{Value, json};

use self::document::{BlockArguments, OneDocument};
use self::invite::{InviteArguments, UninviteArguments};
use self::keys::{AudienceArguments, SetKeysArguments};
use self::new::AddArguments;
use super::confirm::Confirmation;
use super::key_source;
use super::output::{Format, must_say, print_fields, print_json, print_table, say, tick, time};
use super::store;
use crate::Problem;
use crate::config::Config;

/// What can be done with clients.
#[derive(Debug, Subcommand)]
pub(super) enum ClientCommand {
    /// Register a client; its secret is shown once
    #[command(after_help = "\
Examples:
  portcullis client add --name 'My editor' --redirect-uri http://localhost/callback
  portcullis client add --name 'Our portal' --confidential --redirect-uri https://portal.example.com/callback
  portcullis client add --name 'Nightly job' --confidential --grant client_credentials --scope mcp.tools.execute --resource https://mcp.example.com/mcp
  portcullis client add --name 'Build box' --grant device_code --grant refresh_token
  portcullis client add --name 'Our agent' --jwks agent.jwk --grant client_credentials --scope mcp.tools.read

client_credentials: the client acts for itself, as a machine, and may do what --scope and
--resource say. device_code: for devices without a browser. token_exchange: it may trade its
tokens for narrower ones.

The port of a loopback redirect URI (http://localhost, 127.0.0.1, [::1]) is free: the client may use any.")]
    Add(AddArguments),
    /// List every client
    List(Format),
    /// Show one client
    Show(OneClient),
    /// Replace a confidential client's secret; the new one is shown once, the old one stops working
    RotateSecret(OneClient),
    /// Give a client that proves itself by a key other keys; what it was granted ends
    SetKeys(SetKeysArguments),
    /// Say what a client may name as the audience of its assertions [default: issuer]
    AssertionAudience(AudienceArguments),
    /// Let a client do nothing until it is enabled again; what it was granted ends
    Disable(RemoveArguments),
    /// Let a disabled client in again
    Enable(OneClient),
    /// Remove a client and everything that it was granted
    Remove(RemoveArguments),
    /// Allow the client that names itself by this document's URL
    Trust(OneDocument),
    /// Let the client that names itself by this document's URL do nothing; what it was granted ends
    Block(BlockArguments),
    /// List the documents' URLs that wait for an admin, are trusted or blocked
    Documents(Format),
    /// Let somebody register a client where that is not open to everybody; the token is shown once
    Invite(InviteArguments),
    /// List the invitations that are still good
    Invitations(Format),
    /// Take an invitation back
    Uninvite(UninviteArguments),
}

/// One client and a form of output.
#[derive(Debug, Args)]
pub(super) struct OneClient {
    /// The client's identifier, as `client list` shows it
    #[arg(value_name = "CLIENT_ID")]
    id: String,
    #[command(flatten)]
    format: Format,
}

/// A client to be removed or disabled.
#[derive(Debug, Args)]
pub(super) struct RemoveArguments {
    #[command(flatten)]
    one: OneClient,
    #[command(flatten)]
    confirmation: Confirmation,
}

/// Does what was asked.
pub(super) async fn run(command: ClientCommand, config: &Config) -> Result<(), Problem> {
    match command {
        ClientCommand::Add(arguments) => add(arguments, config).await,
        ClientCommand::List(format) => list(format, config).await,
        ClientCommand::Show(one) => {
            let client = find(&existing(config).await?, &one.id).await?;
            show(&client, None, one.format)?;
            Ok(())
        }
        ClientCommand::RotateSecret(one) => rotate_secret(&one, config).await,
        ClientCommand::SetKeys(arguments) => keys::set_keys(arguments, config).await,
        ClientCommand::AssertionAudience(arguments) => keys::set_audience(&arguments, config).await,
        ClientCommand::Disable(arguments) => disable(&arguments, config).await,
        ClientCommand::Enable(one) => enable(&one, config).await,
        ClientCommand::Remove(arguments) => remove(&arguments, config).await,
        ClientCommand::Trust(one) => document::trust(&one, config).await,
        ClientCommand::Block(arguments) => document::block(&arguments, config).await,
        ClientCommand::Documents(format) => document::list(format, config).await,
        ClientCommand::Invite(arguments) => invite::invite(arguments, config).await,
        ClientCommand::Invitations(format) => invite::list(format, config).await,
        ClientCommand::Uninvite(arguments) => invite::uninvite(&arguments, config).await,
    }
}

async fn existing(config: &Config) -> Result<Clients, Problem> {
    Ok(Clients::new(store::open_existing(config).await?, Arc::new(SystemClock)))
}

async fn find(clients: &Clients, id: &str) -> Result<Client, Problem> {
    let found =
        clients.find(&ClientId::from(id.to_owned())).await.map_err(|error| Problem::caused(&error))?;
    found.ok_or_else(|| {
        Problem::failed(format!(
            "no client has the client_id {id}; `portcullis client list` shows every client"
        ))
    })
}

async fn add(arguments: AddArguments, config: &Config) -> Result<(), Problem> {
    let format = arguments.format;
    let new = arguments.check()?;
    let (database, clock) = (store::open(config).await?, Arc::new(SystemClock));
    let registered = Resources::new(database.clone(), clock.clone()).list().await;
    let registered = registered.map_err(|error| Problem::caused(&error))?;
    new::fits(&new, &config.assumed_public_url()?, &registered)?;
    let clients = Clients::new(database, clock);
    let (client, secret) = clients.register(new).await.map_err(|error| Problem::caused(&error))?;
    show(&client, secret.as_ref(), format)
}

async fn list(format: Format, config: &Config) -> Result<(), Problem> {
    let all = existing(config).await?.list().await.map_err(|error| Problem::caused(&error))?;
    if format.json {
        print_json(&all.iter().map(|client| describe(client, None)).collect());
    } else if all.is_empty() {
        say(
            &"No client yet. Clients register themselves when they first connect; `portcullis client add` registers one by hand.",
        );
    } else {
        let row = |client: &Client| {
            let name = client.metadata.client_name.clone();
            vec![
                client.id.to_string(),
                name,
                origin(client).to_owned(),
                tick(client.has_secret),
                time(client.created_at),
            ]
        };
        print_table(
            &["client_id", "name", "registered by", "secret", "created"],
            all.iter().map(row).collect(),
        );
    }
    Ok(())
}

async fn rotate_secret(one: &OneClient, config: &Config) -> Result<(), Problem> {
    let clients = existing(config).await?;
    let client = find(&clients, &one.id).await?;
    match clients.rotate_secret(&client.id).await.map_err(|error| Problem::caused(&error))? {
        Some(secret) => show(&client, Some(&secret), one.format)?,
        None => {
            return Err(Problem::failed(format!(
                "{} is a client without a secret: there is none to rotate",
                client.id
            )));
        }
    }
    Ok(())
}

async fn remove(arguments: &RemoveArguments, config: &Config) -> Result<(), Problem> {
    let clients = existing(config).await?;
    let client = find(&clients, &arguments.one.id).await?;
    let question = format!("Remove {}, and end everything that it was granted?", client.id);
    arguments.confirmation.obtain(&question, "remove the client")?;
    let removed = clients.remove(&client.id).await.map_err(|error| Problem::caused(&error))?;
    if arguments.one.format.json {
        print_json(&json!({ "client_id": client.id, "removed": removed }));
    } else {
        eprintln!("{} is removed; what it was granted has ended.", client.id);
    }
    Ok(())
}

async fn disable(arguments: &RemoveArguments, config: &Config) -> Result<(), Problem> {
    let clients = existing(config).await?;
    let client = find(&clients, &arguments.one.id).await?;
    let question = format!("Disable {}, and end everything that it was granted?", client.id);
    arguments.confirmation.obtain(&question, "disable the client")?;
    clients.disable(&client.id).await.map_err(|error| Problem::caused(&error))?;
    show(&find(&clients, &arguments.one.id).await?, None, arguments.one.format)
}

async fn enable(one: &OneClient, config: &Config) -> Result<(), Problem> {
    let clients = existing(config).await?;
    let client = find(&clients, &one.id).await?;
    clients.enable(&client.id).await.map_err(|error| Problem::caused(&error))?;
    show(&find(&clients, &one.id).await?, None, one.format)
}

const fn origin(client: &Client) -> &'static str {
    match client.origin {
        ClientOrigin::Admin => "admin",
        ClientOrigin::Dynamic => "itself",
        ClientOrigin::Document => "document",
    }
}

fn show(client: &Client, secret: Option<&Secret>, format: Format) -> Result<(), Problem> {
    if format.json {
        return must_say(&format_args!("{:#}", describe(client, secret)));
    }
    let uris: Vec<&str> = client.metadata.redirect_uris.iter().map(RedirectUri::as_str).collect();
    let resources: Vec<&str> = client.resources.iter().map(ResourceUri::as_str).collect();
    let grants: Vec<&str> = client.metadata.grant_types.iter().map(|grant| grant.short_name()).collect();
    let mut fields = vec![
        ("client_id", client.id.to_string()),
        ("name", client.metadata.client_name.clone()),
        ("redirect URIs", if uris.is_empty() { "none".to_owned() } else { uris.join("\n") }),
        ("authentication", client.metadata.token_endpoint_auth_method.as_str().to_owned()),
        ("grants", grants.join(" ")),
        (if client.machine.is_some() { "scope" } else { "default scope" }, client.metadata.scope.to_string()),
        ("resources", if resources.is_empty() { "any".to_owned() } else { resources.join("\n") }),
        ("must push", tick(client.metadata.require_pushed_authorization_requests)),
        ("bound to its key", tick(client.metadata.dpop_bound_access_tokens)),
        ("registered by", origin(client).to_owned()),
        ("created", time(client.created_at)),
    ];
    fields.extend(openid::fields(&client.metadata.openid));
    if let Some(keys) = &client.metadata.keys {
        fields.push(("keys", key_source::shown(keys)));
        fields.push(("assertions for", client.assertion_audience.as_str().to_owned()));
    }
    fields.extend(client.machine.as_ref().map(|machine| ("acts for itself as", machine.to_string())));
    fields.extend(client.trust.map(|trust| ("trust", trust.as_str().to_owned())));
    if let Some(document) = &client.document {
        fields.push(("document read", time(document.read_at)));
        fields.push(("read again after", time(document.fresh_until)));
    }
    fields.extend(client.disabled_at.map(|at| ("disabled", time(at))));
    print_fields(&fields);
    if let Some(secret) = secret {
        must_say(&format_args!("\nclient_secret   {}", secret.expose()))?;
        eprintln!("The secret is shown this once; only its hash is kept.");
    }
    Ok(())
}

fn describe(client: &Client, secret: Option<&Secret>) -> Value {
    let mut value = json!({
        "client_id": client.id,
        "metadata": client.metadata,
        "resources": client.resources,
        "origin": client.origin.as_str(),
        "has_secret": client.has_secret,
        "assertion_audience": client.assertion_audience.as_str(),
        "created_at": time(client.created_at),
        "principal": client.machine,
        "disabled_at": client.disabled_at.map(time),
        "trust": client.trust.map(ClientTrust::as_str),
        "document_read_at": client.document.as_ref().map(|document| time(document.read_at)),
    });
    if let (Some(secret), Some(members)) = (secret, value.as_object_mut()) {
        members.insert("client_secret".to_owned(), secret.expose().into());
    }
    value
}
