//! The matrix: each planned run in its place, whether it was made or not.

use std::collections::{BTreeMap, BTreeSet};

use overdraft_model::verdict::Validity;
use serde::{Deserialize, Serialize};

use super::{
    run::{ProofRun, Subject, catches},
    statistics::{Interval, median, wilson},
};
use crate::words::counted;

/// What the catalogue says of a defect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// Its name.
    pub defect: String,
    /// What is wrong.
    pub wrong: String,
    /// The check that must find it.
    pub caught_by: String,
    /// The scenario that exposes it.
    pub scenario: String,
}

/// How a defect stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Caught in at least nine of ten planned seeds.
    Caught,
    /// Missed so often that this cannot be reached.
    Missed,
    /// Too few runs ended with an answer to tell.
    Unknown,
}

/// One defect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What the catalogue says.
    #[serde(flatten)]
    pub expected: Expected,
    /// How it stands.
    pub standing: Standing,
    /// Seeds that were planned.
    pub planned: usize,
    /// Seeds that were run.
    pub ran: usize,
    /// Runs in which any check of state found a violation.
    pub caught: usize,
    /// Where the share of caught runs lies, 95 %; none if nothing was run.
    pub interval: Option<Interval>,
    /// Runs in which the stated check did.
    pub by_stated: usize,
    /// Runs in which each check did.
    pub by_check: BTreeMap<String, usize>,
    /// Seeds in which nothing was found.
    pub missed: Vec<u64>,
    /// Seeds that ended without an answer.
    pub unknown: Vec<u64>,
    /// Seeds that were not run.
    pub not_run: Vec<u64>,
    /// Median of the operations asked until the first violation was complete.
    pub operations: Option<u64>,
    /// Median of the seconds until then.
    pub seconds: Option<f64>,
}

/// The correct service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Clean {
    /// Runs that were planned, of one scenario each.
    pub planned: usize,
    /// Runs that were made.
    pub ran: usize,
    /// Scenarios among them.
    pub scenarios: usize,
    /// Operations asked in them.
    pub operations: u64,
    /// Runs in which a check accused it.
    pub false_alarms: Vec<ProofRun>,
    /// Where the share of false alarms among the runs with an answer lies, 95 %; none if there is no such run.
    pub interval: Option<Interval>,
    /// Runs that ended without an answer.
    pub unknown: Vec<ProofRun>,
}

/// What was proven, where and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Which build.
    pub version: String,
    /// Operating system, processors and memory.
    pub host: String,
    /// When the matrix was written, RFC 3339.
    pub written: String,
}

/// The whole proof.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Matrix {
    /// What was proven, where and when.
    #[serde(flatten)]
    pub origin: Origin,
    /// One per defect, in the order of the catalogue.
    pub rows: Vec<Row>,
    /// The correct service.
    pub clean: Clean,
}

impl Matrix {
    /// Rows of a standing.
    #[must_use]
    pub fn standing(&self, standing: Standing) -> usize {
        self.rows.iter().filter(|row| row.standing == standing).count()
    }

    /// Invalid if a defect was missed or the correct service accused; unknown if something is left open.
    #[must_use]
    pub fn validity(&self) -> Validity {
        if self.standing(Standing::Missed) > 0 || !self.clean.false_alarms.is_empty() {
            return Validity::Invalid;
        }
        let open = self.clean.ran < self.clean.planned || !self.clean.unknown.is_empty();
        if open || self.standing(Standing::Unknown) > 0 { Validity::Unknown } else { Validity::Valid }
    }

    /// One sentence that says so.
    #[must_use]
    pub fn headline(&self) -> String {
        let (rows, clean) = (self.rows.len(), &self.clean);
        let caught = self.standing(Standing::Caught);
        let mut text = format!(
            "{caught} of {rows} defects caught in at least 9 of 10 seeds; {} in {}",
            counted(clean.false_alarms.len() as u64, "false alarm"),
            counted(clean.ran as u64, "clean run")
        );
        for (count, what) in [
            (self.standing(Standing::Missed), "missed"),
            (self.standing(Standing::Unknown), "not run often enough to tell"),
        ] {
            if count > 0 {
                text.push_str(&format!("; {count} {what}"));
            }
        }
        if clean.ran < clean.planned {
            text.push_str(&format!("; {} of {} clean runs not made", clean.planned - clean.ran, clean.planned));
        }
        if !clean.unknown.is_empty() {
            text.push_str(&format!("; {} clean runs unknown", clean.unknown.len()));
        }
        text
    }
}

/// Puts the results into the places that were planned for them. Results that nobody planned are left out.
#[must_use]
pub fn matrix(origin: Origin, expected: &[Expected], planned: &[Subject], results: &[ProofRun]) -> Matrix {
    let made: BTreeMap<&Subject, &ProofRun> = results.iter().map(|run| (&run.subject, run)).collect();
    let rows = expected.iter().map(|one| {
        let subjects = planned.iter().filter(|subject| subject.defect.as_deref() == Some(&one.defect));
        row(one.clone(), &subjects.collect::<Vec<_>>(), &made)
    });
    let rows = rows.collect();
    let subjects: Vec<&Subject> = planned.iter().filter(|subject| subject.defect.is_none()).collect();
    let clean = clean(&subjects, &made);
    Matrix { origin, rows, clean }
}

fn row(expected: Expected, planned: &[&Subject], made: &BTreeMap<&Subject, &ProofRun>) -> Row {
    let mut by_check: BTreeMap<String, usize> = BTreeMap::new();
    let (mut missed, mut unknown, mut not_run, mut detected) = (vec![], vec![], vec![], vec![]);
    for subject in planned {
        let Some(run) = made.get(subject) else {
            not_run.push(subject.seed);
            continue;
        };
        let found: Vec<&String> = run.catches(&expected.caught_by).collect();
        for check in &found {
            *by_check.entry((*check).clone()).or_default() += 1;
        }
        // The stated check's own detection, or else the earliest of the others.
        let stated = run.invalid.iter().position(|check| *check == expected.caught_by);
        let of_found = run.invalid.iter().zip(&run.detected).filter(|(check, _)| catches(check, &expected.caught_by));
        let first = of_found.map(|(_, when)| when);
        let first = first.min_by(|a, b| a.seconds.total_cmp(&b.seconds));
        match (stated.and_then(|at| run.detected.get(at)).or(first), run.validity) {
            (Some(when), _) if !found.is_empty() => detected.push(*when),
            (_, Validity::Unknown) => unknown.push(subject.seed),
            _ => missed.push(subject.seed),
        }
    }
    let (planned, ran, caught) = (planned.len(), planned.len() - not_run.len(), detected.len());
    let standing = if planned > 0 && caught * 10 >= planned * 9 {
        Standing::Caught
    } else if missed.len() * 10 > planned {
        Standing::Missed
    } else {
        Standing::Unknown
    };
    Row {
        standing,
        planned,
        ran,
        caught,
        interval: wilson(caught, ran),
        by_stated: by_check.get(&expected.caught_by).copied().unwrap_or(0),
        by_check,
        missed,
        unknown,
        not_run,
        operations: median(detected.iter().map(|when| when.operations)),
        seconds: median(detected.iter().map(|when| when.seconds)),
        expected,
    }
}

fn clean(planned: &[&Subject], made: &BTreeMap<&Subject, &ProofRun>) -> Clean {
    let runs: Vec<&ProofRun> = planned.iter().filter_map(|subject| made.get(*subject).copied()).collect();
    let of = |validity: Validity| runs.iter().filter(move |run| run.validity == validity).map(|run| (*run).clone());
    let false_alarms: Vec<ProofRun> = of(Validity::Invalid).collect();
    let unknown: Vec<ProofRun> = of(Validity::Unknown).collect();
    Clean {
        planned: planned.len(),
        ran: runs.len(),
        scenarios: runs.iter().map(|run| run.subject.scenario.as_str()).collect::<BTreeSet<_>>().len(),
        operations: runs.iter().map(|run| run.operations).sum(),
        // A run without an answer could not have accused anybody.
        interval: wilson(false_alarms.len(), runs.len() - unknown.len()),
        false_alarms,
        unknown,
    }
}
