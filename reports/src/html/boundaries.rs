//! Operations that were struck at their protocol boundaries: how many of how many, and what each ended in.

use maud::{Markup, html};
use overdraft_model::verdict::{BlowStats, BoundaryStats};

use super::scroller;
use crate::words::{self, clip};

/// One table over all operations, a group of rows each.
pub fn section(all: &[BoundaryStats]) -> Markup {
    html! {
        @if !all.is_empty() {
            h3 { "Protocol boundaries" }
            p { (summary(all)) }
            (scroller("Protocol boundaries", &html! {
                table {
                    thead { tr {
                        th scope="col" { "Operation" } th scope="col" { "Boundary" } th scope="col" { "Blow" }
                        th scope="col" { "Struck" } th.n scope="col" { "Passes" }
                        @for ended in ["Acknowledged", "Refused", "Unknown, found done", "Unknown, found not done"] {
                            th.n scope="col" { (ended) }
                        }
                    } }
                    @for stats in all { (operation(stats)) }
                }
            }))
            p.note {
                "Where a client was not clearly answered there are two passes: one in which it asks again with the same \
                 key, one in which it goes away. What nobody was told is looked up in the evidence."
            }
        }
    }
}

/// `purchase 3 of 3, email skipped`: one line for all.
pub fn summary(all: &[BoundaryStats]) -> String {
    let one = |stats: &BoundaryStats| match &stats.skipped {
        Some(_) => format!("{} skipped", stats.operation),
        None => format!("{} {} of {}", stats.operation, words::count(stats.covered), words::count(stats.boundaries)),
    };
    format!("Boundaries covered: {}.", all.iter().map(one).collect::<Vec<_>>().join(", "))
}

fn operation(stats: &BoundaryStats) -> Markup {
    html! {
        tbody {
            @match &stats.skipped {
                Some(why) => tr { th scope="row" { (clip(&stats.operation, 40)) } td colspan="8" { "skipped: " (clip(why, 200)) } },
                None => {
                    @for (number, blow) in stats.blows.iter().enumerate() {
                        tr {
                            th scope="row" {
                                @if number == 0 {
                                    (clip(&stats.operation, 40)) " " (words::count(stats.covered)) " of " (words::count(stats.boundaries))
                                }
                            }
                            (row(blow))
                        }
                    }
                }
            }
        }
    }
}

fn row(blow: &BlowStats) -> Markup {
    html! {
        td { (clip(&blow.kind, 40)) }
        td { (clip(&blow.blow, 40)) }
        td {
            @if blow.struck == blow.planned {
                span.valid { "✓ " (words::count(blow.struck)) " of " (words::count(blow.planned)) }
            } @else {
                span.unknown { "? " (words::count(blow.struck)) " of " (words::count(blow.planned)) }
            }
        }
        @for number in [blow.passes, blow.acknowledged, blow.refused, blow.found_done, blow.found_not_done] {
            td.n { (words::count(number)) }
        }
    }
}
