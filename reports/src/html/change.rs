//! What changed against the baseline: checks that turned, latencies and throughput with their noise.

use maud::{Markup, html};
use overdraft_model::verdict::ScenarioVerdict;

use super::{pill, scroller};
use crate::{
    baseline::{self, Change, OperationChange, Reading},
    budget::Budget,
    words::{self, clip},
};

/// Changes of one scenario against the same scenario of the baseline.
pub fn section(before: &ScenarioVerdict, after: &ScenarioVerdict, budget: &mut Budget) -> Markup {
    let turned = baseline::turned(before, after);
    let lines: Vec<Markup> = turned
        .iter()
        .map(|(id, then, now)| html! { li { code { (clip(id, 80)) } " was " (pill(*then)) " and is " (pill(*now)) } })
        .take_while(|line| budget.take(line.0.len()))
        .collect();
    let changes = baseline::changes(&before.measured, &after.measured);
    let rows: Vec<Markup> = changes.iter().take(30).map(row).take_while(|row| budget.take(row.0.len())).collect();
    html! {
        h3 { "Change against the baseline" }
        @if turned.is_empty() { p.note { "Every check answers as before." } } @else {
            ul.turned {
                @for line in &lines { (line) }
            }
        }
        @if !rows.is_empty() {
            (scroller("Change of latency and throughput", &html! {
                table.change {
                    thead { tr {
                        th scope="col" { "Operation" }
                        @for name in ["p50", "p95", "p99", "Throughput"] { th.n scope="col" { (name) } }
                    } }
                    tbody { @for row in &rows { (row) } }
                }
            }))
        }
        @if rows.len() < changes.len() {
            p.more { (words::counted((changes.len() - rows.len()) as u64, "more operation")) " in verdict.json" }
        }
        @if lines.len() < turned.len() {
            p.more { (words::counted((turned.len() - lines.len()) as u64, "more check")) " answers otherwise than before" }
        }
    }
}

fn row(change: &OperationChange) -> Markup {
    html! {
        tr {
            th scope="row" { (clip(&change.operation, 60)) }
            @for latency in &change.latency { (cell(latency, |value| words::micros(value.round() as u64))) }
            (cell(&change.throughput, words::per_second))
        }
    }
}

fn cell(change: &Change, shown: impl Fn(f64) -> String) -> Markup {
    let class = match change.reading {
        Reading::Better => "valid",
        Reading::Worse => "invalid",
        Reading::Noise | Reading::TooFew => "quiet",
    };
    html! {
        td.n {
            (shown(change.before)) " → " b { (shown(change.after)) } br;
            span class=(class) { (symbol(change)) " " (change.reading.word()) (percent(change)) }
            br; span.quiet { "band ±" (shown(change.band)) }
        }
    }
}

/// Which way the value went; what that means is said in words.
fn symbol(change: &Change) -> &'static str {
    match change.reading {
        Reading::Better | Reading::Worse if change.after > change.before => "▲",
        Reading::Better | Reading::Worse => "▼",
        Reading::Noise => "≈",
        Reading::TooFew => "?",
    }
}

fn percent(change: &Change) -> String {
    if change.before <= 0.0 || change.reading == Reading::TooFew {
        return String::new();
    }
    match ((change.after / change.before - 1.0) * 100.0).round() {
        0.0 => String::new(),
        percent => format!(", {percent:+.0} %"),
    }
}
