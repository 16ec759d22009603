//! What runs beside the requests: the feed of changes, the ear for upstream servers, the sweeper of what has expired, and the messenger that tells
//! clients of sign-outs.

use std::sync::Arc;
use std::time::Duration;

use portcullis_audit::{Shipping, Trail};
use portcullis_authorization_server::AuthorizationServer;
use portcullis_oauth::{Clock, Seconds};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::app::App;

/// How often expired rows are swept.
const SWEEP: Duration = Duration::from_mins(1);
/// How often records that were committed within a transaction get their places in the audit chain.
const SEAL: Duration = Duration::from_secs(1);
/// How often sinks are given what is new, and how long they are left alone at most when they fail.
const SHIP: Duration = Duration::from_secs(1);
const SHIP_LONGEST: Duration = Duration::from_mins(5);
/// How often notices are looked for.
const NOTICES: Duration = Duration::from_secs(2);

/// Spawns them. They end when the set is dropped: each of their statements is whole, so they may end anywhere.
pub(super) fn spawn(app: &App) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(app.changes.clone().run());
    tasks.spawn(tell_of_sign_outs(app.authorization.clone(), app.clock.clone()));
    tasks.spawn(seal(app.trail.clone(), app.clock.clone()));
    for shipping in &app.sinks {
        tasks.spawn(ship(shipping.clone(), (app.clock.clone(), app.kept)));
    }
    let heard = app.gateway.clone();
    tasks.spawn(async move { heard.hear().await });
    let (authorization, gateway, clock) = (app.authorization.clone(), app.gateway.clone(), app.clock.clone());
    let (trail, sessions) = (app.trail.clone(), app.sessions.clone());
    tasks.spawn(async move {
        let since = clock.now();
        let mut ticks = interval(SWEEP);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let now = clock.now();
            let swept = [
                authorization.sweep(now).await,
                gateway.sweep(now).await,
                sessions.sweep(now).await,
                trail.close_interrupted(now, since).await,
                trail.checkpoint(now).await,
                trail.sweep(now).await,
            ];
            if let Err(error) = gateway.authorization().retry().await {
                tracing::warn!(cause = ?error, "postponed refreshes could not be looked at; they will be again");
            }
            for swept in swept {
                if let Err(error) = swept {
                    tracing::warn!(cause = ?error, "what has expired could not be swept; it will be tried again");
                }
            }
        }
    });
    tasks
}

async fn seal(trail: Trail, clock: Arc<dyn Clock>) {
    let mut ticks = interval(SEAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = trail.seal(clock.now()).await {
            tracing::warn!(cause = ?error, "audit records could not be chained; it will be tried again");
        }
    }
}

/// Gives a sink what is new. One that fails is tried again, at longer and longer intervals.
async fn ship(shipping: Shipping, (clock, kept): (Arc<dyn Clock>, Seconds)) {
    let mut wait = SHIP;
    loop {
        match shipping.ship(clock.now()).await {
            Ok(_) => wait = SHIP,
            Err(error) => {
                wait = (wait * 2).min(SHIP_LONGEST);
                let seconds = wait.as_secs();
                tracing::warn!(cause = %error, seconds, "audit events were not taken; they will be given again");
            }
        }
        shipping.sink().forget(clock.now().minus(kept));
        sleep(wait).await;
    }
}

async fn tell_of_sign_outs(authorization: AuthorizationServer, clock: Arc<dyn Clock>) {
    let mut ticks = interval(NOTICES);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = authorization.deliver_logout_notices(clock.now()).await {
            tracing::warn!(cause = ?error, "clients could not be told of sign-outs; it will be tried again");
        }
    }
}
