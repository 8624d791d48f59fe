//! The fewest operations that no order can hold, whatever the others did.

use std::{cell::Cell, collections::HashSet};

use super::{Answer, Budget, End, Specification, Timed, check};
use crate::minimise::smallest;

/// Operations that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fewest {
    /// Their positions in the history.
    pub operations: Vec<usize>,
    /// Whether leaving out any one of them is known to end the contradiction. Where a search came to a limit, fewer
    /// may be enough.
    pub sure: bool,
}

/// The smallest set found of operations that contradict each other: no order holds all of them even if every other
/// operation took effect at any time from its asking on or never, and answered anything. The history is one in which
/// [`check`] finds a violation. Searches within `budget` each are taken from `tries`, which several histories may
/// share; one that ends without an answer counts as no contradiction, so a small budget names more operations, never
/// wrong ones.
pub fn contradiction<S: Specification>(
    specification: &S,
    history: &[Timed<S::Operation, S::Output>],
    budget: Budget,
    tries: &mut usize,
) -> Fewest
where
    S::Operation: Clone,
    S::Output: Clone,
{
    // What may never have happened and has no answer says nothing that could be left out.
    let says = |at: &usize| history[*at].end != End::Maybe || history[*at].output.is_some();
    let all: Vec<usize> = (0..history.len()).filter(says).collect();
    let mut sure = true;
    let operations = smallest(&all, |believed| {
        let violated = tries.checked_sub(1).map(|left| {
            *tries = left;
            violated(specification, history, believed, budget)
        });
        sure &= violated.flatten().is_some();
        violated.map(|violated| violated.unwrap_or(false))
    });
    Fewest { operations, sure }
}

/// Whether no order holds the believed operations; none if that could not be found out within the budget.
fn violated<S: Specification>(
    specification: &S,
    history: &[Timed<S::Operation, S::Output>],
    believed: &[usize],
    budget: Budget,
) -> Option<bool>
where
    S::Operation: Clone,
    S::Output: Clone,
{
    if violated_however_often(specification, history, believed, budget) {
        return Some(true);
    }
    let mut believed = believed.iter().peekable();
    let told = history.iter().enumerate().map(|(at, operation)| match believed.next_if(|one| **one == at) {
        Some(_) => operation.clone(),
        None => Timed { output: None, end: End::Maybe, ..operation.clone() },
    });
    match check(specification, &told.collect::<Vec<_>>(), budget) {
        Answer::Violation(_) => Some(true),
        Answer::Linearizable => Some(false),
        Answer::Unknown(_) => None,
    }
}

/// Whether no order holds the believed operations even if each of the others took effect as often as it liked. That
/// is a stronger claim, and a much cheaper one: which of the others were placed before need not be remembered, so
/// many of them do not multiply. False also where it could not be found out.
fn violated_however_often<S: Specification>(
    specification: &S,
    history: &[Timed<S::Operation, S::Output>],
    believed: &[usize],
    budget: Budget,
) -> bool
where
    S::Output: Clone,
{
    let until = |end: End| if let End::At(at) = end { at } else { u64::MAX };
    let told = believed.iter().map(|at| {
        let Timed { operation, output, call, end, after } = &history[*at];
        let after = after.and_then(|at| believed.binary_search(&at).ok());
        Timed { operation: (operation, until(*end)), output: output.clone(), call: *call, end: *end, after }
    });
    let others = history.iter().enumerate().filter(|(at, _)| believed.binary_search(at).is_err());
    let others = others.filter(|(_, other)| !specification.only_reads(&other.operation, None));
    let others = others.map(|(_, other)| (&other.operation, other.call)).collect();
    let left = Cell::new(budget.steps.saturating_mul(STEPS));
    let told: Vec<_> = told.collect();
    let answer = check(&HoweverOften { specification, others, left: &left }, &told, budget);
    matches!(answer, Answer::Violation(_)) && left.get() > 0
}

/// Steps of the specification for each step of a search in which the others act however often.
const STEPS: u64 = 10;
/// States that the others may reach. What adds up, as credits and appended texts do, reaches new ones without end.
const STATES: usize = 1_000;

/// A specification in which some operations take effect however often, between those that are believed.
struct HoweverOften<'a, S: Specification> {
    specification: &'a S,
    /// With the time from which each may take effect.
    others: Vec<(&'a S::Operation, u64)>,
    /// Steps that may still be made. With none left, no state is reached, and the answer means nothing.
    left: &'a Cell<u64>,
}

impl<'a, S: Specification> Specification for HoweverOften<'a, S> {
    type State = S::State;
    /// With the time of its end: what was asked later cannot come before it.
    type Operation = (&'a S::Operation, u64);
    type Output = S::Output;

    fn initial(&self) -> S::State {
        self.specification.initial()
    }

    fn step(
        &self,
        state: &S::State,
        (operation, end): &(&'a S::Operation, u64),
        output: Option<&S::Output>,
        next: &mut Vec<S::State>,
    ) {
        let (mut known, mut afterwards) = (HashSet::from([state.clone()]), HashSet::new());
        let (mut open, mut found) = (vec![state.clone()], Vec::new());
        while let Some(one) = open.pop() {
            self.specification.step(&one, operation, output, &mut found);
            next.extend(found.drain(..).filter(|state| afterwards.insert(state.clone())));
            for (other, _) in self.others.iter().filter(|(_, call)| call <= end) {
                let left = if known.len() > STATES { 0 } else { self.left.get().saturating_sub(1) };
                self.left.set(left);
                if left == 0 {
                    return;
                }
                self.specification.step(&one, other, None, &mut found);
                open.extend(found.drain(..).filter(|state| known.insert(state.clone())));
            }
        }
    }
}
