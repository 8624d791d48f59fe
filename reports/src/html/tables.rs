//! What was measured: the charts with their data, operations, races, faults and errors.

use maud::{Markup, html};
use overdraft_model::verdict::{Bucket, ErrorGroup, FaultStats, Measurements, OffsetStats, OperationStats, RaceStats};

use super::{charts, scroller};
use crate::{
    budget::Budget,
    words::{self, clip},
};

/// Rows shown per table.
const ROWS: usize = 24;

/// All measurements of a scenario, each part as far as it fits.
pub fn section(number: usize, measured: &Measurements, budget: &mut Budget) -> Markup {
    let parts = [
        time(number, measured),
        operations(&measured.by_operation, measured.drive_ms),
        races(&measured.races),
        offsets(&measured.offsets),
        super::boundaries::section(&measured.boundaries),
        faults(&measured.faults),
        errors(&measured.errors),
    ];
    html! {
        @for part in parts {
            @if budget.take(part.0.len()) { (part) } @else { p.more { "One more section in verdict.json" } }
        }
    }
}

fn time(number: usize, measured: &Measurements) -> Markup {
    let (slices, each) = charts::slices(&measured.timeline);
    html! {
        @if !slices.is_empty() {
            h3 { "Latency over time" }
            p.legend {
                span { svg.key viewBox="0 0 24 8" aria-hidden="true" { path.p99 d="M0 4H24" {} } " 99th percentile" }
                span { svg.key viewBox="0 0 24 8" aria-hidden="true" { path.p50 d="M0 4H24" {} } " median" }
                span { span.chip.ok { "ok" } " " span.chip.info { "info" } " " span.chip.fail { "fail" } " operations ended, from the bottom up" }
                span { span.shade aria-hidden="true" {} " fault in place" }
            }
            (scroller("Latency and completions over time", &charts::svg(&format!("s{number}time"), measured, &slices)))
            @if each > 1 { p.note { "Each point is the highest of " (each) " slices." } }
            details.data { summary { "The data behind the chart" } (scroller("Data of the chart", &time_table(&slices))) }
        }
    }
}

fn time_table(slices: &[Bucket]) -> Markup {
    html! {
        table {
            thead { tr {
                th.n scope="col" { "From" } th.n scope="col" { "ok" } th.n scope="col" { "info" } th.n scope="col" { "fail" }
                th.n scope="col" { "Median" } th.n scope="col" { "99th percentile" }
            } }
            tbody {
                @for slice in slices {
                    tr {
                        th.n scope="row" { (words::millis(slice.at_ms)) }
                        td.n { (words::count(slice.ok)) } td.n { (words::count(slice.info)) } td.n { (words::count(slice.fail)) }
                        td.n { (words::micros(slice.p50_us)) } td.n { (words::micros(slice.p99_us)) }
                    }
                }
            }
        }
    }
}

fn operations(all: &[OperationStats], drive_ms: u64) -> Markup {
    html! {
        @if !all.is_empty() {
            h3 { "Operations" }
            (scroller("Operations", &html! {
                table {
                    thead { tr {
                        th scope="col" { "Operation" }
                        @for name in ["ok", "info", "fail", "ok per second", "p50", "p90", "p95", "p99", "Longest"] {
                            th.n scope="col" { (name) }
                        }
                    } }
                    tbody { @for stats in all.iter().take(ROWS) { (operation(stats, drive_ms)) } }
                }
            }))
            (more(all.len(), "operation"))
            p.note { "Latencies count from the moment at which the request was meant to leave." }
        }
    }
}

fn operation(stats: &OperationStats, drive_ms: u64) -> Markup {
    html! {
        tr {
            th scope="row" { (clip(&stats.operation, 60)) }
            @for number in [stats.ok, stats.info, stats.fail] { td.n { (words::count(number)) } }
            td.n {
                @if drive_ms == 0 { "–" } @else { (words::per_second(stats.ok as f64 * 1_000.0 / drive_ms as f64)) }
            }
            @for us in [stats.p50_us, stats.p90_us, stats.p95_us, stats.p99_us, stats.max_us] {
                td.n { (words::micros(us)) }
            }
        }
    }
}

fn races(all: &[RaceStats]) -> Markup {
    let mut worst: Vec<&RaceStats> = all.iter().collect();
    worst.sort_by_key(|race| (race.overlapped >= 2, race.overlapped.min(race.took_part)));
    html! {
        @if !all.is_empty() {
            h3 { "Requests released together" }
            p { (race_summary(all)) }
            (scroller("Races", &html! {
                table {
                    thead { tr {
                        th scope="col" { "Race" } th scope="col" { "Overlap" } th.n scope="col" { "Took part" }
                        th.n scope="col" { "In flight at once" } th.n scope="col" { "First to last release" } th.n scope="col" { "Ended ok" }
                    } }
                    tbody { @for race in worst.iter().take(ROWS / 2) { (race_row(race)) } }
                }
            }))
            @if all.len() > ROWS / 2 {
                p.more { "Least overlap first; " (words::counted((all.len() - ROWS / 2) as u64, "more race")) " in verdict.json" }
            }
        }
    }
}

fn race_row(race: &RaceStats) -> Markup {
    let met = race.overlapped >= 2;
    html! {
        tr {
            th scope="row" { (clip(&race.name, 120)) }
            td {
                @if met { span.valid { "✓ overlapped" } } @else { span.unknown { "? never met" } }
            }
            td.n { (words::count(race.took_part)) " of " (words::count(race.planned)) }
            td.n { (words::count(race.overlapped)) }
            td.n { (words::micros(race.spread_us)) }
            td.n { (words::count(race.won)) }
        }
    }
}

fn race_summary(all: &[RaceStats]) -> String {
    let mut spreads: Vec<u64> = all.iter().map(|race| race.spread_us).collect();
    spreads.sort_unstable();
    let median = spreads[spreads.len() / 2];
    let longest = spreads[spreads.len() - 1];
    let met = all.iter().filter(|race| race.overlapped >= 2).count() as u64;
    let most = all.iter().map(|race| race.overlapped).max().unwrap_or(0);
    let mut ways: Vec<String> = all.iter().map(|race| race.release.to_string()).collect();
    ways.dedup();
    format!(
        "Requests overlapped in {} of {}, up to {} at one moment. From the first release to the last took {} \
         in the median race and {} in the slowest ({}).",
        words::count(met),
        words::counted(all.len() as u64, "race"),
        words::count(most),
        words::micros(median),
        words::micros(longest),
        ways.join(", ")
    )
}

/// Every distance: the search tries few, and the edges of the window are what one looks for.
fn offsets(all: &[OffsetStats]) -> Markup {
    html! {
        @if !all.is_empty() {
            h3 { "Two requests of which only one may win" }
            p { "Released so far apart. The interval holds the true share with a confidence of 95 % (Wilson)." }
            (scroller("Pairs by their distance", &html! {
                table {
                    thead { tr {
                        th.n scope="col" { "Apart" } th.n scope="col" { "Pairs" } th.n scope="col" { "Both won" }
                        th.n scope="col" { "Share" } th.n scope="col" { "At least" } th.n scope="col" { "At most" }
                    } }
                    tbody { @for one in all { (offset_row(one)) } }
                }
            }))
        }
    }
}

fn offset_row(one: &OffsetStats) -> Markup {
    html! {
        tr {
            th.n scope="row" { (words::micros(one.apart_us)) }
            td.n { (words::count(one.pairs)) }
            td.n { @if one.both_won > 0 { span.invalid { "✗ " (words::count(one.both_won)) } } @else { "0" } }
            td.n { (percent(one.both_won * 1_000 / one.pairs.max(1))) }
            td.n { (percent(one.low_permille)) }
            td.n { (percent(one.high_permille)) }
        }
    }
}

fn percent(permille: u64) -> String {
    format!("{}.{} %", permille / 10, permille % 10)
}

fn faults(all: &[FaultStats]) -> Markup {
    html! {
        @if !all.is_empty() {
            h3 { "Faults" }
            (scroller("Faults", &html! {
                table {
                    thead { tr {
                        th scope="col" { "Fault" } th scope="col" { "Observed" } th.n scope="col" { "Took effect" }
                        th.n scope="col" { "From" } th.n scope="col" { "Healed" }
                        th scope="col" { "Healthy before" } th.n scope="col" { "Healthy again after" }
                    } }
                    tbody { @for fault in all.iter().take(ROWS) { (fault_row(fault)) } }
                }
            }))
            (more(all.len(), "fault"))
        }
    }
}

fn fault_row(fault: &FaultStats) -> Markup {
    html! {
        tr {
            th scope="row" { (clip(&fault.fault, 80)) }
            td {
                @match (fault.from_ms, fault.effects) {
                    (None, _) => { span.unknown { "? never injected" } }
                    (Some(_), 0) => { span.unknown { "? injected, no effect seen" } }
                    (Some(_), _) => { span.valid { "✓ injected and observed" } }
                }
            }
            td.n { (words::count(fault.effects)) }
            td.n { @match fault.from_ms { Some(ms) => { (words::millis(ms)) } None => { "–" } } }
            td.n { @match fault.to_ms { Some(ms) => { (words::millis(ms)) } None => { "–" } } }
            td { @match fault.ready_before { Some(true) => { "yes" } Some(false) => { "no" } None => { "–" } } }
            td.n { @match fault.recovered_ms { Some(ms) => { (words::millis(ms)) } None => { "–" } } }
        }
    }
}

fn errors(all: &[ErrorGroup]) -> Markup {
    let mut sorted: Vec<&ErrorGroup> = all.iter().collect();
    sorted.sort_by_key(|group| std::cmp::Reverse(group.count));
    html! {
        @if !all.is_empty() {
            h3 { "Answers that were not ok" }
            (scroller("Answers that were not ok", &html! {
                table {
                    thead { tr {
                        th scope="col" { "Operation" } th scope="col" { "Ended" } th.n scope="col" { "Status" }
                        th scope="col" { "Code or what happened on the wire" } th.n scope="col" { "How many" }
                    } }
                    tbody {
                        @for group in sorted.iter().take(ROWS) {
                            tr {
                                th scope="row" { (clip(&group.operation, 60)) }
                                td { span class=(format!("chip {}", super::timeline::class(&group.outcome))) { (clip(&group.outcome, 20)) } }
                                td.n { @match group.status { Some(status) => { (status) } None => { "no answer" } } }
                                td { code { (clip(&group.code, 200)) } }
                                td.n { (words::count(group.count)) }
                            }
                        }
                    }
                }
            }))
            (more(all.len(), "group"))
        } @else {
            h3 { "Answers that were not ok" }
            p { "None." }
        }
    }
}

fn more(all: usize, noun: &str) -> Markup {
    html! {
        @if all > ROWS { p.more { (words::counted((all - ROWS) as u64, &format!("more {noun}"))) " in verdict.json" } }
    }
}
