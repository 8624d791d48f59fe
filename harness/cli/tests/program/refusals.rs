//! What cannot work is refused before anything starts: exit 2, the place, and what was probably meant.

use std::{fs, time::Instant};

use crate::support::{PATIENCE, Place, flash_sale, reference_but};

/// Runs what must be refused, and insists that no run was begun.
#[track_caller]
fn refused(place: &Place, arguments: &[&str], about: &[&str]) {
    let began = Instant::now();
    let told = place.run(arguments).exits(2).complains(about).once();
    assert_eq!(told.stdout, "", "a refusal belongs on standard error");
    assert!(!place.at("runs").exists(), "a run was begun");
    assert!(began.elapsed() < PATIENCE / 4, "a refusal took {:?}", began.elapsed());
}

#[test]
fn a_name_that_does_not_exist_gets_the_nearest() {
    let place = Place::new();
    for (arguments, about) in [
        (vec!["run", "flahs-sale"], "no scenario `flahs-sale`; did you mean flash-sale?"),
        (vec!["run", "gatte"], "did you mean gate?"),
        (vec!["run", "--target", "referense"], "no target `referense`; did you mean reference?"),
        (vec!["run", "--defect", "sold-count-read"], "did you mean sold-count-read-then-written"),
        (vec!["explain", "leads.capacty"], "no check `leads.capacty`; did you mean leads.capacity?"),
        (vec!["serve", "--defect", "email-failure-swalowed"], "did you mean email-failure-swallowed?"),
        (vec!["run", "--postgres", "docke"], "none of auto, local, docker, download"),
        (vec!["run", "--duration", "soon"], "--duration: `soon` is not a duration"),
        (vec!["run", "--duration", "1000h"], "--duration: 1000h"),
    ] {
        refused(&place, &arguments, &[about]);
    }
    place.run(&["run", "nonsense"]).exits(2).complains(&["there are: gate, chaos, critical-flows, cases, flash-sale"]);
}

#[test]
fn a_file_of_settings_is_refused_for_what_is_no_setting() {
    let place = Place::new();
    place.write("settings.toml", "database_url = \"postgres://nobody:hidden@127.0.0.1:1/none\"\ndb_pol = 4\n");
    for command in ["serve", "migrate"] {
        refused(&place, &[command, "--settings", "settings.toml"], &["settings.toml: there is no setting `db_pol`"]);
        refused(&place, &[command, "--settings", "nowhere.toml"], &["settings file nowhere.toml: "]);
    }
    place.write("settings.toml", "database_url = \"postgres://nobody:hidden@127.0.0.1:1/none\"\ndb_pool = 0\n");
    let told = place.run_with(("OVERDRAFT_SETTINGS", "settings.toml"), &["serve"]).exits(2);
    assert!(told.stderr.contains("DB_POOL is \"0\", expected a whole number of connections from 1 to 500"));
    assert!(!told.stderr.contains("hidden"));
    place.run(&["serve", "--print-settings"]).exits(0).says(&["| `DB_POOL` |", "## Stripe"]);
}

#[test]
fn bad_usage_is_refused_by_the_command_line_itself() {
    let place = Place::new();
    for arguments in [&["runn"][..], &["run", "--users", "1"], &["run", "--seed", "x"], &["run", "--nonsense"]] {
        let told = place.run(arguments).exits(2).complains(&["error: ", "--help"]);
        assert_eq!(told.stdout, "");
    }
    place.run(&["--help"]).exits(0).says(&["Exit codes:"]);
    place.run(&["--version"]).exits(0).says(&[env!("CARGO_PKG_VERSION")]);
}

#[test]
fn a_broken_file_is_refused_with_its_name_line_and_column() {
    let place = Place::new();
    place.write("target.toml", &reference_but(&[("instances = 2", "instances = \"two\"")]));
    refused(&place, &["run", "--target", "target.toml"], &["target.toml: line 10, column 13: ", "expected"]);
    place.write("unknown.toml", &reference_but(&[("instances = 2", "instancez = 2")]));
    refused(&place, &["run", "--target", "unknown.toml"], &["unknown.toml: line 10, column 1: ", "instancez"]);
    place.write("torn.toml", "name = \"x\n");
    refused(&place, &["run", "--target", "torn.toml"], &["torn.toml: line 1, column "]);
    place.write("scenario.toml", &flash_sale(20, 1).replace("rounds = 1", "rounds = \"one\""));
    refused(&place, &["run", "scenario.toml"], &["scenario.toml: line 6, column 31: ", "expected"]);
    for missing in ["nowhere.toml", "no/where.toml"] {
        refused(&place, &["run", missing], &["cannot read the scenario file", missing]);
        refused(&place, &["run", "--target", missing], &["cannot read the target file", missing]);
    }
}

#[test]
fn what_a_scenario_needs_and_the_target_lacks_is_named() {
    let place = Place::new();
    let reference = reference_but(&[("\"read-lead\", ", "")]);
    let from = reference.find("[operations.read-lead]").unwrap();
    let to = reference.find("# What only cases ask").unwrap();
    place.write("target.toml", &format!("{}{}", &reference[..from], &reference[to..]));
    let about = ["scenario flash-sale needs read-lead", "target.toml does not map it", "docs/target-file.md"];
    refused(&place, &["run", "flash-sale", "--target", "target.toml"], &about);
    place.run(&["run", "wallet-drain", "--target", "target.toml", "--dry-run"]).exits(0);

    // With a reason it is left out, and the others go on.
    place.write(
        "target.toml",
        &format!("{}[skip]\nflash-sale = \"nobody may look\"\n\n{}", &reference[..from], &reference[to..]),
    );
    let both = ["run", "flash-sale", "wallet-drain", "--target", "target.toml", "--dry-run"];
    place.run(&both).exits(0).says(&["flash-sale: left out: nobody may look", "wallet-drain: "]);
    let about = ["target.toml leaves out flash-sale and all else", "nobody may look"];
    refused(&place, &["run", "flash-sale", "--target", "target.toml"], &about);
}

#[test]
fn limits_and_shares_that_mean_nothing_are_refused_by_name() {
    let place = Place::new();
    let faulty = |fault: &str| format!("{}\n[[faults]]\nfault = {{ {fault} }}\n", flash_sale(20, 1));
    let limited = |limit: &str| format!("{}\n[thresholds]\n{limit}\n", flash_sale(20, 1));
    for (text, about) in [
        (limited(r#""latency.purchase" = "fast""#), vec!["latency.purchase", "fast"]),
        (limited(r#""latency.purchase" = ["p(95)<5", "fast"]"#), vec!["latency.purchase", "fast"]),
        (limited(r#""latency.purchase" = []"#), vec!["latency.purchase", "the list is empty"]),
        (limited(r#""latency.purchase" = 500"#), vec!["line 9, column 22", "write a limit in quotes"]),
        (limited(r#""latencee.purchase" = "p(99)<5""#), vec!["latencee.purchase"]),
        (limited(r#""latency.purchas" = "p(99)<5""#), vec!["latency.purchas"]),
        (faulty(r#"kind = "email-flaky", for_good = 1.5"#), vec!["email-flaky for_good = 1.5", "between 0 and 1"]),
        (faulty(r#"kind = "webhook-chaos", forged = -0.1"#), vec!["webhook-chaos forged = -0.1", "between 0 and 1"]),
        (flash_sale(1, 1), vec!["scenario small: load.users: 1"]),
        (flash_sale(20, 0), vec!["scenario small: load.rounds: 0"]),
        (flash_sale(20, 1).replace("leads.capacity", "leads.capacty"), vec!["did you mean leads.capacity?"]),
        (flash_sale(20, 1).replace("price = 30", "price = -3"), vec!["workload.price: -3"]),
    ] {
        place.write("scenario.toml", &text);
        refused(&place, &["run", "scenario.toml"], &about);
    }
}

#[test]
fn a_folder_that_holds_something_is_not_written_to() {
    let place = Place::new();
    fs::create_dir(place.at("precious")).unwrap();
    place.write("precious/manifest.json", "precious");
    let arguments = ["run", "flash-sale", "--out", "precious"];
    refused(&place, &arguments, &["--out precious: exists and is not empty"]);
    assert_eq!(fs::read_to_string(place.at("precious/manifest.json")).unwrap(), "precious");
    assert_eq!(fs::read_dir(place.at("precious")).unwrap().count(), 1);
}

/// 192.0.2.0/24 is nobody's (RFC 5737): were it contacted, the answer would be a long silence.
#[test]
fn an_address_that_is_not_this_machines_needs_both_switches() {
    let place = Place::new();
    let remote = |url: &str| {
        reference_but(&[
            (r#"command = ["{overdraft}", "serve", "--test-clock"]"#, r#"base_urls = ["http://192.0.2.1:80"]"#),
            ("[database]", &format!("[database]\nurl = \"{url}\"")),
        ])
    };
    let local_database = remote("postgres://me:hidden@127.0.0.1/x");
    let allowed = |text: &str| format!("allow_remote = true\n{text}");
    place.write("remote.toml", &local_database);
    place.write(
        "remote-database.toml",
        &remote("postgres://me:hidden@192.0.2.1/x").replace("http://192.0.2.1", "http://[::1]"),
    );
    place.write("allowed.toml", &allowed(&local_database));

    let refusal = ["is not a loopback address", "allow_remote = true", "--allow-remote"];
    refused(&place, &["run", "--target", "remote.toml"], &refusal);
    refused(&place, &["run", "--target", "remote.toml", "--allow-remote"], &refusal);
    refused(&place, &["run", "--target", "allowed.toml"], &refusal);
    refused(&place, &["run", "--target", "remote-database.toml"], &refusal);
    refused(&place, &["run", "--database-url", "postgres://me@192.0.2.1/x", "--allow-remote"], &refusal);
    let ambient = ("OVERDRAFT_DATABASE_URL", "postgres://me:hidden@192.0.2.1/x");
    let told = place.run_with(ambient, &["run"]).exits(2).complains(&refusal);
    assert!(!told.stderr.contains("hidden"), "a password was printed:\n{}", told.stderr);

    place
        .run(&["run", "--target", "allowed.toml", "--allow-remote", "--dry-run"])
        .exits(0)
        .says(&["nothing was started", "would fire at: http://192.0.2.1:80"]);
}

#[test]
fn an_unreadable_database_url_is_refused_without_showing_its_password() {
    let place = Place::new();
    for url in ["postgres://me:hid#den@127.0.0.1/x", "me:hid#den@127.0.0.1"] {
        let told = place.run(&["run", "--database-url", url]).exits(2).complains(&["not a URL"]).once();
        assert!(!told.stderr.contains("hid"), "a password was printed:\n{}", told.stderr);
    }
}

#[test]
fn a_dry_run_starts_nothing_and_writes_nothing() {
    let place = Place::new();
    place.write("small.toml", &flash_sale(20, 2));
    let arguments =
        ["run", "small.toml", "email-outage", "--seed", "7", "--dry-run", "--defect", "debit-before-purchase"];
    let told = place.run(&arguments).exits(0).says(&[
        "target reference with seed 7; nothing was started",
        "would start a PostgreSQL of its own",
        "would plant the defect debit-before-purchase",
        "small: 20 users, 2 rounds",
        "fault email-flaky",
        "proves leads.capacity, purchase.atomic",
    ]);
    assert_eq!(told.stderr, "");
    assert_eq!(place.left_behind(), Vec::<String>::new());
    let mut there: Vec<_> = fs::read_dir(place.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    there.sort();
    assert_eq!(there, ["said", "small.toml", "tmp"]);
    assert_eq!(place.run(&arguments).stdout, told.stdout, "the same seed planned something else");
}
