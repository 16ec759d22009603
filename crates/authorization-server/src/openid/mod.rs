//! OpenID Connect, where it is on: who signed in, told to a client.
//!
//! Owns the scopes `openid profile email`, what a request says of the sign-in itself, ID tokens, `UserInfo`, and signing
//! out at a client's wish with the notices to all clients of the session. Leaves codes, tokens and consent to the
//! endpoints that have them anyway.
//!
//! `UserInfo` is a resource of its own, `{public_url}/oauth/userinfo`. A token has one audience (R8707-2.2-1,
//! MCP-AUTH-6), so a token for an MCP server opens nothing here, and no server that is shown one turns it into a name and
//! an address. A request that names no resource and asks for nothing but a sign-in is for this resource: what OpenID
//! clients send, and their access token opens `UserInfo`. Where `openid` stands beside the scopes of another resource, the
//! access token is for that one, who signed in is told by the ID token, and the grant reaches `UserInfo` too: a code or a
//! refresh that names it gets a token for it. It may also stand among several resources by its own name; either way who
//! signs in is asked once.

mod client;
mod end_session;
mod identity;
mod notices;
mod request;
mod userinfo;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use portcullis_database::{DatabaseError, Transaction};
use portcullis_oauth::{
    Form, GrantId, OpenIdMetadata, PublicUrl, Resource, ResourceUri, ScopeSet, TokenFormat, scopes,
};
use portcullis_web::SignedIn;

pub(crate) use self::client::judge as judge_registration;
pub(crate) use self::identity::Identity;
pub(crate) use self::notices::{deliver, session_over};
pub(crate) use self::request::{OpenIdRequest, SignInDemand};
use crate::Core;
use crate::store::{self, Client, Target, Targets};

/// What programs call.
pub(crate) fn protocol() -> Router<Arc<Core>> {
    Router::new().route("/oauth/userinfo", get(userinfo::endpoint).post(userinfo::endpoint))
}

/// What people see.
pub(crate) fn pages() -> Router<Arc<Core>> {
    Router::new()
        .route("/oauth/logout", get(end_session::by_get).post(end_session::by_post))
        .route("/oauth/logout/answer", post(end_session::answer))
}

/// `UserInfo` as a resource. `None` for a public URL that makes no identifier.
pub(crate) fn userinfo(public_url: &PublicUrl) -> Option<Resource> {
    Some(Resource {
        uri: ResourceUri::parse(&OpenIdMetadata::userinfo(public_url)).ok()?,
        name: "your account".to_owned(),
        alias: None,
        scopes: all(),
        default_scopes: ScopeSet::from_iter([scopes::IDENTITY]),
        token_format: TokenFormat::Opaque,
        access_token_life: None,
    })
}

/// Whether a resource is `UserInfo`: no other one can have its scopes.
pub(crate) fn is_userinfo(resource: &Resource) -> bool {
    resource.scopes.contains(scopes::IDENTITY)
}

/// Every scope of a sign-in.
pub(crate) fn all() -> ScopeSet {
    ScopeSet::from_iter(scopes::OPENID)
}

/// Without `openid` the others mean nothing (OpenID Connect Core §3.1.2.1, §5.4).
pub(crate) fn whole(scopes: ScopeSet) -> ScopeSet {
    if scopes.contains(scopes::IDENTITY) { scopes } else { scopes.without(&all()) }
}

/// `UserInfo`, where it is on and this client may reach it: whom an admin limited to other resources learns of nobody (A28).
pub(super) fn reached<'a>(core: &'a Core, client: &Client) -> Option<&'a Resource> {
    core.resources.userinfo().filter(|userinfo| client.may_reach(&userinfo.uri))
}

/// What of a request's scopes asks who signs in; nothing where that is off (DC-5).
pub(crate) fn asked(core: &Core, client: &Client, scopes: &ScopeSet) -> ScopeSet {
    match reached(core, client) {
        Some(_) => whole(scopes.clone()).intersection(&all()),
        None => ScopeSet::default(),
    }
}

/// Whether a request asks for nothing but a sign-in.
pub(crate) fn is_sign_in(form: &Form) -> bool {
    let asked = form.one("scope").ok().flatten().and_then(|text| ScopeSet::parse(text).ok());
    let sign_in = all().union(&ScopeSet::from_iter([scopes::OFFLINE_ACCESS]));
    asked.is_some_and(|asked| asked.contains(scopes::IDENTITY) && asked.is_subset(&sign_in))
}

/// What of the scopes that were asked for beside a resource belongs to it: the rest is `UserInfo`'s (R9068-2.2.3-1).
pub(crate) fn own(asked: &ScopeSet, resource: &Resource) -> ScopeSet {
    asked.without(&all().without(&resource.scopes))
}

/// `UserInfo` as what a grant reaches beside the resources that were asked for, if it was ticked there that the client may
/// learn who signed in.
pub(crate) fn beside(core: &Core, client: &Client, ticked: &ScopeSet) -> Option<Target> {
    let scope = asked(core, client, ticked);
    let userinfo = reached(core, client).filter(|_| !scope.is_empty())?;
    Some(Target { resource: userinfo.uri.clone(), scope })
}

/// Notes with a grant when and in which session its person signed in, if it reaches `UserInfo`.
pub(crate) async fn record_in(
    core: &Core,
    transaction: &mut Transaction,
    grant: &GrantId,
    (targets, sign_in): (&Targets, &SignedIn),
) -> Result<(), DatabaseError> {
    match core.resources.userinfo() {
        Some(userinfo) if targets.iter().any(|target| target.resource == userinfo.uri) => {
            store::record_sign_in_in(transaction, grant, sign_in).await
        }
        _ => Ok(()),
    }
}
