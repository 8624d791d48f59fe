//! One scenario: figures, checks, what went wrong, what changed, what was measured.

use maud::{Markup, html};
use overdraft_model::verdict::{ScenarioVerdict, Verdict};

use super::{change, checks, findings, head, pill, tables};
use crate::{
    baseline,
    budget::Budget,
    status::Status,
    words::{self, clip},
};

/// The section of one scenario, within its share of the page.
pub fn section(
    number: usize,
    scenario: &ScenarioVerdict,
    verdict: &Verdict,
    baseline: Option<&Verdict>,
    mut budget: Budget,
) -> Markup {
    let mut room = budget.part(30);
    let table = checks::section(scenario, &mut room);
    budget.give_back(room);
    let mut room = budget.part(75);
    let stories = findings::section(number, scenario, &mut room);
    budget.give_back(room);
    let before = baseline.and_then(|baseline| baseline::counterpart(baseline, scenario));
    html! {
        section.scenario aria-labelledby=(format!("s{number}")) {
            header {
                p.kicker { "Scenario " code { (clip(&scenario.scenario, 80)) } }
                h2 id=(format!("s{number}")) { (clip(&scenario.title, 160)) " " (pill(Status::of_scenario(scenario))) }
            }
            (figures(scenario))
            @if verdict.scenarios.len() > 1 && !scenario.money.is_empty() {
                (head::line(&scenario.money, scenario.validity))
            }
            (table)
            (stories)
            @if let Some(before) = before { (change::section(before, scenario, &mut budget)) }
            (tables::section(number, &scenario.measured, &mut budget))
        }
    }
}

fn figures(scenario: &ScenarioVerdict) -> Markup {
    let measured = &scenario.measured;
    let deliveries = &measured.deliveries;
    html! {
        dl.figures {
            div { dt { "Operations" } dd { (words::count(measured.operations)) } }
            div { dt { "Driven for" } dd { (words::millis(measured.drive_ms)) } }
            div { dt { "Quiet after" } dd { (words::millis(measured.settle_ms)) } }
            div { dt { "Most in flight" } dd { (words::count(measured.in_flight)) } }
            @if let Some(memory) = measured.memory {
                div { dt { "Peak memory" } dd {
                    (words::kib(memory.service_kib)) " " span { "of an instance, " (words::kib(memory.harness_kib)) " of the harness" }
                } }
            }
            @if deliveries.events + deliveries.forged > 0 {
                div { dt { "Webhooks delivered" } dd {
                    (words::count(deliveries.authentic)) " "
                    span { "for " (words::counted(deliveries.events, "event")) ", " (words::count(deliveries.repeated)) " repeated, "
                        (words::count(deliveries.forged)) " forged" }
                } }
            }
        }
    }
}
