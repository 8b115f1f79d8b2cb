//! Numbers as texts, rounded so that a status changes only when it means something.

use super::Statistic;
use crate::{
    clock::{DAY, HOUR, MINUTE, SECOND},
    expression::time::show_duration,
};

/// A value of the statistic in the unit of its target: `9.1%`, `1230`, `1d12h`.
pub fn show(statistic: Statistic, value: f64) -> String {
    match statistic {
        Statistic::Rate => percent(value),
        Statistic::Sum | Statistic::Mean => decimal(value),
        Statistic::P50Duration | Statistic::P95Duration => duration(value),
    }
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

/// Three significant digits, without an exponent: 1234.5 is `1230`, 0.5 is `0.5`.
fn decimal(value: f64) -> String {
    if !value.is_finite() {
        return "unknown".into();
    }
    let rounded: f64 = format!("{value:.2e}").parse().unwrap_or(value);
    (if rounded == 0.0 { 0.0 } else { rounded }).to_string()
}

/// Seconds, in two units at most: days and hours, hours and minutes, minutes and seconds.
fn duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return "unknown".into();
    }
    // Durations of a journey are far below what a microsecond count holds; a cast beyond it stays at its end.
    let micros = (seconds.max(0.0) * SECOND as f64).round() as i64;
    let unit = match micros {
        length if length >= DAY => HOUR,
        length if length >= HOUR => MINUTE,
        _ => SECOND,
    };
    show_duration(micros.saturating_add(unit / 2) / unit * unit)
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

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_value_is_shown_in_the_unit_of_its_target() {
        let cases = [
            (Statistic::Rate, 0.0912, "9.1%"),
            (Statistic::Sum, 1_234_567.8, "1230000"),
            (Statistic::Sum, -0.0, "0"),
            (Statistic::Mean, 49.95, "50"),
            (Statistic::Mean, -0.51234, "-0.512"),
            (Statistic::P50Duration, 42.0, "42s"),
            (Statistic::P50Duration, 5_400.0, "1h30m"),
            (Statistic::P95Duration, 131_000.0, "1d12h"),
            (Statistic::P95Duration, 0.0, "0s"),
        ];
        for (statistic, value, text) in cases {
            assert_eq!(show(statistic, value), text);
        }
        assert_eq!(show(Statistic::Mean, f64::INFINITY), "unknown");
    }
}
