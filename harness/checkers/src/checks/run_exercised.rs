//! `run.exercised`: it was really tried. Where not, the run is unknown; it never accuses the target.
//!
//! Nothing here depends on how fast the machine is: a slow one makes operations longer, which makes them
//! overlap more, and no limit is in seconds. A single race that fell apart on a busy machine does not spoil a
//! run of many; most of them must have overlapped.

use std::collections::{BTreeSet, HashSet};

use overdraft_model::{
    flow::{Action, EXPECTED},
    history::{Call, History, Phase},
    operation::{Operation, Outcome},
    scenario::{Scenario, Workload},
    verdict::{CheckVerdict, RaceStats, Validity},
};

use crate::{
    case::Case,
    coverage, door, measure,
    offsets::Pairs,
    story::Tale,
    trial::Trial,
    words::{counted, listed},
};

pub(crate) const ID: &str = "run.exercised";

/// Judges one scenario, given what its other checks found.
pub(crate) fn check<'v>(case: &Case<'_>, verdicts: impl Iterator<Item = &'v CheckVerdict>) -> Trial {
    let mut trial = Trial::new(ID);
    completed(case, &mut trial);
    concurrency(case, &mut trial);
    races(case, &mut trial);
    faults(case, &mut trial);
    boundaries(case, &mut trial);
    proofs(case, verdicts.collect(), &mut trial);
    trial
}

fn reason(case: &Case<'_>, trial: &mut Trial, why: impl Into<String>) {
    trial.found(|| Tale::new(case.history, why).end());
}

/// The run came to its end, and each kind of operation succeeded at least once.
fn completed(case: &Case<'_>, trial: &mut Trial) {
    if !case.history.reached(Phase::Done) {
        reason(case, trial, "the run did not come to its end");
    }
    let ok: BTreeSet<&str> = case
        .history
        .calls
        .iter()
        .filter(|call| call.outcome == Outcome::Ok)
        .map(|call| call.operation.name())
        .collect();
    let oks = case.history.calls.iter().filter(|call| call.outcome == Outcome::Ok).count();
    trial.saw(oks);
    trial.fact(format!("{} of {} ended ok", oks, counted(case.history.calls.len(), "operation")));
    // Reads alone would leave nothing to be wrong. Its check may count what was refused as evidence.
    let changing = |call: &&Call| call.phase == Phase::Drive && !call.operation.is_read();
    let scenario = &case.planned.scenario;
    let part = !scenario.load.keep.is_empty()
        || matches!(scenario.workload, Workload::Flow(_)) && !scenario.proves.iter().any(|id| id == EXPECTED);
    let mut changed = case.history.calls.iter().filter(changing).peekable();
    if part && changed.peek().is_some() && changed.all(|call| call.outcome != Outcome::Ok) {
        reason(case, trial, "of the steps that were kept, not one that changes something succeeded");
    }
    for name in kinds(scenario).iter().filter(|name| !ok.contains(*name)) {
        let asked = case.history.calls.iter().filter(|call| call.operation.name() == *name);
        let why = format!("not one {name} succeeded of {} asked", asked.clone().count());
        trial.found(|| Tale::new(case.history, why).calls(asked.take(3)).end());
    }
}

/// What a workload cannot do without. Where only some of its steps were kept, the check that it proves says whether
/// they are enough.
const fn kinds(scenario: &Scenario) -> &'static [&'static str] {
    match scenario.workload {
        _ if !scenario.load.keep.is_empty() => &[],
        Workload::FlashSale { .. }
        | Workload::WalletDrain { .. }
        | Workload::DoubleClick { .. }
        | Workload::PairOffsets { .. }
        | Workload::EmailOutage { .. } => &["purchase"],
        Workload::WebhookStorm { .. } | Workload::Market { .. } => {
            &["buy-credits", "pay", "deliver-webhook", "purchase"]
        }
        // What it struck says whether it was done.
        Workload::EveryBoundary { .. } => &[],
        // Each of its steps says what it expects.
        Workload::Flow(_) => &[],
    }
}

/// Enough was in flight at once: a quarter of the users, at least 2, at most 16. On a market day everybody takes
/// their time, so that two are enough.
fn concurrency(case: &Case<'_>, trial: &mut Trial) {
    let stepwise = matches!(case.planned.scenario.workload, Workload::Flow(_) | Workload::EveryBoundary { .. });
    if stepwise || !case.planned.scenario.load.keep.is_empty() {
        return;
    }
    let users = case.planned.scenario.load.users as u64;
    let wanted = match case.planned.scenario.workload {
        Workload::Market { .. } => 2,
        _ => (users / 4).clamp(2, 16).min(users),
    };
    let by_users =
        |call: &&Call| call.phase == Phase::Drive && !matches!(call.operation, Operation::DeliverWebhook { .. });
    let reached = measure::in_flight(case.history.end, case.history.calls.iter().filter(by_users));
    trial.fact(format!("{reached} in flight at once"));
    if reached < wanted {
        reason(
            case,
            trial,
            format!("{} never had more than {reached} operations in flight, wanted {wanted}", counted(users, "user")),
        );
    }
}

/// Races took place, nearly all took part, and most of the races overlapped. Of pairs that were held apart some must
/// have met.
fn races(case: &Case<'_>, trial: &mut Trial) {
    let history = case.history;
    let stats = |race| measure::race_stats(race, history.end, |op| case.call(op));
    let races: Vec<RaceStats> = history.races.iter().map(stats).collect();
    let needs = match &case.planned.scenario.workload {
        _ if !case.planned.scenario.load.keep.is_empty() => false,
        Workload::FlashSale { .. }
        | Workload::WalletDrain { .. }
        | Workload::DoubleClick { .. }
        | Workload::PairOffsets { .. } => true,
        Workload::Flow(flow) => flow.when.iter().any(|step| matches!(step.action, Action::Race { loose: false, .. })),
        Workload::WebhookStorm { .. }
        | Workload::EmailOutage { .. }
        | Workload::Market { .. }
        | Workload::EveryBoundary { .. } => false,
    };
    if races.is_empty() {
        if needs {
            reason(case, trial, "no race took place");
        }
        return;
    }
    for race in races.iter().filter(|race| race.took_part * 100 < race.planned * 95) {
        reason(
            case,
            trial,
            format!("the race for {} had {} of {} planned requests", race.name, race.took_part, race.planned),
        );
    }
    turned_away(case, trial);
    pairs(history, trial);
    let at_once = history.races.iter().map(|race| race.apart.is_none());
    let races: Vec<&RaceStats> =
        races.iter().zip(at_once).filter(|(_, at_once)| *at_once).map(|(race, _)| race).collect();
    if races.is_empty() {
        return;
    }
    let apart: Vec<&&RaceStats> =
        races.iter().filter(|race| race.overlapped < 2 || race.overlapped * 100 < race.planned * 80).collect();
    trial.fact(format!("{} of {} overlapped", races.len() - apart.len(), counted(races.len(), "race")));
    if apart.len() * 5 > races.len() {
        let names = apart.iter().map(|race| format!("{} ({} of {})", race.name, race.overlapped, race.planned));
        let why = format!("{} did not overlap: {}", counted(apart.len(), "race"), listed(names, 3));
        reason(case, trial, why);
    }
}

/// Who was turned away at the door did not take part. A step that says what its race is answered says so of this too.
fn turned_away(case: &Case<'_>, trial: &mut Trial) {
    let mut stated: HashSet<u64> = HashSet::new();
    if let Workload::Flow(flow) = &case.planned.scenario.workload {
        let says = |step: &usize| {
            let action = flow.when.get(*step).map(|step| &step.action);
            matches!(action, Some(Action::Race { answers, .. }) if !answers.is_empty())
        };
        stated.extend(case.history.steps.iter().filter(|(step, _)| says(step)).flat_map(|(_, ops)| ops));
    }
    for race in &case.history.races {
        let calls: Vec<&Call> = race.operations.iter().filter_map(|op| case.call(*op)).collect();
        let away = |call: &&&Call| !stated.contains(&call.op) && door::turned_away(case, call);
        let away: Vec<&Call> = calls.iter().filter(away).copied().collect();
        if away.is_empty() || (calls.len() - away.len()) * 100 >= race.planned * 95 {
            continue;
        }
        let statuses: BTreeSet<String> =
            away.iter().filter_map(|call| call.answer.status).map(|status| status.to_string()).collect();
        let why = format!(
            "in the race for {} {} of {} planned requests were turned away at the door: {}",
            race.name,
            away.len(),
            race.planned,
            listed(statuses, 5)
        );
        trial.found(|| Tale::new(case.history, why).calls(away.into_iter().take(3)).end());
    }
}

/// Pairs that were held apart: some tell something, and some met.
fn pairs(history: &History, trial: &mut Trial) {
    let pairs = Pairs::of(history);
    if pairs.released == 0 {
        return;
    }
    let released = counted(pairs.released, "pair");
    match pairs.fact() {
        Some(fact) => trial.fact(fact),
        None => trial.found(|| {
            Tale::new(history, format!("not one of {released} left as far apart as asked and was answered")).end()
        }),
    }
    trial.fact(format!("{} of {released} counted; {} met", pairs.counted(), pairs.met));
    if pairs.met == 0 {
        trial.found(|| {
            Tale::new(history, format!("of {released}, each first was answered before its second had left")).end()
        });
    }
}

/// Each planned fault was injected, took effect and was healed.
fn faults(case: &Case<'_>, trial: &mut Trial) {
    let planned = case.planned.scenario.planned_faults();
    for (stats, number) in measure::faults(case.planned, case.history).iter().zip(1..) {
        let fate = match (stats.from_ms, stats.to_ms) {
            (None, _) => "was never injected",
            (Some(_), None) => "was never healed",
            (Some(_), Some(_)) if stats.effects == 0 => "never took effect",
            (Some(_), Some(_)) => continue,
        };
        reason(case, trial, format!("fault {number}, {}, {fate}", stats.fault));
    }
    if !planned.is_empty() {
        trial.fact(format!("{} planned", counted(planned.len(), "fault")));
    }
}

/// Each boundary that was counted was struck, by each blow that makes sense there. An operation that the target does
/// not map is told; one that was neither counted nor left out is a reason, as is a run that counted nothing.
fn boundaries(case: &Case<'_>, trial: &mut Trial) {
    let Workload::EveryBoundary { operations, .. } = &case.planned.scenario.workload else { return };
    let all = coverage::of(case.history);
    for operation in &all {
        let name = operation.operation.name();
        if let Some(why) = &operation.skipped {
            trial.fact(format!("{name} skipped: {why}"));
            continue;
        }
        let (struck, planned) = (operation.struck(), operation.planned());
        trial.saw(struck);
        trial.fact(format!("{name}: {struck} of {planned} blows at {}", counted(operation.boundaries, "boundary")));
        if operation.boundaries == 0 {
            reason(case, trial, format!("{name}: no boundary was counted"));
        } else if struck < planned {
            let missed = operation.cells.iter().filter(|cell| !cell.struck);
            let missed = listed(missed.map(|cell| format!("{} at {} {}", cell.blow, cell.kind, cell.what)), 3);
            reason(case, trial, format!("{name}: {struck} of {planned} blows were struck, not {missed}"));
        }
    }
    if all.iter().all(|operation| operation.skipped.is_some()) {
        reason(case, trial, "not one operation could be struck at its boundaries");
    }
    for operation in operations.iter().filter(|asked| all.iter().all(|counted| counted.operation != **asked)) {
        reason(case, trial, format!("{operation}: its boundaries were never counted"));
    }
}

/// Each check that the scenario exists to exercise had something to judge, and so had at least one of all.
fn proofs(case: &Case<'_>, verdicts: Vec<&CheckVerdict>, trial: &mut Trial) {
    let judged = |verdict: &&&CheckVerdict| verdict.validity != Validity::Unknown && verdict.evidence > 0;
    if !verdicts.iter().any(|verdict| judged(&verdict)) {
        reason(case, trial, "not one check had anything to judge");
    }
    for id in case.planned.scenario.proves.iter().filter(|id| *id != ID) {
        let verdict = verdicts.iter().find(|verdict| verdict.id == *id);
        let why = match verdict {
            None => format!("it should prove {id}, which no check answers to"),
            Some(verdict) if verdict.skipped.is_some() || judged(&verdict) => continue,
            // A violation without counted evidence is proof enough.
            Some(verdict) if verdict.validity == Validity::Invalid => continue,
            Some(verdict) => format!("it should prove {id}, which is unknown: {}", verdict.observed),
        };
        reason(case, trial, why);
    }
}
