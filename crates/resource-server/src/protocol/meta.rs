//! The members of `_meta` that are the protocol's own.

/// The revision that a request is written in.
pub(crate) const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// What the client can do.
pub(crate) const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// What the client is.
pub(crate) const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
/// From which level on a request wants log messages.
pub(crate) const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
