//! The stage: floor and server running over their databases, a client registered, a person signed in, tokens seeded.

use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::start::Start;
use crate::children::{Child, Demo};
use crate::http::{Connection, request};
use crate::lanes::{Browser, Credentials, Era, Flow, Refresh, Site};
use crate::storage::Storage;
use crate::{Extent, Options, Outcome, apart, cpu, seed};

/// After so long nothing of the start is going on any more.
const IDLE: Duration = Duration::from_secs(2);

/// How an admin registers a client that acts for itself, the same with tokens that are bound to its key, and two servers:
/// one that asks what a token is, and one that reads signed tokens.
const ADD_MACHINE: &str = "client add --json --confidential --name Bench --grant client_credentials --scope mcp.tools.read --scope read";
const ADD_PROVING: &str =
    "client add --json --confidential --dpop --name Bound --grant client_credentials --scope mcp.tools.read";
const ADD_ASKING: &str =
    "resource add --json --name Asking --uri https://asking.example/mcp --default-scope read=Read.";
const ADD_SIGNED: &str =
    "resource add --json --name Signed --token-format jwt --default-scope read=Read. --uri";
/// How an admin offers the upstream server and connects the demo user to it, in either era.
const OFFER: &str = "server add --json --auth none --new-tools allow --slug";
const CONNECT: &str = "connection add --json --user";
/// What the tokens are for that the asking server is asked about.
const ASKING: &str = "https://asking.example/mcp";

/// What lanes are made from.
pub(crate) struct Stage {
    pub(crate) floor: Child,
    pub(crate) product: Child,
    pub(crate) site: Rc<Site>,
    pub(crate) browser: Browser,
    /// A client that acts for itself.
    pub(crate) machine: Credentials,
    /// One whose tokens are bound to a key.
    pub(crate) proving: Credentials,
    /// A server that asks what a token is.
    pub(crate) resource: Credentials,
    /// A server that reads signed tokens by itself.
    pub(crate) apart: Child,
    /// The upstream server.
    pub(crate) echo: Child,
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
        if let Some(durability) = &options.durability {
            let setting = format!("audit_durability = \"{durability}\"\n");
            std::fs::write(folder.path().join("portcullis.toml"), setting)?;
        }
        let first = time_start(&folder, &storage.product, server).await?.2;
        let (product, demo, again) = time_start(&folder, &storage.product, server).await?;
        if !options.quick {
            tokio::time::sleep(IDLE).await;
        }
        let start = Start::new(storage.engine.name(), (first, again), cpu::resident_kib(product.id()));
        let mut connection = Connection::open(product.address).await?;
        let site = Site::join(&mut connection, &demo).await?;
        let browser = Browser::signed_in(&mut connection, &site, &demo).await?;
        let run = |words: &str| -> Outcome<Vec<u8>> {
            product.command(&storage.product, server, &words.split(' ').collect::<Vec<_>>())
        };
        let add = |words: &str| -> Outcome<Credentials> { Ok(serde_json::from_slice(&run(words)?)?) };
        let echo = Child::echo()?;
        for era in [Era::Stateless, Era::Sessions] {
            let (name, path) = (era.name(), era.path());
            run(&format!("{OFFER} {name} --url http://{}{path}", echo.address))?;
            run(&format!("{CONNECT} {} --server {name} --alias {name}", demo.email))?;
        }
        add(&format!("{ADD_SIGNED} {}", apart::RESOURCE))?;
        let resource = add(ADD_ASKING)?;
        let (machine, proving) = (add(ADD_MACHINE)?, add(ADD_PROVING)?);
        let apart = Child::apart(demo.mcp_url.trim_end_matches("/mcp"))?;
        let engine = storage.processes();
        let stage = Self { floor, product, site, browser, machine, proving, resource, apart, echo, engine };
        Refresh::begin(&mut connection, stage.flow()).await?;
        // Where introspection is measured, the tokens are those of the server that asks.
        let asked = (!options.sizes.is_empty()).then_some(ASKING);
        seed::product(&storage.product, extent.tokens, asked).await?;
        Ok((stage, start))
    }

    pub(crate) fn flow(&self) -> Flow {
        Flow { site: Rc::clone(&self.site), browser: self.browser.clone() }
    }

    /// Whose processor time the server's work takes.
    pub(crate) fn product_processes(&self) -> Vec<u32> {
        [vec![self.product.id()], self.engine.clone()].concat()
    }

    /// Whose processor time the work of somebody else's server takes.
    pub(crate) fn apart_processes(&self) -> Vec<u32> {
        vec![self.apart.id()]
    }

    /// Whose processor time the upstream server's own work takes.
    pub(crate) fn echo_processes(&self) -> Vec<u32> {
        vec![self.echo.id()]
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
