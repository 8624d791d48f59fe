//! Pairs of requests that were released a chosen time apart: how often both won, by that time.
//!
//! A pair tells something only if both were answered: who was not may have won.

use std::collections::{BTreeMap, HashMap};

use overdraft_model::{
    history::{History, Race},
    operation::Outcome,
};

use crate::{
    statistics::{Interval, wilson},
    words::counted,
};

/// What was seen at one distance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distance {
    /// Nanoseconds that were to lie between the two.
    pub apart: u64,
    /// Pairs of which both were answered.
    pub pairs: usize,
    /// Pairs of which both won.
    pub both: usize,
    /// Where the share of pairs that both win lies with a confidence of 95 %.
    pub interval: Interval,
}

/// Every distance that was tried, the smallest first.
#[must_use]
pub fn distances(history: &History) -> Vec<Distance> {
    let outcomes: HashMap<u64, Outcome> = history.calls.iter().map(|call| (call.op, call.outcome)).collect();
    let mut tried: BTreeMap<u64, (usize, usize)> = BTreeMap::new();
    for race in &history.races {
        let (Some(apart), Some(both)) = (race.apart, both_won(race, &outcomes)) else { continue };
        let (pairs, won) = tried.entry(apart).or_default();
        *pairs += 1;
        *won += usize::from(both);
    }
    let distance = |(apart, (pairs, both)): (u64, (usize, usize))| {
        Some(Distance { apart, pairs, both, interval: wilson(both, pairs)? })
    };
    tried.into_iter().filter_map(distance).collect()
}

fn both_won(race: &Race, outcomes: &HashMap<u64, Outcome>) -> Option<bool> {
    let [one, other] = race.operations[..] else { return None };
    let ended = [*outcomes.get(&one)?, *outcomes.get(&other)?];
    (!ended.contains(&Outcome::Info)).then_some(ended == [Outcome::Ok; 2])
}

/// The distance at which most pairs both won, as a sentence; where none did, the same of all. None without pairs.
pub(crate) fn fact(history: &History) -> Option<String> {
    let tried = distances(history);
    let (first, last) = (tried.first()?.apart, tried.last()?.apart);
    let (pairs, both) = tried.iter().fold((0, 0), |(pairs, both), one| (pairs + one.pairs, both + one.both));
    let range = format!("{} to {} ms apart", ms(first), ms(last));
    if both == 0 {
        let interval = wilson(0, pairs)?;
        return Some(format!("both won in 0 of {}, {range} ({})", counted(pairs, "pair"), percent(0, pairs, interval)));
    }
    let share = |one: &&Distance| (one.both as f64 / one.pairs as f64, one.pairs);
    let worst =
        tried.iter().max_by(|one, other| share(one).partial_cmp(&share(other)).unwrap_or(std::cmp::Ordering::Equal))?;
    let losing = || tried.iter().filter(|one| one.both > 0).map(|one| one.apart);
    Some(format!(
        "both won in {} of {} {} ms apart ({}), the worst of {} distances in {range}; seen from {} to {} ms",
        worst.both,
        counted(worst.pairs, "pair"),
        ms(worst.apart),
        percent(worst.both, worst.pairs, worst.interval),
        tried.len(),
        ms(losing().min()?),
        ms(losing().max()?),
    ))
}

fn ms(ns: u64) -> String {
    format!("{:.2}", ns as f64 / 1e6)
}

fn percent(hits: usize, trials: usize, interval: Interval) -> String {
    let share = hits as f64 * 100.0 / trials as f64;
    format!("{share:.1} %, 95 % interval {:.1} to {:.1} %", interval.low * 100.0, interval.high * 100.0)
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

    #[test]
    fn the_worst_distance_is_told_with_its_interval() {
        let pairs =
            [&[(0, ONE), (0, BOTH), (900, UNSURE)][..], &[(500, BOTH); 9], &[(500, ONE), (1_000, ONE)]].concat();
        let history = history(&pairs);
        let seen: Vec<_> = distances(&history).iter().map(|one| (one.apart, one.pairs, one.both)).collect();
        assert_eq!(seen, [(0, 2, 1), (500_000, 10, 9), (1_000_000, 1, 0)]);
        let fact = fact(&history).unwrap();
        assert_eq!(
            fact,
            "both won in 9 of 10 pairs 0.50 ms apart (90.0 %, 95 % interval 59.6 to 98.2 %), the worst of 3 distances \
             in 0.00 to 1.00 ms apart; seen from 0.00 to 0.50 ms"
        );
    }

    #[test]
    fn that_no_pair_both_won_is_told_with_what_it_excludes() {
        let fact = fact(&history(&[(0, ONE); 200])).unwrap();
        assert_eq!(fact, "both won in 0 of 200 pairs, 0.00 to 0.00 ms apart (0.0 %, 95 % interval 0.0 to 1.9 %)");
    }

    #[test]
    fn races_that_left_together_and_pairs_without_answers_tell_nothing() {
        let mut together = history(&[(0, BOTH)]);
        together.races[0].apart = None;
        assert_eq!(fact(&together), None);
        assert_eq!(fact(&history(&[(0, UNSURE)])), None);
    }
}
