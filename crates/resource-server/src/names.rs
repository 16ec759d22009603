//! Names at the aggregate: `alias__tool` for tools and prompts, `alias+uri` for resources. Both are injective, because an
//! alias holds neither `_` nor `+`. Knows no policy: a name says what is meant, never what may be done.

use std::collections::{HashMap, HashSet};

use portcullis_oauth::Alias;
use sha2::{Digest, Sha256};

/// Clients put a prefix of their own before a name and cut at 64 characters.
const LONGEST: usize = 44;
/// Between alias and name.
const BETWEEN: &str = "__";
/// `_` and eight characters of base32.
const HASHED: usize = 9;
/// Names that an upstream may give (the specification allows 128 characters).
const LONGEST_OF_UPSTREAM: usize = 128;

/// Whether an upstream may call something so: printable, and not longer than the specification allows.
pub(crate) fn is_usable(name: &str) -> bool {
    (1..=LONGEST_OF_UPSTREAM).contains(&name.chars().count()) && !name.chars().any(char::is_control)
}

/// The names, at the aggregate, of everything that one connection offers, in the order of `upstream`. No two are the
/// same, and none depends on the order. What is too long is cut and takes a hash; of several that would be written alike
/// those that had to be changed take it. `None` is what cannot be named so at all.
pub(crate) fn at_aggregate(alias: &Alias, upstream: &[&str]) -> Vec<Option<String>> {
    let room = LONGEST - alias.as_str().len() - BETWEEN.len();
    let exact: HashSet<&str> =
        upstream.iter().copied().filter(|name| plain(name, room).as_deref() == Some(*name)).collect();
    let mut wanted: HashMap<String, HashSet<&str>> = HashMap::new();
    for name in upstream {
        wanted.entry(plain(name, room).unwrap_or_else(|| hashed(name, room))).or_default().insert(*name);
    }
    let local = |name: &str| {
        let first = plain(name, room);
        let alone = |local: &String| wanted.get(local).is_none_or(|who| who.len() == 1);
        match first {
            Some(local) if local == name || alone(&local) => local,
            _ => hashed(name, room),
        }
    };
    let mut taken: HashMap<String, HashSet<&str>> = HashMap::new();
    for name in upstream {
        taken.entry(local(name)).or_default().insert(*name);
    }
    let named = |name: &&str| {
        let local = local(name);
        // A made-up name that an upstream also gives, or that two others share: nobody guesses which is meant.
        let clear = exact.contains(name)
            || (!exact.contains(local.as_str()) && taken.get(&local).is_some_and(|who| who.len() == 1));
        clear.then(|| format!("{alias}{BETWEEN}{local}"))
    };
    upstream.iter().map(named).collect()
}

/// The name in the characters that every client takes; `None` if it is too long.
fn plain(name: &str, room: usize) -> Option<String> {
    let mapped = mapped(name);
    (mapped.len() <= room).then_some(mapped)
}

/// The name, cut, with a hash of the whole.
fn hashed(name: &str, room: usize) -> String {
    let kept: String = mapped(name).chars().take(room - HASHED).collect();
    format!("{kept}_{}", base32(&Sha256::digest(name.as_bytes())))
}

fn mapped(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' }).collect()
}

/// The first forty bits in lower-case base32.
fn base32(hash: &[u8]) -> String {
    const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let bits = hash.iter().take(5).fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    (0..8)
        .rev()
        .map(|place| char::from(DIGITS[usize::try_from(bits >> (5 * place) & 31).unwrap_or(0)]))
        .collect()
}

/// The alias and the rest of a name at the aggregate.
pub(crate) fn split(name: &str) -> Option<(Alias, &str)> {
    let (alias, rest) = name.split_once(BETWEEN)?;
    Some((Alias::parse(alias).ok()?, rest))
}

/// A resource's address at the aggregate: the alias before the scheme, so that an address stays an address and a
/// template a template.
pub(crate) fn wrap_uri(alias: &Alias, uri: &str) -> String {
    format!("{alias}+{uri}")
}

/// The alias and the upstream's own address.
pub(crate) fn unwrap_uri(uri: &str) -> Option<(Alias, &str)> {
    let (alias, own) = uri.split_once('+')?;
    Some((Alias::parse(alias).ok()?, own))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn named(upstream: &[&str]) -> Vec<Option<String>> {
        at_aggregate(&Alias::parse("github").unwrap(), upstream)
    }

    /// TOOL-9
    #[test]
    fn ordinary_names_keep_their_form_and_others_take_a_hash() {
        let long = "a_name_that_is_longer_than_forty_four_characters";
        let names = named(&["search", "db.query", "db_query", "get weather", long]);
        assert_eq!(names[0].as_deref(), Some("github__search"));
        assert_eq!(names[1].as_deref(), Some("github__db_query_qirdy7ju"), "it collides");
        assert_eq!(names[2].as_deref(), Some("github__db_query"));
        assert_eq!(names[3].as_deref(), Some("github__get_weather"));
        let cut = names[4].as_deref().unwrap();
        assert!(cut.len() == 44 && cut.starts_with("github__a_name_that_is_longer_than__"), "{cut}");
    }

    #[test]
    fn who_takes_a_name_that_was_made_up_for_another_keeps_it() {
        let made_up = named(&["a.b", "a_b"])[0].clone().unwrap();
        let taken = made_up.strip_prefix("github__").unwrap();
        assert_eq!(
            named(&["a.b", "a_b", taken]),
            [None, Some("github__a_b".to_owned()), Some(made_up.clone())]
        );
    }

    #[test]
    fn an_address_stays_an_address() {
        let alias = Alias::parse("files").unwrap();
        let wrapped = wrap_uri(&alias, "file:///a+b/{name}");
        assert_eq!(wrapped, "files+file:///a+b/{name}");
        assert_eq!(unwrap_uri(&wrapped), Some((alias, "file:///a+b/{name}")));
        assert_eq!(unwrap_uri("file:///a"), None);
    }

    proptest! {
        /// Whatever two upstreams call their tools, no two have one name, and each name leads back to one connection.
        #[test]
        fn names_are_injective_short_and_the_same_in_any_order(
            names in prop::collection::hash_set("[a-c_. é]{1,4}|[a-z_]{28,60}|\\PC{1,40}", 0..40),
            aliases in prop::collection::hash_set("[a-z][a-z0-9]{0,11}", 2),
        ) {
            let names: Vec<&str> = names.iter().map(String::as_str).filter(|name| is_usable(name)).collect();
            let reversed: Vec<&str> = names.iter().rev().copied().collect();
            let mut seen = HashSet::new();
            for alias in aliases.iter().filter_map(|alias| Alias::parse(alias).ok()) {
                let there = at_aggregate(&alias, &names);
                let mut back = at_aggregate(&alias, &reversed);
                back.reverse();
                prop_assert_eq!(&there, &back);
                for name in there.into_iter().flatten() {
                    prop_assert!(name.len() <= LONGEST);
                    prop_assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'));
                    prop_assert_eq!(split(&name).map(|(alias, _)| alias), Some(alias.clone()));
                    prop_assert!(seen.insert(name));
                }
            }
        }
    }
}
