//! From where a search has been: sets of placed operations, each with a state.
//!
//! A set is kept as what is not obvious about it. Operations with an end are numbered by their call, so nearly all
//! placed ones form a full beginning; only the words between the first gap and the last placed operation are kept.
//! That makes the cost of a remembered set depend on how many operations overlap, not on how long the history is.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasherDefault, DefaultHasher, Hash},
};

type Fixed = BuildHasherDefault<DefaultHasher>;

/// What an entry costs beside its words: the slice, its allocation, its place in the table.
const ENTRY: u64 = 48;

/// Placed operations. Those without an end are numbered apart, because they would hold the first gap back for ever.
pub(super) struct Placed {
    closed: Vec<u64>,
    /// The first word with a gap, and the word behind the last that is not empty.
    from: usize,
    to: usize,
    open: Vec<u64>,
    /// The number of the first operation without an end.
    split: usize,
}

impl Placed {
    /// Nothing placed of so many operations with an end and so many without.
    pub(super) fn new(closed: usize, open: usize) -> Self {
        let words = |bits: usize| vec![0; bits.div_ceil(64)];
        Self { closed: words(closed), from: 0, to: 0, open: words(open), split: closed }
    }

    pub(super) fn holds(&self, node: u32) -> bool {
        let node = node as usize;
        let (words, bit) = if node < self.split { (&self.closed, node) } else { (&self.open, node - self.split) };
        words[bit / 64] >> (bit % 64) & 1 == 1
    }

    pub(super) fn set(&mut self, node: u32) {
        let node = node as usize;
        if node >= self.split {
            let bit = node - self.split;
            self.open[bit / 64] |= 1 << (bit % 64);
            return;
        }
        self.closed[node / 64] |= 1 << (node % 64);
        self.to = self.to.max(node / 64 + 1);
        while self.closed.get(self.from).is_some_and(|word| *word == u64::MAX) {
            self.from += 1;
        }
    }

    pub(super) fn clear(&mut self, node: u32) {
        let node = node as usize;
        if node >= self.split {
            let bit = node - self.split;
            self.open[bit / 64] &= !(1 << (bit % 64));
            return;
        }
        self.closed[node / 64] &= !(1 << (node % 64));
        self.from = self.from.min(node / 64);
        while self.to > 0 && self.closed[self.to - 1] == 0 {
            self.to -= 1;
        }
    }

    /// The set as words: equal for equal sets, and for no others.
    fn words(&self, words: &mut Vec<u64>) {
        let closed = self.closed.get(self.from..self.to).unwrap_or_default();
        words.push((self.from as u64) << 32 | closed.len() as u64);
        words.extend(closed);
        let open = self.open.iter().rposition(|word| *word != 0).map_or(0, |last| last + 1);
        words.extend(&self.open[..open]);
    }
}

/// The states that were met, by number.
pub(super) struct States<S> {
    numbers: HashMap<S, u32, Fixed>,
    states: Vec<S>,
}

impl<S: Clone + Eq + Hash> States<S> {
    pub(super) fn new() -> Self {
        Self { numbers: HashMap::default(), states: Vec::new() }
    }

    pub(super) fn number(&mut self, state: S) -> u32 {
        if let Some(number) = self.numbers.get(&state) {
            return *number;
        }
        let number = super::links::number(self.states.len());
        self.states.push(state.clone());
        self.numbers.insert(state, number);
        number
    }

    pub(super) fn state(&self, number: u32) -> &S {
        &self.states[number as usize]
    }

    fn bytes(&self) -> u64 {
        self.states.len() as u64 * (2 * size_of::<S>() as u64 + ENTRY)
    }
}

/// From where the search has been.
#[derive(Default)]
pub(super) struct Memo {
    seen: HashSet<Box<[u64]>, Fixed>,
    words: u64,
    key: Vec<u64>,
}

impl Memo {
    /// Whether this is new.
    pub(super) fn insert(&mut self, placed: &Placed, state: u32) -> bool {
        self.key.clear();
        self.key.push(u64::from(state));
        placed.words(&mut self.key);
        if self.seen.contains(self.key.as_slice()) {
            return false;
        }
        self.words += self.key.len() as u64;
        self.seen.insert(self.key.clone().into_boxed_slice())
    }

    /// About what is held in memory.
    pub(super) fn bytes<S: Clone + Eq + Hash>(&self, states: &States<S>) -> u64 {
        self.words * 8 + self.seen.len() as u64 * ENTRY + states.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(placed: &Placed) -> Vec<u64> {
        let mut words = Vec::new();
        placed.words(&mut words);
        words
    }

    #[test]
    fn equal_sets_have_equal_words_however_they_came_about() {
        let mut one = Placed::new(300, 70);
        (0..200).for_each(|node| one.set(node));
        (150..200).for_each(|node| one.clear(node));
        one.set(310);
        one.clear(310);
        let mut other = Placed::new(300, 70);
        (0..150).rev().for_each(|node| other.set(node));
        assert_eq!(words(&one), words(&other));
        assert_eq!(words(&one).len(), 2, "the full words at the beginning are not kept");
        other.set(369);
        assert_ne!(words(&one), words(&other));
        assert!(other.holds(369) && other.holds(149) && !other.holds(150));
    }

    #[test]
    fn a_full_set_and_an_empty_one_differ() {
        let mut full = Placed::new(128, 0);
        (0..128).for_each(|node| full.set(node));
        assert_ne!(words(&full), words(&Placed::new(128, 0)));
        full.clear(5);
        full.set(5);
        let mut memo = Memo::default();
        assert!(memo.insert(&full, 1) && memo.insert(&full, 2) && !memo.insert(&full, 1));
    }
}
