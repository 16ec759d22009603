//! The database as commands open it.

use portcullis_database::Database;

use crate::Problem;
use crate::app::paper;
use crate::config::Config;
use crate::serve::folder;

/// Opens the database, and creates an embedded one that is not there yet.
pub(super) async fn open(config: &Config) -> Result<Database, Problem> {
    folder::prepare(&config.data_dir)?;
    let database = Database::open(config.database_url.expose()).await.map_err(Problem::failed)?;
    Ok(database.as_node(&paper::command_line(config)?))
}

/// Opens a database that must exist, so that a question asked in the wrong folder does not create one there.
pub(super) async fn open_existing(config: &Config) -> Result<Database, Problem> {
    match config.database_url.file() {
        Some(file) if !file.exists() => Err(Problem::failed(format!(
            "there is no database {} yet; start one with `portcullis serve`, or name its folder with --data-dir",
            file.display()
        ))),
        _ => open(config).await,
    }
}
