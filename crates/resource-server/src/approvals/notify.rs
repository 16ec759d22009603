//! Telling people elsewhere that a call waits: a webhook in the form that Slack and its kin read. It names the tool and the
//! page, and nothing that the call says; the page asks who reads it. What is not delivered at once is lost: the approval
//! itself expires in minutes.

use portcullis_oauth::{PublicUrl, Secret};
use portcullis_outbound::{Outbound, Outgoing};
use serde_json::json;

use super::{Approval, shown};

/// Where it is told. The address is a secret to those who use such hooks.
#[derive(Clone)]
pub(crate) struct Webhook {
    outbound: Outbound,
    url: Secret,
    page: PublicUrl,
}

impl Webhook {
    /// Tells at `url`.
    pub(crate) fn new(outbound: Outbound, url: Secret, page: PublicUrl) -> Self {
        Self { outbound, url, page }
    }

    /// Tells of a call that waits. Failures go to the log, without the address.
    pub(crate) async fn tell(&self, approval: &Approval) {
        let body = json!({ "text": text(approval, &self.page) }).to_string();
        match self.outbound.send(Outgoing::post(self.url.expose(), "application/json", body)).await {
            Ok(answer) if answer.status.is_success() => {}
            Ok(answer) => {
                tracing::warn!(
                    status = answer.status.as_u16(),
                    "the webhook for approvals did not take a message"
                );
            }
            Err(unreachable) => {
                let cause = unreachable.cause.as_str();
                tracing::warn!(cause, "the webhook for approvals could not be reached");
            }
        }
    }
}

fn text(approval: &Approval, page: &PublicUrl) -> String {
    let who = if approval.level >= 3 { "a second person" } else { "its user" };
    // What those services read as markup is none.
    let tool = shown::plain(&approval.tool).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let (alias, code, id) = (&approval.alias, approval.code(), &approval.id);
    format!("{alias} · {tool} waits for the approval of {who} (code {code}): {page}/approvals/{id}")
}
