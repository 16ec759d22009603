//! A length of time as it is typed.

use portcullis_oauth::Seconds;

/// `90s`, `30m`, `1h`, `2d`.
pub(super) fn span(text: &str) -> Result<Seconds, String> {
    let wrong = || "a time is a number and a unit: 90s, 30m, 1h, 2d".to_owned();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let count: i64 = digits.parse().ok().filter(|count| (1..=1_000_000).contains(count)).ok_or_else(wrong)?;
    match &text[digits.len()..] {
        "s" => Ok(Seconds(count)),
        "m" => Ok(Seconds::minutes(count)),
        "h" => Ok(Seconds(count * 3_600)),
        "d" => Ok(Seconds::days(count)),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_and_a_unit() {
        for (text, seconds) in [("90s", 90), ("30m", 1_800), ("1h", 3_600), ("2d", 172_800)] {
            assert_eq!(span(text), Ok(Seconds(seconds)), "{text}");
        }
        for wrong in ["", "1", "h", "-1h", "1 h", "1w", "0m", "1hm", "99999999999999999999d"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }
}
