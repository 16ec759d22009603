//! Sealing: what is encrypted, authenticated and bound to its place, so that a row that was moved or changed does not
//! open.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{Key, KeyInit, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use portcullis_oauth::{Secret, SecretKind};
use sha2::Sha256;
use zeroize::Zeroizing;

/// What a sealed text begins with: the format's version.
const VERSION: &str = "v1.";
/// Bytes of an `XChaCha20` nonce: long enough to be drawn at random for every message.
const NONCE: usize = 24;

/// A sealed value did not open. Which of the reasons it was, is nobody's business but an attacker's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sealed value did not open: it is damaged, was moved, or was sealed with another key")]
pub struct SealError;

/// A key that seals and opens. Wiped when dropped; `Debug` prints nothing of it.
pub struct SealingKey(XChaCha20Poly1305);

impl SealingKey {
    /// The key that HKDF-SHA256 (RFC 5869) derives from `material`, which must itself be unguessable. Each use has a
    /// `label` of its own, so that keys from the same material never coincide.
    #[must_use]
    pub fn derive(material: &[u8], label: &[u8]) -> Self {
        let key = expand::<32>(material, label);
        Self(XChaCha20Poly1305::new(&Key::from(*key)))
    }

    /// Seals `plaintext` under a fresh random nonce. `associated_data` says where the value belongs; it is not stored, and
    /// the same must be named to open it.
    ///
    /// # Panics
    /// When `plaintext` is longer than the cipher's 256 GiB.
    #[must_use]
    #[expect(clippy::expect_used, reason = "fails only beyond 256 GiB, which no text column can hold")]
    pub fn seal(&self, plaintext: &[u8], associated_data: &[u8]) -> String {
        let random = Secret::generate(SecretKind::Password);
        let nonce = expand::<NONCE>(random.expose().as_bytes(), b"portcullis nonce v1");
        let payload = Payload { msg: plaintext, aad: associated_data };
        let ciphertext =
            self.0.encrypt(&XNonce::from(*nonce), payload).expect("the plaintext fits into memory");
        let mut sealed = nonce.to_vec();
        sealed.extend_from_slice(&ciphertext);
        format!("{VERSION}{}", URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Opens what [`seal`](Self::seal) made with the same key for the same place.
    ///
    /// # Errors
    /// When the text is damaged, or was sealed with another key or for another place.
    pub fn open(&self, sealed: &str, associated_data: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let text = sealed.strip_prefix(VERSION).ok_or(SealError)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| SealError)?;
        let (nonce, ciphertext) = bytes.split_first_chunk::<NONCE>().ok_or(SealError)?;
        let payload = Payload { msg: ciphertext, aad: associated_data };
        self.0.decrypt(&XNonce::from(*nonce), payload).map(Zeroizing::new).map_err(|_| SealError)
    }
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealingKey(…)")
    }
}

#[expect(clippy::expect_used, reason = "HKDF-SHA256 gives up to 8160 bytes; we ask for 12 to 32")]
pub(crate) fn expand<const N: usize>(material: &[u8], label: &[u8]) -> Zeroizing<[u8; N]> {
    let mut bytes = Zeroizing::new([0; N]);
    Hkdf::<Sha256>::new(None, material).expand(label, bytes.as_mut_slice()).expect("a short output");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SealingKey {
        SealingKey::derive(b"pcl_rt_example", b"a label")
    }

    #[test]
    fn what_is_sealed_opens_with_the_same_key_for_the_same_place() {
        let sealed = key().seal(b"successor", b"row 7");
        assert_eq!(key().open(&sealed, b"row 7").unwrap().as_slice(), b"successor");
        assert!(!sealed.contains("successor"));
        assert_ne!(sealed, key().seal(b"successor", b"row 7"), "each sealing has a nonce of its own");
    }

    #[test]
    fn another_key_label_or_place_opens_nothing() {
        let sealed = key().seal(b"successor", b"row 7");
        assert_eq!(key().open(&sealed, b"row 8"), Err(SealError));
        assert_eq!(SealingKey::derive(b"pcl_rt_other", b"a label").open(&sealed, b"row 7"), Err(SealError));
        assert_eq!(SealingKey::derive(b"pcl_rt_example", b"b label").open(&sealed, b"row 7"), Err(SealError));
    }

    #[test]
    fn a_damaged_text_opens_nothing_and_harms_nothing() {
        let sealed = key().seal(b"successor", b"");
        let turned =
            format!("{}{}", &sealed[..sealed.len() - 2], if sealed.ends_with("AA") { "BB" } else { "AA" });
        for damaged in ["", "v1.", "v1.AAAA", "v2.AAAA", "v1.!", &sealed[..20], &turned] {
            assert_eq!(key().open(damaged, b""), Err(SealError), "{damaged}");
        }
    }

    #[test]
    fn a_key_prints_nothing_of_itself() {
        assert_eq!(format!("{:?}", key()), "SealingKey(…)");
    }
}
