//! The closed lists: where an attempt was, which of its steps was judged, why it was refused, and what to do then.

use serde::Serialize;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
        pub enum $name {
            $($(#[$about])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// The word that rows and `--json` have for it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// What a row's word means; `None` for a word of another release.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

words! {
    /// The request in which a leg of an attempt was told.
    AttemptStage {
        /// A client pushed its request (RFC 9126).
        Push = "push",
        /// A browser came to the authorization endpoint.
        Authorize = "authorize",
        /// A device asked (RFC 8628).
        Device = "device",
        /// Somebody tried to sign in for it.
        SignIn = "sign_in",
        /// A person was asked, or answered.
        Consent = "consent",
        /// The client asked for tokens.
        Token = "token",
    }
}

words! {
    /// How far a leg, or the whole attempt, has come.
    AttemptOutcome {
        /// The next step is somebody else's.
        Waiting = "waiting",
        /// The client has its tokens.
        Done = "done",
        /// It was refused.
        Refused = "refused",
    }
}

words! {
    /// What was judged.
    Step {
        /// Who asks.
        Client = "client",
        /// Whether it proved to be that client.
        ClientAuthentication = "client_authentication",
        /// Which key it proved to hold (RFC 9449).
        Proof = "proof",
        /// Where the answer goes.
        RedirectUri = "redirect_uri",
        /// What the request says otherwise.
        Request = "request",
        /// The proof key (RFC 7636).
        Pkce = "pkce",
        /// Which server it is for (RFC 8707).
        Resource = "resource",
        /// What it may do there.
        Scope = "scope",
        /// Who sits at the browser.
        Session = "session",
        /// What that person said.
        Consent = "consent",
        /// An authorization code.
        Code = "code",
        /// A refresh token.
        RefreshToken = "refresh_token",
        /// A device code.
        DeviceCode = "device_code",
        /// What an identity provider says of a user (ID-JAG).
        Assertion = "assertion",
        /// A token to be exchanged.
        SubjectToken = "subject_token",
        /// How often one may ask.
        Limit = "limit",
        /// This server itself.
        Server = "server",
    }
}

macro_rules! reasons {
    ($($variant:ident = $word:literal: $advice:literal,)+) => {
        words! {
            /// Why a step was refused. The words are stable across releases.
            Reason {
                $(#[doc = concat!("`", $word, "`")] $variant = $word,)+
            }
        }

        impl Reason {
            /// What to do about it, for whoever runs the server.
            #[must_use]
            pub const fn advice(self) -> &'static str {
                match self {
                    $(Self::$variant => $advice,)+
                }
            }
        }
    };
}

reasons! {
    ClientMissing = "client_missing": "The application did not say who it is. Its developer has to send client_id.",
    ClientUnknown = "client_unknown": "This server never gave that client_id, or has forgotten it. In the application, remove this server and its stored login and add it again, so that it registers anew; or register it with `portcullis client add`.",
    ClientDisabled = "client_disabled": "An administrator disabled this client. `portcullis client enable` lets it in again.",
    ClientDocument = "client_document": "The document that the client_id points to could not be read or is not in order; the audit trail holds the cause. Its author has to mend it.",
    ClientNotApproved = "client_not_approved": "`portcullis client documents` lists what waits for you; `portcullis client trust` allows it.",
    ClientBlocked = "client_blocked": "An administrator blocked this client, or documents are switched off. `portcullis client trust` allows it.",
    AuthenticationFailed = "authentication_failed": "Compare the client_secret or the key that the application holds, and the way in which it proves it, with the registration. `portcullis client rotate-secret` makes a new secret, `portcullis client set-keys` registers another key.",
    ProofInvalid = "proof_invalid": "The client's tokens are bound to a key (DPoP, RFC 9449), and its proof of that key is missing or not in order: what was received says what is wrong with it. A clock that is wrong is a frequent cause.",
    KeyNotProven = "key_not_proven": "The code or token is bound to a key (DPoP, RFC 9449), and the request proved another one or none: the application lost its key, or somebody else tries the code or token. If it lost it, connect again.",
    RedirectMissing = "redirect_missing": "The client registered several redirect URIs, so its request has to name one of them.",
    RedirectMismatch = "redirect_mismatch": "Register exactly the address that the application sends, or let the application send the registered one.",
    RequestMalformed = "request_malformed": "The application's developer has to mend the request: what was received says what is wrong with it.",
    GrantNotAllowed = "grant_not_allowed": "The client is not registered for this grant. Register it again with the grant if it should be.",
    PushRequired = "push_required": "This server, or the client's registration, wants requests to be pushed first (RFC 9126).",
    PushedOver = "pushed_over": "A pushed request is good for a minute and a half and one use. Start to connect again from the application.",
    PkceMissing = "pkce_missing": "This server always demands PKCE with S256 (RFC 7636). Update the application, or ask its developer for it.",
    PkceMalformed = "pkce_malformed": "The application's PKCE is not S256 as RFC 7636 has it. Its developer has to mend it.",
    VerifierMissing = "verifier_missing": "The application sent no code_verifier. Its developer has to send the one behind its code_challenge.",
    VerifierWrong = "verifier_wrong": "The code_verifier is not the one behind the code_challenge: the application lost it between the two requests (two windows, a restart), or somebody else tries the code.",
    ResourceMalformed = "resource_malformed": "A resource is an absolute URI without a fragment. Let the application send the address of the MCP server as it is published.",
    ResourceUnknown = "resource_unknown": "This server issues no tokens for that resource. Compare it, letter by letter, with the address of the MCP server; `portcullis resource list` shows what is registered.",
    ResourceNotAllowed = "resource_not_allowed": "This client is registered for other resources only. Register it for this one if it should reach it.",
    ResourceNotGranted = "resource_not_granted": "The person allowed other resources. The application has to ask for this one at the authorization endpoint.",
    ResourceSeveral = "resource_several": "A token is for one resource. The application has to name one.",
    ScopeMalformed = "scope_malformed": "Scopes are names with spaces between them. The application's developer has to mend the request.",
    ScopeUnknown = "scope_unknown": "None of these scopes means anything at the resource. Let the application ask for what the resource's metadata lists.",
    ScopeWithoutOpenid = "scope_without_openid": "The application asks for profile or email without openid, and then they mean nothing (OpenID Connect Core 5.4). Let it ask for openid too.",
    ScopeMissing = "scope_missing": "The resource gives nothing by default. The application has to name scopes.",
    ScopeBeyond = "scope_beyond": "The application asks for more than was granted or registered. It has to ask the person again, or you widen its registration.",
    SignInRequired = "sign_in_required": "Nobody was signed in as lately as the application asks, or consent was due, and it wanted nobody to be asked. It has to send the person without prompt=none.",
    SignInFailed = "sign_in_failed": "The address or the password was not right. `portcullis user password` sets a new one.",
    SignInThrottled = "sign_in_throttled": "There were too many tries. Wait, or `portcullis user unlock`.",
    PasswordExpired = "password_expired": "The person has to choose a new password first, as an administrator asked.",
    UserDisabled = "user_disabled": "The account is disabled. `portcullis user enable` opens it again.",
    OtherBrowser = "other_browser": "The request was begun in another browser, or the browser keeps no cookies. Start to connect again, and stay in one browser.",
    RequestOver = "request_over": "The request was answered before, or took longer than half an hour. Start to connect again from the application.",
    ClientChanged = "client_changed": "The application became another one while the person was being asked. Start to connect again.",
    ResourceGone = "resource_gone": "The resource was removed meanwhile. `portcullis resource add` registers it again.",
    FormRefused = "form_refused": "The form did not come from a page of ours, or its cookie was lost. Load the page again; cookies must be allowed.",
    Denied = "denied": "The person said no. If that was a mistake, start to connect again from the application.",
    NothingTicked = "nothing_ticked": "The person allowed without ticking a permission, and was asked again.",
    NoSuchConnection = "no_such_connection": "The person has no connection of that name. They add one, or the application uses another address.",
    CodeUnknown = "code_unknown": "This server never gave that code, or forgot it a day after it expired. If the application talks to two servers, it may have mixed them up.",
    CodeExpired = "code_expired": "A code lives for a minute. The application was too slow, or the computer slept: start to connect again.",
    CodeUsed = "code_used": "A code works once, and this one came again: the application sent it twice, or somebody has a copy. Everything that it gave was ended; start to connect again.",
    CodeTried = "code_tried": "Too many wrong verifiers came with this code, so it is dead. Start to connect again.",
    CodeOfAnother = "code_of_another": "The code or token was given to another client. The application mixed up two registrations: remove its stored login and start again.",
    RedirectDiffers = "redirect_differs": "The redirect_uri of the token request must be the one of the authorization request, letter by letter, or be left out.",
    GrantEnded = "grant_ended": "What the person allowed has been ended, by them, by an administrator, or because a token came twice. Start to connect again.",
    TokenUnknown = "token_unknown": "This server never gave that token, or has forgotten it. Remove the application's stored login and connect again.",
    TokenExpired = "token_expired": "The token was not used for too long, or its time is over. Connect again.",
    TokenReplayed = "token_replayed": "A refresh token that had been replaced came again: the application kept an old one, or somebody has a copy. Everything of it was ended; connect again.",
    AssertionInvalid = "assertion_invalid": "The identity provider's assertion is not in order: what was received says what is wrong with it. The provider's administrator has to mend it.",
    IssuerUntrusted = "issuer_untrusted": "Nobody trusts that identity provider here, or not for that tenant. `portcullis issuer add` does; `portcullis issuer list` shows whom.",
    UserNotLinked = "user_not_linked": "The identity provider speaks of somebody who is unknown here. `portcullis user link` says who it is.",
    KeptAway = "kept_away": "The user disconnected this client. They allow it again on their start page.",
    DeviceExpired = "device_expired": "Nobody answered the device in time. Let the device begin anew.",
    TooMany = "too_many": "One source asked too often. Wait a minute; if it is an office behind one address, raise the limit in the configuration.",
    ServerFault = "server_fault": "This server met a fault of its own. The log holds the cause under the request's id.",
}
