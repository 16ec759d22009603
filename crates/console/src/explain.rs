//! What the policy would decide, for those who ask before something happens or after it was refused. Asks the stores and no
//! upstream server: what a server says of its tool beyond its name is not known here.

use portcullis_authorization_server::{Clients, Groups, User, Users};
use portcullis_database::DatabaseError;
use portcullis_oauth::{Alias, ClientId, ClientStanding, ONE_FACTOR, PublicUrl, Standing, Timestamp};
use portcullis_policy::{Arguments, Assurance, Case, Circumstances, Explanation, Moment, PolicySet, Target};
use portcullis_resource_server::catalogue::Servers;
use portcullis_resource_server::{
    Connection, Connections, Person, Pins, Policies, PolicyVersion, ToolBlocks, seen_by_policy,
};
use serde_json::{Map, Value};

/// What is to be explained.
#[derive(Clone, Debug)]
pub struct Question {
    /// The address of the person who asks for something.
    pub user: String,
    /// The client through which they do. `None` for one that an administrator made; and where a connection is looked after,
    /// for none at all: by their own hand, on the gateway's own pages.
    pub client: Option<ClientId>,
    /// Their name for the connection.
    pub connection: String,
    /// What they ask for.
    pub asked: Asked,
}

/// What somebody asks for. Names are those of the server.
#[derive(Clone, Debug)]
pub enum Asked {
    /// To call a tool, with what.
    Tool(String, Map<String, Value>),
    /// To get a prompt, with what.
    Prompt(String, Map<String, Value>),
    /// To read a resource.
    Resource(String),
    /// To be shown the tools of the connection.
    List,
    /// To look after the connection.
    Manage,
}

impl Asked {
    fn arguments(&self) -> Arguments {
        match self {
            Self::Tool(_, arguments) | Self::Prompt(_, arguments) => Arguments::of(arguments),
            Self::Resource(_) | Self::List | Self::Manage => Arguments::default(),
        }
    }
}

/// Why it cannot be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// Nobody has the address.
    #[error("nobody has the e-mail address {0}")]
    NoUser(String),
    /// The person has no such connection.
    #[error("no connection of {0} is called {1}")]
    NoConnection(String, String),
    /// There is no such client.
    #[error("no client has the id {0}")]
    NoClient(ClientId),
    /// Another release wrote the policy.
    #[error("version {0} is not one that this release understands: {1}")]
    NotUnderstood(i64, String),
    /// The store failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// The stores that are asked.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// Who calls.
    pub users: &'a Users,
    /// What they belong to.
    pub groups: &'a Groups,
    /// Through what.
    pub clients: &'a Clients,
    /// Where.
    pub connections: &'a Connections,
    /// What is blocked.
    pub blocks: &'a ToolBlocks,
    /// What was reviewed.
    pub pins: &'a Pins,
    /// How far servers are trusted.
    pub servers: &'a Servers,
    /// By which policy.
    pub policies: &'a Policies,
    /// Where the gateway's own pages are.
    pub gateway: &'a PublicUrl,
}

impl Sources<'_> {
    /// Explains what is asked for under the policy that holds: what the gate itself would say at this moment to somebody who signed
    /// in here, at an address that is not known, through a client that was given the connection, of arguments as they are given
    /// and of what the server listed last.
    ///
    /// # Errors
    /// When somebody or something of it is not there, or a store fails.
    pub async fn explain(
        &self,
        question: &Question,
        now: Timestamp,
    ) -> Result<(PolicyVersion, Explanation), ExplainError> {
        let policy = self.policies.current().await?;
        let set = parsed(&policy).await?;
        let person = self.person(&question.user).await?;
        let connection = self.connection(&person, &question.connection).await?;
        let mut circumstances = Circumstances {
            arguments: question.asked.arguments(),
            time: Moment { unix: now.seconds(), offset: 0 },
            authentication: ONE_FACTOR,
            ..Circumstances::default()
        };
        let by_hand = matches!(question.asked, Asked::Manage) && question.client.is_none();
        let subject = if by_hand {
            circumstances.assurance = Assurance::Session;
            seen_by_policy::by_hand(&person, seen_by_policy::connection(&connection), self.gateway)
        } else {
            let (id, standing) = self.client(question.client.as_ref()).await?;
            let client = seen_by_policy::client(&id, &standing);
            seen_by_policy::through(&person, client, seen_by_policy::connection(&connection))
        };
        let target = self.target(&question.asked, &connection).await?;
        let case = Case { subject: &subject, target: &target, circumstances: &circumstances };
        let told = match target {
            Target::ListTools => portcullis_policy::explain_list(&set, &subject),
            _ if by_hand => portcullis_policy::explain_forbidden(&set, &case),
            _ => portcullis_policy::explain(&set, &case),
        };
        Ok((policy, told))
    }

    async fn person(&self, email: &str) -> Result<Person, ExplainError> {
        let user = self.users.find_by_email(email).await?;
        let user: User = user.ok_or_else(|| ExplainError::NoUser(email.to_owned()))?;
        let groups = self.groups.of(&user.id).await?;
        Ok(Person { permissions: user.may(), id: user.id, email: user.email, groups })
    }

    async fn connection(&self, person: &Person, alias: &str) -> Result<Connection, ExplainError> {
        let unknown = || ExplainError::NoConnection(person.email.clone(), alias.to_owned());
        let alias = Alias::parse(alias).map_err(|_| unknown())?;
        self.connections.find(&person.id, &alias).await?.ok_or_else(unknown)
    }

    /// What is asked for, as far as the database knows it.
    async fn target(&self, asked: &Asked, connection: &Connection) -> Result<Target, ExplainError> {
        let server = self.servers.find(&connection.server).await?;
        let server = server.as_ref();
        Ok(match asked {
            Asked::Tool(name, _) => {
                let known = (self.blocks, self.pins);
                seen_by_policy::tool_by_name((connection, server), name, known).await?
            }
            Asked::Prompt(name, _) => seen_by_policy::prompt_by_name(connection, server, name),
            Asked::Resource(uri) => seen_by_policy::resource_by_uri(connection, server, uri),
            Asked::List => Target::ListTools,
            Asked::Manage => Target::ManageConnection,
        })
    }

    async fn client(&self, id: Option<&ClientId>) -> Result<(ClientId, Standing), ExplainError> {
        let Some(id) = id else {
            let standing = Standing { client: ClientStanding::Admin, ..Standing::default() };
            return Ok((ClientId::from("some client".to_owned()), standing));
        };
        let found = self.clients.find(id).await?;
        let client = found.ok_or_else(|| ExplainError::NoClient(id.clone()))?;
        Ok((id.clone(), Standing { client: client.standing(), ..Standing::default() }))
    }
}

/// In a thread that may take its time.
async fn parsed(policy: &PolicyVersion) -> Result<PolicySet, ExplainError> {
    let text = policy.text.clone();
    let parsed = tokio::task::spawn_blocking(move || PolicySet::parse(&text)).await;
    let why = match parsed {
        Ok(Ok(set)) => return Ok(set),
        Ok(Err(problems)) => problems.first().map(ToString::to_string).unwrap_or_default(),
        Err(error) => error.to_string(),
    };
    Err(ExplainError::NotUnderstood(policy.version, why))
}
