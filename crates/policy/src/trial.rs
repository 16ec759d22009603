//! Trials: cases kept beside a policy, each with the decision that it should get.
//!
//! A file is TOML. Whatever a case does not say is the ordinary: a user with every permission, at their own connection,
//! through a client that an administrator made, a reviewed tool with the class of its name, nobody asked yet.
//!
//! ```toml
//! [[case]]
//! name = "agents read"
//! who = { email = "ada@example.com", groups = ["agents"] }       # also: id, machine, permissions
//! client = { registration = "document", host = "claude.ai" }     # also: id
//! connection = { server = "github", alias = "work" }             # also: kind, own, granted
//! tool = { name = "list_issues", pin = "active" }                # also: risk, approval, blocked, hints
//! arguments = { repository = "tools" }                           # or, in place of `tool`: prompt, resource, manage, list
//! time = 2026-11-30T09:00:00+01:00                               # also: address, authentication, assurance
//! expect = "allow"                                               # or "deny", or "needs 2"
//! rule = "agents_read"                                           # the id of the rule that decides; may be left out
//! listed = true                                                  # whether a list shows it; may be left out
//! ```

mod case;
mod file;

use crate::{Decision, PolicySet, Ruling, Target, could_pass, decide, may_list};

use case::Prepared;
use file::File;

/// The cases of a file.
#[derive(Debug)]
pub struct Trial {
    cases: Vec<Prepared>,
}

/// How a case went.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// What was decided.
    pub decision: Decision,
    /// What is not as expected, in words; empty when all is.
    pub wrong: Vec<String>,
}

impl Trial {
    /// Reads the cases of a file.
    ///
    /// # Errors
    /// In words with a line, when it is not TOML of this form or a case cannot be.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        if file.case.is_empty() {
            return Err("there is no [[case]] in the file".to_owned());
        }
        let prepared = file.case.into_iter().map(|case| {
            let name = case.name.clone();
            Prepared::of(case).map_err(|error| format!("the case `{name}`: {error}"))
        });
        Ok(Self { cases: prepared.collect::<Result<_, _>>()? })
    }

    /// Decides every case.
    #[must_use]
    pub fn run(&self, policies: &PolicySet) -> Vec<Outcome> {
        self.cases.iter().map(|case| case.run(policies)).collect()
    }
}

impl Outcome {
    /// Whether everything is as expected.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.wrong.is_empty()
    }
}

impl Prepared {
    fn run(&self, policies: &PolicySet) -> Outcome {
        let decision = decide(policies, &self.case());
        let mut wrong = Vec::new();
        if Ruling::from(&decision) != self.expected {
            let (got, rule) = (Ruling::from(&decision), &decision.rule().id);
            wrong.push(format!("expected {}, got {got} by `{rule}`", self.expected));
        }
        if let Some(rule) = self.rule.as_ref().filter(|rule| **rule != decision.rule().id) {
            wrong.push(format!("expected the rule `{rule}`, got `{}`", decision.rule().id));
        }
        let listed = match &self.target {
            Target::ListTools => may_list(policies, &self.subject),
            Target::Tool(_) => {
                may_list(policies, &self.subject) && could_pass(policies, &self.subject, &self.target)
            }
            _ => could_pass(policies, &self.subject, &self.target),
        };
        if self.listed.is_some_and(|expected| expected != listed) {
            wrong.push(format!("expected listed = {}, got {listed}", !listed));
        }
        Outcome { name: self.name.clone(), decision, wrong }
    }
}
