//! Chance from a seed: the same numbers on every machine.

use std::{ops::Range, time::Duration};

/// SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    pub fn of(seed: u64) -> Self {
        let mut chance = Self(seed ^ 0x6869_7374_6f72_6965);
        chance.next();
        chance
    }

    /// A stream of its own, which others do not shift.
    pub fn fork(&mut self) -> Self {
        Self(self.next())
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn of_range(&mut self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }

    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.of_range(0..len as u64)).unwrap()
    }

    /// Once in so many times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.of_range(0..n) == 0
    }

    /// So many times of a thousand.
    pub fn permille(&mut self, n: u64) -> bool {
        self.of_range(0..1_000) < n
    }

    /// 0 to 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn millis(&mut self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.of_range(range))
    }

    /// One of these, by their weights, which are not all zero.
    pub fn pick<T: Copy>(&mut self, of: &[(u64, T)]) -> T {
        let mut at = self.of_range(0..of.iter().map(|(weight, _)| weight).sum());
        for (weight, one) in of {
            match at.checked_sub(*weight) {
                Some(rest) => at = rest,
                None => return *one,
            }
        }
        unreachable!("the place is below the sum")
    }
}
