//! How the requests of a race are let go.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is held back of each request until all are let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Release {
    /// HTTP/1.1: a connection for each, and the last byte of each, written in one tight loop.
    #[default]
    LastByte,
    /// HTTP/2: one connection to an instance, and the frames that complete its requests, in one write.
    SingleWrite,
}

impl std::fmt::Display for Release {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::LastByte => "last byte over HTTP/1.1",
            Self::SingleWrite => "single write over HTTP/2",
        })
    }
}

/// How much later than asked the second of two may leave, in nanoseconds: a thread wakes tens of microseconds late.
const LATE: u64 = 100_000;

/// Whether two requests that left `spread` nanoseconds apart did so as they were to: no more than 0.1 ms later, or
/// a sixteenth of the distance.
#[must_use]
pub fn as_far_apart(apart: u64, spread: u64) -> bool {
    spread.saturating_sub(apart) <= LATE.max(apart / 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_is_kept_to_a_sixteenth_or_a_tenth_of_a_millisecond() {
        for (apart, spread, kept) in [
            (0, 99_000, true),
            (0, 101_000, false),
            (500_000, 600_000, true),
            (500_000, 601_000, false),
            (16_000_000, 17_000_000, true),
            (16_000_000, 17_000_001, false),
        ] {
            assert_eq!(as_far_apart(apart, spread), kept, "{apart} {spread}");
        }
    }
}
