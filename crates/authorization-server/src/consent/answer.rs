//! How a decision reaches the client: by a redirect of this browser, or through the device's next question.

use axum::http::StatusCode;
use axum::response::Response;
use portcullis_database::{DatabaseError, Transaction};
use portcullis_oauth::{Error, ErrorCode, GrantId, ResourceUri, Secret, Timestamp};
use portcullis_web::Browser;
use portcullis_web::layout::{Chrome, page};

use super::pending::{Pending, Way};
use crate::Core;
use crate::authorize::{error_response, see_other};
use crate::page_error::PageError;
use crate::pages::DeviceAnswerPage;
use crate::store::{self, NewCode};

/// What an approval hands over.
pub(super) enum Given {
    /// A code, with the redirect.
    Code(Secret),
    /// Nothing here: the device fetches it.
    ToDevice,
}

impl Pending {
    /// Decides the request: `true` for the one decision that counts.
    pub(super) async fn decide_in(
        &self,
        transaction: &mut Transaction,
        now: Timestamp,
    ) -> Result<bool, DatabaseError> {
        match self.way {
            Way::Redirect(_) => store::decide_request_in(transaction, &self.handle, &self.mark, now).await,
            Way::Device(_) => {
                let holder = (self.mark.as_str(), &self.user.id);
                store::decide_device_in(transaction, &self.handle, holder, now).await
            }
        }
    }

    /// Hands the grant over, in the transaction that made it; `resource` is meant where the client names none.
    pub(super) async fn give_in(
        &self,
        transaction: &mut Transaction,
        (grant, resource): (&GrantId, &ResourceUri),
        now: Timestamp,
    ) -> Result<Given, DatabaseError> {
        match &self.way {
            Way::Redirect(redirect) => {
                let code = NewCode {
                    grant,
                    redirect_uri: redirect.destination.uri().as_str(),
                    code_challenge: &redirect.code_challenge,
                    resource,
                    nonce: redirect.nonce.as_deref(),
                    dpop_jkt: redirect.dpop_jkt.as_ref(),
                };
                store::create_code_in(transaction, &code, now).await.map(Given::Code)
            }
            Way::Device(_) => {
                store::grant_device_in(transaction, &self.handle, (grant, resource)).await?;
                Ok(Given::ToDevice)
            }
        }
    }

    /// Where answers go, as the person's list of grants tells it.
    pub(super) fn given_to(&self) -> &str {
        match &self.way {
            Way::Redirect(redirect) => redirect.destination.host(),
            Way::Device(_) => "another device",
        }
    }

    /// What the browser gets after an approval.
    pub(super) async fn allowed(
        &self,
        core: &Core,
        browser: &Browser,
        given: &Given,
    ) -> Result<Response, PageError> {
        let (Way::Redirect(redirect), Given::Code(code)) = (&self.way, given) else {
            return self.device_page(browser, true).await;
        };
        let mut parameters = vec![("code", code.expose())];
        parameters.extend(redirect.state.as_deref().map(|state| ("state", state)));
        parameters.push(("iss", core.public_url().as_str()));
        Ok(see_other(&redirect.destination.location(&parameters)))
    }

    /// What the browser gets after a denial.
    pub(super) async fn denied(&self, core: &Core, browser: &Browser) -> Result<Response, PageError> {
        let Way::Redirect(redirect) = &self.way else { return self.device_page(browser, false).await };
        let error = Error::new(ErrorCode::AccessDenied, "the user did not allow it");
        Ok(error_response(core, &redirect.destination, redirect.state.as_deref(), &error))
    }

    async fn device_page(&self, browser: &Browser, allowed: bool) -> Result<Response, PageError> {
        let title = if allowed { "The device is connected" } else { "The device gets nothing" };
        let answer = DeviceAnswerPage {
            chrome: Chrome::signed_in(title, &self.user.email, browser.csrf_token().await?),
            client: self.client.metadata.client_name.clone(),
            allowed,
        };
        Ok(page(StatusCode::OK, &answer))
    }
}
