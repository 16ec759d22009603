//! A call as the person who decides sees it: who asks, where, what, why it is sensitive, with which arguments, and how it
//! stands.

use portcullis_authorization_server::User;
use portcullis_oauth::Timestamp;
use portcullis_resource_server::{Approval, ApprovalState as State, Approvals};
use portcullis_web::layout::Moment;

use crate::home::{Console, Fault};
use crate::pages::approvals::{Asker, Card, Row, Standing};

impl Console {
    /// One call, for `user`. Whoever may decide has seen it then.
    pub(super) async fn card(&self, user: &User, approval: &Approval) -> Result<Card, Fault> {
        let own = approval.principal == user.id;
        let approvals = self.gateway().approvals();
        if approval.state == State::Pending {
            approvals.show(approval, &user.id).await?;
        }
        let now = self.clock().now();
        let level = approval.level;
        Ok(Card {
            id: approval.id.to_string(),
            code: approval.code(),
            asker: self.asker(approval, own).await?,
            alias: approval.alias.clone(),
            server: approval.server.clone(),
            account: approval.account.clone(),
            tool: Approvals::plain(&approval.tool),
            class: class(&approval.risk),
            reason: approval.reason.clone(),
            rule: approval.rule.clone(),
            arguments: approvals.arguments(approval).await?,
            asked: Moment::new(approval.created_at.seconds(), now.seconds()),
            standing: standing(approval, now),
            needs_another: level >= 3 && own,
        })
    }

    async fn asker(&self, approval: &Approval, own: bool) -> Result<Asker, Fault> {
        let grants = self.authorization().grants().list(&approval.principal).await?;
        let grant = grants.into_iter().find(|grant| grant.id == approval.grant);
        let person = if own { None } else { self.authorization().users().find(&approval.principal).await? };
        let person = person.map(|user| user.email);
        Ok(match grant {
            Some(grant) => Asker {
                person,
                client: grant.client_name,
                unverified: grant.unverified,
                host: grant.redirect_host,
            },
            // It was disconnected since; it cannot make the call any more.
            None => Asker {
                person,
                client: approval.client.to_string(),
                unverified: true,
                host: "not connected any more".to_owned(),
            },
        })
    }
}

/// A call that was decided about, in a line.
pub(super) fn row(approval: &Approval, now: Timestamp) -> Row {
    Row {
        id: approval.id.to_string(),
        tool: Approvals::plain(&approval.tool),
        alias: approval.alias.clone(),
        asked: Moment::new(approval.created_at.seconds(), now.seconds()),
        words: in_words(approval.state),
        tone: tone(approval.state),
    }
}

fn standing(approval: &Approval, now: Timestamp) -> Standing {
    let left = now.seconds_until(approval.expires_at);
    if approval.state == State::Pending {
        let until = Moment::new(approval.expires_at.seconds(), now.seconds()).exact;
        return Standing::Waits { left: format!("{} min {:02} s", left / 60, left % 60), until };
    }
    Standing::Is { words: in_words(approval.state), tone: tone(approval.state) }
}

/// What became of a call, after "it".
pub(super) const fn in_words(state: State) -> &'static str {
    match state {
        State::Pending => "waits",
        State::Approved => "was approved and waits for the program",
        State::Denied => "was denied",
        State::Declined => "was declined in the program",
        State::Expired => "expired: nobody decided in time",
        State::Lapsed => "lapsed: the program did not come back",
        State::Void => "became void: what it was for has changed",
        State::Consumed => "is under way",
        State::Asking => "is under way: the server asked for more",
        State::ExecutedOk => "was executed",
        State::ExecutedError => "was executed and failed",
        State::OutcomeUnknown => "was begun and cut off: nobody knows whether it happened",
    }
}

const fn tone(state: State) -> &'static str {
    match state {
        State::ExecutedOk | State::Approved => "good",
        State::Pending | State::Consumed | State::Asking => "warn",
        State::ExecutedError | State::OutcomeUnknown => "bad",
        State::Denied | State::Declined | State::Expired | State::Lapsed | State::Void => "plain",
    }
}

/// Why a tool is sensitive, by its class.
fn class(risk: &str) -> &'static str {
    match risk {
        "destructive" => "Destroys something or sends something out",
        "change" => "Changes something",
        "read" => "Only reads",
        _ => "Nobody knows what it does",
    }
}
