//! The schema, read once, and the names in it, so that no decision parses a name again.

use std::sync::LazyLock;

use cedar_policy::{EntityId, EntityTypeName, EntityUid, Schema};

use crate::{Case, Pin, PrincipalKind, Registration, Risk, SCHEMA, ServerKind, Target};

/// Parses once; the error is a text because it can only be a mistake of ours, which a test finds.
static VOCABULARY: LazyLock<Result<Vocabulary, String>> = LazyLock::new(Vocabulary::read);

/// How many actions there are.
pub(crate) const ACTIONS: usize = 5;

/// The schema and its names.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    pub(crate) schema: Schema,
    pub(crate) group: EntityTypeName,
    user: EntityTypeName,
    machine: EntityTypeName,
    pub(crate) client: EntityTypeName,
    pub(crate) server: EntityTypeName,
    pub(crate) connection: EntityTypeName,
    tool: EntityTypeName,
    prompt: EntityTypeName,
    resource: EntityTypeName,
    pub(crate) arguments: EntityTypeName,
    registration: EntityTypeName,
    kind: EntityTypeName,
    risk: EntityTypeName,
    pin: EntityTypeName,
    /// In the order of [`action`].
    pub(crate) actions: [EntityUid; ACTIONS],
}

impl Vocabulary {
    /// The one vocabulary.
    pub(crate) fn get() -> Result<&'static Self, &'static str> {
        VOCABULARY.as_ref().map_err(String::as_str)
    }

    fn read() -> Result<Self, String> {
        let schema = SCHEMA.parse().map_err(|error: cedar_policy::CedarSchemaError| error.to_string())?;
        let name = |text: &str| text.parse::<EntityTypeName>().map_err(|error| error.to_string());
        let action = name("Action")?;
        let actions = ["listTools", "manageConnection", "callTool", "getPrompt", "readResource"];
        Ok(Self {
            schema,
            group: name("Group")?,
            user: name("User")?,
            machine: name("Machine")?,
            client: name("Client")?,
            server: name("Server")?,
            connection: name("Connection")?,
            tool: name("Tool")?,
            prompt: name("Prompt")?,
            resource: name("Resource")?,
            arguments: name("Arguments")?,
            registration: name("Registration")?,
            kind: name("Kind")?,
            risk: name("Risk")?,
            pin: name("Pin")?,
            actions: actions.map(|id| uid(&action, id)),
        })
    }

    /// Who acts.
    pub(crate) fn principal(&self, case: &Case<'_>) -> EntityUid {
        let principal = &case.subject.principal;
        let kind = match principal.kind {
            PrincipalKind::User => &self.user,
            PrincipalKind::Machine => &self.machine,
        };
        uid(kind, &principal.id)
    }

    /// On what.
    pub(crate) fn target(&self, case: &Case<'_>) -> EntityUid {
        let connection = &case.subject.connection.id;
        match case.target {
            Target::ListTools | Target::ManageConnection => uid(&self.connection, connection),
            Target::Tool(tool) => uid(&self.tool, format!("{connection}/{}", tool.name)),
            Target::Prompt { name, .. } => uid(&self.prompt, format!("{connection}/{name}")),
            Target::Resource { uri, .. } => uid(&self.resource, format!("{connection}/{uri}")),
        }
    }

    /// How a client came to be known.
    pub(crate) fn registration(&self, registration: Registration) -> EntityUid {
        let name = match registration {
            Registration::Admin => "admin",
            Registration::Document => "document",
            Registration::Dynamic => "dynamic",
            Registration::Unknown => "unknown",
        };
        uid(&self.registration, name)
    }

    /// How a server is reached.
    pub(crate) fn kind(&self, kind: ServerKind) -> EntityUid {
        let name = match kind {
            ServerKind::Http => "http",
            ServerKind::Stdio => "stdio",
            ServerKind::Sandbox => "sandbox",
        };
        uid(&self.kind, name)
    }

    /// The class of a tool.
    pub(crate) fn risk(&self, risk: Risk) -> EntityUid {
        uid(&self.risk, risk.as_str())
    }

    /// Whether a tool is as reviewed.
    pub(crate) fn pin(&self, pin: Pin) -> EntityUid {
        let name = match pin {
            Pin::Active => "active",
            Pin::New => "new",
            Pin::Changed => "changed",
            Pin::Removed => "removed",
        };
        uid(&self.pin, name)
    }
}

/// The place of the target's action in [`Vocabulary::actions`].
pub(crate) const fn action(target: &Target) -> usize {
    match target {
        Target::ListTools => 0,
        Target::ManageConnection => 1,
        Target::Tool(_) => 2,
        Target::Prompt { .. } => 3,
        Target::Resource { .. } => 4,
    }
}

/// An entity's name.
pub(crate) fn uid(kind: &EntityTypeName, id: impl AsRef<str>) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}
