//! How long judging takes, as a whole and check by check, and how that grows with the run.
//!
//! The checkers offer one function, `judge`. A single check is measured through it by skipping all others,
//! as a target file may; `nothing` skips all of them and is what every figure includes: sorting the evidence,
//! indexing, measuring.

#![expect(clippy::print_stdout, reason = "a bench tells its figures")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group};
use overdraft_benches::Run;
use overdraft_checkers::judge;
use overdraft_engine::memory::peak_kib;
use overdraft_model::verdict::{Validity, Verdict};

/// Operations of the run on which single checks are measured.
const MIDDLE: usize = 100_000;

fn judged(run: &Run) -> Verdict {
    judge(&run.manifest, black_box(&run.histories), &run.evidence)
}

fn correct(operations: usize) -> Run {
    let run = Run::correct(1, 1, operations);
    let verdict = judged(&run);
    assert_eq!(verdict.validity, Validity::Valid, "{}", verdict.cause);
    run
}

/// The same run with every check skipped but one, or all.
fn only(run: &Run, check: Option<&str>) -> Run {
    let mut run = run.clone();
    let planned = &run.manifest.scenarios[0].scenario;
    let ids: Vec<String> = planned.proves.iter().chain(planned.thresholds.keys()).cloned().collect();
    let skipped = ids.into_iter().filter(|id| Some(id.as_str()) != check);
    run.manifest.skip = skipped.map(|id| (id, "not measured here".to_owned())).collect();
    run
}

fn whole(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("judge");
    group.sampling_mode(SamplingMode::Flat);
    for operations in [10_000, 100_000] {
        let run = correct(operations);
        group.throughput(Throughput::Elements(operations as u64));
        group.bench_function(BenchmarkId::from_parameter(operations), |bencher| bencher.iter(|| judged(&run)));
    }
}

fn each(criterion: &mut Criterion) {
    let run = correct(MIDDLE);
    let mut group = criterion.benchmark_group(format!("one check of {MIDDLE} operations"));
    group.sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(MIDDLE as u64));
    let planned = &run.manifest.scenarios[0].scenario;
    let ids = planned.proves.iter().chain(planned.thresholds.keys()).map(String::as_str);
    for id in [None].into_iter().chain(ids.map(Some)) {
        let alone = only(&run, id);
        group.bench_function(id.unwrap_or("nothing"), |bencher| bencher.iter(|| judged(&alone)));
    }
}

/// Times whole runs of growing size, few times each: the largest would take criterion too long.
fn growth(sizes: &[(usize, usize)]) {
    println!("\njudge, how it grows (median of a few):");
    println!(
        "{:>12} {:>12} {:>14} {:>16} {:>20} {:>10}",
        "operations", "seconds", "operations/s", "µs / operation", "times the one above", "peak MiB"
    );
    let mut before: Option<Duration> = None;
    for (operations, times) in sizes {
        let run = correct(*operations);
        let mut took: Vec<Duration> = (0..*times)
            .map(|_| {
                let began = Instant::now();
                black_box(judged(&run));
                began.elapsed()
            })
            .collect();
        took.sort_unstable();
        let median = took[took.len() / 2];
        let seconds = median.as_secs_f64();
        let (rate, each) = (*operations as f64 / seconds, seconds * 1e6 / *operations as f64);
        let grown = before.map_or("-".to_owned(), |before| format!("{:.1}", seconds / before.as_secs_f64()));
        let peak = peak_kib("self").map_or("-".to_owned(), |kib| (kib / 1_024).to_string());
        println!("{operations:>12} {seconds:>12.3} {rate:>14.0} {each:>16.2} {grown:>20} {peak:>10}");
        before = Some(median);
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = whole, each
}

fn main() {
    benches();
    // As criterion does: without `--bench`, or with `--test`, everything runs once and small.
    let given = |flag: &str| std::env::args().any(|argument| argument == flag);
    if given("--list") {
        return;
    }
    match given("--bench") && !given("--test") {
        true => growth(&[(10_000, 7), (100_000, 5), (1_000_000, 3)]),
        false => growth(&[(10_000, 1)]),
    }
    Criterion::default().configure_from_args().final_summary();
}
