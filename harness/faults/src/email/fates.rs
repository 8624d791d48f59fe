//! The fates of emails under `EmailFlaky`. Pure: seed, recipient and number in, fate out.

use std::time::Duration;

use crate::draw::Draw;

/// The fault's settings, as in [`overdraft_model::fault::Fault::EmailFlaky`].
#[derive(Debug, Clone, Default)]
pub(super) struct Flaky {
    pub(super) fail_attempts: u32,
    pub(super) for_good: f64,
    pub(super) rate_limited: f64,
    pub(super) lose_answer: f64,
    pub(super) slow: f64,
    pub(super) slow_by: Duration,
}

/// What one message meets on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Fate {
    /// This many first attempts are answered 500.
    pub(super) fails: u32,
    /// It is refused for good.
    pub(super) for_good: bool,
    /// Its first attempt is answered 429.
    pub(super) rate_limited: bool,
    /// It is accepted and the answer lost, once.
    pub(super) lose_answer: bool,
    /// Its answer comes late.
    pub(super) slow: bool,
}

impl Flaky {
    /// The fate of the n-th distinct message to a recipient.
    pub(super) fn fate(&self, seed: u64, recipient: &str, number: usize) -> Fate {
        let mut draw = Draw::of(seed, &["email", recipient, &number.to_string()]);
        Fate {
            fails: u32::try_from(draw.up_to(self.fail_attempts.into())).unwrap_or(self.fail_attempts),
            for_good: draw.chance(self.for_good),
            rate_limited: draw.chance(self.rate_limited),
            lose_answer: draw.chance(self.lose_answer),
            slow: draw.chance(self.slow),
        }
    }
}

impl Fate {
    /// One message to several: the worse of each.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            fails: self.fails.max(other.fails),
            for_good: self.for_good || other.for_good,
            rate_limited: self.rate_limited || other.rate_limited,
            lose_answer: self.lose_answer || other.lose_answer,
            slow: self.slow || other.slow,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_message_always_meets_the_same_fate() {
        let flaky = Flaky { fail_attempts: 3, for_good: 0.2, lose_answer: 0.5, ..Flaky::default() };
        let all: Vec<Fate> = (0..300).map(|n| flaky.fate(9, &format!("b{}@example.com", n % 10), n / 10)).collect();
        let again: Vec<Fate> = (0..300).map(|n| flaky.fate(9, &format!("b{}@example.com", n % 10), n / 10)).collect();
        assert_eq!(all, again);
        for fails in 0..=3 {
            assert!(all.iter().any(|fate| fate.fails == fails), "no message fails {fails} times");
        }
        let refused = all.iter().filter(|fate| fate.for_good).count();
        assert!((35..90).contains(&refused), "{refused}");
        assert!(all.iter().all(|fate| !fate.rate_limited && !fate.slow));
    }
}
