//! How long to wait before trying again: exponential, capped, with jitter.

use std::time::Duration;

use rand::Rng;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// The longest wait that a provider can ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(24 * 3_600);

/// How long a provider asks us to wait, in whole seconds as `Retry-After` tells it.
pub(crate) fn asked(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Base and cap of the waits; the n-th wait is `base * 2^(n-1)`, at most `cap`, times 0.5 to 1.
///
/// The jitter keeps jobs that failed together (the provider was down) from returning together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    /// The first wait, before jitter.
    pub(crate) base: Duration,
    /// The longest wait.
    pub(crate) cap: Duration,
}

impl Backoff {
    /// The wait after `failures` failures (1 or more).
    pub(crate) fn after(&self, failures: u32) -> Duration {
        self.longest_after(failures).mul_f64(rand::rng().random_range(0.5..=1.0))
    }

    /// The wait after `failures` failures, or what the provider asked for if that is longer, up to a day.
    pub(crate) fn after_or(&self, failures: u32, asked: Option<Duration>) -> Duration {
        self.after(failures).max(asked.unwrap_or_default().min(LONGEST_ASKED))
    }

    fn longest_after(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(20);
        self.base.saturating_mul(1 << doublings).min(self.cap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_cap_and_jitters_below() {
        let backoff = Backoff { base: Duration::from_millis(100), cap: Duration::from_millis(350) };
        let longest: Vec<u128> = (1..=4).map(|n| backoff.longest_after(n).as_millis()).collect();
        assert_eq!(longest, [100, 200, 350, 350]);
        for _ in 0..100 {
            let wait = backoff.after(2).as_millis();
            assert!((100..=200).contains(&wait), "{wait}");
        }
        assert_eq!(backoff.longest_after(u32::MAX), Duration::from_millis(350));
        assert_eq!(backoff.after_or(1, Some(Duration::from_secs(60))), Duration::from_secs(60));
        assert_eq!(backoff.after_or(1, Some(Duration::MAX)), LONGEST_ASKED);
        assert!(backoff.after_or(1, Some(Duration::ZERO)) >= Duration::from_millis(50));
    }

    #[test]
    fn only_whole_seconds_are_understood() {
        let of = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, reqwest::header::HeaderValue::from_static(value));
            asked(&headers)
        };
        assert_eq!(of("7"), Some(Duration::from_secs(7)));
        assert_eq!(of("soon"), None);
        assert_eq!(asked(&HeaderMap::new()), None);
    }
}
