//! Histories of other tools in, histories for other tools out.

use std::{fs, path::Path};

use crate::support::Place;

fn fixture(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name).display().to_string()
}

#[test]
fn histories_in_porcupines_formats_get_their_exit_codes() {
    let place = Place::new();
    let judged = |format: &str, name: &str, more: &[&str]| {
        let file = fixture(&format!("porcupine/{name}"));
        place.run(&[&["check", "--format", format, &file], more].concat())
    };
    for (format, name) in [
        ("porcupine-register", "register/valid.log"),
        ("porcupine-register", "register/valid-timeouts.log"),
        ("porcupine-kv", "kv/valid.txt"),
    ] {
        judged(format, name, &[]).exits(0).says(&[": linearizable ("]);
        judged(format, name, &["--steps", "2"]).exits(3).says(&["not known", "no answer after 2 steps"]);
    }
    for (format, name, stuck) in [
        ("porcupine-register", "register/invalid-stale-read.log", "! Read at line 6: Value(Some(1)) must come next"),
        ("porcupine-register", "register/invalid-cas.log", "must come next, and cannot"),
        ("porcupine-kv", "kv/invalid-lost-append.txt", "key \"0\": at most 2 operations can be put in order"),
        ("porcupine-kv", "kv/invalid-order.txt", "holds \"ab\""),
    ] {
        judged(format, name, &[]).exits(1).says(&[": not linearizable (", stuck]);
    }
    assert!(!place.at("runs").exists());
}

#[test]
fn what_is_not_of_the_format_is_refused() {
    let place = Place::new();
    place.write("other.log", "hello\n");
    place.write("broken.log", "INFO  jepsen.util - 0 :invoke :write three\n");
    let register = ["check", "--format", "porcupine-register"];
    for (file, about) in
        [("nowhere.log", "cannot read nowhere.log"), ("other.log", "no line"), ("broken.log", "line 1")]
    {
        place.run(&[&register[..], &[file]].concat()).exits(2).complains(&[about]).once();
    }
    place.run(&["check", "nowhere", "--steps", "5"]).exits(2).complains(&["--steps", "porcupine"]).once();
}

#[test]
fn what_nobody_answered_is_not_known_to_be_linearizable() {
    let place = Place::new();
    place.write("asked.log", "INFO  jepsen.util - 0 :invoke :write 3\nINFO  jepsen.util - 0 :info :write :timed-out\n");
    place.write("asked.txt", "{:process 0, :type :invoke, :f :get, :key \"a\", :value nil}\n");
    for (format, file) in [("porcupine-register", "asked.log"), ("porcupine-kv", "asked.txt")] {
        let told = place.run(&["check", "--format", format, file]).exits(3);
        told.says(&["not known to be linearizable", "nothing was answered"]);
    }
}

#[test]
fn of_many_violated_keys_each_is_told_and_few_are_made_smaller() {
    let place = Place::new();
    let mut log = String::new();
    for key in 0..300 {
        for (kind, f, value) in
            [("invoke", "put", "\"1\""), ("ok", "put", "\"1\""), ("invoke", "get", "nil"), ("ok", "get", "\"9\"")]
        {
            log.push_str(&format!("{{:process 0, :type :{kind}, :f :{f}, :key \"{key}\", :value {value}}}\n"));
        }
    }
    place.write("many.txt", &log);
    let told = place.run(&["check", "--format", "porcupine-kv", "many.txt"]).exits(1);
    assert_eq!(told.stdout.matches("must come next, and cannot").count(), 300, "{}", told.stdout);
    assert_eq!(told.stdout.matches("no order holds:\n    Get(").count(), 3, "{}", told.stdout);
}

#[test]
fn a_history_is_exported_for_jepsen() {
    let place = Place::new();
    let run = fixture("histories/leads.capacity/bad");
    let told = place.run(&["export", &run, "--format", "edn"]).exits(0);
    let events = fs::read_to_string(Path::new(&run).join("history.jsonl")).unwrap();
    assert_eq!(told.stdout.lines().count(), events.lines().count());
    assert!(told.stdout.lines().all(|line| line.starts_with("{:index ") && line.ends_with('}')), "{}", told.stdout);
    told.says(&[
        ":type :invoke, :process 1, :f :purchase, :value {:key \"race-1\", :leads [\"flash-1\"], :workspace \"buyer-1\"}",
        ":type :fail, :process 2, :f :purchase",
    ]);
    place.run(&["export", "nowhere"]).exits(2).complains(&["cannot read nowhere"]).once();
}
