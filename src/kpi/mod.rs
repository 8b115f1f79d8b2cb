//! Counts in, measures and verdicts out. Pure.

mod count;
mod measure;

pub use count::{Count, Counts, IntakeCount};
pub use measure::{KpiSpec, Measure, State, Target, measure, percent, round_two_digits};
