//! Linearizability by its definition and nothing else: every order of every choice of operations is tried.

use overdraft_checkers::linearizable::{End, Specification, Timed};

/// Whether there is an order, and how many operations the longest beginning of one holds.
pub fn linearizable<S: Specification>(specification: &S, history: &[Timed<S::Operation, S::Output>]) -> (bool, usize) {
    let mut found = Found { whole: false, longest: 0 };
    extend(specification, history, &mut Vec::new(), &mut found);
    (found.whole, found.longest)
}

struct Found {
    whole: bool,
    longest: usize,
}

/// Every sequence of different operations, each judged from its beginning.
fn extend<S: Specification>(
    specification: &S,
    history: &[Timed<S::Operation, S::Output>],
    order: &mut Vec<usize>,
    found: &mut Found,
) {
    if legal(specification, history, order) {
        found.longest = found.longest.max(order.len());
        let must = (0..history.len()).filter(|at| history[*at].end != End::Maybe);
        found.whole |= must.clone().all(|at| order.contains(&at));
    }
    for at in 0..history.len() {
        if !order.contains(&at) {
            order.push(at);
            extend(specification, history, order, found);
            order.pop();
        }
    }
}

/// Whether a sequence keeps to time, to `after` and to the specification.
pub fn legal<S: Specification>(specification: &S, history: &[Timed<S::Operation, S::Output>], order: &[usize]) -> bool {
    for (place, at) in order.iter().enumerate() {
        let before = &order[..place];
        let overtaken = |other: &usize| {
            matches!(history[*other].end, End::At(end) if end < history[*at].call) && !before.contains(other)
        };
        if (0..history.len()).any(|other| overtaken(&other)) {
            return false;
        }
        if history[*at].after.is_some_and(|first| !before.contains(&first)) {
            return false;
        }
    }
    let mut states = vec![specification.initial()];
    for at in order {
        let mut next = Vec::new();
        for state in &states {
            specification.step(state, &history[*at].operation, history[*at].output.as_ref(), &mut next);
        }
        states = next;
    }
    !states.is_empty()
}
