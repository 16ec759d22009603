//! A crowd in the server's database: users with ten connections each, of which a third lead to servers that are dead. They are
//! made through the gateway's own store; their grants and tokens are rows.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;

use portcullis_database::{ChangeFeed, Database, on};
use portcullis_oauth::{
    Alias, ClientId, Clock, GrantId, PrincipalId, PrincipalKind, ResourceUri, SystemClock, Timestamp,
};
use portcullis_resource_server::catalogue::AuthKind;
use portcullis_resource_server::{Connections, NewConnection, Standing};

use crate::lanes::Era;
use crate::run::BOX;
use crate::{Outcome, echo, seed};

/// Connections of each user.
pub(crate) const EACH: usize = 10;
/// The number of the first user's token; those before are the stage's.
pub(crate) const FIRST_TOKEN: u32 = 1_000_000_000;
/// The sandbox in the catalogue.
const SANDBOX: &str = "sandbox";
/// The names of the dead in the catalogue.
const DEAD: [&str; 3] = ["refused", "silent", "broken"];

/// Everybody in the crowd, in the database at `url`.
pub(crate) struct Crowd {
    database: Database,
    connections: Connections,
    client: ClientId,
    resource: ResourceUri,
    now: Timestamp,
}

/// Where the dead are: nobody listens there, somebody never answers, somebody answers with an error.
pub(crate) fn dead(echo: std::net::SocketAddr) -> Outcome<[(&'static str, String); 3]> {
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let urls = [
        format!("http://{nobody}/mcp"),
        format!("http://{echo}{}", echo::SILENT),
        format!("http://{echo}{}", echo::BROKEN),
    ];
    let mut urls = urls.into_iter();
    Ok(DEAD.map(|name| (name, urls.next().unwrap_or_default())))
}

impl Crowd {
    /// Nobody yet. Whose client and which resource, the demo user's own grant says.
    pub(crate) async fn before(url: &str) -> Outcome<Self> {
        let database = Database::open(url).await?;
        let (client, resource) = on!(database.read(), |pool| {
            sqlx::query_as(
                "SELECT g.client_id, t.resource FROM access_token t JOIN oauth_grant g ON g.id = t.grant_id \
                 ORDER BY t.issued_at LIMIT 1",
            )
            .fetch_one(pool)
            .await
        })?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let changes = ChangeFeed::new(database.clone(), Arc::clone(&clock));
        let connections = Connections::new(database.clone(), changes, clock);
        Ok(Self { database, connections, client, resource, now: SystemClock.now() })
    }

    /// Adds users with their connections and a token each; how many of the connections are dead.
    pub(crate) async fn add(&self, users: usize) -> Outcome<usize> {
        let mut dead = 0;
        for number in 0..users {
            let principal = PrincipalId::generate(PrincipalKind::User);
            self.enter(&principal, number).await?;
            for place in 0..EACH {
                let index = number * EACH + place;
                let server = match index % 3 {
                    0 => DEAD[index / 3 % DEAD.len()],
                    1 => Era::Stateless.name(),
                    _ => Era::Sessions.name(),
                };
                dead += usize::from(index.is_multiple_of(3));
                self.connect(&principal, &format!("c{place}"), server).await?;
            }
        }
        self.database.close().await;
        Ok(dead)
    }

    /// Adds users with a token and a connection to the sandbox each.
    pub(crate) async fn add_callers(&self, users: usize) -> Outcome<()> {
        for number in 0..users {
            let principal = PrincipalId::generate(PrincipalKind::User);
            self.enter(&principal, number).await?;
            self.connect(&principal, BOX, SANDBOX).await?;
        }
        self.database.close().await;
        Ok(())
    }

    async fn connect(&self, principal: &PrincipalId, alias: &str, server: &str) -> Outcome<()> {
        let new = NewConnection {
            principal: principal.clone(),
            alias: Alias::parse(alias)?,
            server: server.to_owned(),
            label: String::new(),
            auth: AuthKind::None,
            settings: BTreeMap::new(),
        };
        let connection = self.connections.add(&new).await?;
        // As if it had answered once: the dead were alive when they were connected.
        self.connections.set_status(&connection, &Standing::active()).await?;
        Ok(())
    }

    /// A user with a grant for everything that is theirs, and its token.
    async fn enter(&self, principal: &PrincipalId, number: usize) -> Outcome<()> {
        let (grant, token) = (GrantId::generate(), seed::token(FIRST_TOKEN + u32::try_from(number)?));
        let until = self.now.plus(seed::DAY);
        let mut transaction = self.database.begin().await?;
        macro_rules! insert {
            ($sql:literal $(, $value:expr)+) => {
                on!(transaction.on(), |connection| {
                    sqlx::query($sql)$(.bind($value))+.execute(connection).await.map(drop)
                })?;
            };
        }
        insert!("INSERT INTO principal (id, kind, created_at) VALUES ($1, 'user', $2)", principal, self.now);
        insert!(
            "INSERT INTO user_account (principal_id, email, name, admin, permissions) VALUES ($1, $2, $2, FALSE, $3)",
            principal,
            format!("user{number}@example.com"),
            seed::SCOPE
        );
        insert!(
            "INSERT INTO oauth_grant (id, principal_id, client_id, redirect_host, all_connections, may_refresh, \
             created_at) VALUES ($1, $2, $3, '', TRUE, TRUE, $4)",
            &grant,
            principal,
            &self.client,
            self.now
        );
        insert!(
            "INSERT INTO grant_resource (grant_id, resource, scopes) VALUES ($1, $2, $3)",
            &grant,
            &self.resource,
            seed::SCOPE
        );
        insert!(
            "INSERT INTO access_token (hash, grant_id, resource, scope, issued_at, expires_at, used_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $5)",
            token.hash(),
            &grant,
            &self.resource,
            seed::SCOPE,
            self.now,
            until
        );
        transaction.commit().await?;
        Ok(())
    }
}
