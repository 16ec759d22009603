//! Which arguments of a call a policy asks for by name: a recorded call of which some were not kept can still be decided by a
//! policy that does not ask for them.

use std::collections::BTreeSet;

use cedar_policy::pst::{BinaryOp, Clause, Expr, Literal, Template};

/// The arguments that policies ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// By their JSON pointers.
    named: BTreeSet<String>,
    /// Whether one is named by what is known at a call only, so that it may be any.
    any: bool,
}

impl Reading {
    /// Takes note of what a policy asks for.
    pub(crate) fn add(&mut self, policy: &Template) {
        for clause in policy.clauses() {
            let (Clause::When(expr) | Clause::Unless(expr)) = clause;
            self.take(of(expr));
        }
    }

    /// Whether the value of this name may be asked for.
    pub(crate) fn asks_for(&self, pointer: &str) -> bool {
        self.any || self.named.contains(pointer)
    }

    /// Whether one is asked for that is none of `known`.
    pub(crate) fn asks_beyond<'a>(&self, known: impl Iterator<Item = &'a str>) -> bool {
        let known: BTreeSet<&str> = known.collect();
        self.any || self.named.iter().any(|name| !known.contains(name.as_str()))
    }

    fn take(&mut self, other: Self) {
        self.any |= other.any;
        self.named.extend(other.named);
    }
}

/// No entity of the schema but the arguments has tags.
fn of(expr: &Expr) -> Reading {
    expr.reduce(
        &|node| match node {
            Expr::BinaryOp { op: BinaryOp::GetTag | BinaryOp::HasTag, left, right } => {
                let mut read = of(left);
                match right.as_ref() {
                    Expr::Literal(Literal::String(name)) => {
                        read.named.insert(name.to_string());
                    }
                    _ => read.any = true,
                }
                Some(read)
            }
            _ => None,
        },
        &|mut one, other| {
            one.take(other);
            one
        },
        Reading::default(),
    )
}
