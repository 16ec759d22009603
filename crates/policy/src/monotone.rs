//! More assurance never takes something away: a check on the syntax tree.
//!
//! A `permit` may only come true as the assurance rises, a `forbid` may only cease to hold. The check walks down from the
//! conditions with the direction in which the truth of each part may move. `&&`, `||` and both branches of a conditional
//! keep the direction, `!` and `unless` turn it. At the bottom, a part that does not read the assurance may be anything;
//! one that does must be a comparison of `context.assurance` itself, by `<`, `<=`, `>` or `>=`, with something that does
//! not read it, and must point in the right direction. Whatever else reads the assurance (`==`, sums, sets, the context as
//! a whole) is refused, even where it would do no harm: the check is sound and not complete, and its hint says how to
//! write the same so that it passes.

use cedar_policy::pst::{BinaryOp, Clause, Effect, Expr, Template, UnaryOp};

use crate::syntax::{Reads, is_assurance};

/// Whether the truth of a part may rise or fall with the assurance.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Rising,
    Falling,
}

impl Direction {
    fn turned(self) -> Self {
        match self {
            Self::Rising => Self::Falling,
            Self::Falling => Self::Rising,
        }
    }
}

/// Whether more assurance never makes `policy` stricter.
pub(crate) fn holds(policy: &Template) -> bool {
    let direction = match policy.effect {
        Effect::Permit => Direction::Rising,
        Effect::Forbid => Direction::Falling,
    };
    policy.clauses().iter().all(|clause| match clause {
        Clause::When(expr) => moves(expr, direction),
        Clause::Unless(expr) => moves(expr, direction.turned()),
    })
}

/// Whether `expr` can only move in this direction.
fn moves(expr: &Expr, direction: Direction) -> bool {
    if !Reads::of(expr).assurance {
        return true;
    }
    match expr {
        Expr::UnaryOp { op: UnaryOp::Not, expr } => moves(expr, direction.turned()),
        Expr::BinaryOp { op: BinaryOp::And | BinaryOp::Or, left, right } => {
            moves(left, direction) && moves(right, direction)
        }
        Expr::IfThenElse { cond, then_expr, else_expr } => {
            !Reads::of(cond).assurance && moves(then_expr, direction) && moves(else_expr, direction)
        }
        Expr::BinaryOp { op, left, right } => compared(*op, left, right) == Some(direction),
        _ => false,
    }
}

/// The direction of a comparison of the assurance with something else.
fn compared(op: BinaryOp, left: &Expr, right: &Expr) -> Option<Direction> {
    let with_assurance_left = match op {
        BinaryOp::Greater | BinaryOp::GreaterEq => Direction::Rising,
        BinaryOp::Less | BinaryOp::LessEq => Direction::Falling,
        _ => return None,
    };
    if is_assurance(left) && !Reads::of(right).assurance {
        Some(with_assurance_left)
    } else if is_assurance(right) && !Reads::of(left).assurance {
        Some(with_assurance_left.turned())
    } else {
        None
    }
}
