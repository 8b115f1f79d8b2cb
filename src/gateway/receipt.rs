//! What a provider says became of a message: a CloudEvent of the type `dev.journey.receipt`, brought by an adapter whose key is not public. Its
//! data name the message by its idempotency key and say what happened; it becomes the event TOUCHPOINT/bounced or the like, which reaches only
//! the enrollment that sent the message. Duplicates are found as those of other events, by `id` and `source`.

use super::{
    incoming::{Incoming, Offered},
    offer::{Offer, Reason, aside},
    signals,
    view::View,
};
use crate::{
    clock::Micros,
    consent::{Keyword, Said, Word},
    engine::state::{About, Outcome, Properties},
    keys::{Keys, MessageKey},
    policy::Suppression,
    store::{Arrival, MessageRow, Store, StoreError, Suppressed},
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use std::collections::{BTreeMap, BTreeSet};

/// The type of such events.
pub const TYPE: &str = "dev.journey.receipt";
/// What a message may have become, by a provider's word.
pub const BECAME: [&str; 5] = ["delivered", "bounced", "opened", "replied", "complained"];
/// Characters of a reason and of a reply; the rest is cut off.
const REASON: usize = 512;
const TEXT: usize = 4_096;
/// Messages looked up at a time.
const AT_ONCE: usize = 16;

/// The messages that receipts name.
pub type Messages = BTreeMap<MessageKey, MessageRow>;

/// Looks up the messages that the receipts among these events name.
pub async fn messages(store: &dyn Store, namespace: &str, events: &[Offered]) -> Result<Messages, StoreError> {
    let keys: BTreeSet<MessageKey> = events
        .iter()
        .filter_map(|event| event.as_ref().ok().filter(|incoming| incoming.name == TYPE))
        .filter_map(named)
        .collect();
    let found: Vec<Option<MessageRow>> = stream::iter(keys)
        .map(|key| store.message(namespace, key))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(found.into_iter().flatten().map(|row| (row.key, row)).collect())
}

/// A receipt, judged.
pub fn offer(view: &View, keys: &Keys, adapter: &str, incoming: Incoming, known: &Messages, now: Micros) -> Offer {
    match judge(view, keys, adapter, &incoming, known, now) {
        Ok(arrival) => Offer::Arrival(Box::new(arrival)),
        Err((reason, detail)) => aside(
            adapter,
            reason,
            detail.to_owned(),
            incoming.cloud_event(now).into(),
            now,
        ),
    }
}

fn judge(
    view: &View,
    keys: &Keys,
    adapter: &str,
    incoming: &Incoming,
    known: &Messages,
    now: Micros,
) -> Result<Arrival, (Reason, &'static str)> {
    let sources = &view.intake.sources;
    if sources.get(adapter).is_none_or(|source| source.public) {
        return Err((
            Reason::NotFrom,
            "a receipt is taken only by an http adapter that is not public: anybody could send it with a public key",
        ));
    }
    let data = incoming.data.expose();
    let text = |name: &str| data.get(name).and_then(serde_json::Value::as_str);
    let became = text("event").and_then(|event| BECAME.into_iter().find(|known| *known == event));
    let became = became.ok_or((
        Reason::SchemaViolation,
        "data.event is one of delivered, bounced, opened, replied, complained",
    ))?;
    let key = named(incoming).ok_or((
        Reason::SchemaViolation,
        "data.message is the idempotency key of a message: 32 hexadecimal digits",
    ))?;
    let kept = kept(became, data).ok_or((Reason::SchemaViolation, "data.kind of a bounce is Hard or Soft"))?;
    // One that was skipped never went out: nothing can have become of it.
    let message = known
        .get(&key)
        .filter(|message| !matches!(message.outcome, Some(Outcome::Skipped(_))));
    let message = message.ok_or((
        Reason::UnknownMessage,
        "no message of this namespace that went out has the key of data.message",
    ))?;
    let name = format!("{}/{became}", message.touchpoint);
    let (about, listeners) = about(view, message, &name);
    let source = format!("{adapter}/{}", incoming.source.expose());
    let id = incoming.id.expose().clone();
    let key = keys.event(&view.intake.namespace, &source, &id);
    let time = incoming.time.unwrap_or(now).min(now);
    let suppresses = suppression(became, &kept)
        .zip(message.address)
        .map(|(why, address)| Suppressed {
            address,
            why,
            source: format!("{adapter}: {name}"),
            at: now,
        });
    Ok(Arrival {
        said: said(view, message, became, &kept),
        data: kept.into(),
        about: Some(about),
        listeners,
        suppresses,
        ..Arrival::of_known(key, id, name, message.customer, time)
    })
}

/// Why the address gets nothing from now on; None: nothing speaks against it. A bounce that may pass is none.
fn suppression(became: &str, kept: &Properties) -> Option<Suppression> {
    let is_hard = || kept.get("kind").and_then(serde_json::Value::as_str) == Some("Hard");
    match became {
        "complained" => Some(Suppression::Objected),
        "bounced" if is_hard() => Some(Suppression::Undeliverable),
        _ => None,
    }
}

/// What the customer says by it: a complaint withdraws from the message's purpose where it came, a reply that is a word such as STOP from
/// all that can be refused there.
fn said(view: &View, message: &MessageRow, became: &str, kept: &Properties) -> Vec<Said> {
    match became {
        "complained" => vec![Said {
            purpose: message.purpose.clone(),
            channel: Some(message.channel.clone()),
            word: Word::Withdrawn,
        }],
        "replied" => {
            let text = kept.get("text").and_then(serde_json::Value::as_str);
            let keyword = text.and_then(Keyword::of);
            signals::of_keyword(keyword, &view.intake.refusable, &message.channel)
        }
        _ => vec![],
    }
}

/// What an event about a message says of it, and who hears: the journey that sent it, if it listens.
pub fn about(view: &View, message: &MessageRow, event: &str) -> (About, Vec<String>) {
    let listeners = view.listening(event).into_iter();
    let about = About {
        journey: message.journey.clone(),
        enrollment: message.enrollment,
        step: message.step.clone(),
        occurrence: message.occurrence,
    };
    (about, listeners.filter(|journey| *journey == message.journey).collect())
}

fn named(incoming: &Incoming) -> Option<MessageKey> {
    MessageKey::read(incoming.data.expose().get("message")?.as_str()?)
}

/// What is kept of the data; None: a bounce of an unknown kind.
fn kept(became: &str, data: &Properties) -> Option<Properties> {
    let mut kept = Properties::new();
    let mut keep = |name: &str, most: usize| {
        if let Some(text) = data.get(name).and_then(serde_json::Value::as_str) {
            let cut: String = text.chars().take(most).collect();
            kept.insert(name.to_owned(), cut.into());
        }
    };
    keep("reason", REASON);
    match became {
        "bounced" => keep("kind", 5),
        "replied" => keep("text", TEXT),
        _ => {}
    }
    let kind = kept.get("kind").and_then(serde_json::Value::as_str);
    matches!(kind, None | Some("Hard" | "Soft")).then_some(kept)
}
