//! Passwords that people choose: what is acceptable, argon2id at OWASP strength, and a bound on how many are computed
//! at once.

use std::sync::{Arc, LazyLock};

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use portcullis_oauth::{Error, ErrorCode, Secret, SecretKind};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// The least length where the password is the only factor (ASVS-6.2.1, NIST 800-63B-4).
pub const MINIMUM_LENGTH: usize = 15;
/// The most bytes that are hashed; more is an error, never a cut (ASVS-6.2.8).
pub(crate) const MAXIMUM_BYTES: usize = 1_024;

/// How many passwords are computed at once: each takes 19 MiB and about 20 ms of a core.
const CONCURRENT: usize = 2;
/// How many may wait; beyond it an honest 503 beats a hang.
const WAITING: usize = 64;

/// Texts that a guesser tries first.
const COMMON: [&str; 12] = [
    "password",
    "passwort",
    "123456789",
    "qwertyuiop",
    "letmein",
    "iloveyou",
    "administrator",
    "changeme",
    "welcome",
    "correcthorsebatterystaple",
    "abcdefghijklmno",
    "portcullis",
];

/// Why a password was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// ASVS-6.2.1.
    #[error("a password has at least {MINIMUM_LENGTH} characters; a few words make a good one")]
    TooShort,
    /// ASVS-6.2.8.
    #[error("a password has at most {MAXIMUM_BYTES} bytes")]
    TooLong,
    /// ASVS-6.2.4.
    #[error(
        "this password is too easy to guess: it is little more than a common password, a repetition, or your own name or address"
    )]
    Guessable,
    /// The algorithm failed.
    #[error("the password could not be hashed")]
    Hash,
}

/// Judges a password and hashes it off the async threads. `context` is what a guesser would try for this person.
///
/// # Errors
/// Names the rule that it breaks.
pub(crate) async fn hash(password: &Secret, context: &[&str]) -> Result<String, PasswordError> {
    let text = canonical(password)?;
    if text.chars().count() < MINIMUM_LENGTH {
        return Err(PasswordError::TooShort);
    }
    if is_guessable(&text, context) {
        return Err(PasswordError::Guessable);
    }
    tokio::task::spawn_blocking(move || compute(&text)).await.unwrap_or(Err(PasswordError::Hash))
}

fn compute(text: &str) -> Result<String, PasswordError> {
    // The salt, 256 bits, leaves by the one door for randomness.
    let salt = Secret::generate(SecretKind::Password);
    let hash = argon2().hash_password_with_salt(text.as_bytes(), salt.expose().as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|_| PasswordError::Hash)
}

/// OWASP's second recommendation: 19 MiB, two passes, one lane (ASVS-11.4.2).
fn argon2() -> Argon2<'static> {
    let params = Params::new(19_456, 2, 1, None).unwrap_or(Params::DEFAULT);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// NFKC if it is not plain ASCII, so that a composed and a decomposed é are the same; nothing else is altered (DC-28).
fn canonical(password: &Secret) -> Result<Zeroizing<String>, PasswordError> {
    let text = password.expose();
    if text.len() > MAXIMUM_BYTES {
        return Err(PasswordError::TooLong);
    }
    Ok(Zeroizing::new(if text.is_ascii() { text.to_owned() } else { text.nfkc().collect() }))
}

/// Whether little remains once common passwords and the person's own words are taken away, or it has few characters.
fn is_guessable(text: &str, context: &[&str]) -> bool {
    let mut rest = text.to_lowercase();
    let own = context.iter().flat_map(|words| words.split(['@', '.', ' '])).map(str::to_lowercase);
    for word in COMMON.into_iter().map(str::to_owned).chain(own).filter(|word| word.len() >= 4) {
        rest = rest.replace(&word, "");
    }
    let mut distinct: Vec<char> = rest.chars().collect();
    distinct.sort_unstable();
    distinct.dedup();
    rest.chars().count() < 8 || distinct.len() < 5
}

/// Compares passwords off the async threads, a bounded number at once. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct PasswordCheck {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Default for PasswordCheck {
    fn default() -> Self {
        Self { running: Arc::new(Semaphore::new(CONCURRENT)), waiting: Arc::new(Semaphore::new(WAITING)) }
    }
}

impl PasswordCheck {
    /// Whether `password` is the one behind `stored`. Without a stored one it computes all the same and says no, so that
    /// an unknown address takes as long as a wrong password (ASVS-6.3.8, A54).
    ///
    /// # Errors
    /// When too many wait already, as 503 with `Retry-After`.
    pub(crate) async fn verify(&self, password: Secret, stored: Option<String>) -> Result<bool, Error> {
        let Ok(_waiting) = self.waiting.clone().try_acquire_owned() else {
            let busy = Error::new(
                ErrorCode::TemporarilyUnavailable,
                "too many people are signing in at this moment",
            );
            return Err(Error { retry_after: Some(2), ..busy });
        };
        let running = self.running.clone().acquire_owned().await.map_err(Error::internal)?;
        let compare = move || {
            let _running = running;
            compare(&password, stored.as_deref())
        };
        tokio::task::spawn_blocking(compare).await.map_err(Error::internal)
    }
}

/// A hash that no password opens, of the same cost as a real one.
static DUMMY: LazyLock<String> =
    LazyLock::new(|| compute(Secret::generate(SecretKind::Password).expose()).unwrap_or_default());

fn compare(password: &Secret, stored: Option<&str>) -> bool {
    let Ok(text) = canonical(password) else { return false };
    let Ok(parsed) = PasswordHash::new(stored.unwrap_or(&DUMMY)) else { return false };
    argon2().verify_password(text.as_bytes(), &parsed).is_ok() && stored.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ASVS-11.4.2, NIST-4
    #[tokio::test]
    async fn a_password_is_kept_as_argon2id_at_owasp_strength_with_a_salt_of_its_own() {
        let password = Secret::presented("seven green lorries parked");
        let (one, two) = (hash(&password, &[]).await.unwrap(), hash(&password, &[]).await.unwrap());
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert_ne!(one, two);
        assert!(compare(&password, Some(&one)));
        assert!(!compare(&Secret::presented("seven green lorries Parked"), Some(&one)));
    }

    /// NIST-1, DC-28
    #[tokio::test]
    async fn composed_and_decomposed_letters_are_the_same() {
        let stored = hash(&Secret::presented("caf\u{e9} au lait deux fois"), &[]).await.unwrap();
        assert!(compare(&Secret::presented("cafe\u{301} au lait deux fois"), Some(&stored)));
    }

    /// ASVS-6.2.1, ASVS-6.2.4, ASVS-6.2.5, ASVS-6.2.8
    #[tokio::test]
    async fn short_long_and_guessable_passwords_are_refused_and_nothing_else() {
        let judge = async |text: &str| {
            hash(&Secret::presented(text), &["alice@example.com", "Alice"]).await.map(drop)
        };
        assert_eq!(judge("fourteen chars").await, Err(PasswordError::TooShort));
        assert_eq!(judge(&"long words ".repeat(100)).await, Err(PasswordError::TooLong));
        for guessable in
            ["aaaaaaaaaaaaaaaaaaaa", "PasswordPassword1", "portcullis-alice-1", "alice@example.com"]
        {
            assert_eq!(judge(guessable).await, Err(PasswordError::Guessable), "{guessable}");
        }
        assert_eq!(judge("all lower case and no digits").await, Ok(()));
    }

    #[tokio::test]
    async fn an_unknown_user_is_compared_too_and_refused() {
        assert!(!PasswordCheck::default().verify(Secret::presented(""), None).await.unwrap());
    }
}
