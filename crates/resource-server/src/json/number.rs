//! Whether a number, as it was written, is still the same after a double has carried it.

/// The greatest magnitude up to which every integer has its own double.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Whether a byte can stand in a number after its first one.
pub(super) const fn may_hold(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')
}

/// Whether the number survives. What is no number at all is left to the grammar.
pub(super) fn survives(written: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(written) else { return true };
    let Ok(double) = text.parse::<f64>() else { return true };
    // An integer one beyond the limit rounds onto it, so the digits are compared too. Where two shortest texts mean the
    // same double, programs differ in which they write; both are good.
    let anew = serde_json::Number::from_f64(double).map(|number| number.to_string()).unwrap_or_default();
    let same = |other: &str| decimal(text) == decimal(other);
    double.abs() <= EXACT && (same(&anew) || same(&format!("{double:e}")))
}

/// Significant digits, without leading or trailing zeros, and the power of ten of the last of them.
fn decimal(text: &str) -> Option<(String, i64)> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let mantissa = mantissa.trim_start_matches('-');
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let kept = digits.trim_end_matches('0');
    let dropped = i64::try_from(digits.len() - kept.len()).ok()?;
    let fraction = i64::try_from(fraction.len()).ok()?;
    let significant = kept.trim_start_matches('0');
    if significant.is_empty() {
        return Some((String::new(), 0));
    }
    let exponent: i64 = exponent.parse().ok()?;
    Some((significant.to_owned(), exponent.checked_sub(fraction)?.checked_add(dropped)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T23
    #[test]
    fn digits_are_compared_not_doubles() {
        for good in
            ["0", "-0", "0.0", "0e9", "10", "1e1", "100.50", "0.1", "-1.5e-7", "9007199254740992", "5e-324"]
        {
            assert!(survives(good.as_bytes()), "{good}");
        }
        for bad in [
            "9007199254740993",
            "1e16",
            "1e400",
            "1e-400",
            "0.30000000000000000001",
            "1e99999999999999999999",
        ] {
            assert!(!survives(bad.as_bytes()), "{bad}");
        }
    }
}
