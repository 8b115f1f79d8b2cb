//! What a message says: languages, and the conditions under which nothing is said.

use super::{mistakes::*, *};

const LOCALE: (&str, &str) = (
    "  zone: customer.timezone\n",
    "  zone: customer.timezone\n  locale: customer.tier\n",
);

/// The shop with several changes, each of something that is there once.
fn shop(changes: &[(&str, &str)]) -> Manifests {
    read(&changes.iter().fold(SHOP.to_owned(), |yaml, (from, to)| {
        assert_eq!(yaml.matches(from).count(), 1, "{from} is in the shop once");
        yaml.replace(from, to)
    }))
}

fn translated(translations: &str) -> Manifests {
    let to = format!("    timeToLive: 12h\n    translations: {translations}\n");
    shop(&[LOCALE, ("    timeToLive: 12h\n", &to)])
}

#[test]
fn translations_are_held_to_what_the_content_is_held_to() {
    let sound = translated(
        "{de: {subject: \"{{ customer.firstName }}, dein Korb wartet\"}, de-AT: {text: \"{{ with.items }} {{ unsubscribe_link() }}\"}}",
    );
    assert_eq!(said(&sound), [""; 0]);
    let program = program(&sound);
    let outbound = &program.outbound["cart-reminder"];
    let languages: Vec<&str> = outbound.translations.keys().map(String::as_str).collect();
    assert_eq!(languages, ["de", "de-at"]);
    for (translations, expected) in [
        (
            "{de: {subject: \"{{ customer.fistName }}\"}}",
            "Template Error spec.outbound.translations.de.subject: line 1: 'customer' has no 'fistName'; did you mean customer.firstName?",
        ),
        (
            "{de: {subject: \"{{ customer.age }}\"}}",
            "Policy Error spec.outbound.translations.de.subject: purpose 'marketing' does not allow customer.age; add age to the purpose's attributes in the PrivacyPolicy, or do without",
        ),
        (
            "{de: {title: Hallo}}",
            "Value Error spec.outbound.translations.de.title: content has no 'title' to translate; add it to content; there is subject, text",
        ),
        (
            "{\"false\": {subject: Hei}}",
            "Value Error spec.outbound.translations.false: 'false' is no language tag; YAML reads an unquoted no as false: put \"no\" in quotes",
        ),
        (
            "{german: {subject: Hallo}}",
            "Value Error spec.outbound.translations.german: 'german' is no language tag; write a tag of BCP 47, such as de or de-AT",
        ),
        (
            "{de-AT: {subject: Servus}, de-at: {subject: Hallo}}",
            "Value Error spec.outbound.translations.de-at: 'de-at' is translated twice; tags are the same in upper and lower case: put the fields together",
        ),
    ] {
        assert_eq!(said(&translated(translations)), [expected], "{translations}");
    }
}

#[test]
fn a_profile_without_a_language_leaves_translations_unread() {
    let unread = changed(
        "    timeToLive: 12h\n",
        "    timeToLive: 12h\n    translations: {de: {subject: Hallo}}\n",
    );
    assert_eq!(
        said(&unread),
        [
            "Reference Warning spec.outbound.translations: nobody gets a translation: the CustomerProfile does not say which language a customer reads; \
          add locale to the CustomerProfile, such as locale: customer.locale"
        ]
    );
}

#[test]
fn a_locale_is_a_text_of_the_customer() {
    for (locale, expected) in [
        (
            "customer.age",
            "Expression Error spec.locale: a text is needed here, this is an integer in `customer.age`; make it a text with string(...)",
        ),
        (
            "customer.langauge",
            "Expression Error spec.locale: 'customer' has no 'langauge' in `customer.langauge`",
        ),
        (
            "\"string(now)\"",
            "Expression Error spec.locale: a locale is the customer's and not the moment's: it cannot read now; read attributes of customer only",
        ),
    ] {
        let to = format!("  zone: customer.timezone\n  locale: {locale}\n");
        let found = said_of("CustomerProfile", "shop", &changed("  zone: customer.timezone\n", &to));
        assert!(found.len() == 1 && found[0].starts_with(expected), "{found:#?}");
    }
}

#[test]
fn quiet_may_last_while_a_condition_holds() {
    let quiet = |condition: &str| {
        let to = format!("then: Delay}}\n  - {{while: \"{condition}\", then: Drop}}\n");
        changed("then: Delay}\n", &to)
    };
    // It reads what no purpose allows: the policy's own expressions serve the customer.
    let sound = quiet("customer.age < 16 && now > customer.lastSeenAt");
    assert_eq!(said_of("PrivacyPolicy", "shop", &sound), [""; 0]);
    assert_eq!(program(&sound).quiet_while.len(), 1);
    for (condition, expected) in [
        (
            "customer.points",
            "Expression Error spec.quiet[1].while: a boolean is needed here, this is an integer in `customer.points`; compare it, for instance with > 0",
        ),
        (
            "customer.complaints > 0",
            "Expression Error spec.quiet[1].while: 'customer' has no 'complaints' in `customer.complaints > 0`",
        ),
        (
            "event.items > 0",
            "Expression Error spec.quiet[1].while: 'event' is not known here in `event.items > 0`",
        ),
    ] {
        let wrong = quiet(condition);
        for found in [said_of("PrivacyPolicy", "shop", &wrong), said(&wrong)] {
            assert!(found.len() == 1 && found[0].starts_with(expected), "{found:#?}");
        }
    }
}
