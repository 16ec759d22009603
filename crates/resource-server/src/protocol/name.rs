//! Values of `Mcp-Name`: plain, or wrapped in base64 where a header could not carry them (HTTP26-6).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What a header value stands for, or `None` when it cannot be read. The markers are exact: `=?BASE64?` is plain text.
pub(super) fn decode(value: &str) -> Option<String> {
    match value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) {
        None => Some(value.to_owned()),
        Some(encoded) => String::from_utf8(STANDARD.decode(encoded).ok()?).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// HTTP26-6
    #[test]
    fn only_the_exact_markers_mean_base64() {
        assert_eq!(decode("foo").as_deref(), Some("foo"));
        assert_eq!(decode("=?base64?Zm9v?=").as_deref(), Some("foo"));
        assert_eq!(decode("=?base64??=").as_deref(), Some(""));
        assert_eq!(decode("=?BASE64?Zm9v?=").as_deref(), Some("=?BASE64?Zm9v?="));
        for bad in ["=?base64?Zm9?=", "=?base64?Zm 9v?=", "=?base64?/w==?="] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
