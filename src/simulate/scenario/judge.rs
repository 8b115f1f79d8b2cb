//! Compares what was expected with what happened.

use super::{
    flexible::{Many, Named},
    format::{Customer, Ended, Expect, Held, Kpi, Message},
    play::{Stage, instant_of, instead, shown},
    tale,
};
use crate::{
    channel::Reply,
    clock::Micros,
    engine::{
        self,
        state::{Enrollment, Standing},
    },
    keys::CustomerKey,
    kpi::{self, Count, Counts},
    policy::ConsentState,
    simulate::{Happening, What},
    store::OutboxState,
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// An expectation that was not met.
#[derive(Debug)]
pub struct Judged {
    pub path: String,
    pub diff: Vec<String>,
    pub help: Option<String>,
    /// Whose way explains it; none: everybody's.
    pub customer: Option<CustomerKey>,
}

/// All that was not met, in the order of the fields.
pub(super) fn judge(stage: &mut Stage<'_>, path: &str, expect: &Expect) -> Vec<Judged> {
    let Expect {
        messages,
        skipped,
        failed,
        ended: stayed,
        slots,
        held,
        customers,
        counts,
        intake,
        kpis,
        journey,
    } = expect;
    let mut found = Vec::new();
    if let Some(expected) = messages {
        let happened = sent(&stage.told[stage.seen.messages..]);
        found.extend(compare(stage, &format!("{path}.messages"), expected, &happened));
        stage.seen.messages = stage.told.len();
    }
    if let Some(expected) = skipped {
        let happened = ended(&stage.told[stage.seen.skipped..], |count| match count {
            Count::Skipped { touchpoint, reason } => Some((touchpoint, reason)),
            _ => None,
        });
        found.extend(compare(stage, &format!("{path}.skipped"), expected, &happened));
        stage.seen.skipped = stage.told.len();
    }
    if let Some(expected) = failed {
        let happened = ended(&stage.told[stage.seen.failed..], |count| match count {
            Count::Failed { touchpoint, reason } => Some((touchpoint, reason)),
            _ => None,
        });
        found.extend(compare(stage, &format!("{path}.failed"), expected, &happened));
        stage.seen.failed = stage.told.len();
    }
    if let Some(expected) = stayed {
        let happened = ended(&stage.told[stage.seen.ended..], |count| match count {
            Count::StayEnded { touchpoint, reason } => Some((touchpoint, reason)),
            _ => None,
        });
        found.extend(compare(stage, &format!("{path}.ended"), expected, &happened));
        stage.seen.ended = stage.told.len();
    }
    found.extend(super::card::slots(stage, &format!("{path}.slots"), slots));
    if let Some(expected) = held {
        let happened = waiting(stage);
        found.extend(compare(stage, &format!("{path}.held"), expected, &happened));
    }
    for (name, expected) in customers {
        found.extend(self::customers(
            stage,
            &format!("{path}.customers.{name}"),
            name,
            expected,
        ));
    }
    found.extend(self::counts(stage, path, journey.as_deref(), counts));
    let known = stage.world.store().intake_counts_now(stage.world.namespace());
    found.extend(totals(&format!("{path}.intake"), &known, intake));
    found.extend(measures(stage, path, journey.as_deref(), kpis));
    found
}

/// Something that is compared with what was expected of it.
trait Happened<E> {
    fn at(&self) -> Micros;
    /// What does not fit; empty: it is what was expected.
    fn misfits(&self, stage: &Stage<'_>, expected: &E) -> Vec<String>;
    fn words(&self, stage: &Stage<'_>) -> String;
    fn expected(expected: &E) -> String;
    fn touchpoint(&self) -> &str;
    fn named(expected: &E) -> &str;
}

/// Everything that happened against everything expected, in order; what happened at one instant in any order.
fn compare<E, H: Happened<E>>(stage: &Stage<'_>, path: &str, expected: &[Named<E>], happened: &[H]) -> Option<Judged> {
    let mut open: Vec<usize> = (0..happened.len()).collect();
    let mut lines = Vec::new();
    let mut good = true;
    for Named(one) in expected {
        let first = open.first().map(|n| happened[*n].at());
        let fits = open
            .iter()
            .position(|n| Some(happened[*n].at()) == first && happened[*n].misfits(stage, one).is_empty());
        match fits {
            Some(at) => {
                let n = open.remove(at);
                lines.push(format!("  {}", happened[n].words(stage)));
            }
            None => {
                good = false;
                lines.push(format!("- {}", H::expected(one)));
                // The nearest: of the same touchpoint, it is what was meant and differs.
                let near = open.iter().position(|n| happened[*n].touchpoint() == H::named(one));
                if let Some(at) = near {
                    let n = open.remove(at);
                    lines.push(format!("+ {}", happened[n].words(stage)));
                    lines.extend(
                        happened[n]
                            .misfits(stage, one)
                            .into_iter()
                            .map(|why| format!("    {why}")),
                    );
                }
            }
        }
    }
    for n in open {
        good = false;
        lines.push(format!("+ {}", happened[n].words(stage)));
    }
    if good {
        return None;
    }
    if lines.iter().all(|line| line.starts_with('-')) {
        lines.push("+ nothing".into());
    } else if expected.is_empty() {
        lines.insert(0, "- nothing".into());
    }
    Some(Judged {
        path: path.to_owned(),
        diff: lines,
        help: None,
        customer: None,
    })
}

struct Sent<'a> {
    happening: &'a Happening,
    row: &'a crate::store::MessageRow,
    message: &'a crate::channel::Message,
}

fn sent(told: &[Happening]) -> Vec<SentOwned> {
    told.iter()
        .filter(|one| {
            matches!(
                &one.what,
                What::Handed {
                    reply: Reply::Sent | Reply::Answered(_),
                    ..
                }
            )
        })
        .map(|one| SentOwned(one.clone()))
        .collect()
}

/// A message that a provider took.
struct SentOwned(Happening);

impl SentOwned {
    fn parts(&self) -> Sent<'_> {
        match &self.0.what {
            What::Handed { row, claim, reply: _ } => Sent {
                happening: &self.0,
                row,
                message: &claim.message,
            },
            What::Counted { .. } | What::Held { .. } => unreachable!("only messages are taken"),
        }
    }
}

impl Happened<Message> for SentOwned {
    fn at(&self) -> Micros {
        self.0.at
    }

    fn touchpoint(&self) -> &str {
        &self.parts().row.touchpoint
    }

    fn named(expected: &Message) -> &str {
        &expected.touchpoint
    }

    fn misfits(&self, stage: &Stage<'_>, expected: &Message) -> Vec<String> {
        let Message {
            touchpoint,
            customer,
            to,
            journey,
            step,
            purpose,
            at,
            says,
            never,
            content,
            with,
        } = expected;
        let Sent {
            happening,
            row,
            message,
        } = self.parts();
        let mut no = Vec::new();
        let mut same = |what: &str, expected: Option<&str>, happened: &str| {
            if let Some(expected) = expected.filter(|expected| *expected != happened) {
                no.push(format!("{what} is {happened}, not {expected}"));
            }
        };
        same("the touchpoint", Some(touchpoint), &row.touchpoint);
        same("the customer", customer.as_deref(), &name(stage, happening.customer));
        same(
            "the address",
            to.as_deref(),
            message.to.as_ref().map_or("missing", |to| to.expose()),
        );
        same("the journey", journey.as_deref(), &row.journey);
        same("the step", step.as_deref(), &row.step);
        same("the purpose", purpose.as_deref(), &row.purpose);
        no.extend(other_time(stage, "it was sent", at.as_deref(), happening.at));
        let text = |field: &str| message.content.get(field).map(|text| text.expose().as_str());
        let any = |part: &str| message.content.values().any(|text| text.expose().contains(part));
        no.extend(
            says.0
                .iter()
                .filter(|part| !any(part))
                .map(|part| format!("its content does not say \"{part}\"")),
        );
        no.extend(
            never
                .0
                .iter()
                .filter(|part| any(part))
                .map(|part| format!("its content says \"{part}\"")),
        );
        for (field, parts) in content {
            match text(field) {
                None => no.push(format!("its content has no field {field}")),
                Some(text) => no.extend(
                    parts
                        .0
                        .iter()
                        .filter(|part| !text.contains(*part))
                        .map(|part| format!("{field} is \"{}\" and does not say \"{part}\"", short(text))),
                ),
            }
        }
        for (field, value) in with {
            let happened = message.with.expose().get(field);
            if !same_value(happened, value) {
                no.push(format!(
                    "with.{field} is {}, not {}",
                    shown(happened),
                    shown(Some(value))
                ));
            }
        }
        no
    }

    fn words(&self, stage: &Stage<'_>) -> String {
        let Sent {
            happening,
            row,
            message,
        } = self.parts();
        let to = message
            .to
            .as_ref()
            .map_or(String::new(), |to| format!(" to {}", to.expose()));
        let subject = message
            .text("subject")
            .map_or(String::new(), |text| format!(", \"{}\"", short(&text)));
        format!(
            "{} for {}{to} at {}{subject}",
            row.touchpoint,
            name(stage, happening.customer),
            tale::since(stage.start, happening.at)
        )
    }

    fn expected(expected: &Message) -> String {
        let Message {
            touchpoint,
            customer,
            to,
            journey: _,
            step,
            purpose: _,
            at,
            says,
            never: _,
            content,
            with: _,
        } = expected;
        let mut words = touchpoint.clone();
        let mut add = |before: &str, part: Option<&str>| {
            if let Some(part) = part {
                words.push_str(&format!(" {before} {part}"));
            }
        };
        add("for", customer.as_deref());
        add("to", to.as_deref());
        add("of step", step.as_deref());
        add("at", at.as_deref());
        for part in says.0.iter().chain(content.values().flat_map(|parts| &parts.0)) {
            add("saying", Some(&format!("\"{}\"", short(part))));
        }
        words
    }
}

/// A message that came to nothing.
struct Nothing {
    at: Micros,
    customer: CustomerKey,
    touchpoint: String,
    step: String,
    reason: String,
}

fn ended(told: &[Happening], of: impl Fn(&Count) -> Option<(&String, &String)>) -> Vec<Nothing> {
    let mut all = Vec::new();
    for one in told {
        let What::Counted { count, event: _ } = &one.what else {
            continue;
        };
        let Some((touchpoint, reason)) = of(count) else {
            continue;
        };
        all.push(Nothing {
            at: one.at,
            customer: one.customer,
            touchpoint: touchpoint.clone(),
            step: step_before(told, one),
            reason: reason.clone(),
        });
    }
    all
}

/// The step at which the enrollment had arrived last by then.
fn step_before(told: &[Happening], one: &Happening) -> String {
    let before = told.iter().take_while(|each| !std::ptr::eq(*each, one));
    before
        .filter(|each| each.customer == one.customer && each.journey == one.journey)
        .filter(|each| one.enrollment.is_none() || each.enrollment == one.enrollment)
        .filter_map(|each| match &each.what {
            What::Counted {
                count: Count::Step(step),
                ..
            } => Some(step.clone()),
            What::Held { step, .. } => Some(step.clone()),
            What::Counted { .. } | What::Handed { .. } => None,
        })
        .last()
        .unwrap_or_default()
}

impl Happened<Ended> for Nothing {
    fn at(&self) -> Micros {
        self.at
    }

    fn touchpoint(&self) -> &str {
        &self.touchpoint
    }

    fn named(expected: &Ended) -> &str {
        &expected.touchpoint
    }

    fn misfits(&self, stage: &Stage<'_>, expected: &Ended) -> Vec<String> {
        let Ended {
            touchpoint,
            customer,
            step,
            reason,
        } = expected;
        differences([
            ("the touchpoint", Some(touchpoint.as_str()), &self.touchpoint),
            ("the customer", customer.as_deref(), &name(stage, self.customer)),
            ("the step", step.as_deref(), &self.step),
            ("the reason", reason.as_deref(), &self.reason),
        ])
    }

    fn words(&self, stage: &Stage<'_>) -> String {
        let at = tale::since(stage.start, self.at);
        format!(
            "{} for {}: {} at {at}",
            self.touchpoint,
            name(stage, self.customer),
            self.reason
        )
    }

    fn expected(expected: &Ended) -> String {
        let Ended {
            touchpoint,
            customer,
            step,
            reason,
        } = expected;
        let part =
            |before: &str, part: &Option<String>| part.as_ref().map_or(String::new(), |part| format!("{before}{part}"));
        format!(
            "{touchpoint}{}{}{}",
            part(" for ", customer),
            part(" of step ", step),
            part(": ", reason)
        )
    }
}

/// A message that waits.
struct Waiting {
    customer: CustomerKey,
    touchpoint: String,
    step: String,
    why: String,
    until: Micros,
}

fn waiting(stage: &Stage<'_>) -> Vec<Waiting> {
    let rows = stage.world.store().outbox(stage.world.namespace());
    let mut all: Vec<Waiting> = rows
        .into_iter()
        .filter_map(|(_, row)| match row.state {
            OutboxState::Held { due, why } => Some(Waiting {
                customer: row.customer,
                touchpoint: row.touchpoint,
                step: row.step,
                why,
                until: due,
            }),
            OutboxState::Claimed { .. } => None,
        })
        .collect();
    all.sort_by(|a, b| (a.until, &a.touchpoint, a.customer).cmp(&(b.until, &b.touchpoint, b.customer)));
    all
}

impl Happened<Held> for Waiting {
    /// All of them wait now.
    fn at(&self) -> Micros {
        0
    }

    fn touchpoint(&self) -> &str {
        &self.touchpoint
    }

    fn named(expected: &Held) -> &str {
        &expected.touchpoint
    }

    fn misfits(&self, stage: &Stage<'_>, expected: &Held) -> Vec<String> {
        let Held {
            touchpoint,
            customer,
            step,
            why,
            until,
        } = expected;
        let mut no = differences([
            ("the touchpoint", Some(touchpoint.as_str()), &self.touchpoint),
            ("the customer", customer.as_deref(), &name(stage, self.customer)),
            ("the step", step.as_deref(), &self.step),
            ("the reason", why.as_deref(), &self.why),
        ]);
        no.extend(other_time(stage, "it asks again", until.as_deref(), self.until));
        no
    }

    fn words(&self, stage: &Stage<'_>) -> String {
        let until = tale::since(stage.start, self.until);
        format!(
            "{} for {}: {} until {until}",
            self.touchpoint,
            name(stage, self.customer),
            self.why
        )
    }

    fn expected(expected: &Held) -> String {
        let Held {
            touchpoint,
            customer,
            step: _,
            why,
            until,
        } = expected;
        let part =
            |before: &str, part: &Option<String>| part.as_ref().map_or(String::new(), |part| format!("{before}{part}"));
        format!(
            "{touchpoint}{}{}{}",
            part(" for ", customer),
            part(": ", why),
            part(" until ", until)
        )
    }
}

pub(super) fn nobody(stage: &Stage<'_>, path: &str, who: &str) -> Judged {
    let known: Vec<&str> = stage.names.values().map(String::as_str).collect();
    Judged {
        path: path.to_owned(),
        diff: vec![format!("nobody has heard of customer '{who}'")],
        help: Some(instead(who, known)),
        customer: None,
    }
}

fn customers(stage: &Stage<'_>, path: &str, who: &str, expected: &Many<Customer>) -> Vec<Judged> {
    let Some(key) = stage.named(who) else {
        return vec![nobody(stage, path, who)];
    };
    let list = expected.0.len() > 1;
    let mut found = Vec::new();
    for (n, one) in expected.0.iter().enumerate() {
        let path = if list { format!("{path}[{n}]") } else { path.to_owned() };
        match customer(stage, &path, key, one) {
            Ok(no) => found.extend(no.into_iter().map(|(field, diff)| Judged {
                path: format!("{path}.{field}"),
                diff,
                help: None,
                customer: Some(key),
            })),
            Err(judged) => found.push(judged),
        }
    }
    found
}

type Misses = Vec<(String, Vec<String>)>;

fn customer(stage: &Stage<'_>, path: &str, whose: CustomerKey, expected: &Customer) -> Result<Misses, Judged> {
    let Customer {
        journey,
        key,
        stands,
        outcome,
        entered,
        passed,
        never,
        goals,
        attributes,
        consent,
    } = expected;
    let mut no: Misses = Vec::new();
    let of_journey = stands.is_some()
        || outcome.is_some()
        || entered.is_some()
        || passed.is_some()
        || goals.is_some()
        || !never.is_empty();
    if of_journey {
        let journey = stage.journey(path, journey.as_deref())?;
        let all = stage.world.store().enrollments(stage.world.namespace(), journey, whose);
        if let Some(expected) = entered.filter(|expected| *expected != all.len()) {
            no.push(("entered".into(), differ(&expected.to_string(), &all.len().to_string())));
        }
        let one = all
            .iter()
            .rev()
            .find(|one| key.as_ref().is_none_or(|key| key == one.key.expose()));
        let mut same = |field: &str, expected: Option<&String>, happened: String| {
            if let Some(expected) = expected.filter(|expected| **expected != happened) {
                no.push((field.into(), differ(expected, &happened)));
            }
        };
        same("stands", stands.as_ref(), one.map_or_else(|| "not in".into(), place));
        same("outcome", outcome.as_ref(), one.map_or_else(|| "not in".into(), ending));
        let way = one.map_or_else(Vec::new, |one| way(stage, journey, whose, one.ordinal));
        if let Some(expected) = passed.as_ref().filter(|expected| **expected != way) {
            no.push(("passed".into(), differ(&expected.join(", "), &way.join(", "))));
        }
        let trodden: Vec<&String> = never.iter().filter(|step| way.contains(step)).collect();
        if !trodden.is_empty() {
            no.push((
                "never".into(),
                differ(&format!("never {}", never.join(", ")), &way.join(", ")),
            ));
        }
        if let Some(expected) = goals {
            let mut expected = expected.clone();
            expected.sort();
            let reached: Vec<String> = one.map_or_else(Vec::new, |one| one.goals.keys().cloned().collect());
            if expected != reached {
                no.push(("goals".into(), differ(&list(&expected), &list(&reached))));
            }
        }
    }
    let known = stage.world.store().customer(stage.world.namespace(), whose);
    let empty = Map::new();
    let view = stage.world.view();
    let seen = engine::Known {
        profile: &view.intake.profile,
        id: known.as_ref().map_or("", |known| known.id.expose().as_str()),
        attributes: known.as_ref().map_or(&empty, |known| known.attributes.expose()),
        now: stage.world.now(),
    };
    let seen = seen.view(|name| attributes.contains_key(name));
    for (attribute, value) in attributes {
        let happened = seen.get(attribute);
        if !same_value(happened, value) {
            no.push((
                format!("attributes.{attribute}"),
                differ(&shown(Some(value)), &shown(happened)),
            ));
        }
    }
    for (purpose, expected) in consent {
        let happened = match known.as_ref().and_then(|known| known.consents.get(purpose)) {
            None => "unknown",
            Some(consent) => match consent.state {
                ConsentState::Granted => "granted",
                ConsentState::Pending => "pending",
                ConsentState::Withdrawn | ConsentState::Denied => "withdrawn",
            },
        };
        if expected != happened {
            no.push((format!("consent.{purpose}"), differ(expected, happened)));
        }
    }
    Ok(no)
}

fn place(enrollment: &Enrollment) -> String {
    match &enrollment.standing {
        Standing::Waiting { step, .. } | Standing::Sending { step, .. } => step.clone(),
        Standing::Ended { outcome, .. } => format!("nowhere: it ended {}", outcome.name()),
        Standing::Paced { .. } => "the door: its turn by entry.pace has not come".into(),
    }
}

fn ending(enrollment: &Enrollment) -> String {
    match &enrollment.standing {
        Standing::Waiting { .. } | Standing::Sending { .. } | Standing::Paced { .. } => "none".into(),
        Standing::Ended { outcome, .. } => outcome.name().into(),
    }
}

/// Its steps in the order of arrival.
fn way(stage: &Stage<'_>, journey: &str, whose: CustomerKey, ordinal: i64) -> Vec<String> {
    let own = stage
        .told
        .iter()
        .filter(|one| one.customer == whose && one.journey == journey && one.enrollment == Some(ordinal));
    own.filter_map(|one| match &one.what {
        What::Counted {
            count: Count::Step(step),
            ..
        } => Some(step.clone()),
        What::Counted { .. } | What::Handed { .. } | What::Held { .. } => None,
    })
    .collect()
}

fn counts(stage: &Stage<'_>, path: &str, journey: Option<&str>, expected: &BTreeMap<String, i64>) -> Vec<Judged> {
    if expected.is_empty() {
        return vec![];
    }
    match stage.journey(&format!("{path}.counts"), journey) {
        Ok(journey) => totals(&format!("{path}.counts"), &stage.counts(journey), expected),
        Err(judged) => vec![judged],
    }
}

fn totals(path: &str, counts: &Counts, expected: &BTreeMap<String, i64>) -> Vec<Judged> {
    let mut found = Vec::new();
    for (name, expected) in expected {
        // What an event did is counted under event:, what people call it is its last words.
        let happened = match counts.total(name) {
            0 => counts.total(&format!("event:{name}")),
            n => n,
        };
        if happened != *expected {
            let names: std::collections::BTreeSet<&str> = counts.0.keys().map(|(name, _)| name.as_str()).collect();
            let known: Vec<String> = names
                .iter()
                .map(|name| format!("{name} {}", counts.total(name)))
                .collect();
            found.push(Judged {
                path: format!("{path}.{name}"),
                diff: differ(&expected.to_string(), &happened.to_string()),
                help: Some(format!("counted is: {}", known.join(", "))),
                customer: None,
            });
        }
    }
    found
}

fn measures(stage: &Stage<'_>, path: &str, journey: Option<&str>, expected: &BTreeMap<String, Kpi>) -> Vec<Judged> {
    if expected.is_empty() {
        return vec![];
    }
    let journey = match stage.journey(&format!("{path}.kpis"), journey) {
        Ok(journey) => journey.to_owned(),
        Err(judged) => return vec![judged],
    };
    let counts = stage.counts(&journey);
    let current = stage
        .world
        .programs(&journey)
        .and_then(|programs| programs.current.clone());
    let specs = current.as_ref().map_or(&[][..], |program| &program.kpis);
    let mut found = Vec::new();
    for (name, Kpi { value, sample, state }) in expected {
        let path = format!("{path}.kpis.{name}");
        let Some(spec) = specs.iter().find(|spec| spec.name == *name) else {
            found.push(Judged {
                path,
                diff: vec![format!("journey {journey} has no KPI '{name}'")],
                help: Some(instead(name, specs.iter().map(|spec| spec.name.as_str()))),
                customer: None,
            });
            continue;
        };
        let measured = kpi::measure(&counts, spec, stage.world.now());
        let happened = [
            (
                "value",
                value.clone(),
                measured
                    .value
                    .map_or_else(|| "unknown".into(), |value| kpi::show(spec.statistic, value)),
            ),
            (
                "sample",
                sample.map(|sample| sample.to_string()),
                measured.sample.to_string(),
            ),
            ("state", state.clone(), format!("{:?}", measured.state)),
        ];
        for (field, expected, happened) in happened {
            if let Some(expected) = expected.filter(|expected| *expected != happened) {
                found.push(Judged {
                    path: format!("{path}.{field}"),
                    diff: differ(&expected, &happened),
                    help: None,
                    customer: None,
                });
            }
        }
    }
    found
}

fn differ(expected: &str, happened: &str) -> Vec<String> {
    vec![format!("- {expected}"), format!("+ {happened}")]
}

fn differences<const N: usize>(fields: [(&str, Option<&str>, &str); N]) -> Vec<String> {
    fields
        .into_iter()
        .filter_map(|(what, expected, happened)| {
            let expected = expected.filter(|expected| *expected != happened)?;
            Some(format!("{what} is {happened}, not {expected}"))
        })
        .collect()
}

pub(super) fn other_time(stage: &Stage<'_>, what: &str, expected: Option<&str>, happened: Micros) -> Option<String> {
    let text = expected?;
    match instant_of(text, stage.start) {
        None => Some(format!(
            "'{text}' is no time: write a duration since the start, or an instant"
        )),
        Some(expected) if expected == happened => None,
        Some(_) => Some(format!(
            "{what} at {}, not at {text}",
            tale::since(stage.start, happened)
        )),
    }
}

fn name(stage: &Stage<'_>, key: CustomerKey) -> String {
    stage.names.get(&key).cloned().unwrap_or_else(|| key.to_string())
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "none".into()
    } else {
        names.join(", ")
    }
}

/// Numbers are the same whether written 3 or 3.0; null is missing.
fn same_value(happened: Option<&Value>, expected: &Value) -> bool {
    match (happened, expected) {
        (None | Some(Value::Null), Value::Null) => true,
        (Some(Value::Number(a)), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (happened, expected) => happened == Some(expected),
    }
}

/// On one line, and not too much of it.
pub(super) fn short(text: &str) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
