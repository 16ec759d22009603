//! Characters that people do not see and programs read. Which they are; what is done about them is their finders' to say.

/// Whether nobody sees a character: it steers, turns the direction of text or has no shape. Line ends and tabs are seen.
pub(crate) fn is_unseen(letter: char) -> bool {
    let steers = letter.is_control() && !matches!(letter, '\n' | '\t');
    steers || turns_direction(letter) || is_shapeless(letter)
}

/// A text without what is not seen. Some scripts, and pictures made of several, lose a joint by it.
pub(crate) fn seen(text: &str) -> String {
    text.chars().filter(|letter| !is_unseen(*letter)).collect()
}

/// Whether a character turns the direction of text, so that it is read otherwise than it is written.
pub(crate) fn turns_direction(letter: char) -> bool {
    matches!(letter,
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}')
}

/// Whether a character has no shape of its own.
pub(crate) fn is_shapeless(letter: char) -> bool {
    matches!(letter,
        '\u{00ad}' | '\u{034f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200d}' | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{2065}' | '\u{3164}'
        | '\u{e000}'..='\u{f8ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..='\u{10ffff}')
}
