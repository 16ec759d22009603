//! The tools: a person's notes, kept in memory. Who asks, and what they may do, is in the [`VerifiedBearer`] that the
//! layer left in the request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::request::Parts;
use portcullis_resource_server::VerifiedBearer;
use portcullis_resource_server::oauth::PrincipalId;
use rmcp::handler::server::tool::Extension;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{ServerCapabilities, ServerConfig};
use rmcp::{ErrorData, ServerHandler, schemars, tool, tool_handler, tool_router};

/// What every request needs; the layer asks for it.
pub(crate) const READ: &str = "notes.read";
/// What adding a note needs; the tool asks for it.
pub(crate) const WRITE: &str = "notes.write";

/// Everybody's notes.
#[derive(Clone, Default)]
pub(crate) struct Notes(Arc<Mutex<HashMap<PrincipalId, Vec<String>>>>);

/// A note to be added.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct NewNote {
    /// What to remember
    text: String,
}

#[tool_router]
impl Notes {
    /// List my notes
    #[tool(name = "list_notes", annotations(read_only_hint = true))]
    fn list(&self, Extension(parts): Extension<Parts>) -> Result<String, ErrorData> {
        let bearer = bearer(&parts)?;
        let notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(notes.get(&bearer.principal().id).map(|notes| notes.join("\n")).unwrap_or_default())
    }

    /// Add a note
    #[tool(name = "add_note")]
    fn add(
        &self,
        Parameters(new): Parameters<NewNote>,
        Extension(parts): Extension<Parts>,
    ) -> Result<String, ErrorData> {
        let bearer = bearer(&parts)?;
        if !bearer.effective_scope().contains(WRITE) {
            return Err(ErrorData::invalid_request(format!("this needs the scope {WRITE}"), None));
        }
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notes.entry(bearer.principal().id.clone()).or_default().push(new.text);
        Ok("noted".to_owned())
    }
}

#[tool_handler]
impl ServerHandler for Notes {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
}

/// The layer lets nobody through without one.
fn bearer(parts: &Parts) -> Result<&VerifiedBearer, ErrorData> {
    parts.extensions.get().ok_or_else(|| ErrorData::internal_error("the bearer check is not in place", None))
}
