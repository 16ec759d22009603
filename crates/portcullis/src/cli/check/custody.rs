//! Who can read what only we should: the master key, the data folder, the database's file, the TLS key.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use portcullis_vault::MasterKeySource;

use super::Finding;
use crate::config::Config;

const MASTER_KEY: &str = "master key";
const GROUP: u32 = 0o070;
const OTHERS: u32 = 0o007;

/// Every point about it (ASVS-13.3.1).
pub(super) fn findings(config: &Config) -> Vec<Finding> {
    let mut findings = vec![master_key(config), private("data folder", &config.data_dir, 0o700)];
    findings.extend(config.database_url.file().map(|file| private("database file", file, 0o600)));
    findings.extend(config.tls.as_ref().map(|files| tls_key(&files.key)));
    findings
}

fn master_key(config: &Config) -> Finding {
    let source = &config.master_key;
    let advice = "mend it before the next start, which would refuse it";
    match (source.is_there(), source) {
        (Err(error), _) => Finding::fail(MASTER_KEY, error.to_string(), advice),
        (Ok(false), _) => Finding::warn(
            MASTER_KEY,
            format!("{source} is not there yet"),
            "the first start makes it; keep a copy where no copy of the database is",
        ),
        (Ok(true), MasterKeySource::File(path)) => key_file(config, path),
        (Ok(true), _) => Finding::ok(MASTER_KEY, format!("this is {source}, not in a file of ours")),
    }
}

fn key_file(config: &Config, path: &Path) -> Finding {
    let shown = path.display();
    let beside = |file: &Path| file.parent() == path.parent();
    if config.database_url.file().is_some_and(beside) {
        return Finding::warn(
            MASTER_KEY,
            format!(
                "{shown} is readable by its owner alone, but lies beside the database: one copy of the folder has both"
            ),
            "keep the key out of the backups of the database, or elsewhere with master_key_file or master_key_command",
        );
    }
    Finding::ok(MASTER_KEY, format!("{shown} is readable by its owner alone"))
}

fn private(check: &'static str, path: &Path, wanted: u32) -> Finding {
    let shown = path.display();
    match mode(path) {
        None => Finding::warn(check, format!("there is no {shown} yet"), "the first start creates it"),
        Some(mode) if mode & (GROUP | OTHERS) != 0 => Finding::fail(
            check,
            format!("others can get at {shown} (mode {mode:03o})"),
            format!("run `chmod {wanted:03o} {shown}`"),
        ),
        Some(mode) => Finding::ok(check, format!("{shown} is for its owner alone (mode {mode:03o})")),
    }
}

/// A key that a group may read is common where another service renews it.
fn tls_key(path: &Path) -> Finding {
    const CHECK: &str = "TLS key";
    let shown = path.display();
    let advice = format!("run `chmod 600 {shown}`, and let the user that runs Portcullis own it");
    match mode(path) {
        None => Finding::fail(CHECK, format!("{shown} cannot be looked at"), advice),
        Some(mode) if mode & OTHERS != 0 => Finding::fail(
            CHECK,
            format!("everybody on this machine can get at {shown} (mode {mode:03o})"),
            advice,
        ),
        Some(mode) if mode & GROUP != 0 => {
            Finding::warn(CHECK, format!("a group can get at {shown} (mode {mode:03o})"), advice)
        }
        Some(mode) => Finding::ok(CHECK, format!("{shown} is for its owner alone (mode {mode:03o})")),
    }
}

fn mode(path: &Path) -> Option<u32> {
    path.metadata().ok().map(|metadata| metadata.permissions().mode() & 0o777)
}
