//! The runners of a history: real ones, each from its start to its end, and another one in its place soon after.

use super::{
    chance::Chance,
    line::Line,
    provider::Wire,
    shop::{NAMESPACE, compiled},
    world::{Process, World},
};
use journey::{
    channel::Channel,
    runner::{self, Metrics, Options},
    simulate,
    status_server::Flag,
};
use prometheus_client::registry::Registry;
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub struct Crew {
    world: Arc<World>,
    chance: Chance,
    places: Vec<Arc<Place>>,
    tasks: tokio::task::JoinSet<()>,
}

/// Where a runner runs, and after it the next.
struct Place {
    journey: &'static str,
    chance: Mutex<Chance>,
    now: Mutex<Option<(Arc<Process>, CancellationToken)>>,
}

impl Crew {
    pub fn new(world: Arc<World>, chance: Chance) -> Self {
        Self {
            world,
            chance,
            places: Vec::new(),
            tasks: tokio::task::JoinSet::new(),
        }
    }

    pub fn hire(&mut self, journey: &'static str) {
        let place = Arc::new(Place {
            journey,
            chance: Mutex::new(self.chance.fork()),
            now: Mutex::default(),
        });
        self.places.push(place.clone());
        let first = 1 + 1_000 * self.places.len() as u64;
        self.tasks.spawn(keep(self.world.clone(), place, first));
    }

    fn one(&mut self) -> Option<(Arc<Process>, CancellationToken)> {
        let place = &self.places[self.chance.index(self.places.len())];
        place.now.lock().unwrap().clone()
    }

    pub fn crash_one(&mut self) {
        if let Some((process, _)) = self.one() {
            self.world.tell(|| format!("{} is killed", process.name()));
            process.die();
        }
    }

    pub fn freeze_one(&mut self) {
        let long = self.chance.millis(500..13_000);
        if let Some((process, _)) = self.one() {
            self.world.tell(|| format!("{} is frozen for {long:?}", process.name()));
            process.freeze(long);
        }
    }

    pub fn cut_one(&mut self) {
        let long = self.chance.millis(500..13_000);
        if let Some((process, _)) = self.one() {
            self.world
                .tell(|| format!("{} is cut off the store for {long:?}", process.name()));
            process.cut(long);
        }
    }

    /// As Kubernetes stops one: it may finish what is under way.
    pub fn stop_one(&mut self) {
        if let Some((process, stop)) = self.one() {
            self.world.tell(|| format!("{} is to stop", process.name()));
            stop.cancel();
        }
    }

    /// Of the runners that run.
    pub fn owners(&self) -> BTreeSet<Uuid> {
        let now = self.places.iter().filter_map(|place| place.now.lock().unwrap().clone());
        now.map(|(process, _)| process.owner).collect()
    }

    pub fn heal(&self) {
        for place in &self.places {
            if let Some((process, _)) = &*place.now.lock().unwrap() {
                process.heal();
            }
        }
    }
}

/// Keeps a runner running: another one after each that ended.
async fn keep(world: Arc<World>, place: Arc<Place>, first: u64) {
    for id in first.. {
        let stop = CancellationToken::new();
        let process = Process::new(id, place.journey, &mut place.chance.lock().unwrap());
        *place.now.lock().unwrap() = Some((process.clone(), stop.clone()));
        world.tell(|| format!("{} starts", process.name()));
        tokio::select! {
            biased;
            () = process.crash.notified() => world.tell(|| format!("{} is dead", process.name())),
            ended = run(&world, &process, &mut place.chance.lock().unwrap().fork(), stop) => {
                ended.unwrap();
                world.tell(|| format!("{} has ended", process.name()));
            }
        }
        process.die();
        place.now.lock().unwrap().take();
        let calm = world.state().mixture.is_none();
        let pause = place
            .chance
            .lock()
            .unwrap()
            .millis(if calm { 50..300 } else { 50..7_000 });
        tokio::time::sleep(pause).await;
    }
}

fn run(
    world: &Arc<World>,
    process: &Arc<Process>,
    chance: &mut Chance,
    stop: CancellationToken,
) -> impl Future<Output = Result<(), runner::RunnerError>> + use<> {
    let line = Line {
        world: world.clone(),
        process: process.clone(),
    };
    let wire: Arc<dyn Channel> = Arc::new(Wire {
        world: world.clone(),
        process: process.clone(),
    });
    let jitter = Mutex::new(chance.fork());
    let options = Options {
        namespace: NAMESPACE.into(),
        journey: process.journey.into(),
        keys: simulate::keys(),
        owner: process.owner,
        jitter: Arc::new(move || jitter.lock().unwrap().unit()),
        // Every second one divides its rounds as soon as there is anybody in them.
        divide: if process.owner.as_bytes()[0].is_multiple_of(2) {
            1
        } else {
            runner::DIVIDE
        },
        at_work: Box::new(|| {}),
        ready: Flag::lowered("rounds"),
        metrics: Metrics::register(&mut Registry::default()),
        open: Box::new(move |_, _| Ok(wire.clone())),
        regions: None,
        compiler: compiled,
    };
    runner::run(options, Arc::new(line), stop)
}
