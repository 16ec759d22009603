//! The single resources of which somebody wants to be told over one stream, and what its server said to that. Who wishes and
//! who listens know nothing of each other but this.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use portcullis_upstream::Failure;
use tokio::sync::watch::{Receiver, Sender};
use tokio::time::{Instant, sleep_until};

/// Over one stream so many resources are watched at most.
const MOST: usize = 512;
/// A wish is kept for so long after the last who had it: another one takes it over, or a client comes back.
const LINGER: Duration = Duration::from_secs(2);

/// The wishes of one stream.
#[derive(Default)]
pub(super) struct Wishes {
    wished: Sender<Wished>,
    told: Sender<Told>,
}

#[derive(Default)]
struct Wished {
    /// Counts whatever has to be settled with the server.
    round: u64,
    resources: BTreeMap<String, Wish>,
}

struct Wish {
    holders: usize,
    /// Since when it is nobody's, once it is.
    left: Instant,
    /// When somebody asked for it anew: whoever takes that over missed nothing.
    asked: Option<Instant>,
    /// Whether it may have changed while somebody did not listen who wants to know.
    missed: bool,
}

impl Wish {
    fn new() -> Self {
        Self { holders: 0, left: Instant::now(), asked: None, missed: false }
    }
}

impl Wished {
    /// Lets go what nobody took over.
    fn forget(&mut self) {
        self.resources.retain(|_, wish| wish.holders > 0 || wish.left.elapsed() < LINGER);
    }
}

/// What came of a round.
#[derive(Clone, Default)]
struct Told {
    round: u64,
    /// Nothing was told of anything.
    failed: Option<Failure>,
    refused: BTreeMap<String, Failure>,
}

/// One wish, until it is dropped.
pub(super) struct Held {
    wishes: Arc<Wishes>,
    uri: String,
    round: u64,
}

impl Wishes {
    /// Wishes to be told of a resource; nothing when too many are watched. Who wished for it before, and comes back, is told
    /// once that it may have changed meanwhile.
    pub(super) fn hold(self: &Arc<Self>, uri: &str, comes_back: bool) -> Option<Held> {
        let mut round = None;
        self.wished.send_modify(|wished| {
            if wished.resources.len() >= MOST && !wished.resources.contains_key(uri) {
                return;
            }
            let wish = wished.resources.entry(uri.to_owned()).or_insert_with(Wish::new);
            wish.holders += 1;
            if !comes_back {
                wish.asked = Some(Instant::now());
            } else if wish.asked.is_none_or(|asked| asked.elapsed() >= LINGER) {
                wish.missed = true;
            }
            wished.round += 1;
            round = Some(wished.round);
        });
        Some(Held { wishes: Arc::clone(self), uri: uri.to_owned(), round: round? })
    }

    /// Whether somebody wants to hear that this changed.
    pub(super) fn want(&self, uri: &str) -> bool {
        self.wished.borrow().resources.keys().any(|wish| part(wish, uri).is_some())
    }

    /// Lets whoever listens look again.
    pub(super) fn stir(&self) {
        self.wished.send_modify(|_| {});
    }

    /// Everything may have changed: nobody listened for a while.
    pub(super) fn miss(&self) {
        self.quietly(|wished| wished.resources.values_mut().for_each(|wish| wish.missed = true));
    }

    /// Works on what is wished for without stirring whoever listens.
    fn quietly(&self, work: impl FnOnce(&mut Wished)) {
        self.wished.send_if_modified(|wished| {
            work(wished);
            false
        });
    }

    /// For whoever listens.
    pub(super) fn reader(self: &Arc<Self>) -> Reader {
        Reader { wishes: Arc::clone(self), changed: self.wished.subscribe(), read: BTreeSet::new() }
    }
}

impl Held {
    pub(super) fn uri(&self) -> &str {
        &self.uri
    }

    /// Waits for the server's word about it.
    pub(super) async fn settled(&self) -> Result<(), Failure> {
        let mut told = self.wishes.told.subscribe();
        // It cannot end: who waits holds the sender.
        let Ok(told) = told.wait_for(|told| told.round >= self.round).await else {
            return Err(Failure::Ended);
        };
        match told.failed.as_ref().or_else(|| told.refused.get(&self.uri)) {
            Some(failure) => Err(failure.clone()),
            None => Ok(()),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.wishes.wished.send_modify(|wished| {
            if let Some(wish) = wished.resources.get_mut(&self.uri) {
                wish.holders -= 1;
                wish.left = Instant::now();
            }
        });
    }
}

/// The other end.
pub(super) struct Reader {
    wishes: Arc<Wishes>,
    changed: Receiver<Wished>,
    /// What was wished for when it was read last.
    read: BTreeSet<String>,
}

impl Reader {
    /// The round, and everything that is wished for in it.
    pub(super) fn read(&mut self) -> (u64, Vec<String>) {
        self.changed.borrow_and_update();
        let (mut round, mut read) = (0, BTreeSet::new());
        self.wishes.quietly(|wished| {
            wished.forget();
            (round, read) = (wished.round, wished.resources.keys().cloned().collect());
        });
        self.read = read;
        (round, self.read.iter().cloned().collect())
    }

    /// Tells those who wait what came of the round that was read last, and gives what may have changed before it.
    pub(super) fn settle(
        &self,
        round: u64,
        outcome: Result<&BTreeMap<String, Failure>, &Failure>,
    ) -> Vec<String> {
        let (refused, failed) = match outcome {
            Ok(refused) => (refused.clone(), None),
            Err(failure) => (BTreeMap::new(), Some(failure.clone())),
        };
        let mut missed = Vec::new();
        if failed.is_none() {
            self.wishes.quietly(|wished| {
                // What was wished for meanwhile is not listened to yet.
                let is_told = |uri: &String| self.read.contains(uri) && !refused.contains_key(uri);
                let told = wished.resources.iter_mut().filter(|(uri, _)| is_told(uri));
                let those =
                    told.filter_map(|(uri, wish)| std::mem::take(&mut wish.missed).then(|| uri.clone()));
                missed.extend(those);
            });
        }
        self.wishes.told.send_replace(Told { round, failed, refused });
        missed
    }

    /// See [`Wishes::miss`].
    pub(super) fn miss(&self) {
        self.wishes.miss();
    }

    /// Waits until something else is wished for.
    pub(super) async fn changed(&mut self) {
        let mut left = None;
        self.wishes.quietly(|wished| {
            wished.forget();
            left = wished.resources.values().filter(|wish| wish.holders == 0).map(|wish| wish.left).min();
        });
        let lingered = async {
            match left {
                Some(left) => sleep_until(left + LINGER).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // Who listens holds the sender, too.
            _ = self.changed.changed() => {}
            () = lingered => {}
        }
    }
}

/// The part of `watched` that `uri` names, if it names one: a server may tell of less than it was asked for (2025-11-25,
/// `ResourceUpdatedNotification`).
pub(super) fn part<'u>(watched: &str, uri: &'u str) -> Option<&'u str> {
    let rest = uri.strip_prefix(watched)?;
    let lies_within = rest.is_empty() || watched.ends_with('/') || rest.starts_with(['/', '?', '#']);
    lies_within.then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_resource_lies_within_it() {
        for rest in ["", "/c", "?c", "#c"] {
            assert_eq!(part("a://b", &format!("a://b{rest}")), Some(rest));
        }
        assert_eq!((part("a://", "a://b"), part("a://b/", "a://b/c")), (Some("b"), Some("c")));
        for uri in ["a://bc", "a://", "b://a", "a://c/a://b"] {
            assert_eq!(part("a://b", uri), None, "{uri}");
        }
    }

    #[test]
    fn a_wish_lingers_so_that_another_takes_it_over() {
        let wishes = Arc::new(Wishes::default());
        let mut reader = wishes.reader();
        drop(wishes.hold("a://b", false).unwrap());
        assert_eq!(reader.read(), (1, vec!["a://b".to_owned()]));
        let later = || {
            wishes.quietly(|wished| wished.resources.values_mut().for_each(|wish| wish.left -= LINGER));
        };
        let again = wishes.hold("a://b", false).unwrap();
        later();
        assert_eq!(reader.read().1, ["a://b"]);
        drop(again);
        later();
        assert_eq!(reader.read().1, Vec::<String>::new());
    }

    #[tokio::test]
    async fn who_wishes_hears_what_came_of_it() {
        let wishes = Arc::new(Wishes::default());
        let mut reader = wishes.reader();
        let (one, two) = (wishes.hold("a://1", false).unwrap(), wishes.hold("a://2", false).unwrap());
        let (round, _) = reader.read();
        reader.settle(round, Ok(&BTreeMap::from([("a://2".to_owned(), Failure::NotOffered)])));
        assert!(one.settled().await.is_ok());
        assert!(matches!(two.settled().await, Err(Failure::NotOffered)));
        let again = wishes.hold("a://2", false).unwrap();
        let (round, _) = reader.read();
        reader.settle(round, Err(&Failure::Busy));
        assert!(matches!(again.settled().await, Err(Failure::Busy)));
    }

    #[test]
    fn who_comes_back_is_told_once_and_not_too_early() {
        let (wishes, nothing) = (Arc::new(Wishes::default()), BTreeMap::new());
        let mut reader = wishes.reader();
        let _asked = wishes.hold("a://new", false).unwrap();
        let (round, _) = reader.read();
        let _held = ["a://new", "a://1"].map(|uri| wishes.hold(uri, true).unwrap());
        assert_eq!(reader.settle(round, Ok(&nothing)), [""; 0], "it was not wished for in that round");
        let (round, _) = reader.read();
        assert!(reader.settle(round, Err(&Failure::Busy)).is_empty(), "nobody listens yet");
        assert_eq!(reader.settle(round, Ok(&nothing)), ["a://1"], "what was just asked for was not missed");
        assert_eq!(reader.settle(round, Ok(&nothing)), [""; 0]);
        wishes.miss();
        assert_eq!(reader.settle(round, Ok(&nothing)), ["a://1", "a://new"]);
    }

    /// T24: what one stream watches is bounded
    #[test]
    fn wishes_are_bounded() {
        let wishes = Arc::new(Wishes::default());
        let held: Vec<_> = (0..MOST).map(|at| wishes.hold(&format!("a://{at}"), false).unwrap()).collect();
        assert!(wishes.hold("a://more", false).is_none());
        assert!(wishes.hold("a://1", false).is_some());
        drop(held);
    }
}
