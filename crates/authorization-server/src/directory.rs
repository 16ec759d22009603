//! What the consent page must know of connections, which are the resource server's: a port that the binary fills.

use std::error::Error;

use portcullis_oauth::{Alias, BoxFuture, ConnectionId, PrincipalId};

/// Tells of connections and of what scopes open. Implemented where both servers are known.
pub trait ConnectionDirectory: Send + Sync {
    /// The connections that `principal` owns, by alias.
    fn connections_of<'a>(
        &'a self,
        principal: &'a PrincipalId,
    ) -> BoxFuture<'a, Result<Vec<ConnectionSummary>, Box<dyn Error + Send + Sync>>>;

    /// Which tools each scope opens, for the tick boxes.
    fn tools_by_scope(&self) -> Vec<(&'static str, Vec<String>)>;
}

/// A connection as the consent page names it.
#[derive(Clone, Debug)]
pub struct ConnectionSummary {
    /// Its identifier.
    pub id: ConnectionId,
    /// The user's own name for it.
    pub alias: Alias,
    /// What it connects to.
    pub server_title: String,
    /// As whom, in the user's words.
    pub account_label: String,
}
