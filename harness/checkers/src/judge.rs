//! From a whole run to its verdict: each scenario judged, the money summed, the cause named.

use std::collections::BTreeMap;

use overdraft_model::{
    evidence::{Evidence, RunEvidence},
    history::History,
    manifest::{FORMAT, Manifest, Planned},
    scenario::Scenario,
    verdict::{CheckVerdict, ScenarioVerdict, Validity, Verdict},
};

use crate::{
    case::{self, Case},
    catalogue,
    checks::{self, invariants, run_exercised},
    measure,
    money::Money,
    reconcile,
    study::Study,
    trial::{self, Tried},
    words::counted,
};

/// Judges a whole run. Pure: the same input gives the same bytes.
///
/// `histories` and `evidence` may lack scenarios that never ran or were cut off by a crash: those are
/// unknown. A scenario that was planned twice takes its histories in order.
#[must_use]
pub fn judge(manifest: &Manifest, histories: &[History], evidence: &RunEvidence) -> Verdict {
    let mut rounds: BTreeMap<&str, usize> = BTreeMap::new();
    let mut total = Money::default();
    let mut scenarios = Vec::new();
    for planned in &manifest.scenarios {
        let id = planned.scenario.id.as_str();
        let round = rounds.entry(id).or_default();
        let history = histories.iter().filter(|history| history.scenario == id).nth(*round);
        let evidence = evidence.scenarios.iter().filter(|evidence| evidence.scenario == id).nth(*round);
        *round += 1;
        let (verdict, money) = match manifest.skip.get(id) {
            Some(reason) => (left_out(planned, reason), Money::default()),
            None => scenario(manifest, planned, history, evidence),
        };
        total.sum(&money);
        scenarios.push(verdict);
    }
    let tried = scenarios.iter().filter(|scenario| scenario.left_out().is_none());
    let validity = tried.clone().map(|scenario| scenario.validity).reduce(Validity::worst).unwrap_or(Validity::Unknown);
    Verdict {
        format: FORMAT,
        validity,
        exit_code: match validity {
            Validity::Valid => 0,
            Validity::Invalid => 1,
            Validity::Unknown => 3,
        },
        cause: cause(validity, &scenarios),
        money: total.stakes(),
        reconciliation: reconcile::total(tried.map(|scenario| scenario.reconciliation.as_ref())),
        provenance: manifest.provenance.clone(),
        scenarios,
    }
}

fn scenario(
    manifest: &Manifest,
    planned: &Planned,
    history: Option<&History>,
    evidence: Option<&Evidence>,
) -> (ScenarioVerdict, Money) {
    let latencies = history.map(measure::latencies).unwrap_or_default();
    let evidence = evidence.map(case::canonical);
    let case = match (history, &evidence) {
        (Some(history), Some(evidence)) => Some(Case::new(manifest, planned, history, evidence, &latencies)),
        _ => None,
    };
    let tried = match &case {
        Some(case) => try_all(manifest, case),
        None => try_nothing(manifest, &planned.scenario),
    };
    let mut money = Money::default();
    tried.iter().for_each(|tried| money.see(&tried.money));
    let reconciliation = case.as_ref().and_then(|case| reconcile::reconcile(case, &money));
    let checks: Vec<CheckVerdict> = tried.into_iter().map(|tried| tried.verdict).collect();
    let counted = checks.iter().filter(|check| check.skipped.is_none());
    let verdict = ScenarioVerdict {
        scenario: planned.scenario.id.clone(),
        title: planned.scenario.title.clone(),
        validity: counted.map(|check| check.validity).reduce(Validity::worst).unwrap_or(Validity::Unknown),
        money: money.stakes(),
        reconciliation,
        checks,
        measured: measure::measure(planned, history, evidence.as_ref(), &latencies),
    };
    (verdict, money)
}

/// Whether one check of state, or one invariant, finds a violation. False for an id that is neither.
/// `evidence` must be in its canonical order.
pub(crate) fn violates(
    manifest: &Manifest,
    planned: &Planned,
    history: &History,
    evidence: &Evidence,
    id: &str,
) -> bool {
    let latencies = measure::latencies(history);
    let case = Case::new(manifest, planned, history, evidence, &latencies);
    let check = checks::STATE.iter().find(|(state, _)| *state == id).map(|(_, check)| check.of(&Study::new(&case)));
    let invariant = || manifest.stated.invariants.iter().find(|invariant| invariants::id(invariant) == id);
    let trial = check.or_else(|| Some(invariants::check(&case, invariant()?)));
    let tried = trial.and_then(|trial| trial.close(&planned.scenario));
    tried.is_some_and(|tried| tried.verdict.validity == Validity::Invalid)
}

/// Every check in catalogue order, `run.exercised` last because it looks at the others.
fn try_all(manifest: &Manifest, case: &Case<'_>) -> Vec<Tried> {
    let scenario = &case.planned.scenario;
    let study = Study::new(case);
    let mut tried = Vec::new();
    for (id, check) in checks::STATE {
        match manifest.skip.get(*id) {
            Some(reason) => tried.push(without_money(trial::skipped(id, reason))),
            None => tried.extend(check.of(&study).close(scenario)),
        }
    }
    for invariant in &manifest.stated.invariants {
        let id = invariants::id(invariant);
        match skipped(manifest, &id) {
            Some(reason) => tried.push(without_money(trial::skipped(&id, reason))),
            None => tried.extend(invariants::check(case, invariant).close(scenario)),
        }
    }
    for (metric, limits) in &scenario.thresholds {
        match skipped(manifest, metric) {
            Some(reason) => tried.push(without_money(trial::skipped(metric, reason))),
            None => tried.extend(checks::thresholds::check(case, metric, limits).close(scenario)),
        }
    }
    let exercised = run_exercised::check(case, tried.iter().map(|tried| &tried.verdict)).close_as_doubt();
    tried.push(exercised);
    tried
}

/// A scenario that the target file leaves out: all that it would prove is skipped, and it does not count.
fn left_out(planned: &Planned, reason: &str) -> ScenarioVerdict {
    let Planned { scenario, .. } = planned;
    let proven = checks::STATE.iter().map(|(id, _)| *id).filter(|id| scenario.proves.iter().any(|proof| proof == id));
    let ids = proven.chain(scenario.thresholds.keys().map(String::as_str)).chain([run_exercised::ID]);
    ScenarioVerdict {
        scenario: scenario.id.clone(),
        title: scenario.title.clone(),
        validity: Validity::Unknown,
        money: Money::default().stakes(),
        reconciliation: None,
        checks: ids.map(|id| trial::skipped(id, reason)).collect(),
        measured: measure::measure(planned, None, None, &measure::Latencies::default()),
    }
}

/// A scenario of which too little was saved to judge anything.
fn try_nothing(manifest: &Manifest, scenario: &Scenario) -> Vec<Tried> {
    let proven = checks::STATE.iter().map(|(id, _)| *id).filter(|id| scenario.proves.iter().any(|proof| proof == id));
    let ids = proven.chain(scenario.thresholds.keys().map(String::as_str));
    let verdict = |id: &str| match skipped(manifest, id) {
        Some(reason) => trial::skipped(id, reason),
        None => trial::unknown(id, "no evidence was collected: the run ended before"),
    };
    let exercised = trial::unknown(run_exercised::ID, "no evidence was collected: the run ended before");
    ids.map(verdict).chain([exercised]).map(without_money).collect()
}

/// Why a check or metric is skipped: by its own name, or by its family's (`latency.*`).
fn skipped<'a>(manifest: &'a Manifest, id: &str) -> Option<&'a String> {
    let family = format!("{}.*", id.split('.').next().unwrap_or(id));
    manifest.skip.get(id).or_else(|| manifest.skip.get(&family))
}

fn without_money(verdict: CheckVerdict) -> Tried {
    Tried { verdict, money: Money::default() }
}

/// What decided it, in one sentence.
fn cause(validity: Validity, scenarios: &[ScenarioVerdict]) -> String {
    let judged = || {
        let pairs = scenarios.iter().flat_map(|scenario| scenario.checks.iter().map(move |check| (scenario, check)));
        pairs.filter(|(_, check)| check.skipped.is_none())
    };
    let mut decisive = judged().filter(|(_, check)| check.validity == validity);
    let first = decisive.next();
    let (Some((scenario, check)), true) = (first, validity != Validity::Valid) else {
        return match first {
            None if scenarios.is_empty() => "nothing was planned, so nothing was tried".to_owned(),
            None => "the target leaves out everything that was planned, so nothing was tried".to_owned(),
            Some(_) => {
                let tried = scenarios.iter().filter(|scenario| scenario.left_out().is_none()).count();
                format!("{} held in {}", counted(judged().count(), "check"), counted(tried, "scenario"))
            }
        };
    };
    let what = check.findings.first().map_or(&check.observed, |finding| &finding.summary);
    let word = if validity == Validity::Invalid { "is broken" } else { "is not known" };
    let others = match decisive.count() {
        0 => String::new(),
        more => format!(" (and {} more)", counted(more, "check")),
    };
    let title = catalogue::find(&check.id).map_or("", |info| info.title);
    let title = if title.is_empty() { String::new() } else { format!(" ({})", lower_first(title)) };
    format!("{}{title} {word} in {}: {what}{others}", check.id, scenario.scenario)
}

fn lower_first(title: &str) -> String {
    let mut chars = title.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}
