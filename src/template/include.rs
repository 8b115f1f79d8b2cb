//! Which texts a template includes, and those which these include: found by reading, before anything is compiled.

use minijinja::machinery::{Token, tokenize};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

/// What a template reaches.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reached {
    /// By name: every text that it includes, directly or through another.
    pub texts: BTreeMap<String, Arc<str>>,
    /// Names that nothing is known by.
    pub missing: Vec<Missing>,
}

/// A name that is included and not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    pub name: String,
    /// The text that includes it; None: the template itself.
    pub within: Option<String>,
    /// In the template or that text, from 1.
    pub line: usize,
}

/// Follows every include of `source`; `find` gives the text by a name. Each text is read once, so that a circle ends too; no more than
/// [`super::limits::INCLUDES`] are read, and the check refuses what has more.
pub fn reach(source: &str, find: impl Fn(&str) -> Option<Arc<str>>) -> Reached {
    let mut reached = Reached::default();
    let mut unread = VecDeque::from([(None, Arc::<str>::from(source))]);
    while let Some((within, text)) = unread.pop_front() {
        for (name, line) in names(&text) {
            if reached.texts.contains_key(&name) {
                continue;
            }
            match find(&name) {
                Some(found) if reached.texts.len() < super::limits::INCLUDES => {
                    reached.texts.insert(name.clone(), Arc::clone(&found));
                    unread.push_back((Some(name), found));
                }
                Some(_) => {}
                None => {
                    let missing = Missing {
                        name,
                        within: within.clone(),
                        line,
                    };
                    let told = |known: &Missing| known.name == missing.name && known.within == missing.within;
                    if !reached.missing.iter().any(told) && reached.missing.len() < super::limits::MISTAKES {
                        reached.missing.push(missing);
                    }
                }
            }
        }
    }
    reached
}

/// Names that are written as `{% include 'NAME' %}`, with their lines. What cannot be read is the check's to tell.
fn names(source: &str) -> Vec<(String, usize)> {
    let (mut names, mut tag) = (vec![], 0);
    for token in tokenize(source, false, Default::default()) {
        let Ok((token, span)) = token else { break };
        // 1: a tag begins; 2: it is an include, and its name comes next.
        tag = match (tag, token) {
            (_, Token::BlockStart) => 1,
            (1, Token::Ident("include")) => 2,
            (2, Token::Str(name)) => {
                names.push((name.to_owned(), usize::from(span.start_line).max(1)));
                0
            }
            (2, Token::String(name)) => {
                names.push((name.into(), usize::from(span.start_line).max(1)));
                0
            }
            _ => 0,
        };
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn includes_are_followed_through_each_other_and_each_once() {
        let texts = BTreeMap::from([
            ("a", "{% include 'b' %}{% include \"c\" %}"),
            ("b", "{% if true %}{%- include 'a' -%}{% endif %}{% include 'gone' %}"),
            ("c", "end"),
            ("unused", "x"),
        ]);
        let reached = reach(
            "x\n{% include 'a' %}{# include 'no' #}{{ \"{% include 'no' %}\" }}{% include 'lost' %}",
            |name| texts.get(name).map(|text| Arc::from(*text)),
        );
        assert_eq!(reached.texts.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
        let missing: Vec<_> = reached
            .missing
            .iter()
            .map(|missing| (missing.name.as_str(), missing.within.as_deref(), missing.line))
            .collect();
        assert_eq!(missing, [("lost", None, 2), ("gone", Some("b"), 1)]);
    }
}
