//! Which distance to try next, from what was seen so far. Pure.
//!
//! First every distance of a grid that doubles from one to the next, a few pairs each: nobody knows whether the
//! target takes one millisecond or a hundred. Where pairs were lost, the middle between the outermost distances of
//! those and their neighbours, again and again, until the edges of the losing window are known closely; all pairs
//! that remain are spent on the distance at which most were lost. Where none was lost, the widest gaps are filled.

use std::collections::BTreeMap;

/// How often the smallest distance of the grid is doubled to be the greatest.
const DOUBLINGS: u32 = 9;
/// One pair of so many is spent on each distance before it is judged: so that a third of them remains for the
/// worst one.
const SHARE: usize = 30;
/// Pairs may fail to tell anything as often as they succeed; then a distance is judged by what there is.
const PATIENCE: usize = 2;
/// Edges are looked for to one part in so many,
const CLOSELY: u64 = 16;
/// but no more closely than this, in nanoseconds: no machine releases as exactly.
const FINEST: u64 = 50_000;

/// What was seen at one distance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tally {
    tries: usize,
    /// Tries that told something.
    pairs: usize,
    lost: usize,
}

impl Tally {
    /// The share that is to be expected of the next pairs, in millionths, by the rule of succession: one of one is
    /// no surer than nine of ten.
    fn share(self) -> usize {
        (self.lost + 1) * 1_000_000 / (self.pairs + 2)
    }
}

/// The search.
#[derive(Debug)]
pub(super) struct Search {
    /// Pairs for each distance, until the worst is known.
    each: usize,
    /// By distance in nanoseconds.
    seen: BTreeMap<u64, Tally>,
    /// Once it is known.
    worst: Option<u64>,
}

impl Search {
    /// Over distances from 0 to `up_to` nanoseconds, with so many pairs in all.
    pub(super) fn new(up_to: u64, pairs: usize) -> Self {
        let grid = (0..=DOUBLINGS).map(|doubling| up_to >> doubling).chain([0]);
        Self { each: (pairs / SHARE).max(1), seen: grid.map(|apart| (apart, Tally::default())).collect(), worst: None }
    }

    /// The distance of the next pair.
    pub(super) fn next(&mut self) -> u64 {
        if let Some(apart) = self.worst.or_else(|| self.unfinished()) {
            return apart;
        }
        let lost = self.seen.values().any(|tally| tally.lost > 0);
        let gap = if lost { self.edge() } else { self.widest() };
        if let Some((one, next)) = gap {
            let middle = one.midpoint(next);
            self.seen.insert(middle, Tally::default());
            return middle;
        }
        if lost {
            let most = self.seen.values().map(|tally| tally.share()).max();
            self.worst = self.seen.iter().find(|(_, tally)| Some(tally.share()) == most).map(|(apart, _)| *apart);
        }
        let rarest = self.seen.iter().min_by_key(|(_, tally)| tally.tries).map_or(0, |(apart, _)| *apart);
        self.worst.unwrap_or(rarest)
    }

    /// Counts a pair: whether it was lost, or none if it told nothing.
    pub(super) fn saw(&mut self, apart: u64, lost: Option<bool>) {
        let tally = self.seen.entry(apart).or_default();
        tally.tries += 1;
        tally.pairs += usize::from(lost.is_some());
        tally.lost += usize::from(lost == Some(true));
    }

    fn unfinished(&self) -> Option<u64> {
        let judged = |tally: &Tally| tally.pairs >= self.each || tally.tries >= self.each * PATIENCE;
        self.seen.iter().find(|(_, tally)| !judged(tally)).map(|(apart, _)| *apart)
    }

    /// Only the outermost edges: what is lost once in a while has many edges, and would use up all pairs.
    fn edge(&self) -> Option<(u64, u64)> {
        let mut losing = self.seen.iter().filter(|(_, tally)| tally.lost > 0).map(|(apart, _)| *apart);
        let first = losing.next()?;
        let last = losing.next_back().unwrap_or(first);
        let below = self.seen.range(..first).next_back().map(|(apart, _)| (*apart, first));
        let above = self.seen.range(last + 1..).next().map(|(apart, _)| (last, *apart));
        [below, above].into_iter().flatten().find(wide)
    }

    /// The gap that is widest for where it lies.
    fn widest(&self) -> Option<(u64, u64)> {
        let gaps = self.seen.keys().zip(self.seen.keys().skip(1)).map(|(one, next)| (*one, *next));
        gaps.filter(wide).max_by_key(|(one, next)| u128::from(next - one) * 1_000_000 / u128::from(*next))
    }
}

/// Whether something could hide between two distances.
fn wide((one, next): &(u64, u64)) -> bool {
    next - one > FINEST.max(next / CLOSELY)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP_TO: u64 = 100_000_000;
    const GRID: usize = DOUBLINGS as usize + 2;

    /// Runs a search against a target that loses every pair in this window.
    fn searched(pairs: usize, told: impl FnMut(u64) -> Option<bool>) -> Search {
        let mut search = Search::new(UP_TO, pairs);
        go_on(&mut search, pairs, told);
        search
    }

    fn go_on(search: &mut Search, pairs: usize, mut told: impl FnMut(u64) -> Option<bool>) {
        for _ in 0..pairs {
            let apart = search.next();
            assert!(apart <= UP_TO);
            search.saw(apart, told(apart));
        }
    }

    #[test]
    fn the_edges_of_the_losing_window_are_found_closely() {
        for (from, to) in [(0, 730_000), (900_000, 1_710_000), (7_000_000, 40_000_000), (44_000_000, UP_TO)] {
            let search = searched(300, |apart| Some((from..=to).contains(&apart)));
            let lost = search.seen.iter().filter(|(_, tally)| tally.lost > 0).map(|(apart, _)| *apart);
            let (first, last) = (lost.clone().min().unwrap(), lost.max().unwrap());
            assert!(first >= from && last <= to, "{first}..{last} beyond {from}..{to}");
            let close = |edge: u64| FINEST.max(edge / CLOSELY);
            assert!(first - from <= close(first) && to - last <= close(to), "{first}..{last} of {from}..{to}");
        }
    }

    #[test]
    fn what_remains_is_spent_on_the_worst_distance() {
        // Every second pair is lost in the window, all at 12.5 ms.
        let mut turn = 0_u32;
        let search = searched(300, |apart| {
            turn += 1;
            let lost = (6_000_000..=30_000_000).contains(&apart) && turn.is_multiple_of(2);
            Some(apart == 12_500_000 || lost)
        });
        assert_eq!(search.worst, Some(12_500_000));
        let at_worst = search.seen[&12_500_000];
        assert_eq!(at_worst.pairs, at_worst.lost);
        assert!(at_worst.pairs >= 100, "{at_worst:?}");
    }

    #[test]
    fn rare_losses_everywhere_leave_pairs_for_the_worst_distance() {
        let mut turn = 0_usize;
        let search = searched(300, |_| {
            turn += 1;
            Some(turn.is_multiple_of(17))
        });
        assert!(search.seen[&search.worst.unwrap()].pairs >= 100, "{:?}", search.seen);
    }

    #[test]
    fn where_nothing_is_lost_the_gaps_are_filled() {
        let search = searched(300, |_| Some(false));
        assert_eq!(search.worst, None);
        assert!(search.seen.len() >= GRID * 2, "{:?}", search.seen);
        assert!(search.seen.values().all(|tally| tally.pairs <= search.each), "{:?}", search.seen);
        // More pairs than gaps: every distance is tried alike.
        let mut search = Search::new(UP_TO, 1);
        go_on(&mut search, 2_000, |_| Some(false));
        assert_eq!(search.widest(), None);
        let most = search.seen.values().map(|tally| tally.pairs).max().unwrap();
        assert!(search.seen.values().all(|tally| [most - 1, most].contains(&tally.pairs)), "{:?}", search.seen);
    }

    #[test]
    fn pairs_that_tell_nothing_do_not_hold_the_search_up() {
        let search = searched(300, |apart| (apart != 0).then_some(apart < 3_000_000));
        assert_eq!((search.seen[&0].tries, search.seen[&0].pairs), (search.each * PATIENCE, 0));
        assert!(search.worst.is_some_and(|worst| worst > 0 && worst < 3_000_000), "{:?}", search.worst);
    }

    #[test]
    fn few_pairs_are_enough_to_begin_with() {
        assert_eq!(searched(1, |_| Some(true)).seen[&0], Tally { tries: 1, pairs: 1, lost: 1 });
    }
}
