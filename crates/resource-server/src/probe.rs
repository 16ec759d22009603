//! The port through which a connection is tried out as a real call would go: an authenticated list of its tools.

use portcullis_oauth::BoxFuture;

use crate::connections::Connection;

/// Who tries connections out.
pub trait Probe: Send + Sync {
    /// Asks `connection`'s server for its tools with the connection's own credentials, and notes how it then stands.
    /// Whatever goes wrong is part of that.
    fn probe<'a>(&'a self, connection: &'a Connection) -> BoxFuture<'a, ()>;
}
