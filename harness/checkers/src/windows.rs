//! The stretch of time into which most was let, against what a limit allows in a stretch of that length.
//!
//! A request counts at some moment between its question and its answer that nobody outside knows. So only those
//! count for a stretch that lie wholly within it: whatever the moments were, they were in there.

use overdraft_model::promises::RateLimit;

/// Two clocks need not agree on how long a second is: a stretch may have been longer by one part in so many.
const DRIFT: i128 = 1_000;

/// A stretch of time into which more was let than the limit allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overrun {
    /// When it begins, in nanoseconds.
    pub(crate) from: u64,
    /// When it ends.
    pub(crate) to: u64,
    /// How many requests lie in it.
    pub(crate) count: u64,
    /// How many may.
    pub(crate) allowed: u64,
}

/// The worst stretch of all that break the limit: `requests` are from question to answer, in nanoseconds.
pub(crate) fn overrun(requests: &[(u64, u64)], limit: &RateLimit) -> Option<Overrun> {
    let mut starts: Vec<(u64, usize)> = requests.iter().enumerate().map(|(at, (start, _))| (*start, at)).collect();
    starts.sort_unstable();
    let mut place = vec![0; requests.len()];
    starts.iter().enumerate().for_each(|(at, (_, request))| place[*request] = at);
    let mut ends: Vec<(u64, usize)> = requests.iter().enumerate().map(|(at, (_, end))| (*end, at)).collect();
    ends.sort_unstable();

    let unit = i128::from(limit.per.ns().max(1)) * DRIFT;
    let slope = i128::from(limit.requests) * (DRIFT + 1);
    let burst = i128::from(limit.burst()) * unit;
    // What stands for the stretches that begin with a request: how many lie in them, in units, and when they begin.
    // Those that nothing that has ended begins are out of reach.
    let mut stretches = Tree::new(starts.iter().map(|(start, _)| slope * i128::from(*start) - FAR));
    let mut worst: Option<(i128, usize, u64)> = None;
    for (end, request) in ends {
        stretches.add(place[request], unit);
        stretches.add_one(place[request], FAR);
        let excess = stretches.most() - slope * i128::from(end) - burst;
        if excess > 0 && worst.is_none_or(|(known, _, _)| excess > known) {
            worst = Some((excess, stretches.place_of_most(), end));
        }
    }
    worst.map(|(excess, at, to)| {
        let from = starts[at].0;
        let allowed = u64::try_from((burst + slope * i128::from(to - from)) / unit).unwrap_or(u64::MAX);
        let count = (excess + burst + slope * i128::from(to - from)) / unit;
        Overrun { from, to, count: u64::try_from(count).unwrap_or(u64::MAX), allowed }
    })
}

/// More than all that can be added to a stretch.
const FAR: i128 = 1 << 120;

/// Numbers in a row, to the first so many of which something is added at once, and the greatest of them.
struct Tree {
    leaves: usize,
    /// The greatest below each node, without what was added above it.
    most: Vec<i128>,
    added: Vec<i128>,
}

impl Tree {
    fn new(numbers: impl ExactSizeIterator<Item = i128>) -> Self {
        let leaves = numbers.len().next_power_of_two().max(1);
        let mut most = vec![-4 * FAR; 2 * leaves];
        numbers.enumerate().for_each(|(at, number)| most[leaves + at] = number);
        for node in (1..leaves).rev() {
            most[node] = most[2 * node].max(most[2 * node + 1]);
        }
        Self { leaves, most, added: vec![0; 2 * leaves] }
    }

    /// Adds to the numbers up to and with that place.
    fn add(&mut self, last: usize, amount: i128) {
        // From the leaf to the root: whatever hangs to the left of the way is added to as a whole.
        let mut node = self.leaves + last;
        self.lift(node, amount);
        while node > 1 {
            if node % 2 == 1 {
                self.lift(node - 1, amount);
            }
            node /= 2;
            self.refresh(node);
        }
    }

    fn add_one(&mut self, at: usize, amount: i128) {
        let mut node = self.leaves + at;
        self.lift(node, amount);
        while node > 1 {
            node /= 2;
            self.refresh(node);
        }
    }

    fn lift(&mut self, node: usize, amount: i128) {
        self.most[node] += amount;
        self.added[node] += amount;
    }

    fn refresh(&mut self, node: usize) {
        self.most[node] = self.most[2 * node].max(self.most[2 * node + 1]) + self.added[node];
    }

    fn most(&self) -> i128 {
        self.most[1]
    }

    fn place_of_most(&self) -> usize {
        let mut node = 1;
        while node < self.leaves {
            node = if self.most[2 * node] >= self.most[2 * node + 1] { 2 * node } else { 2 * node + 1 };
        }
        node - self.leaves
    }
}

#[cfg(test)]
mod tests {
    use overdraft_model::span::Span;

    use super::*;

    const S: u64 = 1_000_000_000;

    fn limit(requests: u64, burst: Option<u64>) -> RateLimit {
        let operations = Vec::new();
        RateLimit { operations, requests, per: Span::from_ms(60_000), burst, refusals_count: true, changed_by: None }
    }

    /// What the words say: every stretch from a question to an answer, counted.
    fn by_hand(requests: &[(u64, u64)], limit: &RateLimit) -> bool {
        requests.iter().any(|(from, _)| {
            requests.iter().filter(|(_, to)| to >= from).any(|(_, to)| {
                let count = requests.iter().filter(|(start, end)| start >= from && end <= to).count() as i128;
                let unit = i128::from(limit.per.ns()) * DRIFT;
                let refilled = i128::from(limit.requests) * i128::from(to - from) * (DRIFT + 1);
                count * unit > i128::from(limit.burst()) * unit + refilled
            })
        })
    }

    #[test]
    fn a_burst_and_what_comes_back_meanwhile_is_allowed_and_one_more_is_not() {
        let burst: Vec<(u64, u64)> = (0..10).map(|n| (n, S + n)).collect();
        assert_eq!(overrun(&burst, &limit(10, None)), None);
        let more: Vec<(u64, u64)> = burst.iter().copied().chain([(2, S + 20)]).collect();
        let found = overrun(&more, &limit(10, None)).unwrap();
        assert_eq!((found.from, found.to, found.count, found.allowed), (0, S + 20, 11, 10));
        let later: Vec<(u64, u64)> = burst.iter().copied().chain([(6 * S, 7 * S)]).collect();
        assert_eq!(overrun(&later, &limit(10, None)), None);
        assert!(overrun(&later, &limit(10, Some(8))).is_some());
        assert_eq!(overrun(&[], &limit(1, None)), None);
    }

    #[test]
    fn a_request_that_may_have_counted_outside_does_not_accuse() {
        let mut spread: Vec<(u64, u64)> = (0..10).map(|n| (n, S)).collect();
        spread.push((5, 40 * S));
        assert_eq!(overrun(&spread, &limit(10, None)), None);
    }

    #[test]
    fn it_says_what_counting_every_stretch_says() {
        let mut state = 7_u64;
        let mut draw = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let (mut broken, mut kept) = (0, 0);
        for _ in 0..3_000 {
            let length = draw(14) as usize;
            let requests: Vec<(u64, u64)> = (0..length)
                .map(|_| {
                    let start = draw(90) * S;
                    (start, start + draw(9) * S)
                })
                .collect();
            let limit = limit(1 + draw(6), Some(1 + draw(5)));
            let found = overrun(&requests, &limit);
            assert_eq!(found.is_some(), by_hand(&requests, &limit), "{requests:?} {limit:?}");
            if let Some(found) = found {
                let inside = requests.iter().filter(|(start, end)| *start >= found.from && *end <= found.to).count();
                assert_eq!((inside as u64, found.count > found.allowed), (found.count, true), "{requests:?} {limit:?}");
                broken += 1;
            } else {
                kept += 1;
            }
        }
        assert!(broken > 300 && kept > 300, "{broken} {kept}");
    }
}
