//! What a start takes, and what the process holds in memory.

use std::time::Duration;

use serde::Serialize;

use super::stage::Stage;
use crate::cpu;

/// One server's start on one engine.
#[derive(Debug, Serialize)]
pub(crate) struct Start {
    pub(crate) engine: &'static str,
    /// The first start, which makes schema, key and demo user.
    pub(crate) first_ms: u128,
    /// A later start.
    pub(crate) again_ms: u128,
    pub(crate) idle_kib: Option<u64>,
    pub(crate) loaded_kib: Option<u64>,
}

impl Start {
    pub(crate) fn new(
        engine: &'static str,
        (first, again): (Duration, Duration),
        idle_kib: Option<u64>,
    ) -> Self {
        let (first_ms, again_ms) = (first.as_millis(), again.as_millis());
        Self { engine, first_ms, again_ms, idle_kib, loaded_kib: None }
    }

    /// With what the server holds after the load.
    pub(crate) fn loaded(self, stage: &Stage) -> Self {
        Self { loaded_kib: cpu::resident_kib(stage.product.id()), ..self }
    }

    /// The same for people.
    pub(crate) fn sentence(&self) -> String {
        let mib = |kib: Option<u64>| kib.map_or("?".to_owned(), |kib| format!("{} MiB", kib.div_ceil(1_024)));
        format!(
            "Start to first answer: {} ms the first time, {} ms later. Memory: {} idle, {} after the load.",
            self.first_ms,
            self.again_ms,
            mib(self.idle_kib),
            mib(self.loaded_kib)
        )
    }
}
