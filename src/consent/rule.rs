//! What signals mean for a purpose: as the PrivacyPolicies of the namespace say, each by itself, and then together.

use super::{Gpp, Malformed, OptOut, Said, Signals, Tcf, Unreadable, Word, cmp, gpp, tcf};
use crate::clock::Micros;
use std::collections::{BTreeMap, BTreeSet};

/// What one policy hears for a purpose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// All of them allowed is a yes, one of them denied a no. Empty: categories are not heard.
    pub categories: Vec<String>,
    pub tcf: Option<TcfRule>,
    /// One of them is a withdrawal. Nothing here is ever a yes.
    pub opt_outs: BTreeSet<OptOut>,
    /// Whether Global Privacy Control is a withdrawal.
    pub gpc: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TcfRule {
    pub purposes: Vec<u8>,
    pub special_features: Vec<u8>,
    /// Who uses the data, by the Global Vendor List.
    pub vendor: Option<u16>,
    /// Whether the user's not objecting to a legitimate interest will do: the purpose's basis is not Consent.
    pub objection: bool,
}

/// By purpose what each policy that names it hears; None: it hears nothing. Purposes of which no policy hears anything are not in it.
pub type Rules = BTreeMap<String, Vec<Option<Rule>>>;

/// Signals that were read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Heard {
    pub categories: BTreeMap<String, bool>,
    /// By itself, or as a section of a GPP string.
    pub tcf: Vec<Tcf>,
    pub gpp: Gpp,
    pub gpc: bool,
}

/// What the signals of one event say, purpose by purpose, and how many of them could not be read. What no rule asks for is not read.
pub fn says(rules: &Rules, signals: &Signals) -> (Vec<Said>, Unreadable) {
    let (mut said, mut unreadable) = (vec![], Unreadable::default());
    if *signals == Signals::default() {
        return (said, unreadable);
    }
    let heard = read(rules, signals, &mut unreadable);
    for (purpose, policies) in rules {
        if let Some(word) = together(policies, &heard) {
            said.push(Said {
                purpose: purpose.clone(),
                channel: None,
                word,
            });
        }
    }
    (said, unreadable)
}

fn read(rules: &Rules, signals: &Signals, unreadable: &mut Unreadable) -> Heard {
    let asks = |what: &dyn Fn(&Rule) -> bool| rules.values().flatten().flatten().any(what);
    let asks_tcf = asks(&|rule| rule.tcf.is_some());
    let asks_gpp = asks_tcf || asks(&|rule| rule.gpc || !rule.opt_outs.is_empty());
    let mut heard = Heard {
        gpc: signals.gpc,
        ..Heard::default()
    };
    if let Some(told) = signals
        .categories
        .as_ref()
        .filter(|_| asks(&|rule| !rule.categories.is_empty()))
    {
        heard.categories = or_count(cmp::categories(told.expose()), &mut unreadable.categories);
    }
    if let Some(text) = signals.tcf.as_ref().filter(|_| asks_tcf) {
        heard
            .tcf
            .extend(or_count(tcf::decode(text.expose()).map(Some), &mut unreadable.tcf));
    }
    if let Some(text) = signals.gpp.as_ref().filter(|_| asks_gpp) {
        heard.gpp = or_count(gpp::decode(text.expose()), &mut unreadable.gpp);
        heard.tcf.extend(heard.gpp.tcf.take());
    }
    heard
}

/// What cannot be read says nothing, and counts.
fn or_count<T: Default>(read: Result<T, Malformed>, count: &mut u64) -> T {
    read.unwrap_or_else(|_| {
        *count += 1;
        T::default()
    })
}

/// What policies say together: one no is enough, and a yes must be that of all.
fn together(policies: &[Option<Rule>], heard: &Heard) -> Option<Word> {
    let words: Vec<Option<Word>> = policies
        .iter()
        .map(|rule| rule.as_ref().and_then(|rule| alone(rule, heard)))
        .collect();
    let all = words.iter().all(Option::is_some);
    strictest(words.into_iter().flatten()).filter(|word| all || !matches!(word, Word::Granted { .. }))
}

/// What one policy makes of the signals; None: they say nothing of the purpose.
fn alone(rule: &Rule, heard: &Heard) -> Option<Word> {
    let opted_out = !rule.opt_outs.is_disjoint(&heard.gpp.opt_outs) || rule.gpc && (heard.gpc || heard.gpp.gpc);
    let platforms = by_categories(&rule.categories, &heard.categories).into_iter();
    let strings = rule
        .tcf
        .iter()
        .flat_map(|rule| heard.tcf.iter().map(|tcf| by_tcf(rule, tcf)));
    let opted_out = opted_out.then_some(Word::Withdrawn);
    strictest(platforms.chain(strings.flatten()).chain(opted_out))
}

fn by_categories(named: &[String], told: &BTreeMap<String, bool>) -> Option<Word> {
    let allowed = |category: &String| told.get(category).copied();
    if named.iter().any(|category| allowed(category) == Some(false)) {
        return Some(Word::Denied);
    }
    let all = !named.is_empty() && named.iter().all(|category| allowed(category) == Some(true));
    all.then_some(Word::Granted { since: None })
}

/// A string has a flag for everything, so that it never says nothing; but a yes of the time before TCF 2.2 counts no more.
fn by_tcf(rule: &TcfRule, tcf: &Tcf) -> Option<Word> {
    let stands = |purpose: &u8| {
        tcf.has_consent(*purpose, rule.vendor) || rule.objection && tcf.has_legitimate_interest(*purpose, rule.vendor)
    };
    let features = rule.special_features.iter();
    if !(rule.purposes.iter().all(stands) && features.copied().all(|feature| tcf.has_special_feature(feature))) {
        return Some(Word::Denied);
    }
    tcf.is_current().then_some(Word::Granted {
        since: Some(tcf.last_updated),
    })
}

/// A withdrawal before a denial before a yes; of two the one that was given earlier.
fn strictest(words: impl Iterator<Item = Word>) -> Option<Word> {
    words.reduce(|one, other| match (one, other) {
        (Word::Granted { since: one }, Word::Granted { since: other }) => Word::Granted {
            since: earlier(one, other),
        },
        (Word::Granted { .. } | Word::Again, word) | (word, Word::Granted { .. } | Word::Again) => word,
        (Word::Denied, word) | (word, Word::Denied) => word,
        (Word::Withdrawn, Word::Withdrawn) => Word::Withdrawn,
    })
}

/// None is the event's own time, of which nothing is later.
fn earlier(one: Option<Micros>, other: Option<Micros>) -> Option<Micros> {
    [one, other].into_iter().flatten().min()
}
