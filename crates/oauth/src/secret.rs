//! Secrets: the one that is shown, the one that is stored, and the only door to randomness.

use std::cell::RefCell;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// What a secret opens; its prefix makes a leaked one recognisable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretKind {
    /// A bearer access token (RFC 6750).
    AccessToken,
    /// A refresh token (OAuth 2.1 §4.3).
    RefreshToken,
    /// An authorization code (OAuth 2.1 §4.1).
    AuthorizationCode,
    /// A client's password (OAuth 2.1 §2.4.1).
    ClientSecret,
    /// The handle of a pending authorization request, known to one browser.
    AuthorizationRequest,
    /// A pushed authorization request (RFC 9126 §2.2).
    PushedRequest,
    /// What lets a client read and change its own registration (RFC 7592 §3).
    RegistrationAccess,
    /// What lets somebody register a client where that is not open to all (RFC 7591 §3).
    InitialAccess,
    /// A device code (RFC 8628 §3.2).
    DeviceCode,
    /// The handle under which one browser answers a device's request.
    DeviceRequest,
    /// A synchroniser token in a form.
    Csrf,
    /// A one-time link that lets its bearer create the first admin.
    SetupLink,
    /// An MCP session id (Streamable HTTP, revisions up to 2025-11-25).
    McpSession,
    /// What makes a browser known again that somebody signed in with.
    KnownBrowser,
    /// What finds our own request to somebody else's authorization server again (`state`).
    UpstreamState,
    /// A password that we chose for somebody.
    Password,
}

impl SecretKind {
    /// What every secret of this kind begins with.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::AccessToken => "pcl_at_",
            Self::RefreshToken => "pcl_rt_",
            Self::AuthorizationCode => "pcl_ac_",
            Self::ClientSecret => "pcl_cs_",
            Self::AuthorizationRequest => "pcl_ar_",
            Self::PushedRequest => "pcl_pr_",
            Self::RegistrationAccess => "pcl_rg_",
            Self::InitialAccess => "pcl_ia_",
            Self::DeviceCode => "pcl_dc_",
            Self::DeviceRequest => "pcl_dr_",
            Self::Csrf => "pcl_xs_",
            Self::SetupLink => "pcl_su_",
            Self::McpSession => "pcl_ms_",
            Self::KnownBrowser => "pcl_dv_",
            Self::UpstreamState => "pcl_us_",
            Self::Password => "",
        }
    }
}

/// A secret in clear: generated here and shown once, or presented by a stranger. Wiped when dropped; `Debug` never
/// prints it; it has no column type, so it cannot be stored.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// 256 random bits from the operating system, base64url, behind the prefix of its kind.
    #[must_use]
    pub fn generate(kind: SecretKind) -> Self {
        let bytes = random_bytes::<32>();
        Self(Zeroizing::new(format!("{}{}", kind.prefix(), URL_SAFE_NO_PAD.encode(bytes.as_slice()))))
    }

    /// A secret that somebody presented.
    #[must_use]
    pub fn presented(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself, for the one answer that shows it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored and looked up.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        SecretHash(URL_SAFE_NO_PAD.encode(Sha256::digest(self.0.as_bytes())))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// SHA-256 of a secret, base64url: the form that rows and cache keys hold. Enough for secrets of 256 random bits;
/// passwords that people choose take argon2id instead.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::Type))]
#[cfg_attr(feature = "sqlx", sqlx(transparent))]
#[serde(transparent)]
pub struct SecretHash(String);

impl SecretHash {
    /// The hash as stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `presented` is the secret behind this hash, in constant time (ASVS-11.2.4).
    #[must_use]
    pub fn matches(&self, presented: &Secret) -> bool {
        self.0.as_bytes().ct_eq(presented.hash().0.as_bytes()).into()
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretHash({}…)", self.0.get(..6).unwrap_or_default())
    }
}

/// Random bytes from the operating system, wiped when dropped.
pub(crate) fn random_bytes<const N: usize>() -> Zeroizing<[u8; N]> {
    let mut bytes = Zeroizing::new([0; N]);
    fill(bytes.as_mut_slice());
    bytes
}

/// So many bytes are drawn at once for names.
const DRAWN: usize = 512;

thread_local! {
    /// Bytes for names, and how many of them were used.
    static FOR_NAMES: RefCell<([u8; DRAWN], usize)> = const { RefCell::new(([0; DRAWN], DRAWN)) };
}

/// Random bytes for names and salts, drawn all day long: many at once from the operating system, each used once. Nobody can
/// guess them, but they are not wiped as a secret's are.
pub(crate) fn random_name<const N: usize>() -> [u8; N] {
    const { assert!(N <= DRAWN) };
    FOR_NAMES.with_borrow_mut(|(drawn, used)| {
        if *used + N > DRAWN {
            fill(drawn);
            *used = 0;
        }
        let mut bytes = [0; N];
        bytes.copy_from_slice(&drawn[*used..*used + N]);
        *used += N;
        bytes
    })
}

#[expect(
    clippy::disallowed_methods,
    clippy::panic,
    reason = "the one door to randomness; without it nothing is safe"
)]
fn fill(bytes: &mut [u8]) {
    if let Err(error) = getrandom::fill(bytes) {
        panic!("the operating system gives no random bytes: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// OA21-7.7-1, ASVS-11.5.1
    #[test]
    fn a_secret_has_256_random_bits_and_a_prefix_that_says_what_it_is() {
        let (one, two) =
            (Secret::generate(SecretKind::AccessToken), Secret::generate(SecretKind::AccessToken));
        assert_ne!(one.expose(), two.expose());
        assert_eq!(one.expose().len(), "pcl_at_".len() + 43);
        assert!(one.expose().starts_with("pcl_at_"));
    }

    /// Enough of them that the bytes drawn at once are used up more than once
    #[test]
    fn no_two_names_are_the_same() {
        let names: HashSet<[u8; 10]> = (0..200).map(|_| random_name()).collect();
        assert_eq!(names.len(), 200);
        assert!(!names.contains(&[0; 10]));
    }

    /// ASVS-11.2.4: compared by hash and in constant time, so that nearly right is as wrong as anything else
    #[test]
    fn a_secret_prints_nothing_of_itself_and_matches_only_its_own_hash() {
        let secret = Secret::generate(SecretKind::ClientSecret);
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert!(secret.hash().matches(&secret));
        assert!(!secret.hash().matches(&Secret::presented("pcl_cs_guess")));
    }
}
