//! A target that never works makes the run unknown, not invalid, and is quoted.

use crate::support::{Place, flash_sale, reference_but};

/// The bundled target with another program in its place.
fn target(program: &str, within: &str) -> String {
    reference_but(&[
        (r#"prepare = ["{overdraft}", "migrate"]"#, "prepare = []"),
        (
            r#"command = ["{overdraft}", "serve", "--test-clock"]"#,
            &format!("command = [\"sh\", \"-c\", \"{program}\"]"),
        ),
        (r#"ready = "/health/ready""#, &format!("ready = \"/health/ready\"\nready_within = \"{within}\"")),
    ])
}

#[test]
fn a_target_that_ends_or_never_answers_is_unknown_and_quoted() {
    let Some(place) = Place::for_runs() else { return };
    place.write("small.toml", &flash_sale(20, 1));
    for (program, within, why) in [
        ("echo last words; exit 7", "30s", ["and ended (exit status: 7)", "last words"]),
        ("echo warming up; sleep 600", "1s", ["did not answer 2xx within 1s", "warming up"]),
    ] {
        place.write("target.toml", &target(program, within));
        let told = place.run(&["run", "small.toml", "--target", "target.toml"]).exits(3).complains(&why).once();
        assert!(told.stderr.contains("small/instance-0.log"), "{}", told.stderr);
        assert_eq!(told.stdout, "");
        assert_eq!(place.left_behind(), Vec::<String>::new());
        place.run(&["check"]).exits(3);
    }
}

#[test]
fn an_instance_that_ends_as_it_starts_gets_another_port_once() {
    let Some(place) = Place::for_runs() else { return };
    place.write("small.toml", &flash_sale(20, 1));
    // As one does whose port another process has taken since it was chosen.
    let program = r#"["sh", "-c", "mkdir started && exit 1; exec {overdraft} serve --test-clock"]"#;
    place.write("target.toml", &reference_but(&[(r#"["{overdraft}", "serve", "--test-clock"]"#, program)]));
    place.run(&["run", "small.toml", "--target", "target.toml"]).exits(0);
    assert!(place.at("started").is_dir(), "it ended once");
    assert_eq!(place.left_behind(), Vec::<String>::new());
}

#[test]
fn what_the_target_file_says_wrongly_is_quoted_as_a_mistake_of_the_file() {
    let Some(place) = Place::for_runs() else { return };
    place.write("small.toml", &flash_sale(20, 1));
    for (text, why) in [
        (
            reference_but(&[(r#"["{overdraft}", "migrate"]"#, r#"["sh", "-c", "echo no such table; exit 1"]"#)]),
            "no such table",
        ),
        (
            reference_but(&[(r#"["{overdraft}", "migrate"]"#, r#"["/nowhere/at-all"]"#)]),
            "cannot start `/nowhere/at-all",
        ),
    ] {
        place.write("target.toml", &text);
        place.run(&["run", "small.toml", "--target", "target.toml"]).exits(2).complains(&[why]).once();
        assert_eq!(place.left_behind(), Vec::<String>::new());
    }
}
