//! A random timetable: which faults there are to choose from, how often, and for how long. The seed draws windows
//! from it before anything starts.

use serde::{Deserialize, Serialize};

use super::Fault;
use crate::span::Span;

/// `[random]` in a scenario file. Only one fault of it is in place at a time, and the next waits until the
/// target is ready again, so that what is seen can be told apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Random {
    /// The shortest and the longest time that a fault is in place.
    pub lasts: [Span; 2],
    /// The shortest and the longest time between two faults, for the target to recover in.
    pub pause: [Span; 2],
    /// What there is to choose from.
    pub faults: Vec<Choice>,
}

/// A fault and how often it is chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// How often, compared with the others.
    #[serde(default = "once")]
    pub weight: u32,
    /// What to inject.
    pub fault: Fault,
}

const fn once() -> u32 {
    1
}
