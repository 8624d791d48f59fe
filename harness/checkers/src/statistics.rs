//! Shares with their uncertainty.

use serde::{Deserialize, Serialize};

/// The 97.5th percentile of the normal distribution: 95 % lie between it and its negative.
const Z: f64 = 1.959_963_984_540_054;

/// Where a share lies with a confidence of 95 %.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end, 0 to 1.
    pub low: f64,
    /// Upper end, 0 to 1.
    pub high: f64,
}

/// Wilson's score interval, which is honest for few trials and for shares of 0 and 1. None without trials.
#[must_use]
pub fn wilson(hits: usize, trials: usize) -> Option<Interval> {
    if trials == 0 {
        return None;
    }
    let n = trials as f64;
    let share = hits.min(trials) as f64 / n;
    let middle = share + Z * Z / (2.0 * n);
    let spread = Z * ((share * (1.0 - share) + Z * Z / (4.0 * n)) / n).sqrt();
    let scale = 1.0 + Z * Z / n;
    Some(Interval { low: ((middle - spread) / scale).max(0.0), high: ((middle + spread) / scale).min(1.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_the_one_in_the_books() {
        // Wilson 1927, as computed by R's binom.confint(method = "wilson").
        for (hits, trials, low, high) in [
            (10, 10, 0.722_467, 1.0),
            (0, 10, 0.0, 0.277_533),
            (9, 10, 0.595_850, 0.982_124),
            (0, 200, 0.0, 0.018_845),
            (81, 263, 0.255_289, 0.366_210),
        ] {
            let interval = wilson(hits, trials).unwrap();
            assert!((interval.low - low).abs() < 5e-4, "{hits}/{trials}: {interval:?}");
            assert!((interval.high - high).abs() < 5e-4, "{hits}/{trials}: {interval:?}");
        }
        assert_eq!(wilson(0, 0), None);
    }

    #[test]
    fn the_interval_holds_its_share_and_narrows_with_more_trials() {
        for trials in 1..60 {
            for hits in 0..=trials {
                let interval = wilson(hits, trials).unwrap();
                let share = hits as f64 / trials as f64;
                assert!(interval.low <= share + 1e-12 && share - 1e-12 <= interval.high, "{hits}/{trials}");
                let more = wilson(hits * 4, trials * 4).unwrap();
                assert!(more.high - more.low < interval.high - interval.low, "{hits}/{trials}");
            }
        }
    }
}
