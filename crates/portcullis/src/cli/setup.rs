//! `portcullis setup`: a new one-time link for the first admin.

use std::sync::Arc;

use portcullis_authorization_server::Setup;
use portcullis_oauth::SystemClock;

use super::output::must_say;
use super::store;
use crate::Problem;
use crate::config::Config;
use crate::serve::setup_link;

/// Prints the link, while there is no admin.
pub(super) async fn run(config: &Config) -> Result<(), Problem> {
    let database = store::open_existing(config).await?;
    let setup = Setup::new(database, Arc::new(SystemClock));
    match setup.issue_link().await.map_err(|error| Problem::caused(&error))? {
        Some(token) => {
            // A link that nobody can read has replaced one that somebody could: that is no success.
            must_say(&setup_link(&config.assumed_public_url()?, &token))
        }
        None => Err(Problem::failed(
            "there is an admin already; sign in as one, or add another with `portcullis user add --admin`",
        )),
    }
}
