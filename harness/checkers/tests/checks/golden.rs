//! Walks `fixtures/histories`: each check calls its good history good and catches its bad one.
//!
//! The files are read as `overdraft check` reads a run folder. `OVERDRAFT_BLESS=1` writes them anew from
//! [`crate::stories`]; look at the difference before you keep it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use overdraft_model::{
    codec,
    evidence::RunEvidence,
    history::History,
    manifest::Manifest,
    verdict::{Validity, Verdict},
};
use serde::{Deserialize, Serialize};

use crate::{shop::Shop, stories};

/// `expected.json`.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Expected {
    validity: Validity,
    checks: BTreeMap<String, ExpectedCheck>,
    money: BTreeMap<String, i64>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct ExpectedCheck {
    validity: Validity,
    findings: usize,
}

fn folder(check: &str, kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/histories").join(check).join(kind)
}

fn judged(folder: &Path) -> Verdict {
    let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let manifest: Manifest = serde_json::from_str(&text("manifest.json")).unwrap();
    let evidence: RunEvidence = serde_json::from_str(&text("evidence.json")).unwrap();
    let saved = codec::read_events(text("history.jsonl").as_bytes()).unwrap();
    overdraft_checkers::judge(&manifest, &History::from_events(saved.events).unwrap(), &evidence)
}

fn seen(verdict: &Verdict) -> Expected {
    let checks = verdict.scenarios[0]
        .checks
        .iter()
        .map(|check| (check.id.clone(), ExpectedCheck { validity: check.validity, findings: check.findings.len() }));
    let money = verdict.money.iter().map(|stake| (stake.id.clone(), stake.amount));
    Expected { validity: verdict.validity, checks: checks.collect(), money: money.collect() }
}

fn write(folder: &Path, shop: &Shop) {
    fs::create_dir_all(folder).unwrap();
    let mut history = Vec::new();
    shop.events.iter().for_each(|event| codec::write_event(&mut history, event).unwrap());
    fs::write(folder.join("history.jsonl"), history).unwrap();
    save(&folder.join("manifest.json"), &shop.manifest);
    save(&folder.join("evidence.json"), &RunEvidence { scenarios: vec![shop.evidence.clone()] });
    save(&folder.join("expected.json"), &seen(&judged(folder)));
}

fn save(file: &Path, value: &impl Serialize) {
    fs::write(file, serde_json::to_string_pretty(value).unwrap() + "\n").unwrap();
}

#[test]
fn golden_histories_are_judged_as_expected() {
    for story in stories::all() {
        for (kind, shop) in [("good", &story.good), ("bad", &story.bad)] {
            let folder = folder(story.check, kind);
            if std::env::var_os("OVERDRAFT_BLESS").is_some() {
                write(&folder, shop);
            }
            let verdict = judged(&folder);
            let expected: Expected =
                serde_json::from_str(&fs::read_to_string(folder.join("expected.json")).unwrap()).unwrap();
            assert_eq!(seen(&verdict), expected, "{}: {verdict:#?}", folder.display());
        }
    }
}

#[test]
fn good_is_valid_and_bad_is_caught_by_exactly_that_check() {
    for story in stories::all() {
        let good = judged(&folder(story.check, "good"));
        assert_eq!((good.validity, good.exit_code), (Validity::Valid, 0), "{}: {}", story.check, good.cause);
        assert!(good.scenarios[0].checks.iter().any(|check| check.id == story.check && check.evidence > 0));
        assert!(good.money.iter().all(|stake| stake.amount == 0), "{}: {:?}", story.check, good.money);

        let bad = judged(&folder(story.check, "bad"));
        let (wanted, code) = match story.check {
            "run.exercised" => (Validity::Unknown, 3),
            _ => (Validity::Invalid, 1),
        };
        assert_eq!((bad.validity, bad.exit_code), (wanted, code), "{}: {}", story.check, bad.cause);
        let caught = bad.scenarios[0].checks.iter().filter(|check| check.validity != Validity::Valid);
        let caught: BTreeSet<&str> = caught.map(|check| check.id.as_str()).collect();
        let expected: BTreeSet<&str> = [story.check].into_iter().chain(story.also.iter().copied()).collect();
        assert_eq!(caught, expected, "{}: {}", story.check, bad.cause);
    }
}

#[test]
fn every_check_of_the_catalogue_has_its_story_and_every_folder_belongs_to_one() {
    let told: BTreeSet<&str> = stories::all().iter().map(|story| story.check).collect();
    for info in overdraft_checkers::catalogue::CHECKS {
        let family = info.id.trim_end_matches('*');
        assert!(told.iter().any(|check| check.starts_with(family)), "{} has no golden history", info.id);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/histories");
    let on_disk = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name());
    let on_disk: BTreeSet<String> = on_disk.map(|name| name.to_string_lossy().into_owned()).collect();
    assert_eq!(on_disk, told.iter().map(|check| (*check).to_owned()).collect::<BTreeSet<_>>());
}

#[test]
fn findings_tell_a_story_of_few_lines_in_order() {
    for story in stories::all().iter().filter(|story| story.check != "run.exercised") {
        let verdict = judged(&folder(story.check, "bad"));
        for finding in verdict.scenarios[0].checks.iter().flat_map(|check| &check.findings) {
            assert!(!finding.story.is_empty() && finding.story.len() <= 8, "{finding:?}");
            assert!(finding.story.is_sorted_by_key(|line| (line.start_us, line.op)), "{finding:?}");
        }
    }
}
