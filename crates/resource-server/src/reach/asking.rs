//! What a client can be asked while it waits, in the words of its capabilities. Servers are told, so that a session that may
//! ask is another one than a session that may not.

use serde_json::{Value, json};

use crate::catalogue::Relays;

/// What a client can be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asking {
    /// Something of its user, by forms.
    pub(crate) forms: bool,
    /// Something of its user, by addresses to open.
    pub(crate) urls: bool,
    /// What its model says.
    pub(crate) sampling: Sampling,
    /// Which folders it works in.
    pub(crate) roots: bool,
}

/// How a client's model can be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sampling {
    /// Not at all.
    #[default]
    Never,
    /// For words.
    Plain,
    /// With tools at hand.
    Tools,
}

impl Asking {
    /// Nobody would answer.
    pub(crate) const NOTHING: Self =
        Self { forms: false, urls: false, sampling: Sampling::Never, roots: false };
    /// Whatever any client can do.
    pub(crate) const ANYBODY: Self = Self { forms: true, urls: true, sampling: Sampling::Tools, roots: true };
    /// What a child is told, which is one for its connection, whoever calls.
    pub(super) const CHILD: Self = Self { forms: true, urls: false, sampling: Sampling::Plain, roots: true };

    /// What a client declares: an elicitation without modes is one by forms (ELIC-2).
    pub(crate) fn declared(capabilities: &Value) -> Self {
        let of = |name: &str| capabilities.get(name).and_then(Value::as_object);
        let (forms, urls) = of("elicitation").map_or((false, false), |modes| {
            let urls = modes.contains_key("url");
            (modes.contains_key("form") || !urls, urls)
        });
        let sampling = of("sampling").map_or(Sampling::Never, |more| {
            if more.get("tools").is_some_and(Value::is_object) { Sampling::Tools } else { Sampling::Plain }
        });
        Self { forms, urls, sampling, roots: of("roots").is_some() }
    }

    /// The capabilities that say so. That roots change is not among them, for no server is told.
    pub(crate) fn capabilities(self) -> Value {
        let elicitation = match (self.forms, self.urls) {
            (false, false) => None,
            (true, false) => Some(json!({})),
            (true, true) => Some(json!({"form": {}, "url": {}})),
            (false, true) => Some(json!({"url": {}})),
        };
        let sampling = match self.sampling {
            Sampling::Never => None,
            Sampling::Plain => Some(json!({})),
            Sampling::Tools => Some(json!({"tools": {}})),
        };
        let roots = self.roots.then(|| json!({}));
        let all = [("elicitation", elicitation), ("sampling", sampling), ("roots", roots)];
        let declared = all.into_iter().filter_map(|(name, what)| Some((name.to_owned(), what?)));
        Value::Object(declared.collect())
    }

    /// Of this what a server may ask for.
    pub(crate) fn within(self, relays: Relays) -> Self {
        let sampling = if relays.sampling { self.sampling } else { Sampling::Never };
        Self { sampling, roots: self.roots && relays.roots, ..self }
    }

    /// A short text that is another one for whoever can be asked otherwise.
    pub(super) fn code(self) -> String {
        let elicitation = match (self.forms, self.urls) {
            (false, false) => "n",
            (true, false) => "f",
            (true, true) => "b",
            (false, true) => "u",
        };
        let sampling = match self.sampling {
            Sampling::Never => "",
            Sampling::Plain => "s",
            Sampling::Tools => "t",
        };
        [elicitation, sampling, if self.roots { "r" } else { "" }].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// MRTR-3, ELIC-2: what is declared is what the client can do and the server may ask for, and nothing beside it
    #[test]
    fn a_server_is_told_what_both_sides_allow() {
        let all = json!({
            "elicitation": {"url": {}}, "sampling": {"tools": {}, "context": {}}, "roots": {"listChanged": true}, "tasks": {},
        });
        let both = Relays { sampling: true, roots: true };
        let told =
            |capabilities: &Value, relays| Asking::declared(capabilities).within(relays).capabilities();
        let everything = json!({"elicitation": {"url": {}}, "sampling": {"tools": {}}, "roots": {}});
        assert_eq!(told(&all, both), everything);
        assert_eq!(told(&all, Relays::default()), json!({"elicitation": {"url": {}}}));
        assert_eq!(told(&json!({"sampling": {}, "roots": 1}), both), json!({"sampling": {}}));
        assert_eq!(told(&json!({"roots": {}}), Relays { sampling: true, roots: false }), json!({}));
        let again = Asking::declared(&everything);
        assert_eq!(again.capabilities(), everything, "a session keeps it as it was declared");
    }
}
