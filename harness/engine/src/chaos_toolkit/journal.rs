//! The journal of an experiment: what its method did, in the format that Chaos Toolkit writes and its reports read.

use chrono::{DateTime, TimeDelta, Utc};
use overdraft_model::history::History;
use serde_json::{Value, json};

use super::{Deed, Experiment};

/// How the run of an experiment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every promise was kept.
    Held,
    /// A promise was broken: Chaos Toolkit calls it deviated.
    Deviated,
    /// It is not known.
    Failed,
}

/// The journal of one scenario's run under an experiment. `started` is when the run's clock began.
#[must_use]
pub fn journal(experiment: &Experiment, history: &History, started: DateTime<Utc>, outcome: Outcome) -> Value {
    let activities = experiment.file["method"].as_array().map(Vec::as_slice).unwrap_or_default();
    let run: Vec<Value> = activities
        .iter()
        .zip(&experiment.deeds)
        .map(|(activity, deed)| entry(activity, deed, history, started))
        .collect();
    json!({
        "chaoslib-version": concat!("overdraft ", env!("CARGO_PKG_VERSION")),
        "platform": format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
        "experiment": experiment.file,
        "start": when(started, history.start),
        "end": when(started, history.end),
        "duration": seconds(history.start, history.end),
        "status": if outcome == Outcome::Failed { "failed" } else { "completed" },
        "deviated": outcome == Outcome::Deviated,
        "steady_states": {
            "before": null,
            "after": { "steady_state_met": outcome == Outcome::Held, "probes": [] },
            "during": [],
        },
        "run": run,
        "rollbacks": [],
    })
}

fn entry(activity: &Value, deed: &Deed, history: &History, started: DateTime<Utc>) -> Value {
    let injected = |window: usize| history.faults.iter().find(|injected| injected.fault == window);
    let told = |time: u64, status: &str, output: Value| {
        json!({
            "activity": activity, "status": status, "output": output,
            "start": when(started, time), "end": when(started, time), "duration": 0.0,
        })
    };
    let failed = |why: &str| told(history.start, "failed", json!(why));
    match deed {
        Deed::Nothing(why) => told(history.start, "skipped", json!(why)),
        Deed::Inject(window) => match injected(*window) {
            None => failed("never injected"),
            Some(fault) if fault.effects == 0 => told(fault.from, "failed", json!({ "effects": 0 })),
            Some(fault) => told(fault.from, "succeeded", json!({ "effects": fault.effects })),
        },
        Deed::Heal(window) => match injected(*window).and_then(|fault| fault.to) {
            None => failed("never healed"),
            Some(time) => told(time, "succeeded", Value::Null),
        },
    }
}

fn when(started: DateTime<Utc>, ns: u64) -> String {
    let time = started + TimeDelta::nanoseconds(i64::try_from(ns).unwrap_or(i64::MAX));
    time.format("%Y-%m-%dT%H:%M:%S%.6f").to_string()
}

fn seconds(from: u64, to: u64) -> f64 {
    to.saturating_sub(from) as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use overdraft_model::{
        fault::Fault,
        history::{Body, Event},
    };

    use super::*;

    #[test]
    fn what_was_done_and_what_had_no_effect_can_be_told_apart() {
        let action = |func: &str| json!({ "type": "action", "name": func, "provider": { "type": "python", "module": "overdraft", "func": func } });
        let method = [action("email-down"), action("webhook-outage"), action("stripe-down")];
        let experiment = super::super::read(&json!({ "method": method }).to_string()).unwrap();
        let bodies = [
            Body::Scenario { name: "market".into() },
            Body::Inject { fault: 0, what: Fault::EmailDown {} },
            Body::Heal { fault: 0, effects: 3 },
            Body::Inject { fault: 1, what: Fault::WebhookOutage {} },
            Body::Heal { fault: 1, effects: 0 },
        ];
        let events = (0_u64..).zip(bodies).map(|(index, body)| Event { index, time: index * 1_000_000_000, body });
        let history = History::from_events(events.collect::<Vec<_>>()).unwrap().remove(0);
        let started = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let journal = journal(&experiment, &history, started, Outcome::Deviated);
        let statuses: Vec<_> = journal["run"].as_array().unwrap().iter().map(|entry| &entry["status"]).collect();
        assert_eq!(statuses, ["succeeded", "failed", "failed"]);
        assert_eq!((&journal["status"], &journal["deviated"]), (&json!("completed"), &json!(true)));
        assert_eq!(journal["run"][0]["start"], "2027-01-15T08:00:01.000000");
        assert_eq!(journal["run"][0]["output"]["effects"], 3);
    }
}
