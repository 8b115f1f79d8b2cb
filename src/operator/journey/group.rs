//! Figures of few customers are not told: who knows one of them would learn of the others. Pure.

use crate::{
    api::status::{KpiReason, Lift},
    compile::{self, Manifests},
    kpi::{self, Measure, State, percent, round_two_digits},
};

/// From how many customers on figures of a journey are told: reporting.minimumGroup of its policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group(i64);

impl Group {
    /// Of a journey, by the policies that select it.
    pub fn of(manifests: &Manifests, journey: &str) -> Self {
        let policy = compile::policy(manifests, manifests, journey).unwrap_or_default();
        Self(i64::from(policy.bounds.minimum_group).max(1))
    }

    /// A count as it is told: none is zero; of fewer than the group nothing is said; more are rounded down to its multiples, so that what is left
    /// out cannot be told from the difference of two others, nor one customer from the difference of two readings.
    pub fn count(self, count: i64) -> Option<i64> {
        let floor = round_two_digits(count) / self.0 * self.0;
        (count == 0 || count >= self.0).then_some(if count == 0 { 0 } else { floor.max(self.0) })
    }

    /// What was measured, as far as it is told.
    pub fn measure(self, measure: Measure) -> Measure {
        if measure.sample >= self.0 {
            return Measure {
                sample: measure.sample / self.0 * self.0,
                ..measure
            };
        }
        Measure {
            value: None,
            low: None,
            high: None,
            sample: 0,
            state: State::Unknown,
        }
    }

    /// Why nothing is told. Of nobody there is nothing to tell whatever the group, and saying which of the two it is would tell something.
    pub fn reason(self, told: &Measure) -> Option<KpiReason> {
        (self.0 > 1 && told.sample == 0).then_some(KpiReason::BelowMinimumGroup)
    }

    /// None: too few were held out.
    pub fn lift(self, lift: kpi::Lift) -> Option<Lift> {
        let kpi::Lift {
            value,
            low,
            high,
            held_out,
        } = lift;
        (held_out >= self.0).then(|| Lift {
            value: percent(value),
            low: percent(low),
            high: percent(high),
            held_out: self.count(held_out).unwrap_or(0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(sample: i64) -> Measure {
        Measure {
            value: Some(0.2),
            low: Some(0.1),
            high: Some(0.3),
            sample,
            state: State::Met,
        }
    }

    #[test]
    fn counts_of_few_are_left_out_and_others_rounded_down() {
        let ten = Group(10);
        let told: Vec<_> = [0, 1, 9, 10, 19, 20, 127, 1_278].map(|count| ten.count(count)).into();
        let expected = [
            Some(0),
            None,
            None,
            Some(10),
            Some(10),
            Some(20),
            Some(130),
            Some(1_300),
        ];
        assert_eq!(told, expected);
        assert_eq!(
            [0, 1, 9, 12].map(|count| Group(1).count(count)),
            [Some(0), Some(1), Some(9), Some(12)]
        );
    }

    #[test]
    fn no_two_counts_differ_by_less_than_the_group() {
        let seven = Group(7);
        let told: std::collections::BTreeSet<i64> = (0..5_000).filter_map(|count| seven.count(count)).collect();
        let told: Vec<i64> = told.into_iter().collect();
        assert!(told.windows(2).all(|pair| pair[1] - pair[0] >= 7), "{told:?}");
    }

    #[test]
    fn a_kpi_over_few_is_unknown_and_says_why() {
        let few = Group(10).measure(measured(9));
        assert_eq!(
            (few.value, few.low, few.high, few.sample, few.state),
            (None, None, None, 0, State::Unknown)
        );
        assert_eq!(Group(10).reason(&few), Some(KpiReason::BelowMinimumGroup));
        let enough = Group(10).measure(measured(10));
        assert_eq!((enough.value, Group(10).reason(&enough)), (Some(0.2), None));
        assert_eq!(Group(1).measure(measured(1)), measured(1));
        assert_eq!(Group(1).reason(&measured(0)), None);
    }

    #[test]
    fn a_lift_against_few_is_not_told() {
        let lift = |held_out| kpi::Lift {
            value: 0.01,
            low: 0.0,
            high: 0.02,
            held_out,
        };
        assert!(Group(10).lift(lift(9)).is_none());
        assert_eq!(Group(10).lift(lift(25)).unwrap().held_out, 20);
    }
}
