//! The order in which smaller scenarios are tried: what the story tells first, then part by part.

use overdraft_checkers::minimise;
use overdraft_model::scenario::Scenario;
use overdraft_scenarios::reduce::{self, Cut};

use super::{subject::Subject, trials::Trials};
use crate::exit::Failure;

/// The smallest scenario found that shows the violation. The whole is taken to show it.
pub(super) fn smallest(whole: &Scenario, subject: &Subject, trials: &mut Trials<'_>) -> Result<Scenario, Failure> {
    let mut smallest = whole.clone();
    for guess in reduce::about(whole, subject.seed, &subject.told) {
        if trials.shows(&guess)? == Some(true) {
            smallest = guess;
            break;
        }
    }
    // What could not be left out of the whole may be needless for what is left of it.
    loop {
        let before = smallest.clone();
        for cut in Cut::of(whole) {
            smallest = by(*cut, smallest, subject.seed, trials)?;
        }
        while let Some(half) = first(&reduce::halves(&smallest), trials)? {
            smallest = half;
        }
        if smallest == before {
            return Ok(smallest);
        }
    }
}

fn by(cut: Cut, scenario: Scenario, seed: u64, trials: &mut Trials<'_>) -> Result<Scenario, Failure> {
    let mut failed = None;
    let all = cut.parts(&scenario, seed);
    let parts = minimise::smallest(&all, |parts| {
        let Some(smaller) = cut.keep(&scenario, parts) else { return Some(false) };
        trials.shows(&smaller).unwrap_or_else(|failure| {
            failed = Some(failure);
            None
        })
    });
    match failed {
        Some(failure) => Err(failure),
        None if parts.len() == all.len() => Ok(scenario),
        None => Ok(cut.keep(&scenario, &parts).unwrap_or(scenario)),
    }
}

/// The first of these that shows it.
fn first(scenarios: &[Scenario], trials: &mut Trials<'_>) -> Result<Option<Scenario>, Failure> {
    for scenario in scenarios {
        if trials.shows(scenario)? == Some(true) {
            return Ok(Some(scenario.clone()));
        }
    }
    Ok(None)
}
