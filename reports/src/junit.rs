//! JUnit in Jenkins's dialect: one suite per scenario, one case per check.
//!
//! Invalid is a failure that tells the story, unknown is an error, skipped is skipped: a pipeline that
//! reads nothing but this file can never be green by omission.

use std::time::Duration;

use chrono::DateTime;
use overdraft_model::verdict::{CheckVerdict, Finding, ScenarioVerdict, Validity, Verdict};
use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use crate::{clean, explain, status::Status, words};

/// Findings that are told in full; the rest is counted.
const TOLD: usize = 5;

/// Why no JUnit could be written.
pub type JunitError = SerializeError;

/// The verdict as JUnit XML.
///
/// # Errors
/// Fails if the XML cannot be written to memory.
pub fn junit(verdict: &Verdict) -> Result<String, JunitError> {
    let verdict = clean::verdict(verdict);
    let mut report = Report::new(format!("overdraft {}", verdict.provenance.target));
    if let Ok(started) = DateTime::parse_from_rfc3339(&verdict.provenance.started) {
        report.set_timestamp(started);
    }
    let spent: u64 = verdict.scenarios.iter().map(spent_ms).sum();
    report.set_time(Duration::from_millis(spent));
    for scenario in &verdict.scenarios {
        report.add_test_suite(suite(scenario, &verdict));
    }
    if told(&verdict) != verdict.validity {
        report.add_test_suite(run_suite(&verdict));
    }
    report.to_string()
}

/// What the cases alone say of the run.
fn told(verdict: &Verdict) -> Validity {
    let checks = verdict.scenarios.iter().flat_map(|scenario| &scenario.checks);
    let counted = checks.filter(|check| check.skipped.is_none());
    counted.map(|check| check.validity).reduce(Validity::worst).unwrap_or(Validity::Valid)
}

/// A suite for a verdict that no single check explains, such as a run without scenarios.
fn run_suite(verdict: &Verdict) -> TestSuite {
    let mut suite = TestSuite::new("overdraft");
    let mut case = TestCase::new("verdict", outcome(verdict.validity.into(), &verdict.cause, &verdict.cause));
    case.set_classname("overdraft");
    suite.add_test_case(case);
    suite
}

fn spent_ms(scenario: &ScenarioVerdict) -> u64 {
    scenario.measured.drive_ms.saturating_add(scenario.measured.settle_ms)
}

fn suite(scenario: &ScenarioVerdict, verdict: &Verdict) -> TestSuite {
    let provenance = &verdict.provenance;
    let mut suite = TestSuite::new(format!("overdraft.{}", scenario.scenario));
    suite.set_time(Duration::from_millis(spent_ms(scenario)));
    suite.add_properties([
        ("title", scenario.title.as_str()),
        ("run", &provenance.run),
        ("seed", &provenance.seed.to_string()),
        ("replay", &provenance.replay),
    ]);
    for check in &scenario.checks {
        suite.add_test_case(case(check, scenario, verdict));
    }
    suite
}

fn case(check: &CheckVerdict, scenario: &ScenarioVerdict, verdict: &Verdict) -> TestCase {
    let status = Status::of(check);
    let message = match (status, check.findings.first()) {
        (Status::Skipped, _) => check.skipped.clone().unwrap_or_default(),
        (Status::Invalid, Some(finding)) => finding.summary.clone(),
        _ => check.observed.clone(),
    };
    let mut case = TestCase::new(check.id.clone(), outcome(status, &message, &story(check, scenario, verdict)));
    case.set_classname(format!("overdraft.{}", scenario.scenario));
    case.set_assertions(usize::try_from(check.evidence).unwrap_or(usize::MAX));
    case.set_time(Duration::ZERO);
    case
}

fn outcome(status: Status, message: &str, story: &str) -> TestCaseStatus {
    let mut outcome = match status {
        Status::Valid => return TestCaseStatus::success(),
        Status::Invalid => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Status::Unknown => TestCaseStatus::non_success(NonSuccessKind::Error),
        Status::Skipped => {
            let mut skipped = TestCaseStatus::skipped();
            skipped.set_message(words::clip(message, 500));
            return skipped;
        }
    };
    outcome.set_message(words::clip(message, 500)).set_type(status.word()).set_description(story);
    outcome
}

/// The whole story of a check as text: what was expected, what was seen, the operations, the replay line.
fn story(check: &CheckVerdict, scenario: &ScenarioVerdict, verdict: &Verdict) -> String {
    let mut lines = vec![
        explain::question(&check.id),
        format!("expected: {}", check.expected),
        format!("observed: {}", check.observed),
        format!("evidence: {}", words::count(check.evidence)),
    ];
    for finding in check.findings.iter().take(TOLD) {
        lines.push(String::new());
        lines.extend(told_finding(finding));
    }
    if check.findings.len() > TOLD {
        lines.push(String::new());
        let more = (check.findings.len() - TOLD) as u64;
        lines.push(format!("{} more in verdict.json", words::counted(more, "finding")));
    }
    lines.push(String::new());
    lines.push(format!("scenario: {}, seed: {}", scenario.scenario, verdict.provenance.seed));
    lines.push(format!("replay: {}", verdict.provenance.replay));
    lines.join("\n")
}

fn told_finding(finding: &Finding) -> Vec<String> {
    let mut lines = vec![finding.summary.clone()];
    for line in finding.story.iter().take(40) {
        lines.push(format!(
            "  {:>10}  process {}  #{}  {}  ->  {}  {}",
            words::micros(line.start_us),
            line.process,
            line.op,
            line.asked,
            line.outcome,
            line.answered
        ));
    }
    if finding.story.len() > 40 {
        lines.push(format!("  {} more operations in verdict.json", finding.story.len() - 40));
    }
    lines.extend(finding.rows.iter().take(40).map(|row| format!("  row  {row}")));
    lines
}
