//! One conversation with a token endpoint or a registration endpoint, through the guarded client. What was answered is
//! judged in `portcullis_oauth::client`.

use portcullis_oauth::client::{
    ClientProof, MetadataFault, Registered, RemoteUrl, TokenAnswer, TokenHint, TokenRefusal, TokenRequest,
};
use portcullis_oauth::{ClientMetadata, ErrorBody, Secret};
use portcullis_outbound::{Outbound, Outgoing, Unreachable};

/// Larger answers are not read.
const LARGEST: usize = 64 * 1024;
const FORM: &str = "application/x-www-form-urlencoded";

/// Why there is no token.
#[derive(Debug)]
pub(crate) enum NoToken {
    /// The token endpoint does not answer: worth asking again later.
    Unreachable(Unreachable),
    /// It answered, and gave none.
    Refused(TokenRefusal),
}

/// Asks a token endpoint. Redirects are not followed, so a secret goes nowhere but there (T14).
pub(crate) async fn token(
    outbound: &Outbound,
    endpoint: &RemoteUrl,
    client: &ClientProof,
    request: TokenRequest<'_>,
) -> Result<TokenAnswer, NoToken> {
    let (body, header) = request.sent_by(client);
    let outgoing = Outgoing::post(endpoint.as_str(), FORM, body.as_bytes().to_vec())
        .authorized(header.as_ref().map(|header| header.as_str()))
        .at_most(LARGEST);
    let answer = outbound.send(outgoing).await.map_err(NoToken::Unreachable)?;
    TokenAnswer::read(answer.status.as_u16(), &answer.body).map_err(NoToken::Refused)
}

/// Gives a token back (RFC 7009 §2.1). Whatever is answered, nothing more can be done.
pub(crate) async fn revoke(
    outbound: &Outbound,
    endpoint: &RemoteUrl,
    client: &ClientProof,
    (token, hint): (&Secret, TokenHint),
) -> Result<(), Unreachable> {
    let (body, header) = TokenRequest::Revocation { token, hint }.sent_by(client);
    let outgoing = Outgoing::post(endpoint.as_str(), FORM, body.as_bytes().to_vec())
        .authorized(header.as_ref().map(|header| header.as_str()))
        .at_most(LARGEST);
    outbound.send(outgoing).await.map(drop)
}

/// Why there is no registration.
#[derive(Debug)]
pub(crate) enum NotRegistered {
    /// The endpoint does not answer.
    Unreachable(Unreachable),
    /// It refused, with these words if they can be shown.
    Refused(Option<String>),
    /// Its answer is not one.
    Malformed(MetadataFault),
}

/// Registers at a registration endpoint (RFC 7591 §3.1).
pub(crate) async fn register(
    outbound: &Outbound,
    endpoint: &RemoteUrl,
    metadata: &ClientMetadata,
) -> Result<Registered, NotRegistered> {
    let body = serde_json::to_vec(metadata).map_err(|_| NotRegistered::Malformed(MetadataFault::NotJson))?;
    let outgoing = Outgoing::post(endpoint.as_str(), "application/json", body).at_most(LARGEST);
    let answer = outbound.send(outgoing).await.map_err(NotRegistered::Unreachable)?;
    if !answer.status.is_success() {
        let refusal = serde_json::from_slice::<ErrorBody>(&answer.body).ok();
        return Err(NotRegistered::Refused(refusal.map(|body| shown(&body.error_description))));
    }
    Registered::read(&answer.body, metadata.token_endpoint_auth_method).map_err(NotRegistered::Malformed)
}

/// A stranger's words, short and without anything but letters.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
