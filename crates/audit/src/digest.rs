//! Hashes over several fields: each with its length before it, so that nothing can move from one field to the next.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// SHA-256 over fields, in their order.
pub(crate) struct Digest(Sha256);

impl Digest {
    /// Begins with what is hashed, so that hashes of different things never coincide.
    pub(crate) fn of(what: &str) -> Self {
        Self(Sha256::new()).text(what)
    }

    pub(crate) fn text(mut self, text: &str) -> Self {
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
        self.0.update([1]);
        self.0.update(length.to_be_bytes());
        self.0.update(text.as_bytes());
        self
    }

    pub(crate) fn number(mut self, number: i64) -> Self {
        self.0.update([2]);
        self.0.update(number.to_be_bytes());
        self
    }

    /// A text that may be missing, which is not the same as an empty one.
    pub(crate) fn optional(mut self, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text(text),
            None => {
                self.0.update([0]);
                self
            }
        }
    }

    /// The hash, base64url.
    pub(crate) fn finish(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_ends() {
        let one = Digest::of("test").text("ab").text("c").finish();
        assert_ne!(one, Digest::of("test").text("a").text("bc").finish());
        assert_ne!(
            Digest::of("test").optional(None).finish(),
            Digest::of("test").optional(Some("")).finish()
        );
        assert_eq!(one, Digest::of("test").text("ab").text("c").finish());
    }
}
