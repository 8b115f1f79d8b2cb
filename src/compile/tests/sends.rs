//! Splits and sends: how they compile, and what is said where they do not.

use super::{
    mistakes::{said, said_of},
    *,
};
use crate::engine::program::Arm;

const TIER: &str = "  - name: tier\n    branch:\n      cases:\n      - {when: customer.tier == 'gold', next: done}\n      otherwise: remind\n";

/// The shop with a split in the place of its branch.
fn split(arms: &str) -> Manifests {
    changed(TIER, &format!("  - {{name: tier, split: {{arms: [{arms}]}}}}\n"))
}

#[test]
fn a_split_draws_by_namespace_journey_and_step() {
    let shop = split("{name: plain, weight: 70, next: remind}, {name: none, weight: 30, next: done}");
    let program = program(&shop);
    let StepAction::Split { salt, arms } = &program.steps[1].action else {
        panic!("{:?}", program.steps[1])
    };
    assert_eq!(salt, "shop/abandoned-cart/tier");
    let arm = |name: &str, weight, next| Arm {
        name: name.into(),
        weight,
        next,
    };
    assert_eq!(*arms, [arm("plain", 70, 2), arm("none", 30, 6)]);
}

#[test]
fn a_split_that_does_not_add_up_or_leads_nowhere_is_refused() {
    for (arms, expected) in [
        (
            "{name: a, weight: 70, next: remind}, {name: b, weight: 20, next: done}",
            "Value Error spec.steps[1].split.arms: the weights of the arms add up to 90; make them add up to 100: they are percentages",
        ),
        (
            "{name: a, weight: 70, next: remind}, {name: a, weight: 30, next: done}",
            "Value Error spec.steps[1].split.arms[1].name: there are two arms 'a'; give each arm its own name",
        ),
        (
            "{name: a, weight: -10, next: remind}, {name: b, weight: 110, next: done}",
            "Value Error spec.steps[1].split.arms[0].weight: -10 is no percentage; write a whole number from 0 to 100",
        ),
        (
            "{name: a, weight: 70, next: remnd}, {name: b, weight: 30, next: done}",
            "Reference Error spec.steps[1].split.arms[0].next: there is no step 'remnd'; did you mean remind?",
        ),
    ] {
        let lines = said(&split(arms));
        assert!(lines.contains(&expected.to_owned()), "{lines:#?}");
    }
}

#[test]
fn an_arm_is_read_where_every_way_passed_the_split() {
    let arms = "{name: a, weight: 50, next: remind}, {name: b, weight: 50, next: done}";
    let text = |shop: &str| {
        let shop = shop.replace(TIER, &format!("  - {{name: tier, split: {{arms: [{arms}]}}}}\n"));
        shop.replace("tone: plain}, otherwise", "tone: \"${steps.tier.arm}\"}, otherwise")
    };
    assert_eq!(said(&read(&text(SHOP))), [] as [&str; 0]);
    let never = text(SHOP).replace("steps.tier.arm", "steps.tier.arm == 'c'");
    assert!(
        said(&read(&never)).iter().any(|line| line.contains("'c'")),
        "an arm that there is not: {:#?}",
        said(&read(&never))
    );
    let by = text(SHOP).replace(
        "{event: cart-updated, next: patience}",
        "{event: cart-updated, next: remind}",
    );
    assert!(
        said(&read(&by)).iter().any(|line| line.contains("steps.tier.arm")),
        "one way goes past the split"
    );
}

const REMIND: &str = "{touchpoint: cart-reminder, with: {items: \"${entry.items}\", tone: plain}, otherwise: done}";

fn send(send: &str) -> Manifests {
    changed(REMIND, send)
}

#[test]
fn candidates_are_conditions_and_scores_of_what_is_sent() {
    let shop = send(
        "{oneOf: [{touchpoint: service-desk, when: customer.tier == 'gold', score: customer.points}, {touchpoint: cart-reminder}], with: {items: 1, reason: x}, otherwise: done}",
    );
    let program = program(&shop);
    let StepAction::Send { candidates, .. } = &program.steps[2].action else {
        panic!("{:?}", program.steps[2])
    };
    let shape: Vec<_> = candidates
        .iter()
        .map(|one| (one.touchpoint.as_str(), one.when.is_some(), one.score.is_some()))
        .collect();
    assert_eq!(shape, [("service-desk", true, true), ("cart-reminder", false, false)]);
    assert_eq!(program.gives("cart-reminder").collect::<Vec<_>>(), ["items", "reason"]);
}

#[test]
fn what_is_wrong_with_a_candidate_is_told_where_it_stands() {
    for (list, expected) in [
        (
            "{oneOf: [{touchpoint: cart-remindr}]}",
            "Reference Error spec.steps[2].send.oneOf[0].touchpoint: there is no touchpoint 'cart-remindr'; did you mean cart-reminder?",
        ),
        (
            "{touchpoint: cart-reminder, oneOf: [{touchpoint: cart-reminder}]}",
            "Value Error spec.steps[2].send: a send has exactly one of touchpoint, oneOf; name one touchpoint, or candidates in oneOf",
        ),
        (
            "{with: {items: 1}}",
            "Value Error spec.steps[2].send: a send has exactly one of touchpoint, oneOf; name one touchpoint, or candidates in oneOf",
        ),
    ] {
        let lines = said(&send(list));
        assert!(lines.contains(&expected.to_owned()), "{lines:#?}");
    }
    for (candidate, part) in [
        (
            "{touchpoint: cart-reminder, score: customer.tier}",
            "spec.steps[2].send.oneOf[0].score",
        ),
        (
            "{touchpoint: cart-reminder, score: customer.age}",
            "spec.steps[2].send.oneOf[0].score",
        ),
        (
            "{touchpoint: cart-reminder, when: customer.points}",
            "spec.steps[2].send.oneOf[0].when",
        ),
        (
            "{touchpoint: cart-reminder, score: customer.mood}",
            "no purpose of this journey (marketing, service) allows customer.mood",
        ),
    ] {
        let lines = said(&send(&format!("{{oneOf: [{candidate}], with: {{items: 1}}}}")));
        assert!(lines.iter().any(|line| line.contains(part)), "{candidate}: {lines:#?}");
    }
}

const ANSWER: &str =
    "    response: {type: object, required: [ticket], properties: {ticket: {type: string}, agent: {type: string}}}\n";

/// The shop whose desk answers, and whose last steps are these.
fn answered(steps: &str) -> Manifests {
    let help = "  - name: help\n    send: {touchpoint: service-desk, with: {reason: \"Complaint: ${steps.listen.event.text}\"}}\n";
    assert_eq!(SHOP.matches(help).count(), 1);
    let desk = "    adapter: desk\n    purpose: service\n";
    assert_eq!(SHOP.matches(desk).count(), 1);
    read(&SHOP.replace(help, steps).replace(desk, &format!("{desk}{ANSWER}")))
}

#[test]
fn an_answer_is_read_with_the_types_of_its_schema_where_every_way_was_sent() {
    let steps = |otherwise: &str, set: &str| {
        format!(
            "  - name: help\n    send: {{touchpoint: service-desk, with: {{reason: x}}{otherwise}}}\n  - name: note\n    branch: {{cases: [{{when: entry.items > 3, next: done}}], otherwise: more}}\n  - name: more\n    send: {{touchpoint: service-desk, with: {{reason: {set}}}}}\n"
        )
    };
    let sent = steps(", otherwise: done", "\"${steps.help.response.ticket}\"");
    assert_eq!(said(&answered(&sent)), [] as [&str; 0]);
    for (steps, part) in [
        (steps("", "\"${steps.help.response.ticket}\""), "steps.help.response"),
        (
            steps(", otherwise: more", "\"${steps.help.response.ticket}\""),
            "steps.help.response",
        ),
        (
            steps(", otherwise: done", "\"${steps.help.response.agent}\""),
            "steps.help.response.agent",
        ),
        (steps(", otherwise: done", "\"${steps.help.response.phone}\""), "phone"),
        (
            steps(", otherwise: done", "\"${steps.remind.response.ticket}\""),
            "response",
        ),
    ] {
        let lines = said(&answered(&steps));
        assert!(lines.iter().any(|line| line.contains(part)), "{part}: {lines:#?}");
    }
    let guarded = steps(
        "",
        "\"${has(steps.help.response.ticket) ? steps.help.response.ticket : 'none'}\"",
    );
    assert_eq!(said(&answered(&guarded)), [] as [&str; 0]);
}

#[test]
fn an_answer_is_a_webhooks_and_its_schema_an_objects() {
    let of = |schema: &str| {
        let to = format!("    adapter: desk\n    purpose: service\n    response: {schema}\n");
        said(&changed("    adapter: desk\n    purpose: service\n", &to))
    };
    for (schema, part) in [
        (
            "{type: string}",
            "spec.outbound.response: what is kept of an answer is an object; write type: object",
        ),
        ("{type: object, properties: {a: {type: strin}}}", "strin"),
        (
            "{type: object, properties: {a: {$ref: 'https://evil.example/s'}}}",
            "stands alone",
        ),
    ] {
        let lines = of(schema);
        assert!(lines.iter().any(|line| line.contains(part)), "{schema}: {lines:#?}");
    }
    let mail = changed(
        "    timeToLive: 12h\n",
        "    timeToLive: 12h\n    response: {type: object}\n",
    );
    assert!(
        said(&mail)
            .iter()
            .any(|line| line.contains("adapter 'mail' gets no answer: only a webhook does; leave response out"))
    );
}

#[test]
fn a_webhook_may_get_what_the_step_gives_and_nothing_else() {
    let bare = "    content:\n      text: \"{{ with.reason }} of {{ customer.email }}\"\n";
    let body = "    body: '{\"customer\": {{ customer.id|tojson }}, \"text\": {{ content.text|tojson }}, \"to\": {{ to|tojson }}}'\n";
    let shop = |body_to: &str| {
        assert_eq!((SHOP.matches(bare).count(), SHOP.matches(body).count()), (1, 1));
        read(&SHOP.replace(bare, "").replace(body, body_to))
    };
    assert_eq!(said(&shop("")), [] as [&str; 0]);
    let body_of_with = shop("    body: '{{ with.reason|tojson }}'\n");
    assert_eq!(said(&body_of_with), [] as [&str; 0]);
    assert_eq!(said_of("ChannelAdapter", "desk", &body_of_with), [] as [&str; 0]);
    let reads = said(&shop(body));
    assert!(
        reads
            .iter()
            .any(|line| line.contains("reads content.text, which this has not")),
        "{reads:#?}"
    );
    let mail = "    content:\n      subject: \"{{ customer.firstName }}, your cart is waiting\"\n      text: \"{{ with.items }} things: {{ link('https://shop.example/cart') }} {{ unsubscribe_link() }}\"\n";
    let lines = said(&changed(mail, ""));
    assert!(
        lines.iter().any(|line| line.contains("a mail needs a subject")),
        "{lines:#?}"
    );
}

#[test]
fn journeys_of_a_group_hold_out_the_same_customers() {
    let of = |holdout: &str| {
        let shop = changed(
            "    reentry: {cooldown: 24h, max: 3}\n",
            &format!("    reentry: {{cooldown: 24h, max: 3}}\n  holdout: {holdout}\n"),
        );
        program(&shop).holdout.map(|holdout| (holdout.salt, holdout.share))
    };
    assert_eq!(
        of("{percent: '10%'}"),
        Some(("holdout:shop/journey:abandoned-cart".into(), 100_000))
    );
    assert_eq!(
        of("{percent: '0.0001%', group: all}"),
        Some(("holdout:shop/group:all".into(), 1))
    );
    assert_eq!(program(&read(SHOP)).holdout, None);
    let never = changed(
        "    reentry: {cooldown: 24h, max: 3}\n",
        "    reentry: {cooldown: 24h, max: 3}\n  holdout: {percent: many}\n",
    );
    assert!(
        said(&never)
            .iter()
            .any(|line| line.contains("spec.holdout.percent: 'many' is no percentage"))
    );
    let held = changed(
        "    reentry: {cooldown: 24h, max: 3}\n",
        "    reentry: {cooldown: 24h, max: 3}\n  holdout: {percent: '10%'}\n",
    );
    assert_eq!(
        revision(&held, "abandoned-cart"),
        revision(&read(SHOP), "abandoned-cart"),
        "a holdout is no new revision"
    );
}
