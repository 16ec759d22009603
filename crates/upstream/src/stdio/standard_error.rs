//! What a child writes to its standard error goes to the log: so much of a line, so many lines in a while, nothing that a
//! terminal would obey, and none of the secrets that the child was given (T46).

use std::time::Duration;

use tokio::io::BufReader;
use tokio::process::ChildStderr;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::lines::{self, Line};

/// So many bytes of a line are shown.
const SHOWN: usize = 1_024;
/// So many lines in so long; others are counted.
const LINES: u32 = 50;
const WHILE: Duration = Duration::from_secs(10);

/// What stands in the place of a secret.
const REMOVED: &str = "[removed]";

/// Reads it to its end.
pub(super) async fn log(key: String, stderr: ChildStderr, secrets: Vec<Zeroizing<String>>) {
    let mut from = BufReader::new(stderr);
    let (mut line, mut is_rest) = (Vec::new(), false);
    let (mut since, mut shown, mut passed_over) = (Instant::now(), 0, 0_u64);
    loop {
        let kind = match lines::read(&mut from, &mut line, SHOWN).await {
            Ok(Line::End) | Err(_) => return,
            Ok(kind) => kind,
        };
        let was_rest = std::mem::replace(&mut is_rest, kind == Line::TooLong);
        if was_rest {
            continue;
        }
        if since.elapsed() >= WHILE {
            if passed_over > 0 {
                tracing::info!(key, passed_over, "a server wrote more lines than are shown");
            }
            (since, shown, passed_over) = (Instant::now(), 0, 0);
        }
        if shown == LINES {
            passed_over += 1;
            continue;
        }
        shown += 1;
        tracing::info!(key, "a server says: {}", shown_of(&line, &secrets, kind == Line::TooLong));
    }
}

/// A line as the log has it. One that was cut may end within a secret, so its last letters go when they begin one.
fn shown_of(line: &[u8], secrets: &[Zeroizing<String>], is_cut: bool) -> String {
    let mut text = String::from_utf8_lossy(line).into_owned();
    for secret in secrets {
        text = text.replace(secret.as_str(), REMOVED);
        let begun = (1..secret.len()).rev().find_map(|end| text.strip_suffix(secret.get(..end)?));
        if let Some(before) = begun.filter(|_| is_cut) {
            text = format!("{before}{REMOVED}");
        }
    }
    text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T46: a child that complains of its key does not put it in the log
    #[test]
    fn no_secret_is_shown_not_even_a_part_of_one() {
        let secrets = [Zeroizing::new("sk-canary-1".to_owned())];
        let shown = |line: &str, is_cut| shown_of(line.as_bytes(), &secrets, is_cut);
        assert_eq!(shown("bad key sk-canary-1\u{1b}[0m", false), "bad key [removed] [0m");
        assert_eq!(shown("bad key sk-can", true), "bad key [removed]");
        assert_eq!(shown("no key", false), "no key");
    }
}
