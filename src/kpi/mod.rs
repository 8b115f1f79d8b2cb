//! Counts in, measures and verdicts out. Pure.

mod count;
mod histogram;
mod lift;
mod measure;
mod show;

pub use count::{Count, Counts, IntakeCount, NotJoined};
pub use histogram::{Histogram, bucket};
pub use lift::{Lift, lift};
pub use measure::{KpiSpec, Measure, State, Statistic, Target, measure, seconds};
pub use show::{percent, round_two_digits, show};
