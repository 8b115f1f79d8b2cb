//! Status: compared, then written, conditions and observedGeneration in one write; nothing is written when nothing changed. A condition that
//! turns is also an Event.

use super::{
    apply::MANAGER,
    cache::Guarded,
    condition::shorten,
    context::Context,
    error::Error,
    reason::Subject,
    unit::{Declared, Unit},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use kube::{
    Api,
    api::{Patch, PatchParams},
    runtime::events::{Event, EventType},
};
use serde_json::{Value, json};
use std::{collections::HashMap, sync::Mutex};

/// Bytes of an Event's note at most: the API server takes 1,024.
const LONGEST_NOTE: usize = 1_000;

/// What was written last, until the watch shows it.
#[derive(Debug, Default)]
pub struct Written(Mutex<HashMap<Unit, Memo>>);

#[derive(Debug, Clone)]
struct Memo {
    /// The version of the object that was in the cache at the write: while the cache has not moved on, it is out of date.
    seen: Option<String>,
    before: Before,
}

/// The status as it stands.
#[derive(Debug, Clone, Default)]
pub struct Before {
    pub status: Option<Value>,
    pub conditions: Vec<Condition>,
}

impl Written {
    pub fn forget(&self, unit: &Unit) {
        self.lock().remove(unit);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Unit, Memo>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The status as it stands: by the watch, or by our own last write where the watch has not shown it yet.
pub fn before<K: Declared>(context: &Context, unit: &Unit, object: &K) -> Before {
    let written = context.written.lock();
    match written.get(unit) {
        Some(memo) if memo.seen == object.meta().resource_version => memo.before.clone(),
        Some(_) | None => Before {
            status: object.written(),
            conditions: object.conditions().to_vec(),
        },
    }
}

/// The same for an object that does not parse: only what this process wrote is known.
pub fn before_unread(context: &Context, unit: &Unit) -> Before {
    context
        .written
        .lock()
        .get(unit)
        .map(|memo| memo.before.clone())
        .unwrap_or_default()
}

/// Writes `status`, which holds `conditions`, when it says something new.
pub async fn write<K: Declared>(
    context: &Context,
    unit: &Unit,
    meta: &ObjectMeta,
    before: &Before,
    status: Value,
    conditions: &[Condition],
) -> Result<(), Error> {
    if before.status.as_ref().map(ours) == Some(ours(&status)) {
        return Ok(());
    }
    let name = meta.name.clone().unwrap_or_default();
    let api = Api::<Guarded<K>>::namespaced(context.client.clone(), &unit.namespace);
    let patch =
        json!({"apiVersion": K::api_version(&()), "kind": K::kind(&()), "metadata": {"name": name}, "status": status});
    let (how, patch) = (PatchParams::apply(MANAGER).force(), Patch::Apply(&patch));
    match context.call(api.patch_status(&name, &how, &patch)).await {
        Ok(_) => {}
        // It went meanwhile: nobody is left to be told.
        Err(error) if error.is_not_found() => return Ok(()),
        Err(error) => return Err(error),
    }
    context.metrics.status_writes.inc();
    let memo = Memo {
        seen: meta.resource_version.clone(),
        before: Before {
            status: Some(status),
            conditions: conditions.to_vec(),
        },
    };
    context.written.lock().insert(unit.clone(), memo);
    tell::<K>(context, meta, &before.conditions, conditions).await;
    Ok(())
}

/// The part of a status that is ours, in an order that does not matter.
fn ours(status: &Value) -> Value {
    let mut status = status.clone();
    for (list, key) in [("conditions", "type"), ("kpis", "name")] {
        if let Some(entries) = status.get_mut(list).and_then(Value::as_array_mut) {
            if list == "conditions" {
                entries.retain(|c| {
                    Subject::ALL
                        .iter()
                        .any(|subject| c.get("type").and_then(Value::as_str) == Some(subject.name()))
                });
            }
            entries.sort_by_key(|entry| entry.get(key).and_then(Value::as_str).map(str::to_owned));
        }
    }
    status
}

/// An Event for each condition that turned.
async fn tell<K: Declared>(context: &Context, meta: &ObjectMeta, before: &[Condition], after: &[Condition]) {
    for condition in turned(before, after) {
        let bad = if condition.type_ == Subject::Conflicted.name() {
            "True"
        } else {
            "False"
        };
        let warning = condition.status == bad || condition.type_ == Subject::Stalled.name();
        let event = Event {
            type_: if warning { EventType::Warning } else { EventType::Normal },
            reason: condition.reason.clone(),
            note: Some(shorten(
                format!("{} is {}: {}", condition.type_, condition.status, condition.message),
                LONGEST_NOTE,
            )),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        let about = k8s_openapi::api::core::v1::ObjectReference {
            api_version: Some(K::api_version(&()).into_owned()),
            kind: Some(K::kind(&()).into_owned()),
            name: meta.name.clone(),
            namespace: meta.namespace.clone(),
            uid: meta.uid.clone(),
            ..Default::default()
        };
        if let Err(error) = context.call(context.recorder.publish(&event, &about)).await {
            tracing::debug!(%error, "an Event was not written");
        }
    }
}

/// Conditions worth an Event: those whose status changed, and mistakes on first sight. Kstatus's two only repeat the others.
fn turned<'a>(before: &'a [Condition], after: &'a [Condition]) -> impl Iterator<Item = &'a Condition> {
    let quiet = [
        Subject::Reconciling.name(),
        Subject::Stalled.name(),
        Subject::RunnerAvailable.name(),
    ];
    let mistakes = [
        Subject::Accepted.name(),
        Subject::ResolvedRefs.name(),
        Subject::PolicyCompliant.name(),
    ];
    after.iter().filter(move |now| {
        if quiet.contains(&now.type_.as_str()) {
            return false;
        }
        match before.iter().find(|known| known.type_ == now.type_) {
            Some(known) => known.status != now.status,
            None if now.type_ == Subject::Conflicted.name() => now.status == "True",
            None => now.status == "False" && mistakes.contains(&now.type_.as_str()),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::{
        condition::{Truth, Verdict, conditions},
        reason::Reason,
    };

    fn say(subject: Subject, truth: Truth) -> Vec<Condition> {
        conditions(&[], &[Verdict::new(subject, truth, Reason::Ready, "")], Some(1), 0)
    }

    #[test]
    fn conditions_of_others_and_their_order_make_no_write() {
        let mine = json!({"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True"}, {"type": "Accepted", "status": "True"}]});
        let theirs = json!({"observedGeneration": 1, "conditions": [
            {"type": "Accepted", "status": "True"}, {"type": "example.com/Reviewed", "status": "True"}, {"type": "Ready", "status": "True"}]});
        assert_eq!(ours(&mine), ours(&theirs));
        assert_ne!(
            ours(&mine),
            ours(&json!({"observedGeneration": 2, "conditions": mine["conditions"]}))
        );
    }

    #[test]
    fn an_event_is_made_when_a_condition_turns_and_for_mistakes_at_once() {
        let count = |before: &[Condition], after: &[Condition]| turned(before, after).count();
        let (good, bad) = (say(Subject::Ready, Truth::True), say(Subject::Ready, Truth::False));
        assert_eq!(count(&good, &bad), 1);
        assert_eq!(count(&good, &good), 0);
        assert_eq!(count(&[], &bad), 0, "not ready at first is how everything begins");
        assert_eq!(count(&[], &say(Subject::Accepted, Truth::False)), 1);
        assert_eq!(count(&[], &say(Subject::Stalled, Truth::True)), 0);
    }
}
