//! A planted defect is found by the check that it breaks, told as a story, and named by the service itself.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::Value;

use crate::support::{PATIENCE, Place, Running, flash_sale, json, read_environment, until};

const DEFECT: &str = "sold-count-read-then-written";

#[test]
fn a_planted_defect_is_found_and_its_story_stands_in_the_history() {
    let Some(place) = Place::for_runs() else { return };
    place.write("small.toml", &flash_sale(20, 3));
    let run = place.start(&["run", "small.toml", "--seed", "11", "--defect", DEFECT]);
    assert_eq!(health(&run)["defect"], DEFECT, "/health does not name the defect");
    run.end().exits(1).says(&["Invalid", "leads.capacity", &format!("--seed 11 --defect {DEFECT}")]);
    assert_eq!(place.left_behind(), Vec::<String>::new());

    let verdict = json(place.latest("verdict.json"));
    assert_eq!((&verdict["validity"], &verdict["exit_code"]), (&"invalid".into(), &1.into()));
    assert_eq!(verdict["provenance"]["defect"], DEFECT);
    assert!(verdict["cause"].as_str().unwrap().starts_with("leads.capacity"), "{}", verdict["cause"]);
    let checks = verdict["scenarios"][0]["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["id"] == "leads.capacity").unwrap();
    assert_eq!(check["validity"], "invalid");
    let oversold = verdict["money"].as_array().unwrap().iter().find(|stake| stake["id"] == "leads-oversold").unwrap();
    assert!(oversold["amount"].as_i64().unwrap() > 0, "{oversold}");

    let history = fs::read_to_string(place.latest("history.jsonl")).unwrap();
    let events = history.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let asked: BTreeSet<u64> =
        events.filter(|event| event["type"] == "invoke").map(|event| event["op"].as_u64().unwrap()).collect();
    let findings = check["findings"].as_array().unwrap();
    assert!(!findings.is_empty());
    for finding in findings {
        assert!(!finding["summary"].as_str().unwrap().is_empty());
        let story = finding["story"].as_array().unwrap();
        assert!(!story.is_empty(), "no story: {finding}");
        for line in story {
            assert!(asked.contains(&line["op"].as_u64().unwrap()), "the history has no such operation: {line}");
        }
    }
    let junit = fs::read_to_string(place.latest("junit.xml")).unwrap();
    assert!(junit.contains("<failure") && junit.contains("leads.capacity"), "{junit}");

    let bytes = fs::read(place.latest("verdict.json")).unwrap();
    place.run(&["check"]).exits(1);
    assert_eq!(fs::read(place.latest("verdict.json")).unwrap(), bytes);
}

/// What an instance of a run says of itself.
fn health(run: &Running) -> Value {
    until("an instance that answers /health", PATIENCE, || {
        let instances = run.family().into_iter().filter(|process| process.command.contains(" serve "));
        let mut addresses = instances.filter_map(|process| read_environment(process.pid, "LISTEN"));
        addresses.find_map(|address| ask(&address).ok())
    })
}

fn ask(address: &str) -> std::io::Result<Value> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    serde_json::from_str(body).map_err(Into::into)
}
