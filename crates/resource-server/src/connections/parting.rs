//! Who is told when a connection ends: what it was at its server ends there, if somebody can see to that.

use portcullis_oauth::BoxFuture;

use super::Connection;

/// What is done once a connection is gone. Returns at once; what takes time goes on by itself.
pub(crate) type Farewell = Box<dyn FnOnce() + Send>;

/// Is told of the ends of connections.
pub(crate) trait Parting: Send + Sync {
    /// Called before the connection and everything of it is deleted; what comes back is called once that is done, and not at
    /// all if it was not.
    fn before<'a>(&'a self, connection: &'a Connection) -> BoxFuture<'a, Option<Farewell>>;
}
