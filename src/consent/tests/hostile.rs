//! Whatever is sent, it is read or refused: no panic, and nothing grows beyond what was sent.

use super::{Draft, gpp};
use crate::consent::{Heard, Keyword, LONGEST, Rules, Signals, cmp, gpp::decode as decode_gpp, says, tcf::decode};
use proptest::{prelude::*, string::string_regex};

/// Text of the alphabet of such strings, with their separators.
fn alike() -> impl Strategy<Value = String> {
    string_regex("[CDB][-_A-Za-z0-9.~]{0,400}").unwrap()
}

fn draft() -> impl Strategy<Value = Draft> {
    let ids = |most: u64| prop::collection::vec(1..=most, 0..20);
    let ranges = prop::collection::vec((1..1_000u64, 0..1_000u64), 0..10).prop_map(|all| {
        all.into_iter()
            .map(|(from, more)| (from, from + more))
            .collect::<Vec<_>>()
    });
    let restrictions = prop::collection::vec((1..=11u64, 0..3u64, 1..100u64, 100..200u64), 0..5);
    (
        (0..1u64 << 36, 0..8u64, ids(12), ids(24), ids(24)),
        (ids(2_000), ids(2_000), restrictions, prop::option::of(ranges)),
    )
        .prop_map(
            |(
                (last_updated, policy_version, special_features, consents, legitimate_interests),
                (vendor_consents, vendor_legitimate_interests, restrictions, disclosed),
            )| Draft {
                last_updated,
                policy_version,
                special_features,
                consents,
                legitimate_interests,
                vendor_consents,
                vendor_legitimate_interests,
                restrictions,
                disclosed,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn anything_is_read_or_refused(text in prop_oneof![any::<String>(), alike()]) {
        let _read = decode(&text);
        let _read = decode_gpp(&text);
        let _read = decode_gpp(&gpp(&[(2, &text), (7, &text), (24, &text)]));
        let _read = Keyword::of(&text);
        let _read = cmp::categories(&serde_json::from_str(&text).unwrap_or_default());
    }

    #[test]
    fn a_string_that_is_written_is_read_as_it_was_meant(draft in draft()) {
        let tcf = decode(&draft.text()).unwrap();
        prop_assert_eq!(tcf.last_updated, draft.last_updated as i64 * 100_000);
        prop_assert_eq!(u64::from(tcf.policy_version), draft.policy_version);
        for purpose in 1..=24u8 {
            let consents = draft.consents.contains(&u64::from(purpose));
            prop_assert_eq!(tcf.has_consent(purpose, None), consents);
            for vendor in 1..2_100u16 {
                let has = tcf.has_consent(purpose, Some(vendor));
                prop_assert!(!has || consents && draft.vendor_consents.contains(&u64::from(vendor)));
            }
        }
        for feature in 1..=12u8 {
            prop_assert_eq!(tcf.has_special_feature(feature), draft.special_features.contains(&u64::from(feature)));
        }
    }

    /// A string that is cut off or changed in one place is another string or none.
    #[test]
    fn a_string_that_was_damaged_does_no_harm(draft in draft(), at in any::<prop::sample::Index>(), with in "[-_A-Za-z0-9.~ ]") {
        let text = draft.text();
        let at = at.index(text.len());
        let core = text.split('.').next().unwrap_or_default().len();
        prop_assert!(at >= core || decode(&text[..at]).is_err(), "cut at {}", at);
        let changed = format!("{}{with}{}", &text[..at], &text[at + 1..]);
        let _read = decode(&changed);
        let _read = decode_gpp(&gpp(&[(2, &changed)]));
    }
}

#[test]
fn the_longest_strings_are_read_in_bounded_time_and_memory() {
    let begun = std::time::Instant::now();
    for character in ["_", "A", "v", "C"] {
        let text = format!("C{}", character.repeat(LONGEST - 1));
        let _read = decode(&text);
        let _read = decode_gpp(&format!("D{}", &text[..LONGEST - 1]));
        let _read = decode_gpp(&gpp(&[(2, &text[..LONGEST - 100])]));
    }
    // Ranges that each name all vendors are kept as ranges.
    let all = Draft {
        policy_version: 5,
        disclosed: Some(vec![(1, 65_535); 4_095]),
        ..Draft::default()
    };
    assert!(decode(&all.text()).is_ok());
    assert!(
        begun.elapsed() < std::time::Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn no_signals_say_nothing() {
    let (said, unreadable) = says(&Rules::new(), &Signals::default());
    assert!(said.is_empty());
    assert_eq!(unreadable, Default::default());
    assert_eq!(Heard::default().tcf, vec![]);
}
