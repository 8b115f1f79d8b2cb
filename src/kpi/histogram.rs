//! A log-linear histogram: whole numbers in buckets that grow with them, so that a few hundred counts hold any distribution. Up to 31 each
//! number has a bucket of its own; from there each doubling is divided into 16 equal ones, and the middle of a bucket is at most 1/32 (3.2 %) off
//! whatever is in it. (The layout of G. Tene's HdrHistogram with 16 sub-buckets.)

use std::collections::BTreeMap;

/// Sub-buckets of a doubling, as a power of two.
const PARTS: u32 = 4;

/// The bucket of a number; that of -n is minus that of n.
pub fn bucket(n: i64) -> i16 {
    let size = n.unsigned_abs();
    let index = match size.checked_ilog2() {
        None => 0,
        Some(doubling) if doubling <= PARTS => size,
        Some(doubling) => {
            let parts = 1 << PARTS;
            u64::from(doubling - PARTS) * parts + (size >> (doubling - PARTS))
        }
    };
    // At most 63 doublings of 16: it fits.
    let index = i16::try_from(index).unwrap_or(i16::MAX);
    if n < 0 { -index } else { index }
}

/// The middle of a bucket.
pub fn middle(bucket: i16) -> f64 {
    let parts = 1 << PARTS;
    let index = u64::from(bucket.unsigned_abs());
    let size = if index < 2 * parts {
        index as f64
    } else {
        let doubling = index / parts - 1;
        let width = (doubling as f64).exp2();
        // The numbers of the bucket are low, low + 1, ..., low + width - 1.
        ((index - doubling * parts) as f64).mul_add(width, (width - 1.0) / 2.0)
    };
    if bucket < 0 { -size } else { size }
}

/// Numbers by bucket, with how many there are.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Histogram(BTreeMap<i16, i64>);

impl Histogram {
    pub fn add(&mut self, bucket: i16, n: i64) {
        *self.0.entry(bucket).or_default() += n;
    }

    pub fn total(&self) -> i64 {
        self.0.values().map(|n| (*n).max(0)).sum()
    }

    /// The number of this rank, the smallest has rank 1. None: there is no such rank.
    pub fn at_rank(&self, rank: i64) -> Option<f64> {
        let mut seen = 0;
        let mut buckets = self.0.iter().filter(|(_, n)| **n > 0);
        let found = buckets.find(|(_, n)| {
            seen += **n;
            seen >= rank
        });
        found.filter(|_| rank >= 1).map(|(bucket, _)| middle(*bucket))
    }

    /// The standard deviation of a sample (n - 1). None: fewer than two.
    pub fn deviation(&self) -> Option<f64> {
        let n = self.total();
        if n < 2 {
            return None;
        }
        let of = |each: &dyn Fn(f64) -> f64| -> f64 {
            let buckets = self.0.iter().filter(|(_, n)| **n > 0);
            buckets.map(|(bucket, n)| each(middle(*bucket)) * *n as f64).sum()
        };
        let mean = of(&|x| x) / n as f64;
        Some((of(&|x| (x - mean).powi(2)) / (n - 1) as f64).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn small_numbers_are_exact_and_buckets_follow_each_other() {
        let mut before = -1;
        for n in 0..100_000 {
            let bucket = bucket(n);
            assert!(bucket == before || bucket == before + 1, "{n}: {before} then {bucket}");
            before = bucket;
        }
        for n in 0..32 {
            assert_eq!(middle(bucket(n)), n as f64);
        }
        assert_eq!(
            bucket(i64::MIN),
            -bucket(i64::MAX) - 1,
            "the largest follow each other too"
        );
    }

    proptest! {
        #[test]
        fn the_middle_of_a_bucket_is_within_a_thirty_second(n in any::<i64>()) {
            let (n, shown) = (n / 2, middle(bucket(n / 2)));
            prop_assert!((shown - n as f64).abs() <= (n as f64).abs() / 32.0, "{} is shown as {}", n, shown);
        }
    }

    #[test]
    fn ranks_and_deviation_are_those_of_the_numbers() {
        let mut histogram = Histogram::default();
        assert_eq!((histogram.at_rank(1), histogram.deviation()), (None, None));
        for n in [2, 4, 4, 4, 5, 5, 7, 9] {
            histogram.add(bucket(n), 1);
        }
        assert_eq!(histogram.total(), 8);
        let ranked: Vec<Option<f64>> = (0..=9).map(|rank| histogram.at_rank(rank)).collect();
        assert_eq!(
            ranked,
            [
                None,
                Some(2.0),
                Some(4.0),
                Some(4.0),
                Some(4.0),
                Some(5.0),
                Some(5.0),
                Some(7.0),
                Some(9.0),
                None
            ]
        );
        assert!(
            (histogram.deviation().unwrap() - 2.138_09).abs() < 1e-5,
            "R: sd(c(2,4,4,4,5,5,7,9))"
        );
    }
}
