//! The stage of the stories: a gateway over a fresh database, with tokens that a fake verifier knows.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use portcullis_audit::Trail;
use portcullis_database::testing::TestDatabase;
use portcullis_database::{Change, ChangeFeed, ChangeKind, Database, on};
use portcullis_outbound::{Outbound, Policy};
use portcullis_resource_server::catalogue::{
    AuthKind, HeaderFormat, NewTools, Relays, Server, ServerKind, Servers, Slug, Visibility,
};
use portcullis_resource_server::oauth::dpop::DpopUse;
use portcullis_resource_server::oauth::{
    Alias, BoxFuture, ClientId, Clock, GrantId, GrantedConnections, Principal, PrincipalId, PrincipalKind,
    PublicUrl, ResourceRegistry, ResourceUri, ScopeSet, Seconds, Secret, TestClock, Timestamp,
};
use portcullis_resource_server::{
    Connection, Connections, Gateway, GatewayParts, LocalProofs, NewConnection, Patience, Probe, Rates,
    VerifiedBearer, Verifier, VerifyError, field, sandbox,
};
use portcullis_vault::{MasterKeySource, Vault};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tower::ServiceExt;

pub(crate) const ORIGIN: &str = "http://localhost:8420";
pub(crate) const ALL: &str = "mcp.tools.read mcp.tools.execute mcp.resources.read";
/// A call that waits for a person is held so long.
const LEG: Duration = Duration::from_millis(300);
pub(crate) const EVERYTHING: GrantedConnections = GrantedConnections::All;

/// One token as the fake verifier knows it.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) who: PrincipalId,
    pub(crate) client: ClientId,
    pub(crate) grant: GrantId,
    pub(crate) resource: String,
    pub(crate) scope: String,
    pub(crate) permissions: String,
    pub(crate) reach: GrantedConnections,
    pub(crate) expires_at: Timestamp,
}

/// Knows the tokens that a story wrote into it.
#[derive(Clone, Default)]
pub(crate) struct FakeVerifier {
    pub(crate) tokens: Arc<Mutex<Vec<Token>>>,
    pub(crate) asked: Arc<Mutex<u32>>,
    pub(crate) broken: Arc<Mutex<bool>>,
}

impl FakeVerifier {
    fn find(
        &self,
        token: &Secret,
        resource: &ResourceUri,
        now: Timestamp,
    ) -> Result<VerifiedBearer, VerifyError> {
        *self.asked.lock().unwrap() += 1;
        if *self.broken.lock().unwrap() {
            return Err(VerifyError::Unavailable("the store is out of reach".into()));
        }
        let all = self.tokens.lock().unwrap();
        let known = all.iter().find(|known| known.text == token.expose());
        let known = known.ok_or(VerifyError::Invalid("the token is unknown"))?;
        if known.resource != resource.as_str() {
            return Err(VerifyError::Invalid("the token is for another resource"));
        }
        if known.expires_at <= now {
            return Err(VerifyError::Invalid("the token expired"));
        }
        let permissions = ScopeSet::parse(&known.permissions).unwrap();
        Ok(VerifiedBearer::attest(
            token.hash(),
            resource.clone(),
            known.expires_at,
            (
                Principal { id: known.who.clone(), permissions, groups: vec![] },
                known.client.clone(),
                known.grant.clone(),
            ),
            (ScopeSet::parse(&known.scope).unwrap(), known.reach.clone()),
        ))
    }
}

impl Verifier for FakeVerifier {
    fn verify<'a>(
        &'a self,
        token: &'a Secret,
        resource: &'a ResourceUri,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<VerifiedBearer, VerifyError>> {
        Box::pin(std::future::ready(self.find(token, resource, now)))
    }
}

/// Held for so long, calls wait for a person.
fn asking(leg: Duration) -> Patience {
    Patience { leg, question: 2 * leg, ..Patience::default() }
}

/// A vault whose master key is the same in every story.
pub(crate) async fn vault(database: &Database, clock: &TestClock) -> Vault {
    let key = MasterKeySource::Environment(Secret::presented("A".repeat(43)));
    Vault::unlock(&key, database, clock.now()).await.unwrap()
}

/// A gateway over this database.
pub(crate) async fn node(
    database: &Database,
    clock: &TestClock,
    verifier: &FakeVerifier,
    (changes, folder): (&ChangeFeed, &Path),
    (rates, patience): (Rates, Patience),
) -> Gateway {
    let (database, changes) = (database.clone(), changes.clone());
    let parts = GatewayParts {
        registry: ResourceRegistry::new(PublicUrl::parse(ORIGIN).unwrap()),
        verifier: Arc::new(verifier.clone()),
        dpop: DpopUse::On,
        proofs: Arc::new(LocalProofs::default()),
        connections: Connections::new(database.clone(), changes.clone(), Arc::new(clock.clone())),
        clock: Arc::new(clock.clone()),
        trail: Trail::new(database.clone()),
        outbound: Outbound::new(Policy { loopback: true, ..Policy::default() }).unwrap(),
        launcher: None,
        vault: vault(&database, clock).await,
        allowed_origins: vec!["https://inspector.example".to_owned()],
        sandbox_folder: folder.to_owned(),
        listen_ports: vec![8420],
        rates,
        patience,
        notifiers: vec![],
        database,
        changes,
    };
    Gateway::new(parts).await.unwrap()
}

/// The stage.
pub(crate) struct Stage {
    pub(crate) gateway: Gateway,
    pub(crate) verifier: FakeVerifier,
    pub(crate) clock: TestClock,
    pub(crate) changes: ChangeFeed,
    pub(crate) database: Database,
    pub(crate) alice: PrincipalId,
    pub(crate) sandbox: Connection,
    _hearing: JoinSet<()>,
    held: (TestDatabase, TempDir),
}

impl Stage {
    /// A gateway where Alice has a connection `sandbox`.
    pub(crate) async fn set(held: TestDatabase) -> Self {
        let stage = Self::deaf(held).await;
        stage.changes.read().await.unwrap();
        stage
    }

    /// The same, but its feed of changes was never read.
    pub(crate) async fn deaf(held: TestDatabase) -> Self {
        Self::build(held, (Rates::default(), asking(LEG))).await
    }

    /// The same with other limits.
    pub(crate) async fn with_rates(held: TestDatabase, rates: Rates) -> Self {
        let stage = Self::build(held, (rates, asking(LEG))).await;
        stage.changes.read().await.unwrap();
        stage
    }

    /// The same, and calls that wait for a person are held for so long.
    pub(crate) async fn holding(held: TestDatabase, leg: Duration) -> Self {
        Self::patient(held, asking(leg)).await
    }

    /// The same, and others are waited for so long.
    pub(crate) async fn patient(held: TestDatabase, patience: Patience) -> Self {
        let stage = Self::build(held, (Rates::default(), patience)).await;
        stage.changes.read().await.unwrap();
        stage
    }

    async fn build(held: TestDatabase, limits: (Rates, Patience)) -> Self {
        let folder = TempDir::new().unwrap();
        sandbox::seed(folder.path()).unwrap();
        let clock = TestClock::at(Timestamp::from_micros(1_800_000_000_000_000));
        let verifier = FakeVerifier::default();
        let database = held.database.clone();
        let changes = ChangeFeed::new(database.clone(), Arc::new(clock.clone()));
        let place = (&changes, folder.path());
        let gateway = node(&database, &clock, &verifier, place, limits).await;
        let alice = PrincipalId::generate(PrincipalKind::User);
        let alias = Alias::parse("sandbox").unwrap();
        let sandbox = gateway.connections().create(&alice, &alias, "sandbox", "Sandbox").await.unwrap();
        let (mut hearing, ear) = (JoinSet::new(), gateway.clone());
        hearing.spawn(async move { ear.hear().await });
        let held = (held, folder);
        Self { gateway, verifier, clock, changes, database, alice, sandbox, _hearing: hearing, held }
    }

    /// Another node over the same database, which has its own feed of changes.
    pub(crate) async fn another_node(&self) -> (Gateway, ChangeFeed) {
        self.another_node_with(Rates::default()).await
    }

    /// The same with other limits.
    pub(crate) async fn another_node_with(&self, rates: Rates) -> (Gateway, ChangeFeed) {
        let changes = ChangeFeed::new(self.database.clone(), Arc::new(self.clock.clone()));
        let place = (&changes, self.held.1.path());
        let gateway = node(&self.database, &self.clock, &self.verifier, place, (rates, asking(LEG))).await;
        changes.read().await.unwrap();
        (gateway, changes)
    }

    /// A connection of Alice's to a server at `url`, whose tools may all be used, tried out.
    pub(crate) async fn connect(&self, alias: &str, url: &str) -> Connection {
        self.connect_with(alias, url, (NewTools::Allow, None)).await
    }

    /// The same with another trust, and with a secret for the header that the server wants.
    pub(crate) async fn connect_with(
        &self,
        alias: &str,
        url: &str,
        trust_and_secret: (NewTools, Option<&str>),
    ) -> Connection {
        let connection = self.add(alias, url, trust_and_secret).await;
        self.gateway.probe(&connection).await;
        self.now(&connection).await
    }

    /// The same of somebody else's, to a server of its own.
    pub(crate) async fn connect_for(
        &self,
        who: &PrincipalId,
        alias: &str,
        (server, url): (&str, &str),
    ) -> Connection {
        let connection = self.add_for(who, (alias, server), url, (NewTools::Allow, None)).await;
        self.gateway.probe(&connection).await;
        self.now(&connection).await
    }

    /// The same of Alice's, not tried out.
    pub(crate) async fn add(
        &self,
        alias: &str,
        url: &str,
        trust_and_secret: (NewTools, Option<&str>),
    ) -> Connection {
        self.add_for(&self.alice, (alias, alias), url, trust_and_secret).await
    }

    async fn add_for(
        &self,
        who: &PrincipalId,
        (alias, slug): (&str, &str),
        url: &str,
        (new_tools, secret): (NewTools, Option<&str>),
    ) -> Connection {
        let servers = Servers::new(self.database.clone(), self.changes.clone(), Arc::new(self.clock.clone()));
        let auth = if secret.is_some() { AuthKind::Header } else { AuthKind::None };
        let server = Server {
            slug: Slug::parse(slug).unwrap(),
            title: slug.to_owned(),
            kind: ServerKind::Http { url: url.to_owned(), legacy_sse: true },
            private_network: false,
            auth: vec![auth],
            header: HeaderFormat::default(),
            parameters: vec![],
            new_tools,
            relays: Relays::default(),
            visible_to: Visibility::Everyone,
            created_at: self.clock.now(),
            disabled_at: None,
        };
        servers.create(&server, true).await.unwrap();
        let connections = self.gateway.connections();
        let new = NewConnection {
            principal: who.clone(),
            alias: Alias::parse(alias).unwrap(),
            server: slug.to_owned(),
            label: String::new(),
            auth,
            settings: BTreeMap::new(),
        };
        let connection = connections.add(&new).await.unwrap();
        if let Some(secret) = secret {
            let secret = Secret::presented(secret);
            self.gateway.credentials().put(&connection.id, field::HEADER, &secret).await.unwrap();
        }
        connection
    }

    /// What an admin lets the server of this name ask clients for from now on.
    pub(crate) async fn let_ask(&self, slug: &str, words: &[&str]) {
        let servers = Servers::new(self.database.clone(), self.changes.clone(), Arc::new(self.clock.clone()));
        let relays = Relays::parse(words.iter().copied()).unwrap();
        assert!(servers.set_relays(&Slug::parse(slug).unwrap(), relays).await.unwrap(), "it was so before");
    }

    /// A connection as it stands now.
    pub(crate) async fn now(&self, connection: &Connection) -> Connection {
        self.gateway.connections().get(&connection.id).await.unwrap().unwrap()
    }

    /// A token of Alice's for `/mcp`.
    pub(crate) fn token(&self, scope: &str) -> Token {
        self.token_of(&self.alice, "/mcp", scope)
    }

    /// A token that reaches all connections of somebody, for one hour.
    pub(crate) fn token_of(&self, who: &PrincipalId, path: &str, scope: &str) -> Token {
        let mut all = self.verifier.tokens.lock().unwrap();
        let token = Token {
            text: format!("pcl_at_{}", all.len()),
            who: who.clone(),
            client: ClientId::from("client_a".to_owned()),
            grant: GrantId::generate(),
            resource: format!("{ORIGIN}{path}"),
            scope: scope.to_owned(),
            permissions: ALL.to_owned(),
            reach: EVERYTHING,
            expires_at: self.clock.now().plus(Seconds(3_600)),
        };
        all.push(token.clone());
        token
    }

    /// Changes a token where it is kept.
    pub(crate) fn change(&self, token: &Token, change: impl Fn(&mut Token)) {
        self.verifier
            .tokens
            .lock()
            .unwrap()
            .iter_mut()
            .filter(|known| known.text == token.text)
            .for_each(change);
    }

    /// The same, and every cache learns that it is worth less.
    pub(crate) fn revoke(&self, token: &Token, change: impl Fn(&mut Token)) {
        self.change(token, change);
        self.changes.publish(&Change::new(ChangeKind::Grant, token.grant.as_str()));
    }

    /// Sends a request.
    pub(crate) async fn send(&self, request: Request<Body>) -> Response {
        self.gateway.router().oneshot(request).await.unwrap()
    }

    /// The reasons of every refusal and failure so far.
    pub(crate) async fn reasons(&self) -> Vec<String> {
        let rows: Vec<(String,)> = on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT reason FROM audit_event WHERE reason IS NOT NULL ORDER BY at, id"
        )
        .fetch_all(pool)
        .await)
        .unwrap();
        rows.into_iter().map(|(reason,)| reason).collect()
    }

    /// Action and outcome of every event so far that is of this action.
    pub(crate) async fn outcomes(&self, action: &str) -> Vec<String> {
        let rows: Vec<(String,)> = on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT outcome FROM audit_event WHERE action = $1 ORDER BY outcome"
        )
        .bind(action)
        .fetch_all(pool)
        .await)
        .unwrap();
        rows.into_iter().map(|(outcome,)| outcome).collect()
    }
}
