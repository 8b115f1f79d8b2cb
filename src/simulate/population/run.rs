//! Divides a population among threads and puts the parts together again, in their order.

use super::{
    behaviour::{Behaviour, Plan, Unfit},
    life::{Wanted, lives},
    tally::{Difference, EXAMPLES, Example, Life, Tally},
};
use crate::{
    clock::Micros,
    compile::Manifests,
    simulate::{Settings, SimulateError, World},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
};

/// Customers that a thread takes at a time.
const CHUNK: u64 = 500;

/// A population to be simulated.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    pub customers: u64,
    pub start: Micros,
    pub length: Micros,
    pub seed: u64,
    /// What comes of it does not depend on them.
    pub threads: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum PopulationError {
    #[error(transparent)]
    Simulate(#[from] SimulateError),
    #[error("the behaviour does not fit the manifests: {0}")]
    Behaviour(#[from] Unfit),
    #[error("a thread of the simulation ended unexpectedly")]
    Thread,
}

/// Simulates a population. `progress` is told of customers that are done.
pub fn run(
    manifests: &Manifests,
    behaviour: &Behaviour,
    order: &Order,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Tally, PopulationError> {
    let mut all = Tally::default();
    divide(
        order,
        is_coupled(manifests),
        &|| Crowd::new(manifests, behaviour, order),
        &|crowd, customers| {
            let n = customers.end - customers.start;
            let part = crowd.live(order, customers, None)?;
            progress(n);
            Ok(part)
        },
        &mut |part| all.merge(&part),
    )?;
    Ok(all)
}

/// Simulates the same customers by the old manifests and by the new ones.
pub fn compare(
    old: &Manifests,
    new: &Manifests,
    behaviour: &Behaviour,
    order: &Order,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Difference, PopulationError> {
    let mut all = Difference::default();
    divide(
        order,
        is_coupled(old) || is_coupled(new),
        &|| Ok((Crowd::new(old, behaviour, order)?, Crowd::new(new, behaviour, order)?)),
        &|(old, new), customers| {
            let (mut before, mut after) = (Vec::new(), Vec::new());
            let first = customers.start;
            let n = customers.end - customers.start;
            let part = Difference {
                old: old.live(order, customers.clone(), Some(&mut before))?,
                new: new.live(order, customers, Some(&mut after))?,
                ..Difference::default()
            };
            progress(n);
            Ok(judged(part, first, &before, &after))
        },
        &mut |part: Difference| {
            let Difference {
                old,
                new,
                differ,
                more_messages,
                fewer_messages,
                examples,
            } = part;
            all.old.merge(&old);
            all.new.merge(&new);
            all.differ += differ;
            all.more_messages += more_messages;
            all.fewer_messages += fewer_messages;
            all.examples.extend(examples);
            all.examples.truncate(EXAMPLES);
        },
    )?;
    Ok(all)
}

fn judged(mut part: Difference, first: u64, before: &[Life], after: &[Life]) -> Difference {
    for (n, (old, new)) in before.iter().zip(after).enumerate() {
        if old.digest == new.digest {
            continue;
        }
        part.differ += 1;
        part.more_messages += u64::from(new.messages > old.messages);
        part.fewer_messages += u64::from(new.messages < old.messages);
        if part.examples.len() < EXAMPLES {
            part.examples.push(Example {
                customer: first + n as u64,
                old: old.way.clone(),
                new: new.way.clone(),
            });
        }
    }
    part
}

/// What a thread does with its part of the customers.
type Work<'a, C, P> = &'a (dyn Fn(&mut C, Range<u64>) -> Result<P, PopulationError> + Sync);

/// Gives parts to threads, and their results to `take` in the order of the parts.
fn divide<C, P: Send>(
    order: &Order,
    coupled: bool,
    make: &(dyn Fn() -> Result<C, PopulationError> + Sync),
    work: Work<'_, C, P>,
    take: &mut dyn FnMut(P),
) -> Result<(), PopulationError> {
    if coupled {
        let mut crowd = make()?;
        take(work(&mut crowd, 0..order.customers)?);
        return Ok(());
    }
    let chunks = order.customers.div_ceil(CHUNK);
    let next = AtomicU64::new(0);
    let threads = order.threads.clamp(1, 64);
    std::thread::scope(|scope| {
        // What is done early waits here for its turn: a few parts, for everyone takes the next free one.
        let (done, results) = mpsc::sync_channel::<(u64, Result<P, PopulationError>)>(threads * 2);
        for _ in 0..threads {
            let (done, next) = (done.clone(), &next);
            scope.spawn(move || {
                let mut crowd = match make() {
                    Ok(crowd) => crowd,
                    Err(error) => {
                        let _told = done.send((u64::MAX, Err(error)));
                        return;
                    }
                };
                loop {
                    let chunk = next.fetch_add(1, Ordering::Relaxed);
                    if chunk >= chunks {
                        return;
                    }
                    let range = chunk * CHUNK..((chunk + 1) * CHUNK).min(order.customers);
                    if done.send((chunk, work(&mut crowd, range))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done);
        let mut early: BTreeMap<u64, P> = BTreeMap::new();
        let mut turn = 0;
        for (chunk, result) in results {
            match result {
                Ok(part) => early.insert(chunk, part),
                Err(error) => {
                    next.store(chunks, Ordering::Relaxed);
                    return Err(error);
                }
            };
            while let Some(part) = early.remove(&turn) {
                take(part);
                turn += 1;
            }
        }
        if turn == chunks {
            Ok(())
        } else {
            Err(PopulationError::Thread)
        }
    })
}

/// A thread's world and plan.
struct Crowd {
    world: World,
    plan: Plan,
    journeys: Vec<String>,
    coupled: bool,
}

impl Crowd {
    fn new(manifests: &Manifests, behaviour: &Behaviour, order: &Order) -> Result<Self, PopulationError> {
        let manifests = Manifests {
            namespace: crate::simulate::NAMESPACE.into(),
            ..manifests.clone()
        };
        let settings = Settings {
            start: order.start,
            render: false,
            trace: true,
            counts: false,
        };
        let world = World::new(&manifests, settings)?;
        let programs: Vec<_> = manifests
            .journeys
            .keys()
            .filter_map(|journey| world.programs(journey)?.current.clone())
            .collect();
        let plan = Plan::new(behaviour, &manifests, world.view(), &programs, order.length)?;
        Ok(Self {
            coupled: is_coupled(&manifests),
            journeys: manifests.journeys.keys().cloned().collect(),
            world,
            plan,
        })
    }

    fn live(
        &mut self,
        order: &Order,
        customers: Range<u64>,
        mut told: Option<&mut Vec<Life>>,
    ) -> Result<Tally, PopulationError> {
        let mut tally = Tally::default();
        let parts: Vec<Range<u64>> = if self.coupled {
            vec![customers]
        } else {
            customers.map(|n| n..n + 1).collect()
        };
        for part in parts {
            let wanted = Wanted {
                tally: &mut tally,
                words: told.is_some(),
                lives: told.as_deref_mut(),
            };
            lives(&mut self.world, &self.plan, order, &self.journeys, part, wanted)?;
        }
        Ok(tally)
    }
}

/// Whether what happens to one customer depends on others: a pace lets in so many, and news and schedules concern all at once.
pub fn is_coupled(manifests: &Manifests) -> bool {
    let paced = manifests
        .journeys
        .values()
        .any(|journey| !json!(journey.spec)["entry"]["pace"].is_null());
    let news = manifests.touchpoints.values().any(|touchpoint| {
        let spec: Value = json!(touchpoint);
        let inbound = &spec["inbound"];
        !inbound.is_null() && inbound["customer"].is_null()
    });
    paced || news
}
