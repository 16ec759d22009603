//! Lifetimes and switches that an operator sets.

use portcullis_oauth::dpop::DpopUse;
use portcullis_oauth::jose::Algorithm;
use portcullis_oauth::{ClientMetadata, OpenIdRegistration, ScopeSet, Seconds, scopes};

/// An authorization code lives so long (OA21-4.1.2-1).
pub(crate) const CODE_LIFE: Seconds = Seconds(60);
/// So many wrong verifiers are forgiven before a code is dead (DC-20).
pub(crate) const CODE_ATTEMPTS: i64 = 5;
/// A person may take so long to sign in and answer the consent page.
pub(crate) const REQUEST_LIFE: Seconds = Seconds::minutes(30);
/// A pushed request waits so long for its browser (R9126-2.2-1).
pub(crate) const PUSHED_REQUEST_LIFE: Seconds = Seconds(90);
/// A client that registered itself and was never consented to is forgotten after so long.
pub(crate) const QUARANTINE: Seconds = Seconds::days(7);
/// A link that creates the first admin works for so long.
pub(crate) const SETUP_LINK_LIFE: Seconds = Seconds::days(1);

/// A device's request waits so long for its person (RFC 8628 §3.2, R8628-5.1-1).
pub(crate) const DEVICE_LIFE: Seconds = Seconds::minutes(15);
/// A device may ask so often (RFC 8628 §3.2), and so much less often each time that it asks too soon (§3.5).
pub(crate) const DEVICE_INTERVAL: Seconds = Seconds(5);
/// What `slow_down` adds to the interval.
pub(crate) const POLL_STEP: Seconds = Seconds(5);
/// The network may shorten a pause by so much; microseconds.
pub(crate) const POLL_TOLERANCE: i64 = 500_000;
/// So many requests of one client may wait from one address.
pub(crate) const DEVICES_OF_SOURCE: i64 = 20;
/// So many requests of one client may wait in all.
pub(crate) const DEVICES_OF_CLIENT: i64 = 10_000;

/// Which clients may identify themselves by a document (CIMD); an admin's word on one URL comes before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientDocuments {
    /// Anybody, as with registration.
    Open,
    /// Those that an admin allowed; others are put on a list.
    Ask,
    /// Nobody.
    Off,
}

impl ClientDocuments {
    /// The word that the setting has for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Ask => "ask",
            Self::Off => "off",
        }
    }
}

/// Who may register clients (RFC 7591).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Clients register themselves.
    Open,
    /// Clients that bring an initial access token do.
    Token,
    /// Only admins do.
    Off,
}

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
    /// Who may register clients.
    pub registration: Registration,
    /// How often one address may register a client in a minute.
    pub registrations_per_minute: u32,
    /// How often one address may send somebody to the authorization endpoint in a minute.
    pub authorizations_per_minute: u32,
    /// How often one address may try to sign in in a minute, from browsers that are not known.
    pub sign_ins_per_minute: u32,
    /// Whether every authorization request must be pushed first (RFC 9126 §4).
    pub require_pushed_authorization_requests: bool,
    /// Whether clients may identify themselves by a document.
    pub client_documents: ClientDocuments,
    /// What signed tokens are signed with, where nothing else was asked for.
    pub signing_algorithm: Algorithm,
    /// Whether clients may learn who signed in (OpenID Connect).
    pub openid: bool,
    /// Whose proofs of possession count (RFC 9449).
    pub dpop: DpopUse,
    /// Whether proofs must hold a nonce of ours (RFC 9449 §8).
    pub dpop_nonces: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            access_token_life: Seconds::minutes(10),
            refresh_idle: Seconds::days(30),
            refresh_absolute: Seconds::days(90),
            refresh_grace: Seconds(120),
            registration: Registration::Open,
            registrations_per_minute: 120,
            authorizations_per_minute: 300,
            sign_ins_per_minute: 300,
            require_pushed_authorization_requests: false,
            client_documents: ClientDocuments::Open,
            signing_algorithm: Algorithm::Es256,
            openid: false,
            dpop: DpopUse::Off,
            dpop_nonces: true,
        }
    }
}

impl Settings {
    /// What of a client's metadata has a meaning here: the rest is dropped, and the client is told so (R7591-3.2.1-2).
    pub(crate) fn offered(&self, mut metadata: ClientMetadata) -> ClientMetadata {
        if !self.openid {
            metadata.openid = OpenIdRegistration::default();
            metadata.scope = metadata.scope.without(&ScopeSet::from_iter(scopes::OPENID));
        }
        metadata
    }
}
