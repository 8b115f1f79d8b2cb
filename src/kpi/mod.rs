//! Counts in, measures and verdicts out. Pure.

mod count;
mod lift;
mod measure;

pub use count::{Count, Counts, IntakeCount};
pub use lift::{Lift, lift};
pub use measure::{KpiSpec, Measure, State, Target, measure, percent, round_two_digits};
