//! Language tags (BCP 47), and the lookup of what is written in several languages (RFC 4647, 3.4): the closest that there is. Pure.

use std::collections::BTreeMap;

/// Characters of a tag: longer ones are none (RFC 5646, 4.4.1).
const LONGEST: usize = 35;

/// The tags under which a text for `locale` is looked for, the closest first and in lower case: `de-AT` gives `de-at`, `de`. Systems that
/// write `de_AT.UTF-8` mean the same. What is no language tag gives none.
pub fn ranges(locale: &str) -> Vec<String> {
    let tag = locale.trim().split(['.', '@']).next().unwrap_or_default();
    let tag = tag.replace('_', "-").to_ascii_lowercase();
    let mut parts: Vec<&str> = tag.split('-').collect();
    let language = parts[0];
    let sound = tag.len() <= LONGEST
        && (2..=3).contains(&language.len())
        && language.bytes().all(|byte| byte.is_ascii_lowercase())
        && parts
            .iter()
            .all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    if !sound {
        return vec![];
    }
    let mut all = vec![];
    while !parts.is_empty() {
        all.push(parts.join("-"));
        parts.pop();
        // A singleton introduces what comes after it: alone it says nothing.
        while parts.last().is_some_and(|part| part.len() == 1) {
            parts.pop();
        }
    }
    all
}

/// Of texts by tag (in lower case) those that `locale` may be answered by, the closest first; without a locale none.
pub fn closest<'a, T>(texts: &'a BTreeMap<String, T>, locale: Option<&str>) -> Vec<&'a T> {
    match locale {
        Some(locale) if !texts.is_empty() => ranges(locale).iter().filter_map(|tag| texts.get(tag)).collect(),
        Some(_) | None => vec![],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_looked_for_from_the_closest_to_the_language_alone() {
        for (locale, tags) in [
            ("de", vec!["de"]),
            ("de-AT", vec!["de-at", "de"]),
            ("de_AT.UTF-8", vec!["de-at", "de"]),
            ("zh-Hant-TW", vec!["zh-hant-tw", "zh-hant", "zh"]),
            (
                "de-AT-u-co-phonebk",
                vec!["de-at-u-co-phonebk", "de-at-u-co", "de-at", "de"],
            ),
            (" gsw ", vec!["gsw"]),
            ("", vec![]),
            ("C", vec![]),
            ("POSIX", vec![]),
            ("German", vec![]),
            ("de-", vec![]),
            ("d1", vec![]),
            ("../de", vec![]),
            (&"de-abcdefgh".repeat(9), vec![]),
        ] {
            assert_eq!(ranges(locale), tags, "{locale}");
        }
    }

    #[test]
    fn the_closest_of_what_there_is_comes_first() {
        let texts = BTreeMap::from([("de".to_owned(), 1), ("de-at".to_owned(), 2), ("fr".to_owned(), 3)]);
        assert_eq!(closest(&texts, Some("de-AT")), [&2, &1]);
        assert_eq!(closest(&texts, Some("de-CH")), [&1]);
        assert!(closest(&texts, Some("it")).is_empty() && closest(&texts, None).is_empty());
    }
}
