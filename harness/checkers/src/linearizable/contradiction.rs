//! The fewest operations that no order can hold, whatever the others did.

use super::{Answer, Budget, End, Specification, Timed, check};
use crate::minimise::smallest;

/// The smallest set found of operations that contradict each other: no order holds all of them even if every other
/// operation took effect at any time from its asking on or never, and answered anything. Positions in the history;
/// none where it is linearizable, or not known not to be. At most `tries` searches are made within `budget` each; one
/// that ends without an answer counts as no contradiction, so a small budget names more operations, never wrong ones.
pub fn contradiction<S: Specification>(
    specification: &S,
    history: &[Timed<S::Operation, S::Output>],
    budget: Budget,
    tries: usize,
) -> Option<Vec<usize>>
where
    S::Operation: Clone,
    S::Output: Clone,
{
    let violated = |history: &[_]| matches!(check(specification, history, budget), Answer::Violation(_));
    if !violated(history) {
        return None;
    }
    let all: Vec<usize> = (0..history.len()).collect();
    let mut left = tries;
    let fewest = smallest(&all, |believed| {
        left = left.checked_sub(1)?;
        let mut believed = believed.iter().peekable();
        let told = history.iter().enumerate().map(|(at, operation)| match believed.next_if(|one| **one == at) {
            Some(_) => operation.clone(),
            None => Timed { output: None, end: End::Maybe, ..operation.clone() },
        });
        Some(violated(&told.collect::<Vec<_>>()))
    });
    Some(fewest)
}
