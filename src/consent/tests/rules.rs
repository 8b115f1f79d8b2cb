//! What policies make of signals.

use super::{Draft, gpp};
use crate::{
    clock::DAY,
    consent::{OptOut, Rule, Rules, Signals, TcfRule, Unreadable, Word, says},
};
use proptest::prelude::*;
use serde_json::{Value, json};

const ADS: &str = "advertising";

/// What is said of advertising, where these policies name it.
fn said(policies: &[Option<Rule>], signals: &Signals) -> Option<Word> {
    let rules = Rules::from([(ADS.to_owned(), policies.to_vec())]);
    let (said, unreadable) = says(&rules, signals);
    assert_eq!(unreadable, Unreadable::default());
    said.first().map(|said| said.word)
}

fn preferences(told: Value) -> Signals {
    Signals {
        categories: Some(json!({"categoryPreferences": told}).into()),
        ..Signals::default()
    }
}

fn categories(named: &[&str]) -> Rule {
    Rule {
        categories: named.iter().map(|name| (*name).to_owned()).collect(),
        ..Rule::default()
    }
}

fn string(draft: &Draft) -> Signals {
    Signals {
        tcf: Some(draft.text().into()),
        ..Signals::default()
    }
}

fn tcf(purposes: &[u8]) -> Rule {
    Rule {
        tcf: Some(TcfRule {
            purposes: purposes.to_vec(),
            ..TcfRule::default()
        }),
        ..Rule::default()
    }
}

const YES: Option<Word> = Some(Word::Granted { since: None });
const NO: Option<Word> = Some(Word::Denied);
const WITHDRAWN: Option<Word> = Some(Word::Withdrawn);

#[test]
fn all_categories_allowed_is_a_yes_and_one_denied_a_no() {
    let rule = [Some(categories(&["Advertising", "Sharing"]))];
    for (told, word) in [
        (json!({"Advertising": true, "Sharing": true, "Other": false}), YES),
        (json!({"Advertising": true, "Sharing": false}), NO),
        (json!({"Sharing": false}), NO),
        (json!({"Advertising": true}), None),
        (json!({}), None),
        (json!({"Other": false}), None),
    ] {
        assert_eq!(said(&rule, &preferences(told.clone())), word, "{told}");
    }
}

#[test]
fn a_string_without_all_that_is_asked_for_is_a_no() {
    let draft = Draft {
        last_updated: 864_000,
        policy_version: 5,
        special_features: vec![1],
        consents: vec![1, 3, 4],
        legitimate_interests: vec![7],
        vendor_consents: vec![755],
        disclosed: Some(vec![(755, 755)]),
        ..Draft::default()
    };
    let since = Some(Word::Granted { since: Some(DAY) });
    assert_eq!(said(&[Some(tcf(&[1, 3, 4]))], &string(&draft)), since);
    assert_eq!(said(&[Some(tcf(&[1, 2]))], &string(&draft)), NO);
    let asks = |change: &dyn Fn(&mut TcfRule)| {
        let mut rule = tcf(&[1]);
        rule.tcf.iter_mut().for_each(change);
        said(&[Some(rule)], &string(&draft))
    };
    assert_eq!(asks(&|rule| rule.special_features = vec![1]), since);
    assert_eq!(asks(&|rule| rule.special_features = vec![2]), NO);
    assert_eq!(asks(&|rule| rule.vendor = Some(755)), since);
    assert_eq!(asks(&|rule| rule.vendor = Some(2)), NO);
    assert_eq!(
        asks(&|rule| rule.purposes = vec![7]),
        NO,
        "a legitimate interest is no consent"
    );
    assert_eq!(
        asks(&|rule| (rule.purposes, rule.objection) = (vec![1, 7], true)),
        since,
        "where consent is not asked for it will do"
    );
    let old = Draft {
        policy_version: 2,
        ..draft.clone()
    };
    assert_eq!(
        said(&[Some(tcf(&[1]))], &string(&old)),
        None,
        "consent of before TCF 2.2 is none"
    );
    assert_eq!(said(&[Some(tcf(&[2]))], &string(&old)), NO, "but a no stays one");
    let in_gpp = Signals {
        gpp: Some(gpp(&[(2, &draft.text())]).into()),
        ..Signals::default()
    };
    assert_eq!(said(&[Some(tcf(&[1]))], &in_gpp), since);
}

#[test]
fn an_opt_out_is_a_withdrawal_and_nothing_else_is_said_by_it() {
    let rule = Rule {
        opt_outs: [OptOut::Sale, OptOut::TargetedAdvertising].into(),
        ..Rule::default()
    };
    let signals = |section: &str| Signals {
        gpp: Some(gpp(&[(8, section)]).into()),
        ..Signals::default()
    };
    assert_eq!(said(&[Some(rule.clone())], &signals("BVWSSSVY.YA")), WITHDRAWN);
    assert_eq!(said(&[Some(rule)], &signals("BAAAAABA.QA")), None);
    let sharing = Rule {
        opt_outs: [OptOut::TargetedAdvertising].into(),
        ..Rule::default()
    };
    assert_eq!(
        said(&[Some(sharing)], &signals("BVWSSSVY.YA")),
        None,
        "California has no opt-out of it"
    );

    let gpc = Rule {
        gpc: true,
        ..Rule::default()
    };
    let on = Signals {
        gpc: true,
        ..Signals::default()
    };
    assert_eq!(said(&[Some(gpc.clone())], &on), WITHDRAWN);
    assert_eq!(
        said(&[Some(gpc)], &signals("BAAAAABA.YA")),
        WITHDRAWN,
        "as a GPP string tells it"
    );
    assert_eq!(
        said(&[Some(categories(&["Ads"]))], &on),
        None,
        "who does not listen hears nothing"
    );
}

#[test]
fn of_several_signals_and_policies_a_no_holds_and_a_yes_is_that_of_all() {
    let both = Rule {
        gpc: true,
        ..categories(&["Ads"])
    };
    let mut signals = preferences(json!({"Ads": true}));
    assert_eq!(said(&[Some(both.clone())], &signals), YES);
    assert_eq!(
        said(&[Some(both.clone()), None], &signals),
        None,
        "a policy that hears nothing grants nothing"
    );
    assert_eq!(
        said(&[Some(both.clone()), Some(tcf(&[1]))], &signals),
        None,
        "nor one that has heard nothing"
    );
    assert_eq!(said(&[Some(both.clone()), Some(categories(&["Ads"]))], &signals), YES);
    signals.gpc = true;
    assert_eq!(said(&[Some(both.clone())], &signals), WITHDRAWN);
    assert_eq!(said(&[None, Some(both)], &signals), WITHDRAWN, "a no of any is a no");
}

#[test]
fn what_cannot_be_read_says_nothing_and_counts_where_somebody_asks() {
    let broken = Signals {
        categories: Some(json!({"categoryPreferences": 7}).into()),
        tcf: Some("C".to_owned().into()),
        gpp: Some("?".to_owned().into()),
        gpc: false,
    };
    let asks = Rule {
        gpc: true,
        tcf: tcf(&[1]).tcf,
        ..categories(&["Ads"])
    };
    let rules = Rules::from([(ADS.to_owned(), vec![Some(asks)])]);
    let all = Unreadable {
        categories: 1,
        tcf: 1,
        gpp: 1,
    };
    assert_eq!(says(&rules, &broken), (vec![], all));
    assert_eq!(says(&Rules::new(), &broken), (vec![], Unreadable::default()));
}

fn rule() -> impl Strategy<Value = Option<Rule>> {
    let categories = prop::sample::subsequence(vec!["a".to_owned(), "b".to_owned()], 0..=2);
    let purposes = prop::option::of(prop::sample::subsequence(vec![1u8, 2, 3], 1..=3));
    let opt_outs = prop::sample::subsequence(vec![OptOut::Sale, OptOut::Sharing], 0..=2);
    let rule = (categories, purposes, opt_outs, any::<bool>(), any::<bool>()).prop_map(
        |(categories, purposes, opt_outs, gpc, objection)| Rule {
            categories,
            tcf: purposes.map(|purposes| TcfRule {
                purposes,
                objection,
                ..TcfRule::default()
            }),
            opt_outs: opt_outs.into_iter().collect(),
            gpc,
        },
    );
    prop::option::of(rule)
}

fn signals() -> impl Strategy<Value = Signals> {
    let told = prop::collection::btree_map("[ab]", any::<bool>(), 0..3);
    let ids = || prop::sample::subsequence(vec![1u64, 2, 3], 0..=3);
    let string = prop::option::of((ids(), ids(), 3..6u64).prop_map(
        |(consents, legitimate_interests, policy_version)| {
            let draft = Draft {
                consents,
                legitimate_interests,
                policy_version,
                ..Draft::default()
            };
            draft.text().into()
        },
    ));
    let section = prop::option::of(prop::sample::select(vec![
        "BVWSSSVY.YA",
        "BAAAAABA.QA",
        "BAAAAABA.YA",
        "BbYbGwXY.QA",
    ]));
    (told, string, section, any::<bool>()).prop_map(|(told, tcf, section, gpc)| Signals {
        categories: Some(json!({"categoryPreferences": told}).into()),
        tcf,
        gpp: section.map(|section| gpp(&[(8, section)]).into()),
        gpc,
    })
}

/// The stricter, the greater. Nothing said leaves things as they are, which a yes does not.
fn strictness(word: Option<Word>) -> u8 {
    match word {
        Some(Word::Granted { .. } | Word::Again) => 0,
        None => 1,
        Some(Word::Denied) => 2,
        Some(Word::Withdrawn) => 3,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Adding a policy never lets more be sent, and neither their order nor naming one twice matters.
    #[test]
    fn a_policy_more_is_never_looser(all in prop::collection::vec(rule(), 1..4), more in rule(), signals in signals()) {
        let before = said(&all, &signals);
        let mut with = all.clone();
        with.push(more);
        prop_assert!(strictness(said(&with, &signals)) >= strictness(before));
        with.reverse();
        let reversed = said(&with, &signals);
        with.reverse();
        prop_assert_eq!(said(&with, &signals), reversed);
        let twice: Vec<_> = all.iter().chain(&all).cloned().collect();
        prop_assert_eq!(said(&twice, &signals), before);
    }

    /// Global Privacy Control and opt-outs never make a yes.
    #[test]
    fn opting_out_never_grants(all in prop::collection::vec(rule(), 1..4), signals in signals()) {
        let without = Signals { gpp: None, gpc: false, ..signals.clone() };
        prop_assert!(strictness(said(&all, &signals)) >= strictness(said(&all, &without)));
        let alone = Signals { categories: None, tcf: None, ..signals };
        let granted = matches!(said(&all, &alone), Some(Word::Granted { .. }));
        prop_assert!(!granted);
    }
}
