//! Everything that is measured: the table of works, and how the lanes of each are made.

use std::net::SocketAddr;
use std::rc::Rc;

use super::stage::Stage;
use super::{Lane, Supply, Work, stock};
use crate::http::Connection;
use crate::lanes::{
    Asking, Bearers, Call, Called, Check, Code, Era, Exchange, FloorCode, FloorExchange, FloorFlow, FloorGet,
    FloorMint, FloorRefresh, Machine, Presenting, Proving, Refresh, SharedBearers, Signed,
};
use crate::load::{Caller, Seat};
use crate::{Extent, Outcome};

/// The gateway's endpoint. Its `GET` opens no stream, but only a live bearer learns so: the check alone.
pub(super) const GATEWAY: &str = "/mcp";
const ONLY_CHECKED: u16 = 405;

/// The shares that DESIGN's table of speed asks for.
pub(super) const MOST: Option<f64> = Some(0.7);
pub(super) const LOOK_UP: Option<f64> = Some(0.8);
const CROWDED: Option<f64> = Some(0.85);

pub(super) const FLOOR: &str = "floor";
pub(super) const OURS: &str = "ours";

/// Makes the lanes of one engine.
struct Lanes<'a> {
    stage: &'a Stage,
    extent: Extent,
}

/// Every work whose title contains `only`.
pub(crate) async fn all(stage: &Stage, extent: Extent, only: Option<&str>) -> Outcome<Vec<Work>> {
    let lanes = Lanes { stage, extent };
    let wanted = |title: &str| only.is_none_or(|text| title.contains(text));
    let mut works = Vec::new();
    for title in TITLES {
        if wanted(title) {
            works.extend(lanes.work(title).await?);
        }
    }
    Ok(works)
}

const BEARER_CACHED: &str = "bearer check, cached";
const BEARER: &str = "bearer check, not cached";
const MINT: &str = "mint and store one access token";
const FLOW: &str = "whole code flow, live session";
const EXCHANGE: &str = "code exchange at the token endpoint";
const REFRESH: &str = "refresh with rotation";
const CALL_CACHED: &str = "tools/call echo, bearer cached";
const CALL: &str = "tools/call echo, bearer not cached";
const CALL_ALONE: &str = "tools/call echo, one caller";
const STEPS: &str = "gateway steps 1-13 and 17, one caller";
const MINT_SIGNED: &str = "mint and store one signed token";
const CHECK_SIGNED: &str = "signed token checked apart, each once";
const MINT_BOUND: &str = "mint with a proof of possession";
const DOCUMENT: &str = "authorization request, client document known";
const CROWD_BEARER: &str = "bearer check, cached, 64 callers";
const CROWD_REFRESH: &str = "refresh with rotation, 64 callers";
const CROWD_CALL: &str = "tools/call echo, 64 callers";

const TITLES: [&str; 17] = [
    BEARER_CACHED,
    BEARER,
    MINT,
    FLOW,
    EXCHANGE,
    REFRESH,
    CALL_CACHED,
    CALL,
    CALL_ALONE,
    STEPS,
    MINT_SIGNED,
    CHECK_SIGNED,
    MINT_BOUND,
    DOCUMENT,
    CROWD_BEARER,
    CROWD_REFRESH,
    CROWD_CALL,
];

impl Lanes<'_> {
    async fn work(&self, title: &'static str) -> Outcome<Option<Work>> {
        let (usual, crowd) = (self.extent.connections, self.extent.crowd);
        let same = Bearers::same;
        let (limit, ours, reach) = match title {
            BEARER_CACHED => (self.bare().await?, Some(self.check(usual, &same()).await?), MOST),
            BEARER => (self.floor_check().await?, Some(self.check(usual, &self.changing()).await?), LOOK_UP),
            MINT => (self.floor(FLOOR, usual, || Box::new(FloorMint)).await?, Some(self.mint().await?), MOST),
            FLOW => (self.floor(FLOOR, usual, || Box::new(FloorFlow)).await?, Some(self.flow().await?), MOST),
            EXCHANGE => (self.floor_exchange().await?, Some(self.exchange().await?), MOST),
            REFRESH => (self.floor_refresh().await?, Some(self.refresh(usual).await?), MOST),
            CALL_CACHED => (
                self.floor_call(usual, "/call", &same()).await?,
                Some(self.call(usual, &same()).await?),
                MOST,
            ),
            CALL => {
                let floor = self.floor_call(usual, "/call-uncached", &self.changing()).await?;
                (floor, Some(self.call(usual, &self.changing()).await?), MOST)
            }
            CALL_ALONE => {
                (self.floor_call(1, "/call", &same()).await?, Some(self.call(1, &same()).await?), None)
            }
            // The sandbox's echo is a function: what is beyond bare axum is the steps around it.
            STEPS => (self.bare_for(1).await?, Some(self.call(1, &same()).await?), None),
            MINT_SIGNED | CHECK_SIGNED | MINT_BOUND | DOCUMENT => self.signed_or_named(title).await?,
            _ => {
                let Some(crowd) = crowd else { return Ok(None) };
                let (few, many) = match title {
                    CROWD_BEARER => (self.check(usual, &same()).await?, self.check(crowd, &same()).await?),
                    CROWD_REFRESH => (self.refresh(usual).await?, self.refresh(crowd).await?),
                    _ => (self.call(usual, &same()).await?, self.call(crowd, &same()).await?),
                };
                (Lane { name: "ours, 16 callers".into(), ..few }, Some(many), CROWDED)
            }
        };
        Ok(Some(Work { title: title.into(), limit, ours, reach }))
    }

    /// What signatures and documents cost beside the same work without them.
    async fn signed_or_named(&self, title: &str) -> Outcome<(Lane, Option<Lane>, Option<f64>)> {
        let stage = self.stage;
        let as_client = |id: String| move || -> Box<dyn Caller> { Box::new(Asking::new(&stage.site, &id)) };
        let (limit, ours) = match title {
            MINT_SIGNED => {
                let caller = || -> Box<dyn Caller> { Box::new(Machine::signed(&stage.site, &stage.machine)) };
                (
                    Lane { name: "ours, opaque".into(), ..self.mint().await? },
                    self.ours(self.extent.connections, caller).await?,
                )
            }
            CHECK_SIGNED => (self.bare().await?, self.presenting().await?),
            MINT_BOUND => {
                (Lane { name: "ours, not bound".into(), ..self.mint().await? }, self.proving().await?)
            }
            _ => {
                let registered =
                    self.ours(self.extent.connections, as_client(stage.site.client_id.clone())).await?;
                let document = format!("http://{}/client.json", stage.floor.address);
                let named = self.ours(self.extent.connections, as_client(document)).await?;
                (Lane { name: "ours, registered".into(), ..registered }, named)
            }
        };
        Ok((limit, Some(ours), None))
    }

    async fn presenting(&self) -> Outcome<Lane> {
        let (stock, full, stage) = (stock(), self.extent.codes, self.stage);
        let presenting = || -> Box<dyn Caller> { Box::new(Presenting { stock: Rc::clone(&stock) }) };
        let seats_apart = seats(stage.apart.address, self.extent.connections, presenting).await?;
        let supplier = || -> Box<dyn Caller> {
            let machine = Machine::signed(&stage.site, &stage.machine);
            Box::new(Signed { machine, stock: Rc::clone(&stock), full })
        };
        let seats = seats(stage.product.address, self.extent.connections, supplier).await?;
        let supply = Some(Supply { seats, stock });
        Ok(Lane { supply, ..Lane::new(OURS, seats_apart, stage.apart_processes()) })
    }

    async fn proving(&self) -> Outcome<Lane> {
        let stage = self.stage;
        let mut seats = Vec::new();
        for _ in 0..self.extent.connections {
            let caller = Proving::new(&stage.site, &stage.proving)?;
            seats.push(Seat::take(stage.product.address, Box::new(caller)).await?);
        }
        Ok(Lane::new(OURS, seats, stage.product_processes()))
    }

    fn changing(&self) -> SharedBearers {
        Bearers::changing(self.extent.tokens)
    }

    async fn bare(&self) -> Outcome<Lane> {
        self.bare_for(self.extent.connections).await
    }

    async fn bare_for(&self, callers: usize) -> Outcome<Lane> {
        let caller =
            || -> Box<dyn Caller> { Box::new(FloorGet::new("localhost", "/bare", 200, Bearers::same())) };
        self.floor("bare axum", callers, caller).await
    }

    async fn floor_check(&self) -> Outcome<Lane> {
        let bearers = self.changing();
        let caller = || -> Box<dyn Caller> {
            Box::new(FloorGet::new("localhost", "/look-up", 200, Rc::clone(&bearers)))
        };
        self.floor(FLOOR, self.extent.connections, caller).await
    }

    async fn floor_call(&self, callers: usize, path: &'static str, bearers: &SharedBearers) -> Outcome<Lane> {
        let called = sandbox("localhost", path);
        let caller = || -> Box<dyn Caller> { Box::new(Call::new(called.clone(), Rc::clone(bearers))) };
        self.floor(FLOOR, callers, caller).await
    }

    async fn floor_refresh(&self) -> Outcome<Lane> {
        let mut seats = Vec::new();
        for _ in 0..self.extent.connections {
            let mut connection = Connection::open(self.stage.floor.address).await?;
            let caller = FloorRefresh::begin(&mut connection).await?;
            seats.push(Seat::take(self.stage.floor.address, Box::new(caller)).await?);
        }
        Ok(Lane::new(FLOOR, seats, self.stage.floor_processes()))
    }

    async fn floor_exchange(&self) -> Outcome<Lane> {
        let (stock, full) = (stock(), self.extent.codes);
        let lane = self
            .floor(FLOOR, self.extent.connections, || Box::new(FloorExchange { stock: Rc::clone(&stock) }));
        let supplier = || -> Box<dyn Caller> { Box::new(FloorCode { stock: Rc::clone(&stock), full }) };
        let seats = seats(self.stage.floor.address, self.extent.connections, supplier).await?;
        let lane = lane.await?;
        Ok(Lane { supply: Some(Supply { seats, stock }), ..lane })
    }

    async fn floor(
        &self,
        name: &'static str,
        callers: usize,
        caller: impl FnMut() -> Box<dyn Caller>,
    ) -> Outcome<Lane> {
        let seats = seats(self.stage.floor.address, callers, caller).await?;
        Ok(Lane::new(name, seats, self.stage.floor_processes()))
    }

    async fn check(&self, callers: usize, bearers: &SharedBearers) -> Outcome<Lane> {
        let host = &self.stage.site.host;
        self.ours(callers, || Box::new(Check::new(host, GATEWAY, ONLY_CHECKED, Rc::clone(bearers)))).await
    }

    async fn call(&self, callers: usize, bearers: &SharedBearers) -> Outcome<Lane> {
        let called = sandbox(&self.stage.site.host, GATEWAY);
        self.ours(callers, || Box::new(Call::new(called.clone(), Rc::clone(bearers)))).await
    }

    async fn mint(&self) -> Outcome<Lane> {
        let stage = self.stage;
        self.ours(self.extent.connections, || Box::new(Machine::new(&stage.site, &stage.machine))).await
    }

    async fn flow(&self) -> Outcome<Lane> {
        self.ours(self.extent.connections, || Box::new(self.stage.flow())).await
    }

    async fn exchange(&self) -> Outcome<Lane> {
        let (stock, full) = (stock(), self.extent.codes);
        let site = || Rc::clone(&self.stage.site);
        let redeemer =
            || -> Box<dyn Caller> { Box::new(Exchange { site: site(), stock: Rc::clone(&stock) }) };
        let lane = self.ours(self.extent.connections, redeemer).await?;
        let supplier = || -> Box<dyn Caller> {
            Box::new(Code { flow: self.stage.flow(), stock: Rc::clone(&stock), full })
        };
        let seats = seats(self.stage.product.address, self.extent.connections, supplier).await?;
        Ok(Lane { supply: Some(Supply { seats, stock }), ..lane })
    }

    async fn refresh(&self, callers: usize) -> Outcome<Lane> {
        let mut seats = Vec::new();
        for _ in 0..callers {
            let mut connection = Connection::open(self.stage.product.address).await?;
            let caller = Refresh::begin(&mut connection, self.stage.flow()).await?;
            seats.push(Seat::take(self.stage.product.address, Box::new(caller)).await?);
        }
        Ok(Lane::new(OURS, seats, self.stage.product_processes()))
    }

    async fn ours(&self, callers: usize, caller: impl FnMut() -> Box<dyn Caller>) -> Outcome<Lane> {
        let seats = seats(self.stage.product.address, callers, caller).await?;
        Ok(Lane::new(OURS, seats, self.stage.product_processes()))
    }
}

/// The sandbox's own echo.
pub(super) fn sandbox(host: &str, path: &str) -> Called {
    let tool = "sandbox__echo".to_owned();
    Called { host: host.to_owned(), path: path.to_owned(), tool, era: Era::Stateless }
}

pub(super) async fn seats(
    address: SocketAddr,
    count: usize,
    mut caller: impl FnMut() -> Box<dyn Caller>,
) -> Outcome<Vec<Seat>> {
    let mut seats = Vec::new();
    for _ in 0..count {
        seats.push(Seat::take(address, caller()).await?);
    }
    Ok(seats)
}
