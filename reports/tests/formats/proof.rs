//! The matrix of planted defects: what counts as caught, what as missed, and what as neither.

use overdraft_model::verdict::Validity;
use overdraft_reports::proof::{
    Detection, Expected, Matrix, Origin, ProofRun, Standing, Subject, html, json, markdown, matrix,
};

use crate::support;

fn expected(defect: &str) -> Expected {
    Expected {
        defect: defect.into(),
        wrong: format!("<b>{defect}</b> is wrong"),
        caught_by: "leads.capacity".into(),
        scenario: "flash-sale".into(),
    }
}

fn subject(defect: Option<&str>, seed: u64) -> Subject {
    Subject { version: "1".into(), defect: defect.map(str::to_owned), scenario: "flash-sale".into(), seed }
}

/// A run of this subject in which these checks found something, one after the other.
fn found(subject: Subject, checks: &[&str]) -> ProofRun {
    ProofRun {
        subject,
        validity: if checks.is_empty() { Validity::Valid } else { Validity::Invalid },
        invalid: checks.iter().map(|check| (*check).to_owned()).collect(),
        unknown: vec![],
        detected: (1..=checks.len() as u64).map(|n| Detection { operations: n, seconds: n as f64 }).collect(),
        operations: 100,
        took_s: 3.0,
        problem: None,
    }
}

fn proven(defects: &[&str], seeds: u64, clean: u64, results: &[ProofRun]) -> Matrix {
    let origin = Origin { version: "1".into(), host: "a machine".into(), written: "today".into() };
    let expected: Vec<Expected> = defects.iter().map(|defect| expected(defect)).collect();
    let planted = defects.iter().flat_map(|defect| (1..=seeds).map(|seed| subject(Some(defect), seed)));
    let planned: Vec<Subject> = planted.chain((1..=clean).map(|seed| subject(None, seed))).collect();
    matrix(origin, &expected, &planned, results)
}

#[test]
fn nine_of_ten_are_enough_and_eight_are_not() {
    let runs = |hits: u64| -> Vec<ProofRun> {
        let checks = |seed| if seed <= hits { &["credits.conserved", "leads.capacity"][..] } else { &[] };
        (1..=10).map(|seed| found(subject(Some("a"), seed), checks(seed))).collect()
    };
    let nine = proven(&["a"], 10, 0, &runs(9));
    let row = &nine.rows[0];
    assert_eq!((row.standing, row.caught, row.by_stated, &row.missed), (Standing::Caught, 9, 9, &vec![10]));
    assert_eq!((row.operations, row.seconds), (Some(2), Some(2.0)), "the stated check's own detection");
    assert_eq!(nine.validity(), Validity::Valid);
    let eight = proven(&["a"], 10, 0, &runs(8));
    assert_eq!((eight.rows[0].standing, eight.validity()), (Standing::Missed, Validity::Invalid));
}

#[test]
fn speed_is_nobody_s_catch_and_others_are_shown_as_others() {
    let slow = proven(&["a"], 1, 0, &[found(subject(Some("a"), 1), &["latency.purchase", "errors"])]);
    assert_eq!((slow.rows[0].caught, slow.rows[0].standing), (0, Standing::Missed));
    let other = proven(&["a"], 1, 0, &[found(subject(Some("a"), 1), &["purchase.atomic"])]);
    let row = &other.rows[0];
    assert_eq!((row.caught, row.by_stated, row.by_check["purchase.atomic"]), (1, 0, 1));
    assert_eq!(row.seconds, Some(1.0), "the earliest of the others");
    assert!(markdown(&other).contains("| 1 of 1 | 20.7–100.0 % | 0 | purchase.atomic 1 |"), "{}", markdown(&other));
}

#[test]
fn what_was_not_run_or_has_no_answer_is_neither_caught_nor_clean() {
    let unanswered = ProofRun::failed(subject(Some("a"), 2), "the machine was away".into(), 1.0);
    let results = [found(subject(Some("a"), 1), &["leads.capacity"]), unanswered, found(subject(None, 1), &[])];
    let open = proven(&["a", "b"], 3, 2, &results);
    let row = &open.rows[0];
    assert_eq!((row.caught, row.ran, &row.unknown, &row.not_run), (1, 2, &vec![2], &vec![3]));
    assert_eq!((row.standing, open.rows[1].standing), (Standing::Unknown, Standing::Unknown));
    assert_eq!((open.rows[1].ran, open.rows[1].interval), (0, None));
    assert_eq!((open.clean.ran, open.clean.planned, open.validity()), (1, 2, Validity::Unknown));
    for part in ["0 of 2 defects caught", "2 not run often enough to tell", "1 of 2 clean runs not made"] {
        assert!(open.headline().contains(part), "{}", open.headline());
    }
}

#[test]
fn clean_runs_without_an_answer_make_nobody_surer() {
    let mut results: Vec<ProofRun> = (1..=10).map(|seed| found(subject(None, seed), &[])).collect();
    let answered = proven(&[], 1, 10, &results).clean.interval;
    results.extend((11..=40).map(|seed| ProofRun::failed(subject(None, seed), "no disk".into(), 1.0)));
    let clean = proven(&[], 1, 40, &results).clean;
    assert_eq!((clean.ran, clean.unknown.len(), clean.interval), (40, 30, answered));
    assert_eq!(proven(&[], 1, 40, &results[10..]).clean.interval, None);
}

#[test]
fn one_false_alarm_is_one_too_many_and_results_of_another_build_do_not_count() {
    let caught = found(subject(Some("a"), 1), &["leads.capacity"]);
    let alarm = found(subject(None, 1), &["latency.purchase"]);
    let accused = proven(&["a"], 1, 1, &[caught.clone(), alarm]);
    assert_eq!((accused.validity(), accused.clean.false_alarms.len()), (Validity::Invalid, 1));
    assert!(markdown(&accused).contains("- `flash-sale` with seed 1: latency.purchase"));
    let old = ProofRun { subject: Subject { version: "0".into(), ..subject(Some("a"), 1) }, ..caught };
    assert_eq!(proven(&["a"], 1, 0, &[old]).rows[0].ran, 0);
}

#[test]
fn a_verdict_becomes_a_result_with_the_moment_of_its_first_finding() {
    let verdict = support::invalid();
    let run = ProofRun::of(subject(Some("a"), 1), &verdict, 2.0);
    let invalid = verdict.scenarios.iter().flat_map(|scenario| &scenario.checks);
    let invalid: Vec<_> =
        invalid.filter(|check| check.validity == Validity::Invalid && check.skipped.is_none()).collect();
    assert_eq!(run.invalid, invalid.iter().map(|check| check.id.clone()).collect::<Vec<_>>());
    assert!(!run.invalid.is_empty() && run.detected.len() == run.invalid.len());
    let operations: u64 = verdict.scenarios.iter().map(|scenario| scenario.measured.operations).sum();
    for (when, check) in run.detected.iter().zip(invalid) {
        assert!(when.operations <= operations && when.seconds > 0.0, "{when:?}");
        let ends =
            check.findings.iter().filter_map(|f| f.story.iter().map(|line| line.end_us.unwrap_or(line.start_us)).max());
        if let Some(first) = ends.min() {
            assert!((when.seconds - first as f64 / 1e6).abs() < 1e-9, "{}", check.id);
        }
    }
    let line = serde_json::to_string(&run).unwrap();
    assert_eq!(serde_json::from_str::<ProofRun>(&line).unwrap(), run);
}

#[test]
fn the_page_escapes_what_it_shows_and_the_data_is_whole() {
    let matrix = proven(&["a"], 1, 0, &[found(subject(Some("a"), 1), &["leads.capacity"])]);
    let page = html(&matrix);
    assert!(page.contains("&lt;b&gt;a&lt;/b&gt; is wrong") && !page.contains("<b>a</b>"));
    assert!(page.contains("Proven") && !page.contains("<script") && !page.contains("http"));
    // JSON keeps a share to the last digit but one, so the interval is compared by itself.
    let bounds = |matrix: &mut Matrix| matrix.rows[0].interval.take().map(|bounds| [bounds.low, bounds.high]).unwrap();
    let (mut read, mut matrix) = (serde_json::from_str::<Matrix>(&json(&matrix)).unwrap(), matrix);
    let (read_bounds, own_bounds) = (bounds(&mut read), bounds(&mut matrix));
    assert!(read_bounds.iter().zip(own_bounds).all(|(read, own)| (read - own).abs() < 1e-12), "{read_bounds:?}");
    assert_eq!(read, matrix);
}
