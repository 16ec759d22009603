//! Load: so many callers at once, each with a connection and a state of its own, each sending the next request when the
//! last one was answered.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::http::Connection;

/// The future of one operation.
pub(crate) type Step<'a> = Pin<Box<dyn Future<Output = Outcome<Done>> + 'a>>;

/// How one operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// Well.
    Well,
    /// There was nothing left to do.
    Nothing,
}

/// What one caller does again and again.
pub(crate) trait Caller {
    /// One operation, from its first request to its last answer.
    fn operate<'a>(&'a mut self, connection: &'a mut Connection) -> Step<'a>;
}

/// A caller with its connection.
pub(crate) struct Seat {
    connection: Connection,
    caller: Box<dyn Caller>,
}

impl Seat {
    pub(crate) async fn take(address: SocketAddr, caller: Box<dyn Caller>) -> Outcome<Self> {
        Ok(Self { connection: Connection::open(address).await?, caller })
    }

    async fn work(mut self, until: Instant) -> (Self, Outcome<Vec<u32>>) {
        let mut times = Vec::with_capacity(4_096);
        loop {
            let began = Instant::now();
            if began >= until {
                return (self, Ok(times));
            }
            match self.caller.operate(&mut self.connection).await {
                Ok(Done::Well) => times.push(u32::try_from(began.elapsed().as_nanos()).unwrap_or(u32::MAX)),
                Ok(Done::Nothing) => return (self, Ok(times)),
                Err(error) => return (self, Err(error)),
            }
        }
    }
}

/// What one round of one measurement gave.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// How long each operation took, in nanoseconds.
    pub(crate) times: Vec<u32>,
    /// How long all of it took.
    pub(crate) elapsed: Duration,
}

impl Round {
    /// Operations a second.
    pub(crate) fn rate(&self) -> f64 {
        let count = f64::from(u32::try_from(self.times.len()).unwrap_or(u32::MAX));
        count / self.elapsed.as_secs_f64().max(1e-9)
    }
}

/// Lets every caller work for `length`, or until there is nothing left to do.
pub(crate) async fn load(seats: &mut Vec<Seat>, length: Duration) -> Outcome<Round> {
    let began = Instant::now();
    let until = began + length;
    let tasks: Vec<_> =
        std::mem::take(seats).into_iter().map(|seat| tokio::task::spawn_local(seat.work(until))).collect();
    let mut round = Round::default();
    let mut failure = None;
    for task in tasks {
        let (seat, times) = task.await?;
        seats.push(seat);
        match times {
            Ok(times) => round.times.extend(times),
            Err(error) => failure = Some(error),
        }
    }
    round.elapsed = began.elapsed();
    failure.map_or(Ok(round), Err)
}
