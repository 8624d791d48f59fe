//! What is to be made smaller: one violation of a saved run, and all that its record tells of it.

use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};

use overdraft_checkers::answers_needed;
use overdraft_engine::store::Store;
use overdraft_model::{
    flow::EXPECTED,
    operation::Operation,
    scenario::Scenario,
    verdict::{CheckVerdict, ScenarioVerdict, Validity},
};

use crate::{args::ShrinkOptions, exit::Failure, nearest};

/// How long it is searched for the answers on which a violation rests.
const JUDGED: Duration = Duration::from_secs(20);

/// One violation.
pub(super) struct Subject {
    pub(super) run: String,
    pub(super) seed: u64,
    pub(super) target: String,
    pub(super) defect: Option<String>,
    pub(super) scenario: Scenario,
    pub(super) check: String,
    /// What its worst finding says.
    pub(super) summary: String,
    /// The operations of that finding's story, and those on whose answers it rests.
    pub(super) told: Vec<Operation>,
    /// How many operations were asked, and on how many of their answers it rests; none if the check alone cannot say.
    answers: Option<(usize, usize)>,
}

impl Subject {
    pub(super) fn read(folder: &Path, options: &ShrinkOptions) -> Result<Self, Failure> {
        let record = Store::open(folder.to_owned()).load().map_err(|error| Failure::usage(error.to_string()))?;
        let verdict = overdraft_checkers::judge(&record.manifest, &record.histories, &record.evidence);
        let violated = verdict.scenarios.iter().enumerate().flat_map(|(at, scenario)| {
            scenario
                .checks
                .iter()
                .filter(|check| check.validity == Validity::Invalid)
                .map(move |check| (at, scenario, check))
        });
        let asked: Vec<(usize, &ScenarioVerdict, &CheckVerdict)> = violated
            .filter(|(_, scenario, _)| options.scenario.as_ref().is_none_or(|id| *id == scenario.scenario))
            .collect();
        if let Some(unknown) = options.check.as_ref().filter(|id| asked.iter().all(|(.., check)| check.id != **id)) {
            return Err(Failure::usage(not_violated(&options.folder.display().to_string(), unknown, &asked)));
        }
        let asked: Vec<_> =
            asked.into_iter().filter(|(.., check)| options.check.as_ref().is_none_or(|id| *id == check.id)).collect();
        let shrinkable = |(at, _, check): &&(usize, &ScenarioVerdict, &CheckVerdict)| {
            check.id != EXPECTED && !record.manifest.scenarios[*at].scenario.thresholds.contains_key(&check.id)
        };
        let Some((at, of, check)) = asked.iter().find(shrinkable) else {
            return Err(Failure::usage(nothing(&options.folder.display().to_string(), &asked)));
        };
        let planned = &record.manifest.scenarios[*at];
        // `run` takes no two scenarios of one name.
        let history = record.histories.iter().find(|history| history.scenario == of.scenario);
        let evidence = record.evidence.scenarios.iter().find(|evidence| evidence.scenario == of.scenario);
        let until = Instant::now() + JUDGED;
        let needed = history.zip(evidence).and_then(|(history, evidence)| {
            answers_needed(&record.manifest, planned, history, evidence, &check.id, || Instant::now() < until)
        });
        let calls = history.map_or(&[][..], |history| history.calls.as_slice());
        let finding = check.findings.first();
        let mut ops: Vec<u64> = finding.iter().flat_map(|finding| finding.story.iter().map(|line| line.op)).collect();
        ops.extend(needed.iter().flatten());
        let provenance = &record.manifest.provenance;
        Ok(Self {
            run: provenance.run.clone(),
            seed: provenance.seed,
            target: provenance.target.clone(),
            defect: provenance.defect.clone(),
            scenario: planned.scenario.clone(),
            check: check.id.clone(),
            summary: finding.map_or(&check.observed, |finding| &finding.summary).clone(),
            told: calls.iter().filter(|call| ops.contains(&call.op)).map(|call| call.operation.clone()).collect(),
            answers: needed.map(|needed| (calls.len(), needed.len())),
        })
    }

    /// What is known before anything is run.
    pub(super) fn introduction(&self) -> String {
        let answers = match self.answers {
            None => String::new(),
            Some((asked, 0)) => format!("\nthe evidence alone shows it, whatever the {asked} operations were told"),
            Some((asked, 1)) => format!("\nof {asked} operations, one answer is enough to show it"),
            Some((asked, needed)) => format!("\nof {asked} operations, {needed} answers are enough to show it"),
        };
        format!("{} in {}, seed {}: {}{answers}", self.check, self.scenario.id, self.seed, self.summary)
    }
}

/// There is no violation of this check; those that there are may be what was meant.
fn not_violated(folder: &str, check: &str, violated: &[(usize, &ScenarioVerdict, &CheckVerdict)]) -> String {
    let ids: BTreeSet<&str> = violated.iter().map(|(.., check)| check.id.as_str()).collect();
    match ids.is_empty() {
        true => format!("{folder} has no violation of that: nothing to shrink"),
        false => format!("{folder}: {}", nearest::suggest("violation of", check, &Vec::from_iter(ids))),
    }
}

/// Why nothing of what was asked for can be shrunk.
fn nothing(folder: &str, asked: &[(usize, &ScenarioVerdict, &CheckVerdict)]) -> String {
    match asked.first() {
        None => format!("{folder} has no violation of that: nothing to shrink"),
        Some((_, scenario, check)) if check.id == EXPECTED => format!(
            "{} breaks {EXPECTED} alone, and what a case expects belongs to all of its steps: its author made it as \
             small as it is",
            scenario.scenario
        ),
        Some((_, scenario, check)) => format!(
            "{} breaks {} alone, a limit on all operations together: there is nothing to leave out",
            scenario.scenario, check.id
        ),
    }
}
