//! What the two eras of MCP say on the wire: revisions, the headers that must agree with the body, the operations of
//! each era, and the shape of results. Knows no tool and no user.

pub(crate) mod code;
pub(crate) mod headers;
mod level;
pub(crate) mod meta;
mod name;
pub(crate) mod operation;
pub(crate) mod result;
pub(crate) mod revision;

pub(crate) use level::Level;
pub(crate) use operation::Operation;
pub(crate) use revision::{Era, Revision};
