//! What is to be run, in order.

use std::{collections::BTreeSet, fs::File, io::Read};

use overdraft_reference::Defect;
use overdraft_reports::proof::{Expected, Subject};
use overdraft_scenarios::catalogue::SUITES;
use sha2::{Digest, Sha256};

use crate::{exit::Failure, nearest};

/// What the catalogue says of these defects, or of all.
pub(super) fn expected(names: &[String]) -> Result<Vec<Expected>, Failure> {
    let known: Vec<&str> = Defect::all().map(Defect::name).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(Failure::usage(nearest::suggest("defect", unknown, &known)));
    }
    let wanted = |defect: &Defect| names.is_empty() || names.iter().any(|name| name == defect.name());
    let expected = Defect::all().filter(wanted).map(|defect| Expected {
        defect: defect.name().into(),
        wrong: defect.describe().into(),
        caught_by: defect.caught_by().into(),
        scenario: defect.scenario().into(),
    });
    Ok(expected.collect())
}

/// Which build this is: two builds are not one detector.
pub(super) fn version() -> Result<String, Failure> {
    let unreadable = |error| Failure::harness(format!("cannot read this program: {error}"));
    let mut program = File::open(std::env::current_exe().map_err(unreadable)?).map_err(unreadable)?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match program.read(&mut buffer).map_err(unreadable)? {
            0 => break,
            read => hash.update(&buffer[..read]),
        }
    }
    let digest: String = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{}+{digest}", env!("CARGO_PKG_VERSION")))
}

/// Every run. With each seed comes every defect once, then its share of the clean runs: wherever a budget ends, what
/// was run is spread over all.
pub(super) fn subjects(expected: &[Expected], version: &str, seeds: u64, clean: u64) -> Vec<Subject> {
    // Those of the suites: what belongs to none, as a soak does, has no end of its own.
    let scenarios: BTreeSet<&str> = SUITES.iter().flat_map(|suite| suite.scenarios).copied().collect();
    let scenarios: Vec<&str> = scenarios.into_iter().collect();
    let subject = |defect: Option<&str>, scenario: &str, seed: u64| Subject {
        version: version.to_owned(),
        defect: defect.map(str::to_owned),
        scenario: scenario.to_owned(),
        seed,
    };
    let turns = u64::try_from(scenarios.len()).unwrap_or(1).max(1);
    let nth_clean = |n: u64| {
        let at = usize::try_from(n % turns).unwrap_or(0);
        scenarios.get(at).map(|scenario| subject(None, scenario, 1 + n / turns))
    };
    let mut planned = Vec::new();
    for seed in 1..=seeds {
        planned.extend(expected.iter().map(|one| subject(Some(&one.defect), &one.scenario, seed)));
        planned.extend((clean * (seed - 1) / seeds..clean * seed / seeds).filter_map(nth_clean));
    }
    planned
}

#[cfg(test)]
mod tests {
    use overdraft_checkers::catalogue::find;
    use overdraft_scenarios::catalogue;

    use super::*;

    #[test]
    fn each_defect_names_a_check_and_a_scenario_that_exist() {
        let scenarios: BTreeSet<String> = catalogue::scenarios().unwrap().into_iter().map(|one| one.id).collect();
        for one in expected(&[]).unwrap() {
            assert!(find(&one.caught_by).is_some(), "{}: no check {}", one.defect, one.caught_by);
            assert!(scenarios.contains(&one.scenario), "{}: no scenario {}", one.defect, one.scenario);
        }
    }

    #[test]
    fn every_run_is_planned_once_and_the_clean_ones_are_spread() {
        let all = expected(&[]).unwrap();
        let planned = subjects(&all, "v", 3, 100);
        assert_eq!(planned.len(), all.len() * 3 + 100);
        assert_eq!(planned.iter().collect::<BTreeSet<_>>().len(), planned.len());
        assert_eq!(planned, subjects(&all, "v", 3, 100));
        let first = &planned[..all.len() + 33];
        assert_eq!(first.iter().filter(|subject| subject.defect.is_none()).count(), 33);
        assert!(planned.iter().any(|subject| subject.defect.is_none() && subject.seed == 3), "no second round");
    }

    #[test]
    fn an_unknown_defect_gets_the_nearest() {
        let failure = expected(&["livemode-ignord".into()]).unwrap_err();
        assert!(failure.message.contains("did you mean livemode-ignored"), "{}", failure.message);
    }
}
