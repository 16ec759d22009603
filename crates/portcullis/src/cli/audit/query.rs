//! Which records: the options that searches and exports share.

use std::sync::Arc;

use clap::Args;
use portcullis_audit::{Outcome, Query};
use portcullis_authorization_server::Users;
use portcullis_database::Database;
use portcullis_oauth::{ClientId, Clock, ConnectionId, PrincipalId, Seconds, SystemClock, Timestamp};

use crate::Problem;
use crate::cli::span::span;

/// Which records.
#[derive(Debug, Args)]
pub(in crate::cli) struct QueryArguments {
    /// Only those on behalf of this person, or of the principal with this id
    #[arg(long, value_name = "EMAIL")]
    user: Option<String>,
    /// Only those of this client
    #[arg(long, value_name = "CLIENT_ID")]
    client: Option<String>,
    /// Only those at this connection
    #[arg(long, value_name = "CONNECTION_ID")]
    connection: Option<String>,
    /// Only those of this tool
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// Only those of this sort, such as tools.call or consent
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Only those that ended so: started, done, refused or failed
    #[arg(long, value_name = "DECISION", value_parser = outcome)]
    decision: Option<Outcome>,
    /// Only those under this X-Request-Id
    #[arg(long, value_name = "ID")]
    trace: Option<String>,
    /// Only those since this time, such as 30m, 1h or 2d ago
    #[arg(long, value_name = "TIME", value_parser = span)]
    since: Option<Seconds>,
    /// Only those before this time, such as 1h ago
    #[arg(long, value_name = "TIME", value_parser = span)]
    until: Option<Seconds>,
}

impl QueryArguments {
    /// The question as the records are asked it.
    pub(super) async fn read(&self, database: &Database) -> Result<Query, Problem> {
        let clock = Arc::new(SystemClock);
        let ago = |span: Option<Seconds>| span.map(|span| clock.now().minus(span));
        let (since, until): (Option<Timestamp>, _) = (ago(self.since), ago(self.until));
        let principal = match &self.user {
            Some(email) if email.contains('@') => {
                let found = Users::new(database.clone(), clock).find_by_email(email).await;
                let found = found.map_err(|error| Problem::caused(&error))?;
                let unknown = || {
                    Problem::failed(format!(
                        "nobody has the e-mail address {email}; of somebody who has gone, name the user's id"
                    ))
                };
                Some(found.ok_or_else(unknown)?.id)
            }
            id => id.clone().map(PrincipalId::from),
        };
        Ok(Query {
            principal,
            client: self.client.clone().map(ClientId::from),
            connection: self.connection.clone().map(ConnectionId::from),
            tool: self.tool.clone(),
            action: self.action.clone(),
            outcome: self.decision,
            trace_id: self.trace.clone(),
            since,
            until,
        })
    }
}

fn outcome(text: &str) -> Result<Outcome, String> {
    Outcome::parse(text).ok_or_else(|| "it is started, done, refused or failed".to_owned())
}
