//! A Rate with its uncertainty, and whether an objective is met.

use super::{Count, Counts};
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

/// The Rate of `kpi` as of `now` (microseconds), from counts by the hour: the hour in which the window begins counts whole. A goal is counted
/// in the hour of its enrollment's entry, so numerator and denominator are the same customers.
///
/// With a minimum sample: Unknown until it is reached, then the value is compared with the target. Without one: Met or Missed as soon as the
/// 95 % interval lies clear of the target on one side, Unknown until then. Without a target: always Unknown.
pub fn measure(counts: &Counts, kpi: &KpiSpec, now: Micros) -> Measure {
    let since = Counts::bucket(now.saturating_sub(kpi.window));
    let sample = counts.since(&Count::Entered.name(), since).max(0);
    if sample == 0 {
        return Measure {
            value: None,
            low: None,
            high: None,
            sample: 0,
            state: State::Unknown,
        };
    }
    let reached = counts
        .since(&Count::Goal(kpi.goal.clone()).name(), since)
        .clamp(0, sample);
    let value = reached as f64 / sample as f64;
    let (low, high) = wilson(reached, sample);
    let state = match (kpi.target, kpi.minimum_sample) {
        (None, _) => State::Unknown,
        (Some(_), Some(minimum)) if sample < i64::from(minimum) => State::Unknown,
        (Some(Target::AtLeast(bound)), Some(_)) => verdict(value >= bound),
        (Some(Target::AtMost(bound)), Some(_)) => verdict(value <= bound),
        (Some(Target::AtLeast(bound)), None) => clear(low >= bound, high < bound),
        (Some(Target::AtMost(bound)), None) => clear(high <= bound, low > bound),
    };
    Measure {
        value: Some(value),
        low: Some(low),
        high: Some(high),
        sample,
        state,
    }
}

fn verdict(met: bool) -> State {
    if met { State::Met } else { State::Missed }
}

fn clear(met: bool, missed: bool) -> State {
    match (met, missed) {
        (true, _) => State::Met,
        (false, true) => State::Missed,
        (false, false) => State::Unknown,
    }
}

/// Two-sided 95 % of the standard normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// Ends of the Wilson score interval, 0 to 1; `sample` is above zero. (E. B. Wilson, "Probable inference, the law of succession, and
/// statistical inference", Journal of the American Statistical Association 22, 1927.)
pub(super) fn wilson(reached: i64, sample: i64) -> (f64, f64) {
    let (n, p) = (sample as f64, reached as f64 / sample as f64);
    let scale = 1.0 + Z * Z / n;
    let middle = (p + Z * Z / (2.0 * n)) / scale;
    let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt() / scale;
    // Nobody and everybody are exact ends that arithmetic would miss by a last digit.
    let low = if reached == 0 { 0.0 } else { (middle - half).max(0.0) };
    let high = if reached == sample {
        1.0
    } else {
        (middle + half).min(1.0)
    };
    (low, high)
}

/// To two significant digits, halves away from zero, so that status changes only when it means something.
pub fn round_two_digits(n: i64) -> i64 {
    let magnitude = n.unsigned_abs().checked_ilog10().unwrap_or(0);
    let unit = 10_i128.pow(magnitude.saturating_sub(1));
    let (n, half) = (i128::from(n), unit / 2);
    let rounded = if n < 0 {
        (n - half) / unit * unit
    } else {
        (n + half) / unit * unit
    };
    i64::try_from(rounded).unwrap_or(if n < 0 { i64::MIN } else { i64::MAX })
}

/// A fraction as text with two significant digits and without needless zeros: 0.0912 is `9.1%`, 0.5 is `50%`, 1 is `100%`.
/// What is no number is `unknown`.
pub fn percent(fraction: f64) -> String {
    let percent = fraction * 100.0;
    if !percent.is_finite() {
        return "unknown".into();
    }
    // Scientific notation rounds to significant digits, 9.96 to 1.0e1 as well.
    let rounded: f64 = format!("{percent:.1e}").parse().unwrap_or(percent);
    format!("{}%", if rounded == 0.0 { 0.0 } else { rounded })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{DAY, HOUR};

    const NOW: Micros = 1_000 * DAY;

    fn counts(entered: i64, reached: i64) -> Counts {
        let mut counts = Counts::default();
        counts.add("entered".into(), NOW - HOUR, entered);
        counts.add("goal:bought".into(), NOW - HOUR, reached);
        counts
    }

    fn rate(minimum_sample: Option<u32>, target: Option<Target>) -> KpiSpec {
        KpiSpec {
            name: "conversion".into(),
            goal: "bought".into(),
            window: 7 * DAY,
            minimum_sample,
            target,
        }
    }

    #[test]
    fn a_rate_is_the_share_of_those_who_entered_within_the_window() {
        let mut counts = counts(200, 18);
        counts.add("entered".into(), NOW - 8 * DAY, 5_000);
        counts.add("goal:bought".into(), NOW - 8 * DAY, 5_000);
        let measured = measure(&counts, &rate(None, None), NOW);
        assert_eq!((measured.value, measured.sample), (Some(0.09), 200));
        assert_eq!(
            measured.state,
            State::Unknown,
            "without a target there is nothing to meet"
        );
    }

    #[test]
    fn nobody_yet_is_no_rate_and_no_verdict() {
        let measured = measure(&Counts::default(), &rate(Some(1), Some(Target::AtLeast(0.0))), NOW);
        assert_eq!(
            measured,
            Measure {
                value: None,
                low: None,
                high: None,
                sample: 0,
                state: State::Unknown
            }
        );
    }

    #[test]
    fn the_interval_is_wilsons() {
        // Figures of R: prop.test(x, n, correct = FALSE).
        for (reached, sample, low, high) in [
            (10, 100, 0.055_229_1, 0.174_365_7),
            (0, 20, 0.0, 0.161_125_2),
            (20, 20, 0.838_874_8, 1.0),
            (1, 1, 0.206_549_3, 1.0),
        ] {
            let (l, h) = wilson(reached, sample);
            assert!(
                (l - low).abs() < 1e-6 && (h - high).abs() < 1e-6,
                "{reached}/{sample}: {l} to {h}"
            );
        }
    }

    #[test]
    fn with_a_minimum_sample_the_value_decides_once_it_is_reached() {
        let target = Some(Target::AtLeast(0.08));
        assert_eq!(
            measure(&counts(99, 20), &rate(Some(100), target), NOW).state,
            State::Unknown
        );
        assert_eq!(
            measure(&counts(100, 8), &rate(Some(100), target), NOW).state,
            State::Met
        );
        assert_eq!(
            measure(&counts(100, 7), &rate(Some(100), target), NOW).state,
            State::Missed
        );
        assert_eq!(
            measure(&counts(100, 9), &rate(Some(100), Some(Target::AtMost(0.08))), NOW).state,
            State::Missed
        );
    }

    #[test]
    fn without_a_minimum_sample_the_interval_must_be_clear_of_the_target() {
        let target = Some(Target::AtLeast(0.08));
        assert_eq!(
            measure(&counts(100, 9), &rate(None, target), NOW).state,
            State::Unknown,
            "9% of 100 may well be 6%"
        );
        assert_eq!(
            measure(&counts(10_000, 900), &rate(None, target), NOW).state,
            State::Met
        );
        assert_eq!(
            measure(&counts(10_000, 700), &rate(None, target), NOW).state,
            State::Missed
        );
        assert_eq!(
            measure(&counts(10_000, 700), &rate(None, Some(Target::AtMost(0.08))), NOW).state,
            State::Met
        );
        assert_eq!(
            measure(&counts(10_000, 900), &rate(None, Some(Target::AtMost(0.08))), NOW).state,
            State::Missed
        );
    }

    #[test]
    fn numbers_in_status_have_two_significant_digits() {
        for (n, rounded) in [
            (0, 0),
            (7, 7),
            (42, 42),
            (99, 99),
            (104, 100),
            (105, 110),
            (995, 1000),
            (12_345, 12_000),
            (-1_250, -1_300),
        ] {
            assert_eq!(round_two_digits(n), rounded);
        }
        assert_eq!(round_two_digits(i64::MAX), 9_200_000_000_000_000_000);
        assert_eq!(round_two_digits(i64::MIN), -9_200_000_000_000_000_000);
    }

    #[test]
    fn fractions_read_as_percentages_of_two_digits() {
        let cases = [
            (0.0, "0%"),
            (0.0912, "9.1%"),
            (0.09, "9%"),
            (0.0996, "10%"),
            (0.5, "50%"),
            (0.126, "13%"),
            (1.0, "100%"),
            (0.00123, "0.12%"),
            (-0.05, "-5%"),
        ];
        for (fraction, text) in cases {
            assert_eq!(percent(fraction), text);
        }
        assert_eq!(percent(f64::NAN), "unknown");
    }
}
