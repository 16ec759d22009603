//! The data folder, and files in it that only their owner can read.

use std::fs::{DirBuilder, OpenOptions, hard_link, remove_file, rename};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use portcullis_oauth::random_handle;

use crate::Problem;

/// Creates the folder for its owner alone, and finds out whether files can be created in it.
///
/// # Errors
/// One sentence, when they cannot.
pub fn prepare(folder: &Path) -> Result<(), Problem> {
    let probe = folder.join(random_handle(".probe-"));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .and_then(|()| create(&probe, b""))
        .and_then(|()| remove_file(&probe))
        .map_err(|error| {
            Problem::failed(format!(
                "cannot write to the data folder {}: {error}; choose one that this user may write to with --data-dir",
                folder.display()
            ))
        })
}

/// Writes a whole file with mode 0600, or leaves what was there.
///
/// # Errors
/// What the operating system said.
pub(super) fn write(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let draft = path.with_file_name(random_handle(".draft-"));
    let written = create(&draft, content).and_then(|()| rename(&draft, path));
    if written.is_err() {
        let _ = remove_file(&draft);
    }
    written
}

/// Writes a file with mode 0600 unless there is one: of several who do, one's is there afterwards, whole.
///
/// # Errors
/// What the operating system said.
pub(crate) fn write_once(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let draft = path.with_file_name(random_handle(".draft-"));
    let written = create(&draft, content).and_then(|()| match hard_link(&draft, path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    });
    let _ = remove_file(&draft);
    written
}

fn create(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn folder_and_files_are_for_their_owner_alone() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/data");
        prepare(&folder).unwrap();
        prepare(&folder).unwrap();
        let file = folder.join("demo.json");
        write(&file, b"one").unwrap();
        write(&file, b"two").unwrap();
        assert_eq!((mode(&folder), mode(&file)), (0o700, 0o600));
        assert_eq!(std::fs::read(&file).unwrap(), b"two");
        assert_eq!(folder.read_dir().unwrap().count(), 1, "no draft and no probe is left");
    }

    #[test]
    fn a_folder_that_cannot_be_is_told_in_one_sentence() {
        let sentence = prepare(Path::new("/dev/null/data")).unwrap_err().to_string();
        assert!(sentence.starts_with("cannot write to the data folder /dev/null/data: "), "{sentence}");
        assert!(sentence.ends_with("with --data-dir"), "{sentence}");
    }
}
