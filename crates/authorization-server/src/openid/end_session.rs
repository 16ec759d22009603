//! Signing out at a client's wish (OpenID Connect RP-Initiated Logout). Opening the address decides nothing: the person is
//! asked on a page, and their answer is a form of ours. A browser is sent on only to what the client registered, and only
//! where the client is an admin's or proves by an ID token that this very person signed in there.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use portcullis_audit::{Action, Event, Outcome};
use portcullis_oauth::jose::IdTokenHint;
use portcullis_oauth::{ClientId, Destination, Error, Form, PrincipalId, Timestamp};
use portcullis_web::layout::{Chrome, page};
use portcullis_web::{Browser, csrf, form};

use super::session_over;
use crate::Core;
use crate::authorize::see_other;
use crate::login::unreadable;
use crate::page_error::{PageError, Trace, page_or_error};
use crate::pages::EndSessionPage;
use crate::signed_in::signed_in;
use crate::store::{Client, ClientOrigin, SigningKeyError};

const HERE: &str = "/oauth/logout";
/// Longer addresses are cut by what lies between us and the browser.
const LONGEST: usize = 8_000;
/// What the page carries from the question to the answer.
const CARRIED: [&str; 4] = ["id_token_hint", "client_id", "post_logout_redirect_uri", "state"];

/// `GET /oauth/logout`: asks.
pub(crate) async fn by_get(
    State(core): State<Arc<Core>>,
    trace: Trace,
    browser: Browser,
    RawQuery(query): RawQuery,
) -> Response {
    let ask = async {
        let form = Form::parse(query.unwrap_or_default().as_bytes()).map_err(|_| unreadable())?;
        let user = signed_in(&core, &browser).await?;
        let wish = Wish::read(&core, &form, user.as_ref().map(|user| &user.id)).await?;
        let csrf = browser.csrf_token().await?;
        let title = if user.is_some() { "Sign out?" } else { "You are signed out" };
        let chrome = Chrome::anonymous(title);
        let question = EndSessionPage {
            chrome,
            csrf,
            account: user.map(|user| user.email),
            client: wish.client.as_ref().map(|client| client.metadata.client_name.clone()),
            goes_on_to: wish.destination.as_ref().map(|destination| destination.host().to_owned()),
            stays: wish.destination.is_none()
                && form.one("post_logout_redirect_uri").ok().flatten().is_some(),
            carried: carried(&form),
        };
        Ok(page(StatusCode::OK, &question))
    };
    page_or_error(&trace, ask).await
}

/// `POST /oauth/logout` (§2: it must be had by POST too): led to the page, where the browser shows who it is. A form of
/// another site brings no cookie along.
pub(crate) async fn by_post(trace: Trace, headers: HeaderMap, body: Bytes) -> Response {
    let lead = async {
        let form = form(&headers, &body).map_err(|_| unreadable())?;
        let query = form.encode_without(&["csrf"]);
        if query.len() > LONGEST {
            return Err(unreadable());
        }
        Ok(see_other(&format!("{HERE}?{query}")))
    };
    page_or_error(&trace, lead).await
}

/// `POST /oauth/logout/answer`: signs out, if the person says so.
pub(crate) async fn answer(
    State(core): State<Arc<Core>>,
    trace: Trace,
    browser: Browser,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let answer = async {
        let form = form(&headers, &body).map_err(|_| unreadable())?;
        csrf::check(&browser, &headers, core.public_url(), form.one("csrf").ok().flatten()).await?;
        if form.one("decision").ok().flatten() != Some("sign_out") {
            return Ok(see_other("/"));
        }
        let user = signed_in(&core, &browser).await?;
        let wish = Wish::read(&core, &form, user.as_ref().map(|user| &user.id)).await?;
        if let Some(session) = browser.signed_in().await? {
            let now = core.clock.now();
            session_over(&core, &session, now).await?;
            let event = Event::new(now, Action::SignOut, Outcome::Done).because("at_clients_wish");
            let event = event.by(&session.principal);
            core.note(match &wish.client {
                Some(client) => event.through(&client.id),
                None => event,
            })
            .await;
        }
        browser.sign_out(false).await?;
        Ok(see_other(&wish.location().unwrap_or_else(|| HERE.to_owned())))
    };
    page_or_error(&trace, answer).await
}

/// What a client wishes, as far as it may.
struct Wish {
    client: Option<Client>,
    destination: Option<Destination>,
    state: Option<String>,
}

impl Wish {
    async fn read(core: &Core, form: &Form, who: Option<&PrincipalId>) -> Result<Self, PageError> {
        form.once_each(&CARRIED).map_err(|_| unreadable())?;
        let one = |name| form.one(name).ok().flatten();
        let hint = match one("id_token_hint") {
            Some(text) => hint(core, text, core.clock.now()).await?,
            None => None,
        };
        let named = one("client_id").map(|id| ClientId::from(id.to_owned()));
        let id = match (&hint, named) {
            // §2: the two must agree.
            (Some(hint), Some(named)) if hint.client != named => None,
            (Some(hint), _) => Some(hint.client.clone()),
            (None, named) => named,
        };
        let client = match id {
            Some(id) => core.clients.find(&id).await?.filter(|client| client.disabled_at.is_none()),
            None => None,
        };
        let is_this_person = hint.is_some_and(|hint| Some(&hint.principal) == who);
        let destination = client.as_ref().zip(one("post_logout_redirect_uri")).and_then(|(client, uri)| {
            let may = is_this_person || client.origin == ClientOrigin::Admin;
            may.then(|| registered(client, uri)).flatten()
        });
        Ok(Self { client, destination, state: one("state").map(str::to_owned) })
    }

    /// Where the browser goes on to, with `state` byte for byte (§3).
    fn location(&self) -> Option<String> {
        let destination = self.destination.as_ref()?;
        Some(match &self.state {
            Some(state) => destination.location(&[("state", state)]),
            None => destination.uri().to_string(),
        })
    }
}

/// §3: exactly what was registered, to the byte.
fn registered(client: &Client, uri: &str) -> Option<Destination> {
    let registered =
        client.metadata.openid.post_logout_redirect_uris.iter().find(|known| known.as_str() == uri)?;
    Destination::prove(std::slice::from_ref(registered), Some(uri)).ok()
}

/// An ID token of ours, however old, as long as its key is known.
async fn hint(core: &Core, text: &str, now: Timestamp) -> Result<Option<IdTokenHint>, PageError> {
    let keys = core.signing.published(now).await.map_err(|error| match error {
        SigningKeyError::Database(error) => error.into(),
        other => PageError::from(Error::internal(other)),
    })?;
    Ok(IdTokenHint::read(text, &keys, core.public_url()))
}

fn carried(form: &Form) -> Vec<(&'static str, String)> {
    let value = |name: &'static str| form.one(name).ok().flatten().map(|value| (name, value.to_owned()));
    CARRIED.into_iter().filter_map(value).collect()
}
