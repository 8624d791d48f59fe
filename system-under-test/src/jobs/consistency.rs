//! The daily run of the consistency checks.
//!
//! The day is the UTC date of the service's clock. Every instance asks for the day's job, and the job's unique
//! subject makes it one. Violations are no failure of the job: they are kept, and raise an alert.

use chrono::NaiveDate;

use super::Work;
use super::attempt::{Ended, Failure};
use super::general::Job;
use crate::audit::{CheckOutcome, audit};
use crate::database::{is_unavailable, retrying};
use crate::error::Error;

/// Queues today's run, unless it is queued.
pub(crate) async fn queue(work: &Work) -> Result<(), sqlx::Error> {
    let today = work.0.clock.now().date_naive();
    sqlx::query("SELECT queue_consistency_run($1)").bind(today).execute(&work.0.pool).await.map(|_| ())
}

/// Runs the checks and keeps what they found. A run that was cut off checks again: it only reads.
pub(crate) async fn run(job: &Job<'_>) -> Result<(), Ended> {
    let work = &job.work.0;
    let day: NaiveDate =
        job.subject.parse().map_err(|_| Failure { permanent: true, ..failure("the subject is no day") })?;
    let started = work.clock.now();
    let outcomes = audit(work.settings.database_url.expose()).await.map_err(|error| match error {
        Error::Database(error) if is_unavailable(&error) => Ended::from(error),
        // A check that cannot be run, or takes too long, is told to people like any other job that fails.
        other => Ended::from(failure(&other.to_string())),
    })?;
    let violated: Vec<CheckOutcome> = outcomes.into_iter().filter(|outcome| outcome.total > 0).collect();
    for outcome in &violated {
        tracing::error!(check = outcome.name, rows = outcome.total, "the stored data is inconsistent");
    }
    let violations = serde_json::to_value(&violated).map_err(|error| failure(&error.to_string()))?;
    retrying(|| {
        sqlx::query("SELECT finish_consistency_run($1, $2, $3, $4)")
            .bind(day)
            .bind(started)
            .bind(work.clock.now())
            .bind(&violations)
            .execute(&work.pool)
    })
    .await?;
    Ok(())
}

fn failure(reason: &str) -> Failure {
    Failure { reason: reason.to_owned(), permanent: false, retry_after: None }
}
