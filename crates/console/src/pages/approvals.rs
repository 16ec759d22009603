//! The pages of approvals. Each struct is the data of one file in `templates/`; nearly every text in it was chosen by a
//! stranger and is escaped there.

use askama::Template;
use portcullis_web::layout::{Chrome, Moment};

/// What waits for a person, and what was decided (`templates/approvals.html`).
#[derive(Clone, Debug, Template)]
#[template(path = "approvals.html")]
pub struct ApprovalsPage {
    /// The frame, of the person who is signed in.
    pub chrome: Chrome,
    /// The CSRF token, posted back as `csrf`.
    pub csrf: String,
    /// The calls that wait, the newest first.
    pub cards: Vec<Card>,
    /// Those that do not wait any more, the newest first.
    pub history: Vec<Row>,
    /// What of them is shown.
    pub sought: Filter,
}

/// One call by itself (`templates/approval.html`).
#[derive(Clone, Debug, Template)]
#[template(path = "approval.html")]
pub struct ApprovalPage {
    /// The frame, of the person who is signed in.
    pub chrome: Chrome,
    /// The CSRF token, posted back as `csrf`.
    pub csrf: String,
    /// The call.
    pub card: Card,
    /// What has just been done.
    pub notice: Option<String>,
}

/// A call that waits for somebody, or waited.
#[derive(Clone, Debug)]
pub struct Card {
    /// The approval's name.
    pub id: String,
    /// What the program shows too.
    pub code: String,
    /// Who asks.
    pub asker: Asker,
    /// What its owner calls the connection.
    pub alias: String,
    /// The server behind it.
    pub server: String,
    /// The account there; empty when nothing is known of one.
    pub account: String,
    /// The tool.
    pub tool: String,
    /// What the tool could do.
    pub class: &'static str,
    /// Why somebody is asked, in the words of the rule.
    pub reason: String,
    /// The rule.
    pub rule: String,
    /// What the call says, as text.
    pub arguments: String,
    /// When it asked.
    pub asked: Moment,
    /// How it stands.
    pub standing: Standing,
    /// Whether the person who looks can only deny it, since another one has to approve.
    pub needs_another: bool,
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Asker {
    /// On whose behalf, where it is somebody else.
    pub person: Option<String>,
    /// The program's name.
    pub client: String,
    /// Whether nobody vouches for that name.
    pub unverified: bool,
    /// Where its answers go.
    pub host: String,
}

/// How a call stands.
#[derive(Clone, Debug)]
pub enum Standing {
    /// It waits.
    Waits {
        /// The time that is left.
        left: String,
        /// When it is over, for machines.
        until: String,
    },
    /// It does not wait any more.
    Is {
        /// What became of it.
        words: &'static str,
        /// The colour of that.
        tone: &'static str,
    },
}

impl Standing {
    fn waits(&self) -> bool {
        matches!(self, Self::Waits { .. })
    }

    fn until(&self) -> &str {
        if let Self::Waits { until, .. } = self { until } else { "" }
    }

    /// The time that is left, or what became of it.
    fn words(&self) -> &str {
        match self {
            Self::Waits { left, .. } => left,
            Self::Is { words, .. } => words,
        }
    }

    fn tone(&self) -> &'static str {
        if let Self::Is { tone, .. } = self { tone } else { "warn" }
    }
}

/// A call that was decided about.
#[derive(Clone, Debug)]
pub struct Row {
    /// The approval's name.
    pub id: String,
    /// The tool.
    pub tool: String,
    /// The connection.
    pub alias: String,
    /// When it asked.
    pub asked: Moment,
    /// What became of it.
    pub words: &'static str,
    /// The colour of that.
    pub tone: &'static str,
}

/// What of the history is shown; empty for everything.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// In this state.
    pub state: String,
    /// Of this tool.
    pub tool: String,
    /// At this connection.
    pub alias: String,
}

/// The states that the history can be narrowed to.
const STATES: [(&str, &str); 8] = [
    ("executed_ok", "Executed"),
    ("executed_error", "Executed and failed"),
    ("outcome_unknown", "Outcome unknown"),
    ("denied", "Denied"),
    ("declined", "Declined in the program"),
    ("expired", "Expired"),
    ("lapsed", "Not used"),
    ("void", "Void"),
];

impl Filter {
    fn states(&self) -> impl Iterator<Item = (&'static str, &'static str, bool)> {
        STATES.iter().map(|(name, words)| (*name, *words, *name == self.state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = r#""><script>alert(1)</script>"#;

    fn card(text: &str, standing: Standing) -> Card {
        Card {
            id: text.into(),
            code: "BCDF".into(),
            asker: Asker {
                person: Some(text.into()),
                client: text.into(),
                unverified: true,
                host: text.into(),
            },
            alias: text.into(),
            server: text.into(),
            account: text.into(),
            tool: text.into(),
            class: "Changes something",
            reason: text.into(),
            rule: text.into(),
            arguments: text.into(),
            asked: Moment::new(1_790_000_000, 1_790_000_060),
            standing,
            needs_another: false,
        }
    }

    fn waits() -> Standing {
        Standing::Waits { left: "4 min 59 s".into(), until: "2026-09-21T14:18:20Z".into() }
    }

    /// T34: what a stranger chose is text on the page that decides
    #[test]
    fn hostile_text_is_inert() {
        let frame = || Chrome::signed_in("Approvals", HOSTILE, HOSTILE);
        let row = Row {
            id: HOSTILE.into(),
            tool: HOSTILE.into(),
            alias: HOSTILE.into(),
            asked: Moment::new(1_790_000_000, 1_790_000_060),
            words: "was denied",
            tone: "plain",
        };
        let sought = Filter { state: "denied".into(), tool: HOSTILE.into(), alias: HOSTILE.into() };
        let list = ApprovalsPage {
            chrome: frame(),
            csrf: HOSTILE.into(),
            cards: vec![card(HOSTILE, waits())],
            history: vec![row],
            sought,
        };
        let one = ApprovalPage {
            chrome: frame(),
            csrf: HOSTILE.into(),
            card: card(HOSTILE, waits()),
            notice: Some(HOSTILE.into()),
        };
        for html in [list.render().unwrap(), one.render().unwrap()] {
            assert!(!html.contains("<script>"), "{html}");
            assert!(html.contains("BCDF") && html.contains("4 min 59 s"));
        }
    }

    #[test]
    fn what_does_not_wait_cannot_be_decided() {
        let is = Standing::Is { words: "was denied", tone: "plain" };
        let page = ApprovalPage {
            chrome: Chrome::signed_in("Approval", "a", "b"),
            csrf: "c".into(),
            card: card("x", is),
            notice: None,
        };
        let html = page.render().unwrap();
        assert!(html.contains("was denied") && !html.contains("name=\"decision\""), "{html}");
    }
}
