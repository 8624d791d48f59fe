//! The first five seconds: the verdict, the money, the line that repeats it, and a list of scenarios.

use maud::{Markup, html};
use overdraft_model::verdict::{ScenarioVerdict, Stake, Validity, Verdict};

use super::{pill, scroller};
use crate::{
    baseline,
    status::{Status, exit_meaning, findings_of, headline, stake_word, tally},
    words::{self, clip},
};

/// The band that answers: did it hold?
pub fn band(verdict: &Verdict) -> Markup {
    let status = Status::from(verdict.validity);
    let provenance = &verdict.provenance;
    html! {
        header class=(format!("band {}", status.word())) {
            div.wrap {
                p.kicker { "Overdraft report · " (clip(&provenance.target, 80)) " · run " (clip(&provenance.run, 80)) }
                h1 { span.disc aria-hidden="true" { (status.symbol()) } (headline(verdict)) }
                p.cause { (clip(&verdict.cause, 600)) }
                dl.facts {
                    div { dt { "Exit code" } dd { b { (verdict.exit_code) } " " span { (exit_meaning(verdict.exit_code)) } } }
                    div { dt { "Checks" } dd { (tally(&verdict.scenarios)) } }
                    div { dt { "Scenarios" } dd { (words::count(verdict.scenarios.len() as u64)) } }
                    @if let Some(sum) = &verdict.reconciliation {
                        div { dt { "Books" } dd { (words::reconciled(sum)) } }
                    }
                    div { dt { "Seed" } dd { (provenance.seed) } }
                    @if let Some(defect) = &provenance.defect {
                        div { dt { "Planted defect" } dd { (clip(defect, 80)) } }
                    }
                }
            }
        }
    }
}

/// The headline in money.
pub fn money(verdict: &Verdict) -> Markup {
    html! {
        @if !verdict.money.is_empty() {
            section aria-labelledby="money" {
                h2 #money { "What is at stake" }
                (cards(&verdict.money, verdict.validity))
            }
        }
    }
}

/// Amounts as cards.
pub fn cards(money: &[Stake], whole: Validity) -> Markup {
    html! {
        ul.cards {
            @for stake in money.iter().take(24) {
                @let status = Status::of_stake(stake, whole);
                li class=(format!("card {}", status.word())) {
                    span.amount { (words::signed(stake.amount)) }
                    span.what { (clip(&stake.what, 120)) }
                    span.state { span.sign aria-hidden="true" { (status.symbol()) } " " (stake_word(status)) }
                }
            }
        }
    }
}

/// Amounts in one line.
pub fn line(money: &[Stake], whole: Validity) -> Markup {
    html! {
        ul.amounts {
            @for stake in money.iter().take(24) {
                @let status = Status::of_stake(stake, whole);
                li {
                    span class=(status.word()) {
                        span.sign aria-hidden="true" { (status.symbol()) } " "
                        b { (words::signed(stake.amount)) } " " (clip(&stake.what, 120))
                    }
                    " " span.quiet { (stake_word(status)) }
                }
            }
        }
    }
}

/// The line that repeats the run.
pub fn replay(verdict: &Verdict) -> Markup {
    html! {
        section.replay aria-labelledby="replay" {
            h2 #replay { "Run it again" }
            pre tabindex="0" { code { (verdict.provenance.replay) } }
            p.note { "Seed " (verdict.provenance.seed) " fixes operations, data, faults and delivery orders; the machine's scheduler stays free." }
        }
    }
}

/// Every scenario with its verdict, and how the run stands against its baseline.
pub fn overview(verdict: &Verdict, baseline: Option<&Verdict>, shown: usize) -> Markup {
    html! {
        @if verdict.scenarios.len() > 1 {
            section aria-labelledby="scenarios" {
                h2 #scenarios { "Scenarios" }
                (scroller("Scenarios", &html! {
                    table {
                        thead { tr {
                            th scope="col" { "Verdict" } th scope="col" { "Scenario" } th scope="col" { "Checks" }
                            th.n scope="col" { "Findings" } th.n scope="col" { "Operations" } th.n scope="col" { "Driven" }
                        } }
                        tbody {
                            @for (number, scenario) in verdict.scenarios.iter().take(shown).enumerate() {
                                (overview_row(number, scenario))
                            }
                        }
                    }
                }))
            }
        }
        @if let Some(baseline) = baseline { (against(verdict, baseline)) }
    }
}

fn overview_row(number: usize, scenario: &ScenarioVerdict) -> Markup {
    html! {
        tr {
            td { (pill(Status::of_scenario(scenario))) }
            th scope="row" {
                code { (clip(&scenario.scenario, 40)) } " "
                a href=(format!("#s{number}")) { (clip(&scenario.title, 120)) }
            }
            td { (tally([scenario])) }
            td.n { (words::count(findings_of(scenario) as u64)) }
            td.n { (words::count(scenario.measured.operations)) }
            td.n { (words::millis(scenario.measured.drive_ms)) }
        }
    }
}

fn against(verdict: &Verdict, baseline: &Verdict) -> Markup {
    let reservations = baseline::reservations(baseline, verdict);
    html! {
        section.against aria-labelledby="baseline" {
            h2 #baseline { "Against the baseline" }
            p {
                "Baseline: run " b { (clip(&baseline.provenance.run, 80)) } " of " (clip(&baseline.provenance.started, 40))
                ", then " (pill(baseline.validity.into())) ", now " (pill(verdict.validity.into())) ". "
                "Each scenario lists what changed."
            }
            @if !reservations.is_empty() {
                p.caution { span.sign aria-hidden="true" { "!" } " Compare with care: the baseline ran with " (reservations.join(", ")) "." }
            }
            p.note { (baseline::RULE) }
        }
    }
}

/// Where the run came from.
pub fn provenance(verdict: &Verdict) -> Markup {
    let p = &verdict.provenance;
    let rows = [
        ("Run", p.run.clone()),
        ("Started", p.started.clone()),
        ("Target", p.target.clone()),
        ("Instances", words::count(p.instances as u64)),
        ("Planted defect", p.defect.clone().unwrap_or_else(|| "none".to_owned())),
        ("Seed", p.seed.to_string()),
        ("Configuration (SHA-256)", p.configuration.clone()),
        ("PostgreSQL", p.postgresql.clone()),
        ("Host", p.host.clone()),
        ("Overdraft", p.overdraft.clone()),
        ("Format of verdict.json", verdict.format.to_string()),
        ("Clock", "monotonic, from the beginning of each scenario".to_owned()),
    ];
    html! {
        section aria-labelledby="provenance" {
            h2 #provenance { "Where this comes from" }
            dl.provenance {
                @for (name, value) in rows { div { dt { (name) } dd { (clip(&value, 300)) } } }
            }
        }
    }
}
