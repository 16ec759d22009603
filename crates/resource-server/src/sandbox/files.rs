//! The sandbox folder: text files directly in it and nothing else. A name has no path components, its extension is on a
//! list, and what it leads to, symbolic links followed, must still lie in the folder.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::tool::ToolResult;
use crate::upstream::Failure;

/// What may be read.
const EXTENSIONS: [&str; 4] = ["txt", "md", "csv", "json"];
/// Longer files are cut.
const LONGEST: u64 = 64 * 1024;
/// More files are not listed.
const MOST: usize = 500;

const WELCOME: [(&str, &str); 3] = [
    (
        "welcome.txt",
        "Welcome to the sandbox.\n\nYou reached this file through your own connection, with a token that you approved.\n\
         Every call was checked and noted.\n",
    ),
    ("shopping.md", "# Shopping list\n\n- coffee beans\n- oat milk\n- a birthday card for Rosa\n"),
    ("planets.csv", "name,moons\nMercury,0\nVenus,0\nEarth,1\nMars,2\nJupiter,95\n"),
];

/// Creates the folder and a few friendly files in it; what is there already stays as it is.
///
/// # Errors
/// When the folder or a file cannot be written.
pub fn seed(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (name, text) in WELCOME {
        match fs::File::create_new(folder.join(name)) {
            Ok(mut file) => io::Write::write_all(&mut file, text.as_bytes())?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Lists the files.
pub(super) async fn list(folder: PathBuf) -> Result<ToolResult, Failure> {
    let files = blocking(move || list_now(&folder)).await?;
    Ok(ToolResult::structured(json!({"files": files})))
}

/// Reads one file.
pub(super) async fn read(folder: PathBuf, name: String) -> Result<ToolResult, Failure> {
    blocking(move || read_now(&folder, &name)).await.map(ToolResult::text)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Failure::Inside(error.into()))?
}

fn list_now(folder: &Path) -> Result<Vec<Value>, Failure> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(inside)?.take(MOST) {
        let Ok(name) = entry.map_err(inside)?.file_name().into_string() else { continue };
        if let Ok(path) = resolve(folder, &name) {
            let bytes = fs::metadata(path).map_err(inside)?.len();
            files.push((name, bytes));
        }
    }
    files.sort();
    Ok(files.into_iter().map(|(name, bytes)| json!({"name": name, "bytes": bytes})).collect())
}

fn read_now(folder: &Path, name: &str) -> Result<String, Failure> {
    let path = resolve(folder, name)?;
    let mut bytes = Vec::new();
    fs::File::open(path).map_err(inside)?.take(LONGEST).read_to_end(&mut bytes).map_err(inside)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The file of this name, if it is one that may be read. A file that may not be is one that is not there.
fn resolve(folder: &Path, name: &str) -> Result<PathBuf, Failure> {
    let unknown =
        || Failure::Told("There is no such file. list_files shows those that there are.".to_owned());
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" ._-".contains(&byte));
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    let listed = extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()));
    if !plain || !listed || name.starts_with('.') || name.len() > 100 {
        return Err(unknown());
    }
    let base = folder.canonicalize().map_err(inside)?;
    let path = base.join(name).canonicalize().map_err(|_| unknown())?;
    if path.parent() == Some(base.as_path()) && path.is_file() { Ok(path) } else { Err(unknown()) }
}

fn inside(error: io::Error) -> Failure {
    Failure::Inside(error.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(result: &Result<String, Failure>) -> bool {
        matches!(result, Err(Failure::Told(_)))
    }

    #[test]
    fn a_seeded_folder_keeps_what_its_owner_changed() {
        let folder = tempfile::tempdir().unwrap();
        seed(folder.path()).unwrap();
        fs::write(folder.path().join("welcome.txt"), "mine").unwrap();
        seed(folder.path()).unwrap();
        assert_eq!(read_now(folder.path(), "welcome.txt").unwrap(), "mine");
        assert_eq!(list_now(folder.path()).unwrap().len(), 3);
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        let outside = tempfile::tempdir().unwrap();
        let folder = outside.path().join("box");
        seed(&folder).unwrap();
        fs::write(outside.path().join("secret.txt"), "secret").unwrap();
        fs::write(folder.join("key.pem"), "key").unwrap();
        fs::create_dir(folder.join("folder.txt")).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(outside.path().join("secret.txt"), folder.join("link.txt")).unwrap();
        for name in [
            "../secret.txt",
            "/etc/passwd",
            "..",
            "",
            "link.txt",
            "key.pem",
            "folder.txt",
            "a/b.txt",
            "..\\x.txt",
            ".hidden.txt",
        ] {
            assert!(told(&read_now(&folder, name)), "{name}");
        }
        assert_eq!(list_now(&folder).unwrap().len(), 3);
    }
}
