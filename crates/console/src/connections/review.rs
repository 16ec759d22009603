//! The review of a connection's tools on its page: what waits, what is new about it, and its owner's word that it may be used.

use portcullis_authorization_server::User;
use portcullis_oauth::Form;
use portcullis_resource_server::{Connection, ReviewState, ToolReview, made_visible};

use crate::home::{Console, Fault};
use crate::pages::connections::ReviewRow;

/// So many tools are shown at once; the others follow when these are reviewed.
const SHOWN: usize = 50;

impl Console {
    /// The tools that wait.
    pub(super) async fn waiting(&self, connection: &Connection) -> Result<Vec<ReviewRow>, Fault> {
        let reviewed = self.gateway().review(connection).await?;
        Ok(reviewed.iter().filter(|tool| tool.state.waits()).take(SHOWN).map(row).collect())
    }

    /// Its owner accepts a tool as it was shown to them.
    pub(super) async fn accept_tool(
        &self,
        (user, connection): (&User, &Connection),
        form: &Form,
    ) -> Result<String, Fault> {
        let field = |name: &str| form.one(name).ok().flatten().unwrap_or_default();
        let (tool, hash) = (field("tool"), field("hash"));
        let accepted = self.gateway().pins().accept(connection, (tool, hash), &user.email).await?;
        Ok(if accepted {
            "The tool is accepted as you saw it. Clients can use it within a second."
        } else {
            "Nothing was accepted: the tool is not what you saw any more. Look at it again."
        }
        .to_owned())
    }
}

fn row(tool: &ToolReview) -> ReviewRow {
    ReviewRow {
        tool: tool.tool.clone(),
        shown: made_visible(&tool.tool),
        hash: tool.hash.clone().unwrap_or_default(),
        changed: tool.state == ReviewState::Changed,
        renamed_from: tool.renamed_from.as_deref().map(made_visible),
        warnings: tool.warnings.iter().map(ToString::to_string).collect(),
        differences: tool.differences.iter().map(ToString::to_string).collect(),
    }
}
