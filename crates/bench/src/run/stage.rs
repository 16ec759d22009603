//! The stage: floor and server running over their databases, a client registered, a person signed in, tokens seeded.

use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::start::Start;
use crate::children::{Child, Demo};
use crate::http::{Connection, request};
use crate::lanes::{Browser, Credentials, Flow, Refresh, Site};
use crate::storage::Storage;
use crate::{Extent, Options, Outcome, cpu, seed};

/// After so long nothing of the start is going on any more.
const IDLE: Duration = Duration::from_secs(2);

/// How an admin registers a client that acts for itself.
const ADD_MACHINE: [&str; 10] = [
    "client",
    "add",
    "--json",
    "--confidential",
    "--name",
    "Bench",
    "--grant",
    "client_credentials",
    "--scope",
    "mcp.tools.read",
];

/// What lanes are made from.
pub(crate) struct Stage {
    pub(crate) floor: Child,
    pub(crate) product: Child,
    pub(crate) site: Rc<Site>,
    pub(crate) browser: Browser,
    /// A client that acts for itself.
    pub(crate) machine: Credentials,
    /// The database engine's processes.
    pub(crate) engine: Vec<u32>,
}

impl Stage {
    /// Starts everything, and tells what the server's start took.
    pub(crate) async fn set(storage: &Storage, options: &Options, extent: Extent) -> Outcome<(Self, Start)> {
        let floor = Child::floor(&storage.floor)?;
        seed::floor(&storage.floor, extent.tokens).await?;
        let server = options.server.as_deref();
        let folder = Rc::new(TempDir::new()?);
        let first = time_start(&folder, &storage.product, server).await?.2;
        let (product, demo, again) = time_start(&folder, &storage.product, server).await?;
        if !options.quick {
            tokio::time::sleep(IDLE).await;
        }
        let start = Start::new(storage.engine.name(), (first, again), cpu::resident_kib(product.id()));
        let mut connection = Connection::open(product.address).await?;
        let site = Site::join(&mut connection, &demo).await?;
        let browser = Browser::signed_in(&mut connection, &site, &demo).await?;
        let machine = serde_json::from_slice(&product.command(&storage.product, server, &ADD_MACHINE)?)?;
        let stage = Self { floor, product, site, browser, machine, engine: storage.processes() };
        Refresh::begin(&mut connection, stage.flow()).await?;
        seed::product(&storage.product, extent.tokens).await?;
        Ok((stage, start))
    }

    pub(crate) fn flow(&self) -> Flow {
        Flow { site: Rc::clone(&self.site), browser: self.browser.clone() }
    }

    /// Whose processor time the server's work takes.
    pub(crate) fn product_processes(&self) -> Vec<u32> {
        [vec![self.product.id()], self.engine.clone()].concat()
    }

    /// Whose processor time the floor's work takes.
    pub(crate) fn floor_processes(&self) -> Vec<u32> {
        [vec![self.floor.id()], self.engine.clone()].concat()
    }
}

/// From the command to the first answer.
async fn time_start(
    folder: &Rc<TempDir>,
    url: &str,
    server: Option<&Path>,
) -> Outcome<(Child, Demo, Duration)> {
    let began = Instant::now();
    let (child, demo) = Child::product(folder, url, server)?;
    let mut connection = Connection::open(child.address).await?;
    connection.exchange(&request("GET /healthz", &[("host", "localhost")], "")).await?.expect_status(200)?;
    Ok((child, demo, began.elapsed()))
}
