//! What went wrong, told as stories: a sentence in money, the operations as picture and table, the rows.

use maud::{Markup, html};
use overdraft_model::verdict::{CheckVerdict, Finding, ScenarioVerdict, StoryLine};

use super::{scroller, timeline};
use crate::{
    budget::Budget,
    explain,
    status::findings_of,
    words::{self, clip},
};

/// Findings told in full, per check.
const TOLD: usize = 3;
/// Findings named in one sentence after those.
const NAMED: usize = 20;
/// Operations and rows shown per finding.
const LINES: usize = 24;

/// Bytes of the heading and the count around the findings of one check.
const AROUND: usize = 2048;

/// Every violation of a scenario, as far as it fits.
pub fn section(number: usize, scenario: &ScenarioVerdict, budget: &mut Budget) -> Markup {
    let total = findings_of(scenario);
    let mut left = 0;
    let mut parts = Vec::new();
    for (position, check) in scenario.checks.iter().enumerate().filter(|(_, check)| !check.findings.is_empty()) {
        if budget.take(AROUND) {
            parts.push(of_check(&format!("s{number}c{position}"), check, budget));
        } else {
            left += check.findings.len();
        }
    }
    html! {
        @if total > 0 {
            h3 { "What went wrong" span.count { (words::counted(total as u64, "finding")) } }
            @for part in &parts { (part) }
            (more(left))
        }
    }
}

fn more(left: usize) -> Markup {
    html! { @if left > 0 { p.more { (words::counted(left as u64, "more finding")) " in verdict.json" } } }
}

fn of_check(id: &str, check: &CheckVerdict, budget: &mut Budget) -> Markup {
    let mut told = Vec::new();
    for (position, finding) in check.findings.iter().take(TOLD).enumerate() {
        let story = story(&format!("{id}f{position}"), finding, position == 0);
        if !budget.take(story.0.len()) {
            break;
        }
        told.push(story);
    }
    let named: Vec<Markup> = check
        .findings
        .iter()
        .skip(told.len())
        .take(NAMED)
        .map(|finding| html! { li { (clip(&finding.summary, 300)) } })
        .take_while(|line| budget.take(line.0.len()))
        .collect();
    html! {
        h4 { (clip(&explain::question(&check.id), 120)) " " code { (clip(&check.id, 80)) } }
        @for story in &told { (story) }
        (advice(&check.id))
        @if !named.is_empty() { ul.named { @for line in &named { (line) } } }
        (more(check.findings.len() - told.len() - named.len()))
    }
}

/// What to do about it, and to whom it happened before.
fn advice(id: &str) -> Markup {
    html! {
        @if let Some(info) = explain::find(id) {
            dl.advice {
                div { dt { "Where to begin" } dd { (clip(info.remedy, 600)) } }
                div { dt { "It happened before" } dd { (clip(info.incident, 600)) } }
            }
        }
    }
}

fn story(id: &str, finding: &Finding, open: bool) -> Markup {
    let lines = &finding.story[..finding.story.len().min(LINES)];
    let hidden = finding.story.len() - lines.len() + finding.rows.len().saturating_sub(LINES);
    html! {
        details.finding open[open] {
            summary {
                span.sign aria-hidden="true" { "✗" } " " (clip(&finding.summary, 600))
                @if let Some(stake) = &finding.stake {
                    " " span.stake { (words::signed(stake.amount)) " " (clip(&stake.what, 80)) }
                }
            }
            @if !lines.is_empty() {
                (scroller("Timeline of the operations", &timeline::svg(id, lines)))
                (scroller("The same operations as a table", &operations(lines)))
            }
            @if !finding.rows.is_empty() {
                p.label { "Rows that show it" }
                pre tabindex="0" {
                    @for row in finding.rows.iter().take(LINES) { (clip(row, 400)) "\n" }
                }
            }
            @if hidden > 0 { p.more { (words::counted(hidden as u64, "more line")) " in verdict.json" } }
        }
    }
}

fn operations(lines: &[StoryLine]) -> Markup {
    let zero = timeline::zero(lines);
    html! {
        table.story {
            thead { tr {
                th.n scope="col" { "Asked at" } th.n scope="col" { "Took" } th scope="col" { "Process" }
                th scope="col" { "Operation" } th scope="col" { "Ended" } th scope="col" { "Answer" }
            } }
            tbody {
                @for line in lines {
                    tr {
                        td.n { "+" (words::micros(line.start_us.saturating_sub(zero))) }
                        td.n {
                            @match line.end_us {
                                Some(end) => { (words::micros(end.saturating_sub(line.start_us))) }
                                None => { "no answer" }
                            }
                        }
                        td { (line.process) }
                        th scope="row" { (clip(&line.asked, 300)) " " code { "#" (line.op) } }
                        td { (outcome(&line.outcome)) }
                        td { (clip(&line.answered, 300)) }
                    }
                }
            }
        }
    }
}

fn outcome(outcome: &str) -> Markup {
    html! {
        span class=(format!("chip {}", timeline::class(outcome))) { (clip(outcome, 20)) }
    }
}
