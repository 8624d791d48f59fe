//! Operations that are alike, of which the search tries only one.

use std::collections::HashMap;

use super::{End, Specification, Timed, links::number};

/// Which nodes are alike, and how many classes there are. One that waits for another, or is waited for, is like no
/// other; nor are those that must take effect and those that need not alike.
pub(super) fn classes<S: Specification>(
    specification: &S,
    history: &[Timed<S::Operation, S::Output>],
    of: &[usize],
) -> (Vec<Option<u32>>, usize) {
    let mut waited_for = vec![false; history.len()];
    history.iter().filter_map(|operation| operation.after).for_each(|at| waited_for[at] = true);
    let mut numbers: HashMap<(u64, u8), u32> = HashMap::new();
    let class = |at: &usize| {
        let operation = &history[*at];
        if operation.after.is_some() || waited_for[*at] {
            return None;
        }
        let class = specification.class(&operation.operation, operation.output.as_ref())?;
        let kind = match operation.end {
            End::At(_) => 0,
            End::Open => 1,
            End::Maybe => 2,
        };
        let fresh = number(numbers.len());
        Some(*numbers.entry((class, kind)).or_insert(fresh))
    };
    let class = of.iter().map(class).collect();
    (class, numbers.len())
}
