//! How fast each report is rendered from a verdict with many findings; throughput in bytes of the report.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use overdraft_benches::Run;
use overdraft_checkers::judge;
use overdraft_model::verdict::Verdict;
use overdraft_reports::{Style, console, html, json, junit, markdown};

/// Scenarios, and operations in each.
const SCENARIOS: usize = 5;
const OPERATIONS: usize = 20_000;

/// The verdict of a run that broke nearly every promise, and of the same run before it did.
fn verdicts() -> (Verdict, Verdict) {
    let good = Run::correct(1, SCENARIOS, OPERATIONS);
    let before = judge(&good.manifest, &good.histories, &good.evidence);
    let bad = good.spoiled();
    let verdict = judge(&bad.manifest, &bad.histories, &bad.evidence);
    let checks = verdict.scenarios.iter().flat_map(|scenario| &scenario.checks);
    let findings: usize = checks.map(|check| check.findings.len()).sum();
    assert!(findings > 100 * SCENARIOS, "only {findings} findings");
    (verdict, before)
}

fn reports(criterion: &mut Criterion) {
    let (verdict, before) = verdicts();
    let style = Style { color: true, width: 110 };
    let formats: [(&str, &dyn Fn() -> String); 6] = [
        ("html", &|| html(&verdict, None)),
        ("html with a baseline", &|| html(&verdict, Some(&before))),
        ("junit", &|| junit(&verdict).expect("it can be written")),
        ("markdown", &|| markdown(&verdict)),
        ("console", &|| console(&verdict, style)),
        ("json", &|| json(&verdict)),
    ];
    let mut group = criterion.benchmark_group("reports");
    for (name, render) in formats {
        group.throughput(Throughput::Bytes(render().len() as u64));
        group.bench_function(name, |bencher| bencher.iter(render));
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2));
    targets = reports
}
criterion_main!(benches);
