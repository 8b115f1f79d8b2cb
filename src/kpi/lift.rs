//! What a journey's messages are worth: the Rate of those who got them, less the Rate of those who were held out.

use super::{Count, Counts, KpiSpec, Statistic, measure::wilson};
use crate::clock::Micros;

/// A difference of two Rates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lift {
    /// The Rate of the others less that of the held-out, as fractions: -1 to 1.
    pub value: f64,
    /// Ends of the 95 % interval.
    pub low: f64,
    pub high: f64,
    /// Enrollments that were held out: what the interval mostly rests on.
    pub held_out: i64,
}

/// The lift of a Rate as of `now` (microseconds), over the same hours as the KPI itself; None for other measures and while one of the sides is empty.
///
/// The interval is the square-and-add one of two Wilson scores (R. G. Newcombe, "Interval estimation for the difference between independent
/// proportions: comparison of eleven methods", Statistics in Medicine 17, 1998, method 10).
pub fn lift(counts: &Counts, kpi: &KpiSpec, now: Micros) -> Option<Lift> {
    if kpi.statistic != Statistic::Rate {
        return None;
    }
    let since = Counts::bucket(now.saturating_sub(kpi.window));
    let counted = |count: Count| counts.since(&count.name(), since).max(0);
    let held_out = counted(Count::HeldOut);
    let others = counted(Count::Entered) - held_out;
    if held_out <= 0 || others <= 0 {
        return None;
    }
    let reached_held_out = counted(Count::HeldOutGoal(kpi.goal.clone())).min(held_out);
    let reached = (counted(Count::Goal(kpi.goal.clone())) - reached_held_out).clamp(0, others);
    let (p, q) = (
        reached as f64 / others as f64,
        reached_held_out as f64 / held_out as f64,
    );
    let (p_low, p_high) = wilson(reached, others);
    let (q_low, q_high) = wilson(reached_held_out, held_out);
    Some(Lift {
        value: p - q,
        low: p - q - (p - p_low).hypot(q_high - q),
        high: p - q + (p_high - p).hypot(q - q_low),
        held_out,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{DAY, HOUR};

    const NOW: Micros = 1_000 * DAY;

    fn kpi() -> KpiSpec {
        KpiSpec {
            name: "conversion".into(),
            goal: "bought".into(),
            statistic: Statistic::Rate,
            valued: false,
            window: 7 * DAY,
            minimum_sample: None,
            target: None,
        }
    }

    fn counts(others: (i64, i64), held_out: (i64, i64)) -> Counts {
        let mut counts = Counts::default();
        counts.add("entered".into(), NOW - HOUR, others.1 + held_out.1);
        counts.add("goal:bought".into(), NOW - HOUR, others.0 + held_out.0);
        counts.add("held-out".into(), NOW - HOUR, held_out.1);
        counts.add("held-out-goal:bought".into(), NOW - HOUR, held_out.0);
        counts
    }

    #[test]
    fn the_interval_is_newcombes() {
        // The paper's table II, cases (a) and (f).
        for (others, held_out, value, low, high) in [
            ((56, 70), (48, 80), 0.2, 0.0524, 0.3339),
            ((5, 56), (0, 29), 0.0893, -0.0381, 0.1926),
        ] {
            let lift = lift(&counts(others, held_out), &kpi(), NOW).unwrap();
            let near = |a: f64, b: f64| (a - b).abs() < 5e-5;
            assert!(
                near(lift.value, value) && near(lift.low, low) && near(lift.high, high),
                "{lift:?}"
            );
        }
    }

    #[test]
    fn without_somebody_on_both_sides_there_is_none() {
        assert_eq!(lift(&counts((5, 10), (0, 0)), &kpi(), NOW), None);
        assert_eq!(lift(&counts((0, 0), (5, 10)), &kpi(), NOW), None);
        let mut long_ago = counts((5, 10), (0, 0));
        long_ago.add("held-out".into(), NOW - 8 * DAY, 5);
        assert_eq!(lift(&long_ago, &kpi(), NOW), None);
    }
}
