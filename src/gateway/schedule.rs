//! What happens by the clock. Any number of gateways ask the store together; each instant is announced once.

use super::{Gateway, incoming::instant_text, view::View};
use crate::{
    clock::Micros,
    keys::Keys,
    personal::Personal,
    store::{News, Store, StoreError, Tick},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How exactly a schedule is kept. The store is asked only when one has come by the gateway's own clock.
const LOOK: Duration = Duration::from_millis(100);
/// How often the store is asked all the same: clocks may differ.
const ASK: Duration = Duration::from_secs(60);
/// After the store was away.
const RETRY: Duration = Duration::from_secs(1);

/// Announces what has come by the schedules of the view, and gives when the next one comes.
///
/// # Errors
/// The store is away: nothing was announced.
pub async fn strike(
    store: &dyn Store,
    keys: &Keys,
    namespace: &str,
    view: &View,
) -> Result<Option<Micros>, StoreError> {
    let schedules: BTreeMap<String, String> = view
        .intake
        .schedules
        .iter()
        .map(|(touchpoint, schedule)| (touchpoint.clone(), schedule.rule.clone()))
        .collect();
    let due = |touchpoint: &str, since: Micros, now: Micros| match view.intake.schedules.get(touchpoint) {
        Some(schedule) => Tick {
            news: schedule
                .last(since, now)
                .map(|at| news(view, keys, namespace, touchpoint, at)),
            next: schedule.next(now),
        },
        None => Tick::default(),
    };
    store.strike(namespace, &schedules, &due).await
}

fn news(view: &View, keys: &Keys, namespace: &str, touchpoint: &str, at: Micros) -> News {
    let id = format!("{touchpoint}/{}", instant_text(at));
    News {
        key: keys.event(namespace, "schedule", &id),
        id: id.into(),
        name: touchpoint.to_owned(),
        time: at,
        data: Personal::default(),
        listeners: view.listening(touchpoint),
    }
}

/// Keeps the schedules until `shutdown`.
pub(super) async fn run(gateway: Arc<Gateway>, shutdown: CancellationToken) {
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut seen: Option<(i64, Option<Micros>, Instant)> = None;
    let mut away: Option<Instant> = None;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = tick.tick() => {}
        }
        let view = gateway.view();
        let now = gateway.clock.now();
        let known = seen.filter(|(version, ..)| *version == view.version);
        let rests = known.is_some_and(|(_, next, asked)| match next {
            _ if view.intake.schedules.is_empty() => true,
            Some(next) => next > now && asked.elapsed() < ASK,
            None => asked.elapsed() < ASK,
        });
        if view.version == 0 || rests || away.is_some_and(|since| since.elapsed() < RETRY) {
            continue;
        }
        match strike(&*gateway.store, &gateway.keys, &gateway.namespace, &view).await {
            Ok(next) => {
                seen = Some((view.version, next, Instant::now()));
                away = None;
            }
            Err(error) => {
                if away.replace(Instant::now()).is_none() {
                    tracing::warn!("schedules are not kept: {error}");
                }
            }
        }
    }
}
