//! What an attempt is told of clients: how one was found, or why none was.

use portcullis_oauth::ClientAuthMethod;
use portcullis_oauth::jose::AssertionError;

use super::sheet::{client, passed, refused, unless_refused};
use super::words::{Reason, Step};
use crate::document::Unidentified;
use crate::store::{Client, ClientOrigin};

const KNOWN: &str = "a client that this server knows";

/// The client that was found, unless an admin lets it do nothing.
pub(crate) fn known_client(found: Option<Client>, id: &str) -> Option<Client> {
    let Some(found) = found else {
        refused((Step::Client, Reason::ClientUnknown), KNOWN, id);
        return None;
    };
    client(&found.id, false);
    if found.disabled_at.is_some() {
        refused((Step::Client, Reason::ClientDisabled), KNOWN, "one that an administrator disabled");
        return None;
    }
    passed(Step::Client, KNOWN, format_args!("{}, {}", found.metadata.client_name, origin(&found)));
    Some(found)
}

/// A client that proved to be what it says, or a public one that named itself.
pub(crate) fn authenticated_client(found: &Client) {
    // Whoever registers by itself has a secret too, and is a stranger all the same (A36).
    client(&found.id, found.is_confidential() && found.origin == ClientOrigin::Admin);
    passed(Step::Client, KNOWN, format_args!("{}, {}", found.metadata.client_name, origin(found)));
    let method = found.metadata.token_endpoint_auth_method.as_str();
    passed(Step::ClientAuthentication, format_args!("the method {method}"), "in order");
}

/// A client that is not known, is disabled, or did not prove to be what it says.
pub(crate) fn unproven_client(found: Option<&Client>, id: &str, tried: ClientAuthMethod) {
    let Some(found) = found else {
        unless_refused((Step::Client, Reason::ClientUnknown), KNOWN, id);
        return;
    };
    if known_client(Some(found.clone()), id).is_none() {
        return;
    }
    let registered = found.metadata.token_endpoint_auth_method;
    let right = match registered {
        ClientAuthMethod::None => "no secret",
        ClientAuthMethod::PrivateKeyJwt => "an assertion that the client signed",
        _ => "the client's secret",
    };
    let got = match tried {
        ClientAuthMethod::None => "no secret".to_owned(),
        tried if tried == registered => "another secret".to_owned(),
        tried => format!("a secret that came by {}", tried.as_str()),
    };
    let expected = format_args!("{right}, by the method {}", registered.as_str());
    refused((Step::ClientAuthentication, Reason::AuthenticationFailed), expected, got);
}

/// A client that is not known, is disabled, or did not prove itself by its assertion.
pub(crate) fn unproven_assertion(found: Option<&Client>, id: &str, why: AssertionError) {
    let Some(found) = found else {
        unless_refused((Step::Client, Reason::ClientUnknown), KNOWN, id);
        return;
    };
    if known_client(Some(found.clone()), id).is_none() {
        return;
    }
    let method = found.metadata.token_endpoint_auth_method.as_str();
    let expected = format_args!("a proof of the client, by the method {method}");
    refused(
        (Step::ClientAuthentication, Reason::AuthenticationFailed),
        expected,
        format_args!("an assertion: {why}"),
    );
}

/// Nobody is known by the URL of a document.
pub(crate) fn unidentified_client(why: &Unidentified, id: &str) {
    let (reason, got) = match why {
        Unidentified::Store(_) => return,
        Unidentified::Url(_) => (Reason::ClientDocument, "a URL that breaks the rules for such names"),
        Unidentified::Document(fault) => (Reason::ClientDocument, fault.reason()),
        Unidentified::Off => (Reason::ClientBlocked, "no documents are taken here"),
        Unidentified::Asked => (Reason::ClientNotApproved, "an administrator has to allow it first"),
        Unidentified::Blocked => (Reason::ClientBlocked, "an administrator blocked it"),
    };
    refused(
        (Step::Client, reason),
        "a client whose document is in order and taken here",
        format_args!("{id}: {got}"),
    );
}

fn origin(found: &Client) -> &'static str {
    match found.origin {
        ClientOrigin::Admin => "registered by an administrator",
        ClientOrigin::Dynamic => "registered by itself",
        ClientOrigin::Document => "described by its document",
    }
}
