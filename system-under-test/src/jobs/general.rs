//! The job `run_job`: every kind of work that is neither an email nor an event of the inbox.
//!
//! A kind is a function from a [`Job`] to an end. It divides itself into steps by [`Job::step`]: what a step
//! came to is remembered, so that a run after a failure or a crash goes on where the last one stopped.

use std::future::Future;

use graphile_worker::{IntoTaskHandlerResult, TaskHandler, WorkerContext};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::FromRow;
use uuid::Uuid;

use super::attempt::{Attempt, Ended, Failure, guarded, settle};
use super::{JobError, Work, consistency, enrichment, sync};
use crate::database::retrying;

/// Runs the job, unless it is done.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct RunJob {
    job_id: Uuid,
}

impl TaskHandler for RunJob {
    const IDENTIFIER: &'static str = "run_job";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        let (work, id) = (Work::of(&context)?, self.job_id);
        guarded(&work, "job", &id.to_string(), run(&work, id)).await
    }
}

#[derive(FromRow)]
struct Pending {
    kind: String,
    subject: String,
    attempt: i32,
}

/// A job while it runs.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    /// What the handlers share.
    pub(crate) work: &'a Work,
    /// The row.
    pub(crate) id: Uuid,
    /// What it is about: a lead's id, a day.
    pub(crate) subject: String,
}

impl Job<'_> {
    /// Does this step, unless an earlier run has done it; what it came to.
    pub(crate) async fn step<T, Fut>(&self, name: &str, doing: impl FnOnce() -> Fut) -> Result<T, Ended>
    where
        T: Serialize + DeserializeOwned,
        Fut: Future<Output = Result<T, Ended>>,
    {
        let pool = &self.work.0.pool;
        let known: Option<Value> =
            retrying(|| sqlx::query_scalar("SELECT job_step($1, $2)").bind(self.id).bind(name).fetch_one(pool)).await?;
        let result = match known {
            Some(result) => result,
            None => {
                let result = serde_json::to_value(doing().await?).map_err(|error| unreadable(name, &error))?;
                retrying(|| {
                    sqlx::query_scalar("SELECT job_step_done($1, $2, $3)")
                        .bind(self.id)
                        .bind(name)
                        .bind(&result)
                        .fetch_one(pool)
                })
                .await?
            }
        };
        serde_json::from_value(result).map_err(|error| unreadable(name, &error).into())
    }
}

/// A result that this version does not understand: repeating changes nothing.
fn unreadable(step: &str, error: &serde_json::Error) -> Failure {
    Failure {
        reason: format!("the result of step {step} is not as expected: {error}"),
        permanent: true,
        retry_after: None,
    }
}

async fn run(work: &Work, id: Uuid) -> Result<(), JobError> {
    let pool = &work.0.pool;
    let pending: Option<Pending> = retrying(|| {
        sqlx::query_as("SELECT * FROM job_to_run($1, $2)")
            .bind(id)
            .bind(work.0.settings.job_max_attempts)
            .fetch_optional(pool)
    })
    .await?;
    let Some(Pending { kind, subject, attempt }) = pending else {
        return Ok(());
    };
    let job = Job { work, id, subject };
    let ended = match kind.as_str() {
        "enrichment" => enrichment::run(&job).await,
        "data_sync" => sync::run(&job).await,
        "consistency" => consistency::run(&job).await,
        _ => Err(Ended::Business(Failure {
            reason: format!("no handler knows jobs of kind {kind}: this instance is older than the database"),
            permanent: false,
            retry_after: None,
        })),
    };
    let ended = match ended {
        Ok(()) => retrying(|| sqlx::query("SELECT job_done($1)").bind(id).execute(pool))
            .await
            .map(|_| ())
            .map_err(Ended::from),
        failed => failed,
    };
    settle(work, Attempt { carrier: "job", id: &id.to_string(), number: attempt }, ended).await
}
