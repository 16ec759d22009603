//! Who may do what.

use portcullis_policy::*;

use crate::world::{World, policy, rule};

#[test]
fn without_a_policy_nothing_is_allowed() {
    let nothing = policy("");
    assert_eq!(World::calling("list_issues").asked(&nothing), "deny no_policy");
    assert_eq!(World::calling("delete_repo").asked(&nothing), "deny no_policy");
}

#[test]
fn owners_use_their_connections_and_approve_what_changes_something() {
    let default = policy(DEFAULT);
    assert_eq!(World::calling("list_issues").asked(&default), "allow owners");
    assert_eq!(World::calling("create_issue").asked(&default), "needs 2 approval_needed");
    let mut approved = World::calling("create_issue");
    approved.circumstances.assurance = Assurance::Session;
    assert_eq!(approved.asked(&default), "allow owners");
    let mut lowered = World::calling("create_issue");
    lowered.tool().approval = Assurance::Client;
    assert_eq!(lowered.asked(&default), "needs 1 approval_needed");
    for target in [
        Target::ListTools,
        Target::ManageConnection,
        Target::Prompt { name: "p".to_owned(), pin: Pin::Active, blocked: false },
        Target::Resource { uri: "file:///x".to_owned(), pin: Pin::Active, blocked: false },
    ] {
        let world = World { target, ..World::calling("x") };
        assert_eq!(world.asked(&default), "allow owners", "{:?}", world.target);
    }
}

/// T45, T27: whatever the admin's policy permits
#[test]
fn the_built_in_rules_are_not_overridden() {
    let everything = policy(&rule("everything", "permit (principal, action, resource);"));
    let base = World::calling("list_issues");
    assert_eq!(base.asked(&everything), "allow everything");
    let changed = |change: fn(&mut World)| {
        let mut world = base.clone();
        change(&mut world);
        let listed = world.listed(&everything);
        (world.asked(&everything), listed)
    };
    let denied = |rule: &str| (format!("deny {rule}"), false);
    assert_eq!(changed(|w| "usr_bob".clone_into(&mut w.subject.connection.owner)), denied("not_owner"));
    assert_eq!(changed(|w| w.subject.granted = false), denied("connection_not_granted"));
    assert_eq!(
        changed(|w| w.subject.principal.permissions.retain(|p| p != "mcp.tools.execute")),
        denied("permission_missing")
    );
    assert_eq!(changed(|w| w.tool().blocked = true), denied("blocked"));
    assert_eq!(changed(|w| w.tool().pin = Pin::Changed), denied("changed"));
    assert_eq!(changed(|w| w.tool().pin = Pin::Removed), denied("removed"));
    assert_eq!(changed(|w| w.tool().pin = Pin::New), denied("quarantined"));
    let asks = ("needs 3 approval_needed".to_owned(), true);
    assert_eq!(changed(|w| w.tool().approval = Assurance::SecondPerson), asks);
    let lists = |permission: &str, target: Target| {
        let mut world = World { target, ..base.clone() };
        world.subject.principal.permissions.retain(|held| held != permission);
        world.asked(&everything)
    };
    assert_eq!(lists("mcp.tools.read", Target::ListTools), "deny permission_missing_lists");
    let uri = || Target::Resource { uri: "x:".to_owned(), pin: Pin::Active, blocked: false };
    assert_eq!(lists("mcp.resources.read", uri()), "deny permission_missing_resources");
    assert_eq!(
        lists("mcp.connections.manage", Target::ManageConnection),
        "deny permission_missing_connections"
    );
}

/// Cedar alone skips a rule whose evaluation fails, and the call would pass
#[test]
fn a_rule_that_fails_denies() {
    let overflow = "forbid (principal, action == Action::\"callTool\", resource) \
                    when { 9223372036854775807 + resource.approval > 3 };";
    let text = rule("all", "permit (principal, action, resource);") + &rule("sum", overflow);
    let world = World::calling("list_issues");
    let mut world_that_sums = world.clone();
    world_that_sums.tool().approval = Assurance::Client;
    world_that_sums.circumstances.assurance = Assurance::Client;
    assert_eq!(world.asked(&policy(&text)), "deny sum");
    assert_eq!(world_that_sums.asked(&policy(&text)), "deny policy_error");
    let explained = explain(&policy(&text), &world_that_sums.case());
    let failed: Vec<_> = explained.parts.iter().filter_map(|part| part.failure.as_deref()).collect();
    assert!(failed.len() == 1 && failed[0].contains("overflow"), "{failed:?}");

    let alone: cedar_policy::PolicySet = text.parse().unwrap();
    let request = cedar_policy::Request::new(
        "User::\"ada\"".parse().unwrap(),
        "Action::\"callTool\"".parse().unwrap(),
        "Tool::\"t\"".parse().unwrap(),
        cedar_policy::Context::empty(),
        None,
    );
    let tool = r#"[{"uid": {"type": "Tool", "id": "t"}, "attrs": {"approval": 1}, "parents": []}]"#;
    let entities = cedar_policy::Entities::from_json_str(tool, None).unwrap();
    let answer = cedar_policy::Authorizer::new().is_authorized(&request.unwrap(), &alone, &entities);
    assert_eq!(answer.decision(), cedar_policy::Decision::Allow);
    assert_eq!(answer.diagnostics().errors().count(), 1);
}

#[test]
fn the_level_is_the_lowest_that_allows_and_its_rule_is_named() {
    let text = rule("looks", "permit (principal, action, resource) when { context.assurance >= 1 };")
        + &rule(
            "prod",
            "forbid (principal, action, resource in Server::\"prod\") unless { context.assurance > 2 };",
        );
    let policies = policy(&text);
    let mut world = World::calling("list_issues");
    assert_eq!(world.asked(&policies), "needs 1 looks");
    world.circumstances.assurance = Assurance::Client;
    assert_eq!(world.asked(&policies), "allow looks");
    "prod".clone_into(&mut world.subject.connection.server);
    assert_eq!(world.asked(&policies), "needs 3 prod");
    world.circumstances.assurance = Assurance::SecondPerson;
    assert_eq!(world.asked(&policies), "allow looks");
    world.circumstances.assurance = Assurance::Session;
    world.tool().blocked = true;
    assert_eq!(world.asked(&policies), "deny blocked");
}

#[test]
fn a_policy_sees_who_what_when_and_from_where() {
    let heads = [
        ("group", "principal in Group::\"builders\""),
        ("mail", "principal is User && principal has email && principal.email like \"*@example.com\""),
        ("server", "resource in Server::\"github\""),
        ("kind", "resource.connection.server.kind == Kind::\"http\""),
        ("words", "resource.words.contains(\"issues\")"),
        ("risk", "resource.risk == Risk::\"read\""),
        ("hint", "resource.hints has readOnly && resource.hints.readOnly"),
        (
            "arguments",
            "context.arguments.hasTag(\"/to/0\") && context.arguments.getTag(\"/to/0\") like \"*@example.com\"",
        ),
        ("overflow", "!context.arguments.overflow"),
        ("hour", "context.time.hour == 23 && context.time.minute == 30 && context.time.weekday == 7"),
        ("now", "context.time.now < datetime(\"2026-12-01\")"),
        ("network", "context.network has address && context.network.address.isInRange(ip(\"10.0.0.0/8\"))"),
        ("client", "context.client has host && context.client.host == \"claude.ai\""),
        ("registration", "context.client.registration == Registration::\"document\""),
        ("factor", "context.authentication >= 2"),
    ];
    let mut world = World::calling("list_issues");
    world.tool().hints = Some(Hints { read_only: Some(true), ..Hints::default() });
    world.subject.client.host = Some("claude.ai".to_owned());
    world.subject.client.registration = Registration::Document;
    let arguments = serde_json::json!({"to": ["bob@example.com"]});
    world.circumstances = Circumstances {
        arguments: Arguments::of(arguments.as_object().unwrap()),
        // 2026-11-29 is a Sunday.
        time: Moment { unix: 1_795_991_400, offset: 3600 },
        address: Some([10, 1, 2, 3].into()),
        authentication: 2,
        ..Circumstances::default()
    };
    for (id, condition) in heads {
        let text = rule(
            id,
            &format!("permit (principal, action == Action::\"callTool\", resource) when {{ {condition} }};"),
        );
        assert_eq!(world.asked(&policy(&text)), format!("allow {id}"));
        assert_eq!(
            World::calling("send").listed(&policy(&text)),
            !["words", "risk", "hint", "client", "registration"].contains(&id),
            "{id}"
        );
    }
}

#[test]
fn a_machine_stands_in_policies_too() {
    let text = rule("machines", "permit (principal is Machine in Group::\"builders\", action, resource);");
    let mut world = World::calling("list_issues");
    assert_eq!(world.asked(&policy(&text)), "deny no_policy");
    world.subject.principal.kind = PrincipalKind::Machine;
    assert_eq!(world.asked(&policy(&text)), "allow machines");
}

#[test]
fn an_explanation_names_every_rule_that_took_part() {
    let text = rule("reads", "permit (principal, action, resource);")
        + &rule("night", "forbid (principal, action, resource) when { context.time.hour >= 22 };")
        + &rule("elsewhere", "forbid (principal, action, resource in Server::\"other\");");
    let mut world = World::calling("delete_repo");
    let told = |world: &World| {
        let explained = explain(&policy(&text), &world.case());
        let parts: Vec<_> =
            explained.parts.iter().map(|part| format!("{}@{}", part.rule.id, part.applies.len())).collect();
        (explained.decision.rule().id.clone(), parts.join(" "))
    };
    assert_eq!(told(&world), ("approval_needed".to_owned(), "approval_needed@2 reads@4".to_owned()));
    world.circumstances.time = Moment { unix: 0, offset: 82_800 };
    assert_eq!(told(&world), ("night".to_owned(), "approval_needed@2 reads@4 night@4".to_owned()));
}

/// What needs no permit of its own is explained as it is decided: by what forbids it at the assurance that is there
#[test]
fn an_explanation_of_what_needs_no_permit_says_what_forbids_it() {
    let text = rule("quiet", "forbid (principal, action == Action::\"listTools\", resource);")
        + &rule(
            "two",
            "forbid (principal, action == Action::\"manageConnection\", resource) when { context.assurance < 3 };",
        );
    let mut world = World { target: Target::ManageConnection, ..World::calling("x") };
    world.circumstances.assurance = Assurance::Session;
    let told = |explained: Explanation| {
        let parts = explained.parts.iter().map(|part| format!("{}@{}", part.rule.id, part.applies.len()));
        (explained.decision.rule().id.clone(), parts.collect::<Vec<_>>().join(" "))
    };
    let set = policy(&text);
    assert_eq!(told(explain_forbidden(&set, &world.case())), ("two".to_owned(), "two@1".to_owned()));
    assert_eq!(told(explain_list(&set, &world.subject)), ("quiet".to_owned(), "quiet@1".to_owned()));
    let set = policy(DEFAULT);
    let allowed = ("not_forbidden".to_owned(), "owners@1".to_owned());
    assert_eq!(told(explain_forbidden(&set, &world.case())), allowed);
    assert_eq!(told(explain_list(&set, &world.subject)), allowed);
    let broken =
        "forbid (principal, action, resource) when { 9223372036854775807 + context.authentication > 3 };";
    let broken = rule("broken", broken);
    world.circumstances.authentication = 1;
    assert_eq!(told(explain_forbidden(&policy(&broken), &world.case())).0, "policy_error");
}
