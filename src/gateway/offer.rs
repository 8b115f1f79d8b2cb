//! Judges an event before the store sees it: which touchpoint takes it, may this adapter bring it, does it keep to the schema, whose is it.
//! Pure: the same event and view give the same arrival or the same reason.

use super::{
    incoming::{Broken, Incoming, Offered},
    learn, receipt, signals,
    view::View,
};
use crate::{
    clock::Micros,
    compile::Inbound,
    consent,
    expression::{self, Val},
    keys::{ANONYMOUS, Keys},
    personal::Personal,
    store::{Arrival, Identifier, News, Quarantined},
};
use jsonschema::error::ValidationErrorKind;

/// Bytes of an identifier's value.
const IDENTIFIER_LIMIT: usize = 512;

/// Why an event is put aside; the names are labels of metrics and documented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Within a batch: it is no event at all.
    Malformed,
    /// No inbound touchpoint has this event.
    NoTouchpoint,
    /// The touchpoint's `from` does not name the adapter.
    NotFrom,
    /// The data breaks the touchpoint's schema.
    SchemaViolation,
    /// The touchpoint's `customer` has no value in this event.
    NoCustomer,
    /// A receipt names a message that never went out.
    UnknownMessage,
    /// A public key would join an identifier that is no anonymous id.
    MayNotJoin,
}

impl Reason {
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "Malformed",
            Self::NoTouchpoint => "NoTouchpoint",
            Self::NotFrom => "NotFrom",
            Self::SchemaViolation => "SchemaViolation",
            Self::NoCustomer => "NoCustomer",
            Self::UnknownMessage => "UnknownMessage",
            Self::MayNotJoin => "MayNotJoin",
        }
    }
}

/// An event on its way to the store, or put aside with its reason. Both are large and live for one request.
#[derive(Debug)]
pub enum Offer {
    Arrival(Box<Arrival>),
    /// It concerns every customer.
    News(Box<News>),
    Aside(Reason, Box<Quarantined>),
}

/// What `adapter` offers, judged. `messages` are those that receipts among the offered name ([`receipt::messages`]).
pub fn offer(
    view: &View,
    keys: &Keys,
    adapter: &str,
    offered: Offered,
    messages: &receipt::Messages,
    now: Micros,
) -> Offer {
    match offered {
        Err(Broken { detail, event }) => aside(adapter, Reason::Malformed, detail, event, now),
        Ok(incoming) if incoming.name == receipt::TYPE => receipt::offer(view, keys, adapter, incoming, messages, now),
        Ok(incoming) => match judge(view, keys, adapter, &incoming, now) {
            Ok(offer) => offer,
            Err((reason, detail)) => aside(adapter, reason, detail, incoming.cloud_event(now).into(), now),
        },
    }
}

/// An event put aside; the detail names no value.
pub(super) fn aside(
    adapter: &str,
    reason: Reason,
    detail: String,
    event: Personal<serde_json::Value>,
    now: Micros,
) -> Offer {
    let row = Quarantined {
        reason: reason.name().to_owned(),
        detail,
        source: adapter.to_owned(),
        at: now,
        event,
    };
    Offer::Aside(reason, Box::new(row))
}

fn judge(view: &View, keys: &Keys, adapter: &str, incoming: &Incoming, now: Micros) -> Result<Offer, (Reason, String)> {
    let intake = &view.intake;
    let inbound = intake.inbound.get(&incoming.name).ok_or_else(|| {
        (
            Reason::NoTouchpoint,
            "no inbound Touchpoint has this event; add one whose spec.inbound.event is its name, then replay"
                .to_owned(),
        )
    })?;
    if inbound.from.as_ref().is_some_and(|from| !from.contains(adapter)) {
        let detail = format!(
            "Touchpoint {} takes it only from the adapters that spec.inbound.from names",
            inbound.touchpoint
        );
        return Err((Reason::NotFrom, detail));
    }
    let public = intake.sources.get(adapter).is_some_and(|source| source.public);
    if inbound.customer.is_none() && public && inbound.from.is_none() {
        let detail = format!(
            "Touchpoint {} is news for every customer, and this adapter's key is public: it may bring it only where spec.inbound.from names it",
            inbound.touchpoint
        );
        return Err((Reason::NotFrom, detail));
    }
    if let Some(detail) = violation(inbound, incoming) {
        return Err((Reason::SchemaViolation, detail));
    }
    let time = incoming.time.unwrap_or(now).min(now);
    let source = format!("{adapter}/{}", incoming.source.expose());
    let key = keys.event(&intake.namespace, &source, incoming.id.expose());
    let Some(customer) = &inbound.customer else {
        return Ok(Offer::News(Box::new(News {
            key,
            id: incoming.id.clone(),
            name: inbound.touchpoint.clone(),
            time,
            data: incoming.data.clone(),
            listeners: view.listening(&inbound.touchpoint),
        })));
    };
    let no_customer = || {
        let detail = format!(
            "spec.inbound.customer of Touchpoint {} has no value in this event",
            inbound.touchpoint
        );
        (Reason::NoCustomer, detail)
    };
    let value = |of: &expression::Program| identifier(inbound, of, incoming, time, now);
    let identifier = value(customer).ok_or_else(no_customer)?;
    let mut known_as = vec![];
    for (of, kind) in &inbound.also_known_as {
        let Some(other) = value(of) else { continue };
        if public && kind != ANONYMOUS {
            let detail = format!(
                "spec.inbound.alsoKnownAs of Touchpoint {} names another {kind}, and a public key may join anonymous ids only; \
                 send it by an adapter whose key is secret",
                inbound.touchpoint
            );
            return Err((Reason::MayNotJoin, detail));
        }
        known_as.push(Identifier {
            key: keys.customer(&intake.namespace, kind, &other),
            id: other.into(),
            anonymous: kind == ANONYMOUS,
        });
    }
    let (mut said, unreadable) = consent::says(&intake.signals, &incoming.signals);
    let mut data = incoming.data.clone();
    if let Some(reply) = &inbound.reply {
        let record = learn::record_of_event(inbound, &reply.text, incoming.id.expose(), time, data.expose(), now);
        said.extend(signals::of_reply(reply, &record, data.expose_mut(), public));
    }
    Ok(Offer::Arrival(Box::new(Arrival {
        key,
        id: incoming.id.clone(),
        name: inbound.touchpoint.clone(),
        customer: keys.customer(&intake.namespace, &inbound.identifier, &identifier),
        customer_id: Some(identifier.into()),
        anonymous: inbound.identifier == ANONYMOUS,
        known_as,
        time,
        data,
        said,
        unreadable,
        about: None,
        listeners: view.listening(&inbound.touchpoint),
        suppresses: None,
    })))
}

fn identifier(
    inbound: &Inbound,
    of: &expression::Program,
    incoming: &Incoming,
    time: Micros,
    now: Micros,
) -> Option<String> {
    let record = learn::record_of_event(inbound, of, incoming.id.expose(), time, incoming.data.expose(), now);
    let value = match of.eval(&record).ok()? {
        Val::Text(text) => text.into_owned(),
        Val::Int(number) => number.to_string(),
        Val::Bool(_) | Val::Number(_) | Val::Instant(_) | Val::Duration(_) | Val::List(_) | Val::Object(_) => {
            return None;
        }
    };
    (!value.trim().is_empty() && value.len() <= IDENTIFIER_LIMIT).then_some(value)
}

/// The first rule of the schema that the data breaks, and where; no value of the data is named, nor a name that only the data has.
fn violation(inbound: &Inbound, incoming: &Incoming) -> Option<String> {
    let schema = inbound.schema.as_ref()?;
    let data = serde_json::Value::Object(incoming.data.expose().clone());
    let error = schema.iter_errors(&data).next()?;
    let rule_path = error.schema_path().as_str().to_owned();
    let rule = rule_path.rsplit('/').next().unwrap_or_default();
    let known: Vec<&str> = rule_path.split('/').collect();
    let place: String = error
        .instance_path()
        .as_str()
        .split('/')
        .skip(1)
        .map(|part| {
            let told = known.contains(&part) || part.bytes().all(|byte| byte.is_ascii_digit());
            format!("/{}", if told { part } else { "*" })
        })
        .collect();
    let place = if place.is_empty() { "the data".to_owned() } else { place };
    let missing = match error.kind() {
        ValidationErrorKind::Required { property } => format!(": {property} is missing"),
        _ => String::new(),
    };
    let detail = format!(
        "{place} breaks the rule {rule} at {rule_path} of Touchpoint {}'s schema{missing}",
        inbound.touchpoint
    );
    Some(detail.chars().take(500).collect())
}
