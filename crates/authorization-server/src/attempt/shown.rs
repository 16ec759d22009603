//! How a value stands in a trace: short, every hidden character visible, and nothing in it that could open anything.

use std::fmt::{Display, Write};

/// Longer values are cut.
const LONGEST: usize = 300;
/// A run of so many letters and digits is a secret until the contrary is known: no name of a scope, a host or a path has it.
const RANDOM: usize = 40;
/// Parameters of an address whose values may open something.
const TELLING: [&str; 8] = ["code", "token", "secret", "password", "key", "state", "assertion", "signature"];

/// The value as it is kept.
pub(super) fn shown(value: &dyn Display) -> String {
    let text = value.to_string();
    let veiled = without_secrets(&without_parameters(&text));
    let mut kept = String::with_capacity(veiled.len().min(LONGEST));
    for (count, c) in veiled.chars().enumerate() {
        if count == LONGEST {
            kept.push('…');
            break;
        }
        if is_visible(c) {
            kept.push(c);
        } else {
            // Writing to a string does not fail.
            let _ = write!(kept, "\\u{{{:x}}}", u32::from(c));
        }
    }
    kept
}

/// What a person sees as it is. Controls, spaces that are none, joiners and turns of direction are not: a value that
/// differs from the expected one in nothing but them must look different.
fn is_visible(c: char) -> bool {
    match c {
        ' ' => true,
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{2000}'..='\u{200f}'
        | '\u{2028}'..='\u{202f}'
        | '\u{205f}'..='\u{206f}'
        | '\u{2800}'
        | '\u{3000}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{e000}'..='\u{f8ff}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{10ffff}' => false,
        c => !c.is_control() && !c.is_whitespace(),
    }
}

/// An address keeps the names of its parameters; what stands under a telling one goes.
fn without_parameters(text: &str) -> String {
    let Some((before, query)) = text.split_once('?') else { return text.to_owned() };
    let telling = |name: &str| {
        let name = name.to_ascii_lowercase();
        TELLING.iter().any(|word| name.contains(word))
    };
    let kept = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, value)) if telling(name) && !value.is_empty() => format!("{name}=…"),
        _ => pair.to_owned(),
    });
    format!("{before}?{}", kept.collect::<Vec<_>>().join("&"))
}

/// Runs that look random, and whatever begins like a secret of ours, keep their first letters.
fn without_secrets(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut run = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') {
            run.push(c);
        } else {
            kept.push_str(&veiled(&run));
            run.clear();
            kept.push(c);
        }
    }
    kept.push_str(&veiled(&run));
    kept
}

fn veiled(run: &str) -> String {
    // Every secret of ours begins with `pcl_`, two letters and `_`.
    let ours = run.find("pcl_").is_some_and(|at| run.len() > at + 12);
    let random = run.len() >= RANDOM
        && run.bytes().any(|byte| byte.is_ascii_digit())
        && run.bytes().any(|byte| byte.is_ascii_alphabetic());
    // The parts of a signed token begin so, however short they are.
    let signed = run.starts_with("eyJ") && run.len() > 10;
    if random || signed || ours {
        format!("{}… ({} characters)", run.chars().take(7).collect::<String>(), run.len())
    } else {
        run.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use portcullis_oauth::{Secret, SecretKind};

    use super::*;

    #[test]
    fn hidden_characters_become_visible_and_long_texts_are_cut() {
        assert_eq!(
            shown(&"mcp.tools\u{200b}.read\u{202e}\r\n\u{a0}é"),
            "mcp.tools\\u{200b}.read\\u{202e}\\u{d}\\u{a}\\u{a0}é"
        );
        assert_eq!(shown(&"a b ".repeat(200)).chars().count(), LONGEST + 1);
    }

    #[test]
    fn nothing_that_opens_anything_is_kept_wherever_somebody_put_it() {
        for kind in [
            SecretKind::AccessToken,
            SecretKind::ClientSecret,
            SecretKind::DeviceCode,
            SecretKind::AuthorizationCode,
        ] {
            let secret = Secret::generate(kind);
            let kept = shown(&format!("read {} write", secret.expose()));
            assert!(!kept.contains(&secret.expose()[8..]) && kept.contains("read pcl_"), "{kept}");
        }
        let signed = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ1In0.c2lnbmF0dXJl";
        assert!(!shown(&signed).contains("eyJzdWIi"), "{}", shown(&signed));
        assert_eq!(
            shown(&"https://a.example/cb?x=1&access_token=abc&State=s&y"),
            "https://a.example/cb?x=1&access_token=…&State=…&y"
        );
        assert_eq!(
            shown(&format!("https://a.example/{}", "a1".repeat(30))),
            "https://a.example/a1a1a1a… (60 characters)"
        );
        for plain in
            ["client_Zm9vYmFyYmF6cXV4eHl6enk", "http://127.0.0.1:51004/callback", "mcp.connections.manage"]
        {
            assert_eq!(shown(&plain), plain);
        }
    }
}
