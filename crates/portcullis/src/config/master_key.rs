//! Where the master key comes from: at most one of a file, the environment and a command; without any, a file in the data
//! folder.

use std::path::Path;

use portcullis_oauth::Secret;
use portcullis_vault::MasterKeySource;
use serde_json::{Value, json};

use super::draft::Draft;
use crate::Problem;

/// The setting that only the environment may hold.
pub(super) const SECRET: &str = "master_key";
const MASK: &str = "***";

/// The one that was named.
pub(super) fn check(draft: &mut Draft, data_dir: &Path) -> Result<MasterKeySource, Problem> {
    let file = draft.master_key_file.take().filter(|path| !path.is_empty());
    let command = draft.master_key_command.take().filter(|argv| !argv.is_empty());
    match (draft.master_key.take(), file, command) {
        (None, None, None) => Ok(MasterKeySource::File(data_dir.join("master.key"))),
        (None, Some(path), None) => Ok(MasterKeySource::File(path.into())),
        (Some(key), None, None) => Ok(MasterKeySource::Environment(Secret::presented(key))),
        (None, None, Some(argv)) => Ok(MasterKeySource::Command(argv)),
        _ => Err(Problem::configuration(
            "the master key comes from one place: keep one of master_key_file, master_key_command and PORTCULLIS_MASTER_KEY",
        )),
    }
}

/// A file of settings is copied and read by many, so the key itself has no place in it.
pub(super) fn refuse_in_file(path: &Path) -> Problem {
    Problem::configuration(format!(
        "{} must not hold {SECRET}: put the key into a file of its own and name it with master_key_file, or into the variable PORTCULLIS_MASTER_KEY",
        path.display()
    ))
}

/// The value of one of the three settings, the key itself masked; `None` for any other setting.
pub(super) fn shown(source: &MasterKeySource, name: &str) -> Option<Value> {
    Some(match (name, source) {
        ("master_key_file", MasterKeySource::File(path)) => json!(path.display().to_string()),
        ("master_key_command", MasterKeySource::Command(argv)) => json!(argv),
        (SECRET, MasterKeySource::Environment(_)) => json!(MASK),
        ("master_key_file" | "master_key_command" | SECRET, _) => Value::Null,
        _ => return None,
    })
}
