//! The console report.

use overdraft_reports::{Style, console};

use crate::support;

const PLAIN: Style = Style { color: false, width: 100 };

#[test]
fn says_what_happened() {
    insta::assert_snapshot!("console_valid", console(&support::valid(), PLAIN));
    insta::assert_snapshot!("console_invalid", console(&support::invalid(), PLAIN));
    insta::assert_snapshot!("console_unknown", console(&support::unknown(), PLAIN));
    insta::assert_snapshot!("console_skipped", console(&support::skipped(), PLAIN));
}

#[test]
fn what_is_left_out_is_one_line_with_its_reason_and_never_green() {
    let told = console(&support::left_out(), PLAIN);
    assert!(told.contains("\n– CF-20 skipped  More requests than are allowed  no rate limits\n"), "{told}");
    assert!(told.starts_with("✓ Valid"), "{told}");
    let markdown = overdraft_reports::markdown(&support::left_out());
    assert!(markdown.contains("### – More requests than are allowed (CF-20): skipped"), "{markdown}");
    let html = overdraft_reports::html(&support::left_out(), None);
    let row = html.split("<tr>").find(|row| row.contains("CF-20")).unwrap();
    assert!(row.contains("skipped") && !row.contains("unknown"), "{row}");
    let junit = overdraft_reports::junit(&support::left_out()).unwrap();
    let suite = junit.split("<testsuite ").find(|suite| suite.contains("overdraft.CF-20")).unwrap();
    assert!(suite.contains("skipped=\"4\"") && suite.contains("failures=\"0\""), "{suite}");
}

#[test]
fn colour_adds_nothing_but_colour() {
    let coloured = console(&support::realistic(), Style { color: true, width: 100 });
    assert!(coloured.contains("\u{1b}[1;31m"));
    let mut bare = coloured;
    for code in ["0", "1", "2", "32", "1;31", "1;33"] {
        bare = bare.replace(&format!("\u{1b}[{code}m"), "");
    }
    assert_eq!(bare, console(&support::realistic(), PLAIN));
}

#[test]
fn a_target_cannot_drive_the_terminal() {
    let text = console(&support::hostile(), PLAIN);
    let driving = text.chars().find(|c| c.is_control() && *c != '\n' || matches!(c, '\u{202a}'..='\u{202e}'));
    assert_eq!(driving, None);
}

#[test]
fn stories_fit_a_narrow_terminal() {
    let text = console(&support::realistic(), Style { color: false, width: 60 });
    let long: Vec<&str> = text.lines().filter(|line| line.starts_with("    ") && line.chars().count() > 60).collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn ends_with_the_line_that_repeats_the_run() {
    let verdict = support::realistic();
    let text = console(&verdict, PLAIN);
    assert!(text.trim_end().ends_with(&verdict.provenance.replay));
}

#[test]
fn a_terminal_is_not_flooded() {
    let text = console(&support::huge(5, 10, 20), PLAIN);
    assert!(text.len() < 256 * 1024, "{} bytes", text.len());
    assert!(text.contains("17 more findings in verdict.json") && text.contains(": 20 findings in verdict.json"));
}
