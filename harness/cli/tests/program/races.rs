//! How races are released is what the target file says, and how far apart two requests hurt is found out.

use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
};

use serde_json::Value;

use crate::support::{Place, flash_sale, json, reference_but};

const SINGLE_WRITE: (&str, &str) = ("[service]", "[service]\nraces = \"single-write\"");

#[test]
fn a_target_that_speaks_http_2_has_its_races_released_in_a_single_write() {
    let Some(place) = Place::for_runs() else { return };
    place.write("small.toml", &flash_sale(20, 2));
    place.write("target.toml", &reference_but(&[SINGLE_WRITE]));
    place.run(&["run", "small.toml", "--seed", "3", "--target", "target.toml"]).exits(0);
    let races = json(place.latest("verdict.json"))["scenarios"][0]["measured"]["races"].clone();
    let races = races.as_array().unwrap();
    assert!(!races.is_empty());
    for race in races {
        assert_eq!((&race["release"], &race["took_part"]), (&"single-write".into(), &20.into()), "{race}");
        assert!(race["overlapped"].as_u64() >= Some(16), "{race}");
    }
    assert_eq!(place.left_behind(), Vec::<String>::new());
}

/// The same release without a thing between the requests: a defect is found by it as well.
#[test]
fn a_single_write_finds_what_races() {
    let Some(place) = Place::for_runs() else { return };
    place.write("small.toml", &flash_sale(20, 2));
    place.write("target.toml", &reference_but(&[SINGLE_WRITE]));
    let defect = "sold-count-read-then-written";
    place
        .run(&["run", "small.toml", "--seed", "3", "--target", "target.toml", "--defect", defect])
        .exits(1)
        .says(&["leads.capacity"]);
}

/// Answers every connection as a server of HTTP/1.1 does that knows nothing else.
fn only_http_1() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // It ends with the test's process.
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut asked = [0; 1_024];
            let read = stream.read(&mut asked).unwrap_or(0);
            let status = if asked[..read].starts_with(b"GET") { "200 OK" } else { "400 Bad Request" };
            let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_does_not_speak_http_2_is_refused_before_it_is_driven() {
    let Some(place) = Place::for_runs() else { return };
    let (server, _keeper) = place.server().await;
    let database = server.create_database("theirs", &[]).await.unwrap();
    let target = reference_but(&[
        (r#"prepare = ["{overdraft}", "migrate"]"#, "races = \"single-write\""),
        (r#"command = ["{overdraft}", "serve", "--test-clock"]"#, &format!("base_urls = [\"{}\"]", only_http_1())),
        (r#"defect_args = ["--defect", "{defect}"]"#, ""),
        ("[database]", &format!("[database]\nurl = \"{}\"", database.url())),
    ]);
    place.write("target.toml", &target);
    place.write("small.toml", &flash_sale(20, 1));
    place
        .run(&["run", "small.toml", "--target", "target.toml"])
        .exits(2)
        .complains(&["service.races = \"single-write\"", "does not speak HTTP/2", "\"last-byte\""])
        .once();
    assert_eq!(place.asked(), 0);
    database.remove().await.unwrap();
    server.stop().await;
}

#[test]
fn how_often_both_of_a_pair_win_is_told_by_their_distance() {
    let Some(place) = Place::for_runs() else { return };
    let pairs = r#"id = "pairs"
title = "Pairs"
breaks = "Two purchases of what there is once."
proves = ["leads.capacity"]
workload = { kind = "pair-offsets", price = 20, scarce = "lead", up_to = "100ms" }
load = { users = 2, rounds = 60 }
"#;
    place.write("pairs.toml", pairs);
    let defect = "sold-count-read-then-written";
    place.run(&["run", "pairs.toml", "--seed", "4", "--defect", defect]).exits(1);
    let scenario = json(place.latest("verdict.json"))["scenarios"][0].clone();
    let checks = scenario["checks"].as_array().unwrap();
    let observed = checks.iter().find(|check| check["id"] == "run.exercised").unwrap()["observed"].as_str().unwrap();
    assert!(observed.contains("both won in") && observed.contains("95 % interval"), "{observed}");
    let offsets = scenario["measured"]["offsets"].as_array().unwrap();
    let number = |one: &Value, name: &str| one[name].as_u64().unwrap();
    assert!(offsets.iter().any(|one| number(one, "both_won") > 0), "{offsets:?}");
    for one in offsets {
        let share = number(one, "both_won") * 1_000 / number(one, "pairs");
        assert!(number(one, "low_permille") <= share && share <= number(one, "high_permille"), "{one}");
    }
    let page = std::fs::read_to_string(place.latest("report.html")).unwrap();
    assert!(page.contains("Two requests of which only one may win"));
    place.write("three.toml", &pairs.replace("users = 2", "users = 3"));
    place.run(&["run", "three.toml"]).exits(2).complains(&["load.users: a pair is 2 users, not 3"]).once();
}
