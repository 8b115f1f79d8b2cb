//! What a KPI says of the counts, with its uncertainty, and whether an objective is met.

use super::{Count, Counts, Histogram};
use crate::clock::{DAY, Micros, SECOND};

/// A measure of a goal over the enrollments begun within the window.
#[derive(Debug, Clone, PartialEq)]
pub struct KpiSpec {
    pub name: String,
    pub goal: String,
    pub statistic: Statistic,
    /// Whether the goal has a value of its own; without one each time it is reached is worth 1.
    pub valued: bool,
    pub window: Micros,
    /// None: as many as the interval needs to be clear of the target.
    pub minimum_sample: Option<u32>,
    pub target: Option<Target>,
}

/// What of a goal is measured, and in which unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    /// The share of enrollments that reached it: a fraction, 0 to 1.
    Rate,
    /// Its values together, in their own unit. A total is what it is: it has no interval.
    Sum,
    /// Its value on average, in its own unit.
    Mean,
    /// The time from the entry by which half of those who reach it have done so, in seconds.
    P50Duration,
    /// The same of 95 %.
    P95Duration,
}

/// In the unit of the statistic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    AtLeast(f64),
    AtMost(f64),
}

/// Numbers in the unit of the statistic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measure {
    /// None while there is no sample.
    pub value: Option<f64>,
    /// Ends of the 95 % interval; None where there is none, or not yet.
    pub low: Option<f64>,
    pub high: Option<f64>,
    /// Of a Rate the enrollments begun, else those that reached the goal with a value.
    pub sample: i64,
    pub state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Met,
    Missed,
    Unknown,
}

/// The KPI as of `now` (microseconds), from counts by the hour: the hour in which the window begins counts whole, and for durations and the
/// interval of a Mean the day (UTC). A goal is counted in the hour of its enrollment's entry, so that everything is of the same customers.
///
/// With a minimum sample: Unknown until it is reached, then the value is compared with the target. Without one: Met or Missed as soon as the
/// 95 % interval lies clear of the target on one side, Unknown until then; a Sum, which has none, is compared at once. Without a target:
/// always Unknown.
pub fn measure(counts: &Counts, kpi: &KpiSpec, now: Micros) -> Measure {
    let begin = now.saturating_sub(kpi.window);
    let (sample, value, interval) = match kpi.statistic {
        Statistic::Rate => rate(counts, kpi, begin),
        Statistic::Sum => sum(counts, kpi, begin),
        Statistic::Mean => mean(counts, kpi, begin),
        Statistic::P50Duration => duration(counts, kpi, begin, 0.5),
        Statistic::P95Duration => duration(counts, kpi, begin, 0.95),
    };
    let Some(value) = value else {
        return Measure {
            value: None,
            low: None,
            high: None,
            sample,
            state: State::Unknown,
        };
    };
    let (low, high) = interval;
    // A total needs no interval to be compared by: it is its own.
    let (lowest, highest) = match kpi.statistic {
        Statistic::Sum => (Some(value), Some(value)),
        Statistic::Rate | Statistic::Mean | Statistic::P50Duration | Statistic::P95Duration => (low, high),
    };
    let state = match (kpi.target, kpi.minimum_sample) {
        (None, _) => State::Unknown,
        (Some(_), Some(minimum)) if sample < i64::from(minimum) => State::Unknown,
        (Some(Target::AtLeast(bound)), Some(_)) => verdict(value >= bound),
        (Some(Target::AtMost(bound)), Some(_)) => verdict(value <= bound),
        (Some(Target::AtLeast(bound)), None) => clear(
            lowest.is_some_and(|low| low >= bound),
            highest.is_some_and(|high| high < bound),
        ),
        (Some(Target::AtMost(bound)), None) => clear(
            highest.is_some_and(|high| high <= bound),
            lowest.is_some_and(|low| low > bound),
        ),
    };
    Measure {
        value: Some(value),
        low,
        high,
        sample,
        state,
    }
}

/// How many observations, the value, and the ends of its interval.
type Observed = (i64, Option<f64>, (Option<f64>, Option<f64>));

fn rate(counts: &Counts, kpi: &KpiSpec, begin: Micros) -> Observed {
    let since = Counts::bucket(begin);
    let sample = counts.since(&Count::Entered.name(), since).max(0);
    if sample == 0 {
        return (0, None, (None, None));
    }
    let reached = reached(counts, kpi, since).clamp(0, sample);
    let (low, high) = wilson(reached, sample);
    (sample, Some(reached as f64 / sample as f64), (Some(low), Some(high)))
}

fn sum(counts: &Counts, kpi: &KpiSpec, begin: Micros) -> Observed {
    let (sample, sum) = values(counts, kpi, begin);
    (sample, (sample > 0).then_some(sum), (None, None))
}

/// The interval is that of the normal distribution around the mean, with the deviation of the histogram of values.
fn mean(counts: &Counts, kpi: &KpiSpec, begin: Micros) -> Observed {
    let (sample, sum) = values(counts, kpi, begin);
    if sample == 0 {
        return (0, None, (None, None));
    }
    let mean = sum / sample as f64;
    let deviation = if kpi.valued {
        // Buckets are of millionths, as values are counted.
        let by_value = histogram(counts, &Count::goal_values(&kpi.goal), begin);
        by_value.deviation().map(|deviation| deviation / MILLION)
    } else {
        (sample > 1).then_some(0.0)
    };
    let half = deviation.map(|deviation| Z * deviation / (sample as f64).sqrt());
    (
        sample,
        Some(mean),
        (half.map(|half| mean - half), half.map(|half| mean + half)),
    )
}

/// The quantile of the times from the entry. The ends of its interval are order statistics: those ranks between which the quantile of the
/// distribution lies with 95 % (W. J. Conover, Practical Nonparametric Statistics, 3rd edition, 3.2); a sample too small has none.
fn duration(counts: &Counts, kpi: &KpiSpec, begin: Micros, quantile: f64) -> Observed {
    let times = histogram(counts, &Count::goal_times(&kpi.goal), begin);
    let sample = times.total();
    let n = sample as f64;
    let (middle, half) = (n * quantile, Z * (n * quantile * (1.0 - quantile)).sqrt());
    let value = times.at_rank((middle.ceil() as i64).max(1));
    let (low, high) = ((middle - half).ceil() as i64, (middle + half).ceil() as i64);
    (sample, value, (times.at_rank(low), times.at_rank(high)))
}

/// How many values there are, and their sum.
fn values(counts: &Counts, kpi: &KpiSpec, begin: Micros) -> (i64, f64) {
    let since = Counts::bucket(begin);
    if !kpi.valued {
        let reached = reached(counts, kpi, since).max(0);
        return (reached, reached as f64);
    }
    let of = |count: Count| counts.since(&count.name(), since);
    let goal = || kpi.goal.clone();
    let sum = of(Count::GoalUnits(goal())) as f64 + of(Count::GoalMillionths(goal())) as f64 / MILLION;
    (of(Count::GoalValued(goal())).max(0), sum)
}

fn reached(counts: &Counts, kpi: &KpiSpec, since: i64) -> i64 {
    counts.since(&Count::Goal(kpi.goal.clone()).name(), since)
}

/// What is counted by buckets is counted by the day.
fn histogram(counts: &Counts, prefix: &str, begin: Micros) -> Histogram {
    let mut histogram = Histogram::default();
    for (bucket, n) in counts.buckets(prefix, Counts::bucket(begin.div_euclid(DAY) * DAY)) {
        histogram.add(bucket, n);
    }
    histogram
}

const MILLION: f64 = 1e6;

/// A time from an entry to a goal in the unit of the histogram: seconds.
pub fn seconds(length: Micros) -> i64 {
    (length.max(0) + SECOND / 2) / SECOND
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
fn wilson(reached: i64, sample: i64) -> (f64, f64) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::HOUR, kpi::bucket};

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
            statistic: Statistic::Rate,
            valued: false,
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

    fn kpi(statistic: Statistic, valued: bool, target: Option<Target>) -> KpiSpec {
        KpiSpec {
            statistic,
            valued,
            ..rate(None, target)
        }
    }

    /// As the engine counts them: reached by an enrollment of the last day, with a value in millionths.
    fn valued(values: &[i64]) -> Counts {
        let mut counts = Counts::default();
        for value in values {
            counts.add("goal:bought".into(), NOW, 1);
            counts.add("goal-valued:bought".into(), NOW, 1);
            counts.add("goal-units:bought".into(), NOW, value.div_euclid(1_000_000));
            counts.add("goal-millionths:bought".into(), NOW, value.rem_euclid(1_000_000));
            counts.add(format!("goal-value:bought:{}", bucket(*value)), NOW, 1);
        }
        counts
    }

    fn timed(seconds: impl IntoIterator<Item = i64>) -> Counts {
        let mut counts = Counts::default();
        for seconds in seconds {
            counts.add(format!("goal-time:bought:{}", bucket(seconds)), NOW, 1);
        }
        counts
    }

    #[test]
    fn a_sum_and_a_mean_are_of_the_values_that_are_known() {
        let mut counts = valued(&[10_500_000, -500_000, 20_000_000]);
        // Reached, but its value could not be computed.
        counts.add("goal:bought".into(), NOW, 1);
        let sum = measure(&counts, &kpi(Statistic::Sum, true, Some(Target::AtLeast(30.0))), NOW);
        assert_eq!((sum.value, sum.low, sum.high, sum.sample), (Some(30.0), None, None, 3));
        assert_eq!(sum.state, State::Met, "a total is what it is");
        let missed = measure(&counts, &kpi(Statistic::Sum, true, Some(Target::AtLeast(30.1))), NOW);
        assert_eq!(missed.state, State::Missed);
        let mean = measure(&counts, &kpi(Statistic::Mean, true, None), NOW);
        assert_eq!((mean.value, mean.sample), (Some(10.0), 3));
        // R: t.test has a wider interval; 10 ± 1.96 * sd / sqrt(3), sd = 10.26
        let (low, high) = (mean.low.unwrap(), mean.high.unwrap());
        assert!(
            (low + 1.61).abs() < 0.5 && (high - 21.61).abs() < 0.5,
            "{low} to {high}"
        );
    }

    #[test]
    fn without_a_value_of_its_own_a_goal_is_worth_one() {
        let counts = counts(200, 18);
        let sum = measure(&counts, &kpi(Statistic::Sum, false, None), NOW);
        assert_eq!((sum.value, sum.sample), (Some(18.0), 18));
        let mean = measure(&counts, &kpi(Statistic::Mean, false, None), NOW);
        assert_eq!((mean.value, mean.low, mean.high), (Some(1.0), Some(1.0), Some(1.0)));
    }

    #[test]
    fn a_mean_of_one_value_has_no_interval_and_no_verdict() {
        let target = Some(Target::AtLeast(1.0));
        let mean = measure(&valued(&[5_000_000]), &kpi(Statistic::Mean, true, target), NOW);
        assert_eq!((mean.value, mean.low, mean.state), (Some(5.0), None, State::Unknown));
        let none = measure(&Counts::default(), &kpi(Statistic::Mean, true, target), NOW);
        assert_eq!((none.value, none.sample, none.state), (None, 0, State::Unknown));
    }

    #[test]
    fn durations_are_quantiles_of_the_times_within_a_thirty_second() {
        let counts = timed(1..=1_000);
        let p50 = measure(&counts, &kpi(Statistic::P50Duration, false, None), NOW);
        let near = |value: Option<f64>, expected: f64| {
            let value = value.unwrap();
            assert!((value - expected).abs() <= expected / 16.0, "{value} is not {expected}");
        };
        near(p50.value, 500.0);
        // Ranks 469 and 531: R, qbinom(c(.025, .975), 1000, .5).
        near(p50.low, 469.0);
        near(p50.high, 531.0);
        assert_eq!(p50.sample, 1_000);
        let p95 = measure(
            &counts,
            &kpi(Statistic::P95Duration, false, Some(Target::AtMost(1_100.0))),
            NOW,
        );
        near(p95.value, 950.0);
        assert_eq!(p95.state, State::Met);
        let tight = measure(
            &counts,
            &kpi(Statistic::P95Duration, false, Some(Target::AtMost(950.0))),
            NOW,
        );
        assert_eq!(tight.state, State::Unknown, "it may well be more");
    }

    #[test]
    fn few_durations_have_a_value_and_no_verdict() {
        let p95 = measure(
            &timed([60, 120, 180]),
            &kpi(Statistic::P95Duration, false, Some(Target::AtMost(3_600.0))),
            NOW,
        );
        assert_eq!((p95.sample, p95.high, p95.state), (3, None, State::Unknown));
        assert!(p95.value.is_some());
    }
}
