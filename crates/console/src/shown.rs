//! The shapes in which programs read what this server knows: the same from the API and from commands with `--json`.
//!
//! Owns members and their names, which stay as they are across releases. Secrets have no shape here.

use portcullis_authorization_server::{Attempt, AttemptLeg, AttemptStep, AttemptSummary, Reason};
use portcullis_oauth::Timestamp;
use portcullis_policy::trial::Outcome;
use portcullis_policy::{Decision, Effect, Explanation, Part, Problem};
use portcullis_resource_server::catalogue::{NewTools, Server, ServerKind, Visibility};
use portcullis_resource_server::{Authorized, BlockedAt, Connection, PolicyVersion, ToolBlock};
use portcullis_web::layout::Moment;
use serde_json::{Value, json};
use similar::TextDiff;

/// A point in time as RFC 3339.
#[must_use]
pub fn time(at: Timestamp) -> String {
    Moment::new(at.seconds(), at.seconds()).exact
}

/// A server of the catalogue.
#[must_use]
pub fn server(server: &Server) -> Value {
    let mut value = json!({
        "slug": server.slug,
        "title": server.title,
        "kind": server.kind.as_str(),
        "private_network": server.private_network,
        "auth": server.auth.iter().map(|kind| kind.as_str()).collect::<Vec<_>>(),
        "header": format!("{}: {}", server.header.name, server.header.format),
        "parameters": server.parameters,
        "new_tools": server.new_tools.as_str(),
        "relays": server.relays.words(),
        "disabled_at": server.disabled_at.map(time),
    });
    let more = match &server.kind {
        ServerKind::Http { url, legacy_sse } => json!({ "url": url, "legacy_sse": legacy_sse }),
        ServerKind::Stdio(template) => json!({ "template": template }),
        ServerKind::Sandbox => json!({}),
    };
    if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
        value.extend(more);
        if let Visibility::Listed(users) = &server.visible_to {
            value.insert("users".to_owned(), json!(users));
        }
    }
    value
}

/// What a person sees of a server that they could connect to: never where it runs.
#[must_use]
pub fn offered(server: &Server) -> Value {
    json!({
        "slug": server.slug,
        "title": server.title,
        "kind": server.kind.as_str(),
        "auth": server.auth.iter().map(|kind| kind.as_str()).collect::<Vec<_>>(),
        "header": server.header.name,
        "parameters": server.parameters.iter().map(|parameter| json!({
            "name": parameter.name, "about": parameter.about, "secret": parameter.secret, "required": parameter.required,
        })).collect::<Vec<_>>(),
    })
}

/// A connection.
#[must_use]
pub fn connection(connection: &Connection) -> Value {
    json!({
        "id": connection.id,
        "principal_id": connection.principal_id,
        "alias": connection.alias,
        "server": connection.server,
        "server_kind": connection.server_kind,
        "label": connection.label,
        "auth": connection.auth.as_str(),
        "settings": connection.settings,
        "credential_version": connection.credential_version,
        "new_tools": connection.rules.new_tools.map(NewTools::as_str),
        "arguments": connection.rules.arguments.as_str(),
        "status": connection.status.as_str(),
        "status_code": connection.status_code,
        "status_reason": connection.status_reason,
        "since": time(connection.since),
        "last_error": connection.last_error,
        "last_error_at": connection.last_error_at.map(time),
        "revision": connection.revision,
        "tested_at": connection.tested_at.map(time),
        "last_used_at": connection.last_used_at.map(time),
        "created_at": time(connection.created_at),
    })
}

/// A connection by itself, with what is known of its authorization at its server.
#[must_use]
pub fn whole_connection(connection: &Connection, facts: Option<&Authorized>) -> Value {
    let mut value = self::connection(connection);
    value["authorization"] = facts.map_or(Value::Null, |facts| {
        json!({
            "issuer": facts.issuer,
            "requested": facts.requested,
            "granted": facts.granted,
            "wanted": facts.wanted,
            "obtained_at": time(facts.obtained_at),
        })
    });
    value
}

/// A version of the policy, without its text.
#[must_use]
pub fn version(version: &PolicyVersion) -> Value {
    json!({
        "version": version.version, "author": version.author, "note": version.note,
        "created_at": time(version.created_at),
    })
}

/// What is wrong with a policy, and where.
#[must_use]
pub fn problem(problem: &Problem) -> Value {
    json!({
        "line": problem.line, "column": problem.column, "message": problem.message, "hint": problem.hint,
    })
}

/// How a case beside a policy went.
#[must_use]
pub fn outcome(outcome: &Outcome) -> Value {
    json!({
        "name": outcome.name, "passed": outcome.passed(), "rule": outcome.decision.rule().id, "wrong": outcome.wrong,
    })
}

/// What differs between two texts, in the unified form; nothing where they are the same.
#[must_use]
pub fn difference((from, old): (&str, &str), (to, new): (&str, &str)) -> String {
    if old == new {
        return String::new();
    }
    TextDiff::from_lines(old, new).unified_diff().header(from, to).to_string()
}

/// What would be decided under a version, and by which rules.
#[must_use]
pub fn explanation(version: &PolicyVersion, told: &Explanation) -> Value {
    let rule = told.decision.rule();
    json!({
        "version": version.version,
        "decision": verdict(&told.decision),
        "rule": rule.id,
        "reason": rule.reason,
        "parts": told.parts.iter().map(part).collect::<Vec<_>>(),
        "failure": told.failure,
    })
}

/// A decision in two words.
#[must_use]
pub fn verdict(decision: &Decision) -> String {
    match decision {
        Decision::Allow { .. } => "allow".to_owned(),
        Decision::NeedsAssurance { level, .. } => format!("needs {}", level.level()),
        Decision::Deny { .. } => "deny".to_owned(),
    }
}

/// What a rule does where it holds.
#[must_use]
pub fn effect(part: &Part) -> &'static str {
    match part.rule.effect {
        Effect::Permit => "permit",
        Effect::Forbid => "forbid",
    }
}

fn part(part: &Part) -> Value {
    json!({
        "rule": part.rule.id,
        "effect": effect(part),
        "reason": part.rule.reason,
        "assurances": part.applies.iter().map(|level| level.level()).collect::<Vec<_>>(),
        "failure": part.failure,
    })
}

/// A blocked tool.
#[must_use]
pub fn block(block: &ToolBlock) -> Value {
    let (server, connection) = match &block.at {
        BlockedAt::Anywhere => (None, None),
        BlockedAt::Server(name) => (Some(name), None),
        BlockedAt::Connection(id) => (None, Some(id)),
    };
    json!({
        "tool": block.tool, "at": block.at.in_words(), "server": server, "connection": connection,
        "author": block.author, "note": block.note, "created_at": time(block.created_at),
    })
}

/// An authorization attempt, as lists show it.
#[must_use]
pub fn attempt(attempt: &AttemptSummary) -> Value {
    json!({
        "id": attempt.id,
        "began_at": time(attempt.began_at),
        "last_at": time(attempt.last_at),
        "client_id": attempt.client_id,
        "client_name": attempt.client_name,
        "user": attempt.user,
        "outcome": attempt.outcome.as_str(),
        "reason": attempt.reason.map(Reason::as_str),
        "requests": attempt.legs,
    })
}

/// An authorization attempt, step by step.
#[must_use]
pub fn whole_attempt(attempt: &Attempt) -> Value {
    let step = |step: &AttemptStep| {
        json!({
            "step": step.step.as_str(),
            "expected": step.expected,
            "got": step.got,
            "verdict": if step.reason.is_some() { "refused" } else { "ok" },
            "reason": step.reason.map(Reason::as_str),
        })
    };
    let leg = |leg: &AttemptLeg| {
        json!({
            "at": time(leg.at),
            "request": leg.stage.as_str(),
            "outcome": leg.outcome.as_str(),
            "request_id": leg.trace_id,
            "steps": leg.steps.iter().map(step).collect::<Vec<_>>(),
        })
    };
    let mut value = self::attempt(&attempt.summary);
    if let Some(members) = value.as_object_mut() {
        members.insert("requests".to_owned(), attempt.legs.iter().map(leg).collect());
        members.insert("advice".to_owned(), attempt.advice().into());
    }
    value
}
