//! The class of a tool: what it could do, by the words of its name. What the server itself says can raise the class and
//! never lower it (T30, TOOL-8).

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::{Assurance, Hints};

/// What a tool could do. Ordered: more can do more harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// Its name says that it only looks.
    Read,
    /// Its name does not say, or says something else.
    Unknown,
    /// Its name says that it creates or updates something.
    Change,
    /// Its name or its server says that it destroys or archives something, sends something out, spends, or runs what it
    /// is given.
    Destructive,
}

/// Words of names that only look.
const READ: [&str; 25] = [
    "browse",
    "check",
    "compare",
    "count",
    "describe",
    "diff",
    "download",
    "echo",
    "fetch",
    "find",
    "get",
    "info",
    "inspect",
    "list",
    "lookup",
    "peek",
    "query",
    "read",
    "search",
    "select",
    "show",
    "status",
    "summarize",
    "summary",
    "view",
];

/// Words of names that do something, whatever stands beside them: no longer just reading.
const DO: [&str; 40] = [
    "add", "append", "approve", "assign", "cancel", "clear", "close", "commit", "copy", "deploy", "disable",
    "edit", "enable", "fork", "import", "insert", "invite", "merge", "modify", "move", "notify", "open",
    "patch", "post", "publish", "push", "put", "rename", "replace", "reset", "restore", "run", "save", "set",
    "start", "stop", "submit", "upload", "upsert", "write",
];

/// Words of names that destroy, send out, spend, or run what they are given.
const DESTROY: [&str; 26] = [
    "bash",
    "buy",
    "cmd",
    "destroy",
    "drop",
    "email",
    "erase",
    "eval",
    "exec",
    "execute",
    "forward",
    "grant",
    "kill",
    "overwrite",
    "pay",
    "purchase",
    "purge",
    "refund",
    "remove",
    "revoke",
    "send",
    "shell",
    "transfer",
    "truncate",
    "unlink",
    "wipe",
];

/// Seen anywhere in the name, run together with other words too: `deleteall` does not escape.
const ANYWHERE: [(&str, Risk); 5] = [
    ("update", Risk::Change),
    ("create", Risk::Change),
    ("delete", Risk::Destructive),
    ("archive", Risk::Destructive),
    ("sendmessage", Risk::Destructive),
];

impl Risk {
    /// The class of the tool `name` with these hints.
    #[must_use]
    pub fn of(name: &str, hints: Option<Hints>) -> Self {
        let words = words(name);
        let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
        let by_word = if has(&DESTROY) {
            Self::Destructive
        } else if has(&READ) && !has(&DO) {
            Self::Read
        } else {
            Self::Unknown
        };
        let run_together: String = words.concat();
        let anywhere = ANYWHERE.iter().filter(|(part, _)| run_together.contains(part)).map(|(_, risk)| *risk);
        let hinted = hints.and_then(Hints::risk);
        anywhere.chain(hinted).fold(by_word, Self::max)
    }

    /// The assurance that a call of a tool of this class needs, unless somebody set another.
    #[must_use]
    pub const fn approval(self) -> Assurance {
        match self {
            Self::Read | Self::Unknown => Assurance::None,
            Self::Change | Self::Destructive => Assurance::Session,
        }
    }

    /// The name that policies use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Unknown => "unknown",
            Self::Change => "change",
            Self::Destructive => "destructive",
        }
    }
}

impl Hints {
    /// What the hints admit. Hints that are there and leave open whether the tool destroys count as if it did: that is
    /// their default in MCP.
    fn risk(self) -> Option<Risk> {
        match (self.read_only, self.destructive) {
            (_, Some(true)) => Some(Risk::Destructive),
            (Some(true), _) => None,
            // It says that it does something, and no harm: that is not known.
            (_, Some(false)) => Some(Risk::Unknown),
            (_, None) => Some(Risk::Destructive),
        }
    }
}

/// The words of a tool's name in small letters: split where the case changes and at whatever is no letter, after
/// compatibility characters were replaced by plain ones.
#[must_use]
pub fn words(name: &str) -> Vec<String> {
    let plain: Vec<char> = name.nfkc().collect();
    let mut words = vec![String::new()];
    for (place, letter) in plain.iter().enumerate() {
        let follows = plain.get(place + 1).is_some_and(|next| next.is_lowercase());
        let before = place.checked_sub(1).map(|place| plain[place]);
        let begins = letter.is_uppercase()
            && before.is_some_and(|before| before.is_lowercase() || (before.is_uppercase() && follows));
        if begins || !letter.is_alphabetic() {
            words.push(String::new());
        }
        if letter.is_alphabetic()
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_split_as_people_read_it() {
        assert_eq!(words("send_message"), ["send", "message"]);
        assert_eq!(words("deleteRepo2.v-X"), ["delete", "repo", "v", "x"]);
        assert_eq!(words("getHTTPStatus"), ["get", "http", "status"]);
        assert_eq!(words("ｄｅｌｅｔｅ"), ["delete"]);
        assert!(words("__9").is_empty());
    }

    #[test]
    fn the_name_gives_the_class() {
        for (name, risk) in [
            ("list_issues", Risk::Read),
            ("getUser", Risk::Read),
            ("echo", Risk::Read),
            ("frobnicate", Risk::Unknown),
            ("get_or_set", Risk::Unknown),
            ("create_note", Risk::Change),
            ("recreate", Risk::Change),
            ("get_or_create_user", Risk::Change),
            ("delete_repo", Risk::Destructive),
            ("DELETEALL", Risk::Destructive),
            ("ｄelete_x", Risk::Destructive),
            ("de_lete", Risk::Destructive),
            ("send_message", Risk::Destructive),
            ("sendMessage", Risk::Destructive),
            ("resendmessages", Risk::Destructive),
            ("run_shell", Risk::Destructive),
        ] {
            assert_eq!(Risk::of(name, None), risk, "{name}");
        }
    }

    /// T30: what a tool says of itself makes it look worse, never better
    #[test]
    fn hints_raise_the_class_and_never_lower_it() {
        let hints = |read_only, destructive| Hints { read_only, destructive, ..Hints::default() };
        let harmless = hints(Some(true), Some(false));
        assert_eq!(Risk::of("delete_repo", Some(harmless)), Risk::Destructive);
        assert_eq!(Risk::of("delete_repo", Some(harmless)).approval(), Assurance::Session);
        assert_eq!(Risk::of("list", Some(harmless)), Risk::Read);
        assert_eq!(Risk::of("list", Some(hints(Some(true), Some(true)))), Risk::Destructive);
        assert_eq!(Risk::of("list", Some(hints(Some(false), Some(false)))), Risk::Unknown);
        assert_eq!(Risk::of("list", Some(hints(Some(true), None))), Risk::Read);
        assert_eq!(Risk::of("list", Some(Hints::default())), Risk::Destructive);
        for name in ["list", "frob", "create", "delete"] {
            for (read_only, destructive) in [None, Some(true), Some(false)]
                .into_iter()
                .flat_map(|one| [(one, None), (one, Some(true)), (one, Some(false))])
            {
                assert!(
                    Risk::of(name, Some(hints(read_only, destructive))) >= Risk::of(name, None),
                    "{name}"
                );
            }
        }
    }
}
