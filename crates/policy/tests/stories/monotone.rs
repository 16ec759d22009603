//! More assurance never takes something away, or the policy is not taken.

use portcullis_policy::*;
use proptest::prelude::*;

use crate::world::{World, rule};

fn taken(effect: &str, condition: &str) -> bool {
    let body = format!("{effect} (principal, action == Action::\"callTool\", resource) {condition};");
    match PolicySet::parse(&rule("a", &body)) {
        Ok(_) => true,
        Err(problems) => {
            let monotone = problems.iter().all(|problem| problem.message.contains("with more assurance"));
            assert!(monotone, "{condition}: {problems:?}");
            false
        }
    }
}

#[test]
fn a_permit_may_ask_for_more_and_a_forbid_for_as_long_as_it_is_too_little() {
    let rising = [
        "when { context.assurance >= 2 }",
        "when { 2 <= context.assurance }",
        "when { context.assurance > resource.approval }",
        "unless { context.assurance < 1 }",
        "when { !(context.assurance < 1) }",
        "when { context[\"assurance\"] >= 1 && (resource.blocked || context.assurance >= 2) }",
        "when { if resource.blocked then context.assurance >= 3 else context.assurance >= 1 }",
    ];
    let falling = [
        "when { context.assurance < 2 }",
        "when { 2 > context.assurance }",
        "unless { context.assurance >= 2 }",
        "when { context.assurance < 2 && !(context.assurance >= 1) }",
    ];
    for condition in rising {
        assert!(taken("permit", condition), "{condition}");
        assert!(!taken("forbid", condition), "{condition}");
    }
    for condition in falling {
        assert!(taken("forbid", condition), "{condition}");
        assert!(!taken("permit", condition), "{condition}");
    }
}

#[test]
fn whatever_else_reads_the_assurance_is_refused() {
    for condition in [
        "when { context.assurance == 2 }",
        "when { context.assurance != 2 }",
        "when { [1, 3].contains(context.assurance) }",
        "when { context.assurance * -1 < 0 }",
        "when { context.assurance >= context.assurance }",
        "when { (context.assurance >= 2) == resource.blocked }",
        "when { if context.assurance >= 2 then resource.blocked else true }",
        "when { {a: context.assurance}.a >= 2 }",
        "when { context.assurance >= 1 && context.assurance < 3 }",
    ] {
        assert!(!taken("permit", condition) && !taken("forbid", condition), "{condition}");
    }
}

fn condition() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => (prop::sample::select(vec!["<", "<=", ">", ">=", "==", "!="]), 0..4)
            .prop_map(|(op, level)| format!("context.assurance {op} {level}")),
        2 => (prop::sample::select(vec!["<", "<=", ">", ">="]), any::<bool>()).prop_map(|(op, left)| {
            if left { format!("resource.approval {op} context.assurance") } else { format!("context.assurance + 1 {op} resource.approval") }
        }),
        2 => prop::sample::select(vec!["resource.blocked", "resource.risk == Risk::\"read\"", "context.granted"]).prop_map(str::to_owned),
    ];
    part.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one} && {other})")),
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one} || {other})")),
            inner.clone().prop_map(|part| format!("!({part})")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(one, two, three)| format!("(if {one} then {two} else {three})")),
        ]
    })
}

/// Whether Cedar itself, asked at each level, finds the policy to hold there.
fn applies(policies: &PolicySet, world: &World) -> Vec<bool> {
    Assurance::ALL
        .into_iter()
        .map(|assurance| {
            let mut world = world.clone();
            world.circumstances.assurance = assurance;
            let parts = explain(policies, &world.case()).parts;
            parts.iter().any(|part| part.rule.origin == Origin::Policy && part.applies.contains(&assurance))
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// What the check on the syntax tree lets through is tried at every level
    #[test]
    fn what_is_taken_is_monotone(
        (permit, when, condition) in (any::<bool>(), any::<bool>(), condition()),
        (approval, blocked, read) in (0u8..4, any::<bool>(), any::<bool>()),
    ) {
        let (effect, clause) = (if permit { "permit" } else { "forbid" }, if when { "when" } else { "unless" });
        let body = format!("{effect} (principal, action == Action::\"callTool\", resource) {clause} {{ {condition} }};");
        let text = rule("a", &body);
        let Ok(policies) = PolicySet::parse(&text) else { return Ok(()) };
        let mut world = World::calling(if read { "list_issues" } else { "create_issue" });
        world.tool().approval = Assurance::from_level(approval).unwrap();
        world.tool().blocked = blocked;
        let holds = applies(&policies, &world);
        let ordered = holds.windows(2).all(|pair| if permit { pair[0] <= pair[1] } else { pair[0] >= pair[1] });
        prop_assert!(ordered, "{text} {holds:?}");
    }
}
