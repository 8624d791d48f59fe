//! `tenants.isolated`: no tenant reaches another's rows. Judged where a case had the database probed; what could
//! not be tried leaves it unknown.

use overdraft_model::{
    evidence::Tenancy,
    tenancy::{Outcome, Severity},
};

use crate::{case::Case, story::Tale, trial::Trial, words};

pub(crate) const ID: &str = "tenants.isolated";

/// Judges one scenario.
pub(crate) fn check(case: &Case<'_>) -> Trial {
    let mut trial = Trial::new(ID);
    let report = match &case.evidence.tenancy {
        None => return trial,
        Some(Tenancy::Failed(problem)) => {
            trial.doubt(format!("the database could not be probed: {problem}"));
            return trial;
        }
        Some(Tenancy::Probed(report)) => report,
    };
    let tried = report.probes.iter().filter(|probe| probe.outcome != Outcome::NotExercised).count();
    trial.saw(tried);
    trial.fact(format!(
        "{} of {}",
        words::counted(tried, "probe"),
        words::counted(report.objects.len(), "table and view")
    ));
    for finding in report.of(Severity::Leak) {
        let rows = [finding.shown.clone(), finding.remedy.clone()];
        let summary = format!("{}: {}", finding.object, finding.what);
        trial.found(|| Tale::new(case.history, summary).calls(case.history.calls.iter().take(1)).rows(rows).end());
    }
    let weak = report.of(Severity::Weakness).count();
    if weak > 0 {
        trial.fact(format!("{} with one line of defence left", words::counted(weak, "place")));
    }
    let untried =
        report.not_exercised().map(|probe| format!("{} of {} as {}", probe.operation.word(), probe.object, probe.role));
    let untried: Vec<String> = untried.collect();
    if !untried.is_empty() {
        trial.doubt(format!(
            "{} could not be tried: {}",
            words::counted(untried.len(), "probe"),
            words::listed(&untried, 3)
        ));
    }
    trial
}
