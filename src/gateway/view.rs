//! What requests are answered by: the namespace's programs as the store has them, compiled. Looked for every second and swapped as a whole;
//! settings that cannot be read leave the last good ones in place.

use super::{Gateway, write_key::WriteKeys};
use crate::{
    compile::{self, Inbound, Intake, Manifests},
    policy::EffectivePolicy,
    status_server::Flag,
    store::{NamespacePrograms, StoredJourney},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Arc, PoisonError},
    time::Duration,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long a gateway is believed to be there after it said so, and how often it says so while nothing changes.
const ATTENDS: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_secs(20);
/// How long a new program or write key may take to be seen.
const REFRESH: Duration = Duration::from_secs(1);

/// The compiled programs of a namespace.
#[derive(Debug, Default)]
pub struct View {
    pub version: i64,
    pub intake: Intake,
    /// The names of events, as signals call them, to the journeys that listen: what nobody listens for costs nothing.
    pub listeners: BTreeMap<String, Vec<String>>,
    /// Inbound touchpoints by their own names.
    pub touchpoints: BTreeMap<String, Arc<Inbound>>,
    /// What may be shown of each journey that runs; one that is not here shows nothing.
    pub shows: BTreeMap<String, EffectivePolicy>,
    /// By which channels messages of each purpose go out, in any journey that runs.
    pub channels: BTreeMap<String, BTreeSet<String>>,
    /// Hash of the policies that it is shown by.
    pub policies: String,
}

impl View {
    pub fn new(version: i64, intake: Intake, journeys: &[StoredJourney]) -> Self {
        let mut listeners: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for StoredJourney {
            row,
            stopped,
            current: _,
        } in journeys
        {
            if !stopped {
                for event in &row.listens {
                    listeners.entry(event.clone()).or_default().insert(row.journey.clone());
                }
            }
        }
        let touchpoints = intake
            .inbound
            .values()
            .map(|inbound| (inbound.touchpoint.clone(), Arc::clone(inbound)))
            .collect();
        let listeners = listeners
            .into_iter()
            .map(|(event, journeys)| (event, journeys.into_iter().collect()))
            .collect();
        Self {
            version,
            intake,
            listeners,
            touchpoints,
            shows: BTreeMap::new(),
            channels: BTreeMap::new(),
            policies: String::new(),
        }
    }

    /// Compiles what the store has. The error says why the settings cannot be read; diagnostics of single touchpoints are warnings here,
    /// because the operator tells them to their owners.
    pub fn of_programs(programs: &NamespacePrograms) -> Result<Self, serde_json::Error> {
        let manifests = read_settings(programs)?;
        let (intake, diagnostics) = compile::intake(&manifests);
        for diagnostic in diagnostics {
            tracing::warn!(
                kind = diagnostic.object.kind,
                name = diagnostic.object.name,
                path = diagnostic.path,
                "left out: {}",
                diagnostic.message
            );
        }
        let mut view = Self::new(programs.version, intake, &programs.journeys);
        view.policies = compile::policies_hash(&manifests);
        for stored in programs.journeys.iter().filter(|one| one.current && !one.stopped) {
            // Without its labels nobody knows which policies select it: then it shows nothing.
            let Ok(pinned) = serde_json::from_value::<Manifests>(stored.row.body.clone()) else {
                continue;
            };
            for spec in pinned.touchpoints.values() {
                if let Some(outbound) = &spec.outbound {
                    let channels = view.channels.entry(outbound.purpose.to_string()).or_default();
                    channels.insert(spec.channel.to_string());
                }
            }
            let name = &stored.row.journey;
            if let Some(policy) = compile::policy(&manifests, &pinned, name).filter(|_| !stored.row.suspended) {
                view.shows.insert(name.clone(), policy);
            }
        }
        Ok(view)
    }

    pub fn listening(&self, event: &str) -> Vec<String> {
        self.listeners.get(event).cloned().unwrap_or_default()
    }
}

/// The manifests that a namespace's runners and gateway share; none were ever put: empty ones.
pub fn read_settings(programs: &NamespacePrograms) -> Result<Manifests, serde_json::Error> {
    programs
        .settings
        .clone()
        .map_or_else(|| Ok(Manifests::default()), serde_json::from_value)
}

/// Keeps the view and the write keys fresh until `shutdown`.
pub async fn refresh(
    gateway: Arc<Gateway>,
    secrets: PathBuf,
    programs: Flag,
    reachable: Flag,
    shutdown: CancellationToken,
) {
    let mut tick = tokio::time::interval(REFRESH);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told = Told::default();
    let mut attendance = Attendance::new(Uuid::new_v4());
    loop {
        tokio::select! {
            () = shutdown.cancelled() => {
                attendance.end(&gateway).await;
                return;
            }
            _ = tick.tick() => {}
        }
        refresh_programs(&gateway, &reachable, &mut told).await;
        let view = gateway.view();
        if view.version == 0 {
            continue;
        }
        let known = gateway.write_keys();
        let keys = WriteKeys::read(&secrets, &view.intake.sources, &gateway.keys, &known).await;
        *gateway.write_keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        programs.up();
        attendance.say(&gateway, &view).await;
    }
}

/// By which policies this gateway answers, as the store was told.
struct Attendance {
    owner: Uuid,
    said: Option<(String, Instant)>,
}

impl Attendance {
    fn new(owner: Uuid) -> Self {
        Self { owner, said: None }
    }

    /// Tells the store when it is another policy than before, and now and then that it is still here. What does not arrive is said again.
    async fn say(&mut self, gateway: &Gateway, view: &View) {
        let policy = &view.policies;
        let fresh = |(said, at): &(String, Instant)| said == policy && at.elapsed() < AGAIN;
        if self.said.as_ref().is_some_and(fresh) {
            return;
        }
        let said = gateway.store.attend(&gateway.namespace, self.owner, policy, ATTENDS);
        match said.await {
            Ok(()) => self.said = Some((policy.clone(), Instant::now())),
            Err(error) => tracing::debug!("the store was not told by which policies this gateway answers: {error}"),
        }
    }

    /// It goes. Where that does not arrive, its registration ends by itself.
    async fn end(&self, gateway: &Gateway) {
        if self.said.is_some()
            && let Err(error) = gateway.store.depart(&gateway.namespace, self.owner).await
        {
            tracing::debug!("the store was not told that this gateway ends: {error}");
        }
    }
}

/// What has been said already, so that a lasting fault is one line in the log and not one a second.
#[derive(Debug, Default)]
struct Told {
    away: bool,
    unreadable: Option<i64>,
}

async fn refresh_programs(gateway: &Gateway, reachable: &Flag, told: &mut Told) {
    let known = gateway.view().version;
    let found = match gateway.store.programs(&gateway.namespace, known).await {
        Ok(found) => found,
        Err(error) => {
            if !std::mem::replace(&mut told.away, true) {
                tracing::warn!("programs cannot be read: {error}");
            }
            reachable.down("the store is not available");
            return;
        }
    };
    reachable.up();
    if std::mem::take(&mut told.away) {
        tracing::info!("the store answers again");
    }
    let Some(found) = found else { return };
    match View::of_programs(&found) {
        Ok(view) => {
            tracing::info!(
                version = view.version,
                touchpoints = view.touchpoints.len(),
                "programs refreshed"
            );
            gateway.adopt(view);
        }
        // The message of serde may repeat a value; its place is enough to find the fault.
        Err(error) if told.unreadable != Some(found.version) => {
            told.unreadable = Some(found.version);
            tracing::error!(
                version = found.version,
                line = error.line(),
                "the settings cannot be read; the last good ones stay"
            );
        }
        Err(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::JourneyRow;

    fn stored(journey: &str, revision: &str, listens: &[&str], current: bool, stopped: bool) -> StoredJourney {
        let row = JourneyRow {
            journey: journey.into(),
            revision: revision.into(),
            suspended: false,
            listens: listens.iter().map(|name| (*name).to_owned()).collect(),
            body: serde_json::Value::Null,
        };
        StoredJourney { row, current, stopped }
    }

    #[test]
    fn old_revisions_still_listen_and_stopped_journeys_do_not() {
        let journeys = [
            stored("carts", "b", &["cart-updated", "order-placed"], true, false),
            stored("carts", "a", &["cart-updated", "cart-reminder/clicked"], false, false),
            stored("gone", "a", &["cart-updated"], true, true),
            stored("welcome", "a", &["order-placed"], true, false),
        ];
        let view = View::new(1, Intake::default(), &journeys);
        assert_eq!(view.listening("cart-updated"), ["carts"]);
        assert_eq!(view.listening("cart-reminder/clicked"), ["carts"]);
        assert_eq!(view.listening("order-placed"), ["carts", "welcome"]);
        assert!(view.listening("unheard").is_empty());
    }

    #[test]
    fn cards_are_shown_of_journeys_that_run_and_of_no_others() {
        let mut manifests = Manifests::default();
        let text = "apiVersion: journey.dev/v1alpha1\nkind: Journey\nmetadata: {name: carts}\nspec:\n  \
                    entry: {triggers: [{event: seen}]}\n  steps: [{name: wait, wait: {for: 1d}}]";
        manifests.read(text, "carts.yaml").unwrap();
        let shown = |suspended, stopped| {
            let mut one = stored("carts", "a", &[], true, stopped);
            (one.row.suspended, one.row.body) = (suspended, serde_json::to_value(&manifests).unwrap());
            let programs = NamespacePrograms {
                journeys: vec![one],
                ..NamespacePrograms::default()
            };
            View::of_programs(&programs).unwrap().shows.contains_key("carts")
        };
        assert!(shown(false, false));
        assert!(!shown(true, false), "suspended: nothing is said");
        assert!(!shown(false, true));
    }
}
