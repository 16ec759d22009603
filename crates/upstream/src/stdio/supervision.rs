//! From the first line of a child to its last: reads what it says, ends it when it is to end, and takes the whole group down
//! with it, so that nothing is left behind and nothing stays a zombie.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::BufReader;
use tokio::process::{Child, ChildStdout};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::lines::{self, Line};
use crate::Failure;
use crate::channel::Channel;

/// So long a child may take to end by itself once its input has ended, and again once it was asked to by a signal.
const GRACE: Duration = Duration::from_secs(1);

/// One child's life.
pub(super) struct Supervision {
    pub(super) channel: Arc<Channel>,
    /// So many bytes one message may have.
    pub(super) limit: usize,
    /// The child is to end.
    pub(super) ending: CancellationToken,
    /// It has ended.
    pub(super) gone: CancellationToken,
}

impl Supervision {
    pub(super) async fn run(self, mut child: Child, stdout: ChildStdout) {
        let mut stdout = BufReader::new(stdout);
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let ended = tokio::select! {
            why = self.read(&mut stdout) => Some(why),
            () = self.ending.cancelled() => None,
        };
        match ended {
            Some(why) => self.channel.close(&why),
            None => {
                self.channel.close(&Failure::Ended);
                if timeout(GRACE, drain(&mut stdout)).await.is_err() {
                    signal(group, Signal::TERM);
                    // What has not ended then is ended below.
                    let _ = timeout(GRACE, drain(&mut stdout)).await;
                }
            }
        }
        // The child is not reaped yet, so that its number is still its own and the group's.
        signal(group, Signal::KILL);
        let _ = child.start_kill();
        match child.wait().await {
            Ok(status) => tracing::debug!(%status, "a server over stdio has ended"),
            Err(error) => tracing::warn!(%error, "a server over stdio cannot be waited for"),
        }
        self.ending.cancel();
        self.gone.cancel();
    }

    /// Reads messages until there are no more, and says why.
    async fn read(&self, stdout: &mut BufReader<ChildStdout>) -> Failure {
        let mut line = Vec::new();
        loop {
            // Others have their turn however much it writes.
            tokio::task::consume_budget().await;
            match lines::read(stdout, &mut line, self.limit).await {
                Ok(Line::Whole) if line.trim_ascii().is_empty() => {}
                Ok(Line::Whole) => {
                    if let Err(failure) = self.channel.receive(&line).await {
                        return failure;
                    }
                }
                Ok(Line::TooLong) => return Failure::TooLarge { limit: self.limit },
                Ok(Line::End) | Err(_) => return Failure::Lost,
            }
        }
    }
}

fn signal(group: Option<Pid>, signal: Signal) {
    if let Some(group) = group {
        // That nobody is left in it is what is wanted.
        let _ = kill_process_group(group, signal);
    }
}

/// Reads on to the end, so that a child which still speaks does not wait for us while we wait for it.
async fn drain(stdout: &mut BufReader<ChildStdout>) {
    let mut line = Vec::new();
    while !matches!(lines::read(stdout, &mut line, 4_096).await, Ok(Line::End) | Err(_)) {}
}
