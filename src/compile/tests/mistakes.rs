//! Each mistake: what is changed, and what is said.

use super::*;

/// What is said of the journey and what it sends, as `PATH: MESSAGE; HELP` lines.
pub fn said(manifests: &Manifests) -> Vec<String> {
    let found = match journey(manifests, "abandoned-cart") {
        Ok(compiled) => compiled.warnings,
        Err(found) => found,
    };
    lines(&found)
}

fn lines(found: &[Diagnostic]) -> Vec<String> {
    let line = |one: &Diagnostic| {
        let help = one.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
        format!(
            "{:?} {:?} {}: {}{help}",
            one.code.class(),
            one.severity,
            one.path,
            one.message
        )
    };
    found.iter().map(line).collect()
}

/// What is said of one object of another kind.
pub fn said_of(kind: &str, name: &str, manifests: &Manifests) -> Vec<String> {
    lines(&object(
        manifests,
        &Object {
            kind: kind.into(),
            name: name.into(),
        },
    ))
}

#[test]
fn a_name_that_is_none_is_a_reference() {
    for (from, to, expected) in [
        (
            "{event: cart-updated, when: event.items > 0}",
            "{event: cart-updatd, when: event.items > 0}",
            "Reference Error spec.entry.triggers[0].event: there is no touchpoint 'cart-updatd'; did you mean cart-updated?",
        ),
        (
            "{touchpoint: cart-reminder, with",
            "{touchpoint: cart-remindr, with",
            "Reference Error spec.steps[2].send.touchpoint: there is no touchpoint 'cart-remindr'; did you mean cart-reminder?",
        ),
        (
            "{touchpoint: service-desk, with",
            "{touchpoint: order-placed, with",
            "Reference Error spec.steps[5].send.touchpoint: touchpoint 'order-placed' is inbound: it cannot be sent; send a Touchpoint with outbound",
        ),
        (
            "adapter: mail\n",
            "adapter: mial\n",
            "Reference Error spec.outbound.adapter: there is no adapter 'mial'; did you mean mail?",
        ),
        (
            "adapter: mail\n",
            "adapter: web\n",
            "Reference Error spec.outbound.adapter: adapter 'web' takes events in: it cannot send; name an adapter with smtp, webhook or log",
        ),
        (
            "{event: complaint-filed, next: help}",
            "{event: complaint-filed, next: hlp}",
            "Reference Error spec.steps[3].wait.until[1].next: there is no step 'hlp'; did you mean help?",
        ),
        (
            "otherwise: remind\n",
            "otherwise: nowhere\n",
            "Reference Error spec.steps[1].branch.otherwise: there is no step 'nowhere'; name a step of this journey; there is patience, tier, remind, listen, thank, help, done",
        ),
        (
            "tone: plain}, otherwise: done}",
            "tone: plain}, otherwise: dne}",
            "Reference Error spec.steps[2].send.otherwise: there is no step 'dne'; did you mean done?",
        ),
        (
            "{event: cart-reminder/clicked,",
            "{event: cart-reminder,",
            "Reference Error spec.steps[3].wait.until[0].event: touchpoint 'cart-reminder' is outbound: nothing comes in by it; name what became of the message: cart-reminder/sent, cart-reminder/skipped, cart-reminder/failed, cart-reminder/delivered, cart-reminder/bounced, cart-reminder/opened, cart-reminder/clicked, cart-reminder/replied, cart-reminder/complained, cart-reminder/shown, cart-reminder/dismissed, cart-reminder/ended",
        ),
        (
            "{event: complaint-filed, next: help}",
            "{event: complaint-filed/sent, next: help}",
            "Reference Error spec.steps[3].wait.until[1].event: touchpoint 'complaint-filed' is inbound: no message is sent by it; write complaint-filed",
        ),
        (
            "{event: cart-updated, when: event.items > 0}",
            "{event: cart-updated, when: event.items > 0, times: 2}",
            "Value Error spec.entry.triggers[0].times: times has no meaning on a trigger: nothing has begun from which it could count; let the touchpoint count in an attribute, and ask for it in when",
        ),
        (
            "{event: complaint-filed, next: help}",
            "{event: complaint-filed, times: 0, next: help}",
            "Value Error spec.steps[3].wait.until[1].times: times is 1 or more; leave it out, or write how many events it takes",
        ),
        (
            "      for: 1h\n",
            "      for: 1h\n      at: now\n",
            "Value Error spec.steps[0].wait: a wait has for or at, not both; a length counts from the arrival, an instant is at: choose one",
        ),
        (
            "      for: 1h\n",
            "      at: entry.cartId\n",
            "Expression Error spec.steps[0].wait.at: a timestamp is needed here, this is a text in `entry.cartId`; a timestamp is written timestamp('2026-11-22T09:00:00Z')",
        ),
        (
            "      for: 1h\n",
            "      during: {days: [Mon]}\n",
            "Value Error spec.steps[0].wait.during: during needs for or at; during says which time counts: add for or at",
        ),
        (
            "      for: 1h\n",
            "      for: 1h\n      during: {from: \"09:00\"}\n",
            "Value Error spec.steps[0].wait.during: from and to come together; give both, or neither for the whole day",
        ),
        (
            "      for: 1h\n",
            "      for: 1h\n      during: {days: [Mon], zone: Europe/Wien}\n",
            "Value Error spec.steps[0].wait.during.zone: there is no time zone 'Europe/Wien'; name an IANA zone such as Europe/Vienna",
        ),
        (
            "      for: 1h\n",
            "      for: 30d\n      during: {days: [Mon], from: \"09:00\", to: \"09:30\"}\n",
            "Value Error spec.steps[0].wait.during: the windows are open for 30 minutes a week: the wait would take more than ten years; open them longer, or wait less",
        ),
        (
            "event: order-placed, within: 7d}",
            "event: order-placed, within: 7d, value: string(event.total)}",
            "Expression Error spec.goals[0].value: a number is needed here, this is a text in `string(event.total)`",
        ),
        (
            "measure: Rate}, window: 28d, minimumSample: 200, target: {atLeast: \"8%\"}}",
            "measure: P95Duration}, window: 28d, target: {atMost: \"8\"}}",
            "Value Error spec.kpis[0].target: the target of a duration is one duration; write atMost: 48h or atLeast: 1d12h",
        ),
        (
            "measure: Rate}, window: 28d, minimumSample: 200, target: {atLeast: \"8%\"}}",
            "measure: Mean}, window: 28d, target: {atMost: 8h}}",
            "Value Error spec.kpis[0].target: the target of a Sum or a Mean is one decimal; write atLeast: \"30\" or atMost: \"-0.5\"",
        ),
        (
            "set: {points: ",
            "set: {pints: ",
            "Reference Error spec.steps[4].set.pints: the CustomerProfile has no attribute 'pints'; did you mean points?",
        ),
    ] {
        let said = said(&changed(from, to));
        assert!(said.contains(&expected.to_owned()), "{to}\n{said:#?}");
    }
    let kpi = changed("goal: {name: bought, measure", "goal: {name: bougt, measure");
    assert_eq!(
        said(&kpi),
        ["Reference Error spec.kpis[0].goal.name: there is no goal 'bougt'; did you mean bought?"]
    );
    assert_eq!(
        lines(&journey(&read(SHOP), "abandoned-crt").unwrap_err()),
        ["Reference Error metadata.name: there is no journey 'abandoned-crt'; did you mean abandoned-cart?"]
    );
}

#[test]
fn an_expression_is_held_to_the_profile_and_the_schemas() {
    for (from, to, expected) in [
        (
            "when: event.items > 0",
            "when: event.itms > 0",
            "Expression Error spec.entry.triggers[0].when: 'event' has no 'itms' in `event.itms > 0`; did you mean items?",
        ),
        (
            "when: event.items > 0",
            "when: event.items",
            "Expression Error spec.entry.triggers[0].when: a boolean is needed here, this is an integer in `event.items`; compare it, for instance with > 0",
        ),
        (
            "when: event.items > 0",
            "when: entry.items > 0",
            "Expression Error spec.entry.triggers[0].when: 'entry' is not known here in `entry.items > 0`; known here: customer, event, now",
        ),
        (
            "customer.tier == 'gold'",
            "customer.tier == 'god'",
            "Expression Error spec.steps[1].branch.cases[0].when: it is never 'god': its values are none, silver, gold in `customer.tier == 'god'`; did you mean 'gold'?",
        ),
        (
            "when: event.items == 0",
            "when: event.items == 'none'",
            "Expression Error spec.exits[1].when: ",
        ),
        (
            "key: event.cartId",
            "key: event.crtId",
            "Expression Error spec.entry.key: 'event' has no 'crtId' in `event.crtId`; did you mean cartId?",
        ),
        (
            "key: event.cartId",
            "key: event.time",
            "Expression Error spec.entry.key: a key is a text or a whole number, this is a timestamp of 'cart-updated'; write string(...)",
        ),
        (
            "items: \"${entry.items}\"",
            "items: \"${entry.note}\"",
            "Expression Error spec.steps[2].send.with.items: 'entry.note' may be missing in `${entry.note}`",
        ),
        (
            "items: \"${entry.items}\"",
            "items: \"${steps.listen.event.text}\"",
            "Expression Error spec.steps[2].send.with.items: 'steps.listen.event.text' may be missing",
        ),
        (
            "Complaint: ${steps.listen.event.text}",
            "Complaint: ${steps.listen.event.url}",
            "Expression Error spec.steps[5].send.with.reason: ",
        ),
        (
            "${customer.points + 10}",
            "${customer.age + 10}",
            "Expression Error spec.steps[4].set.points: 'customer.age' may be missing",
        ),
        (
            "${customer.points + 10}",
            "many",
            "Expression Error spec.steps[4].set.points: an integer is needed here, this is a text in `many`",
        ),
        (
            "tier: gold, lastSeenAt",
            "tier: god, lastSeenAt",
            "Expression Error spec.steps[4].set.tier: its values are none, silver, gold in `god`",
        ),
        (
            "mood: 1}",
            "mood: true}",
            "Expression Error spec.steps[4].set.mood: a number is needed here, this is a boolean in `true`",
        ),
        (
            "2026-03-01T09:00:00Z",
            "tomorrow",
            "Expression Error spec.steps[4].set.lastSeenAt: ",
        ),
        (
            "mood: 1}",
            "mood: {a: 1}}",
            "Value Error spec.steps[4].set.mood: an object cannot be given here; write a text, a number or a boolean; CEL stands in ${...}",
        ),
        (
            "tone: plain}",
            "a-b: plain}",
            "Value Error spec.steps[2].send.with.a-b: content cannot read with.a-b",
        ),
        (
            "to: ${customer.email}",
            "to: ${customer.emial}",
            "Expression Error spec.outbound.to: 'customer' has no 'emial' in `${customer.emial}`; did you mean email?",
        ),
    ] {
        let said = said(&changed(from, to));
        assert!(said.iter().any(|line| line.starts_with(expected)), "{to}\n{said:#?}");
    }
}

#[test]
fn content_is_held_to_the_profile_and_to_what_senders_give() {
    for (from, to, expected) in [
        (
            "{{ customer.firstName }}, your",
            "{{ customer.fistName }}, your",
            "Template Error spec.outbound.content.subject: line 1: 'customer' has no 'fistName'; did you mean customer.firstName?",
        ),
        (
            "{{ with.items }} things",
            "{{ with.itms }} things",
            "Template Error spec.outbound.content.text: line 1: 'with' has no 'itms'; did you mean with.items?",
        ),
        (
            "{{ with.items }} things",
            "{{ items }} things",
            "Template Error spec.outbound.content.text: line 1: 'items' is not known here; write with.items",
        ),
        (
            "      subject: \"{{ customer.firstName }}, your cart is waiting\"\n",
            "",
            "Value Error spec.outbound.content: a mail needs a subject; add content.subject",
        ),
        (
            "      text: \"{{ with.items }} things",
            "      body: \"{{ with.items }} things",
            "Value Error spec.outbound.content: a mail needs text or html; add content.text",
        ),
        (
            "    to: ${customer.email}\n",
            "",
            "Value Error spec.outbound.to: a mail needs an address; write to: ${customer.email}",
        ),
        (
            "      text: \"{{ with.reason }}",
            "      body: \"{{ with.reason }}",
            "Template Error spec.outbound.content: the body of adapter 'desk' reads content.text, which this has not; add content.text",
        ),
        (
            " publicUrl: \"https://events.shop.example/\",",
            "",
            "Reference Error spec.outbound.adapter: a mail for 'marketing', whose basis is Consent, must carry an unsubscribe link (RFC 8058), and no http adapter of the namespace has a publicUrl; add publicUrl to a ChannelAdapter with http",
        ),
        (
            "of {{ customer.email }}\"",
            "of {{ unsubscribe_link() }}\"",
            "Template Warning spec.outbound.content.text: unsubscribe_link() is empty: purpose 'service' does not rest on consent; leave it out",
        ),
    ] {
        let said = said(&changed(from, to));
        assert_eq!(said[..1], [expected], "{to}\n{said:#?}");
    }
}

#[test]
fn what_one_sender_does_not_give_content_cannot_read() {
    let twice = changed(
        "  - name: help\n    send: {touchpoint: service-desk, with: {reason: \"Complaint: ${steps.listen.event.text}\"}}",
        "  - name: help\n    send: {touchpoint: cart-reminder, with: {tone: warm}}",
    );
    assert_eq!(
        said(&twice),
        [
            "Template Error spec.outbound.content.text: line 1: 'with' has no 'items'; give it in `with` of every step that sends this: with: {items: ...}"
        ]
    );
}

#[test]
fn a_purpose_allows_what_it_names_and_no_more() {
    for (from, to, expected) in [
        (
            "purpose: marketing\n",
            "purpose: marketng\n",
            "Policy Error spec.steps[2].send.touchpoint: 'cart-reminder' is sent for purpose 'marketng', which no PrivacyPolicy of this journey names; did you mean marketing?",
        ),
        (
            "{{ customer.firstName }}, your",
            "{{ customer.age }}, your",
            "Policy Error spec.outbound.content.subject: purpose 'marketing' does not allow customer.age; add age to the purpose's attributes in the PrivacyPolicy, or do without",
        ),
        (
            "attributes: [email, firstName]}",
            "attributes: [firstName]}",
            "Policy Error spec.outbound.content.text: purpose 'service' does not allow customer.email; add email to the purpose's attributes in the PrivacyPolicy, or do without",
        ),
        (
            "customer.tier == 'gold'",
            "customer.vip",
            "Policy Error spec.steps[1].branch.cases[0].when: no purpose of this journey (marketing, service) allows customer.vip; add vip to the attributes of one of them in the PrivacyPolicy",
        ),
        (
            "to: ${customer.email}",
            "to: ${customer.timezone}",
            "Policy Error spec.outbound.to: purpose 'marketing' does not allow customer.timezone; add timezone to the purpose's attributes in the PrivacyPolicy, or do without",
        ),
    ] {
        let said = said(&changed(from, to));
        assert!(said.contains(&expected.to_owned()), "{to}\n{said:#?}");
    }
}

#[test]
fn ways_that_lead_nowhere_are_seen() {
    for (from, to, expected) in [
        (
            "{when: customer.tier == 'gold', next: done}\n      otherwise: remind",
            "{when: customer.tier == 'gold', next: tier}\n      otherwise: remind",
            "Flow Error spec.steps[1]: step 'tier' leads back to itself without a wait: customers would go round for ever; put a wait into the loop",
        ),
        (
            "      - {event: complaint-filed, next: help}\n",
            "",
            "Flow Warning spec.steps[5]: nobody can reach step 'help'; lead a next to it, or remove it",
        ),
        (
            "    wait:\n      for: 48h\n      until:",
            "    wait:\n      until:",
            "Flow Warning spec.steps[3].wait: step 'listen' waits for ever when no signal comes; add `for` or `at`, or make sure that an exit ends it",
        ),
        (
            "side: Customer",
            "side: Business",
            "Flow Warning spec.goals: no goal is the customer's; add a goal with side: Customer: what do they gain?",
        ),
        (
            "{event: cart-reminder/clicked, when: \"event.url.contains('cart')\", next: thank}",
            "{event: spare/clicked, next: thank}",
            "",
        ),
        (
            "{event: cart-updated, when: event.items > 0}",
            "{event: cart-updated, when: event.items > 0}\n    - {event: cart-reminder/sent}",
            "Flow Error spec.entry.triggers[1].event: 'cart-reminder/sent' reaches only customers that are in the journey already; let an inbound touchpoint open the journey",
        ),
    ] {
        let said = said(&changed(from, to));
        assert!(
            expected.is_empty() || said.contains(&expected.to_owned()),
            "{to}\n{said:#?}"
        );
    }
    let unsent = changed(
        "{touchpoint: service-desk, with: {reason: \"Complaint: ${steps.listen.event.text}\"}}",
        "{touchpoint: cart-reminder, with: {items: 1}}\n    next: quiet\n  - name: quiet\n    wait: {for: 1h, until: [{event: service-desk/sent, next: done}]}",
    );
    assert_eq!(
        said(&unsent),
        [
            "Flow Warning spec.steps[6].wait.until[0].event: 'service-desk/sent' never comes: no step of this journey sends 'service-desk'; send it, or listen to what this journey sends"
        ]
    );
}

#[test]
fn a_touchpoint_is_judged_by_itself() {
    for (name, from, to, expected) in [
        (
            "cart-updated",
            "from: [web, backend]",
            "from: [wb, backend]",
            "Reference Error spec.inbound.from[0]: there is no adapter 'wb'; did you mean web?",
        ),
        (
            "cart-updated",
            "from: [web, backend]",
            "from: [mail]",
            "Reference Error spec.inbound.from[0]: adapter 'mail' sends: nothing comes in by it; name an adapter with http",
        ),
        (
            "cart-updated",
            "items: {type: integer}",
            "items: {type: intger}",
            "Schema Error spec.inbound.schema: ",
        ),
        (
            "cart-updated",
            "cartId: c9, items: 3}",
            "cartId: c9, items: many}",
            "Schema Error spec.inbound.samples[0]: the sample breaks the schema: \"many\" is not of type \"integer\" at /items",
        ),
        (
            "cart-updated",
            "{lastSeenAt: \"${event.time}\"}",
            "{lastSenAt: \"${event.time}\"}",
            "Reference Error spec.inbound.attributes.lastSenAt: the CustomerProfile has no attribute 'lastSenAt'; did you mean lastSeenAt?",
        ),
        (
            "cart-updated",
            "{lastSeenAt: \"${event.time}\"}",
            "{points: \"${event.time}\"}",
            "Expression Error spec.inbound.attributes.points: an integer is needed here, this is a timestamp",
        ),
        (
            "cart-updated",
            "purpose: marketing, granted",
            "purpose: marktng, granted",
            "Policy Error spec.inbound.consent[0].purpose: no PrivacyPolicy has a purpose 'marktng'; did you mean marketing?",
        ),
        (
            "cart-updated",
            "granted: event.newsletter",
            "granted: event.items",
            "Expression Error spec.inbound.consent[0].granted: a boolean is needed here, this is an integer",
        ),
        (
            "cart-updated",
            "    consent:\n",
            "    reply: {text: event.cartId, purposes: [marktng]}\n    consent:\n",
            "Policy Error spec.inbound.reply.purposes[0]: no PrivacyPolicy has a purpose 'marktng'; did you mean marketing?",
        ),
        (
            "cart-updated",
            "    consent:\n",
            "    reply: {text: event.items}\n    consent:\n",
            "Expression Error spec.inbound.reply.text: a text is needed here, this is an integer in `event.items`; make it a text with string(...)",
        ),
        (
            "order-placed",
            "event: order.placed",
            "event: cart.updated",
            "Value Error spec.inbound.event: touchpoint 'cart-updated' takes event 'cart.updated' already; let one touchpoint take the event; several journeys can listen to it",
        ),
        (
            "cart-reminder",
            "purpose: marketing\n",
            "purpose: marktng\n",
            "Policy Error spec.outbound.purpose: no PrivacyPolicy has a purpose 'marktng'; did you mean marketing?",
        ),
        (
            "cart-reminder",
            "{{ customer.firstName }}, your",
            "{{ customer.age }}, your",
            "Policy Error spec.outbound.content.subject: purpose 'marketing' does not allow customer.age",
        ),
    ] {
        let said = said_of("Touchpoint", name, &changed(from, to));
        assert!(said.iter().any(|line| line.starts_with(expected)), "{to}\n{said:#?}");
    }
    let news = read(&SHOP.replacen("    customer: event.userId\n", "", 1));
    let said = said_of("Touchpoint", "cart-updated", &news);
    assert_eq!(
        said,
        [
            "Value Error spec.inbound.attributes: without customer it is news: it tells of no customer, and so teaches no attributes; say whose event it is: customer, or leave this out",
            "Value Error spec.inbound.consent: without customer it is news: it tells of no customer, and so teaches no consent; say whose event it is: customer, or leave this out",
        ]
    );
    for (from, to, expected) in [
        (
            "event: order.placed\n",
            "schedule: \"0 25 * * *\"\n",
            "Value Error spec.inbound.schedule: '0 25 * * *' is no schedule: ",
        ),
        (
            "event: order.placed\n",
            "schedule: \"@daily\"\n    timeZone: Europe/Wien\n",
            "Value Error spec.inbound.timeZone: there is no zone 'Europe/Wien'",
        ),
        (
            "event: order.placed\n",
            "schedule: \"@daily\"\n",
            "Value Error spec.inbound.customer: what happens by the clock has no customer",
        ),
        (
            "event: order.placed\n",
            "event: order.placed\n    schedule: \"@daily\"\n",
            "Shape Error spec.inbound: inbound has exactly one of event, schedule",
        ),
    ] {
        let said = said_of("Touchpoint", "order-placed", &changed(from, to));
        assert!(said.iter().any(|line| line.starts_with(expected)), "{to}\n{said:#?}");
    }
    let joining = |names: &str| {
        let customer = "customer: event.userId";
        let shop = SHOP.replacen(customer, &format!("{customer}\n    alsoKnownAs: [{names}]"), 1);
        said_of("Touchpoint", "cart-updated", &read(&shop))
    };
    assert_eq!(joining("event.anonymousId"), [] as [&str; 0]);
    assert_eq!(
        joining("event.anonymousId, event.cartId"),
        [
            "Value Error spec.inbound.alsoKnownAs[1]: the key of adapter 'web' is public: it may join anonymous ids only; write event.anonymousId, or take the adapter out of from"
        ]
    );
    assert_eq!(
        joining("\"event.cartId + '!'\""),
        [
            "Value Error spec.inbound.alsoKnownAs[0]: the kind of the identifier is the name of what is read, and this is not a path alone; write event.userId, event.anonymousId or another property"
        ]
    );
    let computed = read(&SHOP.replacen(
        "customer: event.userId",
        "customer: \"has(event.note) ? event.note : event.cartId\"",
        1,
    ));
    assert_eq!(
        said_of("Touchpoint", "cart-updated", &computed),
        [
            "Value Error spec.inbound.customer: the kind of the identifier is the name of what is read, and this is not a path alone; write event.userId, event.anonymousId or another property"
        ]
    );
}

#[test]
fn adapters_policies_and_the_profile_are_judged_by_themselves() {
    for (kind, name, from, to, expected) in [
        (
            "ChannelAdapter",
            "desk",
            "content.text|tojson",
            "content.txt|tojson",
            "Template Error spec.webhook.body: line 1: 'content' has no 'txt'; did you mean content.text?",
        ),
        (
            "ChannelAdapter",
            "desk",
            "customer.id|tojson",
            "customer.email|tojson",
            "Template Error spec.webhook.body: line 1: 'customer' has no 'email'",
        ),
        (
            "ChannelAdapter",
            "mail",
            "Shop <hello@shop.example>",
            "Shop",
            "Value Error spec.smtp.from: this is not an address; write Shop <hello@shop.example>",
        ),
        (
            "ChannelAdapter",
            "mail",
            "Shop <hello@shop.example>",
            "Shop <hello@shop.example",
            "Value Error spec.smtp.from: this is not an address",
        ),
        (
            "ChannelAdapter",
            "desk",
            "    auth: {bearer",
            "    headers: {Webhook-Id: \"7\"}\n    auth: {bearer",
            "Value Error spec.webhook.headers.Webhook-Id: the header Webhook-Id is written for each request; leave it out",
        ),
        (
            "ChannelAdapter",
            "mail",
            "timeout: 10s",
            "retry: {attempts: 3, initial: 1h}",
            "Value Error spec.retry.max: the longest pause is shorter than the first",
        ),
        (
            "ChannelAdapter",
            "web",
            "https://events.shop.example/\"",
            "https://events.shop.example/?a\"",
            "Value Error spec.http.publicUrl: ",
        ),
        (
            "PrivacyPolicy",
            "shop",
            "zone: Europe/Vienna",
            "zone: Europe/Wien",
            "Value Error spec.quiet[0].hours.zone: there is no time zone 'Europe/Wien'; name an IANA zone such as Europe/Vienna",
        ),
        (
            "PrivacyPolicy",
            "shop",
            "attributes: [email, firstName]}",
            "attributes: [emial, firstName]}",
            "Reference Error spec.purposes[1].attributes[0]: the CustomerProfile has no attribute 'emial'; did you mean email?",
        ),
        (
            "PrivacyPolicy",
            "shop",
            "{purposes: [marketing], atMost",
            "{purposes: [marketng], atMost",
            "Reference Error spec.caps[0].purposes[0]: this policy has no purpose 'marketng'; did you mean marketing?",
        ),
        (
            "CustomerProfile",
            "shop",
            "points: {type: integer, default: 0}",
            "points: {type: integer, default: many}",
            "Value Error spec.attributes.points.default: this is no integer",
        ),
        (
            "CustomerProfile",
            "shop",
            "gold], default: none}",
            "gold], default: bronze}",
            "Value Error spec.attributes.tier.default: 'bronze' is none of its values: none, silver, gold",
        ),
        (
            "CustomerProfile",
            "shop",
            "lastSeenAt: {type: timestamp}",
            "lastSeenAt: {type: timestamp, default: now}",
            "Value Error spec.attributes.lastSeenAt.default: a timestamp is written like 2026-03-01T09:00:00Z",
        ),
        (
            "CustomerProfile",
            "shop",
            "zone: customer.timezone",
            "zone: customer.timezon",
            "Expression Error spec.zone: 'customer' has no 'timezon' in `customer.timezon`; did you mean timezone?",
        ),
        (
            "CustomerProfile",
            "shop",
            "zone: customer.timezone",
            "zone: customer.age",
            "Expression Error spec.zone: a text is needed here, this is an integer",
        ),
        (
            "CustomerProfile",
            "shop",
            "zone: customer.timezone",
            "zone: \"now > timestamp('2026-01-01T00:00:00Z') ? 'Europe/Vienna' : 'UTC'\"",
            "Expression Error spec.zone: a zone is the customer's and not the moment's: it cannot read now; read attributes of customer only",
        ),
        (
            "CustomerProfile",
            "shop",
            "timezone: {type: string}",
            "timezone: {type: string, default: Europe/Wien}",
            "Value Error spec.zone: of a customer nobody knows it is 'Europe/Wien', and there is no such time zone; name an IANA zone such as Europe/Vienna",
        ),
    ] {
        let said = said_of(kind, name, &changed(from, to));
        assert!(said.iter().any(|line| line.starts_with(expected)), "{to}\n{said:#?}");
    }
    let two = read(&format!(
        "{SHOP}\n---\napiVersion: journey.dev/v1alpha1\nkind: CustomerProfile\nmetadata: {{name: other}}\nspec: {{attributes: {{a: {{type: string}}}}}}\n"
    ));
    assert_eq!(
        said_of("CustomerProfile", "shop", &two),
        [
            "Reference Error metadata.name: a namespace has one CustomerProfile, this has other too: none holds; delete all but one"
        ]
    );
}

#[test]
fn quiet_hours_in_a_zone_that_may_be_unknown_are_warned_of() {
    let quiet = |from: &str, to: &str| {
        let shop = SHOP.replace("zone: Europe/Vienna", "zone: Customer").replace(from, to);
        said_of("PrivacyPolicy", "shop", &read(&shop))
    };
    let said = "Policy Warning spec.quiet[0].hours.zone: the CustomerProfile";
    let then = "and of a customer without one it is quiet at all hours: the message is skipped";
    assert_eq!(
        quiet("", ""),
        [format!(
            "{said}'s zone may be missing, {then}; give the attribute that it reads a default, or name a zone here"
        )]
    );
    assert_eq!(
        quiet("zone: customer.timezone\n", "description: none\n"),
        [format!(
            "{said} gives no zone, {then}; add zone to the CustomerProfile, or name a zone here"
        )]
    );
    for sound in [
        "timezone: {type: string, default: Europe/Vienna}",
        "timezone: {type: number}",
    ] {
        // Of a rule that is wrong itself the profile's own mistake is enough.
        assert_eq!(quiet("timezone: {type: string}", sound), [""; 0], "{sound}");
    }
    let computed = "zone: \"has(customer.timezone) ? customer.timezone : 'UTC'\"";
    assert_eq!(quiet("zone: customer.timezone", computed), [""; 0]);
}

#[test]
fn of_two_policies_that_select_a_journey_the_one_that_leaves_the_purpose_out_is_named() {
    let second = |purposes: &str| {
        let policy = format!(
            "{SHOP}\n---\napiVersion: journey.dev/v1alpha1\nkind: PrivacyPolicy\nmetadata: {{name: other}}\nspec: {{purposes: [{purposes}]}}\n"
        );
        said(&read(&policy))
    };
    let service = "{name: service, basis: Contract, attributes: [email, firstName, tier, points]}";
    assert!(
        second(service).contains(
            &"Policy Error spec.steps[2].send.touchpoint: 'cart-reminder' is sent for purpose 'marketing', which PrivacyPolicy 'shop' names \
              and 'other' does not: where several select a journey, only what all of them name is allowed; add the purpose to 'other' too, \
              or let only one journeySelector match its labels"
                .to_owned()
        ),
        "{:#?}",
        second(service)
    );
    let marketing = "{name: marketing, basis: Consent, attributes: [email, firstName, tier, points]}";
    assert_eq!(second(&format!("{service}, {marketing}")), [""; 0]);
}

#[test]
fn a_text_that_is_an_expression_without_its_braces_is_told() {
    assert_eq!(
        said(&changed("to: ${customer.email}", "to: customer.email")),
        [
            "Expression Warning spec.outbound.to: this is the text 'customer.email' itself; CEL stands in ${...}: write \"${customer.email}\""
        ]
    );
    assert_eq!(
        said(&changed(
            "points: \"${customer.points + 10}\"",
            "points: customer.points + 10"
        )),
        [
            "Expression Error spec.steps[4].set.points: an integer is needed here, this is a text; CEL stands in ${...}: write \"${customer.points + 10}\""
        ]
    );
    for sound in ["to: customer.service@shop.example", "to: \"'customer.email'\""] {
        assert_eq!(said(&changed("to: ${customer.email}", sound)), [""; 0], "{sound}");
    }
}

#[test]
fn one_mistake_is_told_once_and_without_what_follows_from_it() {
    let purpose = said(&changed("purpose: marketing\n", "purpose: marketng\n"));
    assert_eq!(purpose.len(), 1, "{purpose:#?}");
    let twice = said(&changed(
        "{{ with.items }} things",
        "{{ with.itms }} of {{ with.itms }} things",
    ));
    assert_eq!(twice.len(), 1, "{twice:#?}");
}

/// The shop with a second journey that listens to the end of the first.
fn chained(trigger: &str) -> Manifests {
    let next = format!(
        "---\napiVersion: journey.dev/v1alpha1\nkind: Journey\nmetadata: {{name: next, labels: {{team: growth}}}}\nspec:\n  entry: {{triggers: [{trigger}]}}\n  \
         steps: [{{name: out, exit: {{outcome: Completed}}}}]\n"
    );
    read(&format!("{SHOP}{next}"))
}

#[test]
fn the_end_of_a_journey_is_an_event_while_the_journey_is_there() {
    let of_next = |manifests: &Manifests| match journey(manifests, "next") {
        Ok(compiled) => lines(&compiled.warnings),
        Err(found) => lines(&found),
    };
    let sound = chained(
        "{event: journey/abandoned-cart, when: event.outcome == 'Converted' && event.journey == 'abandoned-cart'}",
    );
    assert_eq!(of_next(&sound), [] as [&str; 0]);
    assert_eq!(
        of_next(&chained("{event: journey/abandoned-crt}")),
        [
            "Reference Error spec.entry.triggers[0].event: there is no journey 'abandoned-crt'; did you mean abandoned-cart?"
        ]
    );
    let never = of_next(&chained(
        "{event: journey/abandoned-cart, when: event.outcome == 'Won'}",
    ));
    assert!(
        never[0].contains("Completed, Converted, Disqualified, Failed, OptedOut"),
        "{never:?}"
    );

    // A runner has the one revision only, and what is pinned with it says that the other was there.
    let alone = settings(&sound).with(pinned(&sound, "next"));
    assert!(!alone.journeys.contains_key("abandoned-cart"));
    let program = journey(&alone, "next").unwrap().program;
    assert_eq!(program.revision, revision(&sound, "next"));
    assert!(program.listens.contains("journey/abandoned-cart"));
}

#[test]
fn journeys_that_open_each_other_without_a_wait_are_seen() {
    let itself = chained("{event: journey/next}");
    let warned = journey(&itself, "next").unwrap().warnings;
    assert_eq!(
        lines(&warned),
        [
            "Flow Warning spec.entry.triggers[0].event: journeys open each other without a wait: next, then next; after ten in a row nobody enters any more; put a wait into one of them"
        ]
    );
}
