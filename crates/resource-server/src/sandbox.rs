//! The sandbox: a built-in upstream server, so that the first run has something to call, and the reference for what safe
//! tools look like. Owns its tools and their data, which is a folder of friendly text files, two demo tables in a
//! private in-memory database, and notes in memory.

mod catalogue;
mod database;
mod files;
mod notes;

use std::path::{Path, PathBuf};
use std::time::Duration;

use portcullis_oauth::PrincipalId;
use serde_json::{Map, Value};

use crate::tool::ToolResult;
use crate::upstream::Failure;
use database::DemoDatabase;
use notes::Notes;

pub use files::seed;

/// What connections to the sandbox call their server.
pub const SERVER: &str = "sandbox";
/// The sandbox's name for people.
pub const TITLE: &str = "Sandbox";

/// The names of every tool, in the order of lists.
#[must_use]
pub fn tool_names() -> Vec<String> {
    let names = catalogue::descriptions().into_iter();
    names.filter_map(|tool| Some(tool.get("name")?.as_str()?.to_owned())).collect()
}

/// The running sandbox.
pub(crate) struct Sandbox {
    folder: PathBuf,
    database: DemoDatabase,
    notes: Notes,
}

impl Sandbox {
    /// Opens the sandbox over `folder`.
    pub(crate) async fn open(folder: &Path) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self { folder: folder.to_owned(), database: DemoDatabase::open().await?, notes: Notes::default() })
    }

    /// Its tools as a list shows them, in a stable order.
    pub(crate) fn tools() -> Vec<Value> {
        catalogue::descriptions().into_iter().map(Value::Object).collect()
    }

    /// Runs a tool whose arguments obey its schema.
    pub(crate) async fn call(
        &self,
        principal: &PrincipalId,
        tool: &str,
        arguments: Map<String, Value>,
    ) -> Result<ToolResult, Failure> {
        let text = |key: &str| arguments.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        match tool {
            "echo" => Ok(ToolResult::text(text("message"))),
            "slow" => Ok(slow(arguments.get("seconds").and_then(Value::as_f64).unwrap_or(1.0)).await),
            "fail" => Err(Failure::Inside("the tool `fail` was called".into())),
            "list_files" => files::list(self.folder.clone()).await,
            "read_file" => files::read(self.folder.clone(), text("name")).await,
            "query_database" => self.database.query(&arguments).await,
            "create_note" => self.notes.create(principal, &text("title"), &text("text")),
            "update_note" => self.notes.update(principal, &text("id"), &text("text")),
            "delete_note" => self.notes.delete(principal, &text("id")),
            "send_message" => Ok(ToolResult::text(format!(
                "The sandbox sends nothing for real. The message to {} would have gone out.",
                text("to")
            ))),
            _ => Err(Failure::Inside(format!("the sandbox has no tool {tool}").into())),
        }
    }
}

async fn slow(seconds: f64) -> ToolResult {
    let seconds = seconds.clamp(0.0, 10.0);
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    ToolResult::text(format!("That took {seconds} s."))
}
