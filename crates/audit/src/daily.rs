//! Files of one day each, `audit-YYYY-MM-DD.jsonl`, to which lines are appended. Whose lines they are, its users know.

use std::fs::OpenOptions;
use std::io::{Result, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use portcullis_oauth::Timestamp;

/// Appends lines to the file of the day of `at`, in one write: several processes may share a folder. They are on the disk
/// afterwards.
pub(crate) fn append(folder: &Path, at: Timestamp, lines: &[u8]) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut options = OpenOptions::new();
    let mut file = options.append(true).create(true).mode(0o600).open(folder.join(file_of(at)))?;
    file.write_all(lines)?;
    file.sync_data()
}

/// Removes the files of days before this one.
pub(crate) fn prune(folder: &Path, before: Timestamp) -> Result<()> {
    let oldest = file_of(before);
    for path in files(folder)? {
        if path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name < oldest.as_str()) {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// The files in a folder, the oldest first.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("audit-") && path.extension().is_some_and(|kind| kind == "jsonl") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The file of this day, UTC.
pub(crate) fn file_of(at: Timestamp) -> String {
    let day = time::OffsetDateTime::from_unix_timestamp(at.seconds()).map(time::OffsetDateTime::date);
    format!("audit-{}.jsonl", day.unwrap_or(time::Date::MIN))
}
