//! Chance from a seed: the same numbers on every machine, for every customer by itself.

use crate::clock::Micros;

/// SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// The stream of one customer, whatever others do.
    pub fn of(seed: u64, customer: u64) -> Self {
        let mut mixed = Self(seed ^ 0x6a6f_7572_6e65_7973);
        let first = mixed.next();
        let mut own = Self(first ^ customer.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        own.next();
        own
    }

    /// A stream of its own for the `n`th thing of a kind: what is drawn for one thing does not shift what is drawn for another, so that two
    /// simulations differ by what was changed and by nothing else.
    pub fn fork(&self, kind: u64, n: u64) -> Self {
        let mut own = Self(
            self.0 ^ kind.rotate_left(32).wrapping_mul(0xd6e8_feb8_6659_fd93) ^ n.wrapping_mul(0xa076_1d64_78bd_642f),
        );
        own.next();
        own
    }

    /// A kind by its name (FNV-1a).
    pub fn kind(name: &str) -> u64 {
        name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to below 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Whether it comes true.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// 0 to below `n`, which is above zero.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n.max(1))) >> 64) as u64
    }

    /// With this mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -(1.0 - self.unit()).ln() * mean
    }

    /// A delay, at least a microsecond: nothing is an answer to what has not happened yet.
    pub fn delay(&mut self, mean: Micros) -> Micros {
        (self.exponential(mean as f64) as Micros).max(1)
    }

    /// G. E. P. Box and M. E. Muller, 1958.
    pub fn normal(&mut self, mean: f64, deviation: f64) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        mean + deviation * radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_customers_differ() {
        let first = |seed, customer| Chance::of(seed, customer).next();
        assert_eq!(first(1, 2), first(1, 2));
        assert_ne!(first(1, 2), first(1, 3));
        assert_ne!(first(1, 2), first(2, 2));
    }

    #[test]
    fn distributions_have_the_mean_they_are_given() {
        let mut chance = Chance::of(7, 7);
        let mut mean =
            |draw: &mut dyn FnMut(&mut Chance) -> f64| (0..100_000).map(|_| draw(&mut chance)).sum::<f64>() / 100_000.0;
        assert!((mean(&mut Chance::unit) - 0.5).abs() < 0.01);
        assert!((mean(&mut |chance| chance.exponential(4.0)) - 4.0).abs() < 0.1);
        assert!((mean(&mut |chance| chance.normal(10.0, 3.0)) - 10.0).abs() < 0.1);
        assert!((mean(&mut |chance| chance.below(11) as f64) - 5.0).abs() < 0.1);
        assert!((mean(&mut |chance| f64::from(u8::from(chance.happens(0.25)))) - 0.25).abs() < 0.01);
    }
}
