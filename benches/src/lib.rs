//! Runs on paper for the benches: what a correct marketplace's run of any size leaves behind.
//!
//! Pure and seeded: the same seed and size give the same run. It knows the model and nothing else; in
//! particular it never asks the checkers what they would like to see.
//!
//! | module | holds |
//! |---|---|
//! | [`market`] | the drive: who asks what, when, and what they are told |
//! | [`books`] | what is true meanwhile: rows, balances, the provider's ledger, the mailbox |
//! | [`plan`] | world, scenario and manifest |

pub mod books;
pub mod market;
pub mod plan;

use overdraft_model::{
    evidence::RunEvidence,
    history::{Body, History},
    manifest::Manifest,
};

/// Users of a run: as many as the scenarios have. A larger run has more rounds, not more users.
pub const USERS: usize = 120;
/// The fewest operations that a run can have.
pub const FEWEST: usize = 1_000;

/// A run, ready to be judged.
#[derive(Debug, Clone)]
pub struct Run {
    /// What was planned.
    pub manifest: Manifest,
    /// What was done, one per scenario.
    pub histories: Vec<History>,
    /// What is there in the end.
    pub evidence: RunEvidence,
}

impl Run {
    /// A run in which everything held: so many scenarios of so many operations each, at least [`FEWEST`].
    #[must_use]
    pub fn correct(seed: u64, scenarios: usize, operations: usize) -> Self {
        let mut run = Self {
            manifest: plan::manifest(seed),
            histories: Vec::with_capacity(scenarios),
            evidence: RunEvidence::default(),
        };
        for number in 0..scenarios as u64 {
            let (planned, history, evidence) = market::drive(seed + number, number, operations.max(FEWEST));
            run.manifest.scenarios.push(planned);
            run.histories.push(history);
            run.evidence.scenarios.push(evidence);
        }
        run
    }

    /// The same run after the target broke nearly every promise, many times over.
    #[must_use]
    pub fn spoiled(mut self) -> Self {
        for evidence in &mut self.evidence.scenarios {
            books::spoil(evidence);
        }
        self
    }

    /// What a recorder would be told, in order of asking: each question with its answer.
    #[must_use]
    pub fn conversation(&self) -> Vec<(Body, Body)> {
        let calls = self.histories.iter().flat_map(|history| &history.calls);
        calls
            .map(|call| {
                let (op, process, intended) = (call.op, call.process, call.intended);
                let asked = Body::Invoke { op, process, intended, operation: call.operation.clone() };
                (asked, Body::Return { op, outcome: call.outcome, answer: call.answer.clone() })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use overdraft_checkers::judge;
    use overdraft_model::verdict::Validity;

    use super::*;

    #[test]
    fn a_correct_run_is_judged_valid_by_every_check_and_is_the_same_again() {
        let run = Run::correct(7, 2, 5_000);
        let verdict = judge(&run.manifest, &run.histories, &run.evidence);
        assert_eq!(verdict.validity, Validity::Valid, "{}", verdict.cause);
        let checks = &verdict.scenarios[0].checks;
        assert!(checks.iter().all(|check| check.evidence > 0), "{checks:#?}");
        assert_eq!(checks.len(), 10 + 2 + 1, "the state checks, two thresholds and run.exercised");
        assert_eq!(run.histories[0].calls.len(), 5_000);

        let again = Run::correct(7, 2, 5_000);
        assert_eq!((&again.histories, &again.evidence), (&run.histories, &run.evidence));
        assert_ne!(Run::correct(8, 2, 5_000).evidence, run.evidence);
    }

    #[test]
    fn calls_are_in_order_and_a_process_has_one_in_flight() {
        let run = Run::correct(3, 1, 20_000);
        let calls = &run.histories[0].calls;
        assert!(calls.is_sorted_by_key(|call| call.start));
        assert!(calls.iter().all(|call| call.intended <= call.start && call.end.is_none_or(|end| end > call.start)));
        let mut until = std::collections::HashMap::new();
        for call in calls {
            let free: Option<u64> = until.insert(call.process, call.end.unwrap_or(u64::MAX));
            assert!(free.is_none_or(|free| free <= call.start), "{call:?}");
        }
    }

    #[test]
    fn a_spoiled_run_gives_many_findings() {
        let run = Run::correct(7, 1, 10_000).spoiled();
        let verdict = judge(&run.manifest, &run.histories, &run.evidence);
        assert_eq!(verdict.validity, Validity::Invalid);
        let broken = verdict.scenarios[0].checks.iter().filter(|check| check.findings.len() == 20).count();
        assert!(broken >= 5, "{:#?}", verdict.scenarios[0].checks);
    }
}
