//! The stage: two stores over a fresh database, and somebody who ends grants.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex};

use portcullis_database::testing::TestDatabase;
use portcullis_database::{ChangeFeed, Database, on};
use portcullis_resource_server::catalogue::{
    AuthKind, HeaderFormat, NewTools, Parameter, Place, Relays, Server, ServerKind, Servers, Slug, Template,
    Visibility,
};
use portcullis_resource_server::oauth::{
    Alias, BoxFuture, Clock, PrincipalId, PrincipalKind, TestClock, Timestamp,
};
use portcullis_resource_server::{Connections, GrantEnder, Tombstone};

/// Ends nothing, but remembers what it was asked to end; fails on demand.
#[derive(Clone, Default)]
pub(crate) struct FakeEnder {
    pub(crate) ended: Arc<Mutex<Vec<String>>>,
    pub(crate) broken: Arc<Mutex<bool>>,
}

impl GrantEnder for FakeEnder {
    fn end<'a>(&'a self, name: &'a Tombstone) -> BoxFuture<'a, Result<(), Box<dyn Error + Send + Sync>>> {
        let broken = *self.broken.lock().unwrap();
        if !broken {
            let what = if name.deleted { "deleted" } else { "renamed" };
            self.ended.lock().unwrap().push(format!("{} {what}", name.alias));
        }
        Box::pin(std::future::ready(if broken { Err("out of reach".into()) } else { Ok(()) }))
    }
}

pub(crate) struct Stage {
    pub(crate) servers: Servers,
    pub(crate) connections: Connections,
    pub(crate) ender: FakeEnder,
    pub(crate) clock: TestClock,
    pub(crate) alice: PrincipalId,
    pub(crate) database: Database,
    _held: TestDatabase,
}

impl Stage {
    pub(crate) fn set(held: TestDatabase) -> Self {
        let clock = TestClock::at(Timestamp::from_micros(1_800_000_000_000_000));
        let (database, shared) = (held.database.clone(), Arc::new(clock.clone()));
        let changes = ChangeFeed::new(database.clone(), shared.clone());
        let ender = FakeEnder::default();
        let connections = Connections::new(database.clone(), changes.clone(), shared.clone());
        Self {
            servers: Servers::new(database.clone(), changes, shared),
            connections: connections.ending(Arc::new(ender.clone())),
            ender,
            clock,
            alice: PrincipalId::generate(PrincipalKind::User),
            database,
            _held: held,
        }
    }

    pub(crate) fn clock_now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Every event of connections and servers, oldest first: action and reason.
    pub(crate) async fn events(&self) -> Vec<String> {
        let rows: Vec<(String, Option<String>)> = on!(self.database.read(), |pool| {
            sqlx::query_as("SELECT action, reason FROM audit_event ORDER BY at, action").fetch_all(pool).await
        })
        .unwrap();
        let line = |(action, reason): (String, Option<String>)| match reason {
            Some(reason) => format!("{action} {reason}"),
            None => action,
        };
        rows.into_iter().map(line).collect()
    }

    /// What caches were told about, without repetition.
    pub(crate) async fn changes(&self) -> Vec<String> {
        let rows: Vec<(String,)> = on!(self.database.read(), |pool| {
            sqlx::query_as("SELECT DISTINCT kind FROM change ORDER BY kind").fetch_all(pool).await
        })
        .unwrap();
        rows.into_iter().map(|(kind,)| kind).collect()
    }
}

pub(crate) fn alias(text: &str) -> Alias {
    Alias::parse(text).unwrap()
}

pub(crate) fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub(crate) fn parameter(name: &str, secret: bool, place: Place) -> Parameter {
    Parameter {
        name: name.to_owned(),
        about: format!("The {name}."),
        secret,
        required: true,
        pattern: None,
        place,
    }
}

/// A server over HTTP that takes a header or OAuth.
pub(crate) fn http(slug: &str, url: &str) -> Server {
    Server {
        slug: Slug::parse(slug).unwrap(),
        title: "Git Forge".to_owned(),
        kind: ServerKind::Http { url: url.to_owned(), legacy_sse: false },
        private_network: false,
        auth: vec![AuthKind::Header, AuthKind::OAuth],
        header: HeaderFormat::default(),
        parameters: Vec::new(),
        new_tools: NewTools::AllowRead,
        relays: Relays::default(),
        visible_to: Visibility::Everyone,
        created_at: Timestamp::from_micros(0),
        disabled_at: None,
    }
}

/// A command that reads a folder with a token.
pub(crate) fn stdio(slug: &str) -> Server {
    Server {
        kind: ServerKind::Stdio(Template {
            command: "/opt/files".to_owned(),
            arguments: vec!["--root".to_owned(), "{root}".to_owned()],
            environment: values(&[("LANG", "C")]),
            inherit: vec!["PATH".to_owned()],
        }),
        auth: vec![AuthKind::None],
        parameters: vec![
            parameter("root", false, Place::Argument),
            parameter("token", true, Place::Environment("FILES_TOKEN".to_owned())),
        ],
        ..http(slug, "https://unused.example")
    }
}
