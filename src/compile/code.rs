//! Every mistake that is told, once: its code, what it means, and how it is put right. `journey explain` prints an entry, docs/diagnostics.md
//! lists them. A number is never given twice and never changes its meaning; one that nothing says any more is taken out of use.
//!
//! A new mistake is an entry here and a `report.error(Code::Name, ...)` or `report.warning(...)` where it is found: see CONTRIBUTING.md.

use super::Severity;
use serde::{Serialize, Serializer};
use std::fmt;

/// Which condition of an object a mistake speaks of, and with which reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// The CRD's own rules are broken, or it is no YAML (offline check).
    Shape,
    /// Something that is named is not there: ResolvedRefs.
    Reference,
    Expression,
    Template,
    /// A JSON Schema that is none.
    Schema,
    /// A value that does not fit its place.
    Value,
    /// A step that nobody can reach, a loop without a wait, and the like.
    Flow,
    /// No policy names the purpose, or the purpose does not allow the attribute: PolicyCompliant.
    Policy,
}

macro_rules! codes {
    ($($id:ident $name:ident $class:ident $severity:ident $title:literal $why:literal bad $bad:literal good $good:literal;)*) => {
        /// What is wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $title] $name,)*
        }

        /// A number that is given twice does not compile.
        #[allow(dead_code)]
        enum Numbers { $($id,)* }

        impl Code {
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// `JNY020`: stable, for searching, suppressing and documentation.
            pub fn id(self) -> &'static str {
                match self { $(Self::$name => stringify!($id),)* }
            }

            /// What it is called in the sources.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            pub fn class(self) -> Class {
                match self { $(Self::$name => Class::$class,)* }
            }

            pub fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }

            /// The mistake in a few words.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// Why it is one, and what to do.
            pub fn why(self) -> &'static str {
                match self { $(Self::$name => $why,)* }
            }

            /// YAML that makes the mistake.
            pub fn bad(self) -> &'static str {
                match self { $(Self::$name => $bad,)* }
            }

            /// The same put right.
            pub fn good(self) -> &'static str {
                match self { $(Self::$name => $good,)* }
            }
        }
    };
}

codes! {
    // 001 to 019: reading YAML, and shapes that the API server refuses.
    JNY001 NotYaml Shape Error "this is no YAML"
        "The document cannot be read as YAML 1.2: an indentation, a quote or a bracket is wrong, a key stands twice, or aliases and nesting make it larger than anything a person writes. Nothing of it is used."
        bad "spec: {entry: [}"
        good "spec: {entry: {triggers: []}}";
    JNY002 FileTooLarge Shape Error "the file is too large"
        "One file is read up to 16 MiB. The API server takes objects of 1.5 MiB at most; divide the file."
        bad "# 20 MiB of YAML"
        good "# several files";
    JNY003 NotAnObject Shape Error "this is no Kubernetes object"
        "Every document names apiVersion and kind. Patches of a kustomization that name neither are read by kustomize, not by this command."
        bad "spec: {suspend: true}"
        good "apiVersion: journey.dev/v1alpha1\nkind: Journey\nmetadata: {name: welcome}";
    JNY004 ListNotRead Shape Error "a List is not read"
        "Objects stand in documents of their own, divided by lines of ---; that way each has its lines."
        bad "kind: List\nitems: [...]"
        good "kind: Journey\n...\n---\nkind: Touchpoint\n...";
    JNY005 UnknownVersion Shape Error "the apiVersion is not known"
        "The kinds of the group journey.dev are read in version v1alpha1."
        bad "apiVersion: journey.dev/v1"
        good "apiVersion: journey.dev/v1alpha1";
    JNY006 UnknownKind Shape Error "there is no such kind"
        "The group journey.dev has five kinds: Journey, Touchpoint, ChannelAdapter, PrivacyPolicy and CustomerProfile."
        bad "kind: Jorney"
        good "kind: Journey";
    JNY007 WordIsBoolean Shape Error "kubectl reads this word as true or false"
        "kubectl and Helm read YAML 1.1, in which an unquoted y, yes, on, n, no or off is a boolean. Quote it."
        bad "values: [no, de, en]"
        good "values: [\"no\", de, en]";
    JNY008 KeyIsBoolean Shape Error "kubectl reads this key as true or false"
        "In YAML 1.1, which kubectl and Helm read, the keys y, yes, on, n, no and off are booleans and arrive as true or false. Quote the key or choose another name."
        bad "with: {on: today}"
        good "with: {day: today}";
    JNY009 LostToATag Shape Error "YAML loses this expression"
        "A value that begins with ! is a tag in YAML and arrives as an empty text: a condition would vanish. Put the expression in quotes."
        bad "when: !customer.vip"
        good "when: \"!customer.vip\"";
    JNY010 NoName Shape Error "the object has no name"
        "metadata.name is what other objects call it."
        bad "metadata: {labels: {team: growth}}"
        good "metadata: {name: welcome, labels: {team: growth}}";
    JNY011 UnknownField Shape Error "there is no such field"
        "The API server refuses or drops fields that the kind has not; what was meant by it would be lost."
        bad "steps:\n- name: a\n  wiat: {for: 1h}"
        good "steps:\n- name: a\n  wait: {for: 1h}";
    JNY012 WrongFieldType Shape Error "the field is of another type"
        "A text is needed where a number stands, a list where a map stands, or the like. Durations, percentages and times of day are texts."
        bad "wait: {for: 60}"
        good "wait: {for: 60s}";
    JNY013 FieldMissing Shape Error "a field is missing"
        "The kind requires this field."
        bad "steps: [{wait: {for: 1h}}]"
        good "steps: [{name: patience, wait: {for: 1h}}]";
    JNY014 RuleBroken Shape Error "a rule of the kind is broken"
        "The API server would refuse the object with this message: a bound, a pattern, or a rule between fields. The rules are part of the CRD: kubectl explain shows the fields with their meaning."
        bad "wait: {for: 1 hour}"
        good "wait: {for: 1h}";
    JNY015 GivenTwice Shape Error "an object is given twice"
        "Two documents of the same kind, name and namespace: the later would replace the earlier."
        bad "kind: Journey\nmetadata: {name: welcome}\n---\nkind: Journey\nmetadata: {name: welcome}"
        good "kind: Journey\nmetadata: {name: welcome}\n---\nkind: Journey\nmetadata: {name: welcome-back}";
    JNY016 SpecUnread Shape Error "the spec cannot be read"
        "The spec has the shape that the API server takes and is not one of the types it is made for; the message says what was expected."
        bad "spec: []"
        good "spec: {...}";
    JNY017 ConfigMapText Shape Error "an entry of a ConfigMap is no text"
        "The API server takes texts as entries of data; a number or a boolean is put in quotes."
        bad "data: {footer: 2026}"
        good "data: {footer: \"2026\"}";
    JNY018 QuestionInBraces Shape Error "kubectl does not read an unquoted ? within braces"
        "Within braces and brackets kubectl and Helm end a text without quotes at a question mark and refuse the file. Quote it, or give the field a line of its own."
        bad "questions: [{name: why, kind: Text, ask: Why?}]"
        good "questions: [{name: why, kind: Text, ask: \"Why?\"}]";
    JNY019 TextIsNumber Shape Error "kubectl reads this text as a number"
        "kubectl and Helm leave underscores out of whatever is a number without them: 10_000.5 arrives as 10000.5, though YAML 1.2 has a text there. Quote it, or write the number without underscores."
        bad "values: [10_000.5]"
        good "values: [\"10_000.5\"]";

    // 020 to 039: what is named and is not there.
    JNY020 UnknownEvent Reference Error "a signal listens to an event that there is not"
        "A signal's event is an inbound Touchpoint of the same namespace, what became of a message (touchpoint/clicked), the end of a journey (journey/NAME), or consent. Sent messages come back only as what became of them."
        bad "until: [{event: oder-placed, next: done}]"
        good "until: [{event: order-placed, next: done}]";
    JNY021 NotSendable Reference Error "a step sends what cannot be sent"
        "send names a Touchpoint of the same namespace that has outbound."
        bad "send: {touchpoint: cart-remindr}"
        good "send: {touchpoint: cart-reminder}";
    JNY022 UnknownStep Reference Error "there is no such step"
        "next, otherwise and the like name a step of the same journey."
        bad "next: dne"
        good "next: done";
    JNY023 UnknownAdapter Reference Error "there is no such adapter to send by"
        "An outbound touchpoint names the ChannelAdapter of its namespace by which it goes out."
        bad "outbound: {adapter: mial}"
        good "outbound: {adapter: mail}";
    JNY024 AdapterTakesIn Reference Error "the adapter takes events in and cannot send"
        "A ChannelAdapter with http is a way in. Messages go out by smtp, webhook or log."
        bad "outbound: {adapter: web}  # spec.http"
        good "outbound: {adapter: mail}  # spec.smtp";
    JNY025 AdapterSends Reference Error "nothing comes in by this adapter"
        "inbound.from lists the adapters that may bring the event: those with http."
        bad "inbound: {from: [mail]}"
        good "inbound: {from: [web]}";
    JNY026 UnknownSource Reference Error "there is no such adapter to take events in by"
        "inbound.from lists ChannelAdapters of the same namespace. An adapter that is not there brings nothing."
        bad "inbound: {from: [wbe]}"
        good "inbound: {from: [web]}";
    JNY027 UnknownAttribute Reference Error "the CustomerProfile has no such attribute"
        "The attributes of the CustomerProfile are the only ones there are; set and attributes write to them."
        bad "set: {firstname: \"${event.name}\"}"
        good "set: {firstName: \"${event.name}\"}";
    JNY028 UnknownAttributeAllowed Reference Error "a purpose allows an attribute that there is not"
        "purposes[].attributes names attributes of the CustomerProfile. One that is not there allows nothing, and is most likely misspelt."
        bad "purposes: [{name: marketing, basis: Consent, attributes: [e-mail]}]"
        good "purposes: [{name: marketing, basis: Consent, attributes: [email]}]";
    JNY029 UnknownPurposeInPolicy Reference Error "a rule speaks of a purpose that the policy has not"
        "quiet[].purposes and caps[].purposes name purposes of the same PrivacyPolicy."
        bad "caps: [{purposes: [marketng], atMost: 1, per: 1d}]"
        good "caps: [{purposes: [marketing], atMost: 1, per: 1d}]";
    JNY030 UnknownGoal Reference Error "there is no such goal"
        "A KPI measures a goal of its own journey."
        bad "kpis: [{name: conversion, goal: {name: boght, measure: Rate}, window: 28d}]"
        good "kpis: [{name: conversion, goal: {name: bought, measure: Rate}, window: 28d}]";
    JNY031 UnknownJourney Reference Error "there is no such journey"
        "The name was asked for and is not among the objects of the namespace."
        bad "journey NAME that was deleted"
        good "one of the journeys of kubectl get journeys";
    JNY032 NoPublicUrl Reference Error "a link has no address to lead to"
        "Tracked links and unsubscribe pages are pages of the gateway; customers reach them by the publicUrl of an http adapter. A mail for a purpose of basis Consent must carry an unsubscribe link (RFC 8058)."
        bad "http: {auth: {secretRef: {name: web-key}}}"
        good "http: {auth: {secretRef: {name: web-key}}, publicUrl: \"https://events.shop.example\"}";
    JNY033 SeveralProfiles Reference Error "a namespace has more than one CustomerProfile"
        "Attributes belong to the customers of a namespace, and one CustomerProfile says what they are. With several none holds."
        bad "kind: CustomerProfile\nmetadata: {name: a}\n---\nkind: CustomerProfile\nmetadata: {name: b}"
        good "kind: CustomerProfile\nmetadata: {name: a}";
    JNY034 SecretNotFound Reference Error "a Secret, or a key in it, is not there"
        "An adapter names a Secret of its namespace and a key in it. Told by the operator, which alone sees them."
        bad "credentials: {secretRef: {name: mail-logn}}"
        good "credentials: {secretRef: {name: mail-login}}";

    // 040 to 069: values that do not fit their place.
    JNY040 NotADuration Value Error "this is no duration above zero"
        "A duration is days of 24 hours, hours, minutes and seconds in that order: 90s, 15m, 36h, 14d, 1d12h."
        bad "per: 1w"
        good "per: 7d";
    JNY041 NullGiven Value Error "there is no null"
        "A value is there or missing; null is neither. Leave the name out, or quote the text."
        bad "with: {name: null}"
        good "with: {name: \"null\"}";
    JNY042 ObjectGiven Value Error "an object cannot be given here"
        "with, set and attributes take texts with ${CEL}, numbers, booleans and lists of them."
        bad "with: {cart: {items: 3}}"
        good "with: {items: 3}";
    JNY043 KeyWasRewritten Value Error "the name arrived as true or false"
        "YAML 1.1 reads an unquoted key y, yes, on, n, no or off as a boolean. Choose another name, or quote it."
        bad "attributes: {on: {type: boolean}}"
        good "attributes: {optedIn: {type: boolean}}";
    JNY044 ReservedAttribute Value Error "the attribute's name is taken"
        "customer.id is the customer's own identifier."
        bad "attributes: {id: {type: string}}"
        good "attributes: {customerNumber: {type: string}}";
    JNY045 DefaultUnfit Value Error "the default is not of the attribute's type"
        "A default is a value of the attribute's type, and one of its values where they are declared."
        bad "points: {type: integer, default: none}"
        good "points: {type: integer, default: 0}";
    JNY046 UnknownZone Value Error "there is no such time zone"
        "Zones are named as in the IANA database."
        bad "hours: {from: \"21:00\", to: \"08:00\", zone: Europe/Wien}"
        good "hours: {from: \"21:00\", to: \"08:00\", zone: Europe/Vienna}";
    JNY047 ProfileZoneUnknown Value Error "the profile's zone is no time zone"
        "zone gives the name of an IANA zone. By its defaults it names one that there is not."
        bad "zone: \"'Vienna'\""
        good "zone: \"'Europe/Vienna'\"";
    JNY048 NotATimeOfDay Value Error "this is no time of day"
        "A time of day is written HH:MM, from 00:00 to 23:59, in quotes."
        bad "from: \"9 pm\""
        good "from: \"21:00\"";
    JNY049 NobodyEnters Value Error "nobody can enter"
        "A journey has at least one trigger."
        bad "entry: {triggers: []}"
        good "entry: {triggers: [{event: signed-up}]}";
    JNY050 SameStepName Value Error "two steps have the same name"
        "next and steps.NAME would not know which one is meant."
        bad "steps: [{name: a, wait: {for: 1h}}, {name: a, exit: {outcome: Completed}}]"
        good "steps: [{name: a, wait: {for: 1h}}, {name: b, exit: {outcome: Completed}}]";
    JNY051 EmptyWait Value Error "the wait waits for nothing"
        "A wait has a duration, signals, or both."
        bad "wait: {}"
        good "wait: {for: 1h}";
    JNY052 NotOneThing Value Error "a step does exactly one thing"
        "A step has one of wait, send, split, branch, set, exit; what comes next is a step of its own."
        bad "- {name: a, wait: {for: 1h}, exit: {outcome: Completed}}"
        good "- {name: a, wait: {for: 1h}}\n- {name: b, exit: {outcome: Completed}}";
    JNY053 WithName Value Error "content cannot read a value of this name"
        "Content reads with.NAME, where NAME is a letter, then letters, digits and _."
        bad "with: {first-name: Ada}"
        good "with: {firstName: Ada}";
    JNY054 NoDirection Value Error "a touchpoint has one direction"
        "A Touchpoint is what comes in (inbound) or what goes out (outbound), and exactly one of them."
        bad "spec: {channel: Email}"
        good "spec: {channel: Email, outbound: {...}}";
    JNY055 IdentifierIsComputed Value Error "the identifier is not a path"
        "inbound.customer reads one property of the event; its last name is the kind of the identifier, by which customers are told apart. A computed value has none."
        bad "customer: event.userId + '!'"
        good "customer: event.userId";
    JNY056 EventTaken Value Error "two touchpoints take the same event"
        "An event's name belongs to one inbound Touchpoint; several journeys can listen to that."
        bad "inbound: {event: order.placed}  # as another touchpoint"
        good "entry: {triggers: [{event: order-placed}]}  # in each journey";
    JNY057 MailWithoutSubject Value Error "a mail needs a subject"
        "What goes out by an smtp adapter has content.subject."
        bad "content: {text: Hello}"
        good "content: {subject: Hello, text: How are you?}";
    JNY058 MailWithoutBody Value Error "a mail needs a text"
        "What goes out by an smtp adapter has content.text, content.html or both."
        bad "content: {subject: Hello}"
        good "content: {subject: Hello, text: How are you?}";
    JNY059 MailField Value Warning "a mail has no such field"
        "An smtp adapter sends subject, text and html. Another field is rendered for nothing."
        bad "content: {subject: Hello, text: Hi, body: Hi}"
        good "content: {subject: Hello, text: Hi}";
    JNY060 MailWithoutAddress Value Error "a mail needs an address"
        "outbound.to says to whom it goes."
        bad "outbound: {adapter: mail, content: {...}}"
        good "outbound: {adapter: mail, to: \"${customer.email}\", content: {...}}";
    JNY061 RetryOrder Value Error "the longest pause is shorter than the first"
        "retry.initial is the pause before the first retry, retry.max the longest of the pauses, which grow."
        bad "retry: {initial: 1h, max: 10m}"
        good "retry: {initial: 10s, max: 10m}";
    JNY062 PublicUrlWithQuery Value Error "the publicUrl has a query"
        "The gateway's paths are added to publicUrl, so it has no ? and no #."
        bad "publicUrl: https://shop.example/?in"
        good "publicUrl: https://shop.example/in";
    JNY063 SenderAddress Value Error "the sender is no address"
        "smtp.from is a mailbox as mail programs show it."
        bad "from: Shop"
        good "from: \"Shop <hello@shop.example>\"";
    JNY064 HeaderIsOurs Value Error "the header is written for each request"
        "The webhook channel and HTTP itself write this header."
        bad "headers: {Content-Length: \"10\"}"
        good "headers: {X-Shop: \"10\"}";
    JNY065 KpiTarget Value Error "a target does not fit its KPI"
        "target has one of atLeast and atMost, in the unit of what is measured: a percentage of a Rate, a decimal of a Sum or a Mean, a duration of a duration."
        bad "target: {atLeast: \"8%\", atMost: \"2%\"}"
        good "target: {atLeast: \"8%\"}";
    JNY066 EventIsOurs Value Error "the event's name is taken"
        "Events whose names begin with dev.journey. are this operator's own, for instance what providers say of messages (dev.journey.receipt)."
        bad "inbound: {event: dev.journey.receipt}"
        good "inbound: {event: shop.parcel.delivered}";

    // 070 to 079: JSON Schemas.
    JNY070 SchemaInvalid Schema Error "this is no JSON Schema"
        "An event's schema is one of draft 2020-12 for an object, stands alone (no $ref to elsewhere), and is at most 64 KiB."
        bad "schema: {type: strin}"
        good "schema: {type: object, properties: {total: {type: number}}}";
    JNY071 SampleBreaksSchema Schema Error "a sample breaks the schema"
        "samples are events as they come in; tests and simulations use them. One of them would be quarantined."
        bad "schema: {type: object, required: [total]}\nsamples: [{sum: 3}]"
        good "schema: {type: object, required: [total]}\nsamples: [{total: 3}]";

    // 080 to 099: expressions (CEL).
    JNY080 ExpressionSyntax Expression Error "the expression cannot be read"
        "CEL stands in when, key, customer and the like, and inside ${...} in texts."
        bad "when: \"event.items >\""
        good "when: \"event.items > 0\"";
    JNY081 ExpressionTooLarge Expression Error "the expression is too large"
        "An expression has at most 4,096 bytes and a tree of height 32; && and || count once, however many they join."
        bad "when: \"((((((...))))))\""
        good "when: \"customer.a && customer.b\"";
    JNY082 UnknownName Expression Error "the name is not known here"
        "Which roots there are depends on the place: event only inside a signal, entry and steps in steps and exits, customer almost everywhere, with only in content. Fields are those of the touchpoint's schema and of the CustomerProfile."
        bad "when: event.itms > 0"
        good "when: event.items > 0";
    JNY083 UnknownFunction Expression Error "there is no such function"
        "docs/language.md lists the functions of expressions."
        bad "when: event.name.begins('A')"
        good "when: event.name.startsWith('A')";
    JNY084 WrongType Expression Error "a value of another type is needed"
        "Types come from the touchpoints' schemas and the CustomerProfile. An integer widens to a number; nothing else is turned into another type by itself."
        bad "when: event.items == '3'"
        good "when: event.items == 3";
    JNY085 WrongArgument Expression Error "the function does not take this argument"
        "Functions take arguments of the types that docs/language.md lists; some take literals only."
        bad "at: now + duration('14 days')"
        good "at: now + duration('14d')";
    JNY086 MayBeMissing Expression Error "a value may be missing"
        "In a condition a missing value makes it false. Elsewhere the compiler wants to know what then: give the attribute a default, or ask with has()."
        bad "with: {name: \"${customer.firstName}\"}"
        good "with: {name: \"${has(customer.firstName) ? customer.firstName : 'you'}\"}";
    JNY087 NeverEqual Expression Error "the value is never this literal"
        "Where values are declared (enum in a schema, values in the CustomerProfile), a literal must be one of them."
        bad "when: customer.tier == 'glod'"
        good "when: customer.tier == 'gold'";
    JNY088 NotInCel Expression Error "this part of CEL is left out"
        "CEL's macros over maps, null, bytes and unsigned numbers are not part of this language: values are there or missing, and has() asks."
        bad "when: event.coupon == null"
        good "when: \"!has(event.coupon)\"";
    JNY089 EmptyExpression Expression Error "the expression is empty"
        "YAML takes a leading ! for a tag and leaves an empty text. Put the expression in quotes."
        bad "when: !customer.vip"
        good "when: \"!customer.vip\"";
    JNY090 BracesMissing Expression Warning "an expression is taken for a text"
        "Texts with CEL are literals with ${...} inside. Without it the expression itself is the text."
        bad "to: customer.email"
        good "to: ${customer.email}";
    JNY091 KeyType Expression Error "a key is a text or a whole number"
        "entry.key tells a customer's enrollments apart; write string(...) for other types."
        bad "key: event.total"
        good "key: event.cartId";
    JNY092 ZoneOfTheMoment Expression Error "the zone depends on the moment"
        "Quiet hours, nextTime() and daysBetween() ask for a customer's zone at any time and must hear the same, so it reads attributes only."
        bad "zone: \"now > customer.movedAt ? 'UTC' : 'Europe/Vienna'\""
        good "zone: customer.timezone";
    JNY093 UnquotedExpression Expression Error "an expression lacks its ${}"
        "The text is an expression that can be read here, and as a text it does not fit. CEL stands in ${...}."
        bad "set: {points: customer.points + 1}"
        good "set: {points: \"${customer.points + 1}\"}";

    // 100 to 119: templates (Jinja in content).
    JNY100 TemplateSyntax Template Error "the template cannot be read"
        "A value is written {{ customer.firstName }}, a condition {% if ... %} ... {% endif %}. A template stands alone: it includes and extends nothing."
        bad "text: \"Hello {{ customer.firstName \""
        good "text: \"Hello {{ customer.firstName }}\"";
    JNY101 TemplateTooLarge Template Error "the template is too large"
        "At most 100,000 bytes, 60,000 bytes a line, 60 tags open at a time and 400 words in one tag."
        bad "text: \"{% if a %}{% if a %}...\""
        good "text: \"{% if a %}...{% endif %}\"";
    JNY102 TemplateName Template Error "the template names what is not known"
        "Content may read customer.NAME and with.NAME; a webhook's body also content.NAME and to."
        bad "text: \"{{ firstName }}\""
        good "text: \"{{ customer.firstName }}\"";
    JNY103 TemplateField Template Error "there is no such field to read"
        "customer has the attributes of the CustomerProfile, with has what every step that sends the touchpoint gives."
        bad "text: \"{{ customer.firstname }}\""
        good "text: \"{{ customer.firstName }}\"";
    JNY104 DynamicAccess Template Error "what is read is not known before it runs"
        "Purposes allow attributes by name, so a template must name what it reads: no customer[...] with a computed name, and no customer as a whole."
        bad "text: \"{{ customer[with.field] }}\""
        good "text: \"{{ customer.firstName }}\"";
    JNY105 UnknownFilter Template Error "there is no such filter or test"
        "Filters and tests are those of Jinja without safe, attr and pprint: what a customer wrote is always escaped in html."
        bad "text: \"{{ customer.firstName|uper }}\""
        good "text: \"{{ customer.firstName|upper }}\"";
    JNY106 TemplateFunction Template Error "there is no such function in templates"
        "Templates call link(url), unsubscribe_link(), leave_link(), join_link(journey), range(), dict() and namespace(), and macros of their own. Values have no methods: use filters."
        bad "text: \"{{ customer.firstName.upper() }}\""
        good "text: \"{{ customer.firstName|upper }}\"";
    JNY107 LinkAddress Template Error "a link is called wrongly"
        "link() takes one address that begins with https:// or http://, unsubscribe_link() and leave_link() take nothing, join_link() takes the name of a journey in quotes."
        bad "text: \"{{ link('shop.example') }}\""
        good "text: \"{{ link('https://shop.example/cart') }}\"";
    JNY108 NameIsTaken Template Error "the template's own name is taken"
        "customer, with and the functions cannot be assigned; choose another name. autoescape cannot be changed."
        bad "text: \"{% set customer = 1 %}\""
        good "text: \"{% set count = 1 %}\"";
    JNY109 ContentMissing Template Error "the adapter's body reads content that is not there"
        "The body of a webhook adapter reads content.NAME of every touchpoint that is sent by it."
        bad "body: '{\"text\": {{ content.text|tojson }}}'  # and the touchpoint has no content.text"
        good "content: {text: Hello}";
    JNY110 UnsubscribeIsEmpty Template Warning "the unsubscribe link is empty"
        "unsubscribe_link() withdraws the consent that the purpose rests on. This purpose rests on another basis, so there is nothing to withdraw."
        bad "text: \"{{ unsubscribe_link() }}\"  # purpose of basis Contract"
        good "text: \"Your order is on its way.\"";

    JNY111 TemplateInclude Template Error "a text cannot be included"
        "{% include 'NAME' %} names one text of the ConfigMaps in outbound.includes, in quotes; texts do not include themselves, and at most 8 are inside each other. Blocks and extends are left out."
        bad "text: \"{% include with.footer %}\""
        good "text: \"{% include 'footer' %}\"";

    // 120 to 139: what the policies say.
    JNY120 UnknownPurpose Policy Error "no policy has this purpose"
        "A purpose is named in the purposes of a PrivacyPolicy of the namespace, with its lawful basis. Nothing is sent and no consent is kept for one that is not."
        bad "purpose: marketng"
        good "purpose: marketing";
    JNY121 NoPolicy Policy Error "no policy selects the journey"
        "A journey that no PrivacyPolicy selects may send nothing. A policy without journeySelector holds for all journeys of the namespace."
        bad "journeySelector: {matchLabels: {team: service}}"
        good "journeySelector: {matchLabels: {team: growth}}";
    JNY122 PurposeNotNamed Policy Error "no policy of the journey names the purpose"
        "What a journey sends is sent for a purpose that the policies which select it name."
        bad "purposes: [{name: service, basis: Contract}]"
        good "purposes: [{name: service, basis: Contract}, {name: marketing, basis: Consent}]";
    JNY123 PurposeNotShared Policy Error "one of the journey's policies does not name the purpose"
        "Where several policies select a journey the strictest holds: only purposes that all of them name are allowed."
        bad "# policy a: purposes marketing, service; policy b: purposes service"
        good "# both name marketing, or only one journeySelector matches";
    JNY124 AttributeNotAllowed Policy Error "the purpose does not allow the attribute in a message"
        "A message may read the attributes that its purpose lists (GDPR article 5(1)(b) and (c): purpose limitation, data minimisation)."
        bad "text: \"{{ customer.age }}\"  # attributes: [email, firstName]"
        good "purposes: [{name: marketing, basis: Consent, attributes: [email, firstName, age]}]";
    JNY125 AttributeNotAllowedInJourney Policy Error "no purpose of the journey allows the attribute"
        "A journey's own expressions may read the attributes of all its purposes together; one that sends nothing, those of any purpose of its policies."
        bad "when: customer.age > 30  # attributes: [email, firstName]"
        good "purposes: [{name: marketing, basis: Consent, attributes: [email, firstName, age]}]";
    JNY126 QuietWithoutZone Policy Warning "quiet hours have no clock for some customers"
        "Of a customer without a zone it is quiet at all hours, and messages are skipped. Give the zone's attribute a default, or name a zone in the quiet hours."
        bad "hours: {from: \"21:00\", to: \"08:00\"}  # and the CustomerProfile has no zone"
        good "hours: {from: \"21:00\", to: \"08:00\", zone: Europe/Vienna}";

    // 140 to 179: flow, and what is proved of journeys.
    JNY140 Unreachable Flow Warning "nobody can reach the step"
        "No way leads from the first step to this one."
        bad "- {name: a, exit: {outcome: Completed}}\n- {name: b, send: {touchpoint: offer}}"
        good "- {name: a, wait: {for: 1h}}\n- {name: b, send: {touchpoint: offer}}";
    JNY141 WaitsForEver Flow Warning "a wait has no end of its own"
        "Without `for` a wait ends only when one of its signals comes. If none does, the customer stands there until an exit."
        bad "wait: {until: [{event: order-placed, next: thank}]}"
        good "wait: {for: 14d, until: [{event: order-placed, next: thank}]}";
    JNY142 EndlessLoop Flow Error "a loop without a wait"
        "The steps lead back to themselves and nothing on the way takes time or counts: customers would go round for ever. After 100 steps for one input an enrollment ends as Failed: TooManySteps."
        bad "- {name: a, set: {n: 1}, next: b}\n- {name: b, set: {n: 2}, next: a}"
        good "- {name: a, set: {n: 1}, next: b}\n- {name: b, wait: {for: 1d}, next: a}";
    JNY143 MessageNeverSent Flow Warning "what becomes of a message never comes"
        "Receipts of a message reach only the enrollment that sent it, and no step of this journey sends this touchpoint."
        bad "until: [{event: newsletter/clicked, next: thank}]"
        good "until: [{event: cart-reminder/clicked, next: thank}]  # and a step sends cart-reminder";
    JNY144 TriggerFromInside Flow Error "a trigger that reaches only who is in already"
        "What becomes of a message reaches the enrollment that sent it; it cannot open one."
        bad "triggers: [{event: cart-reminder/clicked}]"
        good "triggers: [{event: cart-updated}]";
    JNY145 NoCustomerGoal Flow Warning "no goal is the customer's"
        "A journey that only the business gains from is one that customers leave. Name what they gain and measure it."
        bad "goals: [{name: bought, side: Business, event: order-placed, within: 7d}]"
        good "goals: [{name: bought, side: Business, event: order-placed, within: 7d}, {name: helped, side: Customer, event: survey-answered, when: event.score >= 4, within: 14d}]";
    JNY146 ChainedRound Flow Warning "journeys open each other without a wait"
        "The end of each is the beginning of the next, round in a circle, and a customer can pass all of them without waiting. After ten in a row nobody enters any more."
        bad "triggers: [{event: journey/b}]  # in a, and journey/a in b; neither waits"
        good "steps: [{name: pause, wait: {for: 30d}}]  # in one of them";
    JNY147 NeverHolds Flow Warning "a condition that can never hold"
        "Its parts contradict each other for every customer and every event: a way that nobody goes, an exit or a goal that nobody reaches. Only what is certain is told."
        bad "when: customer.tier == 'gold' && customer.tier == 'none'"
        good "when: customer.tier == 'gold' || customer.tier == 'none'";
    JNY148 AlwaysTaken Flow Warning "a case that everybody takes"
        "The condition holds for every customer, so what stands below it and otherwise are never taken."
        bad "cases: [{when: customer.points >= 10 || customer.points < 10, next: a}]\notherwise: b"
        good "cases: [{when: customer.points >= 10, next: a}]\notherwise: b";
    JNY149 Shadowed Flow Warning "a case or signal that one above takes away"
        "Cases are tried in order and signals noticed in order, exits before waits: whoever this one would take is taken before."
        bad "cases: [{when: customer.points > 5, next: a}, {when: customer.points > 10, next: b}]"
        good "cases: [{when: customer.points > 10, next: b}, {when: customer.points > 5, next: a}]";
    JNY150 UnboundedSends Flow Warning "a loop of sends that nothing bounds"
        "Every event that ends the wait in this loop sends another message. A cap of the purpose, a branch on steps.NAME.count, or a wait with `for` bounds how many a customer gets."
        bad "- {name: say, send: {touchpoint: offer}}\n- {name: listen, wait: {until: [{event: page-viewed, next: say}]}}"
        good "- {name: say, send: {touchpoint: offer}}\n- {name: rest, wait: {for: 7d}}\n- {name: listen, wait: {until: [{event: page-viewed, next: say}]}}";
    JNY151 NothingBringsIt Flow Warning "an event that no adapter brings"
        "Events come in through a ChannelAdapter with http, and the namespace has none: this signal is never noticed."
        bad "until: [{event: order-placed, next: thank}]  # and no adapter with http"
        good "kind: ChannelAdapter\nspec: {http: {auth: {secretRef: {name: web-key}}}}";
    JNY152 NoLinkToClick Flow Warning "a click on a message without a link"
        "Clicks are of links that the content makes with link(); this content makes none."
        bad "text: \"Your cart: https://shop.example/cart\""
        good "text: \"Your cart: {{ link('https://shop.example/cart') }}\"";
    JNY153 WaitsBeforeSending Flow Warning "a wait for what was not sent yet"
        "What becomes of a message is noticed in waits that come after its step; no way leads from there to this wait."
        bad "- {name: listen, wait: {until: [{event: offer/clicked, next: thank}], for: 1d}}\n- {name: say, send: {touchpoint: offer}}"
        good "- {name: say, send: {touchpoint: offer}}\n- {name: listen, wait: {until: [{event: offer/clicked, next: thank}], for: 1d}}";
    JNY154 NoUnsubscribe Flow Warning "a message by consent that tells no way out"
        "Withdrawing consent must be as easy as giving it (GDPR article 7(3)). A mail carries an unsubscribe header by itself; what goes out by a webhook must carry unsubscribe_link() in its content or in the adapter's body, or go out on a channel where an inbound touchpoint understands STOP (reply)."
        bad "content: {text: \"New shoes!\"}  # purpose of basis Consent, by a webhook"
        good "content: {text: \"New shoes! {{ unsubscribe_link() }}\"}";
    JNY155 QuietOutlives Flow Warning "a message that does not outlive the quiet hours"
        "What is asked for when the quiet begins is held until it ends, and by then its timeToLive is over: such messages are never sent."
        bad "quiet: [{hours: {from: \"21:00\", to: \"08:00\"}, then: Delay}]  # timeToLive: 2h"
        good "timeToLive: 12h";
    JNY156 MapEndsAtPurchase Flow Warning "the journeys of the namespace end at Purchase"
        "There are journeys for those who may buy and none for those who did: onboarding, retention and advocacy are where customers stay or leave."
        bad "stage: Purchase  # of the last journey of the map"
        good "stage: Onboarding  # of one more journey";
    JNY157 EntriesOverlap Flow Note "two journeys that the same customers enter"
        "The same event opens both, their conditions do not exclude each other, both send for the same purpose of basis Consent, and their priority is the same (50 when left out): one customer may get both, and nothing says which matters more."
        bad "entry: {triggers: [{event: cart-updated}]}  # in two journeys"
        good "entry: {triggers: [{event: cart-updated, when: event.items > 10}]}  # and items <= 10 in the other";
    JNY158 NoticedAtOnce Flow Warning "an exit or a wait's signal that everybody takes at once"
        "A condition without an event is noticed as soon as it holds. This one holds for every customer: nobody stays in the journey, or in the wait."
        bad "exits: [{name: done, when: customer.points >= 0 || customer.points < 0, outcome: Completed}]"
        good "exits: [{name: done, when: customer.points >= 100, outcome: Completed}]";
    JNY159 NeverInSlot Flow Warning "what becomes of a card, of a message without a slot"
        "Only a message in a slot of an inApp adapter is shown and dismissed: this one goes elsewhere."
        bad "until: [{event: reminder/dismissed, next: thank}]  # reminder is a mail"
        good "until: [{event: help-banner/dismissed, next: thank}]  # help-banner has a slot";
    JNY160 NeverStays Flow Warning "the end of a message that does not stay"
        "A message ends that stays in a slot, for its lasts, or with a webhook that has an end. This one is gone once it is sent."
        bad "until: [{event: reminder/ended, next: again}]  # reminder has no slot and no lasts"
        good "until: [{event: help-banner/ended, next: again}]  # help-banner has lasts: 7d";

    // 200 to 229: sends, splits and holdouts.
    JNY200 SameArmName Value Error "two arms have the same name"
        "Counts and KPIs are kept by the name of an arm; two of one name would be one."
        bad "arms: [{name: a, weight: 50, next: mail}, {name: a, weight: 50, next: wait}]"
        good "arms: [{name: a, weight: 50, next: mail}, {name: b, weight: 50, next: wait}]";
    JNY201 ArmWeight Value Error "a weight is no percentage"
        "The weight of an arm is a whole number from 0 to 100: the share of customers that go this way."
        bad "arms: [{name: a, weight: 150, next: mail}, {name: b, weight: -50, next: wait}]"
        good "arms: [{name: a, weight: 75, next: mail}, {name: b, weight: 25, next: wait}]";
    JNY202 WeightsSum Value Error "the weights do not add up to 100"
        "Every customer goes one way, so the weights of all arms together are 100 percent."
        bad "arms: [{name: a, weight: 50, next: mail}, {name: b, weight: 40, next: wait}]"
        good "arms: [{name: a, weight: 60, next: mail}, {name: b, weight: 40, next: wait}]";
    JNY203 SendNotOneThing Value Error "a send names a touchpoint or candidates"
        "send has touchpoint, or oneOf with at least one candidate, and exactly one of the two."
        bad "send: {touchpoint: offer, oneOf: [{touchpoint: tip}]}"
        good "send: {oneOf: [{touchpoint: offer}, {touchpoint: tip}]}";
    JNY204 HoldoutPercent Value Error "the holdout is no percentage"
        "holdout.percent is the share of customers who are held out, in quotes and with its sign, from 0% to 100%."
        bad "holdout: {percent: \"110%\"}"
        good "holdout: {percent: \"10%\"}";
    JNY205 AnswerOfNoWebhook Value Error "the adapter gets no answer to keep"
        "outbound.response keeps what a provider answers. Only a webhook gets an answer; a mail server or a log does not give one."
        bad "outbound: {adapter: mail, response: {type: object}}  # spec.smtp"
        good "outbound: {adapter: print-shop, response: {type: object}}  # spec.webhook";
    JNY206 AnswerNoObject Schema Error "what is kept of an answer is no object"
        "outbound.response is the JSON Schema of an object; its properties are what steps.NAME.response reads."
        bad "response: {type: string}"
        good "response: {type: object, properties: {orderId: {type: string}}}";

    // 230 to 259: signals and waits.
    JNY230 TimesOnTrigger Value Error "a trigger cannot count"
        "times counts matches since a wait or an enrollment began; before a trigger nothing has begun. Let the touchpoint count in an attribute of the customer, and ask for that."
        bad "triggers: [{event: page-viewed, times: 3}]"
        good "triggers: [{event: page-viewed, when: customer.views >= 3}]";
    JNY231 TimesZero Value Error "times is 1 or more"
        "A signal takes at least one match; left out it takes one."
        bad "until: [{event: page-viewed, times: 0, next: offer}]"
        good "until: [{event: page-viewed, times: 3, next: offer}]";
    JNY232 ForAndAt Value Error "a wait has a length and an instant"
        "for counts from the arrival, at is an instant: which of the two ends the wait cannot be known."
        bad "wait: {for: 1d, at: entry.due}"
        good "wait: {at: entry.due}";
    JNY233 EmptyWindow Value Error "a window begins when it ends"
        "from and to of during differ; left out both, the whole day counts."
        bad "during: {from: \"09:00\", to: \"09:00\"}"
        good "during: {from: \"09:00\", to: \"17:00\"}";
    JNY234 HalfWindow Value Error "a window lacks one end"
        "from and to of during come together; left out both, the whole day counts."
        bad "during: {from: \"09:00\"}"
        good "during: {from: \"09:00\", to: \"17:00\"}";
    JNY235 NoWindow Value Error "during names no time"
        "during says which time counts: days, hours from and to, or both."
        bad "during: {zone: UTC}"
        good "during: {days: [Mon, Tue], zone: UTC}";
    JNY236 WindowsAlone Value Error "during without a length or an instant"
        "during says which time counts of for, or moves at into a window; without them there is nothing to count."
        bad "wait: {during: {days: [Mon]}, until: [{event: order-placed, next: thank}]}"
        good "wait: {for: 1d, during: {days: [Mon]}}";
    JNY237 WindowsTooShort Value Error "the wait would take more than ten years"
        "Only the time inside the windows counts, and they are open too short for this length."
        bad "wait: {for: 365d, during: {days: [Mon], from: \"09:00\", to: \"09:05\"}}"
        good "wait: {for: 5h, during: {days: [Mon], from: \"09:00\", to: \"17:00\"}}";
    JNY238 WindowWithoutZone Value Warning "windows of customers whose zone is not known"
        "Of a customer without a zone the hours are those of UTC. Give the zone's attribute a default, or name a zone."
        bad "during: {from: \"09:00\", to: \"17:00\"}  # and the CustomerProfile has no zone"
        good "during: {from: \"09:00\", to: \"17:00\", zone: Europe/Vienna}";

    // 260 to 289: derived attributes and conditions.
    JNY260 FollowsFromItself Expression Error "a derived attribute follows from itself"
        "is may read other attributes, derived ones too, but not round in a circle; the zone counts as one of them."
        bad "a: {type: boolean, is: customer.b}\nb: {type: boolean, is: customer.a}"
        good "a: {type: boolean, is: customer.b}\nb: {type: boolean, is: customer.points > 3}";
    JNY261 StandsOnTooMany Expression Error "a derived attribute stands on too many others"
        "What an attribute follows from is worked out again and again; the number of derived attributes below one is bounded."
        bad "total: {type: integer, is: customer.a1 + customer.a2}  # and these on many more"
        good "total: {type: integer, is: customer.points + 1}";
    JNY262 DerivedWithDefault Value Error "a derived attribute has no default"
        "is gives it its value, so a default would never be read."
        bad "vip: {type: boolean, is: customer.points > 100, default: false}"
        good "vip: {type: boolean, is: customer.points > 100}";
    JNY263 DerivedIsAssigned Value Error "a derived attribute is assigned"
        "Only its is in the CustomerProfile gives it a value. Assign what it reads."
        bad "set: {vip: true}  # and vip has is"
        good "set: {points: 101}";

    // 290 to 319: content, languages, quiet.
    JNY290 NoLocale Reference Warning "nobody gets a translation"
        "translations are chosen by the customer's locale, and the CustomerProfile does not say which attribute that is."
        bad "outbound: {translations: {de: {subject: Hallo}}}  # and the CustomerProfile has no locale"
        good "kind: CustomerProfile\nspec: {locale: customer.locale}";
    JNY291 NothingToTranslate Value Error "a translation of a field that there is not"
        "A translation stands for a field of content; customers of other languages would not get it."
        bad "content: {subject: Hello}\ntranslations: {de: {titel: Hallo}}"
        good "content: {subject: Hello}\ntranslations: {de: {subject: Hallo}}";
    JNY292 LanguageIsBoolean Value Error "the language arrived as false"
        "YAML 1.1, which kubectl reads, takes an unquoted no for false; Norwegian must be quoted."
        bad "translations: {no: {subject: Hei}}"
        good "translations: {\"no\": {subject: Hei}}";
    JNY293 LanguageTag Value Error "this is no language tag"
        "Languages are named by tags of BCP 47."
        bad "translations: {german: {subject: Hallo}}"
        good "translations: {de: {subject: Hallo}}";
    JNY294 TranslatedTwice Value Error "a language is given twice"
        "Language tags are the same in upper and lower case; which of the two is meant cannot be known."
        bad "translations: {de-at: {subject: Servus}, de-AT: {subject: Servus}}"
        good "translations: {de-AT: {subject: Servus}}";
    JNY295 QuietNotOneThing Value Error "quiet is hours or a condition"
        "A quiet has hours, or while, and exactly one of them."
        bad "quiet: [{then: Delay}]"
        good "quiet: [{hours: {from: \"21:00\", to: \"08:00\"}, then: Delay}]";
    JNY296 UnknownConfigMap Reference Error "there is no such ConfigMap"
        "outbound.includes names ConfigMaps of the namespace, whose entries the content may include."
        bad "outbound: {includes: [texs]}"
        good "outbound: {includes: [texts]}";
    JNY297 TextMissing Reference Error "there is no such text to include"
        "{% include 'NAME' %} names a key of one of the ConfigMaps in outbound.includes."
        bad "text: \"{% include 'foter' %}\""
        good "text: \"{% include 'footer' %}\"";
    JNY298 LeaveNowhere Value Error "leave_link() leads nowhere"
        "A journey is left by its customers' own hand where it offers that: choice.leave. Every journey that sends a message with leave_link() must."
        bad "text: \"{{ leave_link() }}\"  # and the journey has no choice"
        good "choice: {title: Weekly tips, leave: true}";
    JNY299 JoinNowhere Reference Error "join_link() leads to a journey that nobody can join"
        "A journey is joined by its customers' own hand where it offers that: choice.join."
        bad "text: \"{{ join_link('weekly-tips') }}\"  # and weekly-tips has no choice"
        good "choice: {title: Weekly tips, join: true}  # in weekly-tips";
    JNY300 JoinUnknown Reference Error "join_link() names a journey that there is not"
        "join_link() names a Journey of the same namespace, in quotes."
        bad "text: \"{{ join_link('weekly-tip') }}\""
        good "text: \"{{ join_link('weekly-tips') }}\"";
    JNY301 ChoiceWithoutPage Reference Warning "nobody finds the page of a choice"
        "Customers join and leave on a page of the gateway, which they reach by the publicUrl of an http adapter. Without it only an app of yours can offer the choice."
        bad "choice: {title: Weekly tips, leave: true}  # and no publicUrl"
        good "http: {auth: {secretRef: {name: web-key}}, publicUrl: \"https://events.shop.example\"}";
    JNY302 JoinWithKey Value Error "who joins brings no key"
        "entry.key is read from the event of a trigger. Who joins by their own hand brings no event, so the two do not go together."
        bad "entry: {key: event.cartId}\nchoice: {title: Carts, join: true}"
        good "choice: {title: Carts, join: true}";
    JNY303 UnknownQuestion Value Error "a translation of a question that there is not"
        "The translations of a survey stand under the names of its questions."
        bad "survey: {questions: [{name: score, ...}]}\ntranslations: {de: {scor: Wie war es?}}"
        good "survey: {questions: [{name: score, ...}]}\ntranslations: {de: {score: Wie war es?}}";
    JNY304 QuestionIsTemplate Template Error "a question is a template"
        "Questions stand on a page that is not made for one customer and knows nothing of them. Write them out."
        bad "ask: \"{{ customer.firstName }}, how was it?\""
        good "ask: How was it?";
    JNY305 QuestionTooLong Value Error "a question is too long"
        "A question has at most 512 characters; a translation too."
        bad "translations: {de: {score: \"...\"}}  # 600 characters"
        good "translations: {de: {score: Wie war es?}}";
    JNY306 ChoiceInBody Template Error "an adapter's body offers a choice"
        "leave_link() and join_link() belong to the journey that sends a message; the body of an adapter belongs to none. Call them in the content, and read content.NAME in the body."
        bad "body: '{\"text\": \"{{ leave_link() }}\"}'"
        good "body: '{\"text\": {{ content.text|tojson }}}'  # and content.text calls leave_link()";
    JNY350 SignalOfNothing Value Error "a signal names nothing"
        "A signal is an event (optionally with a condition), or a condition alone. Without either there is nothing to notice."
        bad "exits: [{name: bought, outcome: Converted}]"
        good "exits: [{name: bought, event: order-placed, outcome: Converted}]";
    JNY351 TimesWithoutEvent Value Error "times counts events, and there is none"
        "times says how many matches of an event it takes. A condition alone holds or does not: there is nothing to count."
        bad "{when: customer.points > 3, times: 2}"
        good "{event: cart-updated, when: customer.points > 3, times: 2}";
    JNY352 ConditionWithKey Flow Error "a condition brings no key"
        "entry.key is read from the event of a trigger. A trigger that is a condition alone has no event, so nobody could enter by it."
        bad "entry: {key: event.cartId, triggers: [{when: customer.lapsed}]}"
        good "entry: {triggers: [{when: customer.lapsed}]}";
    JNY353 PassedForEver Flow Error "a wait is passed for ever"
        "A wait for a condition is over at once where the condition holds. If it leads back to itself and nothing on the way changes what the condition reads, customers go round until they have Failed: TooManySteps. Lead on to another step, change in the loop what the condition reads, or name an event."
        bad "{name: listen, wait: {until: [{when: customer.tier == 'gold', next: listen}]}}"
        good "{name: listen, wait: {until: [{when: customer.tier == 'gold', next: thank}]}}";
    JNY354 NewsOfNobody Value Error "news teaches of nobody"
        "A touchpoint without customer is news: it concerns every customer for whom a listener's `when` holds, and tells of none. So it cannot teach attributes or consent."
        bad "inbound: {event: fair.opened, attributes: {lastSeenAt: \"${event.time}\"}}"
        good "inbound: {event: fair.visited, customer: event.userId, attributes: {lastSeenAt: \"${event.time}\"}}";
    JNY355 EventOrSchedule Shape Error "an inbound touchpoint has no event, or two origins"
        "What comes in is brought by producers under the name in event, or happens by itself at the times of a schedule: one of the two."
        bad "inbound: {event: fair.opened, schedule: \"0 9 1 * *\"}"
        good "inbound: {schedule: \"0 9 1 * *\", timeZone: Europe/Vienna}";
    JNY356 ScheduleUnreadable Value Error "a schedule cannot be read"
        "A schedule has the five fields of cron: minute, hour, day of the month, month, day of the week; or is @hourly, @daily, @weekly, @monthly or @yearly. It must come at some time: the 30th of February never does."
        bad "inbound: {schedule: \"0 25 * * *\"}"
        good "inbound: {schedule: \"0 23 * * *\"}";
    JNY357 ScheduleZoneUnknown Value Error "a schedule's zone is not known"
        "timeZone is the IANA name of a zone: a schedule comes at one instant for everybody, so it cannot be Customer."
        bad "inbound: {schedule: \"0 9 * * *\", timeZone: Europe/Wien}"
        good "inbound: {schedule: \"0 9 * * *\", timeZone: Europe/Vienna}";
    JNY358 ScheduleSaysMore Value Error "a schedule says what only an event can"
        "What happens by the clock is brought by no adapter, concerns no one customer and has no data. So from, customer, schema, attributes and consent have no meaning beside schedule."
        bad "inbound: {schedule: \"0 9 * * *\", customer: event.userId}"
        good "inbound: {schedule: \"0 9 * * *\"}";
    JNY410 PublicKeyJoins Value Error "a public key would join two known customers"
        "Anybody can read a public key, so an event that comes by it may join anonymous ids only: else anyone could become anyone."
        bad "inbound: {from: [web], customer: event.userId, alsoKnownAs: [event.formerId]}"
        good "inbound: {from: [core], customer: event.userId, alsoKnownAs: [event.formerId]}";

    // 430 to 439: what stays.
    JNY430 NoPriority Value Error "this is no priority"
        "A priority is a whole number from 0 to 100, or one ${CEL} over customer that gives a number; what it gives beyond that is taken as 0 or 100."
        bad "priority: high"
        good "priority: 80";
    JNY431 SlotWithoutInApp Value Error "a slot of an adapter that has none"
        "The gateway shows what is in a slot, for messages of an adapter with inApp. Other adapters hand their messages over."
        bad "outbound: {adapter: mail, purpose: service, slot: home}"
        good "outbound: {adapter: site, purpose: service, slot: home}  # site: {inApp: {}}";
    JNY432 InAppWithoutSlot Value Error "a card without a slot"
        "Site and app ask for what is in a slot by its name: a message in none is never shown."
        bad "outbound: {adapter: site, purpose: service, content: {title: Hello}}"
        good "outbound: {adapter: site, purpose: service, slot: home, content: {title: Hello}}";
    JNY433 SlotWithoutContent Value Error "a card that says nothing"
        "Site and app get the fields of the content as they are; without any there is nothing to show."
        bad "outbound: {adapter: site, purpose: service, slot: home}"
        good "outbound: {adapter: site, purpose: service, slot: home, content: {title: Hello}}";
    JNY434 LastsNowhere Value Error "a message that cannot be taken back"
        "What lasts is in a slot, or with a webhook. A mail stays with its reader, whatever becomes of the journey."
        bad "outbound: {adapter: mail, purpose: service, lasts: 7d}"
        good "outbound: {adapter: site, purpose: service, slot: home, lasts: 7d}";
    JNY435 EndIsNotTold Value Warning "a webhook that does not hear of the end"
        "When lasts is over the journey is told, and nobody else: whoever the webhook made a member stays one."
        bad "webhook: {url: https://dsp.example/members}  # of a touchpoint with lasts: 14d"
        good "webhook: {url: https://dsp.example/members, end: {method: DELETE}}";

    // 440 to 449: consent.
    JNY440 ConfirmUnknown Reference Error "a consent is confirmed by nothing"
        "A purpose with confirm is confirmed by the link in a message: confirm.touchpoint is an outbound touchpoint of the namespace."
        bad "confirm: {touchpoint: order-placed}  # inbound"
        good "confirm: {touchpoint: please-confirm}";
    JNY441 ConfirmWithoutLink Reference Error "a message that confirms has no link"
        "Consent is confirmed by following confirm_link() in the message that confirm.touchpoint names; without it consent stays pending for ever, which is a no."
        bad "content: {subject: Please confirm, text: Do you agree?}"
        good "content: {subject: Please confirm, text: \"Yes, write to me: {{ confirm_link() }}\"}";
    JNY442 ConfirmNeverSent Policy Warning "nobody is asked to confirm"
        "A journey sends the message that asks for confirmation: it is entered by the event consent/pending, which has the purpose. Without one consent stays pending, which is a no."
        bad "confirm: {touchpoint: please-confirm}  # and no journey sends it"
        good "entry: {triggers: [{event: consent/pending, when: event.purpose == 'marketing'}]}\nsteps: [{name: ask, send: {touchpoint: please-confirm}}]";
    JNY443 ConfirmsNothing Policy Error "a link confirms nothing"
        "confirm_link() confirms consent to the purposes whose confirm names its touchpoint. No policy names this one."
        bad "text: \"{{ confirm_link() }}\"  # and no purpose has confirm: {touchpoint: this-one}"
        good "purposes: [{name: marketing, basis: Consent, confirm: {touchpoint: please-confirm}}]";
    JNY444 CapNotOnePeriod Shape Error "a cap has no period, or two"
        "What a cap counts lies in a period that slides (per), or in the calendar day of a zone (perDay): one of the two."
        bad "caps: [{atMost: 1, per: 1d, perDay: Customer}]"
        good "caps: [{atMost: 1, perDay: Customer}]";
    JNY445 AgeUnknown Policy Warning "a minimum age, and nobody's age is known"
        "minimumAge is compared with the age that the CustomerProfile gives. Who has none counts as too young, so without the rule nothing is sent that rests on consent or may be objected to."
        bad "minimumAge: 16  # and a CustomerProfile without age"
        good "age: customer.age  # in the CustomerProfile";

    // 460 to 469: where data is processed, and how long it is kept.
    JNY460 ProcessorUnknown Policy Warning "nobody says who processes what is sent"
        "A policy with residency lets data be processed in its regions only. An adapter that hands messages over names who processes them and where; until it does nothing is sent by the journey, and each message is skipped: Residency."
        bad "smtp: {host: smtp.example, from: Shop <hello@shop.example>}"
        good "processor: {name: Example Mail GmbH, regions: [eu-central-1]}  # beside smtp";
    JNY461 ProcessorElsewhere Policy Warning "a processor works outside of the policy's regions"
        "The processor of the adapter may process data in a region that the policies do not name. All of its regions must be among theirs; until they are nothing is sent by the journey, and each message is skipped: Residency."
        bad "processor: {name: Example Mail Inc., regions: [eu-central-1, us-east-1]}"
        good "processor: {name: Example Mail GmbH, regions: [eu-central-1]}";
    JNY462 NoCommonRegion Policy Warning "policies have no region in common"
        "Of several policies the regions that all name hold. The gateway takes in the data of all journeys of the namespace, so the policies of a namespace need a region in common, also where they select different journeys. Until they have one, journeys under residency send nothing."
        bad "residency: {regions: [us-east-1]}  # and another policy of the namespace: [eu-central-1]"
        good "residency: {regions: [eu-central-1, eu-west-1]}  # and another: [eu-central-1]";
    JNY463 RetentionNotDays Value Error "data is kept for whole days"
        "What is old is looked for by the day, so retention is a number of whole days, from 1d to 36500d."
        bad "retention: {events: 36h}"
        good "retention: {events: 2d}";
    JNY464 ContactsForgotten Value Error "contacts are forgotten before caps have counted them"
        "A cap counts the contacts of its period. If they were deleted earlier, it would let more messages through than it says."
        bad "retention: {contacts: 7d}  # and caps: [{atMost: 4, per: 30d}]"
        good "retention: {contacts: 30d}";
    JNY465 ContactsKeptForCaps Value Warning "another policy's cap keeps contacts longer"
        "Contacts are shared by all journeys of the namespace, and kept as long as any of its caps looks back."
        bad "retention: {contacts: 7d}  # and another policy has caps: [{atMost: 4, per: 30d}]"
        good "retention: {contacts: 30d}";
    JNY466 RepetitionsForgotten Value Warning "repetitions are known for a few days only"
        "An event that is sent again is known for a repetition as long as the first is kept. Brokers and webhooks repeat for days; what comes later enters journeys again."
        bad "retention: {events: 1d}"
        good "retention: {events: 30d}";
}

impl Code {
    /// The code of an id such as JNY020, in either case.
    pub fn of(id: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.id().eq_ignore_ascii_case(id.trim()))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}
