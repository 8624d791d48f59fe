//! `overdraft prove`: every planted defect against the check that must find it, and the correct service against all.
//!
//! Each run is a process of its own, the very one that `overdraft run SCENARIO --defect NAME --seed S` is: nothing
//! of one run can help or harm another. What came of it is appended to `results.jsonl` at once, so a proof that is
//! cut short goes on where it was.

mod child;
mod plan;
mod results;

use std::time::Instant;

use overdraft_model::{span::Span, verdict::Validity};
use overdraft_reports::proof::{self, Expected, Matrix, Origin, ProofRun, Subject};

use self::{child::Prover, results::Results};
use crate::{
    args::ProveOptions,
    commands::session,
    exit::{Exit, Failure},
    interrupt, output,
};

pub(crate) fn execute(options: &ProveOptions) -> Result<Exit, Failure> {
    let began = Instant::now();
    let budget = options.budget.as_deref().map(str::parse::<Span>).transpose();
    let budget = budget.map_err(|error| Failure::usage(format!("--budget: {error}")))?;
    let expected = plan::expected(&options.defects)?;
    let version = plan::version()?;
    let planned = plan::subjects(&expected, &version, options.seeds, options.clean);
    let mut results = Results::open(&options.out)?;
    let stop = interrupt::token();
    let prover = Prover::new(options, stop.clone())?;

    // A run that came to no verdict says nothing of the build: no disk, no PostgreSQL, no time.
    let done = |subject: &Subject| results.of(subject).is_some_and(|run| run.problem.is_none());
    let open: Vec<&Subject> = planned.iter().filter(|subject| !done(subject)).collect();
    output::note(&format!(
        "{} runs planned, {} of them done before; build {version}; {}",
        planned.len(),
        planned.len() - open.len(),
        budget.map_or("no budget".to_owned(), |budget| format!("budget {budget}")),
    ));
    let deadline = budget.map(|budget| began + budget.duration());
    for (number, subject) in open.iter().enumerate() {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if stop.is_cancelled() || left.is_some_and(|left| left < results.usual(&subject.scenario)) {
            break;
        }
        let stated = stated(subject, &expected);
        let Some(run) = prover.run(subject, stated, left)? else { break };
        output::note(&line(number + 1, open.len(), &run, stated));
        results.add(run)?;
    }

    let origin = Origin { version, host: session::host(), written: chrono::Utc::now().to_rfc3339() };
    let matrix = proof::matrix(origin, &expected, &planned, results.all());
    results.write(&matrix)?;
    output::say(&format!("{}\nmatrix  {}\n", told(&matrix), options.out.join("matrix.html").display()));
    if stop.is_cancelled() {
        return Err(Failure { exit: Exit::Interrupted, message: "interrupted; call it again to go on".into() });
    }
    Ok(Exit::of(matrix.validity()))
}

/// The check that must find a subject's defect; none for the correct service.
fn stated<'a>(subject: &Subject, expected: &'a [Expected]) -> Option<&'a str> {
    expected.iter().find(|one| Some(&one.defect) == subject.defect.as_ref()).map(|one| one.caught_by.as_str())
}

/// What is printed when a run is over.
fn line(number: usize, of: usize, run: &ProofRun, stated: Option<&str>) -> String {
    let Subject { defect, scenario, seed, .. } = &run.subject;
    let who = defect.as_deref().unwrap_or("correct");
    let found = if run.invalid.is_empty() { "nothing".to_owned() } else { run.invalid.join(", ") };
    let verdict = match (stated, run.validity) {
        _ if run.problem.is_some() => "no verdict",
        (Some(stated), _) if run.invalid.iter().any(|check| check == stated) => "caught",
        (None, Validity::Valid) => "valid",
        (None, Validity::Invalid) => "FALSE ALARM",
        (_, Validity::Unknown) => "unknown",
        (Some(stated), Validity::Invalid) if run.catches(stated).next().is_some() => "caught by others",
        // A limit that broke is nobody's catch.
        (Some(_), Validity::Invalid | Validity::Valid) => "MISSED",
    };
    format!("[{number}/{of}] {who} in {scenario}, seed {seed}: {verdict} ({found}), {:.0} s", run.took_s)
}

/// The rows that are not as they should be, and the headline.
fn told(matrix: &Matrix) -> String {
    let mut text = String::new();
    for row in matrix.rows.iter().filter(|row| row.standing == proof::Standing::Missed || row.by_stated < row.caught) {
        let by: Vec<String> = row.by_check.iter().map(|(check, count)| format!("{check} {count}")).collect();
        text.push_str(&format!(
            "{}: caught in {} of {} planned seeds, {} run; stated {} {}; found by {}\n",
            row.expected.defect,
            row.caught,
            row.planned,
            row.ran,
            row.expected.caught_by,
            row.by_stated,
            if by.is_empty() { "nothing".to_owned() } else { by.join(", ") }
        ));
    }
    text + &matrix.headline()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_defect_that_only_broke_a_limit_is_said_to_be_missed_as_in_the_matrix() {
        let subject = Subject { version: "v".into(), defect: Some("a".into()), scenario: "CF-01".into(), seed: 1 };
        let said = |invalid: &[&str]| {
            let run = ProofRun {
                validity: Validity::Invalid,
                invalid: invalid.iter().map(|check| (*check).to_owned()).collect(),
                problem: None,
                ..ProofRun::failed(subject.clone(), String::new(), 1.0)
            };
            line(1, 1, &run, Some("leads.capacity"))
        };
        assert!(said(&["latency.purchase", "errors"]).contains("MISSED"));
        assert!(said(&["purchase.atomic", "errors"]).contains("caught by others"));
        assert!(said(&["leads.capacity"]).contains(": caught ("));
    }
}
