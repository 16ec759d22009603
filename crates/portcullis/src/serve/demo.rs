//! `--demo`: a user, a sandbox connection, and `demo.json`, which says to scripts what the start says to people.
//!
//! Each step asks whether it was done, so a start that was killed in the middle is completed by the next one, and a
//! further start changes nothing.

use std::io::ErrorKind;
use std::path::Path;

use portcullis_authorization_server::NewUser;
use portcullis_oauth::{Alias, PrincipalId, PublicUrl, Secret, SecretKind};
use portcullis_resource_server::sandbox;
use serde::{Deserialize, Serialize};

use super::folder;
use crate::Problem;
use crate::app::App;
use crate::config::Config;

/// `.localhost` is nobody's (RFC 6761 §6.3): no mail will ever reach a stranger.
pub(crate) const EMAIL: &str = "demo@portcullis.localhost";
const ALIAS: &str = "sandbox";

/// How the newcomer signs in.
pub(super) struct Login {
    /// The demo user's e-mail address.
    pub(super) email: String,
    /// Its password; `None` when somebody has set another one.
    pub(super) password: Option<Secret>,
}

/// `demo.json`.
#[derive(Debug, PartialEq, Eq, Deserialize, Serialize)]
struct DemoFile {
    mcp_url: String,
    email: String,
    password: String,
}

/// Sees to it that user, connection and file are there.
///
/// # Errors
/// When they cannot be, in one sentence.
pub(super) async fn prepare(app: &App, config: &Config, public_url: &PublicUrl) -> Result<Login, Problem> {
    let path = config.data_dir.join("demo.json");
    let users = app.authorization.users();
    let user = users.find_by_email(EMAIL).await.map_err(|error| Problem::caused(&error))?;
    let known = read(&path)?;
    let password = match (&known, &user) {
        (Some(file), _) => Some(Secret::presented(file.password.clone())),
        (None, None) => Some(Secret::generate(SecretKind::Password)),
        (None, Some(_)) => None,
    };
    let Some(password) = password else {
        return Err(Problem::failed(format!(
            "the demo user {EMAIL} is there, but {} is not; set a new password with `portcullis user password {EMAIL}` and start without --demo, or delete the data folder to begin anew",
            path.display()
        )));
    };
    let file = DemoFile {
        mcp_url: public_url.join("/mcp"),
        email: EMAIL.to_owned(),
        password: password.expose().to_owned(),
    };
    // The password is in the file before anybody has it: killed in between, the next start goes on from here.
    if known.as_ref() != Some(&file) {
        write(&path, &file)?;
    }
    let (principal, opens) = match user {
        Some(user) => (user.id, opens(app, &password).await?),
        None => (create_user(app, &password).await?, true),
    };
    connect(app, config, &principal).await?;
    Ok(Login { email: EMAIL.to_owned(), password: opens.then_some(password) })
}

fn read(path: &Path) -> Result<Option<DemoFile>, Problem> {
    let refused = |reason: &dyn std::fmt::Display| {
        Problem::failed(format!("cannot read {}: {reason}; mend or delete it", path.display()))
    };
    match std::fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| refused(&error)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(refused(&error)),
    }
}

fn write(path: &Path, file: &DemoFile) -> Result<(), Problem> {
    serde_json::to_vec_pretty(file)
        .map_err(std::io::Error::from)
        .and_then(|text| folder::write(path, &[&text[..], b"\n"].concat()))
        .map_err(|error| {
            Problem::failed(format!("cannot write {}: {error}; make its folder writable", path.display()))
        })
}

/// Whether the file's password is still the demo user's, and lets in.
async fn opens(app: &App, password: &Secret) -> Result<bool, Problem> {
    let proven = app.authorization.proves(EMAIL, password.clone()).await;
    proven.map_err(|error| Problem::caused(&error))
}

async fn create_user(app: &App, password: &Secret) -> Result<PrincipalId, Problem> {
    let demo = NewUser {
        email: EMAIL.to_owned(),
        name: "Demo".to_owned(),
        admin: true,
        password: Some(password.clone()),
    };
    let user = app.authorization.users().create(demo).await.map_err(|error| Problem::caused(&error))?;
    Ok(user.id)
}

/// The sandbox's files, and the demo user's connection to it.
async fn connect(app: &App, config: &Config, principal: &PrincipalId) -> Result<(), Problem> {
    let connections = app.gateway.connections();
    let known = connections.list(principal).await.map_err(|error| Problem::caused(&error))?;
    if known.iter().any(|connection| connection.alias.as_str() == ALIAS) {
        return Ok(());
    }
    let seeding = sandbox::seed(&config.sandbox_folder());
    seeding.map_err(|error| Problem::failed(format!("cannot write the sandbox's files: {error}")))?;
    let alias = Alias::parse(ALIAS).map_err(Problem::failed)?;
    connections
        .create(principal, &alias, sandbox::SERVER, "Demo")
        .await
        .map_err(|error| Problem::caused(&error))?;
    Ok(())
}
