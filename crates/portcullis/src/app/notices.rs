//! How people are told, elsewhere than on their pages, that a call waits for them: by a webhook and by mail, as the settings
//! say.

mod mail;
mod webhook;

use std::sync::Arc;

use portcullis_authorization_server::{Groups, Users};
use portcullis_database::Database;
use portcullis_oauth::Clock;
use portcullis_resource_server::Notifier;

use self::mail::Mail;
use self::webhook::Webhook;
use super::post::Post;
use crate::Problem;
use crate::config::Config;

/// Every way that is set.
///
/// # Errors
/// When an address is not understood.
pub(super) fn of(
    config: &Config,
    (database, clock): (&Database, &Arc<dyn Clock>),
) -> Result<Vec<Arc<dyn Notifier>>, Problem> {
    let mut ways: Vec<Arc<dyn Notifier>> = Vec::new();
    if let Some(url) = &config.approvals.webhook {
        ways.push(Arc::new(Webhook(Post::to(url.clone(), None, config)?)));
    }
    if let Some(settings) = &config.mail {
        let users = Users::new(database.clone(), clock.clone());
        let groups = Groups::new(database.clone(), clock.clone());
        ways.push(Arc::new(Mail::by(settings, users, groups)?));
    }
    Ok(ways)
}
