//! `latency.*` and `errors.*`: limits in k6's spelling. A limit without a sample is unknown, never kept.

use overdraft_model::{
    history::{Call, Phase},
    operation::{Operation, Outcome},
    threshold::{Aggregate, Limits, Threshold, ThresholdError},
};

use crate::{case::Case, story::Tale, trial::Trial, words::counted};

/// Why a limit cannot be judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// No such metric.
    #[error("`{0}` is not a metric: use latency.<operation>, errors or errors.<operation>, where <operation> is one of {names}", names = Operation::NAMES.join(", "))]
    Metric(String),
    /// Not k6's spelling.
    #[error(transparent)]
    Expression(#[from] ThresholdError),
    /// A list that asks for nothing.
    #[error("the list is empty: write a limit, or leave the metric out")]
    Empty,
    /// The metric has no such aggregate.
    #[error(
        "`{metric}` cannot be limited by `{expression}`: a latency takes p(N), avg, min, med or max, errors take rate or count"
    )]
    Aggregate {
        /// The metric.
        metric: String,
        /// The expression.
        expression: String,
    },
}

/// What a metric measures, of which operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Metric {
    Latency(&'static str),
    Errors(Option<&'static str>),
}

fn metric(name: &str) -> Result<Metric, LimitError> {
    let wrong = || LimitError::Metric(name.to_owned());
    let operation = |wanted: &str| Operation::NAMES.into_iter().find(|known| *known == wanted).ok_or_else(wrong);
    match name.split_once('.') {
        None if name == "errors" => Ok(Metric::Errors(None)),
        Some(("errors", of)) => Ok(Metric::Errors(Some(operation(of)?))),
        Some(("latency", of)) => Ok(Metric::Latency(operation(of)?)),
        _ => Err(wrong()),
    }
}

/// Whether a metric can be limited at all.
///
/// # Errors
/// Fails on a name that is no metric, and lists those that are.
pub fn validate_metric(name: &str) -> Result<(), LimitError> {
    metric(name).map(|_| ())
}

/// Whether a metric can be limited so, that a bad limit is refused before anything starts.
///
/// # Errors
/// Fails on an unknown metric, an empty list, an expression that k6 would not understand, and an aggregate that the
/// metric does not have.
pub fn validate_threshold(name: &str, limits: &Limits) -> Result<(), LimitError> {
    read(name, limits).map(|_| ())
}

fn read(name: &str, limits: &Limits) -> Result<(Metric, Vec<Threshold>), LimitError> {
    let metric = metric(name)?;
    let expressions = limits.expressions();
    match expressions.is_empty() {
        true => Err(LimitError::Empty),
        false => Ok((metric, expressions.iter().map(|of| limit(name, metric, of)).collect::<Result<_, _>>()?)),
    }
}

fn limit(name: &str, metric: Metric, expression: &str) -> Result<Threshold, LimitError> {
    let threshold: Threshold = expression.parse()?;
    let fits = match threshold.aggregate {
        Aggregate::Percentile(_) | Aggregate::Average | Aggregate::Min | Aggregate::Max => {
            matches!(metric, Metric::Latency(_))
        }
        Aggregate::Rate | Aggregate::Count => matches!(metric, Metric::Errors(_)),
    };
    match fits {
        true => Ok(threshold),
        false => Err(LimitError::Aggregate { metric: name.to_owned(), expression: expression.to_owned() }),
    }
}

/// Judges the limits of one metric of a scenario.
pub(crate) fn check(case: &Case<'_>, name: &str, limits: &Limits) -> Trial {
    let mut trial = Trial::new(name);
    match read(name, limits) {
        Err(error) => trial.doubt(error.to_string()),
        Ok((Metric::Latency(operation), thresholds)) => latency(case, operation, &thresholds, &mut trial),
        Ok((Metric::Errors(operation), thresholds)) => errors(case, operation, &thresholds, &mut trial),
    }
    trial
}

fn latency(case: &Case<'_>, operation: &str, thresholds: &[Threshold], trial: &mut Trial) {
    let Some(latency) = case.latencies.get(operation).filter(|latency| latency.samples() > 0) else { return };
    trial.saw(usize::try_from(latency.samples()).unwrap_or(usize::MAX));
    for threshold in thresholds {
        let us = match threshold.aggregate {
            Aggregate::Percentile(percent) => latency.percentile_us(percent) as f64,
            Aggregate::Average => latency.mean_us(),
            Aggregate::Min => latency.shortest_us() as f64,
            Aggregate::Max | Aggregate::Rate | Aggregate::Count => latency.longest_us() as f64,
        };
        let ms = us / 1_000.0;
        let value = format!("{threshold} ms: it was {ms:.1} ms over {}", counted(latency.samples(), "sample"));
        if !threshold.holds(ms) {
            let took = |call: &Call| call.end.unwrap_or(case.history.end).saturating_sub(call.intended);
            let too_slow = |call: &&Call| {
                driven(call) && call.operation.name() == operation && !threshold.holds(took(call) as f64 / 1_000_000.0)
            };
            let mut slow: Vec<&Call> = case.history.calls.iter().filter(too_slow).collect();
            slow.sort_by_key(|call| std::cmp::Reverse(took(call)));
            trial.found(|| {
                Tale::new(case.history, format!("{operation} must keep {value}")).calls(slow.into_iter().take(3)).end()
            });
        }
        trial.fact(value);
    }
}

fn errors(case: &Case<'_>, operation: Option<&str>, thresholds: &[Threshold], trial: &mut Trial) {
    // A delivery is asked by the provider, not by a client: it counts only where it is named.
    let meant = |call: &&Call| match operation {
        Some(name) => call.operation.name() == name,
        None => !matches!(call.operation, Operation::DeliverWebhook { .. }),
    };
    let calls: Vec<&Call> = case.history.calls.iter().filter(|call| driven(call)).filter(meant).collect();
    if calls.is_empty() {
        return;
    }
    trial.saw(calls.len());
    let wrong: Vec<&Call> = calls.iter().copied().filter(|call| unexpected(call)).collect();
    let (answers, asked) = (counted(wrong.len(), "unexpected answer"), counted(calls.len(), "operation"));
    for threshold in thresholds {
        let value = match threshold.aggregate {
            Aggregate::Rate => wrong.len() as f64 / calls.len() as f64,
            Aggregate::Count | Aggregate::Percentile(_) | Aggregate::Average | Aggregate::Min | Aggregate::Max => {
                wrong.len() as f64
            }
        };
        let said = format!("{threshold}: {answers} in {asked}");
        if !threshold.holds(value) {
            let what = operation.unwrap_or("operations");
            let wrong = wrong.iter().copied();
            trial.found(|| Tale::new(case.history, format!("{what} must keep {said}")).calls(wrong).end());
        }
        trial.fact(said);
    }
}

fn driven(call: &Call) -> bool {
    call.phase == Phase::Drive
}

fn unexpected(call: &Call) -> bool {
    // A refused connection is a clear answer to whoever asks what happened, and none to whoever wanted one. What the
    // simulated provider refuses has no status either, and is nothing that the target did.
    let of_target = call.operation.mapping().is_some() || matches!(call.operation, Operation::DeliverWebhook { .. });
    match (call.outcome, call.answer.status) {
        (Outcome::Info, _) => true,
        (_, Some(status)) => status >= 500,
        (Outcome::Fail, None) => of_target,
        (Outcome::Ok, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_metrics() {
        for name in ["latency.purchase", "errors", "errors.buy-credits"] {
            assert_eq!(validate_metric(name), Ok(()), "{name}");
        }
        for name in ["latency", "latency.", "latency.teleport", "errors.", "error", "", "latency.purchase.x"] {
            assert_eq!(validate_metric(name), Err(LimitError::Metric(name.to_owned())), "{name}");
        }
    }

    #[test]
    fn refuses_what_a_metric_does_not_have() {
        let validated = |name: &str, limits: &str| validate_threshold(name, &limits.into());
        assert_eq!(validated("latency.purchase", "p(95)<500"), Ok(()));
        assert_eq!(validated("errors", "rate<0.01"), Ok(()));
        assert!(matches!(validated("errors", "p(95)<500"), Err(LimitError::Aggregate { .. })));
        assert!(matches!(validated("latency.purchase", "count<1"), Err(LimitError::Aggregate { .. })));
        assert!(matches!(validated("errors", "fast"), Err(LimitError::Expression(_))));
    }

    #[test]
    fn each_limit_of_a_list_must_be_one_and_there_must_be_one() {
        let validated = |name: &str, list: &[&str]| {
            validate_threshold(name, &Limits::All(list.iter().map(|&of| of.into()).collect()))
        };
        assert_eq!(validated("latency.purchase", &["p(95)<500", "max<2000"]), Ok(()));
        assert!(matches!(validated("latency.purchase", &["p(95)<500", "rate<0.1"]), Err(LimitError::Aggregate { .. })));
        assert!(matches!(validated("errors", &["rate<0.1", "few"]), Err(LimitError::Expression(_))));
        assert_eq!(validated("errors", &[]), Err(LimitError::Empty));
    }
}
