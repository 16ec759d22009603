//! A set of policies: parsed, checked and put where decisions find it.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use cedar_policy::{Policy, PolicyId, PolicySet as Cedar, ValidationMode, Validator, pst};
use miette::Diagnostic;

use crate::answer::Answer;
use crate::index::{Found, Index};
use crate::memory::Memory;
use crate::reading::Reading;
use crate::rule::ENGINE;
use crate::vocabulary::Vocabulary;
use crate::{BUILTIN, Effect, Origin, Problem, Rule, monotone, outlook};

/// A longer text is not read, in bytes: thousands of policies fit.
const LONGEST: usize = 2 * 1024 * 1024;

/// A set of policies that passed every check, with the built-in rules. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PolicySet {
    inner: Arc<Inner>,
    memory: Memory,
}

/// The built-in rules alone, which every set begins with. That they are right is for a test to see.
static BEGINNING: LazyLock<Result<Inner, Vec<Problem>>> = LazyLock::new(|| {
    let vocabulary = Vocabulary::get().map_err(|error| vec![Problem::at("", 0, error)])?;
    let nothing = Inner {
        vocabulary,
        rules: HashMap::new(),
        lasting: Rules::default(),
        passing: Rules::default(),
        lists: Index::default(),
        reading: Reading::default(),
    };
    nothing.with(Origin::Builtin, BUILTIN)
});

#[derive(Clone, Debug)]
pub(crate) struct Inner {
    pub(crate) vocabulary: &'static Vocabulary,
    /// By id: the place in the order of the text, built-in rules first, and the rule.
    rules: HashMap<PolicyId, (usize, Arc<Rule>)>,
    /// What decides a call and looks at nothing that is another in every call.
    pub(crate) lasting: Rules,
    /// What else decides a call.
    pub(crate) passing: Rules,
    /// All of them as they look before a call.
    pub(crate) lists: Index,
    /// What any of them asks of the circumstances of a call.
    reading: Reading,
}

/// Rules and what they ask of the circumstances of a call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    pub(crate) index: Index,
    pub(crate) reading: Reading,
}

/// A policy of a text and where it stands there.
struct Placed {
    policy: Policy,
    span: Range<usize>,
}

impl PolicySet {
    /// Parses policies in Cedar's language and checks them:
    ///
    /// - each is valid against [the schema](crate::SCHEMA), strictly: no unknown attribute, no comparison of what cannot
    ///   be compared, nothing that may be absent without asking `has` first;
    /// - each has an `@id` (unique, at most 64 of letters, digits, `_`, `-` and `.`) and a `@reason`;
    /// - more `context.assurance` never makes one stricter: it may be compared by `<`, `<=`, `>` and `>=` alone, a `permit`
    ///   may ask for more of it, a `forbid` only for as long as it is too little.
    ///
    /// An empty text is a set that permits nothing.
    ///
    /// # Errors
    /// Everything that is wrong with the text, in its order.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let beginning = BEGINNING.as_ref().map_err(Clone::clone)?;
        let inner = Arc::new(beginning.clone().with(Origin::Policy, text)?);
        Ok(Self { inner, memory: Memory::default() })
    }

    /// Every rule in the order of the text, the built-in ones first.
    #[must_use]
    pub fn rules(&self) -> Vec<Arc<Rule>> {
        let mut rules: Vec<_> = self.inner.rules.values().collect();
        rules.sort_by_key(|(place, _)| *place);
        rules.into_iter().map(|(_, rule)| Arc::clone(rule)).collect()
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }

    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    pub(crate) fn reading(&self) -> &Reading {
        &self.inner.reading
    }
}

impl Inner {
    /// The same with the policies of a text, or everything that is wrong with it.
    fn with(mut self, origin: Origin, text: &str) -> Result<Self, Vec<Problem>> {
        let policies = place(text)?;
        let mut problems = invalid(self.vocabulary, text, &policies);
        problems.extend(policies.iter().filter_map(|placed| self.add(origin, text, placed).err()));
        problems.sort_by_key(|problem| (problem.line, problem.column));
        if problems.is_empty() { Ok(self) } else { Err(problems) }
    }

    fn add(&mut self, origin: Origin, text: &str, placed: &Placed) -> Result<(), Problem> {
        let problem = |message: String| Problem::at(text, placed.span.start, message);
        let rule = rule(origin, text, placed)?;
        let id = PolicyId::new(&rule.id);
        if self.rules.contains_key(&id) || ENGINE.iter().any(|(id, _)| *id == rule.id) {
            let taken = problem(format!("the id `{}` is taken", rule.id));
            return Err(taken.with_hint("each policy, the built-in ones included, has an id of its own"));
        }
        let policy = placed.policy.new_id(id.clone());
        let tree = policy.to_pst().map_err(|error| problem(error.to_string()))?;
        let pst::Policy::Static(tree) = tree else {
            return Err(problem("a policy with slots cannot be activated".to_owned()));
        };
        if !monotone::holds(tree.body()) {
            return Err(not_monotone(&rule, problem));
        }
        let outlook = outlook::of(tree.body())
            .and_then(|tree| Policy::from_pst(pst::Policy::Static(tree)))
            .map_err(|error| problem(error.to_string()))?;
        let reading = Reading::of(tree.body());
        let calls = if reading.lasts() { &mut self.lasting } else { &mut self.passing };
        calls.reading.take(reading.clone());
        self.reading.take(reading);
        let added = calls.index.add(self.vocabulary, &policy);
        added.and_then(|()| self.lists.add(self.vocabulary, &outlook)).map_err(problem)?;
        self.rules.insert(id, (self.rules.len(), Arc::new(rule)));
        Ok(())
    }

    /// What these say.
    pub(crate) fn answer(&self, found: &Found) -> Answer {
        let first = |ids: &[PolicyId]| {
            ids.iter().filter_map(|id| self.rules.get(id)).min_by_key(|(place, _)| *place).cloned()
        };
        let failed = |effect| {
            let is_one = |(id, _): &(_, _)| self.rules.get(id).is_some_and(|(_, rule)| rule.effect == effect);
            found.failed.iter().any(is_one)
        };
        Answer {
            permit: first(&found.permit),
            forbid: first(&found.forbid),
            failed_permit: failed(Effect::Permit),
            failed_forbid: failed(Effect::Forbid),
        }
    }

    /// The rules of these ids, in the order of the text.
    pub(crate) fn in_order<'i>(&self, ids: impl IntoIterator<Item = &'i PolicyId>) -> Vec<Arc<Rule>> {
        let mut rules: Vec<_> = ids.into_iter().filter_map(|id| self.rules.get(id)).collect();
        rules.sort_by_key(|(place, _)| *place);
        rules.into_iter().map(|(_, rule)| Arc::clone(rule)).collect()
    }
}

/// The policies of a text in its order, each with where it stands.
fn place(text: &str) -> Result<Vec<Placed>, Vec<Problem>> {
    if text.len() > LONGEST {
        return Err(vec![Problem::at(text, 0, format!("the text is longer than {LONGEST} bytes"))]);
    }
    if text.contains('\0') {
        let offset = text.find('\0').unwrap_or_default();
        return Err(vec![Problem::at(text, offset, "the text holds a NUL character")]);
    }
    let whole = 0..text.len();
    let set: Cedar = text.parse().map_err(|errors: cedar_policy::ParseErrors| {
        errors.iter().map(|error| Problem::found(text, &whole, error as &dyn Diagnostic)).collect::<Vec<_>>()
    })?;
    if let Some(template) = set.templates().next() {
        let offset = text.find(&template.to_cedar()).unwrap_or_default();
        let problem =
            Problem::at(text, offset, "a policy with slots (`?principal`, `?resource`) cannot be activated");
        return Err(vec![problem.with_hint("name the principal or the resource, or leave it open")]);
    }
    // Cedar calls them policy0, policy1 and so on, in the order of the text.
    let number =
        |policy: &Policy| policy.id().to_string().trim_start_matches("policy").parse().unwrap_or(usize::MAX);
    let mut policies: Vec<Policy> = set.policies().cloned().collect();
    policies.sort_by_key(number);
    let mut from = 0;
    Ok(policies
        .into_iter()
        .map(|policy| {
            let source = policy.to_cedar().unwrap_or_default();
            let start = text[from..].find(&source).map_or(from, |offset| from + offset);
            from = (start + source.len()).min(text.len());
            Placed { policy, span: start..from }
        })
        .collect())
}

/// What is not valid against the schema.
fn invalid(vocabulary: &Vocabulary, text: &str, policies: &[Placed]) -> Vec<Problem> {
    let spans: HashMap<_, _> = policies.iter().map(|placed| (placed.policy.id(), &placed.span)).collect();
    let whole = 0..0;
    let set = match Cedar::from_policies(policies.iter().map(|placed| placed.policy.clone())) {
        Ok(set) => set,
        Err(error) => return vec![Problem::at(text, 0, error.to_string())],
    };
    let result = Validator::new(vocabulary.schema.clone()).validate(&set, ValidationMode::Strict);
    let errors = result.validation_errors().map(|error| (error.policy_id(), error as &dyn Diagnostic));
    let warnings =
        result.validation_warnings().map(|warning| (warning.policy_id(), warning as &dyn Diagnostic));
    errors
        .chain(warnings)
        .map(|(id, found)| {
            let mut problem = Problem::found(text, spans.get(id).copied().unwrap_or(&whole), found);
            // The name is Cedar's own for the policy; its place says it better.
            let name = format!("for policy `{id}`, ");
            problem.message = problem.message.replacen(&name, "", 1);
            problem
        })
        .collect()
}

/// What people will read of a policy.
fn rule(origin: Origin, text: &str, placed: &Placed) -> Result<Rule, Problem> {
    let lacking = |what: &str, hint: &str| {
        Problem::at(text, placed.span.start, format!("this policy has no {what}")).with_hint(hint.to_owned())
    };
    let note = |key| placed.policy.annotation(key).map(str::trim).filter(|note| !note.is_empty());
    let id = note("id").ok_or_else(|| lacking("@id", "write @id(\"a_short_name\") before it"))?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if id.len() > 64 || !id.chars().all(plain) {
        let problem =
            Problem::at(text, placed.span.start, format!("the id `{}` cannot be used", id.escape_debug()));
        return Err(problem.with_hint("at most 64 letters, digits, `_`, `-` and `.`"));
    }
    let reason = note("reason")
        .ok_or_else(|| lacking("@reason", "write @reason(\"what the user should know\") before it"))?;
    let effect = match placed.policy.effect() {
        cedar_policy::Effect::Permit => Effect::Permit,
        cedar_policy::Effect::Forbid => Effect::Forbid,
    };
    Ok(Rule { id: id.to_owned(), reason: reason.to_owned(), effect, origin })
}

fn not_monotone(rule: &Rule, problem: impl Fn(String) -> Problem) -> Problem {
    let (takes, hint) = match rule.effect {
        Effect::Permit => (
            "a permit could cease to hold",
            "a permit may say `context.assurance >= 2`, compared with what does not depend on it",
        ),
        Effect::Forbid => (
            "a forbid could begin to hold",
            "a forbid may say `context.assurance < 2`, compared with what does not depend on it",
        ),
    };
    problem(format!(
        "`{}`: with more assurance {takes}, so no level would be the one that a call needs",
        rule.id
    ))
    .with_hint(hint)
}
