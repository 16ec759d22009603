//! What a policy must be to be taken, and what is said when it is not.

use portcullis_policy::*;

use crate::world::{policy, rule};

fn problems(text: &str) -> Vec<String> {
    match PolicySet::parse(text) {
        Ok(_) => panic!("taken: {text}"),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

#[track_caller]
fn refused(text: &str, with: &[&str]) {
    let told = problems(text).join("\n");
    for words in with {
        assert!(told.contains(words), "expected «{words}» in:\n{told}");
    }
}

#[test]
fn our_own_policies_are_taken() {
    let rules = policy(DEFAULT).rules();
    assert_eq!(rules.last().map(|rule| rule.id.as_str()), Some("owners"));
    let builtin: Vec<_> = rules.iter().filter(|rule| rule.origin == Origin::Builtin).collect();
    assert_eq!(builtin.len(), BUILTIN.matches("@id").count());
    assert!(builtin.iter().all(|rule| rule.effect == Effect::Forbid), "built-in rules only forbid");
    assert_eq!(policy("// nothing\n").rules().len(), builtin.len());
}

#[test]
fn the_permissions_of_the_built_in_rules_are_the_scopes_of_the_protocol() {
    use portcullis_oauth::scopes::{CONNECTIONS_MANAGE, RESOURCES_READ, TOOLS_EXECUTE, TOOLS_READ};
    for scope in [CONNECTIONS_MANAGE, RESOURCES_READ, TOOLS_EXECUTE, TOOLS_READ] {
        assert!(BUILTIN.contains(&format!("\"{scope}\"")), "{scope}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    refused("permit (principal, action, resource)\nwhen { true }}", &["line 2, column 14"]);
    let unknown = rule("a", "permit (principal, action, resource)\nwhen { principal.nickname == \"x\" };");
    refused(&unknown, &["line 3, column 8", "nickname"]);
    let mistyped = rule(
        "a",
        "permit (principal, action == Action::\"callTool\", resource)\nwhen { resource.risk == Risk::\"raed\" };",
    );
    refused(&mistyped, &["line 3", "raed"]);
    let absent =
        rule("a", "permit (principal is User, action, resource)\nwhen { principal.email == \"x\" };");
    refused(&absent, &["line 3", "email"]);
    let action = rule("a", "permit (principal, action == Action::\"callTol\", resource);");
    refused(&action, &["callTol", "callTool"]);
    let nothing = rule("a", "permit (principal is Tool, action, resource);");
    refused(&nothing, &["line 1, column 1: unable to find", "impossible"]);
}

#[test]
fn a_policy_has_a_name_of_its_own_and_a_reason() {
    let body = "permit (principal, action, resource);";
    refused(body, &["line 1, column 1", "@id"]);
    refused(&format!("\n  @id(\"a\")\n  {body}"), &["line 2, column 3", "@reason"]);
    refused(&format!("@id(\"a\") @reason(\" \") {body}"), &["@reason"]);
    refused(&format!("@id(\"a b\") @reason(\"r\") {body}"), &["the id `a b` cannot be used"]);
    let twice = rule("a", body) + &rule("a", body);
    refused(&twice, &["line 3, column 1", "`a` is taken"]);
    for taken in ["not_owner", "approval_needed", "no_policy", "policy_error"] {
        refused(&rule(taken, body), &["is taken"]);
    }
}

#[test]
fn slots_and_odd_characters_are_refused() {
    refused(&rule("a", "permit (principal == ?principal, action, resource);"), &["slots"]);
    refused("permit (principal, action, resource);\0", &["NUL"]);
    let many = "(".repeat(5_000);
    refused(&rule("a", &format!("permit (principal, action, resource) when {{ {many} }};")), &["line"]);
}

#[test]
fn every_problem_is_told_in_the_order_of_the_text() {
    let text = "permit (principal, action, resource);\n\
                @id(\"b\") @reason(\"r\")\npermit (principal, action, resource) when { context.assurance == 2 };\n\
                @id(\"c\") @reason(\"r\")\npermit (principal, action, resource) when { resource.wrong };\n";
    let told = problems(text);
    assert!(told[0].starts_with("line 1,") && told[1].starts_with("line 2,"), "{told:?}");
    assert!(told[2].starts_with("line 5,"), "{told:?}");
}
