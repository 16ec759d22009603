//! A command that prints the master key, such as the client of a key store: started directly, never by a shell, and bounded
//! in time and output.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::master::LONGEST;

/// A key store that does not answer within this time is not there.
const PATIENCE: Duration = Duration::from_secs(10);
/// Our own settings may hold passwords, and are nothing to the command.
const OURS: &str = "PORTCULLIS_";
const DATABASE: &str = "DATABASE_URL";

/// What the command prints.
///
/// # Errors
/// Why there is nothing to read, as the end of a sentence.
pub(crate) async fn output(argv: &[String]) -> Result<Zeroizing<Vec<u8>>, String> {
    match timeout(PATIENCE, run(argv)).await {
        Ok(done) => done,
        // The child is killed as it is dropped.
        Err(_) => Err(format!("it did not end within {} seconds", PATIENCE.as_secs())),
    }
}

async fn run(argv: &[String]) -> Result<Zeroizing<Vec<u8>>, String> {
    let (program, arguments) = argv.split_first().ok_or("it names no program")?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with(OURS) || name == DATABASE {
            command.env_remove(name);
        }
    }
    let mut child = command.spawn().map_err(|error| format!("it cannot be started ({error})"))?;
    let stdout = child.stdout.take().ok_or("it has no output")?;
    let mut text = Zeroizing::new(Vec::new());
    let read = stdout.take(LONGEST).read_to_end(&mut text).await;
    read.map_err(|error| format!("its output cannot be read ({error})"))?;
    if text.len() as u64 == LONGEST {
        return Err("it prints more than a key".to_owned());
    }
    let ended = child.wait().await.map_err(|error| format!("its end cannot be learned ({error})"))?;
    if ended.success() { Ok(text) } else { Err(format!("it ended with {ended}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn told(line: &str) -> Result<String, String> {
        let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
        output(&argv).await.map(|text| String::from_utf8_lossy(&text).into_owned())
    }

    #[tokio::test]
    async fn a_command_is_started_without_a_shell_and_only_its_output_counts() {
        assert_eq!(told("echo key; $HOME").await.unwrap(), "key; $HOME\n");
        assert_eq!(told("false").await.unwrap_err(), "it ended with exit status: 1");
        assert!(told("no-such-program-anywhere").await.unwrap_err().starts_with("it cannot be started"));
        assert_eq!(told("yes").await.unwrap_err(), "it prints more than a key");
        assert_eq!(output(&[]).await.unwrap_err(), "it names no program");
    }
}
