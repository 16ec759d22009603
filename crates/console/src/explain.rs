//! What the policy would decide about a call, for those who ask before it happens or after it was refused. Asks the stores and
//! no upstream server: what a server says of its tool beyond its name is not known here.

use portcullis_authorization_server::{Clients, Groups, User, Users};
use portcullis_database::DatabaseError;
use portcullis_oauth::{Alias, ClientId, ClientStanding, Standing, Timestamp};
use portcullis_policy::{
    Arguments, Case, Circumstances, Explanation, Moment, PolicySet, Principal, Subject, Target,
};
use portcullis_resource_server::{Connections, Pins, Policies, PolicyVersion, ToolBlocks, seen_by_policy};
use serde_json::{Map, Value};

/// A call to be explained.
#[derive(Clone, Debug)]
pub struct Question {
    /// The address of the person who calls.
    pub user: String,
    /// The client through which they call; `None` for one that an administrator made.
    pub client: Option<ClientId>,
    /// Their name for the connection.
    pub connection: String,
    /// The tool, by its server's own name for it.
    pub tool: String,
    /// With what.
    pub arguments: Map<String, Value>,
}

/// Why a call cannot be explained.
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
    /// By which policy.
    pub policies: &'a Policies,
}

impl Sources<'_> {
    /// Explains a call under the policy that holds.
    ///
    /// # Errors
    /// When somebody or something of it is not there, or a store fails.
    pub async fn explain(
        &self,
        asked: &Question,
        now: Timestamp,
    ) -> Result<(PolicyVersion, Explanation), ExplainError> {
        let policy = self.policies.current().await?;
        let set = PolicySet::parse(&policy.text).map_err(|problems| {
            let first = problems.first().map(ToString::to_string).unwrap_or_default();
            ExplainError::NotUnderstood(policy.version, first)
        })?;
        let (subject, target) = self.case(asked).await?;
        let circumstances = Circumstances {
            arguments: Arguments::of(&asked.arguments),
            time: Moment { unix: now.seconds(), offset: 0 },
            ..Circumstances::default()
        };
        let case = Case { subject: &subject, target: &target, circumstances: &circumstances };
        let told = portcullis_policy::explain(&set, &case);
        Ok((policy, told))
    }

    /// Who calls, through what, where, and the tool as far as the database knows it.
    async fn case(&self, asked: &Question) -> Result<(Subject, Target), ExplainError> {
        let user = self.users.find_by_email(&asked.user).await?;
        let user: User = user.ok_or_else(|| ExplainError::NoUser(asked.user.clone()))?;
        let groups = self.groups.of(&user.id).await?;
        let unknown = || ExplainError::NoConnection(asked.user.clone(), asked.connection.clone());
        let alias = Alias::parse(&asked.connection).map_err(|_| unknown())?;
        let connection = self.connections.find(&user.id, &alias).await?.ok_or_else(unknown)?;
        let mut tool = seen_by_policy::tool_by_name(&connection, &asked.tool, self.blocks).await?;
        if let Some(stood) = self.pins.last_stood(&connection.id, &asked.tool).await? {
            tool.pin = stood;
        }
        let (id, standing) = self.client(asked.client.as_ref()).await?;
        let subject = Subject {
            principal: Principal {
                id: user.id.to_string(),
                permissions: user.may().iter().map(str::to_owned).collect(),
                email: Some(user.email),
                groups,
                ..Principal::default()
            },
            client: seen_by_policy::client(&id, &standing),
            connection: seen_by_policy::connection(&connection),
            granted: true,
        };
        Ok((subject, Target::Tool(tool)))
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
