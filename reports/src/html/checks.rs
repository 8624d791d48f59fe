//! The table of checks: what should hold, what was seen, how much evidence it rests on; and the limits.

use maud::{Markup, html};
use overdraft_model::verdict::{CheckVerdict, ScenarioVerdict};

use super::pill;
use crate::{
    budget::Budget,
    explain,
    status::Status,
    words::{self, clip},
};

/// Checks first, then the limits of the scenario file in words.
pub fn section(scenario: &ScenarioVerdict, budget: &mut Budget) -> Markup {
    let (limits, checks): (Vec<_>, Vec<_>) = scenario.checks.iter().partition(|check| explain::is_threshold(&check.id));
    html! {
        @if !checks.is_empty() {
            h3 { "Checks" }
            (table("Expected", &checks, budget))
        }
        @if !limits.is_empty() {
            h3 { "Limits" }
            (table("Limit", &limits, budget))
        }
        @if scenario.checks.is_empty() { p.caution { "? Nothing was checked." } }
    }
}

fn table(expected: &str, checks: &[&CheckVerdict], budget: &mut Budget) -> Markup {
    let rows: Vec<Markup> =
        checks.iter().map(|check| row(check, expected)).take_while(|row| budget.take(row.0.len())).collect();
    html! {
        table.checks {
            thead { tr {
                th scope="col" { "Verdict" } th scope="col" { "Check" } th scope="col" { (expected) }
                th scope="col" { "Observed" } th.n scope="col" { "Evidence" }
            } }
            tbody { @for row in &rows { (row) } }
        }
        @if rows.len() < checks.len() {
            p.more { (words::counted((checks.len() - rows.len()) as u64, "more check")) " in verdict.json" }
        }
    }
}

fn row(check: &CheckVerdict, expected: &str) -> Markup {
    let status = Status::of(check);
    let limits = explain::limits(check);
    html! {
        tr class=(status.word()) {
            td data-label="Verdict" { (pill(status)) }
            th scope="row" { (clip(&explain::question(&check.id), 120)) br; code { (clip(&check.id, 80)) } }
            td data-label=(expected) {
                @for (at, limit) in limits.iter().enumerate() {
                    @if at > 0 { br; }
                    (limit.words) " " code { (limit.spelling) }
                }
                @if limits.is_empty() { (clip(&check.expected, 400)) }
            }
            td data-label="Observed" {
                @match &check.skipped {
                    Some(reason) => { "Not promised by the target: " (clip(reason, 300)) }
                    None => { (clip(&check.observed, 400)) }
                }
            }
            td.n data-label="Evidence" { (evidence(check, status)) }
        }
    }
}

fn evidence(check: &CheckVerdict, status: Status) -> Markup {
    html! {
        @if status == Status::Skipped { span.quiet { "not tried" } }
        @else if check.evidence == 0 { "0" br; span.quiet { "not exercised" } }
        @else { (words::count(check.evidence)) br; span.quiet { "exercised" } }
    }
}
