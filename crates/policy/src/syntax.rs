//! What an expression reads of the context: the assurance, and what is not known before a call.

use cedar_policy::pst::{Expr, Var};

/// The member of the context that says how surely a person agreed.
pub(crate) const ASSURANCE: &str = "assurance";
/// What is known before a call: the same for each call of a token at a connection.
const KNOWN: [&str; 3] = [ASSURANCE, "client", "granted"];

/// What an expression reads of the context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reads {
    /// How surely a person agreed.
    pub(crate) assurance: bool,
    /// What is not known before a call: arguments, time, network, how the user signed in.
    pub(crate) call: bool,
}

impl Reads {
    /// What `expr` reads. Whoever takes the context as a whole reads everything.
    pub(crate) fn of(expr: &Expr) -> Self {
        let member = |name: &str| Self { assurance: name == ASSURANCE, call: !KNOWN.contains(&name) };
        expr.reduce(
            &|node| match node {
                Expr::GetAttr { expr, attr } if is_context(expr) => Some(member(attr)),
                Expr::HasAttr { expr, attrs } if is_context(expr) => Some(member(attrs.first())),
                Expr::Var(Var::Context) | Expr::Unknown { .. } => Some(Self { assurance: true, call: true }),
                _ => None,
            },
            &|one, other| Self { assurance: one.assurance || other.assurance, call: one.call || other.call },
            Self::default(),
        )
    }
}

/// Whether `expr` is `context.assurance` and nothing else.
pub(crate) fn is_assurance(expr: &Expr) -> bool {
    matches!(expr, Expr::GetAttr { expr, attr } if is_context(expr) && attr.as_str() == ASSURANCE)
}

/// Whether `expr` is `context` itself.
pub(crate) fn is_context(expr: &Expr) -> bool {
    matches!(expr, Expr::Var(Var::Context))
}
