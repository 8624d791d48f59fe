//! The report for a reviewer: one file that opens anywhere, years later.
//!
//! No script, no font, no picture and no link leads out of it. It follows the reader's light or dark
//! preference, prints, and stays below 2 MiB: what does not fit is counted and pointed to.

mod boundaries;
mod change;
mod charts;
mod checks;
mod findings;
mod head;
mod scale;
mod scenario;
mod style;
mod tables;
mod timeline;

use maud::{DOCTYPE, Markup, PreEscaped, html as markup};
use overdraft_model::verdict::Verdict;

use self::style::CSS;
use crate::{budget::Budget, clean, status::Status, words};

/// The whole page stays below this.
const LIMIT: usize = 2 * 1024 * 1024;
/// Room for what is always shown: style, head, provenance, headings.
const RESERVE: usize = 256 * 1024;
/// Scenarios that get a section of their own.
const SCENARIOS: usize = 50;

/// The verdict as one self-contained page, with changes against an earlier verdict if one is given.
#[must_use]
pub fn html(verdict: &Verdict, baseline: Option<&Verdict>) -> String {
    let verdict = clean::verdict(verdict);
    let baseline = baseline.map(clean::verdict);
    let title = format!("{} Overdraft: {}", Status::from(verdict.validity).symbol(), verdict.provenance.target);
    page(&title, &body(&verdict, baseline.as_ref()))
}

/// A self-contained page in the look of the reports.
pub(crate) fn page(title: &str, body: &Markup) -> String {
    let page = markup! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content="overdraft";
                title { (words::clip(title, 120)) }
                style { (PreEscaped(CSS)) }
            }
            body { (body) }
        }
    };
    page.into_string()
}

fn body(verdict: &Verdict, baseline: Option<&Verdict>) -> Markup {
    let shown = verdict.scenarios.len().min(SCENARIOS);
    let share = (LIMIT - RESERVE) / shown.max(1);
    markup! {
        (head::band(verdict))
        main.wrap {
            (head::money(verdict))
            (head::replay(verdict))
            (head::overview(verdict, baseline, shown))
            @for (number, one) in verdict.scenarios.iter().take(shown).enumerate() {
                (scenario::section(number, one, verdict, baseline, Budget::new(share)))
            }
            @if verdict.scenarios.len() > shown {
                p.more { (words::counted((verdict.scenarios.len() - shown) as u64, "more scenario")) " in verdict.json" }
            }
            (head::provenance(verdict))
        }
        footer.wrap {
            p {
                "Written by overdraft " (words::clip(&verdict.provenance.overdraft, 60))
                ". The history, the evidence and verdict.json lie beside this file; "
                code { "overdraft check" } " judges them again."
            }
        }
    }
}

/// A status as symbol and word, coloured besides.
fn pill(status: Status) -> Markup {
    markup! {
        span class=(format!("pill {}", status.word())) {
            span.sign aria-hidden="true" { (status.symbol()) } " " (status.word())
        }
    }
}

/// A wide table that scrolls by itself, also with the keyboard.
pub(crate) fn scroller(label: &str, inner: &Markup) -> Markup {
    markup! { div.scroll role="region" tabindex="0" aria-label=(label) { (inner) } }
}
