//! Which settings there are, what sort of value each takes, and which one somebody probably meant.

/// What a setting's value looks like in an environment variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Taken as it is.
    Text,
    /// Several, separated by commas.
    List,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Switch,
}

/// A setting.
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    about: &'static str,
}

const fn key(name: &'static str, shape: Shape, about: &'static str) -> Key {
    Key { name, shape, about }
}

/// Every setting, in the order in which help lists them.
pub(super) const KEYS: &[Key] = &[
    key("data_dir", Shape::Text, "folder for database, master key and demo.json [data]"),
    key("database_url", Shape::Text, "postgres://… or sqlite:FILE [sqlite:DATA_DIR/portcullis.db]"),
    key("master_key_file", Shape::Text, "file of the key that seals every secret [DATA_DIR/master.key]"),
    key("master_key_command", Shape::List, "program and arguments that print the master key instead []"),
    key("master_key", Shape::Text, "the key itself, 32 bytes in base64; only as PORTCULLIS_MASTER_KEY []"),
    key("listen", Shape::List, "addresses; localhost:PORT means IPv4 and IPv6 [localhost:8420]"),
    key("public_url", Shape::Text, "the origin that clients use [http://localhost:PORT]"),
    key("behind_tls_proxy", Shape::Switch, "TLS ends in a proxy in front of us [false]"),
    key("tls_certificate", Shape::Text, "PEM file: Portcullis ends TLS itself, with tls_key []"),
    key("tls_key", Shape::Text, "PEM file with the certificate's private key []"),
    key("trusted_proxies", Shape::List, "addresses or networks whose X-Forwarded-For is believed []"),
    key("allowed_origins", Shape::List, "browser applications that may call /mcp []"),
    key("access_token_seconds", Shape::Number, "life of an access token [600]"),
    key("refresh_idle_days", Shape::Number, "life of an unused refresh token [30]"),
    key("refresh_absolute_days", Shape::Number, "life of a grant's refresh tokens [90]"),
    key("refresh_grace_seconds", Shape::Number, "a repeated refresh gets the same answer for so long [120]"),
    key(
        "registration",
        Shape::Text,
        "open: clients may register themselves; token: with an invitation; off: admins do [open]",
    ),
    key(
        "client_documents",
        Shape::Text,
        "open, ask (an admin first) or off: clients named by the URL of a document [open]",
    ),
    key("private_hosts", Shape::List, "hosts that may have private addresses when this server calls them []"),
    key(
        "outbound_seconds",
        Shape::Number,
        "time for one request to an address that a client or issuer named [5]",
    ),
    key("registrations_per_minute", Shape::Number, "client registrations from one address [120]"),
    key("authorizations_per_minute", Shape::Number, "authorization requests from one address [300]"),
    key("sign_ins_per_minute", Shape::Number, "tries to sign in from one address [300]"),
    key("user_calls_per_minute", Shape::Number, "tool calls of one user [60]"),
    key("user_lists_per_minute", Shape::Number, "lists and other MCP requests of one user [120]"),
    key("user_tool_calls_per_minute", Shape::Number, "calls of one user to one tool [10]"),
    key(
        "limits_in",
        Shape::Text,
        "memory: each node counts calls for itself; database: all together; engine: database on PostgreSQL [engine]",
    ),
    key("max_connections", Shape::Number, "open connections; half of them for one address at most [10000]"),
    key("require_par", Shape::Switch, "clients must push their requests (RFC 9126) [false]"),
    key("signing_algorithm", Shape::Text, "of signed access tokens: ES256, EdDSA or RS256 [ES256]"),
    key("openid", Shape::Text, "on: clients may ask who signed in (OpenID Connect); off [off]"),
    key(
        "dpop",
        Shape::Text,
        "tokens bound to a key (RFC 9449): off, on (who brings a proof) or required [off]",
    ),
    key("dpop_nonces", Shape::Switch, "proofs of a key must hold a nonce of this server [true]"),
    key(
        "approvals_allow_command",
        Shape::Switch,
        "`portcullis approvals approve` works, with a password [false]",
    ),
    key(
        "approvals_webhook",
        Shape::Text,
        "https address that is told when a call waits, as Slack reads it []",
    ),
    key(
        "smtp_url",
        Shape::Text,
        "mail server that tells people when a call waits: smtps://USER:PASSWORD@HOST []",
    ),
    key("smtp_from", Shape::Text, "sender of that mail, with smtp_url []"),
    key("node", Shape::Text, "this process's name in the audit trail [the one in DATA_DIR/node]"),
    key("audit_days", Shape::Number, "audit events are kept for so long [90]"),
    key("audit_redact", Shape::List, "more words in names of arguments whose values are not recorded []"),
    key(
        "audit_durability",
        Shape::Text,
        "strict: events are on the disk before what they allow happens; relaxed: committed; engine: PostgreSQL strict, SQLite relaxed [engine]",
    ),
    key("audit_files", Shape::Text, "folder for daily files of audit events, beside the database []"),
    key("audit_webhook", Shape::Text, "https URL to which audit events are posted as JSON Lines []"),
    key(
        "audit_webhook_authorization_file",
        Shape::Text,
        "file with the value of the Authorization header for audit_webhook []",
    ),
    key("otlp_endpoint", Shape::Text, "collector of OpenTelemetry for logs and traces, OTLP/HTTP in JSON []"),
    key(
        "otlp_authorization_file",
        Shape::Text,
        "file with the value of the Authorization header for otlp_endpoint []",
    ),
    key("ops_listen", Shape::Text, "address for /healthz, /readyz and /metrics, or off [127.0.0.1:8421]"),
    key("log", Shape::Text, "error, warn, info, debug, or a filter such as info,portcullis=debug [info]"),
    key("log_format", Shape::Text, "text or json [text]"),
];

/// The setting of this name.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The known name that looks most like `name`.
pub(super) fn nearest(name: &str) -> &'static str {
    let likeness = |key: &Key| strsim::jaro_winkler(key.name, name);
    let best = KEYS.iter().max_by(|one, two| likeness(one).total_cmp(&likeness(two)));
    best.map_or("listen", |key| key.name)
}

/// Every setting with a word about it, for `--help`.
#[must_use]
pub fn describe() -> String {
    use std::fmt::Write;

    let mut text = String::from(
        "Settings come from portcullis.toml in the working directory (or --config FILE), then from\nPORTCULLIS_… variables, then from flags; none is needed:\n",
    );
    for key in KEYS {
        let _ = write!(text, "\n  {:<26} {}", key.name, key.about);
    }
    text
}
