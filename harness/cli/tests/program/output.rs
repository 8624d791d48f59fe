//! Where a run may be written to, and what is said where it may not.

use std::fs;

use crate::support::{Place, flash_sale};

#[test]
fn a_place_that_cannot_be_written_is_the_harnesss_failure() {
    let place = Place::new();
    place.write("small.toml", &flash_sale(20, 1));
    place.write("file", "precious");
    for out in ["/dev/null/x", "file", "file/x"] {
        let told = place.run(&["run", "small.toml", "--out", out]).exits(4).complains(&["cannot create"]).once();
        assert_eq!((told.stdout.as_str(), told.stderr.lines().count()), ("", 1), "{}", told.stderr);
        assert_eq!(place.left_behind(), Vec::<String>::new());
    }
    assert_eq!(fs::read_to_string(place.at("file")).unwrap(), "precious");
    place.write("runs", "not a folder");
    place.run(&["run", "small.toml"]).exits(4).complains(&["cannot create runs"]).once();
}

/// An empty folder cannot always be removed and made again: it may be a mount point, or where we are.
#[test]
fn an_empty_folder_is_taken_over_as_it_is() {
    let Some(place) = Place::for_runs() else { return };
    place.write("small.toml", &flash_sale(20, 1));
    fs::create_dir(place.at("real")).unwrap();
    std::os::unix::fs::symlink("real", place.at("linked")).unwrap();
    place.run(&["run", "small.toml", "--out", "linked"]).exits(0).says(&["report  linked/report.html"]);
    assert!(place.at("real/verdict.json").is_file());
    assert!(!place.at("runs").exists());
}
