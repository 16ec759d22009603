//! What a set of policies remembers of one case it tells of no other.

use portcullis_policy::*;
use serde_json::json;

use crate::world::{World, policy, rule};

type Change = fn(&mut World);

/// Something that a rule can look at, and what makes it so.
const CHANGES: &[(&str, Change)] = &[
    ("principal.id == \"usr_eve\"", |world| {
        "usr_eve".clone_into(&mut world.subject.principal.id);
        "usr_eve".clone_into(&mut world.subject.connection.owner);
    }),
    ("principal is User && principal has email && principal.email like \"*@evil.example\"", |world| {
        world.subject.principal.email = Some("ada@evil.example".to_owned());
    }),
    ("principal is Machine", |world| world.subject.principal.kind = PrincipalKind::Machine),
    ("principal in Group::\"interns\"", |world| world.subject.principal.groups.push("interns".to_owned())),
    ("principal.permissions.contains(\"extra\")", |world| {
        world.subject.principal.permissions.push("extra".to_owned());
    }),
    ("context.client.id == \"cli_2\"", |world| "cli_2".clone_into(&mut world.subject.client.id)),
    ("context.client has host", |world| world.subject.client.host = Some("evil.example".to_owned())),
    ("context.client.registration == Registration::\"dynamic\"", |world| {
        world.subject.client.registration = Registration::Dynamic;
    }),
    ("resource.connection == Connection::\"con_2\"", |world| {
        "con_2".clone_into(&mut world.subject.connection.id);
    }),
    ("resource.connection.alias == \"home\"", |world| "home".clone_into(&mut world.subject.connection.alias)),
    ("resource in Server::\"ledger\"", |world| "ledger".clone_into(&mut world.subject.connection.server)),
    ("resource.connection.server.kind == Kind::\"stdio\"", |world| {
        world.subject.connection.kind = ServerKind::Stdio;
    }),
    ("!context.granted", |world| world.subject.granted = false),
    ("resource.name == \"list_pulls\"", |world| "list_pulls".clone_into(&mut world.tool().name)),
    ("resource.risk == Risk::\"destructive\"", |world| world.tool().risk = Risk::Destructive),
    ("resource.pin == Pin::\"changed\"", |world| world.tool().pin = Pin::Changed),
    ("resource.blocked", |world| world.tool().blocked = true),
    ("resource.hints has readOnly", |world| {
        world.tool().hints = Some(Hints { read_only: Some(true), ..Hints::default() });
    }),
    ("resource.approval > 1", |world| world.tool().approval = Assurance::SecondPerson),
    ("context.arguments.overflow", |world| {
        let many: Vec<usize> = (0..1_000).collect();
        world.circumstances.arguments = arguments(&json!({"many": many}));
    }),
    ("context.arguments.hasTag(\"/to\")", |world| {
        world.circumstances.arguments = arguments(&json!({"to": "eve"}));
    }),
    ("context.time.hour == 3", |world| world.circumstances.time.unix = 3 * 3_600),
    ("context.time.minute == 7", |world| world.circumstances.time.unix = 7 * 60),
    ("context.time.weekday == 7", |world| world.circumstances.time.unix = 3 * 86_400),
    ("context.time.now > datetime(\"1970-01-01T00:00:00Z\")", |world| world.circumstances.time.unix = 1),
    // The same by other ways.
    ("{at: context.time}.at.now > datetime(\"1970-01-01T00:00:00Z\")", |world| {
        world.circumstances.time.unix = 1;
    }),
    ("(if context.granted then context.time else context.time).hour == 3", |world| {
        world.circumstances.time.unix = 3 * 3_600;
    }),
    ("Arguments::\"call\".hasTag(\"/to\")", |world| {
        world.circumstances.arguments = arguments(&json!({"to": "eve"}));
    }),
    ("context has network.address", |world| world.circumstances.address = Some([10, 0, 0, 1].into())),
    ("context.network has address && context.network.address.isLoopback()", |world| {
        world.circumstances.address = Some([127, 0, 0, 1].into());
    }),
    ("context.authentication > 1", |world| world.circumstances.authentication = 2),
];

fn arguments(arguments: &serde_json::Value) -> Arguments {
    arguments.as_object().map(Arguments::of).unwrap_or_default()
}

fn call_rules(conditions: &[&str]) -> String {
    let forbids = conditions.iter().enumerate().map(|(place, condition)| {
        let body =
            format!("forbid (principal, action == Action::\"callTool\", resource) when {{ {condition} }};");
        rule(&format!("f{place}"), &body)
    });
    rule("all", "permit (principal, action, resource);") + &forbids.collect::<String>()
}

fn changed(change: Change) -> World {
    let mut world = World::calling("list_issues");
    change(&mut world);
    world
}

/// Whatever one rule looks at, and whatever was asked before: the answer is that of rules that were never asked
#[test]
fn nothing_that_a_rule_looks_at_is_overlooked() {
    let plain = World::calling("list_issues");
    for (condition, change) in CHANGES {
        let text = call_rules(&[condition]);
        let (policies, changed) = (policy(&text), changed(*change));
        for _ in 0..2 {
            assert_eq!(plain.asked(&policies), "allow all", "{condition}");
            let asked = changed.asked(&policies);
            assert!(asked.starts_with("deny"), "{condition}: {asked}");
            assert_eq!(asked, changed.asked(&policy(&text)), "{condition}");
        }
    }
}

/// The same of many rules, asked of many cases
#[test]
fn the_order_of_questions_does_not_matter() {
    let conditions: Vec<&str> = CHANGES.iter().map(|(condition, _)| *condition).collect();
    let text = call_rules(&conditions);
    let worlds: Vec<World> = CHANGES.iter().map(|(_, change)| changed(*change)).collect();
    let fresh: Vec<_> = worlds
        .iter()
        .map(|world| {
            let fresh = policy(&text);
            (world.asked(&fresh), world.listed(&fresh), may_list(&fresh, &world.subject))
        })
        .collect();
    let (policies, places) = (policy(&text), 0..worlds.len());
    for place in places.clone().chain(places.rev()) {
        let world = &worlds[place];
        assert_eq!(world.asked(&policies), fresh[place].0, "{}", conditions[place]);
        assert_eq!(world.listed(&policies), fresh[place].1, "{}", conditions[place]);
        assert_eq!(may_list(&policies, &world.subject), fresh[place].2, "{}", conditions[place]);
    }
}

/// Each assurance is asked for itself, also of rules that look at the call, and a call is not answered by what a list was told
#[test]
fn neither_assurance_nor_occasion_is_confused() {
    for late in ["context.time.hour < 3", "context.arguments.hasTag(\"/late\")"] {
        let held = format!(
            "forbid (principal, action == Action::\"callTool\", resource) when {{ context.assurance < 2 || {late} }};"
        );
        let policies = policy(&(rule("all", "permit (principal, action, resource);") + &rule("held", &held)));
        let mut world = World::calling("list_issues");
        for _ in 0..2 {
            let late = arguments(&json!({"late": true}));
            world.circumstances = Circumstances { arguments: late, ..Circumstances::default() };
            assert!(world.listed(&policies));
            assert_eq!(world.asked(&policies), "deny held");
            world.circumstances = Circumstances::default();
            world.circumstances.time.unix = 4 * 3_600;
            assert_eq!(world.asked(&policies), "needs 2 held");
            world.circumstances.assurance = Assurance::Session;
            assert_eq!(world.asked(&policies), "allow all");
        }
    }
}

/// A prompt and a resource of one name are two things, and so is a tool
#[test]
fn things_of_one_name_are_told_apart() {
    let text = rule("all", "permit (principal, action, resource);")
        + &rule("no_prompts", "forbid (principal, action == Action::\"getPrompt\", resource);");
    let policies = policy(&text);
    let mut world = World::calling("x");
    let targets = [
        (
            Target::Tool(Tool { pin: Pin::Active, approval: Assurance::None, ..Tool::new("x", None) }),
            "allow all",
        ),
        (Target::Prompt { name: "x".to_owned(), pin: Pin::Active, blocked: false }, "deny no_prompts"),
        (Target::Resource { uri: "x".to_owned(), pin: Pin::Active, blocked: false }, "allow all"),
        (Target::ManageConnection, "allow all"),
    ];
    for (target, expected) in targets.iter().chain(&targets) {
        world.target = target.clone();
        assert_eq!(world.asked(&policies), *expected);
    }
}
