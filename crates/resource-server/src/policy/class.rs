//! What a tool is likely to do, by the words of its name. What its upstream says of it may raise the class and never lowers
//! it (TOOL-8, T30).

use serde_json::Value;

use crate::offer::Offer;
use crate::words::words;

/// What a tool is likely to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Its name speaks of reading, and nothing speaks against that.
    Reads,
    /// Nothing is known.
    Unknown,
    /// Its name, or its upstream, speaks of destroying, changing for everybody, or sending.
    Sensitive,
}

/// Words of names that need a person wherever they stand, even inside another word.
const SENSITIVE: [&str; 5] = ["delete", "archive", "update", "create", "sendmessage"];
/// Words that read.
const READING: [&str; 20] = [
    "get",
    "list",
    "read",
    "search",
    "find",
    "show",
    "view",
    "describe",
    "fetch",
    "count",
    "lookup",
    "query",
    "browse",
    "status",
    "info",
    "inspect",
    "check",
    "summarize",
    "open",
    "echo",
];
/// Words that do something, whatever stands beside them.
const DOING: [&str; 30] = [
    "write", "set", "put", "post", "add", "remove", "edit", "move", "rename", "drop", "insert", "send",
    "run", "exec", "execute", "start", "stop", "kill", "merge", "close", "push", "approve", "reset", "clear",
    "modify", "patch", "upload", "revoke", "grant", "save",
];

impl Class {
    /// The class of a tool.
    pub(crate) fn of(tool: &Offer) -> Self {
        let annotations = tool.description.get("annotations").and_then(Value::as_object);
        let hint = |name: &str| annotations?.get(name)?.as_bool();
        let speaks = annotations.is_some_and(|all| all.keys().any(|key| key.ends_with("Hint")));
        let (destroys, reads) = (hint("destructiveHint"), hint("readOnlyHint"));
        // A hint that leaves open whether the tool destroys is read as the protocol reads it: it may.
        let may_destroy = destroys == Some(true) || speaks && reads != Some(true) && destroys != Some(false);
        match Self::named(&tool.key) {
            _ if may_destroy => Self::Sensitive,
            Self::Reads if reads == Some(false) => Self::Unknown,
            named => named,
        }
    }

    /// By the name alone.
    fn named(name: &str) -> Self {
        let words = words(name);
        let joined = words.concat();
        if SENSITIVE.iter().any(|word| joined.contains(word)) {
            return Self::Sensitive;
        }
        let says = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
        if says(&READING) && !says(&DOING) { Self::Reads } else { Self::Unknown }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T30
    #[test]
    fn the_words_of_a_name_decide() {
        for name in [
            "delete_repo",
            "deleteall",
            "ＤＥＬＥＴＥ",
            "sendMessage",
            "send_message",
            "list_or_create",
            "Un-Archive",
        ] {
            assert_eq!(Class::named(name), Class::Sensitive, "{name}");
        }
        for name in ["get_user", "listFiles", "search", "read_graph"] {
            assert_eq!(Class::named(name), Class::Reads, "{name}");
        }
        for name in ["frobnicate", "get_or_set", "set_list", "target", "", "привет"] {
            assert_eq!(Class::named(name), Class::Unknown, "{name}");
        }
    }
}
