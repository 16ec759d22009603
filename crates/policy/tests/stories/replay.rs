//! Calls of the past, decided again under another policy.

use portcullis_policy::replay::{Report, Undecidable, again};
use portcullis_policy::{Arguments, Recorded, decide};
use serde_json::json;

use crate::world::{World, policy, rule};

const OWNERS: &str = "permit (principal, action, resource) when { principal.id == resource.owner };";

/// A call as it was decided when owners could do everything, without what stands under `password`.
fn recorded(tool: &str, arguments: &serde_json::Value) -> (World, Recorded) {
    let mut world = World::calling(tool);
    let Some(members) = arguments.as_object() else { panic!("{arguments} is no object") };
    world.circumstances.arguments = Arguments::of(members);
    let then = policy(&rule("owners", OWNERS));
    let decision = decide(&then, &world.case());
    let hides = |at: &str, _: &str| at.contains("password");
    let recorded = Recorded::of(&world.case(), "ada".to_owned(), (&decision, 4), hides);
    (world, recorded)
}

/// What a policy beside `owners` would have said to a call.
fn retold(body: &str, tool: &str, arguments: &serde_json::Value) -> Result<String, Undecidable> {
    let (world, recorded) = recorded(tool, arguments);
    let Some(read) = Recorded::read(recorded.text().as_bytes()) else { panic!("{recorded:?} is not read") };
    let now = policy(&(rule("owners", OWNERS) + &rule("mine", body)));
    again(&now, &read, &world.subject).map(|retold| {
        format!("{} of {}: {} -> {} by {}", retold.what, retold.who, retold.then, retold.now, retold.rule)
    })
}

const NO_PROD: &str = "forbid (principal, action, resource) when \
    { context.arguments.hasTag(\"/env\") && context.arguments.getTag(\"/env\") == \"prod\" };";

#[test]
fn a_call_is_decided_again_with_everything_that_it_stood_on() {
    let told = retold(NO_PROD, "get_x", &json!({"env": "prod", "password": "p"}));
    assert_eq!(told.unwrap(), "github/get_x of ada@example.com: allow -> deny by mine");
    let told = retold(NO_PROD, "get_x", &json!({"env": "test"}));
    assert_eq!(told.unwrap(), "github/get_x of ada@example.com: allow -> allow by owners");
    let asks = "forbid (principal, action, resource) when { context.assurance < 3 };";
    let told = retold(asks, "delete_x", &json!({}));
    assert_eq!(told.unwrap(), "github/delete_x of ada@example.com: needs 2 -> needs 3 by approval_needed");
}

/// What was not kept is not guessed at, and does no harm where nobody asks for it
#[test]
fn what_was_not_kept_makes_a_call_undecidable_only_where_it_is_asked_for() {
    let asks_for = |name: &str| {
        format!("forbid (principal, action, resource) when {{ context.arguments.hasTag({name}) }};")
    };
    let secret = json!({"env": "prod", "password": "p"});
    assert_eq!(retold(&asks_for("\"/password\""), "get_x", &secret), Err(Undecidable::Redacted));
    assert!(retold(&asks_for("\"/env\""), "get_x", &secret).is_ok());
    assert_eq!(retold(&asks_for("principal.id"), "get_x", &secret), Err(Undecidable::Redacted));

    let long = json!({"env": "prod", "text": "x".repeat(20_000)});
    assert!(retold(&asks_for("\"/env\""), "get_x", &long).is_ok());
    assert_eq!(retold(&asks_for("\"/text\""), "get_x", &long), Err(Undecidable::Redacted));
    assert_eq!(retold(&asks_for("\"/other\""), "get_x", &long), Err(Undecidable::Redacted));
}

#[test]
fn a_report_tells_what_changes_for_whom() {
    let mut report = Report::default();
    let now = policy(&(rule("owners", OWNERS) + &rule("mine", NO_PROD)));
    for env in ["prod", "prod", "test"] {
        let (world, recorded) = recorded("get_x", &json!({"env": env}));
        report.add(again(&now, &recorded, &world.subject));
    }
    report.add(Err(Undecidable::NotRecorded));
    let mut twice = report.clone();
    twice.join(report.clone());
    assert_eq!((twice.calls, twice.denied.calls, twice.changed(), twice.undecided()), (8, 4, 4, 2));
    assert_eq!(report.denied.tools.get("github/get_x"), Some(&2));
    assert_eq!(report.denied.rules.get("mine"), Some(&2));
}

/// What another release wrote otherwise is not read
#[test]
fn the_form_is_kept_from_release_to_release() {
    let (_, recorded) = recorded("get_x", &json!({"env": "prod", "password": "p"}));
    assert_eq!(
        recorded.text(),
        r#"{"form":1,"subject":"ada","target":{"tool":{"name":"get_x","hints":null,"risk":"read","pin":"active","approval":"none","blocked":false}},"circumstances":{"assurance":"none","arguments":{"tags":[["/env","prod"]],"overflow":false},"time":{"unix":0,"offset":0},"address":null,"authentication":0},"hidden":["/password"],"cut":false,"ruling":"allow","rule":"owners","version":4}"#
    );
    assert!(Recorded::read(recorded.text().replace("\"form\":1", "\"form\":2").as_bytes()).is_none());
}

/// Two calls have the same essence when they differ in nothing that the policy looks at, and only then
#[test]
fn what_no_rule_looks_at_is_no_part_of_a_calls_essence() {
    type Change<'a> = (&'a str, &'a dyn Fn(&mut World));
    let essence = |body: &str, change: &dyn Fn(&mut World)| {
        let mut world = World::calling("get_x");
        let arguments = json!({"env": "prod", "text": "x"});
        world.circumstances.arguments = Arguments::of(arguments.as_object().unwrap());
        change(&mut world);
        let policies = policy(&(rule("owners", OWNERS) + &rule("mine", body)));
        let decision = decide(&policies, &world.case());
        let name = world.subject.principal.id.clone();
        Recorded::of(&world.case(), name, (&decision, 1), |_, _| false).essence(&policies)
    };
    let forbid = |condition: &str| {
        format!("forbid (principal, action == Action::\"callTool\", resource) when {{ {condition} }};")
    };
    let later = |world: &mut World| world.circumstances.time.unix += 61;
    let tomorrow = |world: &mut World| world.circumstances.time.unix += 86_400;
    let elsewhere = |world: &mut World| world.circumstances.address = Some([10, 0, 0, 1].into());
    let surer = |world: &mut World| world.circumstances.authentication = 3;
    let text = |world: &mut World| {
        let arguments = json!({"env": "prod", "text": "y"});
        world.circumstances.arguments = Arguments::of(arguments.as_object().unwrap());
    };
    let changes: [Change<'_>; 5] = [
        ("later", &later),
        ("tomorrow", &tomorrow),
        ("elsewhere", &elsewhere),
        ("surer", &surer),
        ("text", &text),
    ];
    for (condition, counts) in [
        ("resource.name == \"x\" && context.assurance < 2", vec![]),
        ("context.time.hour > 25", vec![]),
        ("context.time.minute > 70", vec!["later"]),
        ("context.time.weekday > 8", vec!["tomorrow"]),
        ("context.time.now < datetime(\"1960-01-01\")", vec!["later", "tomorrow"]),
        ("context.network has address", vec!["elsewhere"]),
        ("context.authentication > 7", vec!["surer"]),
        ("context.arguments.hasTag(\"/text\")", vec!["text"]),
        ("context.arguments.hasTag(\"/env\")", vec![]),
        ("context.arguments.hasTag(principal.id)", vec!["text"]),
    ] {
        let plain = essence(&forbid(condition), &|_| {});
        let differ: Vec<_> = changes
            .iter()
            .filter(|(_, change)| essence(&forbid(condition), *change) != plain)
            .map(|(name, _)| *name)
            .collect();
        assert_eq!(differ, counts, "{condition}");
    }
    // Who asks, for what and how surely somebody agreed always counts.
    let condition = forbid("resource.name == \"x\"");
    let plain = essence(&condition, &|_| {});
    let others: [&dyn Fn(&mut World); 3] = [
        &|world| world.subject.principal.id = "usr_bob".to_owned(),
        &|world| world.tool().blocked = true,
        &|world| world.circumstances.assurance = portcullis_policy::Assurance::Session,
    ];
    assert!(others.iter().all(|change| essence(&condition, *change) != plain));
}
