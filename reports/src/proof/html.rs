//! The matrix as one page, in the look of the reports.

use maud::{Markup, html as markup};

use super::{
    Matrix, ProofRun, Row, Standing,
    markdown::{RULES, gaps, interval, others, sign, why},
};
use crate::{
    html::{page, scroller},
    status::Status,
    words,
};

/// The matrix as one self-contained page.
#[must_use]
pub fn html(matrix: &Matrix) -> String {
    let (status, origin) = (Status::from(matrix.validity()), &matrix.origin);
    let body = markup! {
        header class=(format!("band {}", status.word())) {
            div.wrap {
                p.kicker { "Overdraft · planted defects against the harness" }
                h1 { span.disc aria-hidden="true" { (status.symbol()) } (title(status)) }
                p.cause { (matrix.headline()) "." }
            }
        }
        main.wrap {
            section aria-labelledby="defects" {
                h2 #defects { "Planted defects" }
                p.note { (RULES) }
                (scroller("Planted defects", &table(&matrix.rows)))
            }
            (clean(matrix))
            section aria-labelledby="provenance" {
                h2 #provenance { "Where this comes from" }
                dl.provenance {
                    @for (name, value) in [("Build", &origin.version), ("Host", &origin.host), ("Written", &origin.written)] {
                        div { dt { (name) } dd { (words::clip(value, 300)) } }
                    }
                }
            }
        }
        footer.wrap { p { "Written by " code { "overdraft prove" } ". One run of it is " code { "overdraft run SCENARIO --defect DEFECT --seed SEED" } "." } }
    };
    page(&format!("{} Overdraft: the detector, proven", status.symbol()), &body)
}

const fn title(status: Status) -> &'static str {
    match status {
        Status::Valid => "Proven",
        Status::Invalid => "Not proven",
        Status::Unknown | Status::Skipped => "Left open",
    }
}

fn table(rows: &[Row]) -> Markup {
    markup! {
        table.checks {
            thead { tr {
                th scope="col" { "Verdict" } th scope="col" { "Defect" } th scope="col" { "Stated check and scenario" }
                th.n scope="col" { "Caught, 95 %" } th.n scope="col" { "By the stated check" } th scope="col" { "Other checks" }
                th.n scope="col" { "Operations, seconds" }
            } }
            tbody { @for row in rows { (line(row)) } }
        }
    }
}

fn line(row: &Row) -> Markup {
    let (class, word) = match row.standing {
        Standing::Caught => ("valid", "caught"),
        Standing::Missed => ("invalid", "missed"),
        Standing::Unknown => ("unknown", "open"),
    };
    markup! {
        tr class=(class) {
            td { span class=(format!("pill {class}")) { span.sign aria-hidden="true" { (sign(row.standing)) } " " (word) } }
            th scope="row" { (row.expected.defect) br; span.wrong { (row.expected.wrong) } }
            td { code { (row.expected.caught_by) } br; code { (row.expected.scenario) } }
            td.n {
                (row.caught) " of " (row.ran) br; span.quiet { (interval(row.interval)) }
                @if !gaps(row).is_empty() { br; span.quiet { (gaps(row).trim_start_matches("; ")) } }
            }
            td.n { (row.by_stated) }
            td { (others(row)) }
            td.n {
                @match row.operations { Some(count) => { (words::count(count)) } None => { "–" } }
                br;
                @match row.seconds { Some(seconds) => { (format!("{seconds:.1}")) } None => { "–" } }
            }
        }
    }
}

fn clean(matrix: &Matrix) -> Markup {
    let clean = &matrix.clean;
    markup! {
        section aria-labelledby="clean" {
            h2 #clean { "The correct service" }
            p {
                b { (words::counted(clean.false_alarms.len() as u64, "false alarm")) } " in " (clean.ran) " of " (clean.planned)
                " planned runs of " (words::counted(clean.scenarios as u64, "scenario")) ", "
                (words::counted(clean.operations, "operation")) "; 95 %: " (interval(clean.interval)) "."
            }
            (runs("False alarms", &clean.false_alarms))
            (runs("Without an answer", &clean.unknown))
        }
    }
}

fn runs(title: &str, runs: &[ProofRun]) -> Markup {
    markup! {
        @if !runs.is_empty() {
            h3 { (title) }
            ul.named { @for run in runs { li { code { (run.subject.scenario) } " with seed " (run.subject.seed) ": " (why(run)) } } }
        }
    }
}
