//! Durations as people write them in a scenario file: `250ms`, `2s`, `1m`.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A length of time with millisecond resolution, written `250ms`, `2s`, `1m` or `1h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span(u64);

/// Why a piece of text is not a [`Span`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration: write a whole number and a unit, such as 250ms, 2s, 1m or 1h")]
pub struct SpanError(String);

impl Span {
    /// A span of `ms` milliseconds.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// Its length in milliseconds.
    #[must_use]
    pub const fn ms(self) -> u64 {
        self.0
    }

    /// Its length in nanoseconds, the unit of history times.
    #[must_use]
    pub const fn ns(self) -> u64 {
        self.0.saturating_mul(1_000_000)
    }

    /// As the standard library's duration.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let wrong = || SpanError(text.to_owned());
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let factor = match unit.trim() {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(wrong()),
        };
        let number: u64 = number.parse().map_err(|_| wrong())?;
        number.checked_mul(factor).map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (value, unit) = match self.0 {
            ms if ms >= 3_600_000 && ms % 3_600_000 == 0 => (ms / 3_600_000, "h"),
            ms if ms >= 60_000 && ms % 60_000 == 0 => (ms / 60_000, "m"),
            ms if ms >= 1_000 && ms % 1_000 == 0 => (ms / 1_000, "s"),
            ms => (ms, "ms"),
        };
        write!(f, "{value}{unit}")
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for (text, ms) in [("0ms", 0), ("250ms", 250), ("2s", 2_000), ("3m", 180_000), ("1h", 3_600_000)] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.ms(), ms);
            assert_eq!(span.to_string().parse::<Span>().unwrap(), span);
        }
    }

    #[test]
    fn refuses_what_has_no_unit_or_no_number() {
        for text in ["", "5", "ms", "-1s", "1.5s", "5 days", "99999999999999999999s"] {
            assert!(text.parse::<Span>().is_err(), "{text} was accepted");
        }
    }
}
