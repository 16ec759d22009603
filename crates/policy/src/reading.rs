//! What a policy asks of the circumstances of a call: which arguments by name, which parts of the time, and whether network,
//! sign-in and assurance. A recorded call of which some arguments were not kept can still be decided by a policy that does not ask
//! for them, and two calls that differ in nothing that is asked for are decided the same.

use std::collections::BTreeSet;

use cedar_policy::pst::{BinaryOp, Clause, Expr, Literal, Template, Var};
use serde::Serialize;

use crate::Circumstances;
use crate::syntax::is_context;

/// What policies ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Arguments, by their JSON pointers.
    arguments: Named,
    /// Parts of the time: `now`, `hour`, `minute`, `weekday`.
    time: Named,
    /// Whether the caller's address is asked for.
    network: bool,
    /// Whether it is asked how the user signed in.
    authentication: bool,
    /// Whether it is asked how surely a person agreed.
    pub(crate) assurance: bool,
}

/// What is asked for by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Named {
    names: BTreeSet<String>,
    /// Whether one is named by what is known at a call only, or all are taken as a whole, so that it may be any.
    any: bool,
}

impl Named {
    fn has(&self, name: &str) -> bool {
        self.any || self.names.contains(name)
    }

    fn take(&mut self, other: Self) {
        self.any |= other.any;
        self.names.extend(other.names);
    }
}

impl Reading {
    /// What a policy asks for.
    pub(crate) fn of(policy: &Template) -> Self {
        let mut read = Self::default();
        for clause in policy.clauses() {
            let (Clause::When(expr) | Clause::Unless(expr)) = clause;
            read.take(of(expr));
        }
        read
    }

    /// Whether nothing is asked for that is another in every call: arguments, or the second.
    pub(crate) fn lasts(&self) -> bool {
        self.arguments == Named::default() && !self.asks_when("now")
    }

    /// Whatever is asked for of these circumstances, but the assurance: those of which it is the same are the same to the
    /// policies.
    pub(crate) fn essence<'c>(&self, circumstances: &'c Circumstances) -> impl Serialize + use<'c> {
        let time = circumstances.time;
        let (hour, minute, weekday) = time.wall_clock();
        let when = |part: &str, value: i64| self.asks_when(part).then_some(value);
        let asked: Vec<_> = circumstances.arguments.iter().filter(|(at, _)| self.asks_for(at)).collect();
        (
            (asked, circumstances.arguments.overflow()),
            (when("now", time.unix), when("hour", hour.into()), when("minute", minute.into())),
            when("weekday", weekday.into()),
            circumstances.address.filter(|_| self.network),
            self.authentication.then_some(circumstances.authentication),
        )
    }

    /// Whether the value of this name may be asked for.
    pub(crate) fn asks_for(&self, pointer: &str) -> bool {
        self.arguments.has(pointer)
    }

    /// Whether one is asked for that is none of `known`.
    pub(crate) fn asks_beyond<'a>(&self, known: impl Iterator<Item = &'a str>) -> bool {
        let known: BTreeSet<&str> = known.collect();
        let Named { names, any } = &self.arguments;
        *any || names.iter().any(|name| !known.contains(name.as_str()))
    }

    /// Whether this part of the time may be asked for.
    fn asks_when(&self, part: &str) -> bool {
        self.time.has(part)
    }

    /// Takes what another asks for.
    pub(crate) fn take(&mut self, other: Self) {
        self.arguments.take(other.arguments);
        self.time.take(other.time);
        self.network |= other.network;
        self.authentication |= other.authentication;
        self.assurance |= other.assurance;
    }

    /// What asking for a member of the context asks for. Who asks and what was granted is not of the circumstances, and
    /// arguments have no values but by name.
    fn member(name: &str) -> Self {
        let mut read = Self::default();
        match name {
            "client" | "granted" | "arguments" => {}
            "assurance" => read.assurance = true,
            "time" => read.time.any = true,
            "network" => read.network = true,
            "authentication" => read.authentication = true,
            _ => read = Self::everything(),
        }
        read
    }

    fn everything() -> Self {
        let any = || Named { any: true, ..Named::default() };
        Self { arguments: any(), time: any(), network: true, authentication: true, assurance: true }
    }
}

/// Whether it is `context.time`.
fn is_time(expr: &Expr) -> bool {
    matches!(expr, Expr::GetAttr { expr, attr } if is_context(expr) && attr.as_str() == "time")
}

/// No entity of the schema but the arguments has tags.
fn of(expr: &Expr) -> Reading {
    expr.reduce(
        &|node| match node {
            Expr::BinaryOp { op: BinaryOp::GetTag | BinaryOp::HasTag, left, right } => {
                let mut read = of(left);
                match right.as_ref() {
                    Expr::Literal(Literal::String(name)) => {
                        read.arguments.names.insert(name.to_string());
                    }
                    other => {
                        read.take(of(other));
                        read.arguments.any = true;
                    }
                }
                Some(read)
            }
            Expr::GetAttr { expr, attr } if is_time(expr) => {
                let time = Named { names: [attr.to_string()].into(), any: false };
                Some(Reading { time, ..Reading::default() })
            }
            Expr::GetAttr { expr, attr } if is_context(expr) => Some(Reading::member(attr.as_str())),
            Expr::HasAttr { expr, attrs } if is_context(expr) => Some(Reading::member(attrs.first())),
            Expr::Var(Var::Context) | Expr::Unknown { .. } => Some(Reading::everything()),
            _ => None,
        },
        &|mut one, other| {
            one.take(other);
            one
        },
        Reading::default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PolicySet;

    fn reading(condition: &str) -> Reading {
        let text =
            format!("@id(\"a\") @reason(\"r\") permit (principal, action, resource) when {{ {condition} }};");
        PolicySet::parse(&text).unwrap().reading().clone()
    }

    #[test]
    fn what_is_asked_for_is_known_part_by_part() {
        let none = reading("context.client has host && context.granted && context.arguments.overflow");
        // The built-in rules ask for the assurance.
        assert_eq!(none, Reading { assurance: true, ..Reading::default() });
        assert!(none.lasts());
        let hour = reading("context.time.hour < 3");
        assert!(hour.asks_when("hour") && !hour.asks_when("now") && !hour.network, "{hour:?}");
        let aside = reading(
            "if context.time.weekday == 1 then context.time.now < datetime(\"2026-01-01\") else true",
        );
        assert_eq!(
            ["hour", "minute", "now", "weekday"].map(|part| aside.asks_when(part)),
            [false, false, true, true]
        );
        let whole = reading("{at: context.time}.at.hour < 3");
        assert!(whole.asks_when("hour") && whole.asks_when("now"), "{whole:?}");
        assert!(reading("context.network has address && context.network.address.isLoopback()").network);
        assert!(reading("context has network.address").network);
        assert!(reading("context.authentication >= 2").authentication);
        let named = reading("context.arguments.hasTag(\"/a\") && context.arguments.getTag(\"/a\") == \"x\"");
        assert!(named.asks_for("/a") && !named.asks_for("/b") && !named.asks_when("now"), "{named:?}");
        assert!(reading("context.arguments.hasTag(principal.id)").asks_for("/b"));
    }
}
