//! Counts in, measures and verdicts out. Pure.

mod count;
mod histogram;
mod measure;
mod show;

pub use count::{Count, Counts, IntakeCount};
pub use histogram::{Histogram, bucket};
pub use measure::{KpiSpec, Measure, State, Statistic, Target, measure, seconds};
pub use show::{percent, round_two_digits, show};
