//! Identifiers: random, prefixed by what they name, never secret and never reused.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::clock::{Clock, SystemClock};
use crate::secret::random_name;

/// 128 random bits, base64url, behind `prefix`: for names that must be unique and salts that nobody can guess; not wiped as a secret is.
#[must_use]
pub fn random_handle(prefix: &str) -> String {
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(random_name::<16>()))
}

/// A handle that begins with the time of its making, in microseconds: for what is written all day long, so that an index over
/// such names grows at its end and not all over. Nothing may be decided by that time: it is the machine's.
#[must_use]
pub fn ordered_handle(prefix: &str) -> String {
    handle_of(prefix, SystemClock.now().micros())
}

fn handle_of(prefix: &str, micros: i64) -> String {
    format!("{prefix}{micros:013x}{}", URL_SAFE_NO_PAD.encode(random_name::<10>()))
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "sqlx", derive(sqlx::Type))]
        #[cfg_attr(feature = "sqlx", sqlx(transparent))]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// A new one, with 128 random bits.
            #[must_use]
            pub fn generate() -> Self {
                Self(random_handle($prefix))
            }

            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

identifier!(
    /// An OAuth client (`client_id`, OAuth 2.1 §2.2). Ours never begin with `https://` (CIMD-6.9-1) and are never
    /// chosen by the client (R7591-5-2).
    ClientId,
    "client_"
);
identifier!(
    /// What one principal allowed one client: the root of its codes, tokens and refresh family.
    GrantId,
    "grant_"
);
identifier!(
    /// One user's connection to one upstream server.
    ConnectionId,
    "conn_"
);
identifier!(
    /// Names an approval: a call that waits for a person. A name and no capability (T18).
    ApprovalId,
    "apr_"
);

/// Whether a principal is a person or a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrincipalKind {
    /// A person who signs in.
    User,
    /// A client that acts for itself (`client_credentials`).
    Machine,
}

/// Who acts: a user or a machine (`sub`). The prefix says which, so the two never collide (OA21-7.4-1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::Type))]
#[cfg_attr(feature = "sqlx", sqlx(transparent))]
#[serde(transparent)]
pub struct PrincipalId(String);

impl PrincipalId {
    /// A new principal of this kind.
    #[must_use]
    pub fn generate(kind: PrincipalKind) -> Self {
        Self(random_handle(match kind {
            PrincipalKind::User => "user_",
            PrincipalKind::Machine => "machine_",
        }))
    }

    /// The identifier as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is a person or a machine.
    #[must_use]
    pub fn kind(&self) -> PrincipalKind {
        if self.0.starts_with("machine_") { PrincipalKind::Machine } else { PrincipalKind::User }
    }
}

impl From<String> for PrincipalId {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for PrincipalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// OA21-7.4-1, CIMD-6.9-1, R7591-5-2
    #[test]
    fn users_machines_and_clients_live_in_separate_namespaces() {
        assert_eq!(PrincipalId::generate(PrincipalKind::User).kind(), PrincipalKind::User);
        assert_eq!(PrincipalId::generate(PrincipalKind::Machine).kind(), PrincipalKind::Machine);
        let client = ClientId::generate();
        assert!(!client.as_str().starts_with("https://"));
        assert_eq!(client.as_str().len(), "client_".len() + 22, "128 random bits");
    }

    #[test]
    fn handles_of_what_is_written_all_day_come_in_the_order_of_their_making() {
        let (earlier, later) =
            (handle_of("evt_", 1_764_430_000_000_000), handle_of("evt_", 1_764_430_000_000_001));
        assert!(earlier < later);
        assert_eq!(earlier.len(), "evt_".len() + 13 + 14, "80 random bits");
        assert_ne!(earlier, handle_of("evt_", 1_764_430_000_000_000));
    }
}
