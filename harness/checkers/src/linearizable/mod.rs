//! Linearizability of any concurrent history against any sequential specification.
//!
//! A history is linearizable if its operations can be put into one order that the specification allows and in
//! which nothing comes before what had ended when it was asked (Herlihy and Wing, 1990). The search is Wing and
//! Gong's (1993): place an operation that nothing outstanding precedes, go on, take it back where the way ends.
//! Lowe (2017) remembers each (set of placed operations, state) and never searches from the same one twice; Horn
//! and Kroening (2015) search each partition of a history for itself, which [`check_each`] does.
//!
//! Three of the specification's hints cut the search and change no verdict: an operation that only reads is placed
//! as soon as it fits, before others that end ([`Specification::only_reads`]), of operations that are alike only the one
//! with the earliest end is tried ([`Specification::class`]), and a way ends where a read's answer is out of reach
//! ([`Specification::out_of_reach`]) rather than where the read is due.
//!
//! Pure: budgets are counted in steps and bytes, so the same input gives the same answer on any machine. A caller
//! who needs a deadline passes one in ([`check_until`]) and gives that up. Nothing here knows of money, leads or
//! HTTP; it can be used on any history.
//!
//! | module | holds |
//! |---|---|
//! | [`specifications`] | registers with compare-and-set, strings by key, bounded counters, accounts |
//! | [`porcupine`] | histories in the two text formats of Porcupine's test data |
//! | `search`, `memo` | the search, and what it remembers |
//! | `alike`, `links` | which operations are alike, and the lists that the search takes from and puts back into |
//! | [`contradiction`] | the fewest operations that no order can hold |
//! | `tell` | a counterexample as text |

mod alike;
mod contradiction;
mod links;
mod memo;
pub mod porcupine;
mod search;
pub mod specifications;
mod tell;

use std::{collections::BTreeMap, fmt, hash::Hash};

pub use contradiction::{Fewest, contradiction};
pub use tell::tell;

/// What operations do when they come one after the other.
pub trait Specification {
    /// All that the next operation may depend on.
    type State: Clone + Eq + Hash;
    /// What is asked.
    type Operation;
    /// What is answered.
    type Output;

    /// The state before the first operation.
    fn initial(&self) -> Self::State;

    /// Pushes every state in which the operation may leave a state if it answers `output`; none if it cannot
    /// answer so. Without an output the answer is not known, and every answer is possible.
    fn step(
        &self,
        state: &Self::State,
        operation: &Self::Operation,
        output: Option<&Self::Output>,
        next: &mut Vec<Self::State>,
    );

    /// Whether the operation with this answer leaves every state in which it is possible as it was. Saying no is
    /// always right and only slower.
    fn only_reads(&self, _operation: &Self::Operation, _output: Option<&Self::Output>) -> bool {
        false
    }

    /// Whether [`Specification::out_of_reach`] may ever say yes; where not, it is never asked.
    const FORESEES: bool = false;

    /// Whether an operation that only reads cannot answer `output` any more once this state is reached, whichever
    /// of those that may still come `before` it do, in whatever order. Saying no is always right and only slower.
    fn out_of_reach(
        &self,
        _state: &Self::State,
        _operation: &Self::Operation,
        _output: Option<&Self::Output>,
        _before: &mut dyn Iterator<Item = &Self::Operation>,
    ) -> bool {
        false
    }

    /// Operations of one class are alike: in every state they have the same next states. None is always right and
    /// only slower.
    fn class(&self, _operation: &Self::Operation, _output: Option<&Self::Output>) -> Option<u64> {
        None
    }
}

/// Until when an operation took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// It was answered then, so its effect came before.
    At(u64),
    /// It did take effect, and nobody knows when.
    Open,
    /// It may take effect at any later time, or never.
    Maybe,
}

/// One operation of a history. Times are on one clock, in any unit; an operation that ends at the very moment at
/// which another is asked overlaps it, because a clock that cannot tell them apart must not order them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Timed<O, R> {
    /// What was asked.
    pub operation: O,
    /// What was answered; none where the answer is not known.
    pub output: Option<R>,
    /// When it was asked. Its effect came later.
    pub call: u64,
    /// Until when it took effect.
    pub end: End,
    /// Another operation of the same history, by position, that takes effect before this one does.
    pub after: Option<usize>,
}

impl<O, R> Timed<O, R> {
    /// An operation that was answered.
    pub const fn answered(operation: O, output: R, call: u64, end: u64) -> Self {
        Self { operation, output: Some(output), call, end: End::At(end), after: None }
    }

    /// An operation whose answer never came: it may take effect at any later time, or never.
    pub const fn unanswered(operation: O, call: u64) -> Self {
        Self { operation, output: None, call, end: End::Maybe, after: None }
    }
}

/// A history of a specification.
pub type Operations<S> = Vec<Timed<<S as Specification>::Operation, <S as Specification>::Output>>;

/// How much a search may cost before it ends without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Operations looked at, one by one, again after each way that ended.
    pub steps: u64,
    /// Bytes of what is remembered.
    pub bytes: u64,
}

impl Default for Budget {
    /// Some seconds and a quarter of a gigabyte.
    fn default() -> Self {
        Self { steps: 20_000_000, bytes: 256 << 20 }
    }
}

/// The answer of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<State> {
    /// An order was found.
    Linearizable,
    /// There is none.
    Violation(Counterexample<State>),
    /// The search was ended before it knew.
    Unknown(Limit),
}

/// Why a search ended without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// [`Budget::steps`].
    Steps(u64),
    /// [`Budget::bytes`].
    Bytes(u64),
    /// The caller said stop.
    Stopped,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Steps(steps) => write!(f, "no answer after {steps} steps"),
            Self::Bytes(bytes) => write!(f, "no answer within {bytes} bytes of memory"),
            Self::Stopped => write!(f, "no answer before the time was up"),
        }
    }
}

/// How far an order goes, and what it cannot go past. Operations are named by their position in the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counterexample<State> {
    /// Operations that can be put in order, in that order: the most of all, or where `out_of_reach` those of the
    /// longest way that was gone.
    pub prefix: Vec<usize>,
    /// The state after them.
    pub state: State,
    /// The operation that must come next, and cannot.
    pub stuck: usize,
    /// Whether others could still come before `stuck`, which only reads, but none could bring back what it answers.
    pub out_of_reach: bool,
    /// Those that overlap it and do not fit either; none where it is out of reach.
    pub beside: Vec<usize>,
}

/// Whether a history is linearizable.
pub fn check<S: Specification>(
    specification: &S,
    history: &[Timed<S::Operation, S::Output>],
    budget: Budget,
) -> Answer<S::State> {
    check_until(specification, history, budget, &mut || false)
}

/// The same, and asks `stop` now and then whether to give up: for a caller with a clock.
pub fn check_until<S: Specification>(
    specification: &S,
    history: &[Timed<S::Operation, S::Output>],
    budget: Budget,
    stop: &mut dyn FnMut() -> bool,
) -> Answer<S::State> {
    search::Search::new(specification, history, budget).run(stop)
}

/// One partition of a history, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<O, R, State> {
    /// Its operations, in the order of the whole history.
    pub history: Vec<Timed<O, R>>,
    /// Whether they are linearizable.
    pub answer: Answer<State>,
}

/// The parts of a history, by what they have in common.
pub type Parts<K, S> =
    BTreeMap<K, Part<<S as Specification>::Operation, <S as Specification>::Output, <S as Specification>::State>>;

/// Judges each part of a history for itself: right wherever the specification is the product of one per key,
/// because linearizability is local. `after` must stay within a part; one that does not is dropped.
pub fn check_each<S: Specification, K: Ord>(
    specification: &S,
    history: Operations<S>,
    key: impl Fn(&S::Operation) -> K,
    budget: Budget,
    stop: &mut dyn FnMut() -> bool,
) -> Parts<K, S> {
    let mut parts: BTreeMap<K, (Vec<usize>, Operations<S>)> = BTreeMap::new();
    for (at, operation) in history.into_iter().enumerate() {
        let (places, part) = parts.entry(key(&operation.operation)).or_default();
        places.push(at);
        part.push(operation);
    }
    let mut judged = BTreeMap::new();
    for (key, (places, mut history)) in parts {
        for operation in &mut history {
            operation.after = operation.after.and_then(|at| places.binary_search(&at).ok());
        }
        let answer = check_until(specification, &history, budget, stop);
        judged.insert(key, Part { history, answer });
    }
    judged
}
