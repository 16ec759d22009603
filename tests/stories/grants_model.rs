//! A state machine of grants: random histories of codes, refreshes, revocations, crashes and jumps of the clock, told to
//! the server and to a small model; after each step both must agree on every token that was ever given out.
//!
//! The model is written from the decisions (DC-15, DC-20), not from the code: lists and numbers, no database.

use portcullis_database::testing::TestDatabase;
use portcullis_oauth::{GrantId, Secret};
use portcullis_tests::{Browser, Client, PASSWORD, Pkce, Tokens, World};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;

const ACCESS_LIFE: i64 = 600;
const GRACE: i64 = 120;
const IDLE: i64 = 30 * 86_400;
const ABSOLUTE: i64 = 90 * 86_400;
const OTHER_PASSWORD: &str = "nine blue bicycles rusting";

/// One thing that happens. Numbers choose among what there is.
#[derive(Clone, Debug)]
enum Step {
    Connect { client: usize },
    RedeemAgain { grant: usize },
    RedeemWrongly { grant: usize },
    Refresh { token: usize, narrowed: bool },
    RefreshAtOnce { token: usize },
    RefreshByAnother { token: usize },
    UseAccess { token: usize },
    RevokeAccess { token: usize },
    RevokeRefresh { token: usize },
    Disconnect { grant: usize },
    Disable,
    Enable,
    ChangePassword,
    Wait { seconds: i64 },
    OtherNode,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let any = 0..64_usize;
    prop_oneof![
        4 => (0..2_usize).prop_map(|client| Step::Connect { client }),
        2 => any.clone().prop_map(|grant| Step::RedeemAgain { grant }),
        1 => any.clone().prop_map(|grant| Step::RedeemWrongly { grant }),
        9 => (any.clone(), prop::bool::weighted(0.2)).prop_map(|(token, narrowed)| Step::Refresh { token, narrowed }),
        3 => any.clone().prop_map(|token| Step::RefreshAtOnce { token }),
        1 => any.clone().prop_map(|token| Step::RefreshByAnother { token }),
        3 => any.clone().prop_map(|token| Step::UseAccess { token }),
        1 => any.clone().prop_map(|token| Step::RevokeAccess { token }),
        1 => any.clone().prop_map(|token| Step::RevokeRefresh { token }),
        1 => any.prop_map(|grant| Step::Disconnect { grant }),
        1 => Just(Step::Disable),
        1 => Just(Step::Enable),
        1 => Just(Step::ChangePassword),
        6 => prop::sample::select(vec![1, 60, 119, 121, 400, 601, 86_400, 31 * 86_400, 91 * 86_400])
            .prop_map(|seconds| Step::Wait { seconds }),
        2 => Just(Step::OtherNode),
        1 => Just(Step::Crash),
    ]
}

/// What the model knows of a grant.
struct Grant {
    id: GrantId,
    client: usize,
    code: String,
    pkce: Pkce,
    is_live: bool,
}

struct Access {
    grant: usize,
    token: String,
    narrowed: bool,
    ends: i64,
    is_revoked: bool,
    is_used: bool,
}

struct Refresh {
    grant: usize,
    token: String,
    idle_ends: i64,
    ends: i64,
    rotated: Option<Rotated>,
}

/// When a refresh token was rotated, and the places of what it gave.
#[derive(Clone, Copy)]
struct Rotated {
    at: i64,
    successor: usize,
    access: usize,
}

/// Server and model, side by side.
struct History {
    world: World,
    idle_node: portcullis::app::App,
    clients: Vec<Client>,
    password: &'static str,
    is_enabled: bool,
    now: i64,
    grants: Vec<Grant>,
    access: Vec<Access>,
    refresh: Vec<Refresh>,
}

impl History {
    async fn begin(database: TestDatabase) -> Self {
        let world = World::on(database).await;
        let idle_node = world.second_node().await;
        let clients = vec![Client::public(&world).await, Client::public(&world).await];
        Self {
            world,
            idle_node,
            clients,
            password: PASSWORD,
            is_enabled: true,
            now: 0,
            grants: Vec::new(),
            access: Vec::new(),
            refresh: Vec::new(),
        }
    }

    async fn take(&mut self, step: &Step) {
        match *step {
            Step::Connect { client } => self.connect(client).await,
            Step::RedeemAgain { grant } => self.redeem_again(grant).await,
            Step::RedeemWrongly { grant } => self.redeem_wrongly(grant).await,
            Step::Refresh { token, narrowed } => self.refresh(token, narrowed).await,
            Step::RefreshAtOnce { token } => self.refresh_at_once(token).await,
            Step::RefreshByAnother { token } => self.refresh_by_another(token).await,
            Step::UseAccess { token } => self.use_access(token).await,
            Step::RevokeAccess { token } => self.revoke_access(token).await,
            Step::RevokeRefresh { token } => self.revoke_refresh(token).await,
            Step::Disconnect { grant } => self.disconnect(grant).await,
            Step::Disable => self.enable(false).await,
            Step::Enable => self.enable(true).await,
            Step::ChangePassword => self.change_password().await,
            Step::Wait { seconds } => self.wait(seconds),
            Step::OtherNode => std::mem::swap(&mut self.world.app, &mut self.idle_node),
            Step::Crash => self.world.app = self.world.second_node().await,
        }
        // What the feed's next poll does; elsewhere it is a matter of milliseconds.
        self.world.app.changes.read().await.unwrap();
    }

    fn wait(&mut self, seconds: i64) {
        self.now += seconds;
        self.world.advance(seconds);
    }

    async fn connect(&mut self, client: usize) {
        if !self.is_enabled {
            return;
        }
        let mut browser = Browser::new(&self.world);
        let pkce = Pkce::new();
        let wanted = self.clients[client].authorize(&pkce, &[]);
        let login = browser.get(&wanted).await.see_other().to_owned();
        let consent =
            browser.sign_in(&login, "alice@example.com", self.password).await.see_other().to_owned();
        let page = browser.get(&consent).await;
        let answer = browser.answer_consent(&page, "approve", &page.boxes("scope")).await;
        let code = answer.redirect_parameter("code").unwrap();
        let redeemed = self.clients[client].redeem(&self.world, &code, &pkce.verifier, &[]).await;
        let tokens = Tokens::of(&redeemed);
        let listed = self.world.app.authorization.grants().list(&self.world.alice.id).await.unwrap();
        let is_new = |id: &GrantId| self.grants.iter().all(|grant| grant.id != *id);
        let id = listed.into_iter().map(|grant| grant.id).find(is_new).unwrap();
        self.grants.push(Grant { id, client, code, pkce, is_live: true });
        let grant = self.grants.len() - 1;
        self.learn_access(grant, tokens.access, false);
        self.learn_refresh(grant, tokens.refresh, self.now + ABSOLUTE);
    }

    fn learn_access(&mut self, grant: usize, token: String, narrowed: bool) -> usize {
        let ends = self.now + ACCESS_LIFE;
        self.access.push(Access { grant, token, narrowed, ends, is_revoked: false, is_used: false });
        self.access.len() - 1
    }

    fn learn_refresh(&mut self, grant: usize, token: String, ends: i64) -> usize {
        self.refresh.push(Refresh { grant, token, idle_ends: self.now + IDLE, ends, rotated: None });
        self.refresh.len() - 1
    }

    /// A valid second redemption is refused and ends what the first gave.
    async fn redeem_again(&mut self, grant: usize) {
        let Some(grant) = nth(&self.grants, grant) else { return };
        let Grant { client, code, pkce, .. } = &self.grants[grant];
        let answer = self.clients[*client].redeem(&self.world, code, &pkce.verifier, &[]).await;
        assert_eq!(answer.verdict(), "400 invalid_grant");
        self.grants[grant].is_live = false;
    }

    /// An invalid one changes nothing.
    async fn redeem_wrongly(&mut self, grant: usize) {
        let Some(grant) = nth(&self.grants, grant) else { return };
        let Grant { client, code, .. } = &self.grants[grant];
        let answer = self.clients[*client].redeem(&self.world, code, &Pkce::new().verifier, &[]).await;
        assert_eq!(answer.verdict(), "400 invalid_grant");
    }

    async fn refresh(&mut self, token: usize, narrowed: bool) {
        let Some(token) = nth(&self.refresh, token) else { return };
        let (grant, presented) = (self.refresh[token].grant, self.refresh[token].token.clone());
        let scope = [("scope", "mcp.tools.read")];
        let changes: &[(&str, &str)] = if narrowed { &scope } else { &[] };
        let client = self.clients[self.grants[grant].client].clone();
        let answer = client.refresh(&self.world, &presented, changes).await;
        match self.expect(token) {
            Expected::Refused => assert_eq!(answer.verdict(), "400 invalid_grant"),
            Expected::Replay => {
                assert_eq!(answer.verdict(), "400 invalid_grant");
                self.grants[grant].is_live = false;
            }
            Expected::Rotation => {
                let tokens = Tokens::of(&answer);
                let access = self.learn_access(grant, tokens.access, narrowed);
                let successor = self.learn_refresh(grant, tokens.refresh, self.refresh[token].ends);
                self.refresh[token].rotated = Some(Rotated { at: self.now, successor, access });
            }
            Expected::Repetition(rotated) => {
                let tokens = Tokens::of(&answer);
                assert_eq!(tokens.refresh, self.refresh[rotated.successor].token, "the same successor");
                let first = &self.access[rotated.access];
                let fits = first.narrowed == narrowed && self.now < first.ends && !first.is_revoked;
                assert_eq!(tokens.access == first.token, fits, "the first access token while it is any good");
                if !fits {
                    self.learn_access(grant, tokens.access, narrowed);
                }
            }
        }
    }

    /// DC-15, as it is written.
    fn expect(&self, token: usize) -> Expected {
        let presented = &self.refresh[token];
        if !self.grants[presented.grant].is_live || self.now >= presented.ends {
            return Expected::Refused;
        }
        let Some(rotated) = presented.rotated else {
            return if self.now < presented.idle_ends { Expected::Rotation } else { Expected::Refused };
        };
        let unused =
            self.refresh[rotated.successor].rotated.is_none() && !self.access[rotated.access].is_used;
        let is_lost = unused && self.now < rotated.at + ACCESS_LIFE;
        if self.now < rotated.at + GRACE || is_lost {
            Expected::Repetition(rotated)
        } else {
            Expected::Replay
        }
    }

    /// Three processes of one client present the same token together: whatever the first gets, so do the others.
    async fn refresh_at_once(&mut self, token: usize) {
        let Some(token) = nth(&self.refresh, token) else { return };
        if !matches!(self.expect(token), Expected::Rotation) {
            return self.refresh(token, false).await;
        }
        let (grant, presented) = (self.refresh[token].grant, self.refresh[token].token.clone());
        let client = &self.clients[self.grants[grant].client];
        let ask = || client.refresh(&self.world, &presented, &[]);
        let (one, two, three) = tokio::join!(ask(), ask(), ask());
        let tokens = Tokens::of(&one);
        assert_eq!([Tokens::of(&two), Tokens::of(&three)], [tokens.clone(), tokens.clone()]);
        let access = self.learn_access(grant, tokens.access, false);
        let successor = self.learn_refresh(grant, tokens.refresh, self.refresh[token].ends);
        self.refresh[token].rotated = Some(Rotated { at: self.now, successor, access });
    }

    async fn refresh_by_another(&mut self, token: usize) {
        let Some(token) = nth(&self.refresh, token) else { return };
        let other = 1 - self.grants[self.refresh[token].grant].client;
        let answer = self.clients[other].refresh(&self.world, &self.refresh[token].token, &[]).await;
        assert_eq!(answer.verdict(), "400 invalid_grant");
    }

    async fn use_access(&mut self, token: usize) {
        let Some(token) = nth(&self.access, token) else { return };
        let is_live = self.is_live(&self.access[token]);
        assert_eq!(self.status(token).await, if is_live { 200 } else { 401 });
        self.access[token].is_used |= is_live;
    }

    async fn revoke_access(&mut self, token: usize) {
        let Some(token) = nth(&self.access, token) else { return };
        let client = &self.clients[self.grants[self.access[token].grant].client];
        client.revoke(&self.world, &self.access[token].token).await;
        self.access[token].is_revoked = true;
    }

    async fn revoke_refresh(&mut self, token: usize) {
        let Some(token) = nth(&self.refresh, token) else { return };
        let grant = self.refresh[token].grant;
        self.clients[self.grants[grant].client].revoke(&self.world, &self.refresh[token].token).await;
        self.grants[grant].is_live = false;
    }

    /// The person ends it on the start page, which lists the live ones and no others.
    async fn disconnect(&mut self, grant: usize) {
        let Some(grant) = nth(&self.grants, grant) else { return };
        let authorization = &self.world.app.authorization;
        let listed = authorization.grants().list(&self.world.alice.id).await.unwrap();
        assert_eq!(listed.len(), self.grants.iter().filter(|grant| grant.is_live).count());
        let was_live = self.grants[grant].is_live;
        let ended = authorization.disconnect(&self.world.alice.id, &self.grants[grant].id).await.unwrap();
        assert_eq!(ended, was_live);
        self.grants[grant].is_live = false;
    }

    async fn enable(&mut self, enabled: bool) {
        let users = self.world.app.authorization.users();
        if enabled {
            users.enable(&self.world.alice.id).await.unwrap();
        } else {
            users.disable(&self.world.alice.id).await.unwrap();
            self.end_all();
        }
        self.is_enabled = enabled;
    }

    async fn change_password(&mut self) {
        self.password = if self.password == PASSWORD { OTHER_PASSWORD } else { PASSWORD };
        let users = self.world.app.authorization.users();
        users.set_password(&self.world.alice.id, Secret::presented(self.password)).await.unwrap();
        self.end_all();
    }

    fn end_all(&mut self) {
        self.grants.iter_mut().for_each(|grant| grant.is_live = false);
    }
}

impl History {
    fn is_live(&self, token: &Access) -> bool {
        self.grants[token.grant].is_live && !token.is_revoked && self.now < token.ends
    }

    async fn status(&self, token: usize) -> u16 {
        let answer = self.world.mcp(&self.access[token].token, "tools/list", json!({})).await;
        answer.status.as_u16()
    }

    /// One code, one family: never two generations of one grant that both wait to be rotated. No token outlives its
    /// grant: what the model calls dead opens nothing.
    async fn agree(&self) {
        let sql = "SELECT COUNT(*) FROM (SELECT grant_id FROM refresh_token WHERE rotated_at IS NULL \
                   GROUP BY grant_id HAVING COUNT(*) > 1) AS branched";
        assert_eq!(self.world.count(sql).await, 0, "a family has two heads");
        assert_eq!(
            usize::try_from(self.world.count("SELECT COUNT(*) FROM oauth_grant").await),
            Ok(self.grants.len())
        );
        for token in 0..self.access.len() {
            if !self.is_live(&self.access[token]) {
                assert_eq!(self.status(token).await, 401, "a dead token opens something");
            }
        }
    }

    /// At the end everything that was ever given out is tried. Months go by: who is silent idles out, and at last so does
    /// everybody. Then every old token is presented once more: a dead family answers nobody.
    async fn end(mut self) {
        self.wait(61);
        for token in 0..self.access.len() {
            self.use_access(token).await;
        }
        for month in 0..4 {
            self.wait(29 * 86_400);
            for token in 0..self.refresh.len() {
                let speaks = month > 0 || self.refresh[token].grant.is_multiple_of(2);
                if speaks && self.refresh[token].rotated.is_none() {
                    self.refresh(token, false).await;
                }
            }
            self.agree().await;
        }
        for token in (0..self.refresh.len()).rev() {
            self.refresh(token, false).await;
        }
        self.agree().await;
    }
}

/// What presenting a refresh token must come to.
enum Expected {
    Refused,
    Rotation,
    Repetition(Rotated),
    Replay,
}

/// The place that a number chooses among those that there are.
fn nth<T>(all: &[T], number: usize) -> Option<usize> {
    (!all.is_empty()).then(|| number % all.len())
}

/// Tells `cases` random histories, each on a fresh database; a failing one is shrunk to a short one.
fn tell(cases: u32, database: impl Fn() -> std::pin::Pin<Box<dyn Future<Output = TestDatabase>>>) {
    // PROPTEST_CASES tells more of them, for a night.
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let cases = asked.unwrap_or(cases);
    let config = Config { cases, max_shrink_iters: 50, failure_persistence: None, ..Config::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let histories = prop::collection::vec(step(), 5..40);
    let told = TestRunner::new(config).run(&histories, |steps| {
        runtime.block_on(async {
            let mut history = History::begin(database().await).await;
            for step in &steps {
                history.take(step).await;
                history.agree().await;
            }
            history.end().await;
        });
        Ok(())
    });
    told.unwrap_or_else(|failure| panic!("{failure}"));
}

/// A14, A15, A23, OA21-4.1.3-2, OA21-4.3.1-2, OA21-4.3.1-4, DC-15, DC-20, ASVS-7.4.1
#[test]
fn server_and_model_agree_on_every_history_on_sqlite() {
    tell(24, || Box::pin(portcullis_database::testing::sqlite()));
}

/// The same on the other engine.
#[test]
fn server_and_model_agree_on_every_history_on_postgres() {
    if std::env::var_os(portcullis_database::testing::POSTGRES_VARIABLE).is_some() {
        tell(10, || Box::pin(async { portcullis_database::testing::postgres().await.unwrap() }));
    }
}
