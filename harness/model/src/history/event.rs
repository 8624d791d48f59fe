//! What is written of a run as it happens: one event a line.

use serde::{Deserialize, Serialize};

use crate::{
    boundary::{Bounded, Counted, Struck},
    fault::Fault,
    operation::{Answer, Operation, Outcome},
    release::Release,
};

/// One line of `history.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Position in the stream, from 0, without gaps.
    pub index: u64,
    /// Nanoseconds since the run began.
    pub time: u64,
    /// What happened.
    #[serde(flatten)]
    pub body: Body,
}

/// What one event says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Body {
    /// A scenario begins; all that follows, up to the next, belongs to it.
    Scenario {
        /// The scenario's id.
        name: String,
    },
    /// A phase of the scenario begins.
    Phase {
        /// Which one.
        phase: Phase,
    },
    /// A process asks for something.
    Invoke {
        /// The operation's number, unique in the run.
        op: u64,
        /// The logical client. It has one operation in flight; after `info` it takes a new number.
        process: u64,
        /// When the process meant to ask, in nanoseconds: earlier than `time` if it had to wait for its turn.
        intended: u64,
        /// What it asks for.
        operation: Operation,
    },
    /// The process was answered, or gave up.
    #[serde(rename = "return")]
    Return {
        /// The operation's number.
        op: u64,
        /// How it ended.
        outcome: Outcome,
        /// What was said.
        answer: Answer,
    },
    /// Several requests were released together.
    Race {
        /// What they raced for.
        name: String,
        /// The operations that took part.
        operations: Vec<u64>,
        /// How many were meant to.
        planned: usize,
        /// Nanoseconds between the first and the last release.
        spread: u64,
        /// What was held back of each request.
        #[serde(default)]
        release: Release,
        /// Nanoseconds that were to lie between one release and the next; none where all were to leave at once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        apart: Option<u64>,
    },
    /// A step of a flow is done.
    Step {
        /// Its place in the flow, from 0.
        step: usize,
        /// What it asked, in order.
        operations: Vec<u64>,
    },
    /// Something was done to the target that is neither an operation nor a fault of the timetable: an instance
    /// was killed, a clock moved.
    Act {
        /// What, in words.
        what: String,
    },
    /// Boundaries of an operation were counted. A second event for the same operation adds to the first.
    Counted {
        /// Which operation.
        operation: Bounded,
        /// Its boundaries, in the order in which they were seen.
        boundaries: Vec<Counted>,
        /// Why the operation was left out, where it was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        skipped: Option<String>,
    },
    /// An operation was struck at a boundary, or was to be.
    Struck(Struck),
    /// A fault was injected.
    Inject {
        /// Its number in the scenario's timetable, from 0.
        fault: usize,
        /// What it is.
        what: Fault,
    },
    /// A fault was healed.
    Heal {
        /// Its number in the scenario's timetable.
        fault: usize,
        /// How often it took effect while it was in place.
        effects: u64,
    },
    /// The instances were asked whether they are ready: before an injection, after healing, and once more when
    /// everything is healed.
    Health {
        /// The fault's number in the scenario's timetable; none when everything is healed.
        fault: Option<usize>,
        /// Whether all instances said so in the end.
        ready: bool,
        /// Milliseconds that it was waited for.
        waited_ms: u64,
    },
}

/// The phases in which operations are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Load and faults.
    Drive,
    /// Everything healed, outstanding work is waited for.
    Settle,
    /// The final reads.
    FinalReads,
    /// The scenario's evidence is complete.
    Done,
}
