//! What the consent page says.

use axum::http::StatusCode;
use axum::response::Response;
use portcullis_oauth::{Form, GrantType, Resource, ScopeSet, Seconds, scopes};
use portcullis_web::Browser;
use portcullis_web::layout::{Chrome, Moment, page};

use super::pending::{Asked, Device, Pending, Redirect, Way};
use crate::Core;
use crate::directory::ConnectionSummary;
use crate::openid;
use crate::page_error::PageError;
use crate::pages::{
    AskingDevice, ClientOrigin as Origin, ConnectionChoice, ConsentPage, Lifetime, Place, PublishingHost,
    RequestingClient, ReturnAddress, ScopeChoice, TargetResource, TargetScopes, ToolGroup,
};
use crate::store::{Client, ClientOrigin, ClientTrust};

/// The connections that this request could reach, as its user has them.
pub(super) async fn connections(core: &Core, pending: &Pending) -> Result<Vec<ConnectionSummary>, PageError> {
    core.connections.connections_of(&pending.user.id).await.map_err(PageError::Internal)
}

/// What can be ticked at one resource: what was asked for, as far as it has a meaning there and the user may give it. The
/// user's permissions are those of our own resources; another server's scopes are its own business, and who they are is always
/// theirs to tell. Administration is given to no client that nobody here vouches for, whoever is asked.
pub(super) fn offered(pending: &Pending, asked: &Asked) -> ScopeSet {
    let own = openid::own(&asked.scope, &asked.resource);
    if !asked.is_ours() {
        return own.intersection(&asked.resource.scopes);
    }
    let may = own.intersection(&pending.user.may());
    let admin = ScopeSet::from_iter(scopes::ADMIN);
    if pending.client.may_administer() { may } else { may.without(&admin) }
}

/// What can be ticked of the sign-in where `UserInfo` is not among the resources; wherever they are, it is one question.
pub(super) fn identity(core: &Core, pending: &Pending) -> ScopeSet {
    if pending.targets.iter().any(|asked| openid::is_userinfo(&asked.resource)) {
        return ScopeSet::default();
    }
    openid::asked(core, &pending.client, &pending.scope())
}

/// Whether the client asks to go on while the person is away (DC-6); wherever it asks, it is one question.
pub(super) fn asks_to_stay(pending: &Pending) -> bool {
    pending.targets.iter().any(|asked| asked.scope.contains(scopes::OFFLINE_ACCESS))
}

/// Why nothing of the API can be allowed.
const ADMINS_ONLY: &str = "Administration can be allowed by administrators alone, and only to applications that an \
                           administrator registered. Nothing else was asked for, so nothing can be allowed here.";

/// The name of the tick boxes of the resource that was named as the `index`th.
pub(super) fn field(index: usize) -> String {
    if index == 0 { "scope".to_owned() } else { format!("scope.{index}") }
}

/// The tick boxes in the order in which people understand them: ours from seeing to managing, another server's as
/// registered.
fn choices(
    core: &Core,
    (pending, asked): (&Pending, &Asked),
    reached: &[&ConnectionSummary],
) -> Vec<ScopeChoice> {
    let offered = offered(pending, asked);
    let own = |scope: &'static str| offered.contains(scope).then(|| choice(core, scope, reached));
    let Some(registered) = &asked.registered else {
        return scopes::MCP.into_iter().chain(scopes::ADMIN).chain(scopes::OPENID).filter_map(own).collect();
    };
    let theirs = registered.what.scopes.iter().filter(|scope| offered.contains(&scope.name));
    theirs.map(|scope| ScopeChoice::described(&scope.name, &scope.about)).collect()
}

/// One resource of the question. Among several, one that cannot be had has no boxes; the rest can be allowed.
fn target(
    core: &Core,
    (pending, index): (&Pending, usize),
    owned: &[ConnectionSummary],
    ticked: impl Fn(&str, &str) -> bool,
) -> TargetScopes {
    let asked = &pending.targets[index];
    let alias = asked.resource.alias.as_ref();
    let reached: Vec<&ConnectionSummary> =
        owned.iter().filter(|summary| alias.is_none_or(|alias| *alias == summary.alias)).collect();
    let missing = alias
        .filter(|_| reached.is_empty())
        .map(|alias| format!("You have no connection named {alias}, so nothing can be allowed here."));
    let field = field(index);
    let mut scopes = choices(core, (pending, asked), &reached);
    for choice in &mut scopes {
        choice.ticked = ticked(&field, &choice.value);
    }
    if missing.is_some() && pending.targets.len() > 1 {
        scopes.clear();
    }
    let missing =
        missing.or_else(|| (asked.is_for_api() && scopes.is_empty()).then(|| ADMINS_ONLY.to_owned()));
    TargetScopes { resource: target_resource(asked), field, scopes, missing }
}

/// What can be told of the person beside the resources: in their list where there is one, else below them all.
fn told(core: &Core, pending: &Pending, ticked: impl Fn(&str, &str) -> bool) -> Vec<ScopeChoice> {
    let identity = identity(core, pending);
    let choice = |scope: &'static str| ScopeChoice {
        ticked: ticked("scope", scope),
        ..ScopeChoice::new(scope, Vec::new())
    };
    scopes::OPENID.into_iter().filter(|scope| identity.contains(scope)).map(choice).collect()
}

/// Shows the question, or shows it again with what was wrong with the last answer.
pub(super) async fn show(
    core: &Core,
    browser: &Browser,
    pending: &Pending,
    last: Option<(&Form, &'static str)>,
) -> Result<Response, PageError> {
    let status = if last.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let ticked =
        |name: &str, value: &str| last.is_none_or(|(form, _)| form.all(name).any(|posted| posted == value));
    let csrf = browser.csrf_token().await?;
    let owned = connections(core, pending).await?;
    let mut targets: Vec<TargetScopes> =
        (0..pending.targets.len()).map(|index| target(core, (pending, index), &owned, ticked)).collect();
    let mut identity = told(core, pending, ticked);
    if let [only] = &mut targets[..] {
        only.scopes.append(&mut identity);
    }
    let stay = asks_to_stay(pending).then(|| ScopeChoice {
        ticked: ticked("scope", scopes::OFFLINE_ACCESS),
        ..ScopeChoice::new(scopes::OFFLINE_ACCESS, Vec::new())
    });
    let all_connections = |asked: &Asked| asked.resource.alias.is_none() && asked.is_for_gateway();
    // Where it is the only thing that is asked for, it is what the page has to say first.
    let missing = targets.first().filter(|_| targets.len() == 1).and_then(|only| only.missing.clone());
    let question = ConsentPage {
        chrome: Chrome::signed_in("Allow access?", &pending.user.email, &csrf),
        csrf,
        request: pending.handle.expose().to_owned(),
        return_to: pending.return_to(),
        client: client(&pending.client),
        sends_to: sends_to(core, pending),
        account: pending.user.email.clone(),
        targets,
        identity,
        stay,
        connections: pending.targets.iter().any(all_connections).then(|| {
            let boxed =
                |summary: &ConnectionSummary| connection(summary, ticked("connection", summary.id.as_str()));
            owned.iter().map(boxed).collect()
        }),
        all_connections: last.is_some() && ticked("all_connections", "yes"),
        lifetime: lifetime(core, pending),
        connect: pending
            .targets
            .first()
            .filter(|_| missing.is_some())
            .and_then(|only| connect(pending, only)),
        error: last.map(|(_, text)| text.to_owned()).or(missing),
    };
    Ok(page(status, &question))
}

/// Where a connection that is asked for and does not exist can be made; from there a browser comes back to this question.
fn connect(pending: &Pending, asked: &Asked) -> Option<String> {
    let alias = asked.resource.alias.as_ref()?;
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("alias", alias.as_str());
    if let Way::Redirect(_) = &pending.way {
        query.append_pair("return_to", &pending.return_to());
    }
    Some(format!("/connect?{}", query.finish()))
}

/// R8707-2.1-3: what access is asked for; for another server its name and its host, which its name cannot belie.
fn target_resource(asked: &Asked) -> TargetResource {
    let Resource { uri, alias, name, .. } = &asked.resource;
    let (name, host) = match (&asked.registered, alias) {
        (Some(_), _) => (name.clone(), Some(uri.authority().to_owned())),
        (None, Some(alias)) => (alias.to_string(), None),
        (None, None) if asked.is_for_gateway() => ("your connections".to_owned(), None),
        (None, None) => (name.clone(), None),
    };
    TargetResource { name, host, uri: uri.to_string() }
}

fn client(client: &Client) -> RequestingClient {
    RequestingClient {
        name: client.metadata.client_name.clone(),
        id: client.id.to_string(),
        origin: match client.origin {
            ClientOrigin::Admin => Origin::Admin,
            ClientOrigin::Dynamic => Origin::SelfRegistered,
            ClientOrigin::Document => Origin::Document(PublishingHost {
                name: client
                    .document_url()
                    .map_or_else(|| client.id.to_string(), |url| url.host().to_owned()),
                approved: client.trust == Some(ClientTrust::Trusted),
                only_local: client.metadata.is_for_this_computer_only(),
            }),
        },
        site: client.metadata.client_uri.as_deref().and_then(|uri| {
            let rest = uri.strip_prefix("https://")?;
            rest.split(['/', '?', '#']).next().map(str::to_owned)
        }),
    }
}

/// MCP-AUTH-24: where the answer goes, as a host or a device that people can judge.
fn sends_to(core: &Core, pending: &Pending) -> ReturnAddress {
    match &pending.way {
        Way::Redirect(redirect) => redirects_to(redirect),
        Way::Device(device) => ReturnAddress { uri: None, place: Place::Device(asking(core, device)) },
    }
}

fn redirects_to(redirect: &Redirect) -> ReturnAddress {
    let uri = redirect.destination.uri();
    let host = redirect.destination.host().to_owned();
    let place = if uri.loopback().is_some() {
        Place::Loopback(host)
    } else if uri.is_native() {
        Place::Scheme(host)
    } else {
        Place::Host(host)
    };
    ReturnAddress { uri: Some(uri.to_string()), place }
}

/// R8628-5.4-1: the code, the place and the time, so that somebody who was sent a link sees that it is not their device.
fn asking(core: &Core, device: &Device) -> AskingDevice {
    AskingDevice {
        code: device.code.shown(),
        address: device.peer.clone(),
        is_near: device.is_near,
        asked: Moment::new(device.asked_at.seconds(), core.clock.now().seconds()),
    }
}

fn choice(core: &Core, scope: &str, reached: &[&ConnectionSummary]) -> ScopeChoice {
    let opened = core.connections.tools_by_scope().into_iter().find(|(name, _)| *name == scope);
    let tools = opened.map(|(_, tools)| tools).filter(|tools| !tools.is_empty()).unwrap_or_default();
    let group = |connection: &&ConnectionSummary| ToolGroup {
        connection: connection.alias.to_string(),
        tools: tools.clone(),
    };
    ScopeChoice::new(scope, if tools.is_empty() { Vec::new() } else { reached.iter().map(group).collect() })
}

fn connection(summary: &ConnectionSummary, ticked: bool) -> ConnectionChoice {
    ConnectionChoice {
        id: summary.id.to_string(),
        alias: summary.alias.to_string(),
        server: summary.server_title.clone(),
        account: Some(summary.account_label.clone()).filter(|label| !label.is_empty()),
        ticked,
    }
}

fn lifetime(core: &Core, pending: &Pending) -> Lifetime {
    let seconds = |life: Seconds| u64::try_from(life.0).unwrap_or(0);
    if pending.client.may_use(GrantType::RefreshToken) {
        Lifetime::Renewed {
            idle: seconds(core.settings.refresh_idle),
            absolute: seconds(core.settings.refresh_absolute),
        }
    } else {
        let life =
            |asked: &Asked| asked.resource.access_token_life.unwrap_or(core.settings.access_token_life);
        // Each of its tokens for its own time: the longest is what the person has to know.
        let longest = pending.targets.iter().map(life).max_by_key(|life| life.0);
        Lifetime::Once { access: seconds(longest.unwrap_or(core.settings.access_token_life)) }
    }
}
