//! A defect that only a crash shows: a buyer who goes away is charged for nothing.

use std::fs;

use crate::support::{Place, json};

const SMALL: &str = r#"
id = "boundaries"
title = "A purchase, struck at each boundary"
breaks = "A purchase."
proves = ["purchase.atomic"]
workload = { kind = "every-boundary", price = 10, credits = 50, most = 80, paid_event = "checkout.session.completed", refund_event = "charge.refunded", operations = ["purchase"] }
load = { users = 2, rounds = 1, at_most = "5m" }
"#;

#[test]
fn a_debit_before_the_purchase_is_found_by_a_crash_in_between() {
    let Some(place) = Place::for_runs() else { return };
    place.write("small.toml", SMALL);
    place.run(&["run", "small.toml", "--seed", "3", "--defect", "debit-before-purchase"]).exits(1);
    let verdict = json(place.latest("verdict.json"));
    let checks = verdict["scenarios"][0]["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["id"] == "purchase.atomic").unwrap();
    assert_eq!(check["validity"], "invalid", "{check}");
    assert!(!check["findings"][0]["story"].as_array().unwrap().is_empty(), "no story: {check}");
    let covered = &verdict["scenarios"][0]["measured"]["boundaries"][0];
    assert_eq!(covered["covered"], covered["boundaries"], "{covered}");
    let history = fs::read_to_string(place.latest("history.jsonl")).unwrap();
    assert!(history.contains("\"type\":\"struck\"") && history.contains("\"client\":\"gives-up\""));
}
