//! Histories: the real runner, dispatcher and intake over the store in memory (which the contract suite holds equal to PostgreSQL), in virtual
//! time, with crashes, freezes, lost answers and lost leases at every await of the store, jumps of its clock, and providers that do what
//! providers do. A shadow takes note of what may and must have been sent. A seed chooses everything: the same seed is the same history.
//!
//! `JOURNEY_HISTORIES=n` plays n of them, `JOURNEY_HISTORY_SEED=n` one, and tells it. Seeds that failed are kept in histories/seeds.

#[path = "histories/books.rs"]
mod books;
#[path = "histories/chance.rs"]
mod chance;
#[path = "histories/crew.rs"]
mod crew;
#[path = "histories/defect.rs"]
mod defect;
#[path = "histories/line.rs"]
mod line;
#[path = "histories/play.rs"]
mod play;
#[path = "histories/provider.rs"]
mod provider;
#[path = "histories/rest.rs"]
mod rest;
#[path = "histories/shadow.rs"]
mod shadow;
#[path = "histories/shop.rs"]
mod shop;
#[path = "histories/world.rs"]
mod world;

use defect::Defect;
use std::{
    env,
    num::NonZero,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Instant,
};

/// Histories of `cargo test`; `make histories` and `make soak` play more.
const HISTORIES: u64 = 2_000;
/// Within so many histories each defect is found.
const PROOF: u64 = 2_000;

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")),
    )
}

/// Plays seeds on all processors until one fails; gives it with what it violated.
fn first_violation(seeds: impl Iterator<Item = u64> + Send, defect: Option<Defect>) -> Option<(u64, String)> {
    let seeds = Mutex::new(seeds);
    let (found, over) = (Mutex::new(None), AtomicBool::new(false));
    let work = || {
        while !over.load(Ordering::Relaxed) {
            let Some(seed) = seeds.lock().unwrap().next() else {
                return;
            };
            let _panics = NameOfPanic(seed);
            if let Some(violation) = play::play(seed, defect, false).violation {
                over.store(true, Ordering::Relaxed);
                found.lock().unwrap().get_or_insert((seed, violation));
            }
        }
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        (0..threads).for_each(|_| drop(scope.spawn(work)));
    });
    found.into_inner().unwrap()
}

/// Says of a panic of the product whose it is.
struct NameOfPanic(u64);

impl Drop for NameOfPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            println!("that was history {}", self.0);
        }
    }
}

/// Tells the history of a seed, and fails.
fn fail(seed: u64, violation: &str) -> ! {
    for line in play::play(seed, None, true).trace {
        println!("{line}");
    }
    panic!(
        "history {seed}: {violation}\nIt is played again, and told, by: JOURNEY_HISTORY_SEED={seed} cargo test --test histories every_history -- --nocapture\n\
         Once it is mended, add the seed to tests/histories/seeds."
    );
}

#[test]
fn every_history_ends_with_books_that_balance() {
    if let Some(seed) = number("JOURNEY_HISTORY_SEED") {
        let played = play::play(seed, None, true);
        played.trace.iter().for_each(|line| println!("{line}"));
        assert_eq!(played.violation, None, "history {seed}");
        return;
    }
    let count = number("JOURNEY_HISTORIES").unwrap_or(HISTORIES);
    let from = number("JOURNEY_HISTORIES_FROM").unwrap_or(0);
    let begun = Instant::now();
    if let Some((seed, violation)) = first_violation(from..from + count, None) {
        fail(seed, &violation);
    }
    println!(
        "{count} histories from seed {from} in {:.1} s",
        begun.elapsed().as_secs_f64()
    );
}

#[test]
fn histories_that_failed_once_balance_now() {
    let seeds = include_str!("histories/seeds").lines();
    let seeds = seeds.filter_map(|line| line.split_whitespace().next().filter(|word| *word != "#"));
    let seeds: Vec<u64> = seeds.map(|seed| seed.parse().expect("a seed is a number")).collect();
    if let Some((seed, violation)) = first_violation(seeds.into_iter(), None) {
        fail(seed, &violation);
    }
}

#[test]
fn the_same_seed_is_the_same_history() {
    for seed in 0..40 {
        let [one, two] = [(); 2].map(|()| play::play(seed, None, true).trace);
        let differs = one.iter().zip(&two).position(|(one, two)| one != two);
        let differs = differs.or((one.len() != two.len()).then(|| one.len().min(two.len())));
        if let Some(at) = differs {
            panic!(
                "history {seed} differs at line {at}:\n{:?}\n{:?}",
                one.get(at),
                two.get(at)
            );
        }
    }
}

#[test]
fn every_defect_is_found() {
    let missed: Vec<Defect> = Defect::ALL
        .into_iter()
        .filter(|defect| match first_violation(0..PROOF, Some(*defect)) {
            Some((seed, violation)) => {
                println!("{defect:?} is found by history {seed}: {violation}");
                false
            }
            None => true,
        })
        .collect();
    assert!(missed.is_empty(), "in {PROOF} histories nobody finds {missed:?}");
}
