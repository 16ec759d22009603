//! What waits for an answer: a request of the authorization endpoint or of a device, with everybody whom it concerns.

use portcullis_oauth::{
    ClientId, CodeChallenge, Destination, Form, JwkThumbprint, Resource, ScopeSet, Secret, SecretKind,
    Timestamp, UserCode, scopes,
};
use portcullis_web::{Browser, Peer, SignedIn};

use super::{changed, gone};
use crate::Core;
use crate::attempt::{self, AttemptId, Reason, Step};
use crate::openid;
use crate::page_error::PageError;
use crate::signed_in::sign_in;
use crate::store::{Client, RegisteredResource, Target, Targets, User};

/// A request that waits.
pub(super) struct Pending {
    pub(super) handle: Secret,
    pub(super) mark: String,
    pub(super) client: Client,
    pub(super) user: User,
    /// When and in which session they signed in.
    pub(super) sign_in: SignedIn,
    /// What it is for, the first first; never empty.
    pub(super) targets: Vec<Asked>,
    pub(super) way: Way,
    /// The attempt that it is part of.
    pub(super) attempt: Option<AttemptId>,
}

/// One resource that is asked for.
pub(super) struct Asked {
    pub(super) resource: Resource,
    /// How its server is registered; `None` for our own gateway and for `UserInfo`.
    pub(super) registered: Option<RegisteredResource>,
    /// What is asked for there; the first may have beside it what is asked of the sign-in.
    pub(super) scope: ScopeSet,
}

impl Asked {
    /// Whether connections play a part: they are our own gateway's.
    pub(super) fn is_for_gateway(&self) -> bool {
        self.is_ours() && !self.is_for_api()
    }

    /// Whether it is the API, where administrators have scopes that nobody else has.
    pub(super) fn is_for_api(&self) -> bool {
        self.is_ours() && self.resource.scopes.contains(scopes::ADMIN_READ)
    }

    /// Whether what its scopes open is bounded by the user's own permissions: those of our own resources.
    pub(super) fn is_ours(&self) -> bool {
        self.registered.is_none() && !openid::is_userinfo(&self.resource)
    }
}

/// Where the answer goes.
pub(super) enum Way {
    /// Back to the client, with this browser (OAuth 2.1 §4.1.2).
    Redirect(Redirect),
    /// To a device that asks for it again and again (RFC 8628 §3.3).
    Device(Device),
}

/// A redirect, proven again.
pub(super) struct Redirect {
    pub(super) destination: Destination,
    pub(super) state: Option<String>,
    pub(super) code_challenge: CodeChallenge,
    pub(super) nonce: Option<String>,
    pub(super) dpop_jkt: Option<JwkThumbprint>,
}

/// A device, as a person can tell it from another one (R8628-5.4-1).
pub(super) struct Device {
    pub(super) code: UserCode,
    pub(super) peer: String,
    pub(super) asked_at: Timestamp,
    /// It asked from the network address from which the person answers.
    pub(super) is_near: bool,
}

/// What a handle turns out to be.
pub(super) enum Found {
    Pending(Box<Pending>),
    /// Nobody is signed in, no longer may be, or proved who they are longer ago than the request accepts (OIDC-C-3-1).
    SignInFirst(String),
}

impl Pending {
    /// Every scope that is asked for, wherever.
    pub(super) fn scope(&self) -> ScopeSet {
        self.targets.iter().fold(ScopeSet::default(), |all, target| all.union(&target.scope))
    }

    /// Where another account of the same person would go on.
    pub(super) fn return_to(&self) -> String {
        match self.way {
            Way::Redirect(_) => consent_url(&self.handle),
            // Another account has to type the code itself (A48).
            Way::Device(_) => "/device".to_owned(),
        }
    }
}

/// Everything is read again from the server's row and proven again: nothing of the request travels through the browser
/// but its handle.
pub(super) async fn find(
    core: &Core,
    (browser, peer): (&Browser, Peer),
    form: &Form,
) -> Result<Found, PageError> {
    let handle = Secret::presented(form.one("request").ok().flatten().ok_or_else(gone)?);
    if handle.expose().starts_with(SecretKind::DeviceRequest.prefix()) {
        return find_device(core, (browser, peer), handle).await;
    }
    let (mark, now) = (browser.mark().await?, core.clock.now());
    let Some(request) = core.requests.find(&handle, &mark, now).await? else {
        return Err(over(core, &handle).await?);
    };
    attempt::joins(request.attempt.as_ref());
    attempt::client(&request.client_id, false);
    let client = client(core, &request.client_id).await?;
    // CIMD-6.3-1: what was asked about is what is answered; a client that became another meanwhile asks again.
    if request.client_fingerprint.as_ref().is_some_and(|asked| *asked != client.metadata.fingerprint()) {
        return Err(changed());
    }
    let destination = Destination::prove(&client.metadata.redirect_uris, Some(&request.redirect_uri))
        .map_err(|_| gone())?;
    let found = sign_in(core, browser).await?;
    let Some((user, sign_in)) = found.filter(|(_, sign_in)| request.demand.is_met(sign_in, now)) else {
        return Ok(Found::SignInFirst(consent_url(&handle)));
    };
    let targets = asked(core, &request.targets()?).await?;
    let (state, code_challenge) = (request.state, request.code_challenge);
    let (nonce, dpop_jkt) = (request.nonce, request.dpop_jkt);
    let way = Way::Redirect(Redirect { destination, state, code_challenge, nonce, dpop_jkt });
    let pending = Pending { handle, mark, client, user, sign_in, targets, way, attempt: request.attempt };
    Ok(Found::Pending(Box::new(pending)))
}

async fn find_device(
    core: &Core,
    (browser, peer): (&Browser, Peer),
    handle: Secret,
) -> Result<Found, PageError> {
    let mark = browser.mark().await?;
    let Some((user, sign_in)) = sign_in(core, browser).await? else {
        return Ok(Found::SignInFirst("/device".to_owned()));
    };
    let claimed = core.devices.find_claimed(&handle, (&mark, &user.id), core.clock.now()).await?;
    let claimed = claimed.ok_or_else(gone)?;
    attempt::joins(claimed.attempt.as_ref());
    attempt::client(&claimed.client_id, false);
    let client = client(core, &claimed.client_id).await?;
    let targets = asked(core, &claimed.targets()?).await?;
    let way = Way::Device(Device {
        code: claimed.user_code(&handle).ok_or_else(gone)?,
        is_near: claimed.peer == peer.to_string(),
        peer: claimed.peer,
        asked_at: claimed.created_at,
    });
    let pending = Pending { handle, mark, client, user, sign_in, targets, way, attempt: claimed.attempt };
    Ok(Found::Pending(Box::new(pending)))
}

/// Why nothing of this handle can be answered here; the person is told no more than that it is over.
async fn over(core: &Core, handle: &Secret) -> Result<PageError, PageError> {
    if let Some(over) = core.requests.why_not(handle, core.clock.now()).await? {
        attempt::joins(over.attempt.as_ref());
        let (reason, got) = if over.in_time {
            (Reason::OtherBrowser, "another one, or its cookie is lost")
        } else {
            (Reason::RequestOver, "the same, too late or again")
        };
        attempt::refused(
            (Step::Session, reason),
            "the browser that began it, once, within half an hour",
            got,
        );
    }
    Ok(gone())
}

/// What is asked for, as it is now. A resource that was removed meanwhile is nothing that could be allowed, and never
/// another one.
async fn asked(core: &Core, targets: &Targets) -> Result<Vec<Asked>, PageError> {
    let mut all = Vec::new();
    for Target { resource: uri, scope } in targets.iter() {
        let resource = core.resources.find(uri).await?.ok_or_else(|| {
            attempt::refused((Step::Resource, Reason::ResourceGone), "a resource of this server", uri);
            gone()
        })?;
        let registered = core.resources.registered(uri).await?;
        all.push(Asked { resource, registered, scope: scope.clone() });
    }
    Ok(all)
}

async fn client(core: &Core, id: &ClientId) -> Result<Client, PageError> {
    let found = core.clients.find(id).await?;
    attempt::known_client(found, id.as_str()).ok_or_else(gone)
}

fn consent_url(handle: &Secret) -> String {
    format!("/oauth/consent?request={}", handle.expose())
}
