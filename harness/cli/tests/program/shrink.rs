//! A violation made small, on real runs: what is left still shows it, and a correct service passes what is left.

use std::{fs, time::Duration};

use crate::support::{Place, json};

const DEFECT: &str = "debit-before-purchase";
/// Whoever loses the race has paid: no luck is needed to see it again.
const SALE: &str = r#"
id = "small"
title = "A small flash sale"
breaks = "A few buyers, one lead, the same instant."
proves = ["leads.capacity", "purchase.atomic"]
workload = { kind = "flash-sale", price = 30, balance = 1000, max_sales = [1] }
load = { users = 3, rounds = 1 }
faults = [{ at = "0s", for = "300ms", fault = { kind = "tcp", between = "clients-service", toxic = { action = { type = "latency", latency = 5, jitter = 0 } } } }]
"#;

#[test]
fn a_violation_is_made_small_and_the_regression_tells_good_from_bad() {
    let Some(place) = Place::for_runs() else { return };
    place.write("small.toml", SALE);
    place.run(&["run", "small.toml", "--seed", "3", "--defect", DEFECT, "--out", "whole"]).exits(1);

    let manifest = fs::read_to_string(place.at("whole/manifest.json")).unwrap();
    assert!(manifest.contains(DEFECT));
    place.write("whole/manifest.json", &manifest.replace(&format!("\"{DEFECT}\""), "null"));
    for _ in 0..2 {
        let mended = ["shrink", "whole", "--check", "purchase.atomic", "--tries", "1"];
        place.run(&mended).exits(3).complains(&["purchase.atomic was not violated again in 1 run: "]).once();
    }
    place.write("whole/manifest.json", &manifest);

    let check = ["shrink", "whole", "--check", "purchase.atomic", "--tries", "1", "--budget", "5m"];
    place
        .start(&check)
        .end_within(Duration::from_secs(330))
        .exits(0)
        .complains(&["purchase.atomic in small, seed 3: ", "users 3, steps 6, faults 1: shows it"])
        .says(&["was     users 3, steps 6, faults 1", "is      users 2, steps 2, faults 0", "5 of 5 runs of it"]);
    let text = fs::read_to_string(place.at("whole/shrink/regression.toml")).unwrap();
    assert!(text.starts_with("# A regression of purchase.atomic, made by `overdraft shrink` from the run "), "{text}");
    assert!(text.contains("seed = 3\n") && !text.contains("latency"), "{text}");
    let verdict = json(place.at("whole/shrink/smallest/verdict.json"));
    assert_eq!((&verdict["exit_code"], &verdict["provenance"]["seed"]), (&1.into(), &3.into()));
    assert!(fs::read_dir(place.at("whole/shrink")).unwrap().count() == 2, "something is left that nobody needs");

    let regression = "whole/shrink/regression.toml";
    place.run(&["run", regression, "--defect", DEFECT]).exits(1).says(&["purchase.atomic"]);
    place.run(&["run", regression]).exits(0);
    place.run(&["run", regression, "--seed", "4", "--dry-run"]).exits(0).says(&["seed 4"]);
    place.run(&["run", regression, "--users", "9"]).exits(2).complains(&["keeps steps"]).once();
    place.run(&check).exits(2).complains(&["is not empty"]).once();
    assert_eq!(place.left_behind(), Vec::<String>::new());
}

#[test]
fn what_cannot_be_shrunk_is_refused_with_its_reason() {
    let place = Place::new();
    let fixture = |name: &str| format!("{}/../../fixtures/histories/{name}", env!("CARGO_MANIFEST_DIR"));
    for (folder, more, about) in [
        (fixture("leads.capacity/good"), vec![], "has no violation"),
        (fixture("leads.capacity/good"), vec!["--check", "leads.capacity"], "has no violation"),
        (fixture("leads.capacity/bad"), vec!["--check", "limits.enforced"], "no violation of `limits.enforced`; "),
        (fixture("leads.capacity/bad"), vec!["--check", "leads.capacty"], "did you mean leads.capacity"),
        (fixture("flow.expected/bad"), vec!["--check", "flow.expected"], "belongs to all of its steps"),
        (fixture("latency.purchase/bad"), vec![], "a limit on all operations together"),
        (fixture("leads.capacity/bad"), vec!["--budget", "soon", "--out", "there"], "--budget: "),
        ("nowhere".to_owned(), vec![], "cannot read"),
    ] {
        let arguments = [&["shrink", folder.as_str()][..], &more].concat();
        place.run(&arguments).exits(2).complains(&[about]).once();
    }
    assert!(!place.at("there").exists());
}
