//! Chance that is the same on every replica and after every restart: what a customer draws depends on a salt and on who they are, and on
//! nothing else.

use super::program::{Arm, Holdout};
use ring::digest::{Context, SHA256};

/// Parts that the customers of a split are divided into: hundredths of a percent.
pub const SPLIT: u64 = 10_000;
/// Parts that customers are held out by: percentages with four decimals are exact.
pub const HOLDOUT: u64 = 1_000_000;

/// A number from 0 to `parts` - 1: the first eight bytes of SHA-256 over salt and customer, the highest first, modulo `parts`. The customer is
/// a pseudonym of 16 bytes, so salts of any length cannot run into it. The remainder favours the low numbers by less than 1 in 10^13.
pub fn draw(salt: &str, customer: &[u8; 16], parts: u64) -> u64 {
    let mut hash = Context::new(&SHA256);
    hash.update(salt.as_bytes());
    hash.update(customer);
    let digest = hash.finish();
    let first = digest.as_ref().first_chunk::<8>().copied().unwrap_or_default();
    u64::from_be_bytes(first) % parts.max(1)
}

/// The arm that a customer draws: arms take ranges of the parts in their order, as wide as their weights say.
pub(super) fn arm<'a>(arms: &'a [Arm], salt: &str, customer: &[u8; 16]) -> Option<&'a Arm> {
    let drawn = draw(salt, customer, SPLIT);
    let mut end = 0;
    let of_range = arms.iter().find(|arm| {
        end += u64::from(arm.weight) * (SPLIT / 100);
        drawn < end
    });
    // The compiler sees to it that weights add up to 100.
    of_range.or(arms.last())
}

/// Whether the customer is held out.
pub(super) fn is_held_out(holdout: &Holdout, customer: &[u8; 16]) -> bool {
    draw(&holdout.salt, customer, HOLDOUT) < u64::from(holdout.share)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arms(weights: &[u8]) -> Vec<Arm> {
        let arm = |(next, weight): (usize, &u8)| Arm {
            name: format!("a{next}"),
            weight: *weight,
            next,
        };
        weights.iter().enumerate().map(arm).collect()
    }

    /// How many of 100,000 customers draw each arm.
    fn shares(weights: &[u8], salt: &str) -> Vec<f64> {
        let arms = arms(weights);
        let mut drawn = vec![0.0; arms.len()];
        for n in 0..100_000_u128 {
            drawn[arm(&arms, salt, &n.to_be_bytes()).unwrap().next] += 1.0;
        }
        drawn
    }

    #[test]
    fn shares_are_as_the_weights_say() {
        // The 99.9 % quantiles of chi-squared with 1, 2 and 3 degrees of freedom; the customers are always the same, so it cannot flake.
        for (weights, most) in [
            (&[50, 50][..], 10.83),
            (&[1, 99], 10.83),
            (&[20, 30, 50], 13.82),
            (&[25, 25, 25, 25], 16.27),
        ] {
            for salt in ["shop/cart/tone", "shop/cart/tone2", "other/cart/tone"] {
                let chi: f64 = shares(weights, salt)
                    .iter()
                    .zip(weights)
                    .map(|(drawn, weight)| {
                        let expected = 1_000.0 * f64::from(*weight);
                        (drawn - expected).powi(2) / expected
                    })
                    .sum();
                assert!(chi < most, "{weights:?} {salt}: chi-squared {chi}");
            }
        }
    }

    #[test]
    fn splits_of_different_steps_are_independent() {
        let (halves, mut both) = (arms(&[50, 50]), 0.0);
        for n in 0..100_000_u128 {
            let draws = |salt| arm(&halves, salt, &n.to_be_bytes()).unwrap().next == 0;
            both += f64::from(u8::from(draws("shop/cart/a") && draws("shop/cart/b")));
        }
        assert!((both - 25_000.0_f64).abs() < 500.0, "{both} of 25000");
    }

    #[test]
    fn a_share_is_held_out_and_a_larger_one_holds_out_the_same_and_more() {
        let held_out = |share| -> Vec<u128> {
            let holdout = Holdout {
                salt: "holdout:shop/group:all".into(),
                share,
            };
            (0..100_000)
                .filter(|n: &u128| is_held_out(&holdout, &n.to_be_bytes()))
                .collect()
        };
        assert!(held_out(0).is_empty());
        assert_eq!(held_out(1_000_000).len(), 100_000);
        let tenth = held_out(100_000);
        // Five standard deviations.
        assert!(tenth.len().abs_diff(10_000) < 475, "{} of 10000", tenth.len());
        let fifth = held_out(200_000);
        assert!(tenth.iter().all(|customer| fifth.contains(customer)));
    }

    #[test]
    fn an_arm_without_weight_gets_nobody() {
        assert_eq!(shares(&[0, 100], "x"), [0.0, 100_000.0]);
        assert_eq!(shares(&[100, 0], "x"), [100_000.0, 0.0]);
        assert!(arm(&[], "x", &[0; 16]).is_none());
    }

    #[test]
    fn a_draw_is_the_hash_by_the_letter() {
        // printf 'shop/cart/tone' | cat - <(head -c 16 /dev/zero) | sha256sum, its first 8 bytes modulo 10,000.
        assert_eq!(draw("shop/cart/tone", &[0; 16], SPLIT), 4790);
        assert_eq!(draw("x", &[7; 16], 0), 0, "no parts are one part");
    }
}
