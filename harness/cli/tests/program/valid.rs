//! A run in which every check holds: its files, its words, and everything that can be done with them again.

use std::{fs, path::Path};

use crate::support::{Place, flash_sale, json};

const FILES: [&str; 7] =
    ["manifest.json", "history.jsonl", "evidence.json", "verdict.json", "report.html", "junit.xml", "summary.md"];

#[test]
fn a_valid_run_can_be_judged_reported_and_repeated() {
    let Some(place) = Place::for_runs() else { return };
    place.write("small.toml", &flash_sale(20, 2));
    let told = place.run(&["run", "small.toml", "--seed", "5", "--format", "json"]).exits(0);
    assert_eq!(place.left_behind(), Vec::<String>::new());

    let folder = fs::canonicalize(place.at("runs/latest")).unwrap();
    let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
    assert!(name.ends_with("-5"), "{name}");
    for file in FILES {
        assert!(fs::metadata(folder.join(file)).unwrap().len() > 0, "{file} is empty");
    }
    for log in ["postgresql.log", "small/prepare.log", "small/instance-0.log", "small/instance-1.log"] {
        assert!(folder.join("logs").join(log).is_file(), "no {log}");
    }
    assert_eq!(told.stdout, fs::read_to_string(folder.join("verdict.json")).unwrap());
    assert_eq!(told.stderr, "[1/1] small\n");
    let verdict = json(folder.join("verdict.json"));
    assert_eq!((&verdict["validity"], &verdict["exit_code"]), (&"valid".into(), &0.into()));
    assert_eq!(verdict["provenance"]["run"], name.as_str());
    assert_eq!(verdict["provenance"]["replay"], "overdraft run small.toml --seed 5");

    judged_again(&place, &folder);
    reported_again(&place, &folder);
    damaged(&place, &folder);
    replayed(&place, &folder);
}

fn judged_again(place: &Place, folder: &Path) {
    let files = || ["verdict.json", "report.html", "junit.xml", "summary.md"].map(|name| fs::read(folder.join(name)));
    let before = files().map(Result::unwrap);
    fs::remove_file(folder.join("verdict.json")).unwrap();
    place.run(&["check", folder.to_str().unwrap()]).exits(0).says(&["Valid", "report.html"]);
    assert_eq!(files().map(Result::unwrap), before, "judging again gave other bytes");
    place.run(&["check"]).exits(0);
    for (format, file) in [("json", "verdict.json"), ("markdown", "summary.md"), ("junit", "junit.xml")] {
        let told = place.run(&["check", "runs/latest", "--format", format]).exits(0);
        assert_eq!(told.stdout, fs::read_to_string(folder.join(file)).unwrap());
        assert_eq!(told.stderr, "");
    }
}

fn reported_again(place: &Place, folder: &Path) {
    let before = fs::read(folder.join("report.html")).unwrap();
    fs::remove_file(folder.join("report.html")).unwrap();
    place.run(&["report", "runs/latest"]).exits(0);
    assert_eq!(fs::read(folder.join("report.html")).unwrap(), before);
    place.run(&["report", "runs/latest", "--baseline", "runs/latest"]).exits(0);
    place.run(&["report", "--baseline", "nowhere"]).exits(2).complains(&["--baseline: ", "nowhere"]).once();
}

/// What a crash or a careless hand makes of the folder is said, and never judged as if it were whole.
fn damaged(place: &Place, folder: &Path) {
    let copy = |name: &str| {
        let to = place.at(name);
        fs::create_dir(&to).unwrap();
        for file in ["manifest.json", "history.jsonl", "evidence.json"] {
            fs::copy(folder.join(file), to.join(file)).unwrap();
        }
        to
    };
    let history = fs::read_to_string(folder.join("history.jsonl")).unwrap();

    let cut = copy("cut");
    fs::write(cut.join("history.jsonl"), &history[..history.len() - 20]).unwrap();
    place.run(&["check", "cut"]).exits(3).complains(&["the run was cut off"]);

    let torn = copy("torn");
    fs::write(torn.join("history.jsonl"), history.replacen("\"type\"", "rubbish", 3)).unwrap();
    place.run(&["check", "torn"]).exits(2).complains(&["torn/history.jsonl: line 1 is not an event"]).once();

    let unproven = copy("unproven");
    fs::remove_file(unproven.join("evidence.json")).unwrap();
    place.run(&["check", "unproven"]).exits(3).says(&["no evidence was collected"]);

    let other = copy("other");
    let manifest = fs::read_to_string(folder.join("manifest.json")).unwrap();
    fs::write(other.join("manifest.json"), manifest.replacen("\"format\": 1", "\"format\": 99", 1)).unwrap();
    place.run(&["check", "other"]).exits(2).complains(&["written in format 99"]).once();
}

fn replayed(place: &Place, folder: &Path) {
    let told = place.run(&["replay", folder.join("manifest.json").to_str().unwrap(), "--out", "again"]).exits(0);
    assert!(told.stderr.contains("the saved run was valid, this one is valid"), "{}", told.stderr);
    assert!(!told.stderr.contains("not the one of the saved run"), "{}", told.stderr);
    let (before, after) = (json(folder.join("manifest.json")), json(place.at("again/manifest.json")));
    assert_eq!(after["scenarios"][0]["script"], before["scenarios"][0]["script"]);
    for field in ["seed", "target", "configuration", "replay"] {
        assert_eq!(after["provenance"][field], before["provenance"][field], "{field}");
    }
    assert_eq!(fs::canonicalize(place.at("runs/latest")).unwrap(), folder, "--out moved `latest`");
}
