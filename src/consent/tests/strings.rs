//! Strings of the specifications and of the reference implementations, and strings of our own for what those have no example of.

use super::{Draft, Writer, gpp};
use crate::{
    clock::DAY,
    consent::{Malformed, OptOut, gpp::decode as decode_gpp, tcf::decode},
};

/// Of the tests of the IAB Tech Lab's iabtcf-java (TCStringV2Test): purposes 2 and 10, legitimate interests in 2 and 9, special feature 1.
const DATED: &str = "COtybn4PA_zT4KjACBENAPCIAEBAAECAAIAAAAAAAAAA";

/// Of the same tests: purposes 3 to 9, vendors as flags, disclosed vendors, and a segment of allowed ones.
const EXAMPLE: &str = "COrEAV4OrXx94ACABBENAHCIAD-AAAAAAACAAxAAAAgAIAwgAgAAAAEAgQAAAAAEAYQAQAAAACAAAABAAA.IBAgAAAgAIAwgAgAAAAEAAAACA.QAagAQAgAIAwgA";

/// Of the same tests: vendors as ranges.
const RANGES: &str = "COwBOpCOwBOpCLqAAAENAPCAAAAAAAAAAAAAFfwAYFfAV-BVkAGBVYFWAAA.IFoEUQQgAIQwgIwQABAEAAAAOIAACAIAAAAQAIAgEAACEAAAAAgAQBAAAAAAAGBAAgAAAAAAAFAAECAAAgAAQARAEQAAAAAJAAIAAgAAAYQEAAAQmAgBC3ZAYzUw";

/// Of the tests of the IAB Tech Lab's iabgpp-es (TcfEuV2, "decode 2"): purposes 1 to 10, legitimate interests in 2 and 6 to 10, special feature 1.
const FULL: &str = "CPi8wgAPi8wgAAOACBENCuCoAP_AAEfAACiQJHNd_H__bX9n-f7_6ft0eY1f9_r37uQzDhfNk-8F3L_W_LwX_2E7NF36tq4KmR4ku1LBIUNtHMnUDUmxaokVrzHsak2cpzNKJ_BkknsZe2dYGF9vm5tj-QKZ7_5_d3f52T_9_9v-39z33913v3d93-_13LjdV5_9H_v9fR_b8_Kf9_5-_4v8_____3_e______8AEEggCTDVuIAuxLHAm0DCKBECMKwkKoFABBQDC0QGADg4KdlYBPrCBAAgFAEYEQIcAUYEAgAAAgCQiACQIsEAAAIgEAAIAEQiEABAwCCgAsDAIAAQDQMUQoABAkIMiAiKUwICIEggJbKhBKC6Q0wgCrLACgkRsFAAiAAAUgACAsHAMESAlYsECTFG-QAjBCgFEqFaAGGgAwABBI4RABgACCRwqADAAEEjgA";

#[test]
fn the_example_of_the_reference_decoder_says_what_it_says() {
    let consents = |text| {
        let tcf = decode(text).unwrap();
        (1..=24)
            .filter(|purpose| tcf.has_consent(*purpose, None))
            .collect::<Vec<u8>>()
    };
    let dated = decode(DATED).unwrap();
    let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_microsecond();
    assert_eq!(
        (dated.created, dated.last_updated, dated.policy_version),
        (at("2020-01-26T17:01:00Z"), at("2021-02-02T17:01:00Z"), 2)
    );
    assert!(!dated.is_current(), "policy 2 is that of TCF 2.0");
    assert_eq!(consents(DATED), [2, 10]);
    let interests: Vec<u8> = (1..=24)
        .filter(|purpose| dated.has_legitimate_interest(*purpose, None))
        .collect();
    assert_eq!(interests, [2, 9]);
    assert!(dated.has_special_feature(1));

    assert_eq!(consents(EXAMPLE), [3, 4, 5, 6, 7, 8, 9]);
    let tcf = decode(EXAMPLE).unwrap();
    let vendors: Vec<u16> = (1..=500).filter(|vendor| tcf.has_consent(3, Some(*vendor))).collect();
    assert_eq!(vendors, [23, 37, 47, 48, 53, 65, 98]);
    // They were disclosed; 129 was, too, and has a legitimate interest only.
    assert!(!tcf.has_consent(3, Some(129)));
    assert_eq!(decode(RANGES).map(|tcf| tcf.policy_version), Ok(2));

    let full = decode(FULL).unwrap();
    let purposes: Vec<u8> = (1..=24).filter(|purpose| full.has_consent(*purpose, None)).collect();
    assert_eq!(purposes, (1..=10).collect::<Vec<_>>());
    let interests: Vec<u8> = (1..=24)
        .filter(|purpose| full.has_legitimate_interest(*purpose, None))
        .collect();
    assert_eq!(interests, [2, 6, 7, 8, 9, 10]);
    assert!(full.has_special_feature(1) && !full.has_special_feature(2));
    assert_eq!(
        (1..=u16::MAX)
            .filter(|vendor| full.has_consent(1, Some(*vendor)))
            .count(),
        772
    );
    assert_eq!(
        (1..=u16::MAX)
            .filter(|vendor| full.has_legitimate_interest(2, Some(*vendor)))
            .count(),
        280
    );

    // Of the GPP specification, "GPP String Example 1".
    assert!(decode("CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA").is_ok());
}

#[test]
fn a_string_of_tcf_2_3_speaks_for_vendors_that_were_disclosed() {
    let draft = Draft {
        last_updated: 17_000 * 864_000,
        policy_version: 5,
        consents: vec![1, 3, 4],
        legitimate_interests: vec![1, 4, 7],
        vendor_consents: vec![2, 755],
        vendor_legitimate_interests: vec![755],
        disclosed: Some(vec![(3, 5), (755, 755)]),
        ..Draft::default()
    };
    let tcf = decode(&draft.text()).unwrap();
    assert_eq!(tcf.last_updated, 17_000 * DAY);
    assert!(tcf.has_consent(3, Some(755)) && tcf.has_consent(3, None));
    assert!(!tcf.has_consent(3, Some(2)), "it was not disclosed");
    assert!(!tcf.has_consent(3, Some(4)), "it was disclosed, and refused");
    assert!(tcf.has_legitimate_interest(7, Some(755)));
    assert!(
        !tcf.has_legitimate_interest(4, Some(755)),
        "since TCF 2.2 nobody has one in 3 to 6"
    );
    assert!(!tcf.has_legitimate_interest(1, None), "nor ever in 1");

    let silent = Draft {
        disclosed: None,
        ..draft.clone()
    };
    assert!(
        !decode(&silent.text()).unwrap().has_consent(3, Some(755)),
        "TCF 2.3 must say who was disclosed"
    );
    let older = Draft {
        policy_version: 4,
        ..silent
    };
    assert!(decode(&older.text()).unwrap().has_consent(3, Some(755)));
}

#[test]
fn what_a_publisher_restricts_is_restricted() {
    let restricted = |kind| {
        let draft = Draft {
            policy_version: 4,
            consents: vec![2],
            legitimate_interests: vec![2],
            vendor_consents: vec![10],
            vendor_legitimate_interests: vec![10],
            restrictions: vec![(2, kind, 5, 20)],
            ..Draft::default()
        };
        let tcf = decode(&draft.text()).unwrap();
        assert!(tcf.has_consent(2, None), "it restricts vendors");
        (tcf.has_consent(2, Some(10)), tcf.has_legitimate_interest(2, Some(10)))
    };
    assert_eq!(
        (restricted(0), restricted(1), restricted(2)),
        ((false, false), (true, false), (false, true))
    );
}

#[test]
fn what_is_no_tc_string_is_refused_and_says_why() {
    // Of version 1, from the tests of iabtcf-java.
    assert_eq!(
        decode("BOEFEAyOEFEAyAHABDENAI4AAAB9vABAASA"),
        Err(Malformed::Version(1))
    );
    assert_eq!(decode("DBABMA"), Err(Malformed::Version(3)), "a GPP string");
    assert_eq!(decode(""), Err(Malformed::Short));
    assert_eq!(decode(&EXAMPLE[..20]), Err(Malformed::Short));
    assert_eq!(decode("CO vFyGBOvFyGBAbAAAENAPCAAOA"), Err(Malformed::Alphabet));
    assert_eq!(
        decode(&format!("{EXAMPLE}.")),
        Err(Malformed::Short),
        "an empty segment"
    );
    assert_eq!(decode(&format!("{EXAMPLE}.IFoE")), Err(Malformed::Short));
    let mut segments = EXAMPLE.split('.');
    let (core, disclosed) = (segments.next().unwrap(), segments.next().unwrap());
    assert_eq!(
        decode(&format!("{core}.{disclosed}.{disclosed}")),
        Err(Malformed::Twice)
    );
    assert_eq!(decode(&"C".repeat(70_000)), Err(Malformed::Long));
    let backwards = Writer::default()
        .number(3, 1)
        .number(16, 9)
        .number(1, 1)
        .number(12, 1)
        .number(1, 1);
    let backwards = backwards.number(16, 9).number(16, 5).text();
    assert_eq!(decode(&format!("{core}.{backwards}")), Err(Malformed::Range));
    // Segments of allowed vendors and of the publisher are passed over, whatever is in them.
    assert!(decode(&format!("{core}.QAAA.YAAAAAAAAAAA.cAAAAAAAITg=.f")).is_ok());
}

fn opt_outs(text: &str) -> (Vec<OptOut>, bool) {
    let gpp = decode_gpp(text).unwrap();
    (gpp.opt_outs.into_iter().collect(), gpp.gpc)
}

/// "GPP String Examples" of the specification, in which headers have bytes, and their six-bit forms of "Header Examples".
#[test]
fn the_examples_of_the_gpp_specification_are_read() {
    const TC: &str = "CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA";
    for header in ["DBABMA", "DBABM"] {
        assert_eq!(
            decode_gpp(&format!("{header}~{TC}")).unwrap().tcf,
            Some(decode(TC).unwrap())
        );
    }
    for header in ["DBACNYA", "DBACNY"] {
        let gpp = decode_gpp(&format!("{header}~{TC}~1YNN")).unwrap();
        assert!(gpp.tcf.is_some() && gpp.opt_outs.is_empty());
        assert_eq!(opt_outs(&format!("{header}~{TC}~1YYN")), (vec![OptOut::Sale], false));
    }
    // Sections 5 and 6 as a range; the Canadian one is passed over.
    let gpp = decode_gpp(&format!("DBABjw~{TC}~1YNN")).unwrap();
    assert_eq!((gpp.tcf, gpp.opt_outs.len()), (None, 0));
}

/// Sections of the tests of the IAB Tech Lab's iabgpp-es.
#[test]
fn sections_of_the_united_states_are_read() {
    use OptOut::{Sale, Sharing, TargetedAdvertising};
    for (id, section, opted_out, gpc) in [
        (7, "BVVVkkkkkpFY.YA", vec![Sale, Sharing, TargetedAdvertising], true),
        (7, "BAAAAAAAAABA.QA", vec![], false),
        (7, "BVQqAAAACg", vec![], false),
        (8, "BVWSSSVY.YA", vec![Sale, Sharing], true),
        (8, "BAAAAABA.QA", vec![], false),
        (8, "BbYbGwXY.YA", vec![Sale], true),
        (9, "BVWSSVY", vec![Sale, TargetedAdvertising], false),
        (9, "BAAAABA", vec![], false),
        (10, "BVWSSVg.Y", vec![Sale, TargetedAdvertising], true),
        (11, "BVVkklWA", vec![Sale, TargetedAdvertising], false),
        (12, "BVWSSZFg.YA", vec![Sale, TargetedAdvertising], true),
        (12, "BbYbG22w", vec![Sale], false),
        (24, "BVVV.Y", vec![Sale, TargetedAdvertising], true),
        (24, "BQAA.Q", vec![], false),
        (25, "BVVVkkk.YA", vec![Sale, TargetedAdvertising], true),
    ] {
        assert_eq!(opt_outs(&gpp(&[(id, section)])), (opted_out, gpc), "{id} {section}");
    }
    let several = gpp(&[
        (2, EXAMPLE),
        (7, "BAAAAAAAAABA.QA"),
        (8, "BVWSSSVY.YA"),
        (99, "what comes later"),
    ]);
    assert_eq!(opt_outs(&several), (vec![Sale, Sharing], true));
}

/// The published tables of sections 24 to 27 have a header of section, version and sub-sections before the core.
#[test]
fn a_section_with_a_header_of_its_own_is_read_behind_it() {
    let section = |id: u64, behind: &str| {
        let header = Writer::default()
            .number(6, id)
            .number(6, 1)
            .number(12, 1)
            .number(1, 0)
            .fibonacci(1);
        // MspaVersion, MspaCoveredTransaction, MspaMode, three notices, SaleOptOut, TargetedAdvertisingOptOut.
        let core = Writer::default()
            .number(6, 2)
            .number(4, 0)
            .number(6, 0)
            .number(2, 2)
            .number(2, 1);
        format!("{}.{}{behind}", header.text(), core.number(4, 0).text())
    };
    assert_eq!(
        opt_outs(&gpp(&[(24, &section(24, ".Y"))])),
        (vec![OptOut::TargetedAdvertising], true)
    );
    let sensitive = section(27, ".VVV");
    assert_eq!(
        opt_outs(&gpp(&[(27, &sensitive)])),
        (vec![OptOut::TargetedAdvertising], false)
    );
}

#[test]
fn what_is_no_gpp_string_is_refused_and_says_why() {
    for (text, why) in [
        ("", Malformed::Short),
        (EXAMPLE, Malformed::Header),
        ("DCABMA~CP", Malformed::Version(2)),
        ("DBABMA", Malformed::Sections),
        ("DBABMA~1YNN~1YNN", Malformed::Sections),
        ("DBABMA~BOEFEAyOEFEAyAHABDENAI4AAAB9vABAASA", Malformed::Version(1)),
    ] {
        assert_eq!(decode_gpp(text), Err(why), "{text}");
    }
    for (id, section, why) in [
        (7, "z", Malformed::Version(51)),
        (7, "DVVV", Malformed::Version(3)),
        (8, "BV", Malformed::Short),
        (8, "BVf_____", Malformed::Range),
        (8, "BVWSSSVY.", Malformed::Short),
        (6, "2YNN", Malformed::Version(2)),
        (6, "1YN", Malformed::Range),
        (6, "1YXN", Malformed::Range),
        (6, "", Malformed::Short),
        (24, "YAAA", Malformed::Short),
    ] {
        assert_eq!(decode_gpp(&gpp(&[(id, section)])), Err(why), "{id} {section}");
    }
}
