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

const HTML: (&str, &str) = (
    "    content:\n      subject: \"{{",
    "    includes: [blocks, more]\n    content:\n      html: \"{% include 'footer.html' %}\"\n      subject: \"{{",
);

fn with_blocks(maps: &str) -> Manifests {
    shop(&[HTML, ("# A small shop", &format!("{maps}\n---\n# A small shop"))])
}

const BLOCKS: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: blocks}\ndata: {footer.html: \"<p>{{ customer.firstName }}{% include 'mark' %}</p>\", unused: x}";
const MORE: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\ndata: {mark: \"{{ with.items }} {{ link('https://shop.example') }}\", footer.html: second}";
const OTHER: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\ndata: {secret: of others}";

#[test]
fn a_message_includes_the_first_text_of_its_config_maps_that_has_the_name() {
    let sound = with_blocks(&[BLOCKS, MORE, OTHER].join("\n---\n"));
    assert_eq!(said(&sound), [""; 0]);
    let template = &program(&sound).outbound["cart-reminder"].content["html"];
    assert!(template.links() && template.reads().contains("firstName"));
    // What no touchpoint names goes nowhere; what nothing reaches is not pinned.
    let keys = |manifests: &Manifests| -> Vec<String> {
        let entries = manifests.config_maps.iter();
        entries
            .flat_map(|(map, entries)| entries.keys().map(move |key| format!("{map}/{key}")))
            .collect()
    };
    assert_eq!(
        keys(&settings(&sound)),
        ["blocks/footer.html", "blocks/unused", "more/footer.html", "more/mark"]
    );
    assert_eq!(
        keys(&pinned(&sound, "abandoned-cart")),
        ["blocks/footer.html", "more/mark"]
    );
    // A revision goes on with its own texts, whatever becomes of the ConfigMaps.
    let gone = Manifests {
        config_maps: Default::default(),
        ..settings(&sound)
    };
    program(&gone.with(pinned(&sound, "abandoned-cart")));
}

#[test]
fn a_revision_changes_with_what_its_messages_say_and_with_nothing_else() {
    let of = |maps: &[&str]| revision(&with_blocks(&maps.join("\n---\n")), "abandoned-cart");
    let now = of(&[BLOCKS, MORE]);
    assert_eq!(of(&[BLOCKS, MORE, OTHER]), now);
    assert_eq!(
        of(&[
            &BLOCKS.replace("unused: x", "unused: y"),
            &MORE.replace("second", "third")
        ]),
        now
    );
    assert_ne!(of(&[BLOCKS, &MORE.replace("{{ with.items }}", "-")]), now);
}

#[test]
fn what_is_included_is_there_and_held_to_the_purpose() {
    let missing_key = BLOCKS.replace("footer.html", "fotter.html");
    let elsewhere = MORE.replace("footer.html", "header.html");
    for (maps, expected) in [
        (
            vec![BLOCKS],
            "Reference Error spec.outbound.includes[1]: there is no ConfigMap 'more'; make it in this namespace; there is blocks",
        ),
        (
            vec![missing_key.as_str(), elsewhere.as_str()],
            "Reference Error spec.outbound.content.html: line 1: none of the ConfigMaps 'blocks', 'more' has a key 'footer.html'; did you mean fotter.html?",
        ),
        (
            vec![BLOCKS, &MORE.replace("mark", "mrak")],
            "Reference Error spec.outbound.content.html: line 1 of 'footer.html', which it includes: none of the ConfigMaps 'blocks', 'more' has a key 'mark'; did you mean mrak?",
        ),
        (
            vec![BLOCKS, &MORE.replace("with.items", "customer.age")],
            "Policy Error spec.outbound.content.html: purpose 'marketing' does not allow customer.age; add age to the purpose's attributes in the PrivacyPolicy, or do without",
        ),
        (
            vec![BLOCKS, &MORE.replace("with.items", "with.itms")],
            "Template Error spec.outbound.content.html: line 1: of 'mark', which it includes: 'with' has no 'itms'; did you mean with.items?",
        ),
    ] {
        let wrong = with_blocks(&maps.join("\n---\n"));
        assert_eq!(said(&wrong), [expected]);
    }
    let nowhere = changed(
        "      subject: \"{{",
        "      html: \"{% include 'x' %}\"\n      subject: \"{{",
    );
    assert_eq!(
        said(&nowhere),
        [
            "Reference Error spec.outbound.content.html: line 1: there is nothing to include 'x' from; name the ConfigMap that has it in spec.outbound.includes"
        ]
    );
}

#[test]
fn config_maps_are_read_from_files_and_hold_texts() {
    let read = |text: &str| {
        Manifests::default()
            .read(text, "f.yaml")
            .err()
            .into_iter()
            .flatten()
            .map(|e| e.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(read(BLOCKS), [""; 0]);
    assert_eq!(
        read("apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: x-}\ndata: {a: b}"),
        [""; 0]
    );
    assert_eq!(
        read("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata:\n  a: x\n  b: 7"),
        ["f.yaml:6: ConfigMap m: data.b: entries of a ConfigMap are texts: put it in quotes"]
    );
    assert_eq!(
        read(&format!("{BLOCKS}\n---\n{BLOCKS}")),
        ["f.yaml:8: ConfigMap blocks is given twice"]
    );
}

const TIPS: &str = "apiVersion: journey.dev/v1alpha1\nkind: Journey\nmetadata: {name: weekly-tips, labels: {team: growth}}\nspec:\n  \
    choice: {title: Tips, join: true, leave: true}\n  steps: [{name: week, wait: {for: 7d}}]";

/// The shop whose reminder offers `links`, and whose journey lets customers do `choice`.
fn offering(links: &str, choice: &str) -> Manifests {
    shop(&[
        ("{{ unsubscribe_link() }}", links),
        (
            "    reentry: {cooldown: 24h, max: 3}\n",
            &format!("    reentry: {{cooldown: 24h, max: 3}}\n  choice: {{title: Carts, {choice}}}\n"),
        ),
        ("# A small shop", &format!("{TIPS}\n---\n# A small shop")),
    ])
}

#[test]
fn a_journey_may_be_joined_and_left_by_links_of_messages() {
    let sound = offering("{{ leave_link() }} {{ join_link('weekly-tips') }}", "leave: true");
    assert_eq!(said(&sound), [""; 0]);
    let template = &program(&sound).outbound["cart-reminder"].content["text"];
    assert!(template.leaves() && template.joins().contains("weekly-tips"));
    assert!(!program(&sound).joinable);
    let tips = journey(&sound, "weekly-tips").unwrap();
    assert!(tips.program.joinable && tips.program.triggers.is_empty());
    assert_eq!(tips.warnings, []);
    // Runners and gateway know what is offered without the journeys; a revision compiles whatever becomes of what it offers.
    let titles = |manifests: &Manifests| manifests.choices.keys().cloned().collect::<Vec<_>>();
    assert_eq!(titles(&settings(&sound)), ["abandoned-cart", "weekly-tips"]);
    assert_eq!(titles(&pinned(&sound, "abandoned-cart")), ["weekly-tips"]);
    let gone = Manifests {
        choices: Default::default(),
        ..settings(&sound)
    };
    program(&gone.with(pinned(&sound, "abandoned-cart")));
    assert_eq!(
        intake(&settings(&sound)).0.choices["weekly-tips"].title.as_str(),
        "Tips"
    );
}

#[test]
fn a_link_leads_to_what_is_open() {
    for (links, choice, expected) in [
        (
            "{{ leave_link() }}",
            "leave: false",
            "Value Error spec.outbound.content.text: leave_link() leads nowhere: a journey that sends this does not let customers leave; \
             add choice: {title: ..., leave: true} to the journey",
        ),
        (
            "{{ join_link('abandoned-cart') }}",
            "leave: true",
            "Reference Error spec.outbound.content.text: join_link() leads nowhere: customers cannot join journey 'abandoned-cart'; \
             add choice: {title: ..., join: true} to it",
        ),
        (
            "{{ join_link('weekly-tip') }}",
            "leave: true",
            "Reference Error spec.outbound.content.text: there is no journey 'weekly-tip'; did you mean weekly-tips?",
        ),
    ] {
        let wrong = offering(links, choice);
        assert_eq!(said(&wrong), [expected]);
        assert_eq!(said_of("Touchpoint", "cart-reminder", &wrong), [expected]);
    }
}

#[test]
fn who_joins_brings_no_event() {
    let keyed = offering("x", "join: true");
    assert!(
        said(&keyed).contains(
            &"Value Error spec.choice.join: who joins brings no event to take entry.key from; leave out entry.key, or join: false".to_owned()
        ),
        "{:#?}",
        said(&keyed)
    );
    // What the event of every trigger has may be missing in who joins.
    let unguarded = shop(&[(
        "    key: event.cartId\n    reentry: {cooldown: 24h, max: 3}\n",
        "  choice: {title: Carts, join: true}\n",
    )]);
    let found = said(&unguarded);
    assert!(
        found
            .iter()
            .any(|line| line.starts_with("Expression Error spec.steps[2].send.with.items: ")),
        "{found:#?}"
    );
    let nobody = TIPS.replace("join: true", "join: false");
    let found = journey(&read(&format!("{nobody}\n---\n{SHOP}")), "weekly-tips").unwrap_err();
    assert_eq!(found[0].message, "nobody can enter");
}

/// The shop whose reminder is a survey, and whose wait ends by an answer for which `when` holds.
fn asking(survey: &str, when: &str) -> Manifests {
    let content = "    content:\n      subject: \"{{ customer.firstName }}, your cart is waiting\"\n      text: \"{{ with.items }} things: {{ link('https://shop.example/cart') }} {{ unsubscribe_link() }}\"\n";
    let clicked = "{event: cart-reminder/clicked, when: \"event.url.contains('cart')\", next: thank}";
    shop(&[
        LOCALE,
        (content, survey),
        (
            clicked,
            &format!("{{event: cart-reminder/answered, when: \"{when}\", next: thank}}"),
        ),
    ])
}

const SURVEY: &str = "    survey:\n      questions:\n      - {name: score, kind: NPS, ask: \"Would you recommend us?\"}\n      - {name: found, kind: Choice, ask: \"How did you find us?\", options: [Friends, Search]}\n      - {name: why, kind: Text, ask: \"Why?\"}\n";

#[test]
fn a_survey_is_answered_by_an_event_with_typed_fields() {
    let sound = asking(
        SURVEY,
        "event.score >= 9 && event.found == 'Friends' && event.why.contains('good')",
    );
    assert_eq!(said(&sound), [""; 0]);
    let outbound = &program(&sound).outbound["cart-reminder"];
    assert_eq!(outbound.fields(), ["subject", "text", "html", "link"]);
    assert_eq!(intake(&sound).0.surveys["cart-reminder"].questions.len(), 3);
    for (when, expected) in [
        (
            "event.score >= 'nine'",
            "Expression Error spec.steps[3].wait.until[0].when: ",
        ),
        (
            "event.scor >= 9",
            "Expression Error spec.steps[3].wait.until[0].when: 'event' has no 'scor' in `event.scor >= 9`; did you mean score?",
        ),
        (
            "event.found == 'Freinds'",
            "Expression Error spec.steps[3].wait.until[0].when: ",
        ),
    ] {
        let found = said(&asking(SURVEY, when));
        assert!(found.len() == 1 && found[0].starts_with(expected), "{found:#?}");
    }
    assert_eq!(
        said(&changed(
            "{event: cart-reminder/clicked, when: \"event.url.contains('cart')\",",
            "{event: cart-reminder/answered,"
        )),
        [
            "Reference Error spec.steps[3].wait.until[0].event: 'cart-reminder' is no survey: nobody answers it; give it survey instead of content"
        ]
    );
}

#[test]
fn a_survey_is_plain_text_translated_by_question_and_leads_to_a_page() {
    let with = |rest: &str| asking(&format!("{SURVEY}{rest}"), "event.score >= 9");
    assert_eq!(
        said(&with(
            "    translations: {de: {score: \"Würden Sie uns empfehlen?\"}, de-AT: {why: 'Warum?'}}\n"
        )),
        [""; 0]
    );
    for (rest, expected) in [
        (
            "    translations: {de: {scor: 'Gut?'}}\n",
            "Value Error spec.outbound.translations.de.scor: the survey has no question 'scor' to translate; did you mean score?",
        ),
        (
            "    translations: {de: {score: \"Gut, {{ customer.firstName }}?\"}}\n",
            "Template Error spec.outbound.translations.de.score: a question is plain text; write it out: the page of a survey knows nothing of the customer",
        ),
        (
            "    translations: {de: {score: 'Gut?'}, DE: {why: 'Warum?'}}\n",
            "Value Error spec.outbound.translations.de: 'de' is translated twice; tags are the same in upper and lower case: put the fields together",
        ),
    ] {
        assert_eq!(said(&with(rest)), [expected]);
    }
    let nowhere = asking(SURVEY, "event.score >= 9");
    let mut nowhere = nowhere;
    nowhere
        .adapters
        .get_mut("web")
        .unwrap()
        .http
        .as_mut()
        .unwrap()
        .public_url = None;
    let found = said(&nowhere);
    assert!(
        found[0].contains("no http adapter of the namespace has a publicUrl"),
        "{found:#?}"
    );
}
