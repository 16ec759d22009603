//! `/policy`: what holds, every version, and the ways to try a text before it bites.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use portcullis_oauth::ClientId;
use portcullis_oauth::scopes::{ADMIN_READ, ADMIN_WRITE};
use portcullis_policy::trial::{Outcome, Trial};
use portcullis_policy::{Origin, PolicySet, Problem as Wrong};
use portcullis_resource_server::{PolicyError, PolicyVersion};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::task::spawn_blocking;

use super::Api;
use super::body::Body;
use super::caller::Caller;
use super::catalogue::sentence;
use super::operation::{Operation, PAGED};
use super::page::Query;
use super::problem::Problem;
use crate::explain::{Asked, ExplainError, Question, Sources};
use crate::shown;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get(("getPolicy", "/policy"), ADMIN_READ, current)
            .says("Show the policy that holds.")
            .gives(200, "Policy"),
        Operation::get(("listPolicyVersions", "/policy/versions"), ADMIN_READ, versions)
            .says("List every version of the policy, the newest first; 0 is the default.")
            .asks(PAGED)
            .gives(200, "PolicyVersionPage"),
        Operation::get(("getPolicyVersion", "/policy/versions/{version}"), ADMIN_READ, version)
            .says("Show one version of the policy.")
            .gives(200, "Policy"),
        Operation::get(("diffPolicy", "/policy/diff"), ADMIN_READ, diff)
            .says("Show what differs between two versions; what is not named is the one that holds.")
            .asks(&["from", "to"])
            .gives(200, "PolicyDifference"),
        Operation::post(("checkPolicy", "/policy/check"), ADMIN_READ, check)
            .says("Check a policy without activating it: everything that is wrong, with its place.")
            .takes("PolicyText")
            .gives(200, "PolicyCheck"),
        Operation::post(("testPolicy", "/policy/test"), ADMIN_READ, test)
            .says("Run cases, as they are kept beside a policy file, under a policy.")
            .takes("PolicyTrial")
            .gives(200, "PolicyOutcomes"),
        Operation::post(("activatePolicy", "/policy/activate"), ADMIN_WRITE, activate)
            .says("Make a text the policy: every node decides by it within a second.")
            .takes("PolicyActivation")
            .gives(201, "PolicyVersion"),
        Operation::post(("rollBackPolicy", "/policy/rollback"), ADMIN_WRITE, roll_back)
            .says("Make an earlier version the policy again, as a new version.")
            .takes("PolicyRollback")
            .gives(201, "PolicyVersion"),
        Operation::post(("explainPolicy", "/policy/explain"), ADMIN_READ, explain)
            .says("Say what would be decided about a call, a prompt, a resource, a list of tools or the management of a connection, and name every rule that took part.")
            .takes("PolicyQuestion")
            .gives(200, "PolicyExplanation"),
    ]
}

async fn current(State(api): State<Api>) -> Result<Json<Value>, Problem> {
    Ok(Json(whole(&api.policies.current().await?)))
}

async fn versions(State(api): State<Api>, query: Query) -> Result<Json<Value>, Problem> {
    let query = query.only(PAGED)?;
    let all = api.policies.list().await?;
    query.page(&all, |version| version.version.to_string(), shown::version).map(Json)
}

async fn version(State(api): State<Api>, Path(number): Path<String>) -> Result<Json<Value>, Problem> {
    Ok(Json(whole(&find(&api, Some(&number)).await?)))
}

async fn diff(State(api): State<Api>, query: Query) -> Result<Json<Value>, Problem> {
    let query = query.only(&["from", "to"])?;
    let from = find(&api, query.text("from")?).await?;
    let to = find(&api, query.text("to")?).await?;
    let name = |version: &PolicyVersion| format!("version {}", version.version);
    let diff = shown::difference((&name(&from), &from.text), (&name(&to), &to.text));
    Ok(Json(json!({ "from": from.version, "to": to.version, "diff": diff })))
}

/// A policy in Cedar's language.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    text: String,
}

/// The answer tells what is wrong; that is what was asked, and no refusal.
async fn check(Body(Text { text }): Body<Text>) -> Result<Json<Value>, Problem> {
    let parsed = aside(move || PolicySet::parse(&text)).await?;
    let told = match parsed {
        Err(problems) => json!({ "problems": listed(&problems), "rules": [] }),
        Ok(set) => {
            let rules = set.rules();
            let own = rules.iter().filter(|rule| rule.origin == Origin::Policy);
            let own: Vec<Value> = own.map(|rule| json!({ "id": rule.id, "reason": rule.reason })).collect();
            json!({ "problems": [], "rules": own })
        }
    };
    Ok(Json(told))
}

/// Cases in TOML, and the policy that they try: the one that holds, unless another is sent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tried {
    cases: String,
    text: Option<String>,
}

async fn test(State(api): State<Api>, Body(tried): Body<Tried>) -> Result<Json<Value>, Problem> {
    let text = match tried.text {
        Some(text) => text,
        None => api.policies.current().await?.text,
    };
    let cases = tried.cases;
    let outcomes: Vec<Outcome> = aside(move || {
        let set = PolicySet::parse(&text).map_err(|problems| invalid(&problems))?;
        let trial = Trial::parse(&cases).map_err(|why| Problem::unfit("cases_invalid", why))?;
        Ok::<_, Problem>(trial.run(&set))
    })
    .await??;
    let passed = outcomes.iter().all(Outcome::passed);
    Ok(Json(json!({ "passed": passed, "items": outcomes.iter().map(shown::outcome).collect::<Vec<_>>() })))
}

/// A policy that is to hold, and why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Activation {
    text: String,
    #[serde(default)]
    note: String,
}

async fn activate(
    State(api): State<Api>,
    caller: Caller,
    Body(new): Body<Activation>,
) -> Result<Response, Problem> {
    let made = api.policies.activate(&new.text, &caller.author(), &new.note).await.map_err(refused)?;
    Ok((StatusCode::CREATED, Json(shown::version(&made))).into_response())
}

/// An earlier version.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Back {
    version: i64,
}

async fn roll_back(
    State(api): State<Api>,
    caller: Caller,
    Body(back): Body<Back>,
) -> Result<Response, Problem> {
    let made = api.policies.roll_back(back.version, &caller.author()).await.map_err(refused)?;
    Ok((StatusCode::CREATED, Json(shown::version(&made))).into_response())
}

/// What is to be explained: of the last five, one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Questioned {
    user: String,
    client: Option<String>,
    connection: String,
    arguments: Option<Map<String, Value>>,
    tool: Option<String>,
    prompt: Option<String>,
    resource: Option<String>,
    #[serde(default)]
    list: bool,
    #[serde(default)]
    manage: bool,
}

impl Questioned {
    fn question(self) -> Result<Question, Problem> {
        let Self { user, client, connection, arguments, tool, prompt, resource, list, manage } = self;
        let has_arguments = arguments.is_some();
        let asked = match (tool, prompt, resource, list, manage) {
            (Some(name), None, None, false, false) => Asked::Tool(name, arguments.unwrap_or_default()),
            (None, Some(name), None, false, false) => Asked::Prompt(name, arguments.unwrap_or_default()),
            (None, None, Some(uri), false, false) if !has_arguments => Asked::Resource(uri),
            (None, None, None, true, false) if !has_arguments => Asked::List,
            (None, None, None, false, true) if !has_arguments => Asked::Manage,
            _ => {
                let told = "Ask about one tool, prompt, resource, list or manage; arguments go with a tool or a prompt.";
                return Err(Problem::unfit("question_invalid", told));
            }
        };
        Ok(Question { user, client: client.map(ClientId::from), connection, asked })
    }
}

async fn explain(State(api): State<Api>, Body(asked): Body<Questioned>) -> Result<Json<Value>, Problem> {
    let question = asked.question()?;
    let sources = Sources {
        users: api.authorization.users(),
        groups: &api.groups,
        clients: api.authorization.clients(),
        connections: api.gateway.connections(),
        blocks: &api.blocks,
        pins: api.gateway.pins(),
        servers: api.enrolment.servers(),
        policies: &api.policies,
        gateway: api.registry.public_url(),
    };
    let (policy, told) = sources.explain(&question, api.clock.now()).await.map_err(|error| match error {
        ExplainError::Database(error) => error.into(),
        error @ ExplainError::NotUnderstood(..) => {
            Problem::conflict("policy_not_understood", sentence(&error))
        }
        error => Problem::unfit("call_unknown", sentence(&error)),
    })?;
    Ok(Json(shown::explanation(&policy, &told)))
}

/// A version, or the one that holds.
async fn find(api: &Api, number: Option<&str>) -> Result<PolicyVersion, Problem> {
    let Some(number) = number else { return Ok(api.policies.current().await?) };
    let unknown = || Problem::missing("version_unknown", "There is no such version of the policy.");
    let number = number.parse().map_err(|_| unknown())?;
    api.policies.find(number).await?.ok_or_else(unknown)
}

fn whole(version: &PolicyVersion) -> Value {
    let mut told = shown::version(version);
    told["text"] = Value::from(version.text.as_str());
    told
}

fn listed(problems: &[Wrong]) -> Vec<Value> {
    problems.iter().map(shown::problem).collect()
}

fn invalid(problems: &[Wrong]) -> Problem {
    let told = format!("The policy has {} problem(s), so it cannot be used.", problems.len());
    Problem::unfit("policy_invalid", told).with_errors(Value::from(listed(problems)))
}

fn refused(error: PolicyError) -> Problem {
    match error {
        PolicyError::Invalid(problems) => invalid(&problems),
        PolicyError::Database(error) => error.into(),
        PolicyError::Raced => {
            Problem::conflict("policy_raced", "Somebody else activated a policy at the same moment.")
        }
        PolicyError::Unknown(_) => {
            Problem::missing("version_unknown", "There is no such version of the policy.")
        }
        error @ PolicyError::Note => Problem::unfit("note_invalid", sentence(&error)),
    }
}

/// In a thread that may take its time: a thousand policies take a while.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    spawn_blocking(work).await.map_err(|error| Problem::inside(&error))
}
