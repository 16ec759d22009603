//! Lifetimes and switches that an operator sets.

use portcullis_oauth::Seconds;

/// An authorization code lives so long (OA21-4.1.2-1).
pub(crate) const CODE_LIFE: Seconds = Seconds(60);
/// So many wrong verifiers are forgiven before a code is dead (DC-20).
pub(crate) const CODE_ATTEMPTS: i64 = 5;
/// A person may take so long to sign in and answer the consent page.
pub(crate) const REQUEST_LIFE: Seconds = Seconds::minutes(30);
/// A client that registered itself and was never consented to is forgotten after so long.
pub(crate) const QUARANTINE: Seconds = Seconds::days(7);
/// A link that creates the first admin works for so long.
pub(crate) const SETUP_LINK_LIFE: Seconds = Seconds::days(1);

/// What an operator may set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long an access token lives (R6750-5.3-1).
    pub access_token_life: Seconds,
    /// A refresh token that is not used for so long expires (OA21-4.3.3-1).
    pub refresh_idle: Seconds,
    /// A refresh family ends after so long in any case (ASVS-10.4.8).
    pub refresh_absolute: Seconds,
    /// A rotated refresh token that comes again within so long gets the same successor (DC-15); 0 is strict.
    pub refresh_grace: Seconds,
    /// Whether clients may register themselves (RFC 7591).
    pub open_registration: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            access_token_life: Seconds::minutes(10),
            refresh_idle: Seconds::days(30),
            refresh_absolute: Seconds::days(90),
            refresh_grace: Seconds(120),
            open_registration: true,
        }
    }
}
