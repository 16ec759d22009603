//! The words of names that strangers chose, so that rules about words cannot be slipped past by spelling.

use unicode_normalization::UnicodeNormalization;

use crate::unseen::is_unseen;

/// The words of a name or a sentence in lower case: `getHTTPStatus_2` is `get`, `http`, `status`.
pub(crate) fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![];
    let letters: Vec<char> = name.nfkc().filter(|letter| !is_unseen(*letter)).collect();
    let mut begins = true;
    for (at, letter) in letters.iter().enumerate() {
        if !letter.is_alphabetic() {
            begins = true;
            continue;
        }
        let before = at.checked_sub(1).and_then(|at| letters.get(at));
        let after_small = before.is_some_and(|before| before.is_lowercase());
        let ends_capitals = before.is_some_and(|before| before.is_uppercase())
            && letters.get(at + 1).is_some_and(|after| after.is_lowercase());
        if begins || letter.is_uppercase() && (after_small || ends_capitals) {
            words.push(String::new());
        }
        begins = false;
        if let Some(word) = words.last_mut() {
            word.extend(letter.to_lowercase());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_word_by_word() {
        assert_eq!(words("getHTTPStatus_2"), ["get", "http", "status"]);
        assert_eq!(words("list-files.v2"), ["list", "files", "v"]);
        assert_eq!(words("de\u{200b}le\u{3164}te_it\u{e0041}"), ["delete", "it"]);
    }
}
