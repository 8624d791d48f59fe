//! JUnit, read back by the reader that CI servers' tools use.

use overdraft_model::verdict::{Validity, Verdict};
use overdraft_reports::junit;
use quick_junit::{NonSuccessKind, Report, TestCaseStatus};

use crate::support;

fn read(verdict: &Verdict) -> Report {
    Report::deserialize_from_str(&junit(verdict).unwrap()).unwrap()
}

#[test]
fn says_what_happened() {
    insta::assert_snapshot!("junit_valid", junit(&support::valid()).unwrap());
    insta::assert_snapshot!("junit_invalid", junit(&support::invalid()).unwrap());
    insta::assert_snapshot!("junit_unknown", junit(&support::unknown()).unwrap());
    insta::assert_snapshot!("junit_skipped", junit(&support::skipped()).unwrap());
}

#[test]
fn counts_agree_with_the_verdict() {
    let report = read(&support::realistic());
    assert_eq!((report.tests, report.failures, report.errors, report.skipped), (21, 4, 2, 1));
    assert_eq!(report.test_suites.len(), 3);
    let case = &report.test_suites[0].test_cases[0];
    let TestCaseStatus::NonSuccess { kind: NonSuccessKind::Failure, description: Some(story), .. } = &case.status
    else {
        panic!("{case:?}");
    };
    assert!(story.contains("buyer-004 pays cs_0012") && story.contains("replay: overdraft run"), "{story:?}");
}

#[test]
fn a_run_that_checked_nothing_is_not_green() {
    let mut verdict = support::unknown();
    verdict.scenarios.clear();
    let report = read(&verdict);
    assert_eq!((report.tests, report.errors), (1, 1));

    let mut verdict = support::valid();
    verdict.validity = Validity::Invalid;
    assert_eq!(read(&verdict).failures, 1);
}

#[test]
fn hostile_text_stays_text() {
    let xml = junit(&support::hostile()).unwrap();
    let invalid = xml.chars().find(|c| c.is_control() && *c != '\n' || matches!(c, '\u{fffe}' | '\u{ffff}'));
    assert_eq!(invalid, None);
    assert!(!xml.contains("<script"));
    let report = Report::deserialize_from_str(&xml).unwrap();
    assert!(report.test_suites[0].test_cases[0].name.contains("<script>alert(1)</script>"));
}

#[test]
fn a_huge_run_is_read_back() {
    assert_eq!(read(&support::huge(5, 10, 20)).failures, 50);
}
