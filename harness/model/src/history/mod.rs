//! The history of a run: one stream of events, written as it happens, one JSON object per line.
//!
//! Times are nanoseconds on one monotonic clock that starts with the run. An invocation is stamped
//! before the first byte leaves and a completion after the last byte arrived, so the true moment of an
//! effect lies between the two. An operation that ended `info` has no end: its effect may still come.

mod event;

use std::collections::HashMap;

pub use event::{Body, Event, Phase};

use crate::{
    boundary::{Bounded, Counted, Struck},
    fault::Fault,
    operation::{Answer, Operation, Outcome},
    release::{Release, as_far_apart},
};

/// An operation with both its ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The operation's number, unique in the run.
    pub op: u64,
    /// The logical client.
    pub process: u64,
    /// What was asked.
    pub operation: Operation,
    /// When the process meant to ask, in nanoseconds.
    pub intended: u64,
    /// When it asked, in nanoseconds.
    pub start: u64,
    /// When it was answered; none where no answer was ever recorded.
    pub end: Option<u64>,
    /// How it ended. A call that was never answered is `Info`.
    pub outcome: Outcome,
    /// What it was told.
    pub answer: Answer,
    /// The phase in which it was asked.
    pub phase: Phase,
}

/// Requests that were released together.
#[derive(Debug, Clone, PartialEq)]
pub struct Race {
    /// What they raced for.
    pub name: String,
    /// The operations that took part.
    pub operations: Vec<u64>,
    /// How many were meant to.
    pub planned: usize,
    /// Nanoseconds between the first and the last release.
    pub spread: u64,
    /// What was held back of each request.
    pub release: Release,
    /// Nanoseconds that were to lie between one release and the next; none where all were to leave at once.
    pub apart: Option<u64>,
    /// When the last one had been released, in nanoseconds.
    pub time: u64,
}

impl Race {
    /// Whether its requests left as far apart as they were to: a busy machine may put aside whoever lets them go.
    #[must_use]
    pub fn left_as_asked(&self) -> bool {
        self.apart.is_none_or(|apart| as_far_apart(apart, self.spread))
    }
}

/// A fault as it was really injected and healed.
#[derive(Debug, Clone, PartialEq)]
pub struct Injected {
    /// Its number in the scenario's timetable.
    pub fault: usize,
    /// What it was.
    pub what: Fault,
    /// When it was injected, in nanoseconds.
    pub from: u64,
    /// When it was healed, in nanoseconds; none if the record ends before.
    pub to: Option<u64>,
    /// How often it took effect.
    pub effects: u64,
    /// Whether the instances were ready before.
    pub ready_before: Option<bool>,
    /// How long after healing they were ready again, in milliseconds; none if it was not seen.
    pub recovered_ms: Option<u64>,
}

/// An operation whose boundaries were counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountedOperation {
    /// Which.
    pub operation: Bounded,
    /// Its boundaries; their numbers are their places here.
    pub boundaries: Vec<Counted>,
    /// Why it was left out, where it was.
    pub skipped: Option<String>,
}

/// One scenario's part of a history, its events paired.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// The scenario's id.
    pub scenario: String,
    /// When it began, in nanoseconds since the run began.
    pub start: u64,
    /// The last recorded moment.
    pub end: u64,
    /// Every call, in order of invocation.
    pub calls: Vec<Call>,
    /// Every race.
    pub races: Vec<Race>,
    /// Every fault.
    pub faults: Vec<Injected>,
    /// Steps of a flow that were done: place in the flow, and what was asked.
    pub steps: Vec<(usize, Vec<u64>)>,
    /// What else was done to the target, in words, with its time in nanoseconds.
    pub acts: Vec<(u64, String)>,
    /// Whether the instances were ready when everything was healed, and the milliseconds it was waited for.
    pub ready: Option<(bool, u64)>,
    /// Operations whose boundaries were counted.
    pub counted: Vec<CountedOperation>,
    /// Boundaries that were struck, or were to be.
    pub struck: Vec<Struck>,
    /// Phases reached, with their start.
    pub phases: Vec<(Phase, u64)>,
}

/// Why a stream of events is no history.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// Events before the first scenario line.
    #[error("event {index}: no scenario has begun; the history must start with a `scenario` line")]
    NoScenario {
        /// The offending event.
        index: u64,
    },
    /// A return without its invocation, or a second one.
    #[error("event {index}: operation {op} returns without being in flight")]
    NotInFlight {
        /// The offending event.
        index: u64,
        /// The operation that returned.
        op: u64,
    },
    /// An operation number was used twice.
    #[error("event {index}: operation {op} is invoked a second time; numbers are unique in a run")]
    Reused {
        /// The offending event.
        index: u64,
        /// The operation invoked again.
        op: u64,
    },
    /// A heal without its injection.
    #[error("event {index}: fault {fault} is healed without being open")]
    NotInjected {
        /// The offending event.
        index: u64,
        /// The fault's number.
        fault: usize,
    },
    /// Lines are missing or out of order.
    #[error("event {index} stands where event {expected} should: the file lost or gained lines")]
    Gap {
        /// The index found.
        index: u64,
        /// The index that was due.
        expected: u64,
    },
}

impl History {
    /// Pairs a run's events into one history per scenario, in order.
    ///
    /// # Errors
    /// Fails on a stream that no recorder writes: gaps, unmatched returns, reused numbers.
    pub fn from_events(events: impl IntoIterator<Item = Event>) -> Result<Vec<Self>, HistoryError> {
        let mut histories: Vec<Self> = Vec::new();
        let mut open: HashMap<u64, usize> = HashMap::new();
        let mut seen = std::collections::HashSet::new();
        for (expected, event) in (0_u64..).zip(events) {
            let Event { index, time, body } = event;
            if index != expected {
                return Err(HistoryError::Gap { index, expected });
            }
            if let Body::Scenario { name } = body {
                open.clear();
                histories.push(Self::empty(name, time));
                continue;
            }
            let history = histories.last_mut().ok_or(HistoryError::NoScenario { index })?;
            history.end = history.end.max(time);
            match body {
                Body::Scenario { .. } => {}
                Body::Phase { phase } => history.phases.push((phase, time)),
                Body::Invoke { op, process, intended, operation } => {
                    if !seen.insert(op) {
                        return Err(HistoryError::Reused { index, op });
                    }
                    open.insert(op, history.calls.len());
                    let phase = history.phases.last().map_or(Phase::Drive, |(phase, _)| *phase);
                    history.calls.push(Call {
                        op,
                        process,
                        operation,
                        intended,
                        start: time,
                        end: None,
                        outcome: Outcome::Info,
                        answer: Answer::default(),
                        phase,
                    });
                }
                Body::Return { op, outcome, answer } => {
                    let at = open.remove(&op).ok_or(HistoryError::NotInFlight { index, op })?;
                    let call = &mut history.calls[at];
                    call.end = Some(time);
                    call.outcome = outcome;
                    call.answer = answer;
                }
                Body::Race { name, operations, planned, spread, release, apart } => {
                    history.races.push(Race { name, operations, planned, spread, release, apart, time });
                }
                Body::Step { step, operations } => history.steps.push((step, operations)),
                Body::Act { what } => history.acts.push((time, what)),
                Body::Counted { operation, boundaries, skipped } => history.count(operation, boundaries, skipped),
                Body::Struck(struck) => history.struck.push(struck),
                Body::Inject { fault, what } => {
                    history.faults.push(Injected {
                        fault,
                        what,
                        from: time,
                        to: None,
                        effects: 0,
                        ready_before: None,
                        recovered_ms: None,
                    });
                }
                Body::Heal { fault, effects } => {
                    let injected = history
                        .faults
                        .iter_mut()
                        .rev()
                        .find(|open| open.fault == fault && open.to.is_none())
                        .ok_or(HistoryError::NotInjected { index, fault })?;
                    injected.to = Some(time);
                    injected.effects = effects;
                }
                Body::Health { fault: None, ready, waited_ms } => history.ready = Some((ready, waited_ms)),
                Body::Health { fault: Some(fault), ready, waited_ms } => {
                    let injected = history
                        .faults
                        .iter_mut()
                        .rev()
                        .find(|injected| injected.fault == fault)
                        .ok_or(HistoryError::NotInjected { index, fault })?;
                    match injected.to {
                        None => injected.ready_before = Some(ready),
                        Some(_) => injected.recovered_ms = ready.then_some(waited_ms),
                    }
                }
            }
        }
        Ok(histories)
    }

    fn count(&mut self, operation: Bounded, boundaries: Vec<Counted>, skipped: Option<String>) {
        match self.counted.iter_mut().find(|counted| counted.operation == operation) {
            Some(counted) => {
                counted.boundaries.extend(boundaries);
                counted.skipped = counted.skipped.take().or(skipped);
            }
            None => self.counted.push(CountedOperation { operation, boundaries, skipped }),
        }
    }

    /// A history in which nothing has happened yet.
    #[must_use]
    pub fn empty(scenario: String, start: u64) -> Self {
        Self {
            scenario,
            start,
            end: start,
            calls: Vec::new(),
            races: Vec::new(),
            faults: Vec::new(),
            steps: Vec::new(),
            acts: Vec::new(),
            ready: None,
            counted: Vec::new(),
            struck: Vec::new(),
            phases: Vec::new(),
        }
    }

    /// Whether a phase was reached.
    #[must_use]
    pub fn reached(&self, phase: Phase) -> bool {
        self.phases.iter().any(|(reached, _)| *reached == phase)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boundary::{Blow, Kind, Persistence};

    fn event(index: u64, body: Body) -> Event {
        Event { index, time: index * 10, body }
    }

    fn read(op: u64) -> Body {
        let operation = Operation::ReadBalance { workspace: "buyer-1".into() };
        Body::Invoke { op, process: 1, intended: 0, operation }
    }

    #[test]
    fn pairs_calls_and_leaves_the_unanswered_open() {
        let answered = Body::Return { op: 7, outcome: Outcome::Ok, answer: Answer::default() };
        let events = [
            event(0, Body::Scenario { name: "s".into() }),
            event(1, Body::Phase { phase: Phase::Drive }),
            event(2, read(7)),
            event(3, read(8)),
            event(4, answered),
        ];
        let histories = History::from_events(events).unwrap();
        let calls = &histories[0].calls;
        assert_eq!((calls[0].start, calls[0].end, calls[0].outcome), (20, Some(40), Outcome::Ok));
        assert_eq!((calls[1].end, calls[1].outcome), (None, Outcome::Info));
    }

    #[test]
    fn refuses_gaps_strays_and_reused_numbers() {
        let begin = || event(0, Body::Scenario { name: "s".into() });
        let stray = Body::Return { op: 9, outcome: Outcome::Ok, answer: Answer::default() };
        let cases = [
            (vec![event(0, read(1))], HistoryError::NoScenario { index: 0 }),
            (vec![begin(), event(2, read(1))], HistoryError::Gap { index: 2, expected: 1 }),
            (vec![begin(), event(1, stray)], HistoryError::NotInFlight { index: 1, op: 9 }),
            (vec![begin(), event(1, read(1)), event(2, read(1))], HistoryError::Reused { index: 2, op: 1 }),
        ];
        for (events, expected) in cases {
            assert_eq!(History::from_events(events).unwrap_err(), expected);
        }
    }

    #[test]
    fn a_line_reads_back_as_it_was_written() {
        let counted = Counted {
            kind: Kind::Statement,
            what: "SELECT ?".into(),
            blows: vec![Blow::KillAfter],
            after: Some((0, Blow::ResetBefore)),
        };
        let struck = Struck {
            operation: Bounded::Purchase,
            boundary: 1,
            kind: Kind::Statement,
            what: "SELECT ?".into(),
            blow: Blow::KillAfter,
            client: Persistence::Retries,
            struck: true,
            told: None,
            quiet: true,
            operations: vec![3],
            workspace: "buyer-1".into(),
            took_ms: 7,
        };
        let events = [
            event(0, Body::Scenario { name: "s".into() }),
            event(1, read(3)),
            event(2, Body::Counted { operation: Bounded::Email, boundaries: vec![counted], skipped: None }),
            event(3, Body::Struck(struck)),
        ];
        for event in events {
            let line = serde_json::to_string(&event).unwrap();
            assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), event, "{line}");
        }
    }
}
