//! Policies as they look before a call, when arguments, time, network and sign-in are not known: what lists are
//! filtered by.
//!
//! Cedar's own partial evaluation is experimental, so this is an over-approximation of our own, made once when a policy
//! is parsed. Each smallest part of a condition that reads what is not known and has a truth value is replaced by a
//! constant: in a `permit` by the one that lets it apply, in a `forbid` by the one that keeps it from applying (`!` and
//! `unless` turn the constant over). A permit so changed applies whenever the real one could; a forbid so changed applies
//! only where the real one surely does, or fails, which denies too. So a tool that some call could pass is never
//! hidden. One that none can pass may be listed all the same, where two parts exclude each other; its calls are refused
//! with the rule's reason.

use std::sync::Arc;

use cedar_policy::pst::{
    BinaryOp, Clause, Effect, Expr, Literal, PstConstructionError, StaticPolicy, Template, UnaryOp,
};

use crate::syntax::Reads;

/// `policy` as it looks before a call.
///
/// # Errors
/// Never for a policy that was parsed.
pub(crate) fn of(policy: &Template) -> Result<StaticPolicy, PstConstructionError> {
    // What a part becomes where it stands plainly under `when`.
    let hopeful = policy.effect == Effect::Permit;
    let clauses: Vec<Clause> = policy
        .clauses()
        .iter()
        .map(|clause| match clause {
            Clause::When(expr) => Clause::When(guess(expr, hopeful)),
            Clause::Unless(expr) => Clause::Unless(guess(expr, !hopeful)),
        })
        .collect();
    Ok(StaticPolicy::try_from(policy.clone().try_with_clauses(clauses)?)?)
}

/// `expr` with what is not known replaced by `guessed`.
fn guess(expr: &Arc<Expr>, guessed: bool) -> Arc<Expr> {
    if !Reads::of(expr).call {
        return Arc::clone(expr);
    }
    Arc::new(match expr.as_ref() {
        Expr::UnaryOp { op: UnaryOp::Not, expr } => {
            Expr::UnaryOp { op: UnaryOp::Not, expr: guess(expr, !guessed) }
        }
        Expr::BinaryOp { op: op @ (BinaryOp::And | BinaryOp::Or), left, right } => {
            Expr::BinaryOp { op: *op, left: guess(left, guessed), right: guess(right, guessed) }
        }
        Expr::IfThenElse { cond, then_expr, else_expr } => {
            let (left, right) = (guess(then_expr, guessed), guess(else_expr, guessed));
            if Reads::of(cond).call {
                // Either branch: true if one can be, or false unless both are.
                let op = if guessed { BinaryOp::Or } else { BinaryOp::And };
                Expr::BinaryOp { op, left, right }
            } else {
                Expr::IfThenElse { cond: Arc::clone(cond), then_expr: left, else_expr: right }
            }
        }
        _ => Expr::Literal(Literal::Bool(guessed)),
    })
}
