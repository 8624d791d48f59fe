//! The matrix as Markdown, to be kept in a repository.

use std::fmt::Write;

use super::{Interval, Matrix, ProofRun, Row, Standing};
use crate::{status::Status, words};

/// The matrix as a document.
#[must_use]
pub fn markdown(matrix: &Matrix) -> String {
    let mut text = format!(
        "# The detector, proven\n\n{} {}.\n\nBuild `{}`, {}, {}.\n\n",
        Status::from(matrix.validity()).symbol(),
        matrix.headline(),
        matrix.origin.version,
        matrix.origin.host,
        matrix.origin.written,
    );
    text.push_str(RULES);
    text.push_str(
        "\n## Planted defects\n\n| | defect | scenario | stated check | caught | 95 % | by the stated check | other checks | \
         operations | seconds |\n|---|---|---|---|---:|---|---:|---|---:|---:|\n",
    );
    for row in &matrix.rows {
        let _ = writeln!(
            text,
            "| {} | `{}` | `{}` | `{}` | {} of {}{} | {} | {} | {} | {} | {} |",
            sign(row.standing),
            row.expected.defect,
            row.expected.scenario,
            row.expected.caught_by,
            row.caught,
            row.ran,
            gaps(row),
            interval(row.interval),
            row.by_stated,
            others(row),
            row.operations.map_or("–".into(), words::count),
            row.seconds.map_or("–".into(), |seconds| format!("{seconds:.1}")),
        );
    }
    clean(matrix, &mut text);
    text
}

/// How to read the table.
pub(super) const RULES: &str = "\
A run counts as caught if a check of state found a violation; thresholds of latency and errors do not count. The \
interval is Wilson's. Operations and seconds are medians, until the first violation of the stated check was complete in \
the history. What was not run is never counted as caught.
";

fn clean(matrix: &Matrix, text: &mut String) {
    let clean = &matrix.clean;
    let _ = write!(
        text,
        "\n## The correct service\n\n{} in {} of {} planned runs of {}, {} operations; 95 %: {}.\n",
        words::counted(clean.false_alarms.len() as u64, "false alarm"),
        clean.ran,
        clean.planned,
        words::counted(clean.scenarios as u64, "scenario"),
        words::count(clean.operations),
        interval(clean.interval),
    );
    for (title, runs) in [("False alarms", &clean.false_alarms), ("Without an answer", &clean.unknown)] {
        if !runs.is_empty() {
            let _ = write!(text, "\n{title}:\n\n");
            for run in runs {
                let _ = writeln!(text, "- `{}` with seed {}: {}", run.subject.scenario, run.subject.seed, why(run));
            }
        }
    }
}

pub(super) fn sign(standing: Standing) -> &'static str {
    match standing {
        Standing::Caught => "✓",
        Standing::Missed => "✗",
        Standing::Unknown => "?",
    }
}

/// What keeps a row from being whole.
pub(super) fn gaps(row: &Row) -> String {
    let mut text = String::new();
    for (seeds, what) in [(&row.missed, "missed"), (&row.unknown, "unknown"), (&row.not_run, "not run")] {
        if !seeds.is_empty() {
            let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
            let _ = write!(text, "; {what}: seed {}", seeds.join(", "));
        }
    }
    text
}

pub(super) fn interval(interval: Option<Interval>) -> String {
    interval.map_or("–".into(), |Interval { low, high }| format!("{:.1}–{:.1} %", low * 100.0, high * 100.0))
}

/// The other checks that found something, and how often.
pub(super) fn others(row: &Row) -> String {
    let others = row.by_check.iter().filter(|(check, _)| **check != row.expected.caught_by);
    let others: Vec<String> = others.map(|(check, count)| format!("{check} {count}")).collect();
    if others.is_empty() { "–".into() } else { others.join(", ") }
}

/// What a run said, in a few words.
pub(super) fn why(run: &ProofRun) -> String {
    let checks = if run.invalid.is_empty() { &run.unknown } else { &run.invalid };
    match &run.problem {
        Some(problem) => words::clip(problem, 300).replace(['\n', '`'], " "),
        None => checks.join(", "),
    }
}
