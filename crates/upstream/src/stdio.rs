//! A server that is a child of ours, spoken to over its standard streams: started on demand, one for each key, ended as a
//! whole group, and never left behind (T37, T38, T39).

mod launcher;
mod lines;
mod restarts;
mod spawner;
mod standard_error;
mod supervision;

use std::sync::Arc;

use serde_json::value::RawValue;
use tokio::io::AsyncWriteExt;
use tokio::process::ChildStdin;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::channel::{self, Channel, Outbox};
use crate::listening::Opened;
use crate::session::Context;
use crate::talk::Board;
use crate::{BoxFuture, Endpoint, Failure, Greeting, Program, Request, Subscription};

pub use launcher::{Launcher, become_program};
pub(crate) use restarts::Restarts;
pub(crate) use spawner::Spawner;

/// So many messages wait for a child that reads slowly; who sends more waits too.
const WAITING: usize = 16;

/// One child, greeted.
pub(crate) struct Child {
    channel: Arc<Channel>,
    greeting: Greeting,
    ending: CancellationToken,
    /// Who drops the child ends it.
    _ends: DropGuard,
    gone: CancellationToken,
}

/// Its standard input.
struct Input(mpsc::Sender<Vec<u8>>);

impl Outbox for Input {
    fn send(&self, mut message: Vec<u8>) -> BoxFuture<'_, Result<(), Failure>> {
        // A message is a line. Between values JSON may break lines, inside of them it cannot.
        for byte in &mut message {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
        message.push(b'\n');
        Box::pin(async move { self.0.send(message).await.map_err(|_| Failure::Lost) })
    }
}

impl Child {
    /// Starts one and greets it.
    pub(crate) async fn open(
        context: &Context,
        endpoint: &Endpoint,
        program: &Program,
    ) -> Result<Self, Failure> {
        let launcher = context.settings.launcher.as_ref().ok_or_else(|| Failure::Unreachable {
            cause: "this installation starts no programs".to_owned(),
        })?;
        let mut child = context.spawner.spawn(launcher.command(program)).await.map_err(|error| {
            tracing::warn!(%error, "the program that starts servers cannot be started");
            Failure::Unreachable { cause: "the program cannot be started".to_owned() }
        })?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(Failure::Unreachable { cause: "the program has no standard streams".to_owned() });
        };
        let (input, waiting) = mpsc::channel(WAITING);
        let channel = Channel::new(Box::new(Input(input)), Board::new(&endpoint.key, &context.inbox));
        let (ending, gone) = (CancellationToken::new(), CancellationToken::new());
        tokio::spawn(write(stdin, waiting, ending.clone()));
        tokio::spawn(standard_error::log(endpoint.key.clone(), stderr, program.secrets.clone()));
        let supervision = supervision::Supervision {
            channel: channel.clone(),
            limit: context.settings.response_limit,
            ending: ending.clone(),
            gone: gone.clone(),
        };
        tokio::spawn(supervision.run(child, stdout));
        let ends = ending.clone().drop_guard();
        let greeting = channel::open(&channel, endpoint).await?;
        Ok(Self { channel, greeting, ending, _ends: ends, gone })
    }

    pub(crate) fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.channel.is_open()
    }

    pub(crate) async fn request(
        &self,
        endpoint: &Endpoint,
        request: &Request,
    ) -> Result<Box<RawValue>, Failure> {
        self.channel.request(endpoint, &self.greeting, request).await
    }

    pub(crate) async fn listen(
        &self,
        endpoint: &Endpoint,
        subscription: &Subscription,
    ) -> Result<Opened, Failure> {
        self.channel.listen(endpoint, &self.greeting, subscription).await
    }

    /// Ends it; comes back when it is gone.
    pub(crate) async fn close(&self) {
        self.ending.cancel();
        self.gone.cancelled().await;
    }
}

/// Writes what is sent until the child is to end; then its input ends, which is how it is told.
async fn write(mut stdin: ChildStdin, mut waiting: mpsc::Receiver<Vec<u8>>, ending: CancellationToken) {
    let writing = async {
        while let Some(message) = waiting.recv().await {
            if stdin.write_all(&message).await.is_err() || stdin.flush().await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = ending.cancelled() => {}
        () = writing => {}
    }
}
