//! The nonces of proofs (RFC 9449 §8): each is its own time of issue, sealed under a key that all nodes have of the
//! vault. Nobody else can make or foretell one, and nothing of them is stored.

use portcullis_oauth::dpop::NonceStanding;
use portcullis_oauth::{Seconds, Timestamp};
use portcullis_vault::{SealingKey, Vault};

/// Under this label the vault gives the key that seals nonces.
const SEAL_LABEL: &[u8] = b"portcullis dpop nonce v1";
/// A nonce is good for so long.
const LIFE: Seconds = Seconds::minutes(5);
/// When it is this old, the next one comes along with the answer, so that a busy client is never refused for its age.
const RENEWED: Seconds = Seconds(150);
/// So far the clocks of our own nodes may differ.
const SKEW: Seconds = Seconds(60);

/// Makes and knows nonces.
pub(super) struct Nonces(SealingKey);

impl Nonces {
    pub(super) fn new(vault: &Vault) -> Self {
        Self(vault.server_key(SEAL_LABEL))
    }

    pub(super) fn judge(&self, given: Option<&str>, now: Timestamp) -> NonceStanding {
        let issued_at = given.and_then(|given| self.issued_at(given));
        match issued_at.filter(|at| *at <= now.plus(SKEW) && now < at.plus(LIFE)) {
            None => NonceStanding::Needed(self.issue(now)),
            Some(at) if now < at.plus(RENEWED) => NonceStanding::Good { next: None },
            Some(_) => NonceStanding::Good { next: Some(self.issue(now)) },
        }
    }

    fn issue(&self, now: Timestamp) -> String {
        self.0.seal(&now.micros().to_be_bytes(), &[])
    }

    fn issued_at(&self, nonce: &str) -> Option<Timestamp> {
        let opened = self.0.open(nonce, &[]).ok()?;
        Some(Timestamp::from_micros(i64::from_be_bytes(opened.as_slice().try_into().ok()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> (Nonces, Nonces, Nonces) {
        let key = |master: &str| Nonces(SealingKey::derive(master.as_bytes(), SEAL_LABEL));
        (key("one"), key("one"), key("two"))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros((1_790_000_000 + seconds) * 1_000_000)
    }

    fn issued(nonces: &Nonces, seconds: i64) -> String {
        match nonces.judge(None, at(seconds)) {
            NonceStanding::Needed(nonce) => nonce,
            other => panic!("{other:?}"),
        }
    }

    /// R9449-8-1: good for five minutes, renewed half-way, at every node of this server and at no other
    #[test]
    fn a_nonce_is_good_for_five_minutes_at_every_node() {
        let (node, other_node, other_server) = keys();
        let nonce = issued(&node, 0);
        for seconds in [-60, 0, 149] {
            assert_eq!(
                other_node.judge(Some(&nonce), at(seconds)),
                NonceStanding::Good { next: None },
                "{seconds}"
            );
        }
        for seconds in [150, 299] {
            let standing = other_node.judge(Some(&nonce), at(seconds));
            assert!(
                matches!(standing, NonceStanding::Good { next: Some(next) } if next != nonce),
                "{seconds}"
            );
        }
        for seconds in [-61, 300, 3_600] {
            assert!(matches!(node.judge(Some(&nonce), at(seconds)), NonceStanding::Needed(_)), "{seconds}");
        }
        assert!(matches!(other_server.judge(Some(&nonce), at(0)), NonceStanding::Needed(_)));
    }

    /// R9449-8-1: unpredictable, and of characters that a header and a claim can hold (RFC 9449 §8.1)
    #[test]
    fn a_nonce_is_never_the_same_twice_and_cannot_be_made_up() {
        let (nonces, ..) = keys();
        let nonce = issued(&nonces, 0);
        assert_ne!(nonce, issued(&nonces, 0));
        assert!(nonce.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)), "{nonce}");
        for made_up in ["", "v1.", "v1.AAAA", "1790000000", &nonce[..nonce.len() - 1], &nonce.to_uppercase()]
        {
            assert!(matches!(nonces.judge(Some(made_up), at(0)), NonceStanding::Needed(_)), "{made_up}");
        }
    }
}
