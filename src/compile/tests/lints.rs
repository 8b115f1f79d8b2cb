//! Each lint: a shop that has the flaw, and one that nearly has it.

use super::*;

/// What is told of the whole namespace: code and path.
fn told(manifests: &Manifests) -> Vec<(Code, String)> {
    let found = check(manifests).into_iter();
    found.map(|one| (one.code, one.path)).collect()
}

/// The shop with several replacements, each of something that is there once.
fn with(replacements: &[(&str, &str)]) -> Manifests {
    let mut text = SHOP.to_owned();
    for (from, to) in replacements {
        assert_eq!(text.matches(from).count(), 1, "{from} is in the shop once");
        text = text.replace(from, to);
    }
    read(&text)
}

#[track_caller]
fn flawed(code: Code, path: &str, replacements: &[(&str, &str)]) {
    let told = told(&with(replacements));
    assert!(told.contains(&(code, path.to_owned())), "{code} at {path}: {told:?}");
}

#[track_caller]
fn sound(code: Code, replacements: &[(&str, &str)]) {
    let told = told(&with(replacements));
    assert!(told.iter().all(|(one, _)| *one != code), "{code}: {told:?}");
}

const GOLD: &str = "{when: customer.tier == 'gold', next: done}";
const LISTEN: &str = "      for: 48h\n      until:\n      - {event: cart-reminder/clicked, when: \"event.url.contains('cart')\", next: thank}\n      - {event: complaint-filed, next: help}\n    next: done\n";

#[test]
fn the_shop_as_it_is_has_none() {
    assert_eq!(told(&read(SHOP)), []);
}

#[test]
fn a_condition_that_can_never_hold() {
    let path = "spec.steps[1].branch.cases[0].when";
    flawed(
        Code::NeverHolds,
        path,
        &[(
            GOLD,
            "{when: \"customer.tier == 'gold' && customer.tier == 'none'\", next: done}",
        )],
    );
    flawed(
        Code::NeverHolds,
        path,
        &[(GOLD, "{when: entry.items > 5 && entry.items < 3, next: done}")],
    );
    sound(
        Code::NeverHolds,
        &[(GOLD, "{when: entry.items > 3 && entry.items < 5, next: done}")],
    );
    flawed(
        Code::NeverHolds,
        "spec.exits[1].when",
        &[(
            "when: event.items == 0, outcome",
            "when: event.items == 0 && event.items > 2, outcome",
        )],
    );
    sound(
        Code::NeverHolds,
        &[(
            "when: event.items == 0, outcome",
            "when: event.items == 0 || event.items > 2, outcome",
        )],
    );
    flawed(
        Code::NeverHolds,
        "spec.entry.triggers[0].when",
        &[(
            "when: event.items > 0}",
            "when: \"has(event.note) && !has(event.note)\"}",
        )],
    );
}

#[test]
fn a_case_that_everybody_takes() {
    flawed(
        Code::AlwaysTaken,
        "spec.steps[1].branch.cases[0].when",
        &[(
            GOLD,
            "{when: customer.points >= 10 || customer.points < 10, next: done}",
        )],
    );
    sound(
        Code::AlwaysTaken,
        &[(GOLD, "{when: customer.points > 10 || customer.points < 10, next: done}")],
    );
}

#[test]
fn a_case_or_signal_that_one_above_takes_away() {
    flawed(
        Code::Shadowed,
        "spec.steps[1].branch.cases[1]",
        &[(
            "      - {when: customer.tier == 'gold', next: done}\n",
            "      - {when: \"customer.tier in ['gold', 'silver']\", next: done}\n      - {when: customer.tier == 'gold', next: help}\n",
        )],
    );
    sound(
        Code::Shadowed,
        &[(
            "      - {when: customer.tier == 'gold', next: done}\n",
            "      - {when: customer.tier == 'gold', next: done}\n      - {when: \"customer.tier in ['gold', 'silver']\", next: help}\n",
        )],
    );
    // An exit takes the event before any wait.
    flawed(
        Code::Shadowed,
        "spec.steps[3].wait.until[1]",
        &[(
            "{event: complaint-filed, next: help}",
            "{event: order-placed, next: help}",
        )],
    );
    sound(
        Code::Shadowed,
        &[
            (
                "{event: complaint-filed, next: help}",
                "{event: order-placed, next: help}",
            ),
            (
                "{name: ordered, event: order-placed, outcome",
                "{name: ordered, event: order-placed, when: event.total > 10.0, outcome",
            ),
        ],
    );
}

#[test]
fn an_exit_that_everybody_takes_at_once() {
    let exit = "{name: emptied, event: cart-updated, when: event.items == 0,";
    let to = |when: &str| format!("{{name: emptied, when: \"{when}\",");
    flawed(
        Code::NoticedAtOnce,
        "spec.exits[1].when",
        &[(exit, &to("customer.points >= 10 || customer.points < 10"))],
    );
    sound(
        Code::NoticedAtOnce,
        &[(exit, &to("customer.points > 10 || customer.points < 10"))],
    );
    // A condition in a wait that an exit has noticed before.
    let listen = (
        "{event: complaint-filed, next: help}",
        "{when: customer.points > 20, next: done}",
    );
    let quiet = (
        "with: {reason: \"Complaint: ${steps.listen.event.text}\"}",
        "with: {reason: none}",
    );
    flawed(
        Code::Shadowed,
        "spec.steps[3].wait.until[1]",
        &[(exit, &to("customer.points > 10")), listen, quiet],
    );
    sound(Code::Shadowed, &[(exit, &to("customer.points > 30")), listen, quiet]);
}

#[test]
fn a_loop_of_sends_that_nothing_bounds() {
    let loops = LISTEN.replace("next: thank", "next: remind");
    let uncapped = ("  caps:\n  - {purposes: [marketing], atMost: 3, per: 7d}\n", "");
    flawed(
        Code::UnboundedSends,
        "spec.steps[2].send",
        &[(LISTEN, &loops), uncapped],
    );
    // A cap, a wait that lasts, or a count.
    sound(Code::UnboundedSends, &[(LISTEN, &loops)]);
    let lasting = LISTEN.replace("    next: done\n", "    next: remind\n");
    sound(Code::UnboundedSends, &[(LISTEN, &lasting), uncapped]);
    let counted = loops.replace("next: remind", "next: enough")
        + "  - name: enough\n    branch: {cases: [{when: steps.remind.count < 3, next: remind}], otherwise: done}\n";
    sound(Code::UnboundedSends, &[(LISTEN, &counted), uncapped]);
}

#[test]
fn a_loop_without_a_wait_that_counts_has_an_end() {
    let thanks = "mood: 1}\n    next: done\n";
    let again = |when: &str| {
        format!("mood: 1}}\n  - name: again\n    branch: {{cases: [{{when: {when}, next: thank}}], otherwise: done}}\n")
    };
    flawed(
        Code::EndlessLoop,
        "spec.steps[4]",
        &[(thanks, &again("entry.items > 3"))],
    );
    sound(Code::EndlessLoop, &[(thanks, &again("steps.thank.count < 3"))]);
}

#[test]
fn an_event_that_nothing_brings() {
    let ways_in = [
        (
            "  http: {auth: {secretRef: {name: web-key}}, publicUrl: \"https://events.shop.example/\", origins: [\"https://shop.example\"], public: true}",
            "  log: {}",
        ),
        (
            "  http: {auth: {secretRef: {name: backend-key, key: key}}}",
            "  log: {}",
        ),
    ];
    flawed(Code::NothingBringsIt, "spec.steps[3].wait.until[1].event", &ways_in);
    sound(Code::NothingBringsIt, &ways_in[..1]);
    // The clock needs no way in: the first event that does is another.
    let touchpoint = "---\napiVersion: journey.dev/v1alpha1\nkind: Touchpoint\nmetadata: {name: hour-begins}\nspec: {channel: Clock, inbound: {schedule: \"@hourly\"}}\n---\n# A small shop";
    let clock = [
        ways_in[0],
        ways_in[1],
        ("# A small shop", touchpoint),
        (
            "{event: complaint-filed, next: help}",
            "{event: hour-begins, next: done}",
        ),
        (
            "with: {reason: \"Complaint: ${steps.listen.event.text}\"}",
            "with: {reason: none}",
        ),
    ];
    flawed(Code::NothingBringsIt, "spec.goals[1].event", &clock);
}

#[test]
fn a_click_on_no_link() {
    let link = ("{{ link('https://shop.example/cart') }}", "https://shop.example/cart");
    flawed(Code::NoLinkToClick, "spec.steps[3].wait.until[0].event", &[link]);
    sound(Code::NoLinkToClick, &[("things: {{ link", "things at {{ link")]);
}

#[test]
fn a_wait_for_what_is_sent_only_later() {
    let patience = "      - {event: cart-updated, next: patience}\n";
    flawed(
        Code::WaitsBeforeSending,
        "spec.steps[0].wait.until[1].event",
        &[(
            patience,
            &format!("{patience}      - {{event: cart-reminder/clicked, next: done}}\n"),
        )],
    );
    // A loop leads from the message to the wait.
    sound(
        Code::WaitsBeforeSending,
        &[
            (
                patience,
                &format!("{patience}      - {{event: cart-reminder/clicked, next: done}}\n"),
            ),
            (
                "{event: complaint-filed, next: help}",
                "{event: complaint-filed, next: patience}",
            ),
        ],
    );
}

#[test]
fn a_message_by_consent_that_tells_no_way_out() {
    let by_desk = [(
        "{name: service, basis: Contract, attributes: [email, firstName]}",
        "{name: service, basis: Consent, attributes: [email, firstName]}",
    )];
    flawed(Code::NoUnsubscribe, "spec.outbound.content", &by_desk);
    sound(
        Code::NoUnsubscribe,
        &[
            by_desk[0],
            ("{{ with.reason }} of", "{{ unsubscribe_link() }} {{ with.reason }} of"),
        ],
    );
    sound(
        Code::NoUnsubscribe,
        &[
            by_desk[0],
            (
                "\"to\": {{ to|tojson }}}",
                "\"to\": {{ to|tojson }}, \"out\": {{ unsubscribe_link()|tojson }}}",
            ),
        ],
    );
}

#[test]
fn a_message_that_does_not_outlive_the_night() {
    // Quiet are 21:00 to 08:00: eleven hours.
    flawed(
        Code::QuietOutlives,
        "spec.outbound.timeToLive",
        &[("timeToLive: 12h", "timeToLive: 11h")],
    );
    sound(Code::QuietOutlives, &[("timeToLive: 12h", "timeToLive: 11h1s")]);
    sound(
        Code::QuietOutlives,
        &[("timeToLive: 12h", "timeToLive: 2h"), ("then: Delay", "then: Drop")],
    );
}

fn second(name: &str, stage: &str, trigger: &str) -> String {
    format!(
        "\n---\napiVersion: journey.dev/v1alpha1\nkind: Journey\nmetadata: {{name: {name}, labels: {{team: growth}}}}\nspec:\n  stage: {stage}\n  entry: {{triggers: [{trigger}]}}\n  steps:\n  - {{name: say, send: {{touchpoint: cart-reminder, with: {{items: 1}}}}}}\n"
    )
}

#[test]
fn a_map_that_ends_at_purchase() {
    let staged = SHOP.replace(
        "spec:\n  entry:\n    triggers:",
        "spec:\n  stage: Consideration\n  entry:\n    triggers:",
    );
    let other = "{event: complaint-filed}";
    let map = |stage| told(&read(&format!("{staged}{}", second("other", stage, other))));
    assert!(map("Purchase").contains(&(Code::MapEndsAtPurchase, "spec.stage".into())));
    assert_eq!(map("Onboarding"), []);
}

#[test]
fn two_journeys_for_the_same_customers() {
    let both = |trigger: &str| told(&read(&format!("{SHOP}{}", second("other", "Advocacy", trigger))));
    let overlap = (Code::EntriesOverlap, "spec.entry.triggers[0]".to_owned());
    assert_eq!(
        both("{event: cart-updated, when: event.items > 10}"),
        std::slice::from_ref(&overlap)
    );
    assert_eq!(both("{event: cart-updated}"), [overlap]);
    assert_eq!(both("{event: cart-updated, when: event.items <= 0}"), []);
    let with = |priority: &str| {
        let other = second("other", "Advocacy", "{event: cart-updated}");
        let other = other.replace("spec:\n", &format!("spec:\n  priority: {priority}\n"));
        told(&read(&format!("{SHOP}{other}")))
    };
    assert_eq!(
        with("50"),
        [(Code::EntriesOverlap, "spec.entry.triggers[0]".to_owned())]
    );
    assert_eq!(with("51"), [], "it is said which matters more");
}

#[test]
fn what_becomes_of_a_card_comes_of_a_card_only() {
    for (became, code) in [
        ("shown", Code::NeverInSlot),
        ("dismissed", Code::NeverInSlot),
        ("ended", Code::NeverStays),
    ] {
        let event = format!("event: cart-reminder/{became}");
        flawed(
            code,
            "spec.steps[3].wait.until[0].event",
            &[("event: cart-reminder/clicked", &event)],
        );
    }
}
