//! `portcullis serve`: opens what is needed, binds, tells the newcomer how to go on, serves, and stops in order.

mod announce;
mod background;
mod connections;
mod demo;
pub(crate) mod files;
pub mod folder;
mod listeners;
pub mod logging;
pub(crate) mod metrics;
pub mod middleware;
mod shutdown;

use std::sync::Arc;

use portcullis_database::Database;
use portcullis_oauth::{Clock, PublicUrl, Secret, SystemClock};
use portcullis_vault::Vault;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use tokio_rustls::TlsAcceptor;

use self::announce::{Announcement, Next};
use self::connections::Places;
pub(crate) use self::demo::EMAIL as DEMO_EMAIL;
use self::metrics::Metrics;
use self::shutdown::Served;
use crate::Problem;
use crate::app::{App, AppParts, assemble, health, paper};
use crate::cli::say;
use crate::config::{Config, TlsFiles};
use crate::tls::{self, Validity};

/// So many who watch over the process are answered at once.
const WATCHERS: usize = 64;

/// The page on which the bearer of `token` creates the first admin.
#[must_use]
pub fn setup_link(public_url: &PublicUrl, token: &Secret) -> String {
    public_url.join(&format!("/setup?token={}", token.expose()))
}

/// Neither memory nor environment of this process can be read by another of the same user: the programs that it runs for
/// connections are such (T38). A crash leaves no core either.
fn keep_to_itself() {
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "other processes of this user can read the memory of this one");
    }
}

/// Serves until the process is told to stop.
///
/// # Errors
/// When something that is needed cannot be had, in one sentence that says what to do.
pub async fn run(config: Config, demo: bool) -> Result<(), Problem> {
    logging::start(&config)?;
    keep_to_itself();
    let metrics = Metrics::start()?;
    if demo {
        config.check_demo()?;
    }
    let acceptor = config.tls.as_ref().map(acceptor).transpose()?;
    // Before anything is created: a start that fails on a taken port leaves nothing behind.
    let listeners = listeners::bind(&config.listen).await?;
    let watchers = listeners::bind_where_free(&config.ops_listen).await?;
    folder::prepare(&config.data_dir)?;
    let database = Database::open(config.database_url.expose()).await.map_err(Problem::failed)?;
    let database = paper::database(&database, &config)?;
    let vault = Vault::unlock(&config.master_key, &database, SystemClock.now()).await;
    let vault = vault.map_err(|error| Problem::caused(&error))?;
    let ports = listeners::ports(&listeners)?;
    let public_url = config.public_url_on(ports[0])?;
    let app = assemble(AppParts {
        database,
        clock: Arc::new(SystemClock),
        config: config.clone(),
        public_url: public_url.clone(),
        vault,
        listen_ports: ports,
    })
    .await?;
    let next = if demo {
        Next::Demo(demo::prepare(&app, &config, &public_url).await?)
    } else {
        first_steps(&app, &public_url).await?
    };
    let places = Places::new(files::make_room(config.limits.max_connections), &config);
    let public = Served { router: app.router.clone(), listeners, tls: acceptor, places };
    let watched = Served {
        router: health::ops(app.health.clone(), metrics),
        listeners: watchers,
        tls: None,
        places: Places::new(WATCHERS, &config),
    };
    if watched.listeners.is_empty() && !config.ops_listen.is_empty() {
        tracing::warn!(
            "no metrics are shown, since the port for them is taken; choose another with --ops-listen"
        );
    }
    let signals = shutdown::Signals::install()?;
    let background = background::spawn(&app);
    let announcement =
        Announcement { public_url, engine: app.database.engine(), data_dir: config.data_dir, next };
    say(&announcement);
    shutdown::serve(&app, [public, watched], signals).await;
    drop(background);
    shutdown::close(&app).await;
    Ok(())
}

/// What ends TLS. A certificate that clients will not believe is no reason not to start: they say so themselves.
fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, Problem> {
    let config = tls::server_config(files)?;
    let own = tls::certificates(&files.certificate)?.into_iter().next();
    let path = files.certificate.display();
    match own.map_or(Validity::Valid, |own| tls::validity(&own, SystemClock.now())) {
        Validity::Valid => {}
        Validity::Expired => {
            tracing::warn!(%path, "the TLS certificate has expired; renew it and start again");
        }
        Validity::NotYet => {
            tracing::warn!(%path, "the TLS certificate is not valid yet; check this machine's clock");
        }
    }
    Ok(TlsAcceptor::from(Arc::new(config)))
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
