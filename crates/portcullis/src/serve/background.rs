//! What runs beside the requests: the feed of changes, and the sweeper of what has expired.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::app::App;

/// How often expired rows are swept.
const SWEEP: Duration = Duration::from_mins(1);

/// Spawns both. They end when the set is dropped: each of their statements is whole, so they may end anywhere.
pub(super) fn spawn(app: &App) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(app.changes.clone().run());
    let (authorization, gateway, clock) = (app.authorization.clone(), app.gateway.clone(), app.clock.clone());
    let (trail, sessions) = (app.trail.clone(), app.sessions.clone());
    tasks.spawn(async move {
        let mut ticks = interval(SWEEP);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let now = clock.now();
            let swept = [
                authorization.sweep(now).await,
                gateway.sweep(now).await,
                sessions.sweep(now).await,
                trail.close_interrupted(now).await,
                trail.sweep(now).await,
            ];
            for swept in swept {
                if let Err(error) = swept {
                    tracing::warn!(cause = ?error, "what has expired could not be swept; it will be tried again");
                }
            }
        }
    });
    tasks
}
