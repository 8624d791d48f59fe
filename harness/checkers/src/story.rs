//! The smallest story: the few operations that show a violation, and the rows beside them.

use std::collections::BTreeSet;

use overdraft_model::{
    history::{Call, History},
    operation::Outcome,
    verdict::{Finding, StoryLine},
};

use crate::money::Loss;

/// Lines of a story. A reader who needs more reads the history.
const LINES: usize = 8;
/// Rows beside a story.
const ROWS: usize = 12;

/// A finding in the making.
pub(crate) struct Tale<'a> {
    history: &'a History,
    calls: Vec<&'a Call>,
    finding: Finding,
}

impl<'a> Tale<'a> {
    /// Begins with the one sentence that says it all.
    pub(crate) fn new(history: &'a History, summary: impl Into<String>) -> Self {
        let finding = Finding { summary: summary.into(), stake: None, story: Vec::new(), rows: Vec::new() };
        Self { history, calls: Vec::new(), finding }
    }

    /// What was at stake.
    pub(crate) fn stake(mut self, loss: Loss, amount: i128) -> Self {
        self.finding.stake = Some(loss.stake(amount));
        self
    }

    /// Operations that show it, the most telling first.
    pub(crate) fn calls(mut self, calls: impl IntoIterator<Item = &'a Call>) -> Self {
        self.calls.extend(calls.into_iter().take(10 * LINES));
        self
    }

    /// Rows that show it.
    pub(crate) fn rows(mut self, rows: impl IntoIterator<Item = String>) -> Self {
        self.finding.rows.extend(rows);
        self
    }

    /// The finding, with its story in order of asking and neither longer than a reader can bear.
    pub(crate) fn end(mut self) -> Finding {
        let mut told = BTreeSet::new();
        self.calls.retain(|call| told.insert(call.op));
        let left_out = self.calls.len().saturating_sub(LINES);
        self.calls.truncate(LINES);
        self.calls.sort_by_key(|call| (call.start, call.op));
        self.finding.story = self.calls.iter().map(|call| line(self.history, call)).collect();
        let more = self.finding.rows.len().saturating_sub(ROWS);
        self.finding.rows.truncate(ROWS);
        if more > 0 {
            self.finding.rows.push(format!("and {more} more rows"));
        }
        if left_out > 0 {
            self.finding.rows.push("more operations of the same kind are in history.jsonl".to_owned());
        }
        self.finding
    }
}

/// How likely a purchase call took credits and gave nothing: a key to sort by, the most suspicious first.
pub(crate) fn suspicion(call: &Call) -> u8 {
    match call.outcome {
        Outcome::Info => 0,
        Outcome::Fail if call.answer.status.is_none_or(|status| status >= 500) => 0,
        Outcome::Fail => 1,
        Outcome::Ok => 2,
    }
}

fn line(history: &History, call: &Call) -> StoryLine {
    let micros = |time: u64| time.saturating_sub(history.start) / 1_000;
    StoryLine {
        op: call.op,
        process: call.process,
        start_us: micros(call.start),
        end_us: call.end.map(micros),
        asked: call.operation.to_string(),
        outcome: call.outcome.to_string(),
        answered: call.answer.to_string(),
    }
}
