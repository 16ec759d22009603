//! A webhook about a call that waits, in the form that Slack and its kin read.

use portcullis_oauth::BoxFuture;
use portcullis_resource_server::{Notice, Notifier};
use serde_json::json;

use crate::app::post::Post;

/// The way by a webhook.
#[derive(Debug)]
pub(super) struct Webhook(pub(super) Post);

impl Notifier for Webhook {
    fn name(&self) -> &'static str {
        "webhook"
    }

    fn tell<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            let body = json!({ "text": text(notice) }).to_string();
            self.0.send("application/json", body).await.map_err(|error| error.0)
        })
    }
}

fn text(notice: &Notice) -> String {
    let who = if notice.needs_another { "a second person" } else { "its user" };
    // What those services read as markup is none.
    let tool = notice.tool.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let Notice { alias, code, page, .. } = notice;
    format!("{alias} · {tool} waits for the approval of {who} (code {code}): {page}")
}

#[cfg(test)]
mod tests {
    use portcullis_oauth::{PrincipalId, PrincipalKind};

    use super::*;

    #[test]
    fn a_hook_reads_no_markup() {
        let notice = Notice {
            owner: PrincipalId::generate(PrincipalKind::User),
            needs_another: true,
            code: "BCDF".to_owned(),
            alias: "notes".to_owned(),
            tool: "<b>delete".to_owned(),
            page: "https://gw.example/approvals/apr_1".to_owned(),
        };
        assert_eq!(
            text(&notice),
            "notes · &lt;b&gt;delete waits for the approval of a second person (code BCDF): https://gw.example/approvals/apr_1"
        );
    }
}
