//! Proofs of possession at the authorization server (RFC 9449): whose are read and who must bring one, the nonces that they
//! hold, and which were used before. What a proof must say is judged in [`portcullis_oauth::dpop`].

mod nonces;

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, Method};
use axum::response::Response;
use moka::sync::Cache;
use portcullis_database::Database;
use portcullis_oauth::dpop::{
    DpopUse, FittingProof, HttpTarget, NONCE_HEADER, NonceStanding, PROOF_HEADER, Proof, ProofError,
    ProofKeeper, ProvenRequest, UsedProof, prove_holder,
};
use portcullis_oauth::{BoxFuture, ErrorCode, Secret, SecretHash, Timestamp, TokenScheme, VerifiedBearer};
use portcullis_vault::Vault;

use self::nonces::Nonces;
use crate::Core;
use crate::refusal::Refusal;
use crate::settings::Settings;
use crate::store::{AccessTokens, Client, DpopProofs};

/// So many tokens are remembered as used, lest each of their requests writes it again.
const NOTED: u64 = 20_000;
const NAMELESS: ProofError = ProofError::Invalid("this request has no URI that a DPoP proof can name");

/// Whose proofs count, and what is remembered of them. The gateway asks the same keeper, since clients know a server's nonces
/// by its origin.
pub(crate) struct Dpop {
    used: DpopUse,
    /// `None`: no nonces are asked for.
    nonces: Option<Nonces>,
    proofs: DpopProofs,
    tokens: AccessTokens,
    /// Tokens of which it is noted already that they were used: that never changes.
    noted: Cache<SecretHash, ()>,
}

impl Dpop {
    pub(crate) fn new(settings: &Settings, database: Database, vault: &Vault) -> Arc<Self> {
        let nonces = settings.dpop_nonces.then(|| Nonces::new(vault));
        let (proofs, tokens) = (DpopProofs::new(database.clone()), AccessTokens::new(database));
        Arc::new(Self { used: settings.dpop, nonces, proofs, tokens, noted: Cache::new(NOTED) })
    }

    /// How this server uses `DPoP`.
    pub(crate) fn used(&self) -> DpopUse {
        self.used
    }

    /// Whether proofs of this client are looked at: of everybody's, or of a client that was registered for it.
    pub(crate) fn reads_those_of(&self, client: &Client) -> bool {
        self.used != DpopUse::Off || client.metadata.dpop_bound_access_tokens
    }

    /// Whether this client gets tokens for a proof alone (R9449-5.2-1).
    fn demands_those_of(&self, client: &Client) -> bool {
        self.used == DpopUse::Required || client.metadata.dpop_bound_access_tokens
    }

    pub(crate) async fn sweep(&self, now: Timestamp) -> Result<(), portcullis_database::DatabaseError> {
        self.proofs.sweep(now).await
    }
}

impl ProofKeeper for Dpop {
    fn nonce(&self, given: Option<&str>, now: Timestamp) -> NonceStanding {
        self.nonces.as_ref().map_or(NonceStanding::NotAsked, |nonces| nonces.judge(given, now))
    }

    fn first_use<'a>(
        &'a self,
        proof: &'a UsedProof,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<bool, Box<dyn std::error::Error + Send + Sync>>> {
        Box::pin(async move {
            let first = self.proofs.use_up(proof).await?;
            if let Some(token) =
                proof.token.as_ref().filter(|token| first && !self.noted.contains_key(*token))
            {
                self.tokens.mark_used(token, now).await?;
                self.noted.insert(token.clone(), ());
            }
            Ok(first)
        })
    }
}

/// The proof that a client brought to the endpoint at `path`, if it fits.
pub(crate) fn brought(
    core: &Core,
    client: &Client,
    (headers, path): (&HeaderMap, &str),
    now: Timestamp,
) -> Result<Option<FittingProof>, Refusal> {
    if !core.dpop.reads_those_of(client) {
        return Ok(None);
    }
    let fields = headers.get_all(PROOF_HEADER).iter().map(HeaderValue::as_bytes);
    let Some(proof) = Proof::read(fields)? else { return Ok(None) };
    // R9449-4.3-3: by the name that we publish, never by `Host`.
    let target = HttpTarget::parse(&core.public_url().join(path));
    let target = target.ok_or(NAMELESS)?;
    let request = ProvenRequest { method: "POST", target: &target, token: None };
    Ok(Some(proof.judge(&request, &*core.dpop, now)?))
}

/// The same at the token endpoint, where some clients must bring one.
pub(crate) fn due(
    core: &Core,
    client: &Client,
    request: (&HeaderMap, &str),
    now: Timestamp,
) -> Result<Option<FittingProof>, Refusal> {
    let proof = brought(core, client, request, now)?;
    if proof.is_some() || !core.dpop.demands_those_of(client) {
        return Ok(proof);
    }
    let text = "this client's tokens are bound to a key: send a proof of it in the DPoP header";
    let refusal = Refusal::new(ErrorCode::InvalidDpopProof, text);
    // The first proof that it makes can then be the right one.
    Err(match core.dpop.nonce(None, now) {
        NonceStanding::Needed(nonce) => refusal.with_nonce(nonce),
        _ => refusal,
    })
}

/// The refusal of somebody who presented no token, with the challenge of the scheme that tokens come by here; it tells of no
/// error (R6750-3-2).
pub(crate) fn challenged(core: &Core, refusal: Refusal) -> Refusal {
    match core.dpop.used {
        DpopUse::Required => refusal.challenge_dpop(false),
        _ => refusal.challenge_bearer(false),
    }
}

/// The answer, with the next nonce when that of the proof will soon be too old (RFC 9449 §8.2).
pub(crate) fn renewing(mut answer: Response, proof: Option<&FittingProof>) -> Response {
    let next = proof.and_then(FittingProof::next_nonce).and_then(|nonce| HeaderValue::from_str(nonce).ok());
    if let Some(next) = next {
        answer.headers_mut().insert(NONCE_HEADER, next);
    }
    answer
}

/// Whether a token was presented as it must be at `resource` of ours: one that is bound to a key with a fresh proof of that
/// key, any other as a Bearer token (R9449-7.2-1). Gives the proof.
pub(crate) async fn prove_possession(
    core: &Core,
    bearer: &VerifiedBearer,
    (token, scheme): (&Secret, TokenScheme),
    (method, headers): (&Method, &HeaderMap),
    now: Timestamp,
) -> Result<Option<FittingProof>, Refusal> {
    let key = match (scheme, bearer.confirmation()) {
        (TokenScheme::Bearer, None) if core.dpop.used != DpopUse::Required => return Ok(None),
        (TokenScheme::Dpop, Some(key)) => key,
        // R9449-7.1-1: the error stands in the challenge of the scheme that was used.
        (TokenScheme::Bearer, _) => {
            let text =
                "the token has to be bound to a key, and presented by the scheme DPoP with a proof of it";
            return Err(Refusal::new(ErrorCode::InvalidToken, text).challenge_bearer(true));
        }
        (TokenScheme::Dpop, None) => {
            let text = "the token is bound to no key: present it by the scheme Bearer";
            return Err(Refusal::new(ErrorCode::InvalidToken, text).challenge_dpop(true));
        }
    };
    let proofs = headers.get_all(PROOF_HEADER).iter().map(HeaderValue::as_bytes);
    let judged = async {
        let target = HttpTarget::parse(bearer.resource().as_str()).ok_or(NAMELESS)?;
        let request = ProvenRequest { method: method.as_str(), target: &target, token: Some(token) };
        prove_holder(proofs, &request, key, &*core.dpop, now).await
    };
    judged.await.map(Some).map_err(|error| match error {
        ProofError::Unavailable(_) => Refusal::from(error),
        _ => Refusal::from(error).challenge_dpop(true),
    })
}

impl From<ProofError> for Refusal {
    fn from(error: ProofError) -> Self {
        let (code, text) = (error.code(), error.to_string());
        match error {
            ProofError::Invalid(_) | ProofError::OtherKey => Self::new(code, text),
            ProofError::NonceNeeded(nonce) => Self::new(code, text).with_nonce(nonce),
            ProofError::Unavailable(cause) => Self::unavailable(cause),
        }
    }
}
