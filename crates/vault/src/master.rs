//! The master key: 32 random bytes from which the keys are derived that seal every other key at rest. Owns the key and its
//! file. Where else one may come from is in [`crate::source`].

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use portcullis_oauth::{Secret, SecretKind, random_handle};
use zeroize::Zeroizing;

use crate::sealing::expand;
use crate::{SealingKey, VaultError};

/// A key is 44 bytes, with its line feed; whatever is much longer is something else.
pub(crate) const LONGEST: u64 = 1_000;
/// Under this label a master key becomes its own public name.
const NAME_LABEL: &[u8] = b"portcullis master key name v1";

/// The root of every key at rest. Wiped when dropped; `Debug` prints nothing of it.
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// Reads the key at `path`, or makes one there, readable by its owner alone.
    ///
    /// # Errors
    /// When the file cannot be made or read, is not a key, or is open to group or others (ASVS-13.3.1).
    pub fn open_or_create(path: &Path) -> Result<Self, VaultError> {
        if let Some(key) = Self::read(path)? {
            return Ok(key);
        }
        create(path).map_err(|reason| VaultError::Create { path: path.to_owned(), reason })?;
        Self::read(path)?.ok_or_else(|| VaultError::Missing(path.to_owned()))
    }

    /// The key that this text holds: 32 bytes in base64, of either alphabet, with padding or without.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let either = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let text: Zeroizing<Vec<u8>> =
            Zeroizing::new(text.trim_ascii().iter().copied().map(url_safe).collect());
        let bytes = GeneralPurpose::new(&URL_SAFE, either).decode(&text).map(Zeroizing::new).ok()?;
        Some(Self(Zeroizing::new(<[u8; 32]>::try_from(bytes.as_slice()).ok()?)))
    }

    /// The key for one use, told apart by its label.
    #[must_use]
    pub fn sealing_key(&self, label: &[u8]) -> SealingKey {
        SealingKey::derive(self.0.as_slice(), label)
    }

    /// Its name, which tells nothing of it: what rows are found by that it sealed.
    #[must_use]
    pub fn name(&self) -> String {
        URL_SAFE_NO_PAD.encode(expand::<12>(self.0.as_slice(), NAME_LABEL).as_slice())
    }

    /// The key at `path`; `None` when there is no file.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, VaultError> {
        let failed = |reason| VaultError::Read { path: path.to_owned(), reason };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mode = file.metadata().map_err(failed)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(VaultError::Exposed(path.to_owned()));
        }
        let mut text = Zeroizing::new(Vec::new());
        file.take(LONGEST).read_to_end(&mut text).map_err(failed)?;
        let damaged = || VaultError::Damaged(format!("the master key {}", path.display()));
        Self::parse(&text).map(Some).ok_or_else(damaged)
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

/// What `openssl rand -base64 32` prints is as good as what we write.
const fn url_safe(byte: u8) -> u8 {
    match byte {
        b'+' => b'-',
        b'/' => b'_',
        other => other,
    }
}

/// Writes a new key beside `path` and links it into place: `path` holds a whole key or does not exist, whenever the
/// process dies, and of two processes that start at once one makes the key and both read it.
fn create(path: &Path) -> std::io::Result<()> {
    let draft = path.with_file_name(random_handle(".master-key-"));
    let written = write_draft(&draft).and_then(|()| match std::fs::hard_link(&draft, path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    });
    let _ = std::fs::remove_file(&draft);
    written
}

fn write_draft(draft: &Path) -> std::io::Result<()> {
    // A secret of the kind `Password` has no prefix: it is 256 random bits in base64url, which is the file's format.
    let secret = Secret::generate(SecretKind::Password);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    writeln!(file, "{}", secret.expose())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, read_dir, read_to_string, set_permissions, write};

    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn the_first_start_makes_a_key_that_only_its_owner_can_read_and_the_second_reads_it() {
        let folder = folder();
        let path = folder.path().join("master.key");
        let sealed = MasterKey::open_or_create(&path).unwrap().sealing_key(b"test").seal(b"x", b"");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read_to_string(&path).unwrap().len(), 44, "43 characters and a newline");
        assert_eq!(read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
        let again = MasterKey::open_or_create(&path).unwrap();
        assert_eq!(again.sealing_key(b"test").open(&sealed, b"").unwrap().as_slice(), b"x");
    }

    #[test]
    fn of_processes_that_start_at_once_all_read_the_same_key() {
        let folder = folder();
        let path = folder.path().join("master.key");
        let keys: Vec<MasterKey> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8).map(|_| scope.spawn(|| MasterKey::open_or_create(&path))).collect();
            starts.into_iter().map(|start| start.join().unwrap().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| key.0 == keys[0].0));
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = folder();
        let path = folder.path().join("master.key");
        MasterKey::open_or_create(&path).unwrap();
        set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let refusal = MasterKey::open_or_create(&path).unwrap_err().to_string();
        assert!(refusal.contains("chmod 600"), "{refusal}");
    }

    #[test]
    fn a_damaged_key_is_never_replaced() {
        let folder = folder();
        let path = folder.path().join("master.key");
        for damaged in ["", "short\n", "not base64!"] {
            write(&path, damaged).unwrap();
            set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            assert!(matches!(MasterKey::open_or_create(&path), Err(VaultError::Damaged(_))), "{damaged}");
            assert_eq!(read_to_string(&path).unwrap(), damaged);
        }
    }

    #[test]
    fn a_folder_that_does_not_exist_is_told() {
        let error = MasterKey::open_or_create(&folder().path().join("gone/master.key")).unwrap_err();
        assert!(matches!(error, VaultError::Create { .. }), "{error}");
    }
}
