//! The policy: who may do what through which connection, and how surely a person has to have agreed.
//!
//! Owns the language (Cedar with [our schema](SCHEMA)), the rules that nothing overrides, [`PolicySet::parse`] with its
//! checks, the decision ([`decide`]), the questions of lists ([`could_pass`], [`may_list`]), [`explain`], the risk class of a tool
//! ([`Risk::of`]), trials of a policy ([`trial`]) and what it would have said to calls of the past ([`replay`]). No I/O: stores,
//! versions, the audit and what is done with a decision are its callers'.
//!
//! # How approval is part of the language
//!
//! `context.assurance` says how surely a person agreed to this very call: 0 nobody, 1 the client says so, 2 the user in
//! their own browser session, 3 a second person. The level that a call needs is the lowest at which the policies allow
//! it. That makes sense only if more assurance never takes something away, so a policy in which it could is refused when
//! it is parsed (see [`PolicySet::parse`]).
//!
//! # What goes wrong is a denial
//!
//! Cedar skips a policy whose evaluation fails, a `forbid` too. Here any such failure denies, under the rule
//! `policy_error`. Where no policy permits, the rule `no_policy` denies.
//!
//! # What is remembered
//!
//! A [`PolicySet`] remembers what its rules answered, each under everything that they look at: the whole of who asks and what for,
//! and of the circumstances what any of them reads. Rules that look at arguments or at the second are asked anew each time.
//! Clones remember together; whoever keeps a set for as long as it is in force asks most rules once.

mod answer;
mod arguments;
mod assurance;
mod case;
mod decision;
mod explanation;
mod facts;
mod index;
mod memory;
mod monotone;
mod outlook;
mod problem;
mod question;
mod reading;
mod recorded;
pub mod replay;
mod risk;
mod rule;
mod ruling;
mod set;
mod syntax;
pub mod trial;
mod vocabulary;

pub use arguments::Arguments;
pub use assurance::Assurance;
pub use case::{
    Case, Circumstances, Client, Connection, Hints, Moment, Pin, Principal, PrincipalKind, Registration,
    ServerKind, Subject, Target, Tool,
};
pub use decision::{Decision, could_pass, decide, forbidden, may_list};
pub use explanation::{Explanation, Part, explain, explain_forbidden, explain_list};
pub use problem::Problem;
pub use recorded::Recorded;
pub use risk::{Risk, words};
pub use rule::{Effect, Origin, Rule};
pub use ruling::Ruling;
pub use set::PolicySet;

/// The schema that every policy is checked against, as text.
pub const SCHEMA: &str = include_str!("rules/schema.cedarschema");
/// The rules that nothing overrides, as text.
pub const BUILTIN: &str = include_str!("rules/builtin.cedar");
/// What holds until a policy was activated, as text.
pub const DEFAULT: &str = include_str!("rules/default.cedar");
