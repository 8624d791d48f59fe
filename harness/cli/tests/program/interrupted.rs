//! A run that is killed, interrupted, or loses its PostgreSQL: nothing is left behind but its record.

use std::{fs, time::Duration};

use nix::sys::signal::Signal;

use crate::support::{PATIENCE, Place, Relative, Running, flash_sale, json, send, until};

/// The keeper gives PostgreSQL two seconds to quit; more than that is a busy machine.
const CLEARED_WITHIN: Duration = Duration::from_secs(20);

/// A run in the middle of driving, with everything that it has started.
fn under_way(place: &Place) -> (Running, Vec<Relative>) {
    // Many more rounds than are over when the signal comes, after the third.
    let scenario = flash_sale(20, 500).replace("rounds = 500", "rounds = 500, at_most = \"15s\"");
    place.write("long.toml", &scenario);
    let mut run = place.start(&["run", "long.toml", "--seed", "3"]);
    until("operations in the history", PATIENCE, || {
        assert!(!run.ended(), "it ended early:\n{}", run.stderr());
        (place.asked() >= 60).then_some(())
    });
    let family = run.family();
    let count = |what: &str| family.iter().filter(|process| process.command.contains(what)).count();
    assert_eq!(count(" serve"), 2, "{family:?}");
    assert_eq!(count("Outlives the harness"), 1, "no keeper: {family:?}");
    assert!(count("overdraft-postgres-") >= 1, "{family:?}");
    (run, family)
}

fn all_gone(place: &Place, family: &[Relative]) {
    let left = || {
        let mut left = place.left_behind();
        left.extend(family.iter().filter(|process| process.alive()).map(|process| process.command.clone()));
        left
    };
    let mut last = Vec::new();
    for _ in 0..CLEARED_WITHIN.as_millis() / 50 {
        last = left();
        if last.is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("left behind: {last:#?}");
}

/// The record of a run without its end: there, readable, and judged as unknown.
fn record_is_unknown(place: &Place) {
    assert!(place.asked() >= 60, "the history was lost");
    let told = place.run(&["check", "runs/latest", "--format", "json"]).exits(3);
    assert_eq!(told.stdout, fs::read_to_string(place.latest("verdict.json")).unwrap());
    let verdict = json(place.latest("verdict.json"));
    assert_eq!((&verdict["validity"], &verdict["exit_code"]), (&"unknown".into(), &3.into()));
}

#[test]
fn a_killed_harness_leaves_its_record_and_nothing_else() {
    let Some(place) = Place::for_runs() else { return };
    let (run, family) = under_way(&place);
    run.signal(Signal::SIGKILL);
    let told = run.end();
    assert_eq!(told.code, None, "it was not killed: {told:?}");
    all_gone(&place, &family);
    record_is_unknown(&place);
}

#[test]
fn ctrl_c_stops_everything_and_keeps_the_record() {
    let Some(place) = Place::for_runs() else { return };
    let (run, family) = under_way(&place);
    run.signal(Signal::SIGINT);
    let told = run.end().exits(130).complains(&["interrupted: ", "what was recorded is in runs/"]).once();
    assert_eq!(told.stdout, "");
    all_gone(&place, &family);
    let judged = fs::read(place.latest("verdict.json")).unwrap();
    record_is_unknown(&place);
    assert_eq!(fs::read(place.latest("verdict.json")).unwrap(), judged);
}

#[test]
fn a_second_ctrl_c_ends_it_at_once_and_still_leaves_nothing() {
    let Some(place) = Place::for_runs() else { return };
    let (mut run, family) = under_way(&place);
    run.signal(Signal::SIGTERM);
    until("the first signal's answer", PATIENCE, || run.stderr().contains("interrupted: ").then_some(()));
    if !run.ended() {
        run.signal(Signal::SIGINT);
    }
    run.end().exits(130);
    all_gone(&place, &family);
    record_is_unknown(&place);
}

#[test]
fn a_postgresql_that_dies_is_the_harnesss_failure_not_the_targets() {
    let Some(place) = Place::for_runs() else { return };
    let (run, family) = under_way(&place);
    let ours = |process: &&Relative| process.parent == run.id() && process.command.contains("overdraft-postgres-");
    let postmaster = family.iter().find(ours).expect("the postmaster that this run started");
    send(postmaster.pid, Signal::SIGKILL);
    let told = run.end().exits(4).complains(&["PostgreSQL ended by itself", "what was recorded is in runs/"]).once();
    assert_eq!(told.stdout, "");
    all_gone(&place, &family);
    record_is_unknown(&place);
}
