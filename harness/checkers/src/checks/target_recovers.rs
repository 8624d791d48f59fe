//! `target.recovers`: once every fault is healed, every instance is ready again within the settle limit.
//!
//! While something is broken a target may be as unready as it likes; only the end is judged.

use overdraft_model::operation::Outcome;

use crate::{case::Case, story::Tale, trial::Trial, words::counted};

pub(crate) const ID: &str = "target.recovers";

/// Judges one scenario.
pub(crate) fn check(case: &Case<'_>) -> Trial {
    let mut trial = Trial::new(ID);
    let history = case.history;
    let healed = history.faults.iter().filter(|injected| injected.to.is_some());
    let Some((ready, waited_ms)) = history.ready.filter(|_| healed.clone().count() > 0) else { return trial };
    trial.saw(healed.clone().count());
    let longest = healed.clone().filter_map(|injected| injected.recovered_ms).max();
    trial.fact(match longest {
        Some(ms) => {
            format!("{} healed, ready again at the latest {ms} ms after", counted(healed.clone().count(), "fault"))
        }
        None => format!("{} healed", counted(healed.clone().count(), "fault")),
    });
    if !ready {
        let last = healed.clone().max_by_key(|injected| injected.to);
        let names = last.map_or("the last fault", |injected| injected.what.name());
        let since = last.and_then(|injected| injected.to).unwrap_or(history.start);
        let failed = history.calls.iter().filter(|call| call.start >= since && call.outcome != Outcome::Ok);
        let shown: Vec<_> = failed.chain(history.calls.iter().rev()).take(3).collect();
        let why = format!(
            "not every instance was ready {waited_ms} ms after everything was healed; the last fault was {names}"
        );
        trial.found(|| Tale::new(history, why).calls(shown).end());
    }
    trial
}
