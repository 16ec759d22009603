//! The database: whether it answers, whether its clock is ours, and whether the demo's account is in it.

use portcullis_database::{HARMFUL_SKEW, Inspection, on};
use portcullis_oauth::{Clock, SystemClock};

use super::Finding;
use crate::config::Config;
use crate::serve::DEMO_EMAIL;

/// Clocks may differ by so many milliseconds before it is worth a word.
const NOTABLE: u64 = 1_000;

/// Every point about it.
pub(super) async fn findings(config: &Config) -> Vec<Finding> {
    let mut connection = match Inspection::open(config.database_url.expose()).await {
        Ok(Some(connection)) => connection,
        Ok(None) => {
            let found = format!("there is no {} yet", config.database_url.masked());
            let advice =
                "the first start creates it; set database_url for PostgreSQL, which several nodes can share";
            return vec![Finding::warn("database", found, advice)];
        }
        Err(problem) => {
            return vec![Finding::fail("database", problem.to_string(), "nothing works without it")];
        }
    };
    let database = engine(&mut connection).await;
    let clock = clock(&mut connection).await;
    let demo = demo(config, &mut connection).await;
    connection.close().await;
    vec![database, clock, demo]
}

async fn engine(connection: &mut Inspection) -> Finding {
    const CHECK: &str = "database";
    let shared = if connection.is_shared() {
        "several nodes can share it"
    } else {
        "it serves one process on one machine"
    };
    let name = format!("{} answers; {shared}", connection.engine());
    match connection.steps().await {
        Ok(steps) if steps.is_empty() => Finding::warn(
            CHECK,
            format!("{name}; it has no schema yet"),
            "`portcullis migrate` or the first start makes it",
        ),
        Ok(steps) => Finding::ok(CHECK, format!("{name}; its schema has {} steps", steps.len())),
        Err(problem) => Finding::fail(CHECK, problem.to_string(), "let its user read and write the schema"),
    }
}

async fn clock(connection: &mut Inspection) -> Finding {
    const CHECK: &str = "clock";
    let asked = SystemClock.now().micros();
    let theirs = connection.clock().await;
    let ours = i64::midpoint(asked, SystemClock.now().micros());
    match theirs.map(|theirs| theirs.map(|theirs| theirs.micros().abs_diff(ours) / 1_000)) {
        Ok(None) => Finding::ok(CHECK, "the database is on this machine and has its clock"),
        Ok(Some(apart)) if apart < NOTABLE => {
            Finding::ok(CHECK, format!("PostgreSQL's is {apart} ms from ours"))
        }
        Ok(Some(apart)) => {
            let found = format!("PostgreSQL's clock is {apart} ms from ours");
            let advice = "let both machines follow the same time service (NTP)";
            if apart < HARMFUL_SKEW {
                Finding::warn(CHECK, found, advice)
            } else {
                Finding::fail(CHECK, found, advice)
            }
        }
        Err(error) => {
            Finding::warn(CHECK, format!("PostgreSQL did not tell its time: {error}"), "ask it again")
        }
    }
}

/// The demo's password stands in a file and on a screen.
async fn demo(config: &Config, connection: &mut Inspection) -> Finding {
    const CHECK: &str = "demo account";
    let found: Result<Option<i64>, sqlx::Error> = on!(connection.on(), |connection| sqlx::query_scalar(
        "SELECT count(*) FROM user_account WHERE email = $1 AND disabled_at IS NULL"
    )
    .bind(DEMO_EMAIL)
    .fetch_optional(connection)
    .await);
    let is_here_only = config.assumed_public_url().is_ok_and(|url| url.is_loopback());
    let advice = format!("run `portcullis user disable {DEMO_EMAIL}`, and delete demo.json");
    match found {
        Ok(Some(count)) if count > 0 && is_here_only => {
            Finding::warn(CHECK, format!("{DEMO_EMAIL} can sign in, on this computer"), advice)
        }
        Ok(Some(count)) if count > 0 => {
            Finding::fail(CHECK, format!("{DEMO_EMAIL} can sign in, as an admin"), advice)
        }
        _ => Finding::ok(CHECK, "none that can sign in"),
    }
}
