//! Introspection with few and with many live tokens: one server for each size, all of them up, measured in turn.

use std::rc::Rc;

use super::stage::Stage;
use super::works::{LOOK_UP, seats};
use super::{Lane, Work, measure, storage};
use crate::lanes::{Bearers, FloorGet, Introspect};
use crate::load::Caller;
use crate::report::Report;
use crate::storage::Storage;
use crate::{Extent, Options, Outcome};

/// How much slower many tokens may be than few.
const FLAT: Option<f64> = Some(0.85);

/// Measures every size against the floor, and the largest against the smallest.
pub(super) async fn on(
    first: Storage,
    options: &Options,
    extent: Extent,
    report: &mut Report,
) -> Outcome<()> {
    let engine = first.engine;
    if let Some(remark) = first.remark() {
        report.remark(remark);
    }
    let mut unused = Some(first);
    let (mut stages, mut works) = (Vec::new(), Vec::new());
    let mut sizes = options.sizes.clone();
    sizes.sort_unstable();
    for tokens in sizes {
        let storage = match unused.take() {
            Some(storage) => storage,
            None => storage(engine).await?,
        };
        let extent = Extent { tokens: tokens.max(64), ..extent };
        let (stage, start) = Stage::set(&storage, options, extent).await?;
        works.push(against_the_floor(&stage, extent).await?);
        stages.push((storage, stage, start, extent));
    }
    if let [(_, few, _, least), .., (_, many, _, most)] = &stages[..] {
        let name = format!("ours, {} tokens", least.tokens);
        let limit = Lane { name: name.into(), ..ours(few, *least).await? };
        let title = format!("introspection, {} tokens beside {}", most.tokens, least.tokens).into();
        works.push(Work { title, limit, ours: Some(ours(many, *most).await?), reach: FLAT });
    }
    measure(engine, &mut works, extent, report).await?;
    drop(works);
    for (storage, stage, start, _) in stages {
        report.start(start.loaded(&stage));
        drop(stage);
        storage.close().await?;
    }
    Ok(())
}

async fn against_the_floor(stage: &Stage, extent: Extent) -> Outcome<Work> {
    let bearers = Bearers::changing(extent.tokens);
    let caller =
        || -> Box<dyn Caller> { Box::new(FloorGet::new("localhost", "/look-up", 200, Rc::clone(&bearers))) };
    let floor = seats(stage.floor.address, extent.connections, caller).await?;
    let limit = Lane::new("floor", floor, stage.floor_processes());
    let title = format!("introspection, {} live tokens", extent.tokens).into();
    Ok(Work { title, limit, ours: Some(ours(stage, extent).await?), reach: LOOK_UP })
}

async fn ours(stage: &Stage, extent: Extent) -> Outcome<Lane> {
    let bearers = Bearers::changing(extent.tokens);
    let caller = || -> Box<dyn Caller> {
        Box::new(Introspect::new(&stage.site, &stage.resource, Rc::clone(&bearers)))
    };
    let seats = seats(stage.product.address, extent.connections, caller).await?;
    Ok(Lane::new("ours", seats, stage.product_processes()))
}
