//! The proof of the detector, on real runs: what is written down, what is never made twice, and what was not run.

use std::fs;

use serde_json::{Value, json as value};

use crate::support::{Place, json};

const DEFECT: &str = "livemode-ignored";
/// Where the catalogue says that it is found.
const SCENARIO: &str = "CF-15";
/// The first of the clean runs.
const CLEAN: &str = "CF-01";
const PROVE: [&str; 9] = ["prove", "--defect", DEFECT, "--seeds", "1", "--clean", "1", "--out", "proof"];

/// The results, and what is no result.
fn lines(place: &Place) -> (Vec<Value>, Vec<String>) {
    let (mut results, mut others) = (Vec::new(), Vec::new());
    for line in fs::read_to_string(place.at("proof/results.jsonl")).unwrap().lines() {
        match serde_json::from_str(line) {
            Ok(result) => results.push(result),
            Err(_) => others.push(line.to_owned()),
        }
    }
    (results, others)
}

/// What was run, of a result.
fn subject(result: &Value) -> Value {
    value!([result["defect"], result["scenario"], result["seed"]])
}

#[test]
fn a_defect_is_proven_once_and_for_all_and_a_torn_result_is_made_again() {
    let Some(place) = Place::for_runs() else { return };
    let caught = format!("[1/2] {DEFECT} in {SCENARIO}, seed 1: caught (");
    let valid = format!("[2/2] correct in {CLEAN}, seed 1: valid (nothing)");
    place
        .run(&PROVE)
        .exits(0)
        .complains(&["2 runs planned, 0 of them done before; ", "; no budget", &caught, &valid])
        .says(&["1 of 1 defects caught", "0 false alarms in 1 clean run", "matrix  proof/matrix.html"]);
    let (results, others) = lines(&place);
    assert_eq!(others, Vec::<String>::new());
    let subjects: Vec<Value> = results.iter().map(subject).collect();
    assert_eq!(subjects, [value!([DEFECT, SCENARIO, 1]), value!([null, CLEAN, 1])]);
    let [planted, clean] = &results[..] else { panic!("{results:?}") };
    assert_eq!((&planted["validity"], &clean["validity"]), (&"invalid".into(), &"valid".into()));
    assert!(planted["invalid"].as_array().unwrap().contains(&"webhooks.authentic".into()), "{planted}");
    assert_eq!((&clean["invalid"], &clean["unknown"]), (&value!([]), &value!([])), "{clean}");

    let matrix = json(place.at("proof/matrix.json"));
    let row = &matrix["rows"][0];
    assert_eq!(matrix["rows"].as_array().unwrap().len(), 1);
    assert_eq!((&row["caught_by"], &row["standing"]), (&"webhooks.authentic".into(), &"caught".into()));
    assert_eq!(value!([row["planned"], row["ran"], row["caught"], row["by_stated"]]), value!([1, 1, 1, 1]), "{row}");
    let clean = &matrix["clean"];
    assert_eq!(value!([clean["planned"], clean["ran"], clean["false_alarms"]]), value!([1, 1, []]), "{clean}");
    for name in ["matrix.md", "matrix.html"] {
        let text = fs::read_to_string(place.at("proof").join(name)).unwrap();
        assert!(text.contains(DEFECT) && text.contains("1 of 1"), "{name}:\n{text}");
    }
    assert_eq!(fs::read_dir(place.at("proof/runs")).unwrap().count(), 0, "runs as expected were kept");
    assert_eq!(place.left_behind(), Vec::<String>::new());

    let written = fs::read(place.at("proof/results.jsonl")).unwrap();
    let again = place.run(&PROVE).exits(0).complains(&["2 runs planned, 2 of them done before; "]);
    assert!(!again.stderr.contains("[1/"), "a run was made anew:\n{}", again.stderr);
    assert_eq!(fs::read(place.at("proof/results.jsonl")).unwrap(), written);
    assert_eq!(json(place.at("proof/matrix.json"))["rows"], matrix["rows"]);

    let torn = &written[..written.len() - 20];
    fs::write(place.at("proof/results.jsonl"), torn).unwrap();
    place
        .run(&PROVE)
        .exits(0)
        .complains(&["2 runs planned, 1 of them done before; ", &format!("[1/1] correct in {CLEAN}, seed 1: valid")]);
    assert!(fs::read(place.at("proof/results.jsonl")).unwrap().starts_with(torn), "not only appended to");
    let (results, others) = lines(&place);
    assert_eq!(results.iter().map(subject).collect::<Vec<_>>(), subjects);
    assert_eq!(others.len(), 1, "{others:?}");
    assert_eq!(place.left_behind(), Vec::<String>::new());
}

#[test]
fn what_does_not_fit_into_the_budget_is_not_run_and_shown_so() {
    let place = Place::new();
    place
        .run(&[&PROVE[..], &["--budget", "1s"]].concat())
        .exits(3)
        .complains(&["2 runs planned, 0 of them done before; ", "; budget 1s"])
        .says(&["0 of 1 defects caught", "1 not run often enough to tell", "1 of 1 clean runs not made"]);
    assert_eq!(fs::read_to_string(place.at("proof/results.jsonl")).unwrap(), "");
    assert_eq!(json(place.at("proof/matrix.json"))["rows"][0]["not_run"], value!([1]));
    for name in ["matrix.md", "matrix.html"] {
        let text = fs::read_to_string(place.at("proof").join(name)).unwrap();
        assert!(text.contains("0 of 0") && text.contains("not run: seed 1"), "{name}:\n{text}");
    }
    assert_eq!(fs::read_dir(place.at("proof/runs")).unwrap().count(), 0);
}

#[test]
fn what_cannot_be_proven_is_refused_and_nothing_is_written() {
    let place = Place::new();
    for (arguments, about) in
        [(["--defect", "livemode-ignord"], "did you mean livemode-ignored"), (["--budget", "soon"], "--budget: ")]
    {
        let arguments = [&["prove", "--out", "proof"][..], &arguments].concat();
        place.run(&arguments).exits(2).complains(&[about]).once();
        assert!(!place.at("proof").exists(), "{arguments:?}");
    }
    place.run(&["prove", "--out", "proof", "--clean", "18446744073709551615"]).exits(2).complains(&["0..=1000000"]);
    assert!(!place.at("proof").exists());
}
