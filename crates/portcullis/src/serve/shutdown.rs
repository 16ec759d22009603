//! Serving until a signal, and stopping in order: nothing new is accepted, what is under way gets a few seconds.

use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::connections::{Connections, Places};
use crate::Problem;
use crate::app::App;

/// Requests that are under way get so long to be answered.
const DRAIN: Duration = Duration::from_secs(4);
/// Signals that follow the first one so soon mean the same.
const REPETITION: Duration = Duration::from_secs(1);
/// Work that must be finished although nobody waits for its answer gets so long after that.
const FINISH: Duration = Duration::from_secs(1);
/// The database gets so long to give its connections back.
const CLOSE: Duration = Duration::from_secs(2);

/// Ctrl-C and SIGTERM.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// From now on these signals do not end the process by themselves.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub(super) fn install() -> Result<Self, Problem> {
        let listen =
            |kind| signal(kind).map_err(|error| Problem::failed(format!("cannot wait for signals: {error}")));
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// The next of them.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// What is served, and where: under TLS if there is an acceptor.
pub(super) struct Served {
    pub(super) router: Router,
    pub(super) listeners: Vec<TcpListener>,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) places: Places,
}

/// Serves until a signal comes; a second one stops at once.
pub(super) async fn serve(app: &App, served: [Served; 2], mut signals: Signals) {
    let stop = CancellationToken::new();
    let mut servers = JoinSet::new();
    for Served { router, listeners, tls, places } in served {
        let connections = Connections::new(router, tls, places, stop.clone());
        for listener in listeners {
            servers.spawn(connections.clone().accept(listener));
        }
    }
    signals.next().await;
    tracing::info!("stopping; requests that are under way get {} seconds", DRAIN.as_secs());
    stop.cancel();
    // Streams of changes would go on for ever.
    app.gateway.close_streams();
    tokio::select! {
        () = drain(app, servers) => tracing::info!("stopped"),
        () = impatience(&mut signals) => tracing::warn!("stopped at once"),
    }
}

/// A further signal, but not one that only repeats the first: supervisors often tell a process and its group both.
async fn impatience(signals: &mut Signals) {
    let _ = timeout(REPETITION, async {
        loop {
            signals.next().await;
        }
    })
    .await;
    signals.next().await;
}

async fn drain(app: &App, mut servers: JoinSet<()>) {
    let answered = async { while servers.join_next().await.is_some() {} };
    if timeout(DRAIN, answered).await.is_err() {
        tracing::warn!("some requests are cut off, or their streams are");
    }
    let finished = async {
        app.authorization.drain().await;
        app.gateway.drain().await;
    };
    if timeout(FINISH, finished).await.is_err() {
        tracing::warn!("some work is cut off; it will be marked so at the next start");
    }
}

/// Notes where the audit chain ends, and closes the database, so that `SQLite` leaves one file and PostgreSQL no open session.
pub(super) async fn close(app: &App) {
    if !matches!(timeout(CLOSE, app.trail.checkpoint(app.clock.now())).await, Ok(Ok(()))) {
        tracing::warn!("the end of the audit chain was not noted; the next start does");
    }
    if timeout(CLOSE, app.database.close()).await.is_err() {
        tracing::warn!("the database was not closed in time; nothing that was acknowledged is lost");
    }
}
