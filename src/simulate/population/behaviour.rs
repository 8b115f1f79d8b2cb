//! How a population behaves: what is known of its customers, what they do and when, and what they make of messages. Written in a small YAML
//! file, or made up from the manifests where it says nothing.

use super::{chance::Chance, recorded};
use crate::{
    api::touchpoint::{Question, QuestionKind, Survey},
    clock::{DAY, HOUR, MINUTE, Micros, SECOND},
    compile::{Inbound, Manifests},
    engine::Program,
    expression::{
        Type,
        time::{duration, show_instant},
    },
    gateway::{RECEIPTS, View},
    keys::ANONYMOUS,
    policy::Basis,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// How a population behaves. What is left out is made up from schemas, samples and values.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Behaviour {
    /// What population this is, in a few words.
    #[serde(default)]
    pub behaviour: String,
    #[serde(default)]
    pub customers: Customers,
    /// What customers do; left out: every trigger once, and what else is listened to sometimes afterwards.
    #[serde(default)]
    pub events: Option<Vec<Event>>,
    /// What becomes of messages, by touchpoint.
    #[serde(default)]
    pub messages: BTreeMap<String, Messages>,
}

/// What is known of a customer at the start.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Customers {
    /// By attribute: a value, or how it is distributed: {oneOf: {a: 3, b: 1}}, {between: [0, 9]}, {normal: {mean: 5, deviation: 2}},
    /// {exponential: 20}, {chance: 30%}, {text: "c-{n}@example.com"}, {later: [1d, 30d]}.
    #[serde(default)]
    pub attributes: Map<String, Value>,
    /// By purpose: how many have consented, such as 70%.
    #[serde(default)]
    pub consent: BTreeMap<String, String>,
}

/// Something that customers do.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Event {
    /// As producers call it.
    pub event: String,
    /// The adapter that brings it; left out: the first that may.
    #[serde(default)]
    pub from: Option<String>,
    /// On the average so many in `per`, independent of each other; left out, and without `after`: once, at any time.
    #[serde(default)]
    pub times: Option<f64>,
    #[serde(default)]
    pub per: Option<String>,
    /// It follows this event.
    #[serde(default)]
    pub after: Option<String>,
    /// How often it follows, such as 20%; left out: always.
    #[serde(default)]
    pub chance: Option<String>,
    /// How much later, on the average; left out: 1d.
    #[serde(default)]
    pub delay: Option<String>,
    /// Properties: values or distributions; those that are left out are made up from schema and samples.
    #[serde(default)]
    pub data: Map<String, Value>,
}

/// What becomes of the messages of a touchpoint.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Messages {
    /// How many fail for good, by reason: {Smtp550: 2%}.
    #[serde(default)]
    pub failed: BTreeMap<String, String>,
    /// What becomes of them: {clicked: {chance: 10%, delay: 2h}}. Of delivered, bounced, opened, replied, complained, clicked, confirmed (its link is followed), answered, shown and dismissed (the last two while their slot shows them).
    #[serde(default)]
    pub becomes: BTreeMap<String, Reaction>,
    /// Of a touchpoint with `response`, what the provider answers, each property a value or a distribution; what is left out is made up from
    /// the schema.
    #[serde(default)]
    pub response: Map<String, Value>,
}

/// Something a customer does with a message.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reaction {
    /// How many do, such as 10%.
    pub chance: String,
    /// How much later, on the average; left out: 2h.
    #[serde(default)]
    pub delay: Option<String>,
    /// Its properties, each a value or a distribution; the answers to a survey are made up where they are left out.
    #[serde(default)]
    pub data: Map<String, Value>,
}

/// What is wrong with a behaviour, and where in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct Unfit {
    pub path: String,
    pub message: String,
}

/// A behaviour against the manifests, ready to be drawn from.
pub struct Plan {
    pub attributes: Vec<(String, Type, Draw)>,
    pub consents: Vec<(String, f64)>,
    pub acts: Vec<Act>,
    pub messages: BTreeMap<String, Fates>,
}

/// An event that customers bring, or news.
pub struct Act {
    pub event: String,
    pub adapter: String,
    /// The kind of identifier by which it names its customer; None: news.
    pub identifier: Option<String>,
    pub when: When,
    pub data: Vec<(String, Draw)>,
    /// Properties that are keys and were made up: an event that follows another has its, where that has them too.
    pub keys: BTreeSet<String>,
    /// Indices of the acts that follow it.
    pub followed_by: Vec<usize>,
}

#[derive(Debug, Clone, Copy)]
pub enum When {
    Once,
    /// With this mean time between two.
    Every(Micros),
    After {
        chance: f64,
        delay: Micros,
    },
}

/// What becomes of a message, with which probability, how much later on the average, and with what properties.
pub type Becomes = (String, f64, Micros, Vec<(String, Draw)>);

#[derive(Debug, Default)]
pub struct Fates {
    /// Reason and probability.
    pub failed: Vec<(String, f64)>,
    pub reactions: Vec<Becomes>,
    /// What the provider answers, where the touchpoint wants to know.
    pub response: Option<Draw>,
}

/// How a value is drawn.
#[derive(Debug, Clone)]
pub enum Draw {
    Always(Value),
    /// Values with their weights, summed up.
    OneOf(Vec<(Value, f64)>),
    Between(f64, f64, bool),
    Normal(f64, f64, bool),
    Exponential(f64, bool),
    Chance(f64),
    /// With {n} the customer's number, and {i} the event's.
    Text(String),
    /// An instant between so much and so much later.
    Later(Micros, Micros),
    Object(Vec<(String, Draw)>),
}

impl Draw {
    pub fn value(&self, chance: &mut Chance, customer: u64, event: u64, now: Micros) -> Value {
        let number = |n: f64, whole: bool| if whole { json!(n.round() as i64) } else { json!(n) };
        match self {
            Self::Always(value) => value.clone(),
            Self::OneOf(values) => {
                let all = values.last().map_or(0.0, |(_, upto)| *upto);
                let at = chance.unit() * all;
                let one = values.iter().find(|(_, upto)| at < *upto).or(values.last());
                one.map_or(Value::Null, |(value, _)| value.clone())
            }
            Self::Between(low, high, true) => {
                let span = (high.floor() - low.ceil()).max(0.0) as u64 + 1;
                json!(low.ceil() as i64 + i64::try_from(chance.below(span)).unwrap_or(0))
            }
            Self::Between(low, high, false) => json!(low + (high - low) * chance.unit()),
            Self::Normal(mean, deviation, whole) => number(chance.normal(*mean, *deviation), *whole),
            Self::Exponential(mean, whole) => number(chance.exponential(*mean), *whole),
            Self::Chance(probability) => Value::Bool(chance.happens(*probability)),
            Self::Text(text) => Value::String(
                text.replace("{n}", &customer.to_string())
                    .replace("{i}", &event.to_string()),
            ),
            Self::Later(low, high) => {
                let later = low + i64::try_from(chance.below((high - low).unsigned_abs() + 1)).unwrap_or(0);
                // To the second, as people write it.
                let at = now.saturating_add(later).div_euclid(SECOND) * SECOND;
                show_instant(at).map_or(Value::Null, Value::String)
            }
            Self::Object(members) => members
                .iter()
                .map(|(name, draw)| (name.clone(), draw.value(chance, customer, event, now)))
                .collect(),
        }
    }

    /// What is written in the file: a value, or a distribution by its name.
    fn read(path: &str, value: &Value, whole: bool) -> Result<Self, Unfit> {
        let unfit = |message: &str| Unfit {
            path: path.to_owned(),
            message: message.to_owned(),
        };
        let Some((name, of)) = value
            .as_object()
            .filter(|object| object.len() == 1)
            .and_then(|object| object.iter().next())
        else {
            return Ok(Self::Always(value.clone()));
        };
        let numbers = |names: [&str; 2]| Some((of.get(names[0])?.as_f64()?, of.get(names[1])?.as_f64()?));
        match name.as_str() {
            "oneOf" => {
                let mut upto = 0.0;
                let weighted: Vec<(Value, f64)> = match of {
                    Value::Object(weights) => weights
                        .iter()
                        .map(|(value, weight)| (json!(value), weight.as_f64()))
                        .map(|(value, weight)| (value, weight.unwrap_or(-1.0)))
                        .collect(),
                    Value::Array(values) => values.iter().map(|value| (value.clone(), 1.0)).collect(),
                    _ => vec![],
                };
                if weighted.is_empty() || weighted.iter().any(|(_, weight)| *weight < 0.0) {
                    return Err(unfit(
                        "oneOf has a list of values, or values with weights: {a: 3, b: 1}",
                    ));
                }
                let summed = weighted.into_iter().map(|(value, weight)| {
                    upto += weight;
                    (value, upto)
                });
                Ok(Self::OneOf(summed.collect()))
            }
            "between" => match of.as_array().map(Vec::as_slice) {
                Some([low, high]) if low.as_f64().is_some() && low.as_f64() <= high.as_f64() => {
                    let whole = whole || (low.is_i64() && high.is_i64());
                    Ok(Self::Between(
                        low.as_f64().unwrap_or(0.0),
                        high.as_f64().unwrap_or(0.0),
                        whole,
                    ))
                }
                _ => Err(unfit("between has two numbers, the lower first: [0, 9]")),
            },
            "normal" => numbers(["mean", "deviation"])
                .map(|(mean, deviation)| Self::Normal(mean, deviation, whole))
                .ok_or_else(|| unfit("normal has a mean and a deviation")),
            "exponential" => of
                .as_f64()
                .map(|mean| Self::Exponential(mean, whole))
                .ok_or_else(|| unfit("exponential has a mean")),
            "later" => {
                let bounds = of.as_array().map(Vec::as_slice).unwrap_or(std::slice::from_ref(of));
                let bounds: Option<Vec<Micros>> = bounds.iter().map(|text| duration(text.as_str()?)).collect();
                match bounds.as_deref() {
                    Some([exactly]) if *exactly >= 0 => Ok(Self::Later(*exactly, *exactly)),
                    Some([low, high]) if (0..=*high).contains(low) => Ok(Self::Later(*low, *high)),
                    _ => Err(unfit("later has a duration, or two, the shorter first: [1d, 30d]")),
                }
            }
            "chance" => percent(path, of.as_str().unwrap_or_default()).map(Self::Chance),
            "text" => of
                .as_str()
                .map(|text| Self::Text(text.to_owned()))
                .ok_or_else(|| unfit("text has a text")),
            _ => Ok(Self::Always(value.clone())),
        }
    }
}

impl Plan {
    /// Makes a behaviour fit the manifests. Errors say where in the behaviour.
    pub fn new(
        behaviour: &Behaviour,
        manifests: &Manifests,
        view: &View,
        programs: &[Arc<Program>],
        length: Micros,
    ) -> Result<Self, Unfit> {
        let mut acts = Vec::new();
        let listed = match &behaviour.events {
            Some(events) => events.clone(),
            None => made_up_events(manifests, view, programs),
        };
        for (n, event) in listed.iter().enumerate() {
            acts.push(act(&format!("events[{n}]"), event, manifests, view, length)?);
        }
        for (n, event) in listed.iter().enumerate() {
            let Some(after) = &event.after else { continue };
            let before: Vec<usize> = (0..acts.len()).filter(|m| acts[*m].event == *after).collect();
            if before.is_empty() {
                return Err(Unfit {
                    path: format!("events[{n}].after"),
                    message: format!("no event here is called '{after}'"),
                });
            }
            for m in before {
                acts[m].followed_by.push(n);
            }
        }
        Ok(Self {
            attributes: attributes(behaviour, view, manifests)?,
            consents: consents(behaviour, view, programs)?,
            acts,
            messages: messages(behaviour, programs, manifests)?,
        })
    }
}

fn act(path: &str, event: &Event, manifests: &Manifests, view: &View, length: Micros) -> Result<Act, Unfit> {
    let unfit = |field: &str, message: String| Unfit {
        path: format!("{path}.{field}"),
        message,
    };
    let Some(inbound) = view.intake.inbound.get(&event.event) else {
        return Err(unfit(
            "event",
            format!("no inbound Touchpoint has event '{}'", event.event),
        ));
    };
    let when = match (event.times, &event.after) {
        (_, Some(_)) => When::After {
            chance: event
                .chance
                .as_ref()
                .map_or(Ok(1.0), |text| percent(&format!("{path}.chance"), text))?,
            delay: span(&format!("{path}.delay"), event.delay.as_deref(), DAY)?,
        },
        (Some(times), None) if times > 0.0 => {
            let per = span(&format!("{path}.per"), event.per.as_deref(), length)?;
            When::Every((per as f64 / times).max(1.0) as Micros)
        }
        (Some(_), None) => return Err(unfit("times", "must be above zero".into())),
        (None, None) => When::Once,
    };
    let adapter = event
        .from
        .clone()
        .or_else(|| recorded::adapter(&view.intake, &event.event))
        .unwrap_or_else(|| "simulation".into());
    let (mut data, mut keys) = (Vec::new(), BTreeSet::new());
    for (name, value) in &event.data {
        data.push((name.clone(), Draw::read(&format!("{path}.data.{name}"), value, false)?));
    }
    // Other names of the customer: as long as the behaviour says nothing else, one of each kind.
    for (_, kind) in &inbound.also_known_as {
        let made_up = made_up_data(manifests, inbound);
        let is_sent = kind == ANONYMOUS || made_up.iter().any(|(name, _)| name == kind);
        if is_sent && *kind != inbound.identifier && !data.iter().any(|(known, _)| known == kind) {
            data.push((kind.clone(), Draw::Text("c-{n}".into())));
        }
    }
    for (name, draw) in made_up_data(manifests, inbound) {
        let is_whose = inbound.customer.is_some() && name == inbound.identifier;
        if !is_whose && !data.iter().any(|(known, _)| *known == name) {
            if matches!(draw, Draw::Text(_)) && is_key(&name) {
                keys.insert(name.clone());
            }
            data.push((name, draw));
        }
    }
    Ok(Act {
        event: event.event.clone(),
        adapter,
        identifier: inbound.customer.is_some().then(|| inbound.identifier.clone()),
        when,
        data,
        keys,
        followed_by: Vec::new(),
    })
}

/// Every trigger once, and whatever else is listened to, or teaches something, after it sometimes.
fn made_up_events(manifests: &Manifests, view: &View, programs: &[Arc<Program>]) -> Vec<Event> {
    let named = |touchpoint: &str| view.touchpoints.get(touchpoint).map(|inbound| inbound.event.clone());
    let mut triggers = BTreeSet::new();
    for journey in manifests.journeys.values() {
        let entry = json!(journey.spec.entry);
        let signals = entry["triggers"].as_array().into_iter().flatten();
        triggers.extend(signals.filter_map(|signal| named(signal["event"].as_str()?)));
    }
    let listened = programs.iter().flat_map(|program| &program.listens);
    let mut listened: BTreeSet<String> = listened.filter_map(|name| named(name)).collect();
    // Nobody listens for what changes an attribute, but a condition may wait for it.
    let inbound = manifests.touchpoints.values().filter_map(|spec| spec.inbound.as_ref());
    listened.extend(
        inbound
            .filter(|inbound| inbound.attributes.is_some())
            .filter_map(|inbound| inbound.event.clone()),
    );
    let mut all: Vec<Event> = triggers
        .iter()
        .map(|event| Event {
            event: event.clone(),
            ..Event::default()
        })
        .collect();
    for event in listened.difference(&triggers) {
        if let Some(first) = triggers.first() {
            all.push(Event {
                event: event.clone(),
                after: Some(first.clone()),
                chance: Some("20%".into()),
                delay: Some("1d".into()),
                ..Event::default()
            });
        }
    }
    all
}

/// Properties from the touchpoint's samples and schema.
fn made_up_data(manifests: &Manifests, inbound: &Inbound) -> Vec<(String, Draw)> {
    let spec = manifests
        .touchpoints
        .get(&inbound.touchpoint)
        .map(|spec| json!(spec))
        .unwrap_or_default();
    let inbound_spec = &spec["inbound"];
    let samples: Vec<&Map<String, Value>> = inbound_spec["samples"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
        .collect();
    let properties = inbound_spec["schema"]["properties"].as_object();
    let mut names: Vec<&String> = properties.into_iter().flat_map(Map::keys).collect();
    names.extend(
        samples
            .iter()
            .flat_map(|sample| sample.keys())
            .filter(|name| !properties.is_some_and(|known| known.contains_key(*name))),
    );
    names
        .into_iter()
        .filter_map(|name| {
            let schema = properties.and_then(|all| all.get(name)).unwrap_or(&Value::Null);
            let sampled: Vec<Value> = samples.iter().filter_map(|sample| sample.get(name)).cloned().collect();
            Some((name.clone(), made_up(name, schema, &sampled)?))
        })
        .collect()
}

fn made_up_members(schema: &Value) -> Vec<(String, Draw)> {
    let properties = schema["properties"].as_object();
    let members = properties.into_iter().flatten();
    members
        .filter_map(|(name, schema)| Some((name.clone(), made_up(name, schema, &[])?)))
        .collect()
}

fn is_key(name: &str) -> bool {
    name.ends_with("Id") || name.ends_with("id")
}

/// None: it is left out.
fn made_up(name: &str, schema: &Value, sampled: &[Value]) -> Option<Draw> {
    let equally = |values: &[Value]| {
        Draw::OneOf(
            values
                .iter()
                .enumerate()
                .map(|(n, value)| (value.clone(), n as f64 + 1.0))
                .collect(),
        )
    };
    if let Some(values) = schema["enum"].as_array().filter(|values| !values.is_empty()) {
        return Some(equally(values));
    }
    let bounds = |low: f64, high: f64| {
        (
            schema["minimum"].as_f64().unwrap_or(low),
            schema["maximum"].as_f64().unwrap_or(high),
        )
    };
    match schema["type"].as_str() {
        Some("boolean") => Some(Draw::Chance(0.5)),
        Some("integer") => {
            let (low, high) = bounds(0.0, 10.0);
            Some(Draw::Between(low, high.max(low), true))
        }
        Some("number") => {
            let (low, high) = bounds(0.0, 100.0);
            Some(Draw::Between(low, high.max(low), false))
        }
        // Samples have instants that are long over.
        Some("string") if schema["format"] == "date-time" => Some(Draw::Later(DAY, 30 * DAY)),
        // Texts that are keys differ from event to event; those that samples show are drawn from them.
        Some("string") if is_key(name) => Some(Draw::Text(format!("{name}-{{n}}-{{i}}"))),
        _ if !sampled.is_empty() => Some(equally(sampled)),
        Some("object") => Some(Draw::Object(made_up_members(schema))),
        Some("string") if schema["format"].is_null() && schema["pattern"].is_null() => {
            Some(Draw::Text(format!("{name} {{n}}")))
        }
        _ => None,
    }
}

fn attributes(behaviour: &Behaviour, view: &View, manifests: &Manifests) -> Result<Vec<(String, Type, Draw)>, Unfit> {
    let profile = &view.intake.profile;
    for name in behaviour.customers.attributes.keys() {
        let message = match profile.attributes.get(name) {
            None => format!("the CustomerProfile has no attribute '{name}'"),
            Some(attribute) if attribute.is.is_some() => {
                format!("'{name}' follows from other attributes: give those")
            }
            Some(_) => continue,
        };
        return Err(Unfit {
            path: format!("customers.attributes.{name}"),
            message,
        });
    }
    let zone = manifests
        .profiles
        .values()
        .next()
        .map(|spec| json!(spec)["zone"].as_str().unwrap_or_default().to_owned());
    let mut all = Vec::new();
    for (name, declared) in &profile.attributes {
        let whole = declared.ty == Type::Int;
        let draw = match behaviour.customers.attributes.get(name) {
            Some(value) => Some(Draw::read(&format!("customers.attributes.{name}"), value, whole)?),
            None if zone.as_deref() == Some(&format!("customer.{name}")) => {
                let zones = ["Europe/Berlin", "America/New_York", "Asia/Tokyo", "Europe/London"];
                Some(Draw::OneOf(
                    zones
                        .iter()
                        .zip([50.0, 75.0, 85.0, 100.0])
                        .map(|(zone, upto)| (json!(zone), upto))
                        .collect(),
                ))
            }
            None => match &declared.ty {
                Type::Text(Some(values)) => Some(Draw::OneOf(
                    values
                        .iter()
                        .enumerate()
                        .map(|(n, value)| (json!(value), n as f64 + 1.0))
                        .collect(),
                )),
                Type::Text(None) if name.to_lowercase().contains("mail") => {
                    Some(Draw::Text("customer-{n}@example.com".into()))
                }
                Type::Text(None) if declared.personal && declared.default.is_none() => {
                    Some(Draw::Text(format!("{name} {{n}}")))
                }
                _ => None,
            },
        };
        if let Some(draw) = draw {
            all.push((name.clone(), declared.ty.clone(), draw));
        }
    }
    Ok(all)
}

fn consents(behaviour: &Behaviour, view: &View, programs: &[Arc<Program>]) -> Result<Vec<(String, f64)>, Unfit> {
    let mut all: BTreeMap<String, f64> = BTreeMap::new();
    for program in programs {
        for (name, purpose) in &program.policy.purposes {
            if purpose.basis == Basis::Consent {
                all.insert(name.clone(), 0.8);
            }
        }
    }
    for (purpose, text) in &behaviour.customers.consent {
        let path = format!("customers.consent.{purpose}");
        if !view.intake.purposes.contains(purpose) {
            return Err(Unfit {
                message: format!("no PrivacyPolicy has a purpose '{purpose}'"),
                path,
            });
        }
        all.insert(purpose.clone(), percent(&path, text)?);
    }
    Ok(all.into_iter().collect())
}

fn messages(
    behaviour: &Behaviour,
    programs: &[Arc<Program>],
    manifests: &Manifests,
) -> Result<BTreeMap<String, Fates>, Unfit> {
    let mut all: BTreeMap<String, Fates> = BTreeMap::new();
    // Some confirm what they are asked to.
    let purposes = manifests.policies.values().flat_map(|policy| &policy.purposes);
    let confirm = purposes.filter_map(|purpose| Some(purpose.confirm.as_ref()?.touchpoint.as_str()));
    for touchpoint in confirm.filter(|touchpoint| !behaviour.messages.contains_key(*touchpoint)) {
        let fates = all.entry(touchpoint.to_owned()).or_default();
        fates.reactions.push(made_up_reaction("confirmed", None));
    }
    // Whatever somebody listens for happens to some.
    for name in programs.iter().flat_map(|program| &program.listens) {
        if let Some((touchpoint, what)) = name.split_once('/')
            && !matches!(what, "sent" | "skipped" | "failed")
            && manifests
                .touchpoints
                .get(touchpoint)
                .is_some_and(|spec| spec.outbound.is_some())
            && !behaviour.messages.contains_key(touchpoint)
        {
            let fates = all.entry(touchpoint.to_owned()).or_default();
            if !fates.reactions.iter().any(|(known, ..)| known == what) {
                fates
                    .reactions
                    .push(made_up_reaction(what, survey_of(manifests, touchpoint)));
            }
        }
    }
    for (touchpoint, told) in &behaviour.messages {
        let path = format!("messages.{touchpoint}");
        if manifests
            .touchpoints
            .get(touchpoint)
            .is_none_or(|spec| spec.outbound.is_none())
        {
            return Err(Unfit {
                message: format!("there is no outbound touchpoint '{touchpoint}'"),
                path,
            });
        }
        let mut fates = Fates::default();
        for (reason, text) in &told.failed {
            fates
                .failed
                .push((reason.clone(), percent(&format!("{path}.failed.{reason}"), text)?));
        }
        for (what, reaction) in &told.becomes {
            let path = format!("{path}.becomes.{what}");
            if !RECEIPTS.contains(&what.as_str()) && !OTHERS.contains(&what.as_str()) {
                let known = RECEIPTS.into_iter().chain(OTHERS).collect::<Vec<_>>();
                return Err(Unfit {
                    message: format!("no message becomes {what}: write one of {}", known.join(", ")),
                    path,
                });
            }
            fates.reactions.push((
                what.clone(),
                percent(&format!("{path}.chance"), &reaction.chance)?,
                span(&format!("{path}.delay"), reaction.delay.as_deref(), 2 * HOUR)?,
                drawn(
                    &path,
                    &reaction.data,
                    made_up_reaction(what, survey_of(manifests, touchpoint)).3,
                )?,
            ));
        }
        all.insert(touchpoint.clone(), fates);
    }
    for (touchpoint, response) in responses(behaviour, manifests)? {
        all.entry(touchpoint).or_default().response = Some(response);
    }
    Ok(all)
}

/// What providers answer, by touchpoint, where journeys want to know it.
pub fn responses(behaviour: &Behaviour, manifests: &Manifests) -> Result<BTreeMap<String, Draw>, Unfit> {
    let mut all = BTreeMap::new();
    for (touchpoint, spec) in &manifests.touchpoints {
        let told = behaviour.messages.get(touchpoint).map(|told| &told.response);
        let path = format!("messages.{touchpoint}.response");
        match spec.outbound.as_ref().and_then(|outbound| outbound.response.as_ref()) {
            Some(schema) => {
                let members = drawn(&path, told.unwrap_or(&Map::new()), made_up_members(schema))?;
                all.insert(touchpoint.clone(), Draw::Object(members));
            }
            None if told.is_some_and(|told| !told.is_empty()) => {
                return Err(Unfit {
                    path,
                    message: "the touchpoint has no response: nobody would hear it".into(),
                });
            }
            None => {}
        }
    }
    Ok(all)
}

/// What is written, and of what is made up the rest.
fn drawn(path: &str, written: &Map<String, Value>, made_up: Vec<(String, Draw)>) -> Result<Vec<(String, Draw)>, Unfit> {
    let mut all = Vec::new();
    for (name, value) in written {
        all.push((name.clone(), Draw::read(&format!("{path}.{name}"), value, false)?));
    }
    all.extend(made_up.into_iter().filter(|(name, _)| !written.contains_key(name)));
    Ok(all)
}

fn survey_of<'m>(manifests: &'m Manifests, touchpoint: &str) -> Option<&'m Survey> {
    manifests
        .touchpoints
        .get(touchpoint)?
        .outbound
        .as_ref()?
        .survey
        .as_ref()
}

/// Every question is answered; a text says that it is one.
fn made_up_answers(survey: &Survey) -> Vec<(String, Draw)> {
    let answer = |question: &Question| match question.kind {
        QuestionKind::NPS => Draw::Between(0.0, 10.0, true),
        QuestionKind::CSAT => Draw::Between(1.0, 5.0, true),
        QuestionKind::CES => Draw::Between(1.0, 7.0, true),
        QuestionKind::Choice => {
            let options = question.options.iter().flatten().enumerate();
            Draw::OneOf(options.map(|(n, option)| (json!(option), n as f64 + 1.0)).collect())
        }
        QuestionKind::Text => Draw::Text("a word of customer {n}".into()),
    };
    let questions = survey.questions.iter();
    questions
        .map(|question| (question.name.to_string(), answer(question)))
        .collect()
}

/// What becomes of messages besides what providers say.
const OTHERS: [&str; 5] = ["clicked", "confirmed", "answered", "shown", "dismissed"];

/// How often something becomes of a message, how much later on the average, and with what properties.
fn made_up_reaction(what: &str, survey: Option<&Survey>) -> Becomes {
    let (probability, delay) = match what {
        "delivered" => (0.98, MINUTE),
        "bounced" => (0.02, MINUTE),
        "complained" => (0.001, 2 * HOUR),
        "opened" => (0.3, 2 * HOUR),
        "shown" => (0.6, HOUR),
        "confirmed" => (0.6, 2 * HOUR),
        _ => (0.1, 2 * HOUR),
    };
    let data = match (what, survey) {
        ("bounced", _) => vec![("kind".to_owned(), Draw::Always(json!("Hard")))],
        ("answered", Some(survey)) => made_up_answers(survey),
        _ => vec![],
    };
    (what.to_owned(), probability, delay, data)
}

/// Steps in the order of the list.
pub fn steps(program: &Program) -> impl Iterator<Item = &str> {
    program.steps.iter().map(|step| step.name.as_str())
}

fn percent(path: &str, text: &str) -> Result<f64, Unfit> {
    text.strip_suffix('%')
        .and_then(|number| number.trim().parse::<f64>().ok())
        .filter(|number| (0.0..=100.0).contains(number))
        .map(|number| number / 100.0)
        .ok_or_else(|| Unfit {
            path: path.to_owned(),
            message: format!("'{text}' is no percentage: write one such as \"20%\""),
        })
}

fn span(path: &str, text: Option<&str>, otherwise: Micros) -> Result<Micros, Unfit> {
    let Some(text) = text else { return Ok(otherwise) };
    duration(text).filter(|length| *length > 0).ok_or_else(|| Unfit {
        path: path.to_owned(),
        message: format!("'{text}' is no duration: write one such as 90s, 15m, 36h or 14d"),
    })
}

/// The JSON Schema of a behaviour, for editors.
pub fn schema() -> Value {
    schemars::generate::SchemaSettings::draft07()
        .into_generator()
        .into_root_schema_for::<Behaviour>()
        .to_value()
}
