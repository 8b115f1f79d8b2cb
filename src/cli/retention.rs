//! Rotation and retention in the operator's process: whichever of its replicas comes first does it, under the store's lock.

use crate::{
    clock::DAY,
    compile::{self, Manifests},
    expression::time::duration,
    policy::Retention,
    store::{self, Forgotten, Keep, Keeps, Shorter, postgres::Postgres},
};
use prometheus_client::{
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use std::{sync::Arc, time::Duration};

/// How long what is kept is kept.
#[derive(Debug, Clone, clap::Args)]
pub struct RetentionArgs {
    /// Events, and with them how long a repetition is known for one; whole days
    #[arg(long, env = "JOURNEY_KEEP_EVENTS", default_value = "90d", value_parser = days)]
    keep_events: i64,
    /// What became of messages, and what caps count twice as long; links in older ones lead nowhere
    #[arg(long, env = "JOURNEY_KEEP_MESSAGES", default_value = "400d", value_parser = days)]
    keep_messages: i64,
    /// Enrollments that have ended, once goals, cooldown and reentry.max look at them no more
    #[arg(long, env = "JOURNEY_KEEP_ENROLLMENTS", default_value = "400d", value_parser = days)]
    keep_enrollments: i64,
    /// What was put aside and not replayed
    #[arg(long, env = "JOURNEY_KEEP_QUARANTINE", default_value = "90d", value_parser = days)]
    keep_quarantine: i64,
}

impl RetentionArgs {
    pub fn keep(&self) -> Keep {
        Keep {
            events: self.keep_events,
            messages: self.keep_messages,
            contacts: self.keep_messages.saturating_mul(2),
            enrollments: self.keep_enrollments,
            quarantine: self.keep_quarantine,
            ..Keep::default()
        }
    }
}

/// From a day to a hundred years, in microseconds.
fn days(text: &str) -> Result<i64, String> {
    let length = duration(text).ok_or("a span is written like 90d")?;
    if (DAY..=36_500 * DAY).contains(&length) && length % DAY == 0 {
        Ok(length)
    } else {
        Err("whole days, from 1d to 36500d".to_owned())
    }
}

/// Between two looks at what is old. Partitions are made days ahead, so none is missed.
const EVERY: Duration = Duration::from_secs(6 * 3600);
/// After a failure (the schema is not there yet, a lock was not to be had), and where more is left.
const SOON: Duration = Duration::from_secs(60);

/// Runs for good.
pub async fn look_after(store: Arc<Postgres>, keep: Keep, forgotten: Rows) {
    loop {
        let forgotten_now = match shorter(&store).await {
            Ok(shorter) => store.forget(&keep, &shorter).await,
            Err(error) => Err(error),
        };
        let pause = match forgotten_now {
            Ok(Some(gone)) => {
                forgotten.add(&gone);
                if gone.more { SOON } else { EVERY }
            }
            // Another replica is at it.
            Ok(None) => EVERY,
            Err(error) => {
                tracing::info!(%error, "what is old was not forgotten now; it is tried again");
                SOON
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// How much shorter the policies of each namespace let its data be kept. Settings that this version cannot read shorten nothing now: the operator
/// of the version that wrote them does.
async fn shorter(store: &Postgres) -> store::Result<Shorter> {
    let mut all = Shorter::new();
    for (namespace, settings) in store.all_settings().await? {
        match serde_json::from_value::<Manifests>(settings) {
            Ok(manifests) => {
                all.insert(namespace, keeps(&compile::retention(&manifests)));
            }
            Err(error) => tracing::warn!(
                namespace,
                line = error.line(),
                "the settings cannot be read: its policies shorten no retention"
            ),
        }
    }
    all.retain(|_, keeps| *keeps != Keeps::default());
    Ok(all)
}

fn keeps(retention: &Retention) -> Keeps {
    let Retention {
        events,
        enrollments,
        messages,
        contacts,
    } = *retention;
    Keeps {
        events,
        messages,
        contacts,
        enrollments,
    }
}

/// What was forgotten, by kind.
#[derive(Debug, Clone, Default)]
pub struct Rows(Family<[(&'static str, &'static str); 1], Counter>);

impl Rows {
    pub fn register(registry: &mut Registry) -> Self {
        let rows = Self::default();
        registry.sub_registry_with_prefix("journey_operator").register(
            "forgotten",
            "What retention removed, by kind: days of the event log dropped whole, and rows",
            rows.0.clone(),
        );
        rows
    }

    fn add(&self, gone: &Forgotten) {
        let kinds = gone.by_kind();
        for (kind, n) in kinds {
            self.0.get_or_create(&[("kind", kind)]).inc_by(n);
        }
        if kinds.iter().any(|(_, n)| *n > 0) {
            let Forgotten {
                days,
                events,
                messages,
                contacts,
                enrollments,
                quarantine,
                counts,
                more,
            } = *gone;
            tracing::info!(
                days,
                events,
                messages,
                contacts,
                enrollments,
                quarantine,
                counts,
                more,
                "forgotten: what was kept long enough"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_whole_days() {
        assert_eq!(days("90d"), Ok(90 * DAY));
        assert_eq!(days("48h"), Ok(2 * DAY));
        for wrong in ["90", "", "36h", "0d", "-1d", "36501d"] {
            assert!(days(wrong).is_err(), "{wrong}");
        }
    }
}
