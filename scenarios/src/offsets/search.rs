//! Which distance to try next, from what was seen so far. Pure.
//!
//! First every distance of a grid, a few pairs each. Then the middle between the outermost distances at which
//! pairs were lost and their neighbours, again and again, until the edges of the losing window are known closely.
//! All pairs that remain are spent on the distance at which most were lost; where none was, on the whole grid.

use std::collections::BTreeMap;

/// Distances of the grid, the first and the last included.
const GRID: u64 = 11;
/// Halvings between two distances of the grid.
const HALVINGS: u32 = 4;
/// One pair of so many is spent on each distance before it is judged: so that a third of them remains for the
/// worst one.
const SHARE: usize = 30;

/// What was seen at one distance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tally {
    pairs: usize,
    lost: usize,
}

/// The search.
#[derive(Debug)]
pub(super) struct Search {
    /// Pairs for each distance, until the worst is known.
    each: usize,
    /// Edges are not looked for more closely than this, in nanoseconds.
    resolution: u64,
    /// By distance in nanoseconds.
    seen: BTreeMap<u64, Tally>,
    /// Once it is known.
    worst: Option<u64>,
}

impl Search {
    /// Over distances from 0 to `up_to` nanoseconds, with so many pairs in all.
    pub(super) fn new(up_to: u64, pairs: usize) -> Self {
        let step = up_to / (GRID - 1);
        Self {
            each: (pairs / SHARE).max(1),
            resolution: (step >> HALVINGS).max(1),
            seen: (0..GRID).map(|place| (place * step, Tally::default())).collect(),
            worst: None,
        }
    }

    /// The distance of the next pair.
    pub(super) fn next(&mut self) -> u64 {
        if let Some(worst) = self.worst {
            return worst;
        }
        if let Some(unfinished) = self.unfinished() {
            return unfinished;
        }
        if let Some(middle) = self.middle_of_an_edge() {
            self.seen.insert(middle, Tally::default());
            return middle;
        }
        // No two shares that a few pairs can tell apart differ by less than a millionth.
        let share = |tally: &Tally| tally.lost * 1_000_000 / tally.pairs.max(1);
        let most = self.seen.values().map(share).max().unwrap_or(0);
        if most > 0 {
            self.worst = self.seen.iter().find(|(_, tally)| share(tally) == most).map(|(apart, _)| *apart);
        }
        let rarest = self.seen.iter().min_by_key(|(_, tally)| tally.pairs).map_or(0, |(apart, _)| *apart);
        self.worst.unwrap_or(rarest)
    }

    /// Counts a pair that was answered.
    pub(super) fn saw(&mut self, apart: u64, lost: bool) {
        let tally = self.seen.entry(apart).or_default();
        tally.pairs += 1;
        tally.lost += usize::from(lost);
    }

    fn unfinished(&self) -> Option<u64> {
        self.seen.iter().find(|(_, tally)| tally.pairs < self.each).map(|(apart, _)| *apart)
    }

    /// Only the outermost edges: what is lost once in a while has many edges, and would use up all pairs.
    fn middle_of_an_edge(&self) -> Option<u64> {
        let mut losing = self.seen.iter().filter(|(_, tally)| tally.lost > 0).map(|(apart, _)| *apart);
        let first = losing.next()?;
        let last = losing.next_back().unwrap_or(first);
        let below = self.seen.range(..first).next_back().map(|(apart, _)| (*apart, first));
        let above = self.seen.range(last + 1..).next().map(|(apart, _)| (last, *apart));
        let wide = |(one, next): &(u64, u64)| next - one > self.resolution;
        [below, above].into_iter().flatten().find(wide).map(|(one, next)| one.midpoint(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP_TO: u64 = 5_000_000;

    /// Runs a search against a target that loses every pair in this window.
    fn searched(pairs: usize, loses: impl Fn(u64) -> bool) -> Search {
        let mut search = Search::new(UP_TO, pairs);
        for _ in 0..pairs {
            let apart = search.next();
            assert!(apart <= UP_TO);
            search.saw(apart, loses(apart));
        }
        search
    }

    #[test]
    fn the_edges_of_the_losing_window_are_found_closely() {
        for (from, to) in [(0, 730_000), (900_000, 1_710_000), (4_400_000, UP_TO)] {
            let search = searched(300, |apart| (from..=to).contains(&apart));
            let lost = search.seen.iter().filter(|(_, tally)| tally.lost > 0).map(|(apart, _)| *apart);
            let (first, last) = (lost.clone().min().unwrap(), lost.max().unwrap());
            assert!(first >= from && last <= to, "{first}..{last} beyond {from}..{to}");
            assert!(first - from <= search.resolution && to - last <= search.resolution, "{first}..{last}");
        }
    }

    #[test]
    fn what_remains_is_spent_on_the_worst_distance() {
        // Every second pair is lost in the window, all at 1.5 ms.
        let turn = std::cell::Cell::new(0_u32);
        let search = searched(300, |apart| {
            turn.set(turn.get() + 1);
            apart == 1_500_000 || ((1_000_000..=2_000_000).contains(&apart) && turn.get().is_multiple_of(2))
        });
        assert_eq!(search.worst, Some(1_500_000));
        let at_worst = search.seen[&1_500_000];
        assert_eq!(at_worst.pairs, at_worst.lost);
        assert!(at_worst.pairs >= 100, "{at_worst:?}");
    }

    #[test]
    fn rare_losses_everywhere_leave_most_pairs_for_the_worst_distance() {
        let turn = std::cell::Cell::new(0_usize);
        let search = searched(300, |_| {
            turn.set(turn.get() + 1);
            turn.get().is_multiple_of(17)
        });
        assert!(search.seen[&search.worst.unwrap()].pairs >= 100, "{:?}", search.seen);
    }

    #[test]
    fn where_nothing_is_lost_every_distance_is_tried_alike() {
        let search = searched(240, |_| false);
        assert_eq!((search.worst, search.seen.len() as u64), (None, GRID));
        assert!(search.seen.values().all(|tally| (21..=22).contains(&tally.pairs)), "{:?}", search.seen);
    }

    #[test]
    fn few_pairs_are_enough_to_begin_with() {
        assert_eq!(searched(1, |_| true).seen[&0], Tally { pairs: 1, lost: 1 });
    }
}
