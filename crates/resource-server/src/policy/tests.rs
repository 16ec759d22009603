//! The gate, rule by rule.

use std::collections::BTreeMap;

use portcullis_oauth::scopes::{TOOLS_EXECUTE, TOOLS_READ};
use portcullis_oauth::{
    Alias, ClientId, ConnectionId, GrantId, GrantedConnections, Principal, PrincipalId, PrincipalKind,
    ResourceUri, Secret, Timestamp,
};
use portcullis_policy::PolicySet;
use serde_json::{Value, json};

use super::*;
use crate::catalogue::AuthKind;
use crate::connections::{ConnectionStatus, Rules};
use crate::errand::{Errand, Extras, Params};
use crate::offer::Listing;
use crate::pins::Pinned;

const NOW: Timestamp = Timestamp::from_micros(0);

fn connection(owner: &PrincipalId, server: &str) -> Connection {
    Connection {
        id: ConnectionId::generate(),
        principal_id: owner.clone(),
        alias: Alias::parse("sandbox").unwrap(),
        server: server.to_owned(),
        server_title: server.to_owned(),
        server_kind: "sandbox".to_owned(),
        label: String::new(),
        auth: AuthKind::None,
        credential_version: 1,
        settings: BTreeMap::new(),
        status: ConnectionStatus::Active,
        status_code: None,
        status_reason: None,
        since: NOW,
        last_error: None,
        last_error_at: None,
        revision: None,
        tested_at: None,
        last_used_at: None,
        rules: Rules::default(),
        created_at: NOW,
    }
}

fn bearer(
    who: &PrincipalId,
    permissions: &[&str],
    scope: &[&str],
    reach: GrantedConnections,
) -> VerifiedBearer {
    let principal =
        Principal { id: who.clone(), permissions: permissions.iter().copied().collect(), groups: Vec::new() };
    VerifiedBearer::attest(
        Secret::presented("t").hash(),
        ResourceUri::parse("https://h/mcp").unwrap(),
        NOW,
        (principal, ClientId::generate(), GrantId::generate()),
        (scope.iter().copied().collect(), reach),
    )
}

/// A tool as a list describes it, accepted as it is.
fn tool(name: &str, annotations: &Value) -> std::sync::Arc<Offer> {
    pinned(name, annotations, Pinned { pin: Pin::Active, reviewed: false })
}

fn pinned(name: &str, annotations: &Value, pinned: Pinned) -> std::sync::Arc<Offer> {
    let described = json!({"name": name, "inputSchema": {"type": "object"}, "annotations": annotations});
    let listing = Listing::read(Kind::Tools, &Alias::parse("x").unwrap(), vec![described]);
    listing.pinned(|_| pinned).find(true, name).unwrap()
}

/// The default policy in force.
fn default() -> Arc<InForce> {
    Arc::new(InForce {
        version: 0,
        set: PolicySet::parse(portcullis_policy::DEFAULT).unwrap(),
        blocked: super::blocks::Blocked::default(),
    })
}

fn ground(
    policy: &Arc<InForce>,
    bearer: &VerifiedBearer,
    (connection, trust): (Connection, Trust),
) -> Ground {
    Ground::new(Arc::clone(policy), bearer.clone(), (Arc::new(connection), trust))
}

fn decided(bearer: &VerifiedBearer, connection: Connection, trust: Trust, tool: &Offer) -> &'static str {
    let errand = Errand::Tool { name: tool.key.clone(), arguments: Params::new() };
    let ground = ground(&default(), bearer, (connection, trust));
    match decide(&ground, ground.listed((Kind::Tools, tool)), (errand, Extras::default()), NOW) {
        Ok(Ruling::Permitted(..)) => "permitted",
        Ok(Ruling::Needs(need, _)) if need.level == Assurance::Session => "needs 2",
        Ok(Ruling::Needs(..)) => "needs another level",
        Err(denial) => denial.reason,
    }
}

fn exists(bearer: &VerifiedBearer, connection: &Connection, trust: Trust, tool: &Offer) -> bool {
    let ground = ground(&default(), bearer, (connection.clone(), trust));
    ground.could_pass(&ground.listed((Kind::Tools, tool)))
}

fn reason(bearer: &VerifiedBearer, connection: Connection, name: &str) -> &'static str {
    let trust = if connection.server == "sandbox" { Trust::Sandbox } else { Trust::None };
    decided(bearer, connection, trust, &tool(name, &json!({})))
}

/// Every rule by itself, and the default
#[test]
fn nothing_is_permitted_unless_every_rule_lets_it_and_one_says_so() {
    let (alice, bob) =
        (PrincipalId::generate(PrincipalKind::User), PrincipalId::generate(PrincipalKind::User));
    let all = [TOOLS_READ, TOOLS_EXECUTE];
    let full = bearer(&alice, &all, &all, GrantedConnections::All);
    let sandbox = connection(&alice, "sandbox");
    assert_eq!(reason(&full, sandbox.clone(), "echo"), "permitted");
    assert_eq!(reason(&full, sandbox.clone(), "send_message"), "needs 2");
    assert_eq!(reason(&full, sandbox.clone(), "format_disk"), "quarantined");
    assert_eq!(reason(&full, connection(&alice, "elsewhere"), "echo"), "removed");
    assert_eq!(reason(&full, connection(&bob, "sandbox"), "echo"), "not_owner");
    let named = bearer(&alice, &all, &all, GrantedConnections::Named(vec![ConnectionId::generate()]));
    assert_eq!(reason(&named, sandbox.clone(), "echo"), "connection_not_granted");
    // SBP-10
    let demoted = bearer(&alice, &[TOOLS_READ], &all, GrantedConnections::All);
    assert_eq!(reason(&demoted, sandbox.clone(), "echo"), "permission_missing");
    let reader = bearer(&alice, &all, &[TOOLS_READ], GrantedConnections::All);
    assert_eq!(reason(&reader, sandbox, "echo"), "scope_missing");
}

/// TOOL-1: a reader sees what a step-up would open, and nobody sees what nothing would
#[test]
fn a_tool_exists_for_whom_any_call_of_it_could_pass() {
    let alice = PrincipalId::generate(PrincipalKind::User);
    let sandbox = connection(&alice, "sandbox");
    let all = [TOOLS_READ, TOOLS_EXECUTE];
    let reader = bearer(&alice, &all, &[TOOLS_READ], GrantedConnections::All);
    let exists = |bearer: &VerifiedBearer, name: &str| {
        exists(bearer, &sandbox, Trust::Sandbox, &tool(name, &json!({})))
    };
    assert!(exists(&reader, "echo"));
    assert!(exists(&reader, "send_message"));
    assert!(!exists(&reader, "format_disk"));
    let demoted = bearer(&alice, &[TOOLS_READ], &all, GrantedConnections::All);
    assert!(!exists(&demoted, "echo"));
}

/// TOOL-2: what is remembered of one caller and one thing is told to no other, nor of another thing
#[test]
fn a_remembered_verdict_is_only_of_whom_and_what_it_was_about() {
    let (alice, bob) =
        (PrincipalId::generate(PrincipalKind::User), PrincipalId::generate(PrincipalKind::User));
    let all = [TOOLS_READ, TOOLS_EXECUTE];
    let (sandbox, policy) = (connection(&alice, "sandbox"), default());
    let exists = |bearer: &VerifiedBearer, name: &str| {
        let ground = ground(&policy, bearer, (sandbox.clone(), Trust::Sandbox));
        ground.could_pass(&ground.listed((Kind::Tools, &tool(name, &json!({})))))
    };
    let hers = bearer(&alice, &all, &all, GrantedConnections::All);
    let demoted = bearer(&alice, &[TOOLS_READ], &all, GrantedConnections::All);
    let named = bearer(&alice, &all, &all, GrantedConnections::Named(vec![ConnectionId::generate()]));
    let his = bearer(&bob, &all, &all, GrantedConnections::All);
    for _ in 0..2 {
        assert!(exists(&hers, "echo"));
        assert!(!exists(&hers, "format_disk"));
        assert!(!exists(&demoted, "echo"));
        assert!(!exists(&named, "echo"));
        assert!(!exists(&his, "echo"));
    }
}

/// TOOL-8, T30: what an admin said of the server and the words of the name decide; hints raise and never lower
#[test]
fn hints_of_an_upstream_allow_nothing() {
    let alice = PrincipalId::generate(PrincipalKind::User);
    let all = [TOOLS_READ, TOOLS_EXECUTE];
    let full = bearer(&alice, &all, &all, GrantedConnections::All);
    let harmless = json!({"readOnlyHint": true, "destructiveHint": false});
    let harmful = json!({"destructiveHint": true});
    for (name, hints, reading, everything) in [
        ("get_user", json!({}), "permitted", "permitted"),
        ("get_user", json!({"title": "Get"}), "permitted", "permitted"),
        ("get_user", harmless.clone(), "permitted", "permitted"),
        ("get_user", harmful.clone(), "needs 2", "needs 2"),
        ("get_user", json!({"readOnlyHint": false, "destructiveHint": false}), "needs 2", "permitted"),
        ("frobnicate", harmless.clone(), "needs 2", "permitted"),
        ("frobnicate", json!({"readOnlyHint": false}), "needs 2", "needs 2"),
        ("delete_repo", harmless, "needs 2", "needs 2"),
    ] {
        let (tool, there) = (tool(name, &hints), connection(&alice, "elsewhere"));
        assert_eq!(decided(&full, there.clone(), Trust::Reading, &tool), reading, "{name} {hints}");
        assert_eq!(decided(&full, there.clone(), Trust::All, &tool), everything, "{name} {hints}");
        let waiting = pinned(name, &hints, Pinned::default());
        assert_eq!(decided(&full, there.clone(), Trust::Quarantine, &waiting), "quarantined");
        assert_eq!(decided(&full, there.clone(), Trust::None, &tool), "removed");
        assert!(!exists(&full, &there, Trust::Quarantine, &waiting));
        assert!(exists(&full, &there, Trust::Reading, &tool));
    }
}

/// T27: what changed is forbidden by the policy itself, whatever the trust; what a person reviewed needs no approval for being
/// unknown, and still one for what it does
#[test]
fn a_pin_decides_for_every_trust() {
    let alice = PrincipalId::generate(PrincipalKind::User);
    let all = [TOOLS_READ, TOOLS_EXECUTE];
    let full = bearer(&alice, &all, &all, GrantedConnections::All);
    let there = connection(&alice, "elsewhere");
    let stands = |name, pin, reviewed, trust| {
        let tool = pinned(name, &json!({}), Pinned { pin, reviewed });
        decided(&full, there.clone(), trust, &tool)
    };
    for trust in [Trust::Quarantine, Trust::Reading, Trust::All] {
        assert_eq!(stands("get_user", Pin::Changed, true, trust), "changed");
        assert_eq!(stands("get_user", Pin::New, false, trust), "quarantined");
        assert_eq!(stands("get_user", Pin::Active, true, trust), "permitted");
        assert_eq!(stands("frobnicate", Pin::Active, true, trust), "permitted");
        assert_eq!(stands("delete_repo", Pin::Active, true, trust), "needs 2");
    }
    assert_eq!(stands("frobnicate", Pin::Active, false, Trust::Reading), "needs 2");
}
