//! How long a search for an order takes: many small partitions, one long one, and one that is hard.
//!
//! Histories are drawn from a seed and are linearizable by construction: each operation takes effect at a moment
//! between its call and its end, in the order of those moments.

use std::{hint::black_box, time::Duration};

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use overdraft_checkers::linearizable::{
    Answer, Budget, End, Operations, Timed, check, check_each,
    specifications::{Account, AccountCall, KeyValue, KeyValueCall, Register, RegisterAnswer, RegisterCall},
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Operations in all.
const OPERATIONS: usize = 100_000;
/// Operations of one partition.
const PARTITION: usize = 100;
/// Clients of one partition, each with one operation in flight.
const CLIENTS: usize = 8;

/// Calls, effects and ends of one partition: `effects` are drawn in order, the first and last around them.
fn times(rng: &mut ChaCha8Rng, operations: usize) -> Vec<(u64, u64)> {
    let mut free = [0_u64; CLIENTS];
    let effect = |at: usize| (at as u64 + 1) * 100;
    (0..operations)
        .map(|at| {
            let client = (0..CLIENTS).min_by_key(|client| free[*client]).unwrap_or(0);
            let call = free[client].max(effect(at).saturating_sub(rng.random_range(1..600))).min(effect(at) - 1);
            let end = effect(at) + rng.random_range(1..600);
            free[client] = end;
            (call, end)
        })
        .collect()
}

/// Registers with compare-and-set; one in fifty operations is never answered.
fn register(seed: u64, operations: usize) -> Operations<Register> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut value = None;
    let times = times(&mut rng, operations);
    let operation = |(call, end)| {
        let (from, to) = (rng.random_range(0..5), rng.random_range(0..5));
        let (operation, answer) = match rng.random_range(0..3) {
            0 => (RegisterCall::Read, RegisterAnswer::Value(value)),
            1 => {
                value = Some(to);
                (RegisterCall::Write(to), RegisterAnswer::Done)
            }
            _ if value == Some(from) => {
                value = Some(to);
                (RegisterCall::CompareAndSet(from, to), RegisterAnswer::Done)
            }
            _ => (RegisterCall::CompareAndSet(from, to), RegisterAnswer::Differs),
        };
        match rng.random_bool(0.02) {
            true => Timed::unanswered(operation, call),
            false => Timed::answered(operation, answer, call, end),
        }
    };
    times.into_iter().map(operation).collect()
}

/// Keys with a partition's worth of puts, appends and gets each.
fn key_value(seed: u64, keys: usize) -> Operations<KeyValue> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut history = Vec::with_capacity(keys * PARTITION);
    for key in 0..keys {
        let (key, mut value) = (format!("key-{key:04}"), String::new());
        for (at, (call, end)) in times(&mut rng, PARTITION).into_iter().enumerate() {
            let (operation, answer) = match rng.random_range(0..10) {
                0..5 => (KeyValueCall::Get(key.clone()), value.clone()),
                5 => {
                    value = format!("<{at}>");
                    (KeyValueCall::Put(key.clone(), value.clone()), String::new())
                }
                _ => {
                    value.push_str(&format!("{at},"));
                    (KeyValueCall::Append(key.clone(), format!("{at},")), String::new())
                }
            };
            history.push(Timed::answered(operation, answer, call, end));
        }
    }
    history
}

/// What an account opens with: more than all debits of the longest history.
const OPENING: i64 = 10_000_000;

/// One account: debits, credits that come at an unknown time, and balances that were told.
fn account(seed: u64, operations: usize) -> Operations<Account> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut balance = OPENING;
    let times = times(&mut rng, operations);
    let operation = |(call, end)| {
        let amount = rng.random_range(1..50);
        let (operation, output, end) = match rng.random_range(0..100) {
            0..50 => {
                balance -= amount;
                (AccountCall::Debit(amount), None, End::At(end))
            }
            50..52 => {
                balance += 100;
                (AccountCall::Credit(100), None, End::Open)
            }
            _ => (AccountCall::Read, Some(balance), End::At(end)),
        };
        Timed { operation, output, call, end, after: None }
    };
    times.into_iter().map(operation).collect()
}

fn partitions(criterion: &mut Criterion) {
    let parts = OPERATIONS / PARTITION;
    let mut group = criterion.benchmark_group(format!("{parts} partitions of {PARTITION}"));
    group.sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(OPERATIONS as u64));
    let registers: Vec<_> = (0..parts).map(|part| register(part as u64, PARTITION)).collect();
    group.bench_function("registers", |bencher| {
        bencher.iter(|| {
            for history in &registers {
                let answer = check(&Register::default(), black_box(history), Budget::default());
                assert_eq!(answer, Answer::Linearizable);
            }
        });
    });
    let keys = key_value(1, parts);
    group.bench_function("strings by key", |bencher| {
        bencher.iter_batched(
            || keys.clone(),
            |keys| {
                let key = |call: &KeyValueCall| call.key().to_owned();
                let judged = check_each(&KeyValue, keys, key, Budget::default(), &mut || false);
                assert!(judged.values().all(|part| part.answer == Answer::Linearizable));
            },
            criterion::BatchSize::LargeInput,
        );
    });
}

fn long(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one account");
    group.sampling_mode(SamplingMode::Flat);
    for operations in [1_000, 10_000, OPERATIONS] {
        let history = account(1, operations);
        let specification = Account { opening: OPENING, floor: Some(0) };
        assert_eq!(check(&specification, &history, Budget::default()), Answer::Linearizable);
        group.throughput(Throughput::Elements(operations as u64));
        group.bench_function(BenchmarkId::from_parameter(operations), |bencher| {
            bencher.iter(|| check(&specification, black_box(&history), Budget::default()));
        });
    }
}

/// Concurrent writes of different values and a read of none: every subset has to be looked at.
fn hard(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a violation among concurrent writes");
    group.sampling_mode(SamplingMode::Flat);
    for writers in [8, 12] {
        let write = |value| Timed::answered(RegisterCall::Write(value), RegisterAnswer::Done, 0, 100);
        let read = Timed::answered(RegisterCall::Read, RegisterAnswer::Value(Some(-1)), 0, 100);
        let history: Vec<_> = (0..writers).map(write).chain([read]).collect();
        group.bench_function(BenchmarkId::from_parameter(writers), |bencher| {
            bencher.iter(|| {
                let answer = check(&Register::default(), black_box(&history), Budget::default());
                assert!(matches!(answer, Answer::Violation(_)));
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = partitions, long, hard
}
criterion_main!(benches);
