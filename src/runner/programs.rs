//! The compiled revisions of one journey, and the channels they speak through, kept as the store has them.

use super::{
    dispatch::Lanes,
    pump::ChannelOpener,
    turn::{Adapters, FIRST_SIGHT},
};
use crate::{
    channel::Reads,
    compile::{self, Manifests},
    engine::{Program, Programs},
    store::{Admissions, Current, JourneyRow, NamespacePrograms, Result, Room, Store, StoreError, SweepRequest},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Customers of one round that a sweep brings, at most: the rest is for those who have something to do now.
const SWEEP: u32 = 50;

/// What a runner runs by.
#[derive(Default, Clone)]
pub struct Loaded {
    pub version: i64,
    pub programs: Programs,
    /// Revisions that do not compile: their customers stay where they are.
    pub stuck: BTreeSet<String>,
    /// How the journey stands, also where its revision does not compile: rounds say so, and are told when it is not so any more.
    pub current: Option<Current>,
    /// Whether the store knows the journey and has not begun to delete it.
    pub alive: bool,
    /// Hash of the policies that hold for the journey, whether its revisions compile or not.
    pub policy: Option<String>,
    /// Regions in which those policies let it be run; None: anywhere.
    pub regions: Option<BTreeSet<String>>,
}

impl Loaded {
    /// Whether a pod that was placed in these regions may run it. None: it is not known where, and nobody asks (`journey dev`).
    pub fn may_run_in(&self, placed: Option<&BTreeSet<String>>) -> bool {
        match (&self.regions, placed) {
            (None, _) | (Some(_), None) => true,
            (Some(allowed), Some(placed)) => !placed.is_empty() && placed.is_subset(allowed),
        }
    }

    /// All that the store had, whether they compile or not.
    pub fn revisions(&self) -> BTreeSet<String> {
        self.programs.revisions.keys().chain(&self.stuck).cloned().collect()
    }
}

/// How what is stored of a journey becomes what a runner runs by: [`compile_all`].
pub type Compiler = fn(&NamespacePrograms, &str) -> Result<Loaded>;

/// Reads what is newer than `known`; None: nothing is.
pub async fn load(
    store: &dyn Store,
    namespace: &str,
    journey: &str,
    known: i64,
    compiler: Compiler,
) -> Result<Option<Loaded>> {
    match store.programs(namespace, known).await? {
        Some(stored) => compiler(&stored, journey).map(Some),
        None => Ok(None),
    }
}

/// Compiles every revision of `journey` against the settings as they are now. One that does not compile is left out, and logged: the
/// operator says why in the journey's conditions, and its customers stay where they are.
pub fn compile_all(stored: &NamespacePrograms, journey: &str) -> Result<Loaded> {
    let settings = match &stored.settings {
        Some(body) => manifests(body)?,
        None => Manifests::default(),
    };
    let mut loaded = Loaded {
        version: stored.version,
        ..Loaded::default()
    };
    for stored in stored.journeys.iter().filter(|stored| stored.row.journey == journey) {
        loaded.alive |= !stored.stopped;
        if stored.current {
            loaded.current = Some(Current {
                revision: stored.row.revision.clone(),
                suspended: stored.row.suspended,
            });
        }
        let pinned = manifests(&stored.row.body)?;
        if stored.current {
            let policy = compile::policy(&settings, &pinned, journey);
            loaded.policy = policy.as_ref().map(compile::policy_hash);
            loaded.regions = policy.and_then(|policy| policy.bounds.residency.regions);
        }
        let manifests = settings.clone().with(pinned);
        let program = match compile::journey(&manifests, journey) {
            Ok(compiled) => Program {
                revision: stored.row.revision.clone(),
                suspended: stored.row.suspended,
                ..compiled.program
            },
            Err(diagnostics) => {
                for diagnostic in diagnostics {
                    tracing::warn!(journey, revision = stored.row.revision, %diagnostic, "a revision does not compile");
                }
                loaded.stuck.insert(stored.row.revision.clone());
                continue;
            }
        };
        let program = Arc::new(program);
        if stored.current && !stored.stopped {
            loaded.programs.current = Some(program.clone());
        }
        loaded.programs.revisions.insert(stored.row.revision.clone(), program);
    }
    Ok(loaded)
}

/// What the store keeps of a compiled journey: what [`compile_all`] reads.
pub fn row(manifests: &Manifests, program: &Program) -> serde_json::Result<JourneyRow> {
    Ok(JourneyRow {
        journey: program.journey.clone(),
        revision: program.revision.clone(),
        suspended: program.suspended,
        listens: program.listens.clone(),
        body: serde_json::to_value(compile::pinned(manifests, &program.journey))?,
    })
}

fn manifests(body: &serde_json::Value) -> Result<Manifests> {
    serde_json::from_value(body.clone()).map_err(|error| StoreError::Unreadable(format!("a program: {error}").into()))
}

/// Opens the channels of the adapters that any revision uses, and closes those that none does. An adapter that cannot be opened (a Secret
/// is missing) is logged and tried again at the next heartbeat; its messages wait. Gives whether any was opened.
pub fn open_lanes(lanes: &mut Lanes, programs: &Programs, open: &ChannelOpener) -> bool {
    let mut wanted = BTreeMap::new();
    let mut reads: BTreeMap<&str, Reads> = BTreeMap::new();
    for program in programs.revisions.values().chain(&programs.current) {
        wanted.extend(program.adapters.iter().map(|(name, spec)| (name.clone(), spec.clone())));
        for outbound in program.outbound.values() {
            let reads = reads.entry(&outbound.adapter).or_default();
            reads.content.extend(outbound.fields().into_iter().map(str::to_owned));
            reads
                .with
                .extend(program.gives(&outbound.touchpoint).map(str::to_owned));
        }
    }
    // The gateway shows what stays in slots: nothing is handed over.
    wanted.retain(|_, spec| spec.in_app.is_none());
    lanes.keep(&wanted.keys().cloned().collect());
    let mut opened = false;
    for (name, spec) in &wanted {
        if lanes.is_open(name, spec) {
            continue;
        }
        match open(spec, reads.remove(name.as_str()).unwrap_or_default()) {
            Ok(channel) => {
                lanes.open(name, spec, channel);
                opened = true;
            }
            Err(error) => tracing::warn!(adapter = name, %error, "an adapter cannot be opened; its messages wait"),
        }
    }
    opened
}

/// Who waits at the door does not come in without a program, nor into a suspended journey.
pub fn admissions(programs: &Programs) -> Option<Admissions> {
    let program = programs.current.as_ref().filter(|program| !program.suspended)?;
    Some(program.pace.map_or(Admissions::Unpaced, Admissions::Paced))
}

/// Held messages that a round looks at: what the lanes have room for, and what the gateway shows, which needs none; of those whose lane is not
/// open, or not known, `others`.
pub fn room(programs: &Programs, adapters: &Adapters, others: u32) -> Room {
    let programs = programs.revisions.values().chain(&programs.current);
    let shown = programs.flat_map(|program| program.adapters.iter().filter(|(_, spec)| spec.in_app.is_some()));
    let shown = shown.map(|(name, _)| (name.clone(), u32::MAX));
    let open = adapters.open.iter();
    let open = open.map(|(name, adapter)| (name.clone(), u32::try_from(adapter.room).unwrap_or(u32::MAX)));
    Room {
        lanes: shown.chain(open).collect(),
        others: Some(others),
    }
}

/// What a round knows of the lanes.
pub fn adapters(lanes: &mut Lanes) -> Adapters {
    Adapters { open: lanes.state() }
}

/// Whether triggers of the current program have no event.
pub fn looks(programs: &Programs) -> bool {
    programs
        .current
        .as_ref()
        .is_some_and(|program| program.first_sight.is_some())
}

/// Customers of a round to whom news comes: entries, exits and goals hear it while the journey is suspended, as they do of events. Not when
/// the runner is not `open` to new work, nor without a program.
pub fn news(programs: &Programs, open: bool) -> u32 {
    if open && programs.current.is_some() { SWEEP } else { 0 }
}

/// Triggers without an event look at everybody once. Not while the journey is suspended: whoever they would let in would be turned away;
/// nor when the runner is not `open` to new work.
pub fn sweeps(programs: &Programs, open: bool) -> Vec<SweepRequest> {
    let current = programs.current.as_ref().filter(|program| open && !program.suspended);
    let version = current.and_then(|program| program.first_sight.clone());
    let sweep = version.map(|version| SweepRequest {
        sweep: FIRST_SIGHT.into(),
        version,
        limit: SWEEP,
    });
    sweep.into_iter().collect()
}
