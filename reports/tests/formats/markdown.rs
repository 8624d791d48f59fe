//! The GitHub step summary.

use overdraft_reports::markdown;

use crate::support;

#[test]
fn says_what_happened() {
    insta::assert_snapshot!("markdown_valid", markdown(&support::valid()));
    insta::assert_snapshot!("markdown_invalid", markdown(&support::invalid()));
    insta::assert_snapshot!("markdown_unknown", markdown(&support::unknown()));
    insta::assert_snapshot!("markdown_skipped", markdown(&support::skipped()));
}

#[test]
fn hostile_text_starts_no_markup() {
    let text = markdown(&support::hostile());
    let mut fenced = false;
    let outside: Vec<&str> = text
        .lines()
        .filter(|line| {
            let fence = line.starts_with("```");
            fenced ^= fence;
            !fenced && !fence
        })
        .collect();
    let (html, outside): (Vec<&str>, Vec<&str>) = outside.iter().partition(|line| line.starts_with("<summary>"));
    assert!(html.iter().all(|line| line.matches('<').count() == 4), "only summary and b: {html:#?}");
    let outside = outside.join("\n").replace("\\]", "").replace("\\*", "").replace("\\`", "");
    let outside: String = outside.split('`').step_by(2).collect();
    for forbidden in ["<script", "<img", "http://", "](http", "**b", "\u{1b}"] {
        assert!(!outside.contains(forbidden), "{forbidden} in {outside}");
    }
}

#[test]
fn every_row_has_its_columns() {
    let text = markdown(&support::hostile());
    let rows = text.lines().filter(|line| line.starts_with("| "));
    let wrong: Vec<&str> = rows.filter(|row| ![4, 6, 7, 10].contains(&row.matches('|').count())).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn stays_below_what_github_shows_and_says_so() {
    let text = markdown(&support::huge(5, 10, 20));
    assert!(text.len() < 1024 * 1024, "{} bytes", text.len());
    assert!(text.contains("Left out of this summary: "));
    assert!(text.contains("Run it again"));
    let many = markdown(&support::huge(60, 60, 0));
    assert!(many.len() < 1024 * 1024 && many.contains("scenario tables; all of it is in `verdict.json`"));
}

#[test]
fn leaves_nothing_out_where_there_is_room() {
    assert!(!markdown(&support::realistic()).contains("Left out"));
}
