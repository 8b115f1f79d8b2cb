//! Chance from a seed, which is printed: a failure can be looked for again with CRASH_SEED. (What the kernel makes of it differs each time.)

use super::webhook_sink::spread;
use std::{ops::Range, time::Duration};

pub struct Chance {
    pub seed: u64,
    drawn: u64,
}

impl Chance {
    pub fn new() -> Self {
        let any = || u64::from(uuid::Uuid::new_v4().as_fields().0);
        let seed =
            std::env::var("CRASH_SEED").map_or_else(|_| any(), |seed| seed.parse().expect("CRASH_SEED is a number"));
        println!("CRASH_SEED={seed}");
        Self { seed, drawn: 0 }
    }

    pub fn of(&mut self, range: Range<u64>) -> u64 {
        self.drawn += 1;
        range.start + spread(self.seed.wrapping_add(spread(self.drawn))) % (range.end - range.start)
    }

    pub fn shuffle<T>(&mut self, all: &mut [T]) {
        for n in (1..all.len()).rev() {
            let with = usize::try_from(self.of(0..n as u64 + 1)).unwrap();
            all.swap(n, with);
        }
    }

    pub async fn sleep(&mut self, milliseconds: Range<u64>) {
        tokio::time::sleep(Duration::from_millis(self.of(milliseconds))).await;
    }
}
