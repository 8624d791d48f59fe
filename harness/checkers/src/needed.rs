//! Which answers of a saved history a violation rests on.
//!
//! An operation cannot simply be left out: the evidence still shows what it did, and would be called money from
//! nowhere. It is made unclear instead, as if its answer had been lost: a check that calls this a violation does so
//! whatever the others were told.

use overdraft_model::{
    evidence::Evidence,
    history::{Call, History},
    manifest::{Manifest, Planned},
    operation::{Answer, Outcome},
};

use crate::{case, judge, minimise::smallest};

/// The operations whose answers are enough for a check to be violated, by number, in order of asking; empty where the
/// evidence alone is enough, none where the check is not violated. Where it ends because it may not `go_on`, more
/// operations are named than had to be.
#[must_use]
pub fn answers_needed(
    manifest: &Manifest,
    planned: &Planned,
    history: &History,
    evidence: &Evidence,
    check: &str,
    mut go_on: impl FnMut() -> bool,
) -> Option<Vec<u64>> {
    let evidence = case::canonical(evidence);
    let violated = |history: &History| judge::violates(manifest, planned, history, &evidence, check);
    if !violated(history) {
        return None;
    }
    let all: Vec<u64> = history.calls.iter().map(|call| call.op).collect();
    Some(smallest(&all, |believed| go_on().then(|| violated(&unclear_but(history, believed)))))
}

/// The history as it is told by somebody who knows these answers only. `believed` is in order of asking.
fn unclear_but(history: &History, believed: &[u64]) -> History {
    let mut believed = believed.iter().peekable();
    let unclear = |call: &Call| Call { end: None, outcome: Outcome::Info, answer: Answer::default(), ..call.clone() };
    let calls = history.calls.iter().filter_map(|call| match believed.next_if(|op| **op == call.op) {
        Some(_) => Some(call.clone()),
        // What only reads and was not answered says nothing.
        None if call.operation.is_read() => None,
        None => Some(unclear(call)),
    });
    History { calls: calls.collect(), ..history.clone() }
}
