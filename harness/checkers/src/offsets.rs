//! Pairs of requests that were released a chosen time apart: how often both won, by that time.
//!
//! A pair tells something only if it left as it was to and both were answered: who was not may have won.

use std::collections::{BTreeMap, HashMap};

use overdraft_model::{
    history::{Call, History, Race},
    operation::Outcome,
    verdict::OffsetStats,
};

use crate::{
    statistics::{Interval, wilson},
    words::counted,
};

/// What was seen of all pairs.
pub(crate) struct Pairs {
    /// Pairs that were released.
    pub(crate) released: usize,
    /// Of which the first was not answered yet when the second was released.
    pub(crate) met: usize,
    /// By the nanoseconds that lay between the two, the smallest first.
    tried: BTreeMap<u64, Distance>,
}

/// What was seen at one distance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Distance {
    pairs: usize,
    both: usize,
}

impl Pairs {
    /// The pairs of a history.
    pub(crate) fn of(history: &History) -> Self {
        let calls: HashMap<u64, &Call> = history.calls.iter().map(|call| (call.op, call)).collect();
        let mut pairs = Self { released: 0, met: 0, tried: BTreeMap::new() };
        for race in &history.races {
            let (Some(apart), Some([one, other])) = (race.apart, pair(race, &calls)) else { continue };
            pairs.released += 1;
            pairs.met += usize::from([one, other].iter().all(|call| call.end.is_none_or(|end| end > race.time)));
            let ended = [one.outcome, other.outcome];
            if race.left_as_asked() && !ended.contains(&Outcome::Info) {
                let distance = pairs.tried.entry(apart).or_default();
                distance.pairs += 1;
                distance.both += usize::from(ended == [Outcome::Ok; 2]);
            }
        }
        pairs
    }

    /// How many tell something.
    pub(crate) fn counted(&self) -> usize {
        self.tried.values().map(|distance| distance.pairs).sum()
    }

    /// Every distance, as it is reported.
    pub(crate) fn stats(&self) -> Vec<OffsetStats> {
        let permille = |share: f64| (share * 1_000.0).round() as u64;
        let stats = |(apart, distance): (&u64, &Distance)| {
            let Interval { low, high } = distance.interval()?;
            Some(OffsetStats {
                apart_us: apart / 1_000,
                pairs: distance.pairs as u64,
                both_won: distance.both as u64,
                low_permille: permille(low),
                high_permille: permille(high),
            })
        };
        self.tried.iter().filter_map(stats).collect()
    }

    /// The distance that is surest to be lost, as a sentence; where no pair both won, the same of all. None where no
    /// pair tells anything.
    pub(crate) fn fact(&self) -> Option<String> {
        let range = format!("{} to {} ms", ms(*self.tried.keys().next()?), ms(*self.tried.keys().next_back()?));
        let lost = || self.tried.iter().filter(|(_, distance)| distance.both > 0);
        let low = |distance: &Distance| distance.interval().map_or(0.0, |interval| interval.low);
        let worst = lost().max_by(|(_, one), (_, other)| low(one).total_cmp(&low(other)));
        let Some((apart, worst)) = worst else {
            let all = Distance { pairs: self.counted(), both: 0 };
            return Some(format!("both won in 0 of {}, {range} apart ({})", counted(all.pairs, "pair"), all.share()?));
        };
        Some(format!(
            "both won in {} of {} {} ms apart ({}), the worst of {} distances from {range}; both won from {} to {} ms",
            worst.both,
            counted(worst.pairs, "pair"),
            ms(*apart),
            worst.share()?,
            self.tried.len(),
            ms(*lost().next()?.0),
            ms(*lost().next_back()?.0),
        ))
    }
}

impl Distance {
    /// Where the share of pairs that both win lies.
    fn interval(&self) -> Option<Interval> {
        wilson(self.both, self.pairs)
    }

    fn share(&self) -> Option<String> {
        let Interval { low, high } = self.interval()?;
        let share = self.both as f64 * 100.0 / self.pairs as f64;
        Some(format!("{share:.1} %, 95 % interval {:.1} to {:.1} %", low * 100.0, high * 100.0))
    }
}

/// When each request of a pair was let go, in nanoseconds: it was asked before, and held back.
pub(crate) fn released(history: &History) -> HashMap<u64, u64> {
    let pairs = history.races.iter().filter(|race| race.apart.is_some());
    pairs
        .flat_map(|race| {
            let [one, other] = race.operations[..] else { return vec![] };
            vec![(one, race.time.saturating_sub(race.spread)), (other, race.time)]
        })
        .collect()
}

fn pair<'a>(race: &Race, calls: &HashMap<u64, &'a Call>) -> Option<[&'a Call; 2]> {
    let [one, other] = race.operations[..] else { return None };
    Some([calls.get(&one)?, calls.get(&other)?])
}

fn ms(ns: u64) -> String {
    format!("{:.2}", ns as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use overdraft_model::{
        history::{Call, Phase},
        operation::{Answer, Operation},
        release::Release,
    };

    use super::*;

    /// Pairs by distance in microseconds and how both ended.
    fn history(pairs: &[(u64, [Outcome; 2])]) -> History {
        let mut history = History::empty("s".into(), 0);
        for (apart, outcomes) in pairs {
            let operations: Vec<u64> = outcomes
                .iter()
                .map(|outcome| {
                    let op = history.calls.len() as u64;
                    history.calls.push(Call {
                        op,
                        process: op,
                        operation: Operation::ReadBalance { workspace: "w".into() },
                        intended: 0,
                        start: 0,
                        end: Some(1),
                        outcome: *outcome,
                        answer: Answer::default(),
                        phase: Phase::Drive,
                    });
                    op
                })
                .collect();
            history.races.push(Race {
                name: "pair".into(),
                operations,
                planned: 2,
                spread: apart * 1_000,
                release: Release::LastByte,
                apart: Some(apart * 1_000),
                time: 0,
            });
        }
        history
    }

    const BOTH: [Outcome; 2] = [Outcome::Ok, Outcome::Ok];
    const ONE: [Outcome; 2] = [Outcome::Ok, Outcome::Fail];
    const UNSURE: [Outcome; 2] = [Outcome::Ok, Outcome::Info];

    fn stats(apart_us: u64, pairs: u64, both_won: u64, low_permille: u64, high_permille: u64) -> OffsetStats {
        OffsetStats { apart_us, pairs, both_won, low_permille, high_permille }
    }

    #[test]
    fn the_distance_that_is_surest_lost_is_told_with_its_interval() {
        // One of one is no better than nine of ten: it was seen once.
        let pairs = [&[(0, BOTH), (900, UNSURE)][..], &[(500, BOTH); 9], &[(500, ONE), (1_000, ONE)]].concat();
        let pairs = Pairs::of(&history(&pairs));
        assert_eq!((pairs.released, pairs.counted()), (13, 12));
        assert_eq!(
            pairs.stats(),
            [stats(0, 1, 1, 207, 1_000), stats(500, 10, 9, 596, 982), stats(1_000, 1, 0, 0, 793)]
        );
        assert_eq!(
            pairs.fact().unwrap(),
            "both won in 9 of 10 pairs 0.50 ms apart (90.0 %, 95 % interval 59.6 to 98.2 %), the worst of 3 distances \
             from 0.00 to 1.00 ms; both won from 0.00 to 0.50 ms"
        );
    }

    #[test]
    fn that_no_pair_both_won_is_told_with_what_it_excludes() {
        let fact = Pairs::of(&history(&[(0, ONE); 200])).fact().unwrap();
        assert_eq!(fact, "both won in 0 of 200 pairs, 0.00 to 0.00 ms apart (0.0 %, 95 % interval 0.0 to 1.9 %)");
    }

    #[test]
    fn races_that_left_together_and_pairs_without_answers_or_at_the_wrong_time_tell_nothing() {
        let mut together = history(&[(0, BOTH)]);
        together.races[0].apart = None;
        let together = Pairs::of(&together);
        assert_eq!((together.released, together.fact()), (0, None));
        let mut late = history(&[(500, BOTH)]);
        late.races[0].spread += 200_000;
        for history in [late, history(&[(0, UNSURE)])] {
            let pairs = Pairs::of(&history);
            assert_eq!((pairs.released, pairs.counted(), pairs.fact()), (1, 0, None));
        }
    }

    #[test]
    fn what_is_held_back_is_released_in_its_turn() {
        let mut history = history(&[(500, ONE), (0, ONE)]);
        history.races[0].time = 700_000;
        history.races[1].apart = None;
        assert_eq!(released(&history), [(0, 200_000), (1, 700_000)].into());
    }

    #[test]
    fn a_pair_met_if_the_first_was_not_answered_when_the_second_left() {
        let mut history = history(&[(0, ONE); 3]);
        history.races.iter_mut().for_each(|race| race.time = 50);
        for (call, end) in history.calls.iter_mut().zip([Some(50), Some(90), Some(51), Some(90), None, Some(90)]) {
            call.end = end;
        }
        assert_eq!(Pairs::of(&history).met, 2);
    }
}
