//! The approvals of a person: what waits for them, one call by itself, and what was decided. Live where scripts run, by
//! reloading where they do not.
//!
//! Owns what people see and post. A decision comes by a form of ours from a session whose person proved lately who they are
//! (T41); what it means is the gateway's.

mod card;
mod live;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use portcullis_authorization_server::User;
use portcullis_oauth::{ApprovalId, Form, Seconds};
use portcullis_resource_server::{
    APPROVERS, Approval, ApprovalState, Approvals, Decided, Decider, How, Inbox, Sought, Verdict,
};
use portcullis_web::layout::{Chrome, page};
use portcullis_web::{Browser, ErrorPage};

use crate::home::{Console, Fault, fault, refused_form, trace};
use crate::pages::approvals::{ApprovalPage, ApprovalsPage, Filter};

/// So long ago somebody may have proved who they are, to approve. Denying is always possible.
const FRESH: Seconds = Seconds::minutes(60);

/// The routes.
pub(crate) fn router() -> Router<Console> {
    Router::new()
        .route("/approvals", get(list))
        .route("/approvals/events", get(live::events))
        .route("/approvals/{id}", get(show).post(decide))
}

/// `GET /approvals`: what waits, and what was, by the filters of the query.
async fn list(
    State(console): State<Console>,
    RawQuery(query): RawQuery,
    browser: Browser,
    headers: HeaderMap,
) -> Response {
    let shown = async {
        let Some(user) = console.signed_in(&browser).await? else { return Ok(sign_in("")) };
        match Form::parse(query.unwrap_or_default().as_bytes()) {
            Ok(query) => console.inbox(&browser, &user, &query).await,
            Err(_) => Ok(Redirect::to("/approvals").into_response()),
        }
    };
    shown.await.unwrap_or_else(|cause| fault(&headers, &cause))
}

/// `GET /approvals/{id}`: one call. Decides nothing, whoever opens it (T40, T41).
async fn show(
    State(console): State<Console>,
    Path(id): Path<String>,
    browser: Browser,
    headers: HeaderMap,
) -> Response {
    let shown = async {
        let Some(user) = console.signed_in(&browser).await? else { return Ok(sign_in(&id)) };
        match console.find(&user, id).await? {
            Some(approval) => console.approval(&browser, &user, (&approval, None)).await,
            None => Ok(missing(&headers)),
        }
    };
    shown.await.unwrap_or_else(|cause| fault(&headers, &cause))
}

/// `POST /approvals/{id}`
async fn decide(
    State(console): State<Console>,
    Path(id): Path<String>,
    browser: Browser,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let form = match console.posted(&browser, &headers, &body).await {
        Ok(form) => form,
        Err(refused) => return refused_form(&headers, &refused),
    };
    let decided = async {
        let Some(user) = console.signed_in(&browser).await? else { return Ok(sign_in(&id)) };
        let Some(approval) = console.find(&user, id).await? else { return Ok(missing(&headers)) };
        // Any other word denies nothing and approves nothing.
        let verdict = match form.one("decision").ok().flatten() {
            Some("approve") => Verdict::Approve,
            Some("deny") => Verdict::Deny,
            _ => return console.approval(&browser, &user, (&approval, None)).await,
        };
        if verdict == Verdict::Approve && !console.is_fresh(&browser).await? {
            let again = format!("/login?again=yes&return_to=/approvals/{}", approval.id);
            return Ok(Redirect::to(&again).into_response());
        }
        let notice = console.decided(&user, &approval, verdict).await?;
        let now = console.find(&user, approval.id.to_string()).await?.unwrap_or(approval);
        console.approval(&browser, &user, (&now, Some(notice))).await
    };
    decided.await.unwrap_or_else(|cause| fault(&headers, &cause))
}

impl Console {
    fn approvals(&self) -> &Approvals {
        self.gateway().approvals()
    }

    /// Whether somebody may decide for others.
    async fn is_approver(&self, user: &User) -> Result<bool, Fault> {
        Ok(self.groups().of(&user.id).await?.iter().any(|group| group == APPROVERS))
    }

    /// How many calls wait for somebody's decision.
    pub(crate) async fn waiting_for(&self, user: &User) -> Result<usize, Fault> {
        let inbox = Inbox { who: Some(&user.id), approver: self.is_approver(user).await? };
        let pending = Sought { state: Some(ApprovalState::Pending), ..Sought::default() };
        Ok(self.approvals().list(inbox, &pending).await?.len())
    }

    async fn find(&self, user: &User, id: String) -> Result<Option<Approval>, Fault> {
        let inbox = Inbox { who: Some(&user.id), approver: self.is_approver(user).await? };
        Ok(self.approvals().find(&ApprovalId::from(id), inbox).await?)
    }

    async fn is_fresh(&self, browser: &Browser) -> Result<bool, Fault> {
        let now = self.clock().now();
        Ok(browser.signed_in().await?.is_some_and(|signed_in| now < signed_in.authenticated_at.plus(FRESH)))
    }

    async fn decided(&self, user: &User, approval: &Approval, verdict: Verdict) -> Result<String, Fault> {
        let approver = self.is_approver(user).await?;
        let decider = Decider { who: &user.id, how: How::Page, approver };
        Ok(match self.approvals().decide(&approval.id, verdict, decider).await? {
            Decided::Now(now) if now.state == ApprovalState::Approved => {
                "Approved, for this one call. It is made as soon as the program comes back for it.".to_owned()
            }
            Decided::Now(_) => "Denied. Nothing was executed.".to_owned(),
            Decided::Over(over) => {
                format!("Too late: it {} meanwhile.", card::in_words(over.state))
            }
            Decided::NotEnough(_) => "A second person has to approve this; you can only deny it.".to_owned(),
            Decided::Unknown => "There is no such approval any more.".to_owned(),
        })
    }

    async fn inbox(&self, browser: &Browser, user: &User, query: &Form) -> Result<Response, Fault> {
        let csrf = browser.csrf_token().await?;
        let inbox = Inbox { who: Some(&user.id), approver: self.is_approver(user).await? };
        let text =
            |name: &str| query.one(name).ok().flatten().filter(|text| !text.is_empty()).map(str::to_owned);
        let filter = Filter {
            state: text("state").unwrap_or_default(),
            tool: text("tool").unwrap_or_default(),
            alias: text("connection").unwrap_or_default(),
        };
        let pending = Sought { state: Some(ApprovalState::Pending), ..Sought::default() };
        let mut cards = Vec::new();
        for approval in self.approvals().list(inbox, &pending).await? {
            cards.push(self.card(user, &approval).await?);
        }
        let sought = Sought {
            state: ApprovalState::parse(&filter.state),
            tool: text("tool"),
            alias: text("connection"),
        };
        let mut history = self.approvals().list(inbox, &sought).await?;
        history.retain(|approval| approval.state != ApprovalState::Pending);
        let now = self.clock().now();
        let shown = ApprovalsPage {
            chrome: Chrome::signed_in("Approvals", &user.email, &csrf),
            csrf,
            cards,
            history: history.iter().map(|approval| card::row(approval, now)).collect(),
            sought: filter,
        };
        Ok(page(StatusCode::OK, &shown))
    }

    async fn approval(
        &self,
        browser: &Browser,
        user: &User,
        (approval, notice): (&Approval, Option<String>),
    ) -> Result<Response, Fault> {
        let csrf = browser.csrf_token().await?;
        let shown = ApprovalPage {
            chrome: Chrome::signed_in("Approval", &user.email, &csrf),
            csrf,
            card: self.card(user, approval).await?,
            notice,
        };
        Ok(page(StatusCode::OK, &shown))
    }
}

/// The name comes back after the sign-in; it is a name and opens nothing by itself.
fn sign_in(id: &str) -> Response {
    let plain = id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    let to = if id.is_empty() || !plain { "/approvals".to_owned() } else { format!("/approvals/{id}") };
    Redirect::to(&format!("/login?return_to={to}")).into_response()
}

/// Somebody else's is a missing one (T18, T40).
fn missing(headers: &HeaderMap) -> Response {
    let happened = "There is no approval of this name for you.";
    let advice = "Open Approvals from the start page. If you have several accounts, sign in with the one that your program uses.";
    ErrorPage::new(StatusCode::NOT_FOUND, "No such approval", happened, advice, trace(headers))
        .into_response()
}
