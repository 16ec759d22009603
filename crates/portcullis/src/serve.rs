//! `portcullis serve`: opens what is needed, binds, tells the newcomer how to go on, serves, and stops in order.

mod announce;
mod background;
mod demo;
pub mod folder;
mod listeners;
mod logging;
pub mod middleware;
mod shutdown;

use std::sync::Arc;

use portcullis_database::Database;
use portcullis_oauth::{PublicUrl, Secret, SystemClock};

use self::announce::{Announcement, Next};
use crate::Problem;
use crate::app::{App, AppParts, assemble};
use crate::cli::say;
use crate::config::Config;

/// The page on which the bearer of `token` creates the first admin.
#[must_use]
pub fn setup_link(public_url: &PublicUrl, token: &Secret) -> String {
    public_url.join(&format!("/setup?token={}", token.expose()))
}

/// Serves until the process is told to stop.
///
/// # Errors
/// When something that is needed cannot be had, in one sentence that says what to do.
pub async fn run(config: Config, demo: bool) -> Result<(), Problem> {
    logging::start(&config)?;
    if demo {
        config.check_demo()?;
    }
    // Before anything is created: a start that fails on a taken port leaves nothing behind.
    let listeners = listeners::bind(&config.listen).await?;
    folder::prepare(&config.data_dir)?;
    let database = Database::open(config.database_url.expose()).await.map_err(Problem::failed)?;
    portcullis_vault::open(&config.master_key_file(), &database)
        .await
        .map_err(|error| Problem::caused(&error))?;
    let ports = listeners::ports(&listeners)?;
    let public_url = config.public_url_on(ports[0])?;
    let app = assemble(AppParts {
        database,
        clock: Arc::new(SystemClock),
        config: config.clone(),
        public_url: public_url.clone(),
        listen_ports: ports,
    })
    .await?;
    let next = if demo {
        Next::Demo(demo::prepare(&app, &config, &public_url).await?)
    } else {
        first_steps(&app, &public_url).await?
    };
    let signals = shutdown::Signals::install()?;
    let background = background::spawn(&app);
    let announcement =
        Announcement { public_url, engine: app.database.engine(), data_dir: config.data_dir, next };
    say(&announcement);
    shutdown::serve(&app, listeners, signals).await;
    drop(background);
    shutdown::close(&app.database).await;
    Ok(())
}

/// While there is no admin, a link that creates one. A start does not replace a link that somebody may be about to open.
async fn first_steps(app: &App, public_url: &PublicUrl) -> Result<Next, Problem> {
    let setup = app.authorization.setup();
    let any_admin = app.authorization.users().any_admin().await.map_err(|error| Problem::caused(&error))?;
    if !any_admin && setup.is_pending().await.map_err(|error| Problem::caused(&error))? {
        return Ok(Next::SetupPending);
    }
    let token = setup.issue_link().await.map_err(|error| Problem::caused(&error))?;
    Ok(token.map_or(Next::SignIn, |token| Next::Setup(setup_link(public_url, &token))))
}
