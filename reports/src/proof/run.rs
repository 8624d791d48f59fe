//! One run of the proof, as a line of its results file: what its verdict says, and nothing else.

use overdraft_model::verdict::{CheckVerdict, Finding, ScenarioVerdict, Validity, Verdict};
use serde::{Deserialize, Serialize};

/// What was run: the key under which a result is found again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Subject {
    /// Which build of the program, harness and service in one.
    pub version: String,
    /// The planted defect; none for the correct service.
    pub defect: Option<String>,
    /// The scenario.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
}

/// A run and its outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProofRun {
    /// What was run.
    #[serde(flatten)]
    pub subject: Subject,
    /// The verdict, or unknown if there is none.
    pub validity: Validity,
    /// Checks that found a violation, in catalogue order.
    pub invalid: Vec<String>,
    /// Checks that could not tell, in catalogue order.
    pub unknown: Vec<String>,
    /// When each of `invalid` had what it found, in the same order.
    pub detected: Vec<Detection>,
    /// Operations of the whole run.
    pub operations: u64,
    /// Seconds that the run took, with all that came before and after.
    pub took_s: f64,
    /// Why there is no verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// When a check had its first violation in the history.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// Operations asked until then.
    pub operations: u64,
    /// Seconds from the scenario's beginning.
    pub seconds: f64,
}

impl ProofRun {
    /// Takes from a verdict what the proof needs of it.
    #[must_use]
    pub fn of(subject: Subject, verdict: &Verdict, took_s: f64) -> Self {
        let judged = |validity: Validity| {
            let checks = verdict.scenarios.iter().flat_map(|one| one.checks.iter().map(move |check| (one, check)));
            checks.filter(move |(_, check)| check.skipped.is_none() && check.validity == validity)
        };
        Self {
            subject,
            validity: verdict.validity,
            invalid: judged(Validity::Invalid).map(|(_, check)| check.id.clone()).collect(),
            unknown: judged(Validity::Unknown).map(|(_, check)| check.id.clone()).collect(),
            detected: judged(Validity::Invalid).map(|(scenario, check)| detection(scenario, check)).collect(),
            operations: verdict.scenarios.iter().map(|scenario| scenario.measured.operations).sum(),
            took_s,
            problem: None,
        }
    }

    /// Checks whose finding catches a defect that `stated` must find: those of state, and the stated one.
    pub fn catches<'a>(&'a self, stated: &'a str) -> impl Iterator<Item = &'a String> {
        self.invalid.iter().filter(move |check| catches(check, stated))
    }

    /// A run that came to no verdict.
    #[must_use]
    pub fn failed(subject: Subject, problem: String, took_s: f64) -> Self {
        Self {
            subject,
            validity: Validity::Unknown,
            invalid: vec![],
            unknown: vec![],
            detected: vec![],
            operations: 0,
            took_s,
            problem: Some(problem),
        }
    }
}

/// Whether a check speaks of the service's state rather than of its speed, or is the stated one.
pub(super) fn catches(check: &str, stated: &str) -> bool {
    check == stated || !(check.starts_with("latency") || check.starts_with("errors"))
}

/// When the earliest finding of a check was complete. A finding without operations, as of rows alone, was complete
/// when the run was.
fn detection(scenario: &ScenarioVerdict, check: &CheckVerdict) -> Detection {
    let measured = &scenario.measured;
    let whole = Detection {
        operations: measured.operations,
        seconds: (measured.drive_ms + measured.settle_ms) as f64 / 1_000.0,
    };
    let complete = |finding: &Finding| {
        let last = finding.story.iter().max_by_key(|line| line.end_us.unwrap_or(line.start_us))?;
        let operations = finding.story.iter().map(|line| line.op + 1).max()?;
        let seconds = last.end_us.unwrap_or(last.start_us) as f64 / 1_000_000.0;
        Some(Detection { operations: operations.min(measured.operations), seconds })
    };
    let earliest = check.findings.iter().filter_map(complete).min_by(|a, b| a.seconds.total_cmp(&b.seconds));
    earliest.unwrap_or(whole)
}
