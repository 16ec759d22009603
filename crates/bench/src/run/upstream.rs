//! What the gateway costs between a client and an upstream server, in both eras of the protocol: beside a proxy that checks the
//! bearer and commits two rows, and beside no proxy at all. What it adds to a call is the difference of the times.

use super::stage::Stage;
use super::works::{FLOOR, GATEWAY, MOST, OURS, seats};
use super::{Lane, Work};
use crate::lanes::{Bearers, Call, Called, Era};
use crate::load::Caller;
use crate::{Extent, Outcome, echo};

/// A work's title, its era, what it is held against, and whether one caller calls alone.
const WORKS: [(&str, Era, Beside, bool); 6] = [
    ("upstream call, stateless", Era::Stateless, Beside::Floor, false),
    ("upstream call, sessions", Era::Sessions, Beside::Floor, false),
    ("upstream call, stateless, one caller", Era::Stateless, Beside::Floor, true),
    ("upstream call, sessions, one caller", Era::Sessions, Beside::Floor, true),
    ("upstream call, stateless, one caller, direct", Era::Stateless, Beside::Nothing, true),
    ("upstream call, sessions, one caller, direct", Era::Sessions, Beside::Nothing, true),
];

/// What the gateway is held against.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    /// The floor's proxy.
    Floor,
    /// The upstream server itself.
    Nothing,
}

/// Every work of these whose title contains `only`.
pub(super) async fn all(stage: &Stage, extent: Extent, only: Option<&str>) -> Outcome<Vec<Work>> {
    let mut works = Vec::new();
    for (title, era, beside, alone) in WORKS {
        if only.is_some_and(|text| !title.contains(text)) {
            continue;
        }
        let callers = if alone { 1 } else { extent.connections };
        let limit = match beside {
            Beside::Floor => floor(stage, era, callers).await?,
            Beside::Nothing => direct(stage, era, callers).await?,
        };
        let reach = MOST.filter(|_| !alone);
        works.push(Work { title: title.into(), limit, ours: Some(ours(stage, era, callers).await?), reach });
    }
    Ok(works)
}

pub(super) async fn ours(stage: &Stage, era: Era, callers: usize) -> Outcome<Lane> {
    let tool = format!("{}__{}", era.name(), echo::TOOL);
    let called = Called { host: stage.site.host.clone(), path: GATEWAY.to_owned(), tool, era };
    let seats = seats(stage.product.address, callers, || caller(&called)).await?;
    Ok(Lane::new(OURS, seats, stage.product_processes()))
}

async fn floor(stage: &Stage, era: Era, callers: usize) -> Outcome<Lane> {
    let path = format!("/pass/{}{}", stage.echo.address.port(), era.path());
    let seats = seats(stage.floor.address, callers, || caller(&own(path.clone(), era))).await?;
    Ok(Lane::new(FLOOR, seats, stage.floor_processes()))
}

async fn direct(stage: &Stage, era: Era, callers: usize) -> Outcome<Lane> {
    let called = own(era.path().to_owned(), era);
    let seats = seats(stage.echo.address, callers, || caller(&called)).await?;
    Ok(Lane::new("direct", seats, stage.echo_processes()))
}

/// The tool under the name that the upstream server itself has for it.
fn own(path: String, era: Era) -> Called {
    Called { host: "localhost".to_owned(), path, tool: echo::TOOL.to_owned(), era }
}

fn caller(called: &Called) -> Box<dyn Caller> {
    Box::new(Call::new(called.clone(), Bearers::same()))
}
