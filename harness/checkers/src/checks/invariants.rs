//! `invariant.<name>`: the target file's own queries return no row.
//!
//! Each was run in a snapshot of its own, once the target was quiet. One that could not be run says nothing.

use overdraft_model::{evidence::Violations, promises::Invariant};

use crate::{case::Case, story::Tale, trial::Trial, words::counted};

/// The family's first word.
pub(crate) const FAMILY: &str = "invariant";

/// The check's id.
pub(crate) fn id(invariant: &Invariant) -> String {
    format!("{FAMILY}.{}", invariant.name)
}

/// Judges one invariant of one scenario.
pub(crate) fn check(case: &Case<'_>, invariant: &Invariant) -> Trial {
    let mut trial = Trial::new(id(invariant));
    match case.evidence.invariants.get(&invariant.name) {
        None => trial.doubt("its query was not run"),
        Some(Violations::Failed(problem)) => trial.doubt(format!("its query failed: {problem}")),
        Some(Violations::Found { total, rows }) => {
            // Of a target of which nothing was asked it says nothing.
            trial.saw(usize::from(!case.history.calls.is_empty()));
            if *total == 0 {
                trial.fact("its query returned no row");
            } else {
                let why = invariant.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
                let summary = format!("{}{why}: {} it", invariant.name, said(*total));
                let changes = case.history.calls.iter().rev().filter(|call| !call.operation.is_read());
                trial.disagree(case.quiet(), || {
                    let rows = rows.iter().map(ToString::to_string);
                    Tale::new(case.history, summary).rows(rows).calls(changes.take(3)).end()
                });
            }
        }
    }
    trial
}

fn said(total: u64) -> String {
    match total {
        1 => "1 row violates".to_owned(),
        _ => format!("{} violate", counted(total, "row")),
    }
}
