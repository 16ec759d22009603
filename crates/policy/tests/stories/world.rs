//! Somebody ordinary with a connection of their own, to begin stories with.

use portcullis_policy::*;

/// The whole of a case, to be changed where a story needs it otherwise.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) subject: Subject,
    pub(crate) target: Target,
    pub(crate) circumstances: Circumstances,
}

impl World {
    /// Ada with every permission and her own connection to `github`, about to call a reviewed tool.
    pub(crate) fn calling(tool: &str) -> Self {
        let permissions =
            ["mcp.tools.read", "mcp.tools.execute", "mcp.resources.read", "mcp.connections.manage"];
        Self {
            subject: Subject {
                principal: Principal {
                    id: "usr_ada".to_owned(),
                    email: Some("ada@example.com".to_owned()),
                    groups: vec!["builders".to_owned()],
                    permissions: permissions.map(str::to_owned).to_vec(),
                    ..Principal::default()
                },
                client: Client { id: "cli_1".to_owned(), ..Client::default() },
                connection: Connection {
                    id: "con_1".to_owned(),
                    alias: "work".to_owned(),
                    owner: "usr_ada".to_owned(),
                    server: "github".to_owned(),
                    kind: ServerKind::Http,
                },
                granted: true,
            },
            target: Target::Tool(Tool { pin: Pin::Active, ..Tool::new(tool, None) }),
            circumstances: Circumstances::default(),
        }
    }

    pub(crate) fn case(&self) -> Case<'_> {
        Case { subject: &self.subject, target: &self.target, circumstances: &self.circumstances }
    }

    pub(crate) fn tool(&mut self) -> &mut Tool {
        match &mut self.target {
            Target::Tool(tool) => tool,
            other => panic!("{other:?} is no tool"),
        }
    }

    /// `allow owners`, `needs 2 approval_needed`, `deny no_policy`.
    pub(crate) fn asked(&self, policies: &PolicySet) -> String {
        match decide(policies, &self.case()) {
            Decision::Allow { rule } => format!("allow {}", rule.id),
            Decision::NeedsAssurance { level, rule } => format!("needs {} {}", level.level(), rule.id),
            Decision::Deny { rule } => format!("deny {}", rule.id),
        }
    }

    pub(crate) fn listed(&self, policies: &PolicySet) -> bool {
        could_pass(policies, &self.subject, &self.target)
    }
}

/// A policy that is right.
pub(crate) fn policy(text: &str) -> PolicySet {
    PolicySet::parse(text).unwrap_or_else(|problems| {
        panic!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })
}

/// A policy with a head and conditions, and the notes that it needs.
pub(crate) fn rule(id: &str, body: &str) -> String {
    format!("@id(\"{id}\") @reason(\"because of {id}\")\n{body}\n")
}
