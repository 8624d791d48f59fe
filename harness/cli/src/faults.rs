//! Faults that a scenario plans, checked before anything starts: against what can be, and against the target.

use overdraft_model::{
    fault::{Fault, Window, timetable::Random},
    scenario::Scenario,
    span::Span,
    target::Target,
};

/// Every fault that a scenario may inject: of its timetable, of its steps, and those that the seed chooses from.
pub(crate) fn all(scenario: &Scenario) -> impl Iterator<Item = &Fault> {
    let random = scenario.random.iter().flat_map(|random| random.faults.iter().map(|choice| &choice.fault));
    scenario.planned_faults().into_iter().chain(random)
}

/// Refuses numbers that cannot be meant.
pub(crate) fn check(scenario: &Scenario) -> Result<(), String> {
    for fault in all(scenario) {
        for (name, share) in fault.shares() {
            if !(0.0..=1.0).contains(&share) {
                return Err(format!("faults: {} {name} = {share} is not a share between 0 and 1", fault.name()));
            }
        }
        if matches!(fault, Fault::BackendsTerminated { every } if *every == Span::default()) {
            return Err("faults: backends-terminated every = \"0ms\" leaves nothing to terminate".into());
        }
    }
    scenario.faults.iter().try_for_each(|window| times(window, scenario.load.at_most))?;
    scenario.random.iter().try_for_each(choices)
}

fn times(window: &Window, at_most: Span) -> Result<(), String> {
    let name = window.fault.name();
    if window.at >= at_most {
        return Err(format!("faults: {name} at = \"{}\" is not before load.at_most, {at_most}", window.at));
    }
    match (window.every, window.length) {
        (Some(every), _) if every == Span::default() => Err(format!("faults: {name} every = \"0ms\" never ends")),
        (Some(_), None) => Err(format!("faults: {name} has `every` but no `for`: say how long it lasts each time")),
        (Some(every), Some(length)) if length >= every => {
            Err(format!("faults: {name} lasts {length} every {every}: it must be healed before it comes again"))
        }
        _ => Ok(()),
    }
}

fn choices(random: &Random) -> Result<(), String> {
    for (name, [least, most]) in [("lasts", random.lasts), ("pause", random.pause)] {
        if most < least {
            return Err(format!("random.{name}: {most} is shorter than {least}"));
        }
    }
    if random.pause[1] == Span::default() {
        return Err("random.pause: the target needs time to recover, and the report to tell two faults apart".into());
    }
    match random.faults.iter().map(|choice| u64::from(choice.weight)).sum::<u64>() {
        0 => Err("random.faults: nothing to choose from".into()),
        1..=1_000 => Ok(()),
        more => Err(format!("random.faults: the weights add up to {more}, more than 1000")),
    }
}

/// Refuses a fault that cannot be injected into this target.
pub(crate) fn injectable(fault: &Fault, target: &Target, database_url: Option<&str>) -> Result<(), String> {
    let (ours, own_server) =
        (target.service.base_urls.is_empty(), target.database.url.is_none() && database_url.is_none());
    match fault {
        Fault::InstancesKilled { .. }
        | Fault::InstancesFrozen { .. }
        | Fault::InstancesRestarted { .. }
        | Fault::InstanceAdded {}
            if !ours =>
        {
            Err("the target file gives `base_urls`, and what runs already is not ours to end: give `command`".into())
        }
        Fault::Tcp { .. } if !ours => {
            Err("the target file gives `base_urls`: a service that runs already cannot be led through a proxy".into())
        }
        Fault::DatabaseDown { .. } | Fault::DatabaseSettings { .. } | Fault::ConnectionsExhausted {} if !own_server => {
            Err("a given database server is not ours to disturb: leave out --database-url and `database.url`".into())
        }
        Fault::LockHeld { lock } if !target.locks.contains_key(lock) => {
            Err(format!("the target file has no `{lock}` under `locks` (docs/target-file.md)"))
        }
        Fault::ServiceClockSkew { .. } if target.clock.is_none() => {
            Err("the target file maps no `clock` (docs/target-file.md)".into())
        }
        _ => Ok(()),
    }
}
