//! Where floor and server keep their rows: a database each on the same engine.

use std::str::FromStr;

use portcullis_oauth::random_handle;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use tempfile::TempDir;

use crate::postgres::Cluster;
use crate::{Engine, Outcome};

/// The variable that names a PostgreSQL server to use.
const VARIABLE: &str = "PORTCULLIS_BENCH_POSTGRES";

/// Two databases on one engine; gone when [closed](Self::close) or dropped.
pub(crate) struct Storage {
    pub(crate) engine: Engine,
    pub(crate) floor: String,
    pub(crate) product: String,
    behind: Behind,
}

enum Behind {
    Files { _folder: TempDir },
    Private(Cluster),
    Named { server: String, databases: [String; 2] },
}

impl Storage {
    /// Two `SQLite` files.
    pub(crate) fn sqlite() -> Outcome<Self> {
        let folder = in_memory()?;
        let url = |name: &str| format!("sqlite:{}", folder.path().join(name).display());
        let (floor, product) = (url("floor.db"), url("portcullis.db"));
        Ok(Self { engine: Engine::Sqlite, floor, product, behind: Behind::Files { _folder: folder } })
    }

    /// Two databases on the server that the environment names, else in a private cluster. Says why there are none.
    pub(crate) async fn postgres() -> Outcome<Self> {
        let handle = random_handle("bench_").replace('-', "_").to_lowercase();
        let databases = [format!("{handle}_floor"), format!("{handle}_portcullis")];
        let named = std::env::var(VARIABLE).ok().filter(|url| !url.is_empty());
        let (server, behind) = match named {
            Some(server) => (server.clone(), Behind::Named { server, databases: databases.clone() }),
            None => {
                let cluster = Cluster::start()?;
                (cluster.url("postgres"), Behind::Private(cluster))
            }
        };
        for name in &databases {
            execute(&server, format!("CREATE DATABASE {name}")).await?;
        }
        let at = |name: &str| -> Outcome<String> {
            let mut url = url::Url::parse(&server)?;
            url.set_path(name);
            Ok(url.into())
        };
        Ok(Self { engine: Engine::Postgres, floor: at(&databases[0])?, product: at(&databases[1])?, behind })
    }

    /// The processes of the engine whose work is ours to count.
    pub(crate) fn processes(&self) -> Vec<u32> {
        match &self.behind {
            Behind::Private(cluster) => vec![cluster.id()],
            Behind::Files { .. } | Behind::Named { .. } => Vec::new(),
        }
    }

    /// What the reader must know of this engine.
    pub(crate) fn remark(&self) -> Option<&'static str> {
        let named = matches!(self.behind, Behind::Named { .. });
        named.then_some(
            "PostgreSQL is a server that was named: neither on the servers' core nor in the CPU time",
        )
    }

    /// Leaves nothing behind on a server that is not ours.
    pub(crate) async fn close(self) -> Outcome<()> {
        if let Behind::Named { server, databases } = &self.behind {
            for name in databases {
                execute(server, format!("DROP DATABASE {name} WITH (FORCE)")).await?;
            }
        }
        Ok(())
    }
}

/// A folder in memory where the machine has such a place: disks differ and waver, and what is compared is the work before
/// them. Every commit still asks for its `fsync`.
pub(crate) fn in_memory() -> Outcome<TempDir> {
    let memory = std::path::Path::new("/dev/shm");
    Ok(TempDir::new_in(memory).or_else(|_| TempDir::new())?)
}

async fn execute(server: &str, sql: String) -> Outcome<()> {
    let mut connection = PgConnectOptions::from_str(server)?.connect().await?;
    connection.execute(AssertSqlSafe(sql)).await?;
    connection.close().await?;
    Ok(())
}
