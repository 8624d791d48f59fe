//! Subcommands that start no run: what they tell, and what they say to a folder that is no run.

use std::fs;

use crate::support::Place;

#[test]
fn list_names_what_run_and_explain_take() {
    let place = Place::new();
    let told = place.run(&["list"]).exits(0).says(&["suites", "gate", "flash-sale", "targets", "reference"]);
    let names = |title: &str| -> Vec<String> {
        let rows = told.stdout.lines().skip_while(|line| !line.starts_with(title)).skip(1);
        let rows = rows.take_while(|line| !line.is_empty());
        rows.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
    };
    let (scenarios, checks, defects) = (names("scenarios"), names("checks"), names("defects"));
    assert!(scenarios.len() >= 5 && checks.len() >= 8 && defects.len() >= 5, "{}", told.stdout);
    for scenario in scenarios {
        place.run(&["run", &scenario, "--dry-run"]).exits(0).says(&[&format!("{scenario}: ")]);
    }
    for check in checks.iter().filter(|check| !check.contains('*')) {
        place.run(&["explain", check]).exits(0).says(&[check, "promise", "evidence", "incident", "remedy"]);
    }
    for defect in defects {
        place.run(&["run", "--defect", &defect, "--dry-run"]).exits(0).says(&[&defect]);
    }
}

#[test]
fn doctor_answers_and_leaves_nothing() {
    let place = Place::new();
    let told = place.run(&["doctor"]).says(&["PostgreSQL", "runs folder", "processors"]);
    assert!(matches!(told.code, Some(0 | 3)), "{told:?}");
    assert_eq!(told.stderr, "");
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2);
    assert_eq!(place.left_behind(), Vec::<String>::new());
}

#[test]
fn a_folder_that_is_no_run_is_refused() {
    let place = Place::new();
    fs::create_dir(place.at("empty")).unwrap();
    for command in ["check", "report", "replay"] {
        for folder in ["nowhere", "empty"] {
            place.run(&[command, folder]).exits(2).complains(&["cannot read", folder, "manifest.json"]).once();
        }
    }
    assert_eq!(fs::read_dir(place.at("empty")).unwrap().count(), 0, "something was written");
}

#[test]
fn the_bundled_service_without_its_settings_says_which() {
    let place = Place::new();
    for command in ["serve", "migrate"] {
        place.run(&[command]).exits(2).complains(&["DATABASE_URL"]).once();
    }
}
