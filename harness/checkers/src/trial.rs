//! From what a check saw to its verdict. Every check ends here, so that none can be green by accident.

use std::collections::BTreeSet;

use overdraft_model::{
    scenario::Scenario,
    verdict::{CheckVerdict, Finding, Validity},
};

use crate::{
    catalogue,
    money::{Loss, Money},
    words::{counted, listed},
};

/// Findings kept per check; the total is said in `observed`.
const FINDINGS: usize = 20;
/// Findings told at all, of which the worst are kept; beyond them, violations are only counted.
const STORIES: usize = 500;

/// What a check has seen so far.
pub(crate) struct Trial {
    id: String,
    seen: u64,
    facts: Vec<String>,
    missing: BTreeSet<&'static str>,
    doubts: BTreeSet<String>,
    violations: usize,
    findings: Vec<Finding>,
    money: Money,
}

/// A check's verdict and the money that it counted.
pub(crate) struct Tried {
    pub(crate) verdict: CheckVerdict,
    pub(crate) money: Money,
}

impl Trial {
    /// Nothing seen yet.
    pub(crate) fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            seen: 0,
            facts: Vec::new(),
            missing: BTreeSet::new(),
            doubts: BTreeSet::new(),
            violations: 0,
            findings: Vec::new(),
            money: Money::default(),
        }
    }

    /// So many pieces of evidence were weighed.
    pub(crate) fn saw(&mut self, pieces: usize) {
        self.seen += pieces as u64;
    }

    /// Something for the line that says what was observed.
    pub(crate) fn fact(&mut self, fact: impl Into<String>) {
        self.facts.push(fact.into());
    }

    /// The rows of a table that the check cannot do without; none and a note if it is not mapped.
    pub(crate) fn need<'a, T>(&mut self, table: &'static str, rows: Option<&'a Vec<T>>) -> &'a [T] {
        match rows {
            Some(rows) => rows,
            None => {
                self.lacks(table);
                &[]
            }
        }
    }

    /// A table that the target file does not map and without which something cannot be judged.
    pub(crate) fn lacks(&mut self, table: &'static str) {
        self.missing.insert(table);
    }

    /// Whether every table that was needed so far is there.
    pub(crate) fn complete(&self) -> bool {
        self.missing.is_empty()
    }

    /// A reason why `valid` cannot be said, that is no violation.
    pub(crate) fn doubt(&mut self, doubt: impl Into<String>) {
        self.doubts.insert(doubt.into());
    }

    /// A violation.
    pub(crate) fn found(&mut self, finding: impl FnOnce() -> Finding) {
        self.violations += 1;
        if self.findings.len() < STORIES {
            self.findings.push(finding());
        }
    }

    /// Two things that were read one after the other and do not agree: a violation if the target was quiet
    /// meanwhile, else only a doubt.
    pub(crate) fn disagree(&mut self, quiet: bool, finding: impl FnOnce() -> Finding) {
        if quiet {
            self.found(finding);
        } else {
            self.doubt("the target was still busy when it was read, so what did not agree is not judged");
        }
    }

    /// An examined amount; zero is good news and is said too.
    pub(crate) fn stake(&mut self, loss: Loss, amount: i128) {
        self.money.add(loss, amount);
    }

    /// The verdict; none if there was nothing of its kind in a scenario that does not claim to prove it.
    pub(crate) fn close(self, scenario: &Scenario) -> Option<Tried> {
        let proven = scenario.proves.contains(&self.id) || scenario.thresholds.contains_key(&self.id);
        let complete = self.missing.is_empty() && self.doubts.is_empty();
        let validity = match () {
            () if !self.findings.is_empty() => Validity::Invalid,
            () if !complete => Validity::Unknown,
            () if self.seen > 0 => Validity::Valid,
            () if proven => Validity::Unknown,
            () => return None,
        };
        let money = match validity {
            Validity::Valid => self.money.clone(),
            Validity::Invalid if complete => self.money.clone(),
            Validity::Invalid => self.money.clone().only_losses(),
            Validity::Unknown => Money::default(),
        };
        Some(Tried { verdict: self.verdict(validity), money })
    }

    /// The verdict of `run.exercised`: its reasons are findings, and it never accuses.
    pub(crate) fn close_as_doubt(self) -> Tried {
        let clean = self.findings.is_empty() && self.doubts.is_empty();
        let validity = if clean { Validity::Valid } else { Validity::Unknown };
        Tried { verdict: self.verdict(validity), money: Money::default() }
    }

    fn verdict(mut self, validity: Validity) -> CheckVerdict {
        self.findings.sort_by(|a, b| {
            let amount = |finding: &Finding| finding.stake.as_ref().map_or(0, |stake| stake.amount);
            amount(b).cmp(&amount(a)).then_with(|| a.summary.cmp(&b.summary))
        });
        let observed = self.observed(validity);
        self.findings.truncate(FINDINGS);
        CheckVerdict {
            expected: catalogue::promise(&self.id).to_owned(),
            id: self.id,
            validity,
            skipped: None,
            observed,
            evidence: self.seen,
            findings: self.findings,
        }
    }

    fn observed(&self, validity: Validity) -> String {
        let mut parts = Vec::new();
        let total = self.violations;
        if total > 0 {
            let noun = if validity == Validity::Invalid { "violation" } else { "reason" };
            let shown = if total > FINDINGS { format!(" ({FINDINGS} shown)") } else { String::new() };
            parts.push(format!("{}{shown}", counted(total, noun)));
        }
        if !self.missing.is_empty() {
            parts.push(format!("not mapped by the target file: {}", listed(&self.missing, usize::MAX)));
        }
        parts.extend(self.doubts.iter().take(3).cloned());
        if self.seen == 0 && total == 0 {
            parts.push("nothing of its kind was seen".to_owned());
        }
        parts.extend(self.facts.iter().cloned());
        parts.join("; ")
    }
}

/// A check that the target does not promise.
pub(crate) fn skipped(id: &str, reason: &str) -> CheckVerdict {
    CheckVerdict { skipped: Some(reason.to_owned()), ..unknown(id, format!("skipped: {reason}")) }
}

/// A check about which nothing is known.
pub(crate) fn unknown(id: &str, why: impl Into<String>) -> CheckVerdict {
    CheckVerdict {
        id: id.to_owned(),
        validity: Validity::Unknown,
        skipped: None,
        expected: catalogue::promise(id).to_owned(),
        observed: why.into(),
        evidence: 0,
        findings: Vec::new(),
    }
}
