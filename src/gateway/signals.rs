//! Where signals of consent come in: extension attributes of CloudEvents, the context of Segment calls, the header of browsers, and what
//! customers answer.

use super::{incoming::Offered, view::View};
use crate::{
    compile::{KEYWORD, Reply},
    consent::{Keyword, Said, Signals, Word},
    engine::state::Properties,
    expression::{Record, Val},
};
use axum::http::HeaderMap;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Extension attributes of CloudEvents, which are lower-case letters and digits.
const TCF: &str = "tcstring";
const GPP: &str = "gppstring";
const GPC: &str = "gpc";
const CATEGORIES: &str = "consentcategories";

/// Of an extension attribute that is not what it must be, so that it is counted with what cannot be read.
const NOTHING_READABLE: &str = "?";

/// Signals in extension attributes: whatever they are, the event is taken.
pub fn of_extensions(attribute: impl Fn(&str) -> Option<Value>) -> Signals {
    let categories = attribute(CATEGORIES)
        .filter(is_said)
        .map(|categories| match categories {
            Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
            other => other,
        });
    Signals {
        categories: categories.map(Into::into),
        tcf: attribute(TCF).and_then(text).map(Into::into),
        gpp: attribute(GPP).and_then(text).map(Into::into),
        gpc: attribute(GPC).is_some_and(|value| is_on(&value)),
    }
}

/// The text of an extension in a header; None: it is not percent-encoded UTF-8.
pub fn of_header(text: Option<String>) -> Value {
    Value::String(text.unwrap_or_else(|| NOTHING_READABLE.to_owned()))
}

/// As extension attributes, for an event that is put aside: read again they are the same.
pub fn extensions(signals: &Signals) -> Vec<(&'static str, Value)> {
    let Signals {
        categories,
        tcf,
        gpp,
        gpc,
    } = signals;
    let categories = categories.as_ref().map(|told| Value::String(told.expose().to_string()));
    let text =
        |text: &Option<crate::personal::Personal<String>>| text.as_ref().map(|text| text.expose().as_str().into());
    let all = [
        (CATEGORIES, categories),
        (TCF, text(tcf)),
        (GPP, text(gpp)),
        (GPC, gpc.then_some(Value::Bool(true))),
    ];
    all.into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

/// Signals in the context of a Segment call. Segment's own SDKs write `consent`, RudderStack's `consentManagement`; no SDK writes `tcf`, `gpp`
/// and `gpc`, which a plugin or a server adds.
pub fn of_context(context: Option<&Value>) -> Signals {
    let said = |name: &str| {
        context
            .and_then(|context| context.get(name))
            .filter(|value| is_said(value))
            .cloned()
    };
    Signals {
        categories: both(said("consent"), said("consentManagement")).map(Into::into),
        tcf: said("tcf").and_then(text).map(Into::into),
        gpp: said("gpp").and_then(text).map(Into::into),
        gpc: said("gpc").is_some_and(|value| is_on(&value)),
    }
}

/// A call's own signals, and where it has none those around it.
pub fn within(own: Signals, around: &Signals) -> Signals {
    Signals {
        categories: own.categories.or_else(|| around.categories.clone()),
        tcf: own.tcf.or_else(|| around.tcf.clone()),
        gpp: own.gpp.or_else(|| around.gpp.clone()),
        gpc: own.gpc || around.gpc,
    }
}

/// The members of both: they have none in common.
fn both(one: Option<Value>, other: Option<Value>) -> Option<Value> {
    match (one, other) {
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            Some(Value::Object(one.into_iter().chain(other).collect::<Map<_, _>>()))
        }
        (one, other) => one.or(other),
    }
}

/// Global Privacy Control of a browser (<https://w3c.github.io/gpc/>, 3.2): it speaks for the customer of each event of its request. A server's
/// request is no browser's; it passes on what a browser told it with the event.
pub fn of_browser(view: &View, adapter: &str, headers: &HeaderMap, events: &mut [Offered]) {
    let is_on = headers.get("sec-gpc").is_some_and(|value| value.as_bytes() == b"1");
    if is_on && view.intake.sources.get(adapter).is_some_and(|source| source.public) {
        for event in events.iter_mut().flatten() {
            event.signals.gpc = true;
        }
    }
}

/// What a customer says by an answer; which word it is becomes a property of the event, and nothing else can. With a public key anybody could
/// take somebody's no back: it may only say no.
pub fn of_reply(reply: &Reply, record: &Record, data: &mut Properties, is_public: bool) -> Vec<Said> {
    let keyword = match reply.text.eval(record) {
        Ok(Val::Text(text)) => Keyword::of(&text),
        Ok(_) | Err(_) => None,
    };
    data.shift_remove(KEYWORD);
    if let Some(keyword) = keyword {
        data.insert(KEYWORD.to_owned(), keyword.name().into());
    }
    let believed = keyword.filter(|keyword| !is_public || *keyword != Keyword::Start);
    of_keyword(believed, &reply.purposes, &reply.channel)
}

/// What a word says of purposes on the channel where it was written.
pub fn of_keyword(keyword: Option<Keyword>, purposes: &BTreeSet<String>, channel: &str) -> Vec<Said> {
    let word = match keyword {
        Some(Keyword::Stop) => Word::Withdrawn,
        Some(Keyword::Start) => Word::Again,
        Some(Keyword::Help) | None => return vec![],
    };
    let said = |purpose: &String| Said {
        purpose: purpose.clone(),
        channel: Some(channel.to_owned()),
        word,
    };
    purposes.iter().map(said).collect()
}

/// Null and an empty text are as good as nothing.
fn is_said(value: &Value) -> bool {
    !value.is_null() && value.as_str() != Some("")
}

/// What is no text is read as one that says nothing readable.
fn text(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => (!text.is_empty()).then_some(text),
        _ => Some(NOTHING_READABLE.to_owned()),
    }
}

fn is_on(value: &Value) -> bool {
    match value {
        Value::Bool(on) => *on,
        Value::String(text) => text == "1" || text.eq_ignore_ascii_case("true"),
        other => other.as_i64() == Some(1),
    }
}
