//! The door for lists: asks upstreams what they offer, on nobody's behalf and without arguments.

use std::sync::Arc;
use std::time::Duration;

use portcullis_database::DatabaseError;
use portcullis_oauth::{Seconds, Timestamp};
use portcullis_upstream::{Endpoint, Failure as Wire, Pool, Request};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use super::{Missing, Upstreams, who_lists};
use crate::connections::Connection;
use crate::offer::{Kind, Listing, Offer};
use crate::reach::Reached;
use crate::relay::without_stray_icons;
use crate::sandbox::{SERVER, Sandbox};

/// Lists wait no longer for one connection, all of them together: what was asked for goes on and serves the next, and a
/// server that is silent for longer makes nobody wait any more.
const PATIENCE: Duration = Duration::from_secs(5);
/// So long nobody asks for a list again because of a name that is not on it.
const SETTLED: Seconds = Seconds(10);
/// A server gets so long for one page.
const PAGE: Duration = Duration::from_secs(20);
/// More pages, or more entries, of one list are not read.
const PAGES: usize = 50;
const ENTRIES: usize = 2_000;
/// JSON-RPC: there is no such method. Some servers announce more than they have.
const METHOD_NOT_FOUND: i64 = -32_601;

/// The door.
pub(crate) struct Discovery<'a>(pub(super) &'a Upstreams);

impl Discovery<'_> {
    /// What a connection offers, in a stable order.
    pub(crate) async fn listing(
        &self,
        connection: &Connection,
        kind: Kind,
        now: Timestamp,
    ) -> Result<Arc<Listing>, Missing> {
        if let Some(known) = self.0.lists.known(connection, kind, now) {
            return Ok(known);
        }
        self.ask(connection, kind, now).await
    }

    /// Asks, for so long as a list may wait.
    async fn ask(
        &self,
        connection: &Connection,
        kind: Kind,
        now: Timestamp,
    ) -> Result<Arc<Listing>, Missing> {
        let patience = PATIENCE.saturating_sub(self.0.lists.asked_for(connection, kind));
        let (upstreams, connection) = (self.0.clone(), connection.clone());
        let flight = Box::pin(async move {
            upstreams.lists.get(&connection, kind, now, upstreams.ask(&connection, kind)).await
        });
        let flight = self.0.tasks.spawn(flight);
        match tokio::time::timeout(patience, flight).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err("unavailable"),
            Err(_) => Err("slow"),
        }
    }

    /// What the lists call `name`: the upstream's own name, or that of the aggregate.
    pub(crate) async fn find(
        &self,
        connection: &Connection,
        (kind, own, name): (Kind, bool, &str),
        now: Timestamp,
    ) -> Result<Option<Arc<Offer>>, Missing> {
        if let Some(found) = self.listing(connection, kind, now).await?.find(own, name) {
            return Ok(Some(found));
        }
        // It may be new: the list is asked for once more, but not because of every name that does not exist.
        if self.0.lists.read_before(connection, kind, now.minus(SETTLED)) {
            self.0.lists.forget(&connection.id);
            return Ok(self.listing(connection, kind, now).await?.find(own, name));
        }
        Ok(None)
    }
}

impl Upstreams {
    async fn ask(&self, connection: &Connection, kind: Kind) -> Result<Listing, Missing> {
        if connection.server == SERVER {
            let entries = if kind == Kind::Tools { Sandbox::tools() } else { vec![] };
            return Ok(Listing::read(kind, &connection.alias, entries));
        }
        let ask = |reached: Arc<Reached>| async move {
            self.learn(connection, &self.pool.greeting(&reached.endpoint).await?);
            entries(&self.pool, &reached.endpoint, kind).await
        };
        let asked = self.reaching(connection, who_lists(connection), ask).await;
        let (entries, reached) = asked.map_err(|failure| failure.as_missing())?;
        let fit = |entry| {
            let mut entry = reached.secrets.removed_from_value(entry);
            without_stray_icons(&mut entry);
            entry
        };
        let entries = entries.into_iter().map(fit).collect();
        let listing = Listing::read(kind, &connection.alias, entries);
        if kind == Kind::Tools { self.pinned(connection, listing).await } else { Ok(listing) }
    }

    /// Holds each tool against what was accepted. Where that cannot be read or written, no tool is offered.
    async fn pinned(&self, connection: &Connection, listing: Listing) -> Result<Listing, Missing> {
        let unknown = |error: DatabaseError| {
            tracing::error!(cause = ?error, "the pins of a connection are out of reach, so its tools are not offered");
            "unavailable"
        };
        let trust = self.trust(connection).await.map_err(unknown)?;
        let stands = self.pins.hold(connection, trust, listing.offers()).await.map_err(unknown)?;
        Ok(listing.pinned(|offer| stands.get(&offer.key).copied().unwrap_or_default()))
    }
}

/// Every entry of a list, page by page.
pub(super) async fn entries(pool: &Pool, endpoint: &Endpoint, kind: Kind) -> Result<Vec<Value>, Wire> {
    let greeting = pool.greeting(endpoint).await?;
    let greeted: Value = serde_json::from_str(greeting.result.get()).unwrap_or_default();
    if greeted["capabilities"].get(kind.capability()).is_none() {
        return Ok(vec![]);
    }
    let mut entries = vec![];
    let mut params = json!({});
    for _ in 0..PAGES {
        let raw = to_raw_value(&params).map_err(|error| Wire::NotMcp { reason: error.to_string() })?;
        let answer = pool.request(endpoint, Request::new(kind.method()).with(raw).within(PAGE)).await;
        let page = match answer {
            Err(Wire::Rpc(error)) if error.code == METHOD_NOT_FOUND => break,
            answer => answer?,
        };
        let mut page: Value = serde_json::from_str(page.get()).unwrap_or_default();
        let Some(Value::Array(more)) = page.get_mut(kind.member()).map(Value::take) else {
            return Err(Wire::NotMcp { reason: format!("{} lists nothing", kind.method()) });
        };
        entries.extend(more);
        match page.get_mut("nextCursor").map(Value::take) {
            Some(Value::String(next)) if entries.len() < ENTRIES => params = json!({"cursor": next}),
            _ => break,
        }
    }
    entries.truncate(ENTRIES);
    Ok(entries)
}
