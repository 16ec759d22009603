//! What lists show: a tool of which any call could pass, before anything is known of the call.

use portcullis_policy::*;
use proptest::prelude::*;

use crate::world::{World, policy, rule};

#[test]
fn what_depends_on_the_call_is_listed_and_what_does_not_is_hidden() {
    let call = "permit (principal, action == Action::\"callTool\", resource)";
    for (condition, listed) in [
        ("context.arguments.hasTag(\"/x\")", true),
        ("context.time.hour < 3", true),
        ("!(context.time.hour < 3)", true),
        ("context.network has address", true),
        ("context.assurance >= 3", true),
        ("context.authentication > 2", true),
        ("resource.risk == Risk::\"change\"", false),
        ("context.time.hour < 3 && resource.risk == Risk::\"change\"", false),
        ("context.time.hour < 3 || resource.risk == Risk::\"change\"", true),
        ("if context.time.hour < 3 then false else resource.blocked", false),
        ("if resource.blocked then context.time.hour < 3 else false", false),
        ("context.client.registration == Registration::\"admin\"", false),
    ] {
        let text = rule("a", &format!("{call} when {{ {condition} }};"));
        assert_eq!(World::calling("list_issues").listed(&policy(&text)), listed, "{condition}");
    }
    let all = rule("all", "permit (principal, action, resource);");
    for (condition, listed) in [
        ("when { context.time.hour < 3 }", true),
        ("unless { context.time.hour < 3 }", true),
        ("when { resource.risk == Risk::\"read\" }", false),
        ("unless { resource.risk == Risk::\"change\" || context.time.hour < 3 }", true),
        ("unless { resource.risk == Risk::\"change\" && context.time.hour < 3 }", false),
        ("when { resource.risk == Risk::\"read\" && context.time.hour < 3 }", true),
    ] {
        let text = all.clone()
            + &rule(
                "f",
                &format!("forbid (principal, action == Action::\"callTool\", resource) {condition};"),
            );
        assert_eq!(World::calling("list_issues").listed(&policy(&text)), listed, "{condition}");
    }
}

/// A list needs no permit of its own, and a rule that forbids it is obeyed as far as it holds before any call
#[test]
fn a_rule_about_lists_hides_tools_and_needs_no_permit() {
    let call = rule("calls", "permit (principal, action == Action::\"callTool\", resource);");
    let world = World::calling("list_issues");
    assert!(may_list(&policy(&call), &world.subject));
    for (condition, listed) in [
        ("resource.server.name == \"github\"", false),
        ("resource.server.name == \"ledger\"", true),
        ("context.client has host", true),
        ("!(context.client has host)", false),
        // Nobody approves a list, and it is the same at any time.
        ("context.assurance < 1", false),
        ("context.time.hour < 25", true),
        // What cannot be evaluated forbids.
        ("9223372036854775807 + 1 > 0", false),
    ] {
        let body =
            format!("forbid (principal, action == Action::\"listTools\", resource) when {{ {condition} }};");
        let policies = policy(&(call.clone() + &rule("f", &body)));
        assert_eq!(may_list(&policies, &world.subject), listed, "{condition}");
        assert!(world.listed(&policies), "the call itself stays what it was: {condition}");
    }
    let mut reader = world;
    reader.subject.principal.permissions.retain(|permission| permission != "mcp.tools.read");
    assert!(!may_list(&policy(&call), &reader.subject), "the built-in rule about lists");
}

fn condition() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "context.time.hour < 12",
        "context.authentication >= 2",
        "context.arguments.hasTag(\"/x\")",
        "context.network has address",
        "context.granted",
        "resource.blocked",
        "resource.risk == Risk::\"read\"",
        "principal in Group::\"builders\"",
        "context.client has host",
        "9223372036854775807 + context.time.hour > 5",
        "9223372036854775807 + resource.approval > 5",
    ])
    .prop_map(str::to_owned);
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

fn policies() -> impl Strategy<Value = String> {
    let one = (any::<bool>(), any::<bool>(), condition());
    prop::collection::vec(one, 1..5).prop_map(|rules| {
        let rules = rules.into_iter().enumerate();
        rules
            .map(|(place, (permit, when, condition))| {
                let effect = if permit { "permit" } else { "forbid" };
                let clause = if when { "when" } else { "unless" };
                let body = format!("{effect} (principal, action == Action::\"callTool\", resource) {clause} {{ {condition} }};");
                rule(&format!("r{place}"), &body)
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// TOOL-1, TOOL-2: a call that passes, as it is or approved, is a call of a listed tool
    #[test]
    fn no_tool_is_hidden_that_some_call_could_reach(
        text in policies(),
        tool in prop::sample::select(vec!["list_issues", "create_issue"]),
        (approval, hour, factor) in (0u8..4, 0i64..24, 0u8..4),
        (argument, address, host) in (any::<bool>(), any::<bool>(), any::<bool>()),
    ) {
        // Two parts of random text may be found impossible by the validator: such a policy is not activated either.
        let Ok(policies) = PolicySet::parse(&text) else { return Ok(()) };
        let mut world = World::calling(tool);
        world.tool().approval = Assurance::from_level(approval).unwrap();
        world.subject.client.host = host.then(|| "claude.ai".to_owned());
        world.circumstances.time.unix = hour * 3600;
        world.circumstances.authentication = factor;
        world.circumstances.address = address.then(|| [127, 0, 0, 1].into());
        if argument {
            let arguments = serde_json::json!({"x": 1});
            world.circumstances.arguments = Arguments::of(arguments.as_object().unwrap());
        }
        if !matches!(decide(&policies, &world.case()), Decision::Deny { .. }) {
            prop_assert!(world.listed(&policies), "{text}");
        }
    }
}
