//! A case in the words of the schema: entities and requests for Cedar.

use std::cell::RefCell;
use std::net::IpAddr;

use cedar_policy::{Context, Entities, Entity, Request, RestrictedExpression as Value};

use crate::vocabulary::{Vocabulary, action, uid};
use crate::{Assurance, Case, Moment, PrincipalKind, Target, Tool};

/// Why a case could not be put into Cedar's words. It denies.
pub(crate) type Unspeakable = Box<dyn std::error::Error + Send + Sync>;

type Members = Vec<(String, Value)>;

/// A case in Cedar's words.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    vocabulary: &'static Vocabulary,
    case: Case<'a>,
    /// Everything that the case speaks of.
    pub(crate) entities: Entities,
}

/// Puts into Cedar's words who asks for what: all of a case but its circumstances.
pub(crate) fn spoken(names: &Vocabulary, case: &Case<'_>) -> Result<Entities, Unspeakable> {
    let mut entities =
        vec![principal(names, case)?, client(names, case)?, server(names, case)?, connection(names, case)?];
    entities.extend(target(names, case)?);
    Ok(Entities::from_entities(entities, None)?)
}

impl<'a> Facts<'a> {
    /// Puts the case into Cedar's words, of which `spoken` says who asks for what.
    pub(crate) fn of(
        vocabulary: &'static Vocabulary,
        case: Case<'a>,
        spoken: Entities,
    ) -> Result<Self, Unspeakable> {
        let entities = spoken.add_entities([arguments(vocabulary, &case)?], None)?;
        Ok(Self { vocabulary, case, entities })
    }

    /// The question at this assurance.
    pub(crate) fn request(&self, assurance: Assurance) -> Result<Request, Unspeakable> {
        let circumstances = self.case.circumstances;
        let time = TIME.with(|last| last.of(circumstances.time, time))?;
        let network = NETWORK.with(|last| last.of(circumstances.address, network))?;
        let client = uid(&self.vocabulary.client, &self.case.subject.client.id);
        let context = Context::from_pairs(members([
            ("assurance", number(assurance.level())),
            ("client", Value::new_entity_uid(client)),
            ("granted", Value::new_bool(self.case.subject.granted)),
            ("arguments", Value::new_entity_uid(uid(&self.vocabulary.arguments, "call"))),
            ("time", time),
            ("network", network),
            ("authentication", number(circumstances.authentication)),
        ]))?;
        let names = &self.vocabulary;
        let action = names.actions[action(self.case.target)].clone();
        Ok(Request::new(names.principal(&self.case), action, names.target(&self.case), context, None)?)
    }
}

/// What was said last in Cedar's words: it is the same for all calls of a second, or from an address, and Cedar reads the name
/// of each of its functions anew whenever one is called.
struct Last<K>(RefCell<Option<(K, Value)>>);

thread_local! {
    static TIME: Last<Moment> = const { Last(RefCell::new(None)) };
    static NETWORK: Last<Option<IpAddr>> = const { Last(RefCell::new(None)) };
}

impl<K: Copy + PartialEq> Last<K> {
    fn of(&self, key: K, say: fn(K) -> Result<Value, Unspeakable>) -> Result<Value, Unspeakable> {
        if let Some((_, said)) = self.0.borrow().as_ref().filter(|(last, _)| *last == key) {
            return Ok(said.clone());
        }
        let said = say(key)?;
        *self.0.borrow_mut() = Some((key, said.clone()));
        Ok(said)
    }
}

fn time(time: Moment) -> Result<Value, Unspeakable> {
    let (hour, minute, weekday) = time.wall_clock();
    record([
        ("now", Value::new_datetime(time.instant())),
        ("hour", number(hour)),
        ("minute", number(minute)),
        ("weekday", number(weekday)),
    ])
}

fn network(address: Option<IpAddr>) -> Result<Value, Unspeakable> {
    record(address.map(|address| ("address", Value::new_ip(address.to_string()))))
}

fn principal(names: &Vocabulary, case: &Case<'_>) -> Result<Entity, Unspeakable> {
    let principal = &case.subject.principal;
    let permissions = principal.permissions.iter().map(|name| Value::new_string(name.clone()));
    let mut of = members([("id", text(&principal.id)), ("permissions", Value::new_set(permissions))]);
    if principal.kind == PrincipalKind::User {
        of.extend(principal.email.as_ref().map(|email| ("email".to_owned(), text(email))));
    }
    let groups = principal.groups.iter().map(|group| uid(&names.group, group));
    Ok(Entity::new_with_tags(names.principal(case), of, groups, [])?)
}

fn client(names: &Vocabulary, case: &Case<'_>) -> Result<Entity, Unspeakable> {
    let client = &case.subject.client;
    let registration = Value::new_entity_uid(names.registration(client.registration));
    let mut of = members([("id", text(&client.id)), ("registration", registration)]);
    of.extend(client.host.as_ref().map(|host| ("host".to_owned(), text(host))));
    Ok(Entity::new_with_tags(uid(&names.client, &client.id), of, [], [])?)
}

fn server(names: &Vocabulary, case: &Case<'_>) -> Result<Entity, Unspeakable> {
    let connection = &case.subject.connection;
    let kind = Value::new_entity_uid(names.kind(connection.kind));
    let of = members([("name", text(&connection.server)), ("kind", kind)]);
    Ok(Entity::new_with_tags(uid(&names.server, &connection.server), of, [], [])?)
}

fn connection(names: &Vocabulary, case: &Case<'_>) -> Result<Entity, Unspeakable> {
    let connection = &case.subject.connection;
    let server = uid(&names.server, &connection.server);
    let of = members([
        ("alias", text(&connection.alias)),
        ("owner", text(&connection.owner)),
        ("server", Value::new_entity_uid(server.clone())),
    ]);
    Ok(Entity::new_with_tags(uid(&names.connection, &connection.id), of, [server], [])?)
}

fn arguments(names: &Vocabulary, case: &Case<'_>) -> Result<Entity, Unspeakable> {
    let arguments = &case.circumstances.arguments;
    let tags = arguments.tags.iter().map(|(at, value)| (at.clone(), text(value)));
    let of = members([("overflow", Value::new_bool(arguments.overflow))]);
    Ok(Entity::new_with_tags(uid(&names.arguments, "call"), of, [], tags)?)
}

/// The tool, prompt or resource; the connection itself is there already.
fn target(names: &Vocabulary, case: &Case<'_>) -> Result<Option<Entity>, Unspeakable> {
    let connection = uid(&names.connection, &case.subject.connection.id);
    let (mut of, pin, blocked) = match case.target {
        Target::ListTools | Target::ManageConnection => return Ok(None),
        Target::Tool(tool) => (of_tool(names, tool)?, tool.pin, tool.blocked),
        Target::Prompt { name, pin, blocked } => (members([("name", text(name))]), *pin, *blocked),
        Target::Resource { uri, pin, blocked } => (members([("uri", text(uri))]), *pin, *blocked),
    };
    of.extend(members([
        ("owner", text(&case.subject.connection.owner)),
        ("connection", Value::new_entity_uid(connection.clone())),
        ("pin", Value::new_entity_uid(names.pin(pin))),
        ("blocked", Value::new_bool(blocked)),
    ]));
    Ok(Some(Entity::new_with_tags(names.target(case), of, [connection], [])?))
}

fn of_tool(names: &Vocabulary, tool: &Tool) -> Result<Members, Unspeakable> {
    let hints = tool.hints.unwrap_or_default();
    let hints = [
        ("readOnly", hints.read_only),
        ("destructive", hints.destructive),
        ("idempotent", hints.idempotent),
        ("openWorld", hints.open_world),
    ];
    let hints = hints.into_iter().filter_map(|(name, hint)| Some((name, Value::new_bool(hint?))));
    let words = crate::words(&tool.name).into_iter().map(Value::new_string);
    Ok(members([
        ("name", text(&tool.name)),
        ("words", Value::new_set(words)),
        ("risk", Value::new_entity_uid(names.risk(tool.risk))),
        ("approval", number(tool.approval.level())),
        ("hints", record(hints)?),
    ]))
}

fn members<'n>(pairs: impl IntoIterator<Item = (&'n str, Value)>) -> Members {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn record<'n>(pairs: impl IntoIterator<Item = (&'n str, Value)>) -> Result<Value, Unspeakable> {
    Ok(Value::new_record(members(pairs))?)
}

fn text(value: &str) -> Value {
    Value::new_string(value.to_owned())
}

fn number(value: u8) -> Value {
    Value::new_long(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Arguments, Circumstances, Client, Connection, Hints, Pin, Principal, Registration, ServerKind,
        Subject,
    };

    /// What is built without Cedar's own checks, for speed, would pass them
    #[test]
    fn facts_are_what_the_schema_says() {
        let names = Vocabulary::get().unwrap();
        let full = Hints {
            read_only: Some(true),
            destructive: Some(false),
            idempotent: None,
            open_world: Some(true),
        };
        let some = |text: &str| Some(text.to_owned());
        let principal = |kind, email| Principal {
            kind,
            id: "p".to_owned(),
            email,
            groups: vec!["g".to_owned()],
            permissions: vec!["mcp.tools.read".to_owned()],
        };
        let arguments = serde_json::json!({"a": [1, "two"]});
        let circumstances = Circumstances {
            arguments: Arguments::of(arguments.as_object().unwrap()),
            address: Some([127, 0, 0, 1].into()),
            ..Circumstances::default()
        };
        for target in [
            Target::ListTools,
            Target::ManageConnection,
            Target::Tool(Tool::new("list_x", Some(full))),
            Target::Tool(Tool::new("delete_x", None)),
            Target::Prompt { name: "p".to_owned(), pin: Pin::New, blocked: true },
            Target::Resource { uri: "x:\"y\"".to_owned(), pin: Pin::Active, blocked: false },
        ] {
            for (kind, email, host) in [
                (PrincipalKind::User, some("a@b"), some("h")),
                (PrincipalKind::User, None, None),
                (PrincipalKind::Machine, some("a@b"), None),
            ] {
                let subject = Subject {
                    principal: principal(kind, email),
                    client: Client { id: "c".to_owned(), registration: Registration::Dynamic, host },
                    connection: Connection { kind: ServerKind::Stdio, ..Connection::default() },
                    granted: true,
                };
                let case = Case { subject: &subject, target: &target, circumstances: &circumstances };
                let facts = Facts::of(names, case, spoken(names, &case).unwrap()).unwrap();
                Entities::from_entities(facts.entities.iter().cloned(), Some(&names.schema)).unwrap();
                let request = facts.request(Assurance::Session).unwrap();
                let (who, what) = (request.principal().unwrap().clone(), request.resource().unwrap().clone());
                let (action, context) =
                    (request.action().unwrap().clone(), request.context().unwrap().clone());
                Request::new(who, action, what, context, Some(&names.schema)).unwrap();
            }
        }
    }
}
