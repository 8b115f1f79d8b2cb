use super::Counts;
use crate::clock::Micros;

/// A Rate of a goal: the share of enrollments begun within the window that reached it.
#[derive(Debug, Clone, PartialEq)]
pub struct KpiSpec {
    pub name: String,
    pub goal: String,
    pub window: Micros,
    /// None: as many as the interval needs to be clear of the target.
    pub minimum_sample: Option<u32>,
    pub target: Option<Target>,
}

/// Fractions, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    AtLeast(f64),
    AtMost(f64),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measure {
    /// Fractions; None while there is no sample.
    pub value: Option<f64>,
    /// Ends of the 95 % Wilson score interval (E. B. Wilson, 1927).
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub sample: i64,
    pub state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Met,
    Missed,
    Unknown,
}

pub fn measure(_counts: &Counts, _kpi: &KpiSpec, _now: Micros) -> Measure {
    todo!()
}

/// To two significant digits, so that status changes only when it means something.
pub fn round_two_digits(_n: i64) -> i64 {
    todo!()
}
