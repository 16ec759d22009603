//! What a child writes to its standard error goes to the log: so much of a line, so many lines in a while, and nothing that
//! a terminal would obey.

use std::time::Duration;

use tokio::io::BufReader;
use tokio::process::ChildStderr;
use tokio::time::Instant;

use super::lines::{self, Line};

/// So many bytes of a line are shown.
const SHOWN: usize = 1_024;
/// So many lines in so long; others are counted.
const LINES: u32 = 50;
const WHILE: Duration = Duration::from_secs(10);

/// Reads it to its end.
pub(super) async fn log(key: String, stderr: ChildStderr) {
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
        let text = String::from_utf8_lossy(&line);
        let text: String = text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
        tracing::info!(key, "a server says: {text}");
    }
}
