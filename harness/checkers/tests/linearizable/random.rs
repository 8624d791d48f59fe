//! Random small histories, each judged by the search and by brute force. `OVERDRAFT_PROPTEST_CASES` says how many per
//! specification; a failure prints the history and the number of its case, which alone fixes it.

use std::fmt::Debug;

use overdraft_checkers::linearizable::{
    Answer, Budget, End, Specification, Timed, check, contradiction,
    specifications::{
        Account, AccountCall, Bounded, BoundedCall, KeyValue, KeyValueCall, Register, RegisterAnswer, RegisterCall,
    },
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::brute;

/// Operations of a history: with 6, there are 1,957 sequences to try.
const MOST: usize = 6;

fn cases() -> u64 {
    std::env::var("OVERDRAFT_PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(256)
}

/// Judges so many histories both ways; each verdict must be common enough to prove something.
fn hold<S: Specification>(specification: &S, draw: impl Fn(&mut ChaCha8Rng) -> (S::Operation, Option<S::Output>))
where
    S::Operation: Debug + Clone,
    S::Output: Debug + Clone,
    S::State: Debug,
{
    hold_to(specification, draw, |of, longest| of == longest);
}

/// The same, where an order that was found may be of another length than the longest that there is.
fn hold_to<S: Specification>(
    specification: &S,
    draw: impl Fn(&mut ChaCha8Rng) -> (S::Operation, Option<S::Output>),
    long_enough: fn(usize, usize) -> bool,
) where
    S::Operation: Debug + Clone,
    S::Output: Debug + Clone,
    S::State: Debug,
{
    let (mut valid, mut invalid) = (0, 0);
    for case in 0..cases() {
        let mut rng = ChaCha8Rng::seed_from_u64(case);
        let history: Vec<_> = (0..rng.random_range(1..=MOST)).map(|at| timed(&mut rng, at, &draw)).collect();
        let (whole, longest) = brute::linearizable(specification, &history);
        match check(specification, &history, Budget::default()) {
            Answer::Linearizable => {
                valid += 1;
                assert!(whole, "case {case} was accepted: {history:#?}");
            }
            Answer::Violation(counterexample) => {
                invalid += 1;
                assert!(!whole, "case {case} was refused: {history:#?}");
                let told = format!("case {case}: {counterexample:#?} of {history:#?}");
                assert!(long_enough(counterexample.prefix.len(), longest), "{longest} is the longest order, {told}");
                assert!(brute::legal(specification, &history, &counterexample.prefix), "{told}");
                let mut further = counterexample.prefix.clone();
                assert!(!further.contains(&counterexample.stuck), "{told}");
                assert_ne!(history[counterexample.stuck].end, End::Maybe, "{told}");
                further.push(counterexample.stuck);
                assert!(!brute::legal(specification, &history, &further), "{told}");
                let found = contradiction(specification, &history, Budget::default(), &mut 1_000);
                assert!(found.sure, "case {case}");
                let fewest = found.operations;
                let believed = |few: &[usize]| brute::linearizable(specification, &unclear_but(&history, few)).0;
                assert!(!believed(&fewest), "case {case}: {fewest:?} fit together in {history:#?}");
                for at in 0..fewest.len() {
                    let fewer = [&fewest[..at], &fewest[at + 1..]].concat();
                    assert!(believed(&fewer), "case {case}: {fewer:?} are enough, not {fewest:?}, in {history:#?}");
                }
            }
            Answer::Unknown(limit) => panic!("case {case}: {limit}"),
        }
    }
    let few = cases() / 20;
    assert!(valid > few && invalid > few, "{valid} valid and {invalid} invalid histories prove little");
}

/// The history of which only these answers are known.
fn unclear_but<O: Clone, R: Clone>(history: &[Timed<O, R>], believed: &[usize]) -> Vec<Timed<O, R>> {
    let known = |(at, operation): (usize, &Timed<O, R>)| match believed.contains(&at) {
        true => operation.clone(),
        false => Timed { output: None, end: End::Maybe, ..operation.clone() },
    };
    history.iter().enumerate().map(known).collect()
}

fn timed<O, R>(rng: &mut ChaCha8Rng, at: usize, draw: &impl Fn(&mut ChaCha8Rng) -> (O, Option<R>)) -> Timed<O, R> {
    let (operation, output) = draw(rng);
    let call = rng.random_range(0..12);
    let end = match rng.random_range(0..10) {
        0 => End::Open,
        1 | 2 => End::Maybe,
        _ => End::At(call + rng.random_range(0..8)),
    };
    let after = (at > 0 && rng.random_bool(0.1)).then(|| rng.random_range(0..at));
    Timed { operation, output, call, end, after }
}

fn sometimes<T>(rng: &mut ChaCha8Rng, value: T) -> Option<T> {
    rng.random_bool(0.85).then_some(value)
}

#[test]
fn registers() {
    hold(&Register { initial: Some(0) }, |rng| {
        let value = rng.random_range(0..3);
        match rng.random_bool(0.5) {
            true => (RegisterCall::Read, sometimes(rng, RegisterAnswer::Value(Some(value)))),
            false => (RegisterCall::Write(value), sometimes(rng, RegisterAnswer::Done)),
        }
    });
}

#[test]
fn registers_with_compare_and_set() {
    hold(&Register { initial: None }, |rng| {
        let (from, to) = (rng.random_range(0..2), rng.random_range(0..2));
        match rng.random_range(0..3) {
            0 => {
                let value = rng.random_bool(0.7).then_some(from);
                (RegisterCall::Read, sometimes(rng, RegisterAnswer::Value(value)))
            }
            1 => (RegisterCall::Write(to), sometimes(rng, RegisterAnswer::Done)),
            _ => {
                let answer = if rng.random() { RegisterAnswer::Done } else { RegisterAnswer::Differs };
                (RegisterCall::CompareAndSet(from, to), sometimes(rng, answer))
            }
        }
    });
}

/// A way is given up where a read is out of reach, so the order that is told need not be the longest.
#[test]
fn strings_by_key() {
    let text =
        |rng: &mut ChaCha8Rng, most| "ab".repeat(2)[rng.random_range(0..2)..].chars().take(most).collect::<String>();
    let draw = |rng: &mut ChaCha8Rng| {
        let most = rng.random_range(0..4);
        match rng.random_range(0..6) {
            0 => (KeyValueCall::Put("k".into(), text(rng, most.min(2))), sometimes(rng, String::new())),
            1 | 2 => (KeyValueCall::Append("k".into(), text(rng, 1)), sometimes(rng, String::new())),
            _ => (KeyValueCall::Get("k".into()), Some(text(rng, most)).filter(|_| rng.random_bool(0.85))),
        }
    };
    hold_to(&KeyValue, draw, |of, longest| of <= longest);
}

#[test]
fn bounded_counters() {
    hold(&Bounded { limit: Some(2) }, |rng| match rng.random_range(0..5) {
        0 | 1 => (BoundedCall::Take, None),
        2 => (BoundedCall::Full, None),
        _ => {
            let count = rng.random_range(0..3);
            (BoundedCall::Read, sometimes(rng, count))
        }
    });
}

#[test]
fn accounts() {
    hold(&Account { opening: 2, floor: Some(0) }, |rng| match rng.random_range(0..7) {
        0 => (AccountCall::Debit(rng.random_range(1..3)), None),
        1 => {
            let left = rng.random_range(0..4);
            (AccountCall::DebitAndRead(rng.random_range(1..3)), sometimes(rng, left))
        }
        2 => (AccountCall::Refuse(rng.random_range(1..3)), None),
        3 | 4 => (AccountCall::Credit(rng.random_range(1..3)), None),
        _ => {
            let balance = rng.random_range(0..4);
            (AccountCall::Read, sometimes(rng, balance))
        }
    });
}

/// A counter that may miss a count whose answer was lost.
struct Lossy;

impl Specification for Lossy {
    type State = i64;
    type Operation = BoundedCall;
    type Output = i64;

    fn initial(&self) -> i64 {
        0
    }

    fn step(&self, count: &i64, call: &BoundedCall, answer: Option<&i64>, next: &mut Vec<i64>) {
        match call {
            BoundedCall::Read if answer.is_some_and(|answer| answer != count) => {}
            BoundedCall::Read | BoundedCall::Full => next.push(*count),
            BoundedCall::Take if answer.is_none() => next.extend([*count, count + 1, count + 2]),
            BoundedCall::Take => next.push(count + 1),
        }
    }

    fn only_reads(&self, call: &BoundedCall, _: Option<&i64>) -> bool {
        *call != BoundedCall::Take
    }
}

#[test]
fn specifications_that_do_not_know_their_next_state() {
    hold(&Lossy, |rng| match rng.random_bool(0.5) {
        true => {
            let count = rng.random_range(0..5);
            (BoundedCall::Read, sometimes(rng, count))
        }
        false => (BoundedCall::Take, sometimes(rng, 0)),
    });
}
